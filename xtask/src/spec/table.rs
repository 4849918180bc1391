//! The tables in `spec/`: the statements, and how many of them may be without a test.

use std::fmt;

use anyhow::{Context as _, Result, bail};

use crate::{shell::root, source::read};

/// A normative statement of one version, in a summary of our own.
#[derive(Clone, Debug)]
pub(super) struct Statement {
    pub(super) version: String,
    pub(super) id: String,
    pub(super) summary: String,
    /// Whom it binds: client, server, or both.
    pub(super) binds: String,
    pub(super) layer: String,
}

impl Statement {
    pub(super) fn binds_client(&self) -> bool {
        self.binds != "server"
    }
}

pub(super) fn statements() -> Result<Vec<Statement>> {
    rows("spec/statements.tsv", |cells| match cells {
        [version, id, summary, binds @ ("client" | "server" | "both"), layer] => Some(Statement {
            version: (*version).to_owned(),
            id: (*id).to_owned(),
            summary: (*summary).to_owned(),
            binds: (*binds).to_owned(),
            layer: (*layer).to_owned(),
        }),
        _ => None,
    })
}

/// How many statements of each layer may be without a test.
#[derive(Debug)]
pub(super) struct Ratchet(pub(super) Vec<(String, usize)>);

impl Ratchet {
    pub(super) fn read(path: &str) -> Result<Self> {
        let row = |cells: &[&str]| match cells {
            [layer, count] => Some(((*layer).to_owned(), count.parse().ok()?)),
            _ => None,
        };
        rows(path, row).map(Self)
    }

    /// What this one allows for a layer.
    fn allows(&self, layer: &str) -> usize {
        self.0.iter().find(|(name, _)| name == layer).map_or(0, |(_, count)| *count)
    }

    /// The first layer that has more than is allowed: its name, its number, what is allowed.
    pub(super) fn exceeded_by(&self, now: &Self) -> Option<(String, usize, usize)> {
        let over = |(layer, count): &&(String, usize)| *count > self.allows(layer);
        now.0.iter().find(over).map(|(layer, count)| (layer.clone(), *count, self.allows(layer)))
    }

    /// The smaller of both for each layer of this one.
    pub(super) fn lowered(&self, now: &Self) -> Self {
        Self(self.0.iter().map(|(layer, count)| (layer.clone(), now.allows(layer).min(*count))).collect())
    }
}

impl fmt::Display for Ratchet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "layer\tuncited")?;
        self.0.iter().try_for_each(|(layer, count)| writeln!(f, "{layer}\t{count}"))
    }
}

/// The rows of a table below its heading.
fn rows<T>(path: &str, parse: impl Fn(&[&str]) -> Option<T>) -> Result<Vec<T>> {
    let text = read(&root().join(path))?;
    let mut lines = text.lines().enumerate();
    if lines.next().is_none() {
        bail!("{path} is empty");
    }
    lines
        .map(|(number, line)| {
            let cells: Vec<&str> = line.split('\t').collect();
            parse(&cells).with_context(|| format!("{path}:{}: not a row of this table: {line}", number + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_statements_is_whole() {
        let statements = statements().unwrap();
        assert!(statements.iter().any(|s| s.version == "3.1.1"));
        assert!(statements.iter().any(|s| s.version == "5.0"));
        let mut ids: Vec<_> = statements.iter().map(|s| (&s.version, &s.id)).collect();
        ids.sort();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all, "a statement stands twice");
    }

    #[test]
    fn the_ratchet_only_falls() {
        let ratchet = |codec: usize| Ratchet(vec![("codec".to_owned(), codec)]);
        assert_eq!(ratchet(5).lowered(&ratchet(3)).to_string(), "layer\tuncited\ncodec\t3\n");
        assert_eq!(ratchet(3).lowered(&ratchet(5)).to_string(), "layer\tuncited\ncodec\t3\n");
        assert_eq!(ratchet(3).lowered(&Ratchet(Vec::new())).to_string(), "layer\tuncited\ncodec\t0\n");
    }
}
