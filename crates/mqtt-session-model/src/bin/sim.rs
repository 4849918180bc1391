//! `sim`: the long forms of the proof, for `cargo xtask sim`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports on a terminal")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use mqtt_session::codec::QoS::{AtLeastOnce, ExactlyOnce};
use mqtt_session::codec::Version::{V5, V311};
use mqtt_session_model::explore::{Small, explore};
use mqtt_session_model::soak::soak;
use mqtt_session_model::{delivery, lockstep, seeds};

const USAGE: &str = "\
Usage: sim seeds FROM COUNT    stories from so many seeds
       sim worlds              every way through small worlds, larger ones than the tests go through
       sim years SEED          a hundred years on a flaky link, in each version
       sim story SEED          one story beside the model, told step by step
       sim story HEX           the same, in hex, as the property test and the fuzzer show it
";

/// The bytes of a story.
const STORY: usize = 4_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let is_done = match args[..] {
        ["seeds", from, count] => {
            from.parse().ok().zip(count.parse().ok()).map(|(from, count)| tell(from, count))
        }
        ["worlds"] => Some(worlds()),
        ["years", seed] => seed.parse().ok().map(years),
        ["story", seed] => {
            seed.parse().map(|seed| seeds::story(seed, STORY)).ok().or_else(|| unhex(seed)).map(retell)
        }
        _ => None,
    };
    is_done.unwrap_or_else(|| {
        eprint!("{USAGE}");
        ExitCode::FAILURE
    })
}

/// Tells the stories of these seeds, in as many threads as there are processors; the first that fails is named.
fn tell(from: u64, count: u64) -> ExitCode {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let failed = std::thread::scope(|scope| {
        let share = |thread: u64| {
            move || (from + thread..from + count).step_by(threads as usize).find(|seed| !holds(*seed))
        };
        let shares: Vec<_> = (0..threads).map(|thread| scope.spawn(share(thread))).collect();
        shares.into_iter().filter_map(|share| share.join().expect("panics are caught")).min()
    });
    if let Some(seed) = failed {
        println!(
            "seed {seed} fails; to see how: cargo xtask sim --seeds 1 --from {seed}, or sim story {seed}"
        );
        return ExitCode::FAILURE;
    }
    println!(
        "{count} seeds from {from}: {count} stories beside the model, {count} of messages on a bad link"
    );
    ExitCode::SUCCESS
}

fn holds(seed: u64) -> bool {
    let story = seeds::story(seed, STORY);
    let tell = || {
        lockstep::run(&story);
        delivery::run(&story);
    };
    catch_unwind(AssertUnwindSafe(tell)).is_ok()
}

fn worlds() -> ExitCode {
    let mut states = 0;
    for version in [V311, V5] {
        for qos in [AtLeastOnce, ExactlyOnce] {
            let small = |publishes, messages, cuts, deaths| Small {
                version,
                qos,
                window: 2,
                publishes,
                messages,
                cuts,
                deaths,
            };
            for small in [small(3, 0, 2, 2), small(0, 3, 2, 2), small(2, 2, 1, 1)] {
                let explored = explore(&small);
                println!("{small:?}: {explored:?}");
                states += explored.states;
            }
        }
    }
    println!("{states} states: nothing lost, nothing doubled, a way out of each");
    ExitCode::SUCCESS
}

fn years(seed: u64) -> ExitCode {
    for version in [V311, V5] {
        println!("{version}, seed {seed}: {:?}", soak(seed, version, 100));
    }
    ExitCode::SUCCESS
}

fn retell(story: Vec<u8>) -> ExitCode {
    lockstep::tell(&story, &mut |step| println!("{step:?}"));
    ExitCode::SUCCESS
}

fn unhex(hex: &str) -> Option<Vec<u8>> {
    let byte = |at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    (0..hex.len()).step_by(2).map(byte).collect()
}
