//! `cargo xtask fuzz`: libFuzzer with the address sanitizer on the stable compiler.
//!
//! The corpus of a target is one text file, `fuzz/corpus/<target>.hex`. libFuzzer wants a folder of files, so a run
//! unpacks it (the fuzz crate's example `corpus` knows the form), and `--keep` adds the inputs that reached new code.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    install,
    shell::{Cmd, cargo, root, target_dir},
    source::files,
};

/// Longer inputs find nothing that shorter ones do not, and slow every step.
const MAX_LEN: usize = 2048;

/// The names of all targets.
pub(crate) fn targets() -> Result<Vec<String>> {
    let name = |path: PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(files(&root().join("fuzz/fuzz_targets"), "rs")?.into_iter().map(name).collect())
}

/// Runs each target for so many seconds; the first finding ends it.
pub(crate) fn run(targets: &[String], seconds: u32, keep: bool) -> Result<()> {
    install::cpp_compiler()?;
    install::cargo_command("fuzz", "^0.13")?;
    targets.iter().try_for_each(|target| Target::new(target)?.run(seconds, keep))
}

struct Target<'a> {
    name: &'a str,
    /// The corpus of the repository, unpacked.
    known: PathBuf,
    /// What the runs on this machine found besides.
    found: PathBuf,
}

impl<'a> Target<'a> {
    fn new(name: &'a str) -> Result<Self> {
        let work = target_dir().join("fuzz-corpus").join(name);
        let known = work.join("known");
        if known.exists() {
            fs::remove_dir_all(&known).with_context(|| known.display().to_string())?;
        }
        corpus("unpack", name, &known).run()?;
        let found = work.join("found");
        fs::create_dir_all(&found).with_context(|| found.display().to_string())?;
        Ok(Self { name, known, found })
    }

    fn run(&self, seconds: u32, keep: bool) -> Result<()> {
        self.fuzzer(&self.found, &self.known)
            .arg(format!("-max_total_time={seconds}"))
            .words("-timeout=10 -print_final_stats=1")
            .run()
            .with_context(|| {
                format!("{0}: mend it, and add the input to fuzz/corpus/{0}.hex, as hex", self.name)
            })?;
        if keep {
            // libFuzzer copies into the first folder what reaches code that the first does not; how often it gets
            // there is left out, or the corpus would not stay small.
            self.fuzzer(&self.known, &self.found).words("-merge=1 -use_counters=0").run()?;
            corpus("add", self.name, &self.known).run()?;
        }
        Ok(())
    }

    fn fuzzer(&self, first: &Path, second: &Path) -> Cmd {
        cargo("fuzz run --target-dir")
            .env("RUSTC_BOOTSTRAP", "1")
            .arg(target_dir().join("fuzz"))
            .arg(self.name)
            .arg(first)
            .arg(second)
            .arg("--")
            // Long ones from the start: a session has to be opened before it can go wrong.
            .arg(format!("-max_len={MAX_LEN}"))
            .arg("-len_control=0")
    }
}

/// The fuzz crate's tool for stored inputs.
fn corpus(act: &str, target: &str, folder: &Path) -> Cmd {
    cargo("run --quiet --manifest-path fuzz/Cargo.toml --no-default-features --example corpus --")
        .arg(act)
        .arg(target)
        .arg(folder)
}
