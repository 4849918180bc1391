//! The pages: the README's code is the examples that the compiler sees, each layer has an example, one test binary.

use anyhow::Result;

use super::Tree;
use crate::{shell::root, source::read};

/// Each layer that can be used on its own shows how.
const WITH_EXAMPLE: [&str; 4] = ["mqtt-codec", "mqtt-session", "mqtt-tokio", "mqtt-blocking"];

/// The examples that the README shows, whole.
const IN_README: [&str; 2] =
    ["crates/mqtt-tokio/examples/readme.rs", "crates/mqtt-blocking/examples/readme.rs"];

pub(super) fn check(tree: &Tree) -> Result<Vec<String>> {
    let root = root();
    let example = |path: &'static str| Ok((path, read(&root.join(path))?));
    let examples = IN_README.into_iter().map(example).collect::<Result<Vec<_>>>()?;
    let mut complaints = readme(&read(&root.join("README.md"))?, &examples);
    complaints.extend(named_in(&read(&root.join("ARCHITECTURE.md"))?, tree));
    for package in WITH_EXAMPLE {
        let prefix = format!("crates/{package}/examples/");
        if !tree.sources.iter().any(|source| source.path.starts_with(&prefix)) {
            complaints.push(format!("{prefix}: this layer has no example of its own"));
        }
    }
    complaints.extend(tree.sources.iter().filter_map(|source| second_test_binary(&source.path)));
    Ok(complaints)
}

/// The README's Rust blocks and the examples are the same texts.
fn readme(readme: &str, examples: &[(&str, String)]) -> Vec<String> {
    let blocks = rust_blocks(readme);
    let unknown = blocks
        .iter()
        .filter(|(_, block)| !examples.iter().any(|(_, example)| example == block))
        .map(|(line, _)| {
            format!("README.md:{line}: this Rust is not the text of an example: {}", IN_README.join(", "))
        });
    let absent = examples
        .iter()
        .filter(|(_, example)| !blocks.iter().any(|(_, block)| example == block))
        .map(|(path, _)| format!("{path}: README.md does not show this text"));
    unknown.chain(absent).collect()
}

/// The line and text of each block fenced as Rust.
fn rust_blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match &mut open {
            Some(_) if line == "```" => blocks.extend(open.take()),
            Some((_, block)) => {
                block.push_str(line);
                block.push('\n');
            }
            None if line.starts_with("```rust") => open = Some((number + 1, String::new())),
            None => {}
        }
    }
    blocks.extend(open);
    blocks
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

    #[test]
    fn the_readme_shows_the_examples() {
        let page = "text\n```rust\n//! A.\nfn main() {}\n```\n```sh\nls\n```\n";
        assert_eq!(rust_blocks(page), [(2, "//! A.\nfn main() {}\n".to_owned())]);
        let same = ("a.rs", "//! A.\nfn main() {}\n".to_owned());
        let other = ("b.rs", "//! B.\n".to_owned());
        assert!(readme(page, std::slice::from_ref(&same)).is_empty());
        assert_eq!(readme(page, &[other]).len(), 2, "one block is unknown, one example absent");
        assert_eq!(readme("", &[same]).len(), 1);
    }

    #[test]
    fn a_second_test_binary_is_seen() {
        assert!(second_test_binary("crates/a/tests/it/main.rs").is_none());
        assert!(second_test_binary("crates/a/tests/other.rs").is_some());
        assert!(second_test_binary("crates/a/src/tests/b.rs").is_none());
    }
}
