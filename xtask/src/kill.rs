//! `cargo xtask kill`: exactly once across killed processes; the scenarios of `mqtt-scenarios`, as often as wanted.

use anyhow::Result;

use crate::{install, shell::cargo};

/// How often, unless told otherwise.
pub(crate) const KILLS: u32 = 300;

/// Kills so many workers at moments that the seed decides, half of them in each version of the protocol.
pub(crate) fn run(kills: u32, seed: u32) -> Result<()> {
    install::test_programs()?;
    cargo("run --quiet --release --package mqtt-scenarios --bin kill --")
        .arg(kills.to_string())
        .arg(seed.to_string())
        .run()
}
