//! `cargo xtask tidy`: the rules of this workspace that no compiler and no lint checks.
//!
//! Each rule is a function from the tree to its complaints, one line each: `path:line: what is wrong`. It runs as a
//! test too, so plain `cargo test` upholds it.

mod adapters;
mod crates;
mod documents;
mod shape;
mod words;

use anyhow::{Result, bail};

use crate::{manifest, source};

/// All that the rules look at.
struct Tree {
    sources: Vec<source::Source>,
    manifests: Vec<manifest::Manifest>,
}

/// Prints every complaint; with `fix`, first mends what a program can.
pub(crate) fn run(fix: bool) -> Result<()> {
    if fix {
        documents::fix()?;
    }
    let complaints = complaints()?;
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    match complaints.len() {
        0 => println!("tidy"),
        count => bail!("{count} places are not tidy"),
    }
    Ok(())
}

fn complaints() -> Result<Vec<String>> {
    let tree = Tree { sources: source::all()?, manifests: manifest::members()? };
    let mut complaints = Vec::new();
    complaints.extend(tree.sources.iter().flat_map(words::check));
    complaints.extend(tree.sources.iter().flat_map(shape::check));
    complaints.extend(adapters::check(&tree.sources));
    complaints.extend(tree.manifests.iter().flat_map(crates::check_manifest));
    complaints.extend(crates::check_program_tree()?);
    complaints.extend(crates::check_tree_sizes()?);
    complaints.extend(documents::check(&tree)?);
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_is_tidy() {
        let complaints = super::complaints().unwrap();
        assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    }
}
