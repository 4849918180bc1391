//! `cargo xtask sim`: the long forms of the session's proof, which lives in `mqtt-session-model`.

use anyhow::Result;

use crate::shell::{Cmd, cargo};

/// Tells the stories of so many seeds, then goes every way through small worlds, then lives for a hundred years.
pub(crate) fn run(seeds: u32, from: u32) -> Result<()> {
    sim().words("seeds").arg(from.to_string()).arg(seeds.to_string()).run()?;
    sim().words("worlds").run()?;
    sim().words("years").arg(from.to_string()).run()
}

/// Tells one story of this kind step by step: a seed, or its bytes in hex.
pub(crate) fn story(kind: &str, story: &str) -> Result<()> {
    sim().arg(kind).arg(story).run()
}

fn sim() -> Cmd {
    cargo("run --quiet --release --package mqtt-session-model --bin sim --")
}
