//! `cargo xtask test`: the README's command. Installs what the tests talk to, then runs all there is.

use anyhow::Result;

use crate::{
    install,
    shell::{Cmd, cargo, has_cargo_command},
};

pub(crate) fn run() -> Result<()> {
    let python = install::test_programs()?;
    // Where the tests look for a Python that has paho-mqtt.
    runner().words("--workspace --all-targets").env("MQTT_PAHO_PYTHON", &python).run()?;
    cargo("test --workspace --doc").run()?;
    replay_corpora()
}

/// What runs tests: cargo-nextest where it is installed, which ends a test that hangs; else cargo itself.
pub(crate) fn runner() -> Cmd {
    if has_cargo_command("nextest") { cargo("nextest run") } else { cargo("test") }
}

/// Runs every stored fuzz input as a plain test; needs neither libFuzzer nor a C++ compiler.
fn replay_corpora() -> Result<()> {
    cargo("test --manifest-path fuzz/Cargo.toml --no-default-features").run()
}
