//! Builds codec and session for a microcontroller, with the compiler and library source that Debian packages.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::{
    install,
    shell::{cmd, target_dir},
    source::read_folder,
};

/// A Cortex-M4F: 32 bits, no operating system.
const TARGET: &str = "thumbv7em-none-eabihf";

/// Where Debian puts the compiler's source, one folder a version.
const SOURCES: &str = "/usr/src";

pub(crate) fn run() -> Result<()> {
    let debian = |program: &str| Path::new("/usr/bin").join(program).is_file();
    install::apt(&[
        ("rustc-web", debian("rustc")),
        ("cargo-web", debian("cargo")),
        ("rust-web-src", library().is_ok()),
    ])?;
    cmd("/usr/bin/cargo build -Zbuild-std=core,alloc --package mqtt-codec --package mqtt-session")
        .arg("--target")
        .arg(TARGET)
        .arg("--target-dir")
        .arg(target_dir().join("bare-metal"))
        .env("RUSTC", "/usr/bin/rustc")
        .env("RUSTC_BOOTSTRAP", "1")
        // Cargo looks for the library's source below the toolchain; Debian keeps it elsewhere.
        .env("__CARGO_TESTS_ONLY_SRC_ROOT", library()?)
        .run()
}

fn library() -> Result<PathBuf> {
    read_folder(Path::new(SOURCES))?
        .into_iter()
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("rustc-")))
        .map(|path| path.join("library"))
        .rfind(|path| path.is_dir())
        .with_context(|| format!("{SOURCES}/rustc-*/library: not there"))
}
