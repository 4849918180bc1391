//! `cargo xtask <chore>`: everything that is done to this workspace besides writing it.
//!
//! One file a chore; what they share is in `install` (programs), `shell` (commands), `stage` (timing) and
//! `source` (reading Rust text). Nothing here knows about MQTT.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports on a terminal")]

mod bare_metal;
mod bench;
mod ci;
mod ci_long;
mod constant_time;
mod fuzz;
mod install;
mod kill;
mod manifest;
mod no_std;
mod peers;
mod second_broker;
mod shell;
mod sim;
mod soak;
mod source;
mod spec;
mod stage;
mod stores;
mod test;
mod tidy;
mod tshark;
mod vectors;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

const USAGE: &str = "\
Usage: cargo xtask <chore>

  install                          the programs that the tests talk to (mosquitto, paho-mqtt)
  test                             install, then every test, doc test and fuzz corpus
  ci [stage] [--no-test]           the gate: lock files, format, tidy, spec, no_std, clippy, no features, docs, fuzz targets, test
  ci-long [stage]                  what takes longer: tshark, ejabberd, bare metal, licences, fuzzing
  fuzz <target>|--all [--seconds N] [--keep]
                                   libFuzzer with the address sanitizer (default 60 s); --keep adds what it learnt
                                   to the corpus in the repository
  bench [filter]                   the criterion benchmarks
  bench codec|session [--count] [--filter TEXT] [--out FILE]
                                   our codec or session beside those of other houses: one table, in nanoseconds or
                                   instructions
  bench e2e [--quick] [--rounds N] [--filter TEXT] [--out FILE]
                                   whole clients over loopback beside rumqttc, in messages a second; fails below the
                                   gates
  bench store [--engines]          clients that keep their session, in messages a second for each durability beside
                                   memory; or the databases that could keep it
  kill [--kills N] [--seed N]      a worker killed N times (default 300) while messages flow through mosquitto
  vectors FILE                     packets of other codecs' tests, each to be accepted or refused, through our codec
  sim --seeds N [--from SEED]      the session's proof at length: stories from N seeds beside its model and on a bad
                                   link, every way through small worlds, a hundred years of virtual time
  sim --count                      that a packet costs the same with 10 and with 65,535 messages under way
  sim --lockstep|--delivery SEED|HEX
                                   one story, told step by step
  soak [--seconds N]               both adapters on a bad link between network namespaces, against mosquitto (ten
                                   minutes; needs root)
  tidy [--fix]                     rules that no compiler checks; --fix copies the examples into the README
  spec [--lower]                   normative statements that no test cites; --lower records a smaller number
";

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Vec<String>) -> Result<()> {
    let mut args = Args(args);
    match args.positional().as_deref() {
        Some("install") => args.finish().and_then(|()| install::test_programs().map(drop)),
        Some("test") => args.finish().and_then(|()| test::run()),
        Some("ci") => {
            let with_test = !args.flag("--no-test");
            let filter = args.positional();
            args.finish().and_then(|()| ci::run(filter, with_test))
        }
        Some("ci-long") => {
            let filter = args.positional();
            args.finish().and_then(|()| ci_long::run(filter))
        }
        Some("fuzz") => {
            let (all, keep) = (args.flag("--all"), args.flag("--keep"));
            let seconds = args.number("--seconds")?.unwrap_or(60);
            let targets = match args.positional() {
                Some(target) if !all => vec![target],
                None if all => fuzz::targets()?,
                _ => bail!("name one target or --all; targets: {}", fuzz::targets()?.join(" ")),
            };
            args.finish().and_then(|()| fuzz::run(&targets, seconds, keep))
        }
        Some("bench") => {
            let filter = args.positional();
            if let Some(subject) = filter.as_deref().filter(|name| peers::SUBJECTS.contains(name)) {
                return peers::run(subject, &args.0);
            }
            if filter.as_deref() == Some("store") {
                let engines = args.flag("--engines");
                return args.finish().and_then(|()| stores::run(engines));
            }
            args.finish().and_then(|()| bench::run(filter.as_deref()))
        }
        Some("kill") => {
            let (kills, seed) = (args.number("--kills")?, args.number("--seed")?);
            args.finish().and_then(|()| kill::run(kills.unwrap_or(kill::KILLS), seed.unwrap_or(7)))
        }
        Some("vectors") => {
            let Some(file) = args.positional() else { bail!("which file?") };
            args.finish().and_then(|()| vectors::run(file.as_ref()))
        }
        Some("sim") => {
            if args.flag("--count") {
                return args.finish().and_then(|()| constant_time::run());
            }
            for kind in ["lockstep", "delivery"] {
                if let Some(story) = args.value(&format!("--{kind}"))? {
                    return args.finish().and_then(|()| sim::story(kind, &story));
                }
            }
            let (seeds, from) = (args.number("--seeds")?, args.number("--from")?);
            let Some(seeds) = seeds else { bail!("how many? --seeds N") };
            args.finish().and_then(|()| sim::run(seeds, from.unwrap_or(0)))
        }
        Some("soak") => {
            let seconds = args.number("--seconds")?.unwrap_or(soak::SECONDS);
            args.finish().and_then(|()| soak::run(seconds))
        }
        Some("tidy") => {
            let fix = args.flag("--fix");
            args.finish().and_then(|()| tidy::run(fix))
        }
        Some("spec") => {
            let lower = args.flag("--lower");
            args.finish().and_then(|()| spec::run(lower))
        }
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(())
        }
        Some(other) => bail!("no chore is called {other:?}\n\n{USAGE}"),
        None => bail!("which chore?\n\n{USAGE}"),
    }
}

/// What is left of the command line; each chore takes what it knows, `finish` refuses the rest.
struct Args(Vec<String>);

impl Args {
    fn positional(&mut self) -> Option<String> {
        let at = self.0.iter().position(|arg| !arg.starts_with("--") || arg == "--help")?;
        Some(self.0.remove(at))
    }

    fn flag(&mut self, name: &str) -> bool {
        let at = self.0.iter().position(|arg| arg == name);
        at.map(|at| self.0.remove(at)).is_some()
    }

    fn number(&mut self, name: &str) -> Result<Option<u32>> {
        let Some(value) = self.value(name)? else { return Ok(None) };
        value.parse().map(Some).with_context(|| format!("{name} {value}: not a number"))
    }

    fn value(&mut self, name: &str) -> Result<Option<String>> {
        let Some(at) = self.0.iter().position(|arg| arg == name) else { return Ok(None) };
        self.0.remove(at);
        if at == self.0.len() {
            bail!("{name} needs a value");
        }
        Ok(Some(self.0.remove(at)))
    }

    fn finish(self) -> Result<()> {
        match self.0.first() {
            Some(arg) => bail!("unknown argument {arg:?}\n\n{USAGE}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Args {
        Args(line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn arguments_are_taken_in_any_order() {
        let mut args = args("--seconds 5 stream --keep");
        assert_eq!(args.number("--seconds").unwrap(), Some(5));
        assert!(args.flag("--keep"));
        assert!(!args.flag("--all"));
        assert_eq!(args.positional().as_deref(), Some("stream"));
        args.finish().unwrap();
    }

    #[test]
    fn what_no_chore_takes_is_refused() {
        assert!(args("--verbose").finish().is_err());
        assert!(args("--seconds").number("--seconds").is_err());
        assert!(args("--seconds soon").number("--seconds").is_err());
        assert!(run(vec!["tset".to_owned()]).is_err());
    }
}
