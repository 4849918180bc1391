//! `cargo xtask spec`: which normative statements of MQTT the tests cite, held against `spec/statements.tsv`.
//!
//! A test says what it checks in a comment: `[5.0 MQTT-4.3.3-2]`, `[3.1.1 MQTT-4.3.3-2]`, or without the version where
//! only one version has that id. Several go in one pair of brackets, separated by commas. A citation that no version
//! has fails the chore, wherever it stands. The statements that bind a client and that no test cites are printed by
//! layer; their number is held in `spec/ratchet.tsv` and may only fall. `spec/pitfalls.tsv` names the test for each failure
//! that other clients are known for; the chore fails when there is no such test. `spec/features.tsv` does the same for what a user can do.

mod citation;
mod features;
mod pitfalls;
mod table;

use std::{collections::BTreeSet, fs};

use anyhow::{Result, bail};

use crate::{
    shell::root,
    source::{self, Source},
};
use table::{Ratchet, Statement};

const RATCHET: &str = "spec/ratchet.tsv";

pub(crate) fn run(lower: bool) -> Result<()> {
    let sources = source::all()?;
    let mut report = Report::new(&table::statements()?, &sources);
    report.wrong.extend(pitfalls::check(&sources)?);
    report.wrong.extend(features::check(&sources)?);
    for (layer, uncited) in &report.uncited {
        println!("{layer}: {} statements that no test cites", uncited.len());
        for statement in uncited {
            println!("  [{} {}] {}", statement.version, statement.id, statement.summary);
        }
    }
    println!("{} of {} statements that bind a client are cited by tests", report.cited, report.binding);
    let ratchet = Ratchet::read(RATCHET)?;
    let now = report.ratchet();
    if lower && report.wrong.is_empty() {
        fs::write(root().join(RATCHET), ratchet.lowered(&now).to_string())?;
    }
    report.verdict(&ratchet)
}

/// What the tests cite of what binds a client.
struct Report {
    binding: usize,
    cited: usize,
    /// Per layer, in the table's order.
    uncited: Vec<(String, Vec<Statement>)>,
    wrong: Vec<String>,
}

impl Report {
    fn new(statements: &[Statement], sources: &[Source]) -> Self {
        let mut wrong = Vec::new();
        let mut cited = BTreeSet::new();
        for (place, citation, in_test) in sources.iter().flat_map(citation::find) {
            match citation.resolve(statements) {
                Ok(statement) if in_test => drop(cited.insert((&statement.version, &statement.id))),
                Ok(_) => {}
                // Prose may speak of a statement that both versions have; a test must say which one it checks.
                Err(citation::Unresolved::Ambiguous) if !in_test => {}
                Err(why) => wrong.push(format!("{place}: {citation}: {why}")),
            }
        }
        let is_cited = |s: &Statement| cited.contains(&(&s.version, &s.id));
        let binding: Vec<&Statement> = statements.iter().filter(|s| s.binds_client()).collect();
        let mut uncited: Vec<(String, Vec<Statement>)> = Vec::new();
        for statement in binding.iter().filter(|s| !is_cited(s)) {
            match uncited.iter_mut().find(|(layer, _)| *layer == statement.layer) {
                Some((_, list)) => list.push((*statement).clone()),
                None => uncited.push((statement.layer.clone(), vec![(*statement).clone()])),
            }
        }
        let cited = binding.iter().filter(|s| is_cited(s)).count();
        Self { binding: binding.len(), cited, uncited, wrong }
    }

    fn ratchet(&self) -> Ratchet {
        Ratchet(self.uncited.iter().map(|(layer, list)| (layer.clone(), list.len())).collect())
    }

    fn verdict(&self, ratchet: &Ratchet) -> Result<()> {
        if !self.wrong.is_empty() {
            bail!("citations and tests to mend:\n{}", self.wrong.join("\n"));
        }
        match ratchet.exceeded_by(&self.ratchet()) {
            Some((layer, now, allowed)) => {
                bail!(
                    "{layer}: {now} statements without a test; {RATCHET} allows {allowed}: cite them where they are tested"
                )
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_citation_resolves_and_no_statement_lost_its_test() {
        let sources = source::all().unwrap();
        let report = Report::new(&table::statements().unwrap(), &sources);
        report.verdict(&Ratchet::read(RATCHET).unwrap()).unwrap();
        assert_eq!(pitfalls::check(&sources).unwrap(), Vec::<String>::new());
        assert_eq!(features::check(&sources).unwrap(), Vec::<String>::new());
    }

    fn report(path: &str, text: &str) -> Report {
        let statement = |version: &str, id: &str, binds: &str| Statement {
            version: version.to_owned(),
            id: id.to_owned(),
            summary: "Summary".to_owned(),
            binds: binds.to_owned(),
            layer: "session".to_owned(),
        };
        let statements = [
            statement("3.1.1", "MQTT-1.0.0-1", "both"),
            statement("5.0", "MQTT-1.0.0-1", "client"),
            statement("5.0", "MQTT-2.0.0-1", "client"),
            statement("5.0", "MQTT-3.0.0-1", "server"),
        ];
        Report::new(&statements, &[Source::new(path.to_owned(), text.to_owned())])
    }

    fn check(path: &str, text: &str, uncited: usize, wrong: usize) {
        let report = report(path, text);
        assert_eq!(
            (report.binding - report.cited, report.wrong.len()),
            (uncited, wrong),
            "{text}: {:?}",
            report.wrong
        );
    }

    #[test]
    fn citations_in_test_code_count() {
        let test = "crates/a/tests/it/b.rs";
        check(test, "", 3, 0);
        check(test, "// [MQTT-2.0.0-1]", 2, 0);
        check(test, "// [3.1.1 MQTT-1.0.0-1, 5.0 MQTT-1.0.0-1]", 1, 0);
        check("crates/a/src/b.rs", "// [MQTT-2.0.0-1]", 3, 0);
        check("crates/a/src/b.rs", "#[cfg(test)]\nmod tests {\n// [MQTT-2.0.0-1]\n}", 2, 0);
        check(test, "// [MQTT-3.0.0-1] binds the server", 3, 0);
    }

    #[test]
    fn wrong_citations_are_named() {
        let test = "crates/a/tests/it/b.rs";
        check(test, "// [MQTT-9.9.9-9]", 3, 1);
        check(test, "// [3.1.1 MQTT-2.0.0-1]", 3, 1);
        check(test, "// [MQTT-1.0.0-1] is in both", 3, 1);
        check("crates/a/src/b.rs", "/// [MQTT-9.9.9-9]", 3, 1);
        check("crates/a/src/b.rs", "/// [MQTT-1.0.0-1] is in both", 3, 0);
    }

    #[test]
    fn the_ratchet_holds() {
        let report = report("crates/a/tests/it/b.rs", "");
        let ratchet = |allowed| Ratchet(vec![("session".to_owned(), allowed)]);
        assert!(report.verdict(&ratchet(3)).is_ok());
        assert!(report.verdict(&ratchet(2)).is_err());
        assert!(report.verdict(&Ratchet(Vec::new())).is_err());
    }
}
