//! `cargo xtask fuzz`: libFuzzer with the address sanitizer on the stable compiler.
//!
//! A corpus is one text file, `fuzz/corpus/<target>.hex`: an input per line, in hex, with a comment where it is worth
//! one. libFuzzer wants a folder of files, so a run unpacks it, and `--keep` appends the inputs that reached new code.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    install,
    shell::{Cmd, cargo, root, target_dir},
    source::{files, read, read_folder},
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
    /// The corpus of the repository.
    stored: PathBuf,
    /// The same, unpacked.
    known: PathBuf,
    /// What the runs on this machine found besides.
    found: PathBuf,
}

impl<'a> Target<'a> {
    fn new(name: &'a str) -> Result<Self> {
        let work = target_dir().join("fuzz-corpus").join(name);
        let stored = root().join(format!("fuzz/corpus/{name}.hex"));
        Ok(Self {
            name,
            stored,
            known: empty_folder(work.join("known"))?,
            found: folder(work.join("found"))?,
        })
    }

    fn run(&self, seconds: u32, keep: bool) -> Result<()> {
        for (number, input) in unpack(&read(&self.stored)?)?.into_iter().enumerate() {
            fs::write(self.known.join(format!("{number:05}")), input)?;
        }
        self.fuzzer(&self.found, &self.known)
            .arg(format!("-max_total_time={seconds}"))
            .arg("-timeout=10")
            .run()
            .with_context(|| self.findings())?;
        if keep { self.keep() } else { Ok(()) }
    }

    fn fuzzer(&self, first: &Path, second: &Path) -> Cmd {
        cargo("fuzz run")
            .env("RUSTC_BOOTSTRAP", "1")
            .arg("--target-dir")
            .arg(target_dir().join("fuzz"))
            .arg(self.name)
            .arg(first)
            .arg(second)
            .arg("--")
            .arg(format!("-max_len={MAX_LEN}"))
    }

    /// Appends what reaches code that the stored corpus does not.
    fn keep(&self) -> Result<()> {
        self.fuzzer(&self.known, &self.found).arg("-merge=1").run()?;
        let mut stored = read(&self.stored)?;
        let before = unpack(&stored)?;
        let mut new = Vec::new();
        for path in read_folder(&self.known)? {
            let input = fs::read(&path)?;
            if !before.contains(&input) {
                new.push(input);
            }
        }
        new.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
        for input in &new {
            writeln!(stored, "{}", to_hex(input))?;
        }
        fs::write(&self.stored, stored)?;
        println!("{}: {} inputs kept", self.name, new.len());
        Ok(())
    }

    /// What to do about a finding, with its input in the corpus's form.
    fn findings(&self) -> String {
        let folder = root().join("fuzz/artifacts").join(self.name);
        let inputs = read_folder(&folder).unwrap_or_default();
        let lines = inputs.iter().filter_map(|path| Some(format!("\n  {}", to_hex(&fs::read(path).ok()?))));
        format!(
            "{}: mend it, and add its line to {} so that every test run replays it:{}\n",
            self.name,
            self.stored.display(),
            lines.collect::<String>()
        )
    }
}

fn folder(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
    Ok(path)
}

fn empty_folder(path: PathBuf) -> Result<PathBuf> {
    if path.exists() {
        fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
    }
    folder(path)
}

/// The inputs of a stored corpus.
fn unpack(text: &str) -> Result<Vec<Vec<u8>>> {
    let hex = |line: &str| line.split('#').next().unwrap_or_default().trim().to_owned();
    text.lines().map(hex).filter(|hex| !hex.is_empty()).map(|hex| from_hex(&hex)).collect()
}

fn from_hex(hex: &str) -> Result<Vec<u8>> {
    let byte = |at| {
        let digits = hex.get(at..at + 2).with_context(|| format!("not hex: {hex}"))?;
        u8::from_str_radix(digits, 16).with_context(|| format!("not hex: {hex}"))
    };
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_corpus_is_unpacked() {
        let text = "# how it begins\n\n00ff # two bytes\nc000\n";
        assert_eq!(unpack(text).unwrap(), [vec![0, 0xff], vec![0xc0, 0]]);
        assert!(unpack("0\n").is_err());
        assert!(unpack("zz\n").is_err());
    }

    #[test]
    fn hex_goes_both_ways() {
        assert_eq!(from_hex(&to_hex(&[0, 15, 255])).unwrap(), [0, 15, 255]);
    }
}
