//! Messages that nobody reads: bounded, told, and not lost.

use std::time::Duration;

use mqtt_client_core::codec::{QoS, ReasonCode, Version};
use mqtt_client_core::{
    Acknowledge, Event, Events, Message, Options, OptionsBuilder, SESSION_NEVER_EXPIRES, Subscription,
};

use crate::rig::{Rig, drain};

const SECOND: Duration = Duration::from_secs(1);
const VERSIONS: [Version; 2] = [Version::V311, Version::V5];

fn kept(version: Version) -> OptionsBuilder {
    let options = Options::builder().version(version).client_id("keeper");
    options.clean_start(false).session_expiry(SESSION_NEVER_EXPIRES)
}

fn number(message: &Message) -> u32 {
    u32::from_be_bytes(message.payload()[..4].try_into().expect("four bytes"))
}

/// So many messages of a kibibyte, numbered, published by somebody else.
fn flood(rig: &mut Rig, count: u32, qos: QoS) {
    for n in 0..count {
        let mut payload = vec![0; 1024];
        payload[..4].copy_from_slice(&n.to_be_bytes());
        rig.publish_elsewhere("a", payload, qos);
    }
}

#[test]
fn past_the_byte_budget_the_client_disconnects_and_goes_on_when_half_is_read() {
    for version in VERSIONS {
        let mut rig = Rig::connected(kept(version).max_unread_bytes(100 * 1024));
        let client = rig.client.clone();
        let mut events = client.events();
        let mut stream = rig.subscribe("a");
        flood(&mut rig, 1000, QoS::AtLeastOnce);
        rig.run_for(SECOND * 600);
        assert!(!client.is_connected(), "{version}");
        assert!(client.stats().unread_bytes < 200 * 1024, "{version}: {}", client.stats().unread_bytes);
        assert!(backlogs(&mut events) > 0, "{version}");
        assert_eq!(rig.dials.len(), 1, "{version}: no attempt while nobody reads");
        let read: Vec<u32> = (0..1000).filter_map(|_| rig.next(&mut stream)).map(|m| number(&m)).collect();
        let first_copies = first_of_each(&read);
        assert_eq!(first_copies, (0..1000).collect::<Vec<_>>(), "{version}: all, in order");
        assert!(rig.dials.len() > 1);
    }
}

#[test]
fn what_no_stream_takes_is_paid_from_the_byte_budget_too() {
    for version in VERSIONS {
        let mut rig = Rig::connected(kept(version).max_unread_bytes(100 * 1024));
        let client = rig.client.clone();
        let mut events = client.events();
        drop::<Subscription>(rig.run(client.subscribe("a").keep_on_drop(true)).expect("granted"));
        flood(&mut rig, 1000, QoS::AtLeastOnce);
        let (mut most, mut told) = (0, 0);
        while client.stats().unclaimed_messages < 1000 {
            rig.run_for(SECOND);
            most = most.max(client.stats().unread_bytes);
            told += backlogs(&mut events);
            assert!(rig.dials.len() < 1000, "{version}: it goes on when their grace is over");
        }
        assert!((100 * 1024..200 * 1024).contains(&most), "{version}: {most}");
        assert!(told > 0, "{version}");
        assert_eq!(client.stats().unread_bytes, 0, "{version}");
    }
}

/// How often it was told that too much is unread.
fn backlogs(events: &mut Events) -> usize {
    drain(events).iter().filter(|event| matches!(event, Event::Backlogged { .. })).count()
}

fn first_of_each(numbers: &[u32]) -> Vec<u32> {
    let mut seen = std::collections::BTreeSet::new();
    numbers.iter().copied().filter(|number| seen.insert(*number)).collect()
}

#[test]
fn a_client_that_is_backlogged_can_be_disconnected_and_reconnected_by_hand() {
    let mut rig = Rig::connected(kept(Version::V5).max_unread_bytes(10 * 1024));
    let client = rig.client.clone();
    let stream = rig.subscribe("a");
    flood(&mut rig, 100, QoS::AtLeastOnce);
    rig.run_for(SECOND);
    assert!(!client.is_connected());
    let reconnecting = client.reconnect();
    rig.run_for(SECOND);
    assert_eq!(rig.dials.len(), 2, "it is tried, and is backlogged again");
    drop(reconnecting);
    rig.run(client.disconnect());
    drop(stream);
}

#[test]
fn dropping_the_stream_frees_its_bytes() {
    let mut rig = Rig::connected(Options::builder().max_unread_bytes(50 * 1024));
    let client = rig.client.clone();
    let stream = rig.subscribe("a");
    flood(&mut rig, 100, QoS::AtMostOnce);
    rig.run_for(SECOND);
    assert!(!client.is_connected() && client.stats().unread_bytes > 50 * 1024);
    drop(stream);
    assert_eq!(client.stats().unread_bytes, 0);
    rig.run(client.connect()).expect("there is room again");
}

#[test]
fn a_stalled_consumer_is_told_once_until_it_reads() {
    let mut rig = Rig::connected(Options::builder().stall_after(SECOND * 10));
    let mut events = rig.client.events();
    let mut stream = rig.subscribe("a");
    let mut reading = rig.subscribe("+");
    let stalled = |events: &mut _| {
        let told = drain(events).into_iter().filter_map(|event| match event {
            Event::ConsumerStalled { filters, unread } => Some((filters[0].as_str().to_owned(), unread)),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    for n in 0..60_u32 {
        rig.publish_elsewhere("a", n.to_be_bytes().to_vec(), QoS::AtLeastOnce);
        rig.run_for(SECOND);
        while rig.ready(&mut reading).is_some() {}
    }
    let told = stalled(&mut events);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].0 == "a" && (10..=20).contains(&told[0].1), "{told:?}");
    while rig.ready(&mut stream).is_some() {}
    rig.run_for(SECOND * 60);
    assert_eq!(stalled(&mut events), [], "nothing is unread");
    rig.publish_elsewhere("a", vec![0; 4], QoS::AtLeastOnce);
    rig.run_for(SECOND * 60);
    assert!(rig.ready(&mut reading).is_some());
    assert!(stalled(&mut events).iter().any(|(filter, _)| filter == "a"), "it stalls again");
}

/// A small message must not keep alive the whole buffer that it came in, for as long as it is unread.
#[test]
fn small_messages_that_wait_long_are_copied_out_of_the_receive_buffer() {
    let mut rig = Rig::connected(Options::builder());
    let mut stream = rig.subscribe("a");
    let before = rig.client.stats().unread_bytes;
    for _ in 0..100 {
        flood(&mut rig, 10, QoS::AtMostOnce);
        rig.settle();
    }
    assert!(rig.client.stats().unread_bytes > before + 1000 * 1024);
    let messages: Vec<Message> = std::iter::from_fn(|| rig.ready(&mut stream)).collect();
    assert_eq!(messages.len(), 1000);
    assert_eq!(rig.client.stats().unread_bytes, before, "what was read is given back");
    // Neighbours in one buffer lie a packet apart, which is no multiple of 16; copies lie where the allocator put them.
    let neighbours = |range: std::ops::Range<usize>| {
        let starts: Vec<usize> =
            messages[range].iter().map(|message| message.payload().as_ptr().addr()).collect();
        let distances = starts.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        distances.filter(|distance| (1025..1100).contains(distance) && distance % 16 != 0).count()
    };
    assert!(neighbours(0..640) > 0, "those of the first 64 buffers share them");
    assert_eq!(neighbours(650..1000), 0, "the later ones do not");
    assert!(messages.iter().enumerate().all(|(n, message)| number(message) == n as u32 % 10));
}

/// A reader takes messages of QoS 0 out many at a time. What it has not read counts as unread nevertheless, and that it reads
/// is seen.
#[test]
fn what_a_reader_has_taken_out_is_unread_until_it_is_read() {
    let mut rig = Rig::connected(Options::builder().stream_capacity(3200));
    let mut stream = rig.subscribe("a");
    let mut events = rig.client.events();
    let before = rig.client.stats().unread_bytes;
    flood(&mut rig, 1000, QoS::AtMostOnce);
    rig.settle();
    let all = rig.client.stats().unread_bytes - before;
    assert!(rig.ready(&mut stream).is_some());
    let unread = rig.client.stats().unread_bytes - before;
    assert!((all / 1000 * 998..all).contains(&unread), "{unread} of {all}");
    for _ in 0..90 {
        assert!(rig.ready(&mut stream).is_some());
        rig.run_for(SECOND);
    }
    assert!(
        !drain(&mut events).iter().any(|event| matches!(event, Event::ConsumerStalled { .. })),
        "it reads"
    );
    rig.run_for(SECOND * 90);
    assert!(drain(&mut events).iter().any(|event| matches!(event, Event::ConsumerStalled { .. })));
    drop(stream);
    assert_eq!(rig.client.stats().unread_bytes, before, "nobody will read it");
}

#[test]
fn a_catch_all_gets_what_no_other_stream_matches() {
    for version in VERSIONS {
        let options = kept(version);
        let mut rig = Rig::connected(options.clone());
        let client = rig.client.clone();
        drop(rig.run(client.subscribe::<Subscription>(["a", "b"]).keep_on_drop(true)).expect("granted"));
        rig.publish_elsewhere("a", "early", QoS::AtLeastOnce);
        rig.settle();
        let mut rest: Subscription = client.catch_all(Acknowledge::ByHand);
        let early = rig.next(&mut rest).expect("what has waited");
        assert_eq!(early.text(), "early", "{version}");
        assert!(early.refuse(ReasonCode::NotAuthorized));
        let mut a = rig.subscribe("a");
        rig.publish_elsewhere("a", "to a", QoS::AtLeastOnce);
        rig.publish_elsewhere("b", "to the rest", QoS::AtMostOnce);
        assert_eq!(rig.next(&mut a).expect("a message").text(), "to a");
        assert_eq!(rig.next(&mut rest).expect("a message").text(), "to the rest");
        assert!(rig.ready(&mut rest).is_none() && rig.ready(&mut a).is_none(), "{version}");
        assert_eq!(client.stats().unclaimed_messages, 0);
        drop(rest);
        rig.publish_elsewhere("b", "to nobody", QoS::AtMostOnce);
        rig.settle();
        assert_eq!(client.stats().unclaimed_messages, 1);
        rig.run(client.disconnect());
    }
}
