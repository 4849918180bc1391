//! Every way through small worlds: two messages, a window of two, cuts and restarts. `cargo xtask sim` explores larger
//! ones.

use mqtt_session::codec::QoS::{AtLeastOnce, ExactlyOnce};
use mqtt_session::codec::Version::{V5, V311};
use mqtt_session_model::explore::{Small, explore};

/// Explores, and has seen at least so many states: less would mean that something can't happen any more.
fn check(small: &Small, at_least: usize) {
    let explored = explore(small);
    println!("{small:?}: {explored:?}");
    assert!(explored.states >= at_least, "{small:?}: {explored:?}");
}

/// Nobody does anything.
const SMALL: Small = Small {
    version: V5,
    qos: ExactlyOnce,
    window: 2,
    publishes: 0,
    messages: 0,
    cuts: 2,
    deaths: 1,
    stores: false,
};

#[test]
fn publishing() {
    check(&Small { publishes: 2, ..SMALL }, 2_500);
    check(&Small { publishes: 2, version: V311, ..SMALL }, 2_200);
    check(&Small { publishes: 2, qos: AtLeastOnce, ..SMALL }, 1_800);
    check(&Small { publishes: 3, window: 1, ..SMALL }, 1_300);
}

#[test]
fn receiving() {
    check(&Small { messages: 2, ..SMALL }, 1_500);
    check(&Small { messages: 2, version: V311, ..SMALL }, 1_400);
    check(&Small { messages: 2, qos: AtLeastOnce, ..SMALL }, 2_500);
    check(&Small { messages: 3, window: 1, ..SMALL }, 900);
}

#[test]
fn publishing_and_receiving() {
    check(&Small { publishes: 2, messages: 2, cuts: 1, deaths: 0, ..SMALL }, 15_000);
    check(&Small { publishes: 1, messages: 1, ..SMALL }, 3_500);
}

/// The store takes its time, and the process dies before it has what it was given, or after.
#[test]
fn with_a_store() {
    check(&Small { publishes: 2, cuts: 1, stores: true, ..SMALL }, 2_500);
    check(&Small { messages: 2, cuts: 1, stores: true, ..SMALL }, 3_000);
    check(&Small { publishes: 2, cuts: 0, deaths: 2, stores: true, ..SMALL }, 800);
    check(&Small { messages: 2, cuts: 0, deaths: 2, stores: true, ..SMALL }, 800);
    check(&Small { publishes: 1, messages: 1, cuts: 1, stores: true, ..SMALL }, 5_500);
}
