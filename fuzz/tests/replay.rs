//! Replays every stored input of every target as a plain test.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use mqtt_fuzz::corpus;

fn replay(target: &str) {
    let inputs = corpus::read(target).unwrap();
    assert!(!inputs.is_empty(), "{target} has no corpus");
    for input in inputs {
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
fn session() {
    replay("session");
}
