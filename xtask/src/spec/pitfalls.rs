//! `spec/pitfalls.tsv`: failures that other clients are known for, each with the test that shows ours to be free of it.

use std::fs;

use anyhow::{Context, Result};

use crate::{
    shell::root,
    source::{Source, has_word},
};

const TABLE: &str = "spec/pitfalls.tsv";

/// What is wrong with the table: rows whose test does not exist.
pub(super) fn check(sources: &[Source]) -> Result<Vec<String>> {
    let text = fs::read_to_string(root().join(TABLE)).context(TABLE)?;
    Ok(faults(&text, |file, test| {
        let source = sources.iter().find(|source| source.path == file);
        source.is_some_and(|source| has_word(&source.code, test))
    }))
}

fn faults(table: &str, exists: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in table.lines().enumerate().skip(1) {
        match line.split('\t').collect::<Vec<_>>()[..] {
            [_, file, test] if exists(file, test) => {}
            [_, file, test] => faults.push(format!("{TABLE}:{}: no test {test} in {file}", number + 1)),
            _ => faults.push(format!("{TABLE}:{}: not three columns", number + 1)),
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::faults;

    #[test]
    fn a_row_needs_a_test_that_exists() {
        let exists = |file: &str, test: &str| (file, test) == ("a.rs", "good");
        let check = |row: &str| faults(&format!("failure\tfile\ttest\n{row}\n"), exists).len();
        assert_eq!(check("it breaks\ta.rs\tgood"), 0);
        assert_eq!(check("it breaks\ta.rs\tbad"), 1);
        assert_eq!(check("it breaks\tb.rs\tgood"), 1);
        assert_eq!(check("it breaks\tgood"), 1);
    }
}
