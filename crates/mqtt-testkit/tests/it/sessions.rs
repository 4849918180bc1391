//! Sessions that outlive their connections, and those that don't.

use core::num::NonZeroU16;
use std::time::Duration;

use mqtt_codec::{Connect, Disconnect, Packet, ReasonCode, Version};
use mqtt_testkit::BrokerConfig;

use crate::bed::*;

// [3.1.1 MQTT-3.1.2-4] [5.0 MQTT-3.1.2-5] [5.0 MQTT-3.1.2-6] [3.1.1 MQTT-3.2.2-2] [3.1.1 MQTT-3.2.2-3]
// [5.0 MQTT-3.2.2-3] [3.1.1 MQTT-3.1.2-6] [5.0 MQTT-3.1.2-4] [5.0 MQTT-3.1.4-4] [3.1.1 MQTT-3.1.4-3]
// [3.1.1 MQTT-3.1.3-2] [5.0 MQTT-3.1.3-2] [5.0 MQTT-3.1.2-23] [3.1.1 MQTT-4.1.0-1]
#[test]
fn a_session_stays_until_a_clean_start() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let (peer, present) = bed.resume(version, "a");
        assert!(!present);
        bed.subscribe(peer, &[("t", AtLeastOnce)]);
        bed.say(peer, goodbye());
        let (_, present) = bed.resume(version, "b");
        assert!(!present, "another identifier is another session");
        let (peer, present) = bed.resume(version, "a");
        assert!(present && bed.broker.is_subscribed("a", "t"));
        bed.lose(peer);
        bed.join(version, "a");
        assert!(!bed.broker.is_subscribed("a", "t"));
    }
}

// [3.1.1 MQTT-3.1.2-6] [5.0 MQTT-4.1.0-2]
#[test]
fn a_session_without_expiry_ends_with_its_connection() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.join(version, "a");
        bed.subscribe(peer, &[("t", AtLeastOnce)]);
        bed.lose(peer);
        assert_eq!(bed.broker.session_count(), 0);
        let (peer, present) = bed.resume(version, "a");
        assert!(!present);
        bed.say(peer, publish("t", AtMostOnce, 0, "x"));
        assert_eq!(bed.hear(peer), []);
    }
}

// [5.0 MQTT-4.1.0-1] [5.0 MQTT-4.1.0-2] [3.1.1 MQTT-4.1.0-2]
#[test]
fn a_session_ends_when_its_expiry_has_passed_without_a_connection() {
    let mut bed = Bed::new(BrokerConfig { session_expiry_cap: 50, ..BrokerConfig::default() });
    let (peer, _) = bed.resume(V5, "a"); // asks for ever, gets 50 s
    bed.pass(Duration::from_secs(1_000));
    assert!(bed.broker.has_session("a"));
    bed.lose(peer);
    bed.pass(Duration::from_millis(49_999));
    let (peer, present) = bed.resume(V5, "a");
    assert!(present);
    bed.lose(peer);
    bed.pass(Duration::from_secs(50));
    assert!(!bed.broker.has_session("a"));
    assert_eq!(bed.broker.poll_deadline(), None);
}

#[test]
fn a_goodbye_can_change_the_expiry() {
    let mut bed = Bed::new(BrokerConfig::default());
    let (peer, _) = bed.resume(V5, "a");
    let mut disconnect = Disconnect::new(ReasonCode::Success);
    disconnect.properties.set_session_expiry_interval(0);
    bed.say(peer, disconnect);
    assert!(!bed.broker.has_session("a"));
}

// [3.1.1 MQTT-3.1.2-5]
#[test]
fn messages_wait_for_a_client_that_is_away() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let from = bed.join(version, "from");
        let (to, _) = bed.resume(version, "to");
        bed.subscribe(to, &[("t", ExactlyOnce)]);
        bed.lose(to);
        bed.say(from, publish("t", AtMostOnce, 0, "not kept"));
        bed.say(from, publish("t", AtLeastOnce, 1, "one"));
        bed.say(from, publish("t", ExactlyOnce, 2, "two"));
        assert_eq!(bed.broker.backlog("to"), Some(2));
        let (to, _) = bed.resume(version, "to");
        assert_eq!(
            bed.hear(to),
            [publish("t", AtLeastOnce, 1, "one").into(), publish("t", ExactlyOnce, 2, "two").into()]
        );
    }
}

#[test]
fn a_full_queue_drops_and_counts() {
    let mut bed = Bed::new(BrokerConfig { max_queued: 3, ..BrokerConfig::default() });
    let from = bed.join(V5, "from");
    let (to, _) = bed.resume(V5, "to");
    bed.subscribe(to, &[("t", AtLeastOnce)]);
    bed.lose(to);
    for n in 1..=5 {
        bed.say(from, publish("t", AtLeastOnce, n, "x"));
    }
    assert_eq!((bed.broker.backlog("to"), bed.broker.stats().dropped), (Some(3), 2));
}

/// Publishes five messages to a client that answers only some of them before it is lost.
fn interrupted(version: Version) -> (Bed, crate::bed::Peer) {
    let mut bed = Bed::new(BrokerConfig::default());
    let from = bed.join(version, "from");
    let (to, _) = bed.resume(version, "to");
    bed.subscribe(to, &[("t", ExactlyOnce)]);
    for (n, qos) in (1..).zip([AtLeastOnce, ExactlyOnce, ExactlyOnce, AtLeastOnce, ExactlyOnce]) {
        bed.say(from, publish("t", qos, n, "x"));
    }
    assert_eq!(bed.hear(to).len(), 5);
    bed.say(to, pubrec(3));
    bed.say(to, puback(4));
    assert_eq!(bed.hear(to), [pubrel(3).into()]);
    bed.lose(to);
    (bed, from)
}

// [3.1.1 MQTT-4.4.0-1] [5.0 MQTT-4.4.0-1] [3.1.1 MQTT-3.3.1-1] [5.0 MQTT-3.3.1-1] [3.1.1 MQTT-4.3.3-1]
// [5.0 MQTT-4.3.2-3] [5.0 MQTT-4.3.3-3] [5.0 MQTT-4.3.3-5] [5.0 MQTT-4.3.3-6]
#[test]
fn what_was_in_flight_is_sent_again_in_order_with_its_identifiers() {
    for version in VERSIONS {
        let (mut bed, from) = interrupted(version);
        bed.say(from, publish("t", AtLeastOnce, 6, "later"));
        let (to, present) = bed.resume(version, "to");
        assert!(present);
        let again = |n, qos| Packet::from(dup(publish("t", qos, n, "x")));
        assert_eq!(
            bed.hear(to),
            [
                pubrel(3).into(),
                again(1, AtLeastOnce),
                again(2, ExactlyOnce),
                again(5, ExactlyOnce),
                publish("t", AtLeastOnce, 6, "later").into(),
            ]
        );
        bed.pass(Duration::from_secs(100_000)); // nothing is sent again on a live connection
        assert_eq!(bed.hear(to), []);
        bed.say(to, pubcomp(3));
        bed.say(to, puback(1));
        bed.say(to, pubrec(2));
        bed.say(to, pubrec(5));
        bed.say(to, pubcomp(5));
        bed.say(to, pubcomp(2));
        bed.say(to, puback(6));
        assert_eq!(bed.hear(to), [pubrel(2).into(), pubrel(5).into()]);
        assert_eq!(bed.broker.backlog("to"), Some(0));
        assert_eq!(bed.broker.stats().resent, 3);
    }
}

// [5.0 MQTT-4.9.0-1] [5.0 MQTT-4.9.0-2]
#[test]
fn what_is_sent_again_is_charged_to_the_new_receive_maximum() {
    let (mut bed, from) = interrupted(V5);
    bed.say(from, publish("t", AtLeastOnce, 6, "later"));
    let mut connect = lasting(V5, "to");
    connect.properties.set_receive_maximum(NonZeroU16::MIN);
    let (to, _) = bed.connect(connect);
    let again = |n, qos| Packet::from(dup(publish("t", qos, n, "x")));
    assert_eq!(bed.hear(to), [pubrel(3).into(), again(1, AtLeastOnce)]);
    bed.say(to, pubcomp(3)); // held no place here, so frees none
    assert_eq!(bed.hear(to), []);
    bed.say(to, puback(1));
    assert_eq!(bed.hear(to), [again(2, ExactlyOnce)]);
    bed.say(to, pubrec(2));
    assert_eq!(bed.hear(to), [pubrel(2).into()]);
    bed.say(to, pubcomp(2));
    assert_eq!(bed.hear(to), [again(5, ExactlyOnce)]);
    bed.say(to, pubrec(5));
    bed.say(to, pubcomp(5));
    assert_eq!(bed.hear(to), [pubrel(5).into(), publish("t", AtLeastOnce, 6, "later").into()]);
}

#[test]
fn a_second_interruption_changes_nothing() {
    let (mut bed, _) = interrupted(V5);
    let mut connect = lasting(V5, "to");
    connect.properties.set_receive_maximum(NonZeroU16::MIN);
    let (to, _) = bed.connect(connect);
    bed.lose(to);
    let (to, _) = bed.resume(V5, "to");
    let again = |n, qos| Packet::from(dup(publish("t", qos, n, "x")));
    assert_eq!(
        bed.hear(to),
        [pubrel(3).into(), again(1, AtLeastOnce), again(2, ExactlyOnce), again(5, ExactlyOnce)]
    );
}

// [3.1.1 MQTT-4.3.3-2] [5.0 MQTT-4.3.3-10] [5.0 MQTT-4.3.3-11]
#[test]
fn a_qos_2_message_from_a_client_counts_once_across_connections() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let (peer, _) = bed.resume(version, "a");
        bed.say(peer, publish("t", ExactlyOnce, 8, "x"));
        bed.lose(peer);
        let (peer, _) = bed.resume(version, "a");
        bed.say(peer, dup(publish("t", ExactlyOnce, 8, "x")));
        assert_eq!(bed.hear(peer), [pubrec(8).into()]);
        bed.lose(peer);
        let (peer, _) = bed.resume(version, "a");
        bed.say(peer, pubrel(8));
        assert_eq!(bed.hear(peer), [pubcomp(8).into()]);
        assert_eq!(bed.broker.stats().received, 1);
        assert_eq!(bed.broker.violations(), []);
    }
}

#[test]
fn a_take_over_by_a_clean_start_ends_the_session() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let (first, _) = bed.resume(version, "a");
        bed.subscribe(first, &[("t", AtLeastOnce)]);
        bed.say(first, publish("t", AtLeastOnce, 1, "x"));
        let (second, connack) = bed.connect(Connect { clean_start: true, ..lasting(version, "a") });
        assert!(!connack.session_present);
        assert!(bed.is_closed(first));
        assert_eq!(bed.hear(second), []);
        assert_eq!(bed.broker.backlog("a"), Some(0));
    }
}
