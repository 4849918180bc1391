//! `cargo xtask ci-long`: what takes too long for every change; run before an issue is called done.

use anyhow::Result;

use crate::{
    bare_metal, constant_time, fuzz, install, kill, second_broker, shell::cargo, sim, soak, stage::Stages,
    tshark,
};

/// How long each fuzz target runs.
const FUZZ_SECONDS: u32 = 60;

/// How many seeds tell stories of the session.
const SIM_SEEDS: u32 = 20_000;

/// Runs the stages whose name contains `filter`, or all.
pub(crate) fn run(filter: Option<String>) -> Result<()> {
    let mut stages = Stages::matching(filter);
    stages.run("a second opinion on our bytes: tshark", tshark::run)?;
    stages.run("a second broker: ejabberd", second_broker::run)?;
    stages.run("simulated time", || sim::run(SIM_SEEDS, 0))?;
    stages.run("constant time", constant_time::run)?;
    stages.run("ten minutes on a bad link", || soak::run(soak::SECONDS))?;
    stages.run("killed processes", || kill::run(kill::KILLS, 7))?;
    stages.run("bare metal", bare_metal::run)?;
    stages.run("licences, bans, sources", deny)?;
    stages.run("fuzzing with the address sanitizer", || fuzz::run(&fuzz::targets()?, FUZZ_SECONDS, false))?;
    stages.close("ci-long")
}

fn deny() -> Result<()> {
    install::cargo_command("deny", "^0.20")?;
    cargo("deny check licenses bans sources").run()
}
