//! The pages: the README's code is the examples that the compiler sees, each layer has an example, one test binary.

use std::fs;

use anyhow::{Context as _, Result};

use super::Tree;
use crate::{shell::root, source::read};

/// Each layer that can be used on its own shows how.
const WITH_EXAMPLE: [&str; 4] = ["mqtt-codec", "mqtt-session", "mqtt-tokio", "mqtt-blocking"];

/// The examples that the README shows, whole, each below its mark.
const IN_README: [&str; 2] =
    ["crates/mqtt-tokio/examples/hello_async.rs", "crates/mqtt-blocking/examples/hello_blocking.rs"];

/// Above a block of the README: the file that it shows.
const MARK: (&str, &str) = ("<!-- example: ", " -->");

pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let mut complaints = readme(&read(&root().join("README.md"))?);
    complaints.extend(named_in(&read(&root().join("ARCHITECTURE.md"))?, tree));
    for package in WITH_EXAMPLE {
        let prefix = format!("crates/{package}/examples/");
        if !tree.sources.iter().any(|source| source.path.starts_with(&prefix)) {
            complaints.push(format!("{prefix}: this layer has no example of its own"));
        }
    }
    complaints.extend(tree.sources.iter().filter_map(|source| second_test_binary(&source.path)));
    Ok(complaints)
}

/// Copies the examples into the README.
pub(super) fn fix() -> Result<()> {
    let path = root().join("README.md");
    fs::write(&path, with_examples(&read(&path)?, from_root)?).context("README.md")
}

fn readme(page: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    match with_examples(page, from_root) {
        Ok(fixed) if fixed == page => {}
        Ok(_) => complaints
            .push("README.md: differs from the examples; cargo xtask tidy --fix copies them".to_owned()),
        Err(error) => complaints.push(format!("README.md: {error:#}")),
    }
    let shown = |path: &&str| page.contains(&format!("{}{path}{}", MARK.0, MARK.1));
    let absent = IN_README.iter().filter(|path| !shown(path));
    complaints.extend(absent.map(|path| format!("README.md: does not show {path}")));
    if page.matches("```rust").count() > page.matches(MARK.0).count() {
        complaints.push("README.md: Rust that is no example, so nothing compiles it".to_owned());
    }
    complaints
}

fn from_root(path: &str) -> Result<String> {
    read(&root().join(path))
}

/// The page with each marked block replaced by the text of its example.
fn with_examples(page: &str, example: impl Fn(&str) -> Result<String>) -> Result<String> {
    let mut out = String::with_capacity(page.len());
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        let Some(path) = line.strip_prefix(MARK.0).and_then(|rest| rest.strip_suffix(MARK.1)) else {
            continue;
        };
        out.push_str(&format!("```rust\n{}```\n", example(path)?));
        if lines.next_if_eq(&"```rust").is_some() {
            lines.by_ref().find(|line| *line == "```").context("a block is not closed")?;
        }
    }
    Ok(out)
}

/// The map of the workspace names every package.
fn named_in(architecture: &str, tree: &Tree) -> Vec<String> {
    tree.manifests
        .iter()
        .map(|manifest| manifest.path.trim_end_matches("/Cargo.toml").trim_start_matches("crates/"))
        .filter(|package| !architecture.contains(package))
        .map(|package| format!("ARCHITECTURE.md: the map lacks {package}"))
        .collect()
}

/// Integration tests link once per crate: everything is a module of `tests/it`.
fn second_test_binary(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').collect();
    let elsewhere = matches!(parts[..], ["crates", _, "tests", first, ..] if first != "it");
    elsewhere.then(|| format!("{path}: integration tests are modules of tests/it/main.rs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str, expected: &str) {
        let example = |path: &str| Ok(format!("//! {path}\n"));
        assert_eq!(with_examples(page, example).unwrap(), expected);
        assert_eq!(with_examples(expected, example).unwrap(), expected, "a second time changes nothing");
    }

    #[test]
    fn examples_are_copied_below_their_marks() {
        check("text\n```sh\nls\n```\n", "text\n```sh\nls\n```\n");
        let shown = "<!-- example: a.rs -->\n```rust\n//! a.rs\n```\n\nafter\n";
        check("<!-- example: a.rs -->\n\nafter\n", shown);
        check("<!-- example: a.rs -->\n```rust\nold\nlines\n```\n\nafter\n", shown);
    }

    #[test]
    fn unknown_examples_and_open_blocks_are_errors() {
        assert!(with_examples("<!-- example: a.rs -->\n", from_root).is_err());
        assert!(with_examples("<!-- example: a.rs -->\n```rust\n", |_| Ok(String::new())).is_err());
    }

    #[test]
    fn a_second_test_binary_is_seen() {
        assert!(second_test_binary("crates/a/tests/it/main.rs").is_none());
        assert!(second_test_binary("crates/a/tests/other.rs").is_some());
        assert!(second_test_binary("crates/a/src/tests/b.rs").is_none());
    }
}
