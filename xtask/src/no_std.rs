//! The proof that codec and session need no standard library, on any machine: no other target has to be installed.
//!
//! `xtask/no-std` is a crate with a panic handler of its own. A program can have only one, and `std` brings one, so
//! the compiler refuses that crate (E0152) as soon as anything below it links `std`, for example by a feature of a
//! dependency. `cargo xtask ci-long` builds for real bare metal besides.

use std::fs;

use anyhow::{Context as _, Result};

use crate::shell::{cargo, root, target_dir};

pub(crate) fn run() -> Result<()> {
    // It is a workspace of its own, so that no other crate's features are unified into it, but with our versions.
    let lock = "xtask/no-std/Cargo.lock";
    fs::copy(root().join("Cargo.lock"), root().join(lock)).context(lock)?;
    cargo("check --quiet --manifest-path xtask/no-std/Cargo.toml")
        .arg("--target-dir")
        .arg(target_dir().join("no-std"))
        .run()
}
