//! `sim`: the long forms of the proof, and single stories told step by step. `cargo xtask sim` builds and calls it.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports on a terminal")]

use std::process::ExitCode;

use mqtt_session_model::lockstep;

const USAGE: &str = "\
Usage: sim seeds N [--from SEED]     stories from so many seeds
       sim story HEX                 one story of `lockstep`, told step by step
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["story", hex] => story(hex),
        _ => {
            eprint!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

fn story(hex: &str) -> ExitCode {
    let byte = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    let Some(story) = (0..hex.len()).step_by(2).map(byte).collect::<Option<Vec<u8>>>() else {
        eprintln!("not hex: {hex}");
        return ExitCode::FAILURE;
    };
    lockstep::tell(&story, &mut |step| println!("{step:?}"));
    ExitCode::SUCCESS
}
