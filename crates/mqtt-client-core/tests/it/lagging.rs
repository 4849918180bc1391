//! Streams that lose QoS 0 messages because they are full, each in its way.

use std::time::Duration;

use mqtt_client_core::codec::QoS;
use mqtt_client_core::{Options, Qos0Overflow, Subscription};

use crate::rig::Rig;

const CAPACITY: u32 = 10;

fn subscribe(rig: &mut Rig, filter: &str, overflow: Qos0Overflow) -> Subscription {
    let client = rig.client.clone();
    rig.run(client.subscribe(filter).qos0_overflow(overflow)).expect("granted")
}

fn numbers(rig: &mut Rig, stream: &mut Subscription) -> Vec<u32> {
    std::iter::from_fn(|| rig.ready(stream)).filter_map(|message| message.text().parse().ok()).collect()
}

#[test]
fn each_policy_keeps_what_it_says_and_counts_the_rest() {
    let check = |overflow, kept: std::ops::Range<u32>, millis: u64| {
        let mut rig = Rig::connected(Options::builder().stream_capacity(CAPACITY as usize));
        let mut stream = subscribe(&mut rig, "a", overflow);
        let mut other = subscribe(&mut rig, "b", overflow);
        let before = rig.now;
        for n in 0..30 {
            rig.publish("a", n.to_string(), QoS::AtMostOnce);
        }
        rig.publish("b", "1", QoS::AtLeastOnce);
        let time = rig.now.saturating_since(before);
        assert_eq!(time, Duration::from_millis(millis), "{overflow:?}: how long another stream waits");
        assert_eq!((stream.dropped(), other.dropped()), (20, 0), "{overflow:?}");
        assert_eq!(rig.client.stats().dropped_messages, 20, "{overflow:?}");
        assert_eq!(numbers(&mut rig, &mut stream), kept.collect::<Vec<_>>(), "{overflow:?}");
        assert_eq!(numbers(&mut rig, &mut other), [1], "{overflow:?}");
        // A stream that was read has room again.
        rig.publish("a", "31", QoS::AtMostOnce);
        rig.settle();
        assert_eq!(numbers(&mut rig, &mut stream), [31], "{overflow:?}");
    };
    check(Qos0Overflow::Pause, 20..30, 20);
    check(Qos0Overflow::DropOldest, 20..30, 0);
    check(Qos0Overflow::DropNewest, 0..10, 0);
}

#[test]
fn streams_of_one_message_each_follow_their_own_policy() {
    let mut rig = Rig::connected(Options::builder().stream_capacity(CAPACITY as usize));
    let mut oldest = subscribe(&mut rig, "a", Qos0Overflow::DropOldest);
    let mut newest = subscribe(&mut rig, "+", Qos0Overflow::DropNewest);
    for n in 0..30 {
        rig.publish("a", n.to_string(), QoS::AtMostOnce);
    }
    rig.settle();
    assert_eq!(numbers(&mut rig, &mut oldest), (20..30).collect::<Vec<_>>());
    assert_eq!(numbers(&mut rig, &mut newest), (0..10).collect::<Vec<_>>());
    assert_eq!((oldest.dropped(), newest.dropped(), rig.client.stats().dropped_messages), (20, 20, 40));
}

#[test]
fn what_has_to_be_acknowledged_is_never_dropped() {
    for overflow in [Qos0Overflow::Pause, Qos0Overflow::DropOldest, Qos0Overflow::DropNewest] {
        let mut rig = Rig::connected(Options::builder().stream_capacity(CAPACITY as usize));
        let mut stream = subscribe(&mut rig, "a", overflow);
        for n in 0..30 {
            rig.publish("a", n.to_string(), QoS::AtMostOnce);
            rig.publish("a", (100 + n).to_string(), QoS::AtLeastOnce);
        }
        let kept = numbers(&mut rig, &mut stream);
        let acknowledged: Vec<u32> = kept.into_iter().filter(|n| *n >= 100).collect();
        assert_eq!(acknowledged, (100..130).collect::<Vec<_>>(), "{overflow:?}");
    }
}
