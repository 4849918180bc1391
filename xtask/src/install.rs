//! Programs that the chores call: found, else installed, else an error that says how to install them.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::shell::{cargo, cmd, has_cargo_command, has_program, program, target_dir};

/// What the tests need besides Rust: mosquitto with its clients, and a Python that has paho-mqtt. Returns that Python.
pub(crate) fn test_programs() -> Result<PathBuf> {
    apt(&[
        ("mosquitto", has_program("mosquitto")),
        (
            "mosquitto-clients",
            ["mosquitto_pub", "mosquitto_sub", "mosquitto_rr"].into_iter().all(has_program),
        ),
        ("python3", has_program("python3")),
        // Debian's python3 comes without what `-m venv` needs; other Pythons have it built in.
        ("python3-venv", cmd("python3 -c").arg("import ensurepip, venv").succeeds()),
    ])?;
    paho()
}

/// Installs the packages of Debian that are not `present`, or says how.
pub(crate) fn apt(packages: &[(&str, bool)]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, present)| !present).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let line = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    if !has_program("apt-get") {
        bail!("missing: {}; this machine has no apt-get, install them by hand", missing.join(", "));
    }
    if cmd("id -u").output()?.trim() != "0" {
        bail!("missing: {}; run as root, or first: sudo {line}", missing.join(", "));
    }
    cmd("apt-get update -q").run()?;
    cmd(&line).env("DEBIAN_FRONTEND", "noninteractive").run()
}

/// What libFuzzer is compiled with.
pub(crate) fn cpp_compiler() -> Result<()> {
    apt(&[("g++", has_program("c++"))])
}

/// Installs a cargo subcommand when cargo does not know it.
pub(crate) fn cargo_command(name: &str, version: &str) -> Result<()> {
    if has_cargo_command(name) {
        return Ok(());
    }
    cargo(&format!("install --locked cargo-{name} --version {version}")).run()
}

/// A virtual environment under `target` with paho-mqtt, the Python client that tests talk to.
fn paho() -> Result<PathBuf> {
    let folder = target_dir().join("paho");
    let python = folder.join("bin/python");
    let run = |words| program(&python, words);
    let works = || run("-c").arg("import paho.mqtt.client").succeeds();
    if !works() {
        cmd("python3 -m venv").arg(&folder).run()?;
        run("-m pip install --quiet --disable-pip-version-check paho-mqtt==2.1.0").run()?;
    }
    if !works() {
        bail!(
            "{} cannot import paho.mqtt.client; delete {} and try again",
            python.display(),
            folder.display()
        );
    }
    Ok(python)
}
