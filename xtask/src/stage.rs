//! Stages of a longer chore: each is announced and timed, the first failure ends the chore, a table closes it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

/// The stages that have run.
#[derive(Default)]
pub(crate) struct Stages {
    done: Vec<(&'static str, Duration)>,
}

impl Stages {
    pub(crate) fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        println!("\n== {name}");
        let start = Instant::now();
        work().with_context(|| format!("stage \"{name}\" failed"))?;
        let took = start.elapsed();
        println!("== {name}: {:.1} s", took.as_secs_f32());
        self.done.push((name, took));
        Ok(())
    }

    /// Prints what took how long.
    pub(crate) fn close(self, chore: &str) {
        println!();
        for (name, took) in &self.done {
            println!("{:>7.1} s  {name}", took.as_secs_f32());
        }
        let total: Duration = self.done.iter().map(|(_, took)| took).sum();
        println!("{:>7.1} s  {chore}: all {} stages passed", total.as_secs_f32(), self.done.len());
    }
}
