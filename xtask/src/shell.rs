//! Running other programs: shown before they run, and a failure names the command.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// The folder of the workspace, wherever `cargo xtask` was called from.
pub(crate) fn root() -> PathBuf {
    let xtask = env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    PathBuf::from(xtask).parent().expect("xtask stands in the workspace").to_owned()
}

/// The folder for whatever is built or downloaded; never part of the repository.
pub(crate) fn target_dir() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Whether a program can be called. The system folders count too: a plain user's PATH lacks them on Debian, where
/// mosquitto lives in one.
pub(crate) fn has_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .any(|folder| folder.join(name).is_file())
}

/// Whether cargo knows a subcommand, e.g. `nextest`.
pub(crate) fn has_cargo_command(name: &str) -> bool {
    cargo(name).arg("--version").succeeds()
}

/// `cargo` with these words as its first arguments: the same cargo that runs this program.
pub(crate) fn cargo(words: &str) -> Cmd {
    let program = env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    Cmd::new(&program, &format!("cargo {words}"), words)
}

/// A program and its first arguments, separated by white space.
pub(crate) fn cmd(line: &str) -> Cmd {
    let (program, words) = line.split_once(' ').unwrap_or((line, ""));
    Cmd::new(program, line, words)
}

/// A program by its path, which may hold spaces, and its first arguments.
pub(crate) fn program(path: &Path, words: &str) -> Cmd {
    let path = path.display().to_string();
    Cmd::new(&path, &format!("{path} {words}"), words)
}

/// A command line under construction; runs in the root of the workspace.
#[must_use]
pub(crate) struct Cmd {
    command: Command,
    shown: String,
}

impl Cmd {
    fn new(program: &str, shown: &str, words: &str) -> Self {
        let mut command = Command::new(program);
        command.args(words.split_whitespace()).current_dir(root());
        Self { command, shown: shown.to_owned() }
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{} {}", self.shown, arg.as_ref().display());
        self.command.arg(arg);
        self
    }

    pub(crate) fn words(self, words: &str) -> Self {
        words.split_whitespace().fold(self, Self::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{name}={} {}", value.as_ref().display(), self.shown);
        self.command.env(name, value);
        self
    }

    pub(crate) fn dir(mut self, folder: &Path) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs it with this program's own terminal; anything but success is an error.
    pub(crate) fn run(mut self) -> Result<()> {
        println!("$ {}", self.shown);
        let status = self.command.status().with_context(|| format!("cannot start: {}", self.shown))?;
        if !status.success() {
            bail!("{status}: {}", self.shown);
        }
        Ok(())
    }

    /// Runs it and gives back what it printed; its complaints go to the terminal.
    pub(crate) fn output(mut self) -> Result<String> {
        let output = self
            .command
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start: {}", self.shown))?;
        if !output.status.success() {
            bail!("{}: {}", output.status, self.shown);
        }
        String::from_utf8(output.stdout).with_context(|| format!("not text: {}", self.shown))
    }

    /// Runs it and gives back what it complained; what it printed is dropped.
    pub(crate) fn complaints(mut self) -> Result<String> {
        let output = self.command.output().with_context(|| format!("cannot start: {}", self.shown))?;
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            bail!("{}: {}\n{complaints}", output.status, self.shown);
        }
        Ok(complaints)
    }

    /// Runs it in silence, as a question.
    pub(crate) fn succeeds(mut self) -> bool {
        let silent = self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        silent.status().is_ok_and(|status| status.success())
    }

    /// Starts it and leaves it running; the guard ends it.
    pub(crate) fn spawn(mut self) -> Result<Running> {
        println!("$ {} &", self.shown);
        let child = self.command.spawn().with_context(|| format!("cannot start: {}", self.shown))?;
        Ok(Running(child))
    }
}

/// A program in the background, ended when this is dropped.
pub(crate) struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what we want.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
