//! `sim`: the long forms of the proof, for `cargo xtask sim`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that reports on a terminal")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use mqtt_session::codec::QoS::{AtLeastOnce, ExactlyOnce};
use mqtt_session::codec::Version::{V5, V311};
use mqtt_session_model::explore::{Small, explore};
use mqtt_session_model::soak::soak;
use mqtt_session_model::steady::{Flow, Steady};
use mqtt_session_model::step::STEP_BYTES;
use mqtt_session_model::{delivery, lockstep, seeds};

const USAGE: &str = "\
Usage: sim seeds FROM COUNT    stories from so many seeds
       sim worlds              every way through small worlds, larger ones than the tests go through
       sim years SEED          a hundred years on a flaky link, in each version
       sim steady FLOW COUNT ROUNDS
                               so many rounds of publish-1, publish-2, receive-1 or receive-2 (publish-1-shuffled: that
                               end in any order), for valgrind
       sim lockstep SEED|HEX   one story beside the model, told step by step
       sim delivery SEED|HEX   one story of messages on a bad link
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
        ["lockstep", story] => read(story).map(|story| {
            lockstep::tell(&story, &mut |step| println!("{step:?}"));
            ExitCode::SUCCESS
        }),
        ["delivery", story] => read(story).map(|story| {
            delivery::tell(&story, &mut |step| println!("{step:?}"));
            ExitCode::SUCCESS
        }),
        ["steady", flow, count, rounds] => steady(flow, count, rounds),
        _ => None,
    };
    is_done.unwrap_or_else(|| {
        eprint!("{USAGE}");
        ExitCode::FAILURE
    })
}

/// Tells the stories of these seeds, in as many threads as there are processors. Those that fail first are shown without
/// the steps that they fail without as well.
fn tell(from: u64, count: u64) -> ExitCode {
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let failed = std::thread::scope(|scope| {
        let share = |thread| move || (thread..from + count).step_by(threads as usize).find_map(failure);
        let shares: Vec<_> = (0..threads).map(|thread| scope.spawn(share(from + thread))).collect();
        shares.into_iter().filter_map(|share| share.join().expect("panics are caught")).min()
    });
    if let Some((seed, kind, story)) = failed {
        println!("seed {seed} fails; to see how: cargo xtask sim --{kind} {story}");
        return ExitCode::FAILURE;
    }
    println!(
        "{count} seeds from {from}: {count} stories beside the model, {count} of messages on a bad link"
    );
    ExitCode::SUCCESS
}

/// How this seed's stories fail, if one does.
fn failure(seed: u64) -> Option<(u64, &'static str, String)> {
    let story = seeds::story(seed, STORY);
    let lockstep = |story: &[u8]| catch_unwind(AssertUnwindSafe(|| lockstep::run(story))).is_err();
    let delivery = |story: &[u8]| catch_unwind(AssertUnwindSafe(|| delivery::run(story))).is_err();
    if lockstep(&story) {
        Some((seed, "lockstep", hex(&seeds::shorten(story, lockstep::HEAD, STEP_BYTES, lockstep))))
    } else if delivery(&story) {
        Some((seed, "delivery", hex(&seeds::shorten(story, delivery::HEAD, delivery::STEP, delivery))))
    } else {
        None
    }
}

fn worlds() -> ExitCode {
    let mut states = 0;
    for version in [V311, V5] {
        for qos in [AtLeastOnce, ExactlyOnce] {
            let small = Small {
                version,
                qos,
                window: 2,
                publishes: 0,
                messages: 0,
                cuts: 2,
                deaths: 2,
                stores: false,
            };
            for small in [
                Small { publishes: 3, ..small.clone() },
                Small { messages: 3, ..small.clone() },
                Small { publishes: 2, messages: 2, cuts: 1, deaths: 1, ..small.clone() },
                Small { publishes: 2, stores: true, ..small.clone() },
                Small { messages: 2, stores: true, ..small.clone() },
            ] {
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

/// So many rounds with so many messages under way.
fn steady(flow: &str, count: &str, rounds: &str) -> Option<ExitCode> {
    let (flow, shuffled) = flow.strip_suffix("-shuffled").map_or((flow, false), |flow| (flow, true));
    let (outgoing, qos) = match flow {
        "publish-1" => (true, AtLeastOnce),
        "publish-2" => (true, ExactlyOnce),
        "receive-1" => (false, AtLeastOnce),
        "receive-2" => (false, ExactlyOnce),
        _ => return None,
    };
    let flow = Flow { outgoing, qos, shuffled };
    let mut steady = Steady::new(flow, count.parse().ok()?);
    let rounds: u32 = rounds.parse().ok()?;
    (0..rounds).for_each(|_| steady.round());
    Some(ExitCode::SUCCESS)
}

/// A seed's story, or the one that these hex digits are.
fn read(story: &str) -> Option<Vec<u8>> {
    if let Ok(seed) = story.parse() {
        return Some(seeds::story(seed, STORY));
    }
    let byte = |at| u8::from_str_radix(story.get(at..at + 2)?, 16).ok();
    (0..story.len()).step_by(2).map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
