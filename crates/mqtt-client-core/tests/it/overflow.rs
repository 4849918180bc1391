//! What a full queue does, by policy: nothing goes silently, and nothing that was sent is given up.

use std::future::IntoFuture;

use mqtt_client_core::codec::{PacketKind, QoS};
use mqtt_client_core::{
    Completion, Delivered, NotSent, Options, OptionsBuilder, Overflow, PublishError, PublishFailure,
    Subscription,
};
use mqtt_testkit::Fault;

use crate::rig::{Rig, failure};

const ALL: [Overflow; 5] =
    [Overflow::Block, Overflow::Refuse, Overflow::DropNewest, Overflow::DropOldest, Overflow::KeepLatest];

fn options(overflow: Overflow, messages: usize) -> OptionsBuilder {
    Options::builder().overflow(overflow).max_queued(messages, 1 << 20)
}

/// How a message ended, in a word.
fn word(topic: &str, result: &Result<Delivered, PublishError>) -> &'static str {
    if result.is_ok() {
        return "delivered";
    }
    match failure(topic, result) {
        PublishFailure::NotSent(NotSent::Dropped) => "dropped",
        PublishFailure::NotSent(NotSent::Superseded) => "superseded",
        PublishFailure::NotSent(NotSent::QueueFull) => "refused",
        other => panic!("unexpected: {other:?}"),
    }
}

fn payloads(rig: &mut Rig, stream: &mut Subscription) -> Vec<String> {
    std::iter::from_fn(|| rig.ready(stream))
        .map(|message| String::from_utf8_lossy(message.payload()).into_owned())
        .collect()
}

/// Publishes "topic payload" each while offline, then connects: what the subscriber gets, and how each ended.
fn published(
    overflow: Overflow,
    room: usize,
    messages: &[(&str, &str)],
) -> (Vec<String>, Vec<&'static str>, Rig) {
    let mut rig = Rig::new(options(overflow, room));
    let client = rig.client.clone();
    let subscribing = client.subscribe("#").into_future();
    let started: Vec<Result<Completion, PublishError>> = messages
        .iter()
        .map(|(topic, payload)| {
            client.publish(topic, payload.to_string()).qos(QoS::AtLeastOnce).try_enqueue()
        })
        .collect();
    rig.run(client.connect()).expect("connected");
    let mut stream = rig.run(subscribing).expect("granted");
    let ended = started.into_iter().map(|started| started.and_then(|completion| rig.run(completion)));
    let words = messages.iter().zip(ended).map(|((topic, _), ended)| word(topic, &ended)).collect();
    (payloads(&mut rig, &mut stream), words, rig)
}

#[test]
fn each_policy_does_what_it_says_and_counts_it() {
    let check = |overflow, messages: &[(&str, &str)], arrived: &[&str], ended: &[&str]| {
        let (got, words, rig) = published(overflow, 2, messages);
        assert_eq!(got, arrived, "{overflow:?}");
        assert_eq!(words, ended, "{overflow:?}");
        let stats = rig.client.stats();
        let count = |word| words.iter().filter(|ended| **ended == word).count() as u64;
        assert_eq!(stats.dropped_publishes, count("dropped"), "{overflow:?}");
        assert_eq!(stats.superseded_publishes, count("superseded"), "{overflow:?}");
        assert_eq!((stats.pending_publishes, stats.pending_bytes), (0, 0), "{overflow:?}");
    };
    let abc = [("a", "1"), ("b", "2"), ("c", "3")];
    check(Overflow::Block, &abc, &["1", "2"], &["delivered", "delivered", "refused"]);
    check(Overflow::Refuse, &abc, &["1", "2"], &["delivered", "delivered", "refused"]);
    check(Overflow::DropNewest, &abc, &["1", "2"], &["delivered", "delivered", "dropped"]);
    check(Overflow::DropOldest, &abc, &["2", "3"], &["dropped", "delivered", "delivered"]);
    check(Overflow::KeepLatest, &abc, &["2", "3"], &["dropped", "delivered", "delivered"]);
    let aba = [("a", "1"), ("b", "2"), ("a", "3"), ("a", "4")];
    // In its place, and not behind "b".
    check(Overflow::KeepLatest, &aba, &["4", "2"], &["superseded", "delivered", "superseded", "delivered"]);
    check(Overflow::DropOldest, &aba, &["3", "4"], &["dropped", "dropped", "delivered", "delivered"]);
}

#[test]
fn the_byte_bound_drops_as_many_as_it_takes() {
    for overflow in [Overflow::DropOldest, Overflow::KeepLatest] {
        let rig = Rig::new(Options::builder().overflow(overflow).max_queued(100, 2_000));
        let publish = |topic: &str, len: usize| {
            let completion = rig.client.publish(topic, vec![0; len]).try_enqueue();
            drop(completion.expect("no policy of these refuses"));
        };
        for topic in ["a", "b", "c", "d"] {
            publish(topic, 300);
        }
        assert_eq!(rig.client.stats().dropped_publishes, 0);
        publish("a", 1_700);
        let stats = rig.client.stats();
        let superseded = u64::from(overflow == Overflow::KeepLatest);
        assert_eq!((stats.dropped_publishes, stats.superseded_publishes), (4 - superseded, superseded));
        assert_eq!(stats.pending_publishes, 1, "{overflow:?}");
        assert!(stats.pending_bytes <= 2_000, "{overflow:?}: {}", stats.pending_bytes);
    }
}

#[test]
fn what_was_sent_is_neither_dropped_nor_superseded() {
    for overflow in [Overflow::DropOldest, Overflow::KeepLatest] {
        let mut rig = Rig::connected(options(overflow, 2).max_in_flight(2));
        rig.broker.inject(Fault::sent(PacketKind::Puback).times(2).withhold());
        let client = rig.client.clone();
        let publish = |payload: &'static str| {
            client.publish("a", payload).qos(QoS::AtLeastOnce).try_enqueue().expect("started")
        };
        let sent = publish("1");
        rig.settle();
        let other = publish("2");
        rig.settle();
        assert_eq!(client.stats().in_flight, 2, "{overflow:?}");
        let new = publish("3");
        assert_eq!(word("a", &rig.run(new)), "dropped", "{overflow:?}: there is nothing else to drop");
        rig.cut();
        assert_eq!(
            (word("a", &rig.run(sent)), word("a", &rig.run(other))),
            ("delivered", "delivered"),
            "{overflow:?}"
        );
    }
}

#[test]
fn a_queue_that_overflows_for_long_stays_small() {
    for overflow in ALL {
        let rig = Rig::new(options(overflow, 10));
        for n in 0..10_000_u32 {
            let publish = rig.client.publish(format!("t/{}", n % 20), n.to_be_bytes().to_vec());
            drop(publish.try_enqueue());
        }
        let stats = rig.client.stats();
        assert_eq!(stats.pending_publishes, 10, "{overflow:?}");
        let gone = stats.dropped_publishes + stats.superseded_publishes;
        let refused = matches!(overflow, Overflow::Block | Overflow::Refuse);
        assert_eq!(gone, if refused { 0 } else { 9_990 }, "{overflow:?}");
    }
}
