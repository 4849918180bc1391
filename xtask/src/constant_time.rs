//! That a packet costs the same however many messages are under way: instructions, which valgrind counts.

use anyhow::{Context as _, Result, ensure};

use crate::{
    install,
    shell::{Cmd, cargo, cmd, has_program, target_dir},
};

/// Few messages under way, and as many as there are packet identifiers.
const SIZES: [u32; 2] = [10, 65_535];

/// How much more a round may cost with many of them.
const TOLERANCE: f64 = 1.1;

const ROUNDS: u32 = 2_000;

/// A client may acknowledge what it receives only in order, a server what it gets in any.
const FLOWS: [&str; 6] =
    ["publish-1", "publish-1-shuffled", "publish-2", "publish-2-shuffled", "receive-1", "receive-2"];

/// Counts each flow's instructions a round with few and with many messages under way.
pub(crate) fn run() -> Result<()> {
    install::apt(&[("valgrind", has_program("valgrind"))])?;
    cargo("build --quiet --release --package mqtt-session-model --bin sim").run()?;
    for flow in FLOWS {
        let [few, many] = [per_round(flow, SIZES[0])?, per_round(flow, SIZES[1])?];
        let ratio = many / few;
        println!(
            "{flow}: {few:.0} instructions a round with {} under way, {many:.0} with {}: {ratio:.3}",
            SIZES[0], SIZES[1]
        );
        ensure!(ratio <= TOLERANCE, "{flow} is to cost at most {TOLERANCE} times as much");
    }
    Ok(())
}

/// The difference between many rounds and none.
fn per_round(flow: &str, under_way: u32) -> Result<f64> {
    let count = |rounds: u32| -> Result<f64> {
        let sim = target_dir().join("release/sim");
        let valgrind: Cmd = cmd("valgrind --tool=callgrind --callgrind-out-file=/dev/null");
        let report = valgrind
            .arg(sim)
            .words("steady")
            .arg(flow)
            .arg(under_way.to_string())
            .arg(rounds.to_string())
            .complaints()?;
        let count = report
            .lines()
            .find_map(|line| line.split_once("Collected : "))
            .context("no count by valgrind")?
            .1;
        count.trim().parse().with_context(|| format!("not a count: {count}"))
    };
    Ok((count(ROUNDS)? - count(0)?) / f64::from(ROUNDS))
}
