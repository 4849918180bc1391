//! `cargo xtask bench store`: what keeping a session costs, in a workspace of its own, since it builds databases that nobody
//! else needs.

use anyhow::Result;

use crate::shell::{cargo, target_dir};

/// Measures whole clients with each durability beside memory; `engines`: the databases alone.
pub(crate) fn run(engines: bool) -> Result<()> {
    cargo("run --release --manifest-path benches/stores/Cargo.toml --target-dir")
        .arg(target_dir().join("stores"))
        .arg("--")
        .arg(if engines { "engines" } else { "clients" })
        .arg(target_dir().join("stores/disk"))
        .run()
}
