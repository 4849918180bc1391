//! `kill`: exactly once across killed processes, for `cargo xtask kill`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports on a terminal")]

use std::process::ExitCode;

use mqtt_client_core::codec::Version;
use mqtt_scenarios::{Killing, Life, work};

const USAGE: &str = "\
Usage: kill KILLS SEED                        so often in all, half of it in each version
       kill worker VERSION NUMBER URL FOLDER  the program that is killed
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(("worker", life)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest))
        && let Some(life) = Life::of(life)
    {
        work(&life);
        return ExitCode::SUCCESS;
    }
    let numbers: Vec<u64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let (&[kills, seed], Ok(program)) = (&numbers[..], std::env::current_exe()) else {
        eprint!("{USAGE}");
        return ExitCode::FAILURE;
    };
    for version in [Version::V311, Version::V5] {
        let kills = u32::try_from(kills.div_ceil(2)).unwrap_or(u32::MAX);
        println!("{}", Killing { program: program.clone(), version, kills, seed }.run());
    }
    ExitCode::SUCCESS
}
