//! That a packet costs the same however many messages are under way, and a message however many filters there are:
//! instructions, which valgrind counts.

use anyhow::{Context as _, Result, ensure};

use crate::{
    install,
    shell::{cargo, cmd, has_program, target_dir},
};

const ROUNDS: u32 = 2_000;

/// Something that is to cost the same in small and in large.
struct Claim {
    /// What is counted.
    what: String,
    /// The program under the target directory, and what selects the case.
    program: &'static str,
    case: Vec<String>,
    /// Of how many things there are few, and many.
    of: &'static str,
    sizes: [u32; 2],
    /// How much more a round may cost with many of them.
    tolerance: f64,
}

/// Counts each claim's instructions a round with few and with many.
pub(crate) fn run() -> Result<()> {
    install::apt(&[("valgrind", has_program("valgrind"))])?;
    cargo("build --quiet --release --package mqtt-session-model --bin sim").run()?;
    cargo("build --quiet --release --package mqtt-client-core --example routing").run()?;
    for claim in claims() {
        let Claim { what, of, sizes: [few, many], tolerance, .. } = &claim;
        let (cheap, dear) = (claim.per_round(*few)?, claim.per_round(*many)?);
        let ratio = dear / cheap;
        println!(
            "{what}: {cheap:.0} instructions a round with {few} {of}, {dear:.0} with {many}: {ratio:.3}"
        );
        ensure!(ratio <= *tolerance, "{what} is to cost at most {tolerance} times as much");
    }
    Ok(())
}

fn claims() -> Vec<Claim> {
    // A client may acknowledge what it receives only in order, a server what it gets in any.
    let flows =
        ["publish-1", "publish-1-shuffled", "publish-2", "publish-2-shuffled", "receive-1", "receive-2"];
    let session = flows.map(|flow| Claim {
        what: flow.to_owned(),
        program: "release/sim",
        case: vec!["steady".to_owned(), flow.to_owned()],
        of: "messages under way",
        sizes: [10, 65_535],
        tolerance: 1.1,
    });
    let routing = Claim {
        what: "routing".to_owned(),
        program: "release/examples/routing",
        case: Vec::new(),
        of: "filters",
        sizes: [100, 100_000],
        tolerance: 1.2,
    };
    session.into_iter().chain([routing]).collect()
}

impl Claim {
    /// The difference between many rounds and none.
    fn per_round(&self, size: u32) -> Result<f64> {
        Ok((self.count(size, ROUNDS)? - self.count(size, 0)?) / f64::from(ROUNDS))
    }

    fn count(&self, size: u32, rounds: u32) -> Result<f64> {
        let mut valgrind = cmd("valgrind --tool=callgrind --callgrind-out-file=/dev/null")
            .arg(target_dir().join(self.program));
        for word in &self.case {
            valgrind = valgrind.arg(word);
        }
        let report = valgrind.arg(size.to_string()).arg(rounds.to_string()).complaints()?;
        let count = report
            .lines()
            .find_map(|line| line.split_once("Collected : "))
            .context("no count by valgrind")?
            .1;
        count.trim().parse().with_context(|| format!("not a count: {count}"))
    }
}
