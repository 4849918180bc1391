//! Citations in source text: where they stand and which statement they mean.

use std::fmt;

use super::table::Statement;
use crate::source::Source;

/// One statement named in brackets.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Citation {
    version: Option<String>,
    id: String,
}

/// Why a citation means no statement.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    Unknown,
    Ambiguous,
}

/// All citations of a file: place, citation, and whether it stands in test code.
///
/// This program is left out: it writes about citations.
pub(super) fn find(source: &Source) -> Vec<(String, Citation, bool)> {
    if source.package() == "xtask" {
        return Vec::new();
    }
    let lines = source.text.lines().enumerate();
    lines
        .flat_map(|(number, line)| {
            let in_test = number >= source.tests_from;
            let place = format!("{}:{}", source.path, number + 1);
            in_line(line).into_iter().map(move |citation| (place.clone(), citation, in_test))
        })
        .collect()
}

/// The citations of one line: in each pair of brackets, parts separated by commas, each with its version or the one
/// before it.
fn in_line(line: &str) -> Vec<Citation> {
    let brackets = line.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(inside, _)| inside);
    let mut citations = Vec::new();
    for inside in brackets.filter(|inside| inside.contains("MQTT-")) {
        let mut version = None;
        for part in inside.split(',').map(str::trim) {
            let (before, id) = part.split_at(part.find("MQTT-").unwrap_or(part.len()));
            if !before.is_empty() {
                version = Some(before.trim().to_owned());
            }
            citations.push(Citation { version: version.clone(), id: id.to_owned() });
        }
    }
    citations
}

impl Citation {
    /// The statement that is meant; without a version only if one version has it.
    pub(super) fn resolve<'a>(&self, statements: &'a [Statement]) -> Result<&'a Statement, Unresolved> {
        let meant = |s: &&Statement| s.id == self.id && self.version.as_ref().is_none_or(|v| *v == s.version);
        let mut found = statements.iter().filter(meant);
        let first = found.next().ok_or(Unresolved::Unknown)?;
        match found.next() {
            None => Ok(first),
            Some(_) => Err(Unresolved::Ambiguous),
        }
    }
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.version {
            Some(version) => write!(f, "[{version} {}]", self.id),
            None => write!(f, "[{}]", self.id),
        }
    }
}

impl fmt::Display for Unresolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "spec/statements.tsv has no such statement",
            Self::Ambiguous => "both versions have it: write [3.1.1 MQTT-…] or [5.0 MQTT-…]",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, expected: &[(Option<&str>, &str)]) {
        let cited = |(version, id): &(Option<&str>, &str)| Citation {
            version: version.map(str::to_owned),
            id: (*id).to_owned(),
        };
        assert_eq!(in_line(line), expected.iter().map(cited).collect::<Vec<_>>(), "{line}");
    }

    #[test]
    fn citations_are_read() {
        check("x[0] // nothing", &[]);
        check("// [MQTT-1.2.3-4]", &[(None, "MQTT-1.2.3-4")]);
        check(
            "// [5.0 MQTT-1.2.3-4] and [MQTT-4.2-1]",
            &[(Some("5.0"), "MQTT-1.2.3-4"), (None, "MQTT-4.2-1")],
        );
        check(
            "// [3.1.1 MQTT-1.2.3-4, MQTT-5.6.7-8]",
            &[(Some("3.1.1"), "MQTT-1.2.3-4"), (Some("3.1.1"), "MQTT-5.6.7-8")],
        );
        check("// [5.0 MQTT-1.2.3-4..]", &[(Some("5.0"), "MQTT-1.2.3-4..")]);
    }
}
