//! `spec/features.tsv`: what a user can do, each with the public item that does it, the tests that show it, and an example.
//!
//! Rows that are not built yet, or not shown by tests, say `open` and the number of the issue that they belong to, `-` if there
//! is none yet.

use std::fs;

use anyhow::{Context, Result};

use crate::{
    shell::root,
    source::{Source, has_word},
};

const TABLE: &str = "spec/features.tsv";

/// The rows are numbered from 1 to this.
const ROWS: usize = 69;

/// What is wrong with the table: rows that are missing, and rows of which an item, a test or an example does not exist.
pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(TABLE)).context(TABLE)?;
    Ok(faults(&text, |what, place| match what {
        What::Item => sources.iter().any(|source| !is_test(source) && has_word(&source.code, place)),
        What::Test => place.split_once(' ').is_some_and(|(file, test)| {
            sources.iter().any(|source| source.path == file && has_word(&source.code, test))
        }),
        // Examples stand in documentation and in prose, too.
        What::Example => place.split_once(' ').is_some_and(|(file, item)| {
            fs::read_to_string(root().join(file)).is_ok_and(|text| has_word(&text, item))
        }),
    }))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Item,
    Test,
    Example,
}

fn is_issue(text: &str) -> bool {
    text == "-" || text.parse::<u32>().is_ok()
}

fn is_test(source: &Source) -> bool {
    source.tests_from == 0
}

/// `exists` is asked for an item by its name, for a test by file and name, for an example by file and item.
fn faults(table: &str, exists: impl Fn(What, &str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    let rows: Vec<&str> = table.lines().skip(1).collect();
    if rows.len() != ROWS {
        faults.push(format!("{TABLE}: {} rows, not {ROWS}", rows.len()));
    }
    for (number, row) in (1..).zip(rows) {
        let mut fault = |text: String| faults.push(format!("{TABLE}:{}: {text}", number + 1));
        let (items, tests, example) = match row.split('\t').collect::<Vec<_>>()[..] {
            [row, _, "open", issue] if row == number.to_string() && is_issue(issue) => continue,
            [row, _, items, tests, example] if row == number.to_string() => (items, tests, example),
            _ => {
                fault(format!("not row {number} with item, tests and example, nor open with an issue"));
                continue;
            }
        };
        for item in items.split(", ") {
            let name = item.rsplit("::").next().unwrap_or(item);
            if !exists(What::Item, name) {
                fault(format!("no public item {item}"));
            }
        }
        for test in tests.split(", ").filter(|test| !exists(What::Test, test)) {
            fault(format!("no test {test}"));
        }
        if !exists(What::Example, example) {
            fault(format!("no example {example}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(third: &str, expected: usize) {
        let rows = (1..=ROWS).map(|row| match row {
            3 => format!("3\tdoes a thing\t{third}\n"),
            other => format!("{other}\tlater\topen\t8\n"),
        });
        let table: String =
            ["row\tfeature\titem\ttests\texample\n".to_owned()].into_iter().chain(rows).collect();
        let exists = |what, place: &str| {
            let known = match what {
                What::Item => "publish",
                What::Test => "a.rs it_works",
                What::Example => "README.md publish",
            };
            place == known
        };
        let faults = faults(&table, exists);
        assert_eq!(faults.len(), expected, "{third}: {faults:?}");
    }

    #[test]
    fn a_row_needs_what_it_names_or_an_issue() {
        check("Client::publish\ta.rs it_works\tREADME.md publish", 0);
        check("Client::publish, publish\ta.rs it_works, a.rs it_works\tREADME.md publish", 0);
        check("Client::flush\ta.rs it_works\tREADME.md publish", 1);
        check("Client::publish\ta.rs it_works, b.rs it_works\tREADME.md publish", 1);
        check("Client::publish\ta.rs it_works\tREADME.md flush", 1);
        check("open\t8", 0);
        check("open\t-", 0);
        check("open\tsoon", 1);
        check("open", 1);
    }

    #[test]
    fn no_row_may_be_missing_or_out_of_place() {
        assert_eq!(faults("row\n", |_, _| true).len(), 1);
        let swapped = "row\n2\tb\topen\t8\n1\ta\topen\t8\n";
        assert_eq!(faults(swapped, |_, _| true).len(), 3);
    }
}
