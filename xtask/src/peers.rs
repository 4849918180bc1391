//! `cargo xtask bench codec`: our codec beside those of other houses, which live in a workspace of their own so that
//! nobody else ever builds them.

use anyhow::Result;

use crate::{
    install,
    shell::{cargo, has_program, target_dir},
};

/// Where the table goes unless `--out` says otherwise, in the target folder.
const TABLE: &str = "codec-bench.md";

/// Builds the benchmark and hands it its arguments.
pub(crate) fn run(args: &[String]) -> Result<()> {
    if args.iter().any(|arg| arg == "--count") {
        install::apt(&[("valgrind", has_program("valgrind"))])?;
    }
    let bench = cargo("run --release --manifest-path benches/peers/Cargo.toml --target-dir")
        .arg(target_dir().join("peers"))
        .arg("--");
    let bench = args.iter().fold(bench, |bench, arg| bench.arg(arg));
    if args.iter().any(|arg| arg == "--out") {
        return bench.run();
    }
    bench.arg("--out").arg(target_dir().join(TABLE)).run()
}
