//! Replays every stored input of every target as a plain test, and some noise that is the same each time.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mqtt_fuzz::corpus;

/// Noise besides the corpus: what takes many steps in a row is rarely stored, and often met.
const NOISES: u32 = 300;

fn replay(target: &str) {
    let inputs = corpus::read(target).unwrap();
    assert!(!inputs.is_empty(), "{target} has no corpus");
    for input in inputs.into_iter().chain((0..NOISES).map(|seed| corpus::noise(seed, 2000))) {
        let run = AssertUnwindSafe(|| mqtt_fuzz::run(target, &input).expect("the target exists"));
        if let Err(panic) = catch_unwind(run) {
            eprintln!("{target} fails with the input {}", corpus::hex(&input));
            resume_unwind(panic);
        }
    }
}

#[test]
fn decode_v311() {
    replay("decode_v311");
}

#[test]
fn decode_v5() {
    replay("decode_v5");
}

#[test]
fn stream() {
    replay("stream");
}

#[test]
fn round_trip() {
    replay("round_trip");
}

#[test]
fn differential() {
    replay("differential");
}

#[test]
fn session() {
    replay("session");
}
