//! `cargo xtask ci`: the gate of every change. `.ci/run` calls it.

use anyhow::Result;

use crate::{
    install, no_std,
    shell::{cargo, target_dir},
    spec,
    stage::Stages,
    test, tidy, vectors,
};

/// Runs the stages whose name contains `filter`, or all, the quick ones first. Who has just run the test command leaves
/// that one out.
pub(crate) fn run(filter: Option<String>, with_test: bool) -> Result<()> {
    let mut stages = Stages::matching(filter);
    stages.run("lock files are current", lock_files)?;
    stages.run("format", format)?;
    stages.run("tidy", || tidy::run(false))?;
    stages.run("spec", || spec::run(false))?;
    stages.run("no_std", no_std::run)?;
    stages.run("clippy", || cargo("clippy --workspace --all-targets -- -D warnings").run())?;
    stages.run("without features", without_features)?;
    stages.run("docs", || cargo("doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings").run())?;
    stages.run("fuzz targets build", fuzz_targets)?;
    stages.run("vectors of other codecs", vectors::shared)?;
    if with_test {
        stages.run("test", test::run)?;
    }
    stages.close("ci")
}

fn lock_files() -> Result<()> {
    cargo("fetch --quiet --locked").run()?;
    cargo("fetch --quiet --locked --manifest-path fuzz/Cargo.toml").run()
}

fn format() -> Result<()> {
    cargo("fmt --all --check").run()?;
    cargo("fmt --all --check --manifest-path fuzz/Cargo.toml").run()
}

/// In the workspace somebody always asks for a feature; a user may ask for none. The pages lie where those of the workspace go,
/// which come later.
fn without_features() -> Result<()> {
    const CRATES: &str = "--package mqtt-client-core --package mqtt-tokio --package mqtt-blocking";
    let bare = |command| cargo(command).words("--no-default-features").words(CRATES);
    bare("clippy").words("-- -D warnings").run()?;
    bare("doc --no-deps").env("RUSTDOCFLAGS", "-D warnings").run()
}

/// The targets themselves, linked against libFuzzer, which is C++.
fn fuzz_targets() -> Result<()> {
    install::cpp_compiler()?;
    cargo("clippy --manifest-path fuzz/Cargo.toml --all-targets")
        .arg("--target-dir")
        .arg(target_dir().join("fuzz"))
        .words("-- -D warnings")
        .run()
}
