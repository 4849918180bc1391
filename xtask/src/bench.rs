//! `cargo xtask bench`: the criterion benchmarks of our own crates.

use anyhow::Result;

use crate::shell::cargo;

/// Runs those whose name contains `filter`, or all.
pub(crate) fn run(filter: Option<&str>) -> Result<()> {
    let all = cargo("bench --package mqtt-benches --benches --");
    match filter {
        Some(filter) => all.arg(filter).run(),
        None => all.run(),
    }
}
