//! `cargo xtask bench codec`, `bench session` and `bench e2e`: ours beside those of other houses, which live in a
//! workspace of their own so that nobody else ever builds them.

use anyhow::Result;

use crate::{
    install,
    shell::{cargo, has_program, target_dir},
};

/// What there is to compare.
pub(crate) const SUBJECTS: [&str; 3] = ["codec", "session", "e2e"];

/// Builds the benchmark and hands it its arguments. The table goes into the target folder unless `--out` says
/// otherwise.
pub(crate) fn run(subject: &str, args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--count") {
        install::apt(&[("valgrind", has_program("valgrind"))])?;
    }
    let bench = cargo("run --release --manifest-path benches/peers/Cargo.toml --target-dir")
        .arg(target_dir().join("peers"))
        .arg("--")
        .arg(subject);
    let bench = args.iter().fold(bench, |bench, arg| bench.arg(arg));
    if args.iter().any(|arg| arg == "--out") {
        return bench.run();
    }
    bench.arg("--out").arg(target_dir().join(format!("{subject}-bench.md"))).run()
}
