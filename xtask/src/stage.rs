//! Stages of a longer chore: each is announced and timed, the first failure ends the chore, a table closes it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

/// The stages that have run.
pub(crate) struct Stages {
    /// Only stages whose name contains this.
    filter: Option<String>,
    done: Vec<(&'static str, Duration)>,
}

impl Stages {
    pub(crate) fn matching(filter: Option<String>) -> Self {
        Self { filter, done: Vec::new() }
    }

    pub(crate) fn run(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.filter.as_ref().is_some_and(|filter| !name.contains(filter)) {
            return Ok(());
        }
        println!("\n== {name}");
        let start = Instant::now();
        work().with_context(|| format!("stage \"{name}\" failed"))?;
        let took = start.elapsed();
        println!("== {name}: {:.1} s", took.as_secs_f32());
        self.done.push((name, took));
        Ok(())
    }

    /// Prints what took how long; that nothing ran is an error.
    pub(crate) fn close(self, chore: &str) -> Result<()> {
        ensure!(!self.done.is_empty(), "no stage of {chore} is called {:?}", self.filter.unwrap_or_default());
        println!();
        for (name, took) in &self.done {
            println!("{:>7.1} s  {name}", took.as_secs_f32());
        }
        let total: Duration = self.done.iter().map(|(_, took)| took).sum();
        println!("{:>7.1} s  {chore}: all {} stages passed", total.as_secs_f32(), self.done.len());
        Ok(())
    }
}
