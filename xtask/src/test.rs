//! `cargo xtask test`: the README's command. Installs what the tests talk to, then runs all there is.

use anyhow::Result;

use crate::{
    install,
    shell::{Cmd, cargo, has_cargo_command},
};

pub(crate) fn run() -> Result<()> {
    let python = install::test_programs()?;
    // Where the tests look for a Python that has paho-mqtt.
    let with_python = |command: Cmd| command.env("MQTT_PAHO_PYTHON", &python);
    if has_cargo_command("nextest") {
        with_python(cargo("nextest run --workspace --all-targets")).run()?;
    } else {
        with_python(cargo("test --workspace --all-targets")).run()?;
    }
    cargo("test --workspace --doc").run()?;
    replay_corpora()
}

/// Runs every stored fuzz input as a plain test; needs neither libFuzzer nor a C++ compiler.
fn replay_corpora() -> Result<()> {
    cargo("test --manifest-path fuzz/Cargo.toml --no-default-features").run()
}
