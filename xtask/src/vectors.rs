//! `cargo xtask vectors FILE`: packets of other codecs' tests, each to be accepted or refused, through our codec.
//!
//! The example `vectors` of the fuzz crate reads them; it knows which expectations are wrong, and by which rule.

use std::path::Path;

use anyhow::Result;

use crate::shell::{cargo, root};

/// Lists each disagreement; one that no rule explains fails the chore.
pub(crate) fn run(file: &Path) -> Result<()> {
    cargo("run --quiet --manifest-path fuzz/Cargo.toml --no-default-features --example vectors --")
        .arg(std::env::current_dir()?.join(file))
        .run()
}

/// The vectors beside this repository, which are not part of it; says so if they are not there.
pub(crate) fn shared() -> Result<()> {
    let file = root().join("../shared/vectors.tsv");
    if file.exists() {
        return run(&file);
    }
    println!("no {}", file.display());
    Ok(())
}
