//! What the broker announces, it enforces; what the client announces, it keeps.

use core::num::{NonZeroU16, NonZeroU32};

use mqtt_codec::{Packet, PacketKind, Publish, QoS, ReasonCode, Suback};
use mqtt_testkit::{BrokerConfig, Fault};

use crate::bed::*;

// [5.0 MQTT-3.2.2-9]
#[test]
fn the_connack_announces_every_limit() {
    let mut bed = Bed::new(BrokerConfig::default());
    let (_, connack) = bed.connect(hello(V5, "a"));
    let properties = &connack.properties;
    assert_eq!(properties.maximum_packet_size(), NonZeroU32::new(16 << 20));
    assert_eq!((properties.receive_maximum(), properties.maximum_qos()), (None, None));
    assert_eq!((properties.retain_available(), properties.wildcard_subscription_available()), (None, None));

    let mut bed = Bed::new(BrokerConfig {
        receive_maximum: NonZeroU16::new(3).unwrap(),
        max_packet_size: 1_000,
        maximum_qos: AtMostOnce,
        retain_available: false,
        wildcard_available: false,
        subscription_identifiers_available: false,
        shared_available: false,
        topic_alias_maximum: 0,
        ..BrokerConfig::default()
    });
    let (_, connack) = bed.connect(hello(V5, "a"));
    let properties = &connack.properties;
    assert_eq!(properties.receive_maximum(), NonZeroU16::new(3));
    assert_eq!(properties.maximum_packet_size(), NonZeroU32::new(1_000));
    assert_eq!(properties.maximum_qos(), Some(AtMostOnce));
    assert_eq!(properties.retain_available(), Some(false));
    assert_eq!(properties.wildcard_subscription_available(), Some(false));
    assert_eq!(properties.subscription_identifiers_available(), Some(false));
    assert_eq!(properties.shared_subscription_available(), Some(false));
    assert_eq!(properties.topic_alias_maximum(), None);
}

/// A PUBLISH that breaks a limit ends the connection, with this reason in 5.0.
#[track_caller]
fn check_offence(config: BrokerConfig, offence: Publish, expected: ReasonCode) {
    for version in VERSIONS {
        let mut bed = Bed::new(config.clone());
        let peer = bed.join(version, "a");
        bed.say(peer, offence.clone());
        assert_eq!(bed.end(peer), (version == V5).then_some(expected));
        assert_eq!(bed.broker.stats().received, 0);
    }
}

#[test]
fn what_exceeds_an_announced_limit_ends_the_connection() {
    let limited = |maximum_qos: QoS, retain_available: bool, max_packet_size: u32| BrokerConfig {
        maximum_qos,
        retain_available,
        max_packet_size,
        ..BrokerConfig::default()
    };
    let high = publish("t", ExactlyOnce, 1, "x");
    check_offence(limited(AtLeastOnce, true, 1_000), high, ReasonCode::QoSNotSupported);
    let kept = retained(publish("t", AtMostOnce, 0, "x"));
    check_offence(limited(ExactlyOnce, false, 1_000), kept, ReasonCode::RetainNotSupported);
    let large = Publish { payload: vec![0; 1_000].into(), ..publish("t", AtMostOnce, 0, "") };
    check_offence(limited(ExactlyOnce, true, 1_000), large, ReasonCode::PacketTooLarge);
}

#[test]
fn a_packet_that_is_too_large_is_refused_by_its_header() {
    let mut bed = Bed::new(BrokerConfig { max_packet_size: 100, ..BrokerConfig::default() });
    let peer = bed.join(V5, "a");
    bed.say_bytes(peer, b"\x30\xff\xff\xff\x7f");
    assert_eq!(bed.end(peer), Some(ReasonCode::PacketTooLarge));
}

#[test]
fn more_unacknowledged_messages_than_announced_end_the_connection() {
    let config = BrokerConfig { receive_maximum: NonZeroU16::new(2).unwrap(), ..BrokerConfig::default() };
    let mut bed = Bed::new(config.clone());
    let peer = bed.join(V5, "a");
    for n in 1..=2 {
        bed.say(peer, publish("t", ExactlyOnce, n, "x"));
    }
    bed.say(peer, publish("t", AtMostOnce, 0, "free"));
    bed.say(peer, pubrel(1));
    bed.say(peer, publish("t", ExactlyOnce, 3, "x"));
    assert!(!bed.is_closed(peer));
    bed.say(peer, publish("t", AtLeastOnce, 4, "x"));
    assert_eq!(bed.end(peer), Some(ReasonCode::ReceiveMaximumExceeded));

    // A PUBACK that the client has not seen doesn't free its place.
    let faults = vec![Fault::sent(PacketKind::Puback).always().withhold()];
    let mut bed = Bed::new(BrokerConfig { faults, ..config });
    let peer = bed.join(V5, "a");
    for n in 1..=3 {
        bed.say(peer, publish("t", AtLeastOnce, n, "x"));
    }
    assert_eq!(bed.end(peer), Some(ReasonCode::ReceiveMaximumExceeded));
}

// [5.0 MQTT-3.1.2-24] [5.0 MQTT-3.1.2-25]
#[test]
fn a_client_never_gets_a_packet_larger_than_it_takes() {
    let mut bed = Bed::new(BrokerConfig::default());
    let from = bed.join(V5, "from");
    let mut connect = lasting(V5, "to");
    connect.properties.set_maximum_packet_size(NonZeroU32::new(40).unwrap());
    let (to, _) = bed.connect(connect.clone());
    bed.subscribe(to, &[("t", AtLeastOnce)]);
    let large = |n| Publish { payload: vec![0; 40].into(), ..publish("t", AtLeastOnce, n, "") };
    bed.say(from, large(1));
    bed.say(from, Publish { qos: AtMostOnce, packet_id: None, ..large(1) });
    bed.say(from, publish("t", AtLeastOnce, 2, "small"));
    assert_eq!(bed.hear(to), [publish("t", AtLeastOnce, 1, "small").into()]);
    assert_eq!(bed.broker.stats().dropped, 2);

    // A limit that shrinks between two connections: what was in flight counts as delivered.
    bed.say(from, publish("t", AtLeastOnce, 3, "neither small nor large"));
    assert_eq!(bed.hear(to).len(), 1);
    bed.lose(to);
    connect.properties.set_maximum_packet_size(NonZeroU32::new(20).unwrap());
    let (to, _) = bed.connect(connect.clone());
    assert_eq!(bed.hear(to), [dup(publish("t", AtLeastOnce, 1, "small")).into()]);
    assert_eq!(bed.broker.backlog("to"), Some(1));

    // Not even the CONNACK.
    bed.lose(to);
    connect.properties.set_maximum_packet_size(NonZeroU32::new(10).unwrap());
    let to = bed.open(V5);
    bed.say(to, connect);
    assert_eq!(bed.end(to), None);
}

// [5.0 MQTT-3.14.2-3] [5.0 MQTT-3.1.2-29]
#[test]
fn a_reason_string_is_left_out_when_it_does_not_fit() {
    for (limit, expected) in [(1_000, true), (20, false)] {
        let mut bed = Bed::new(BrokerConfig::default());
        let mut connect = hello(V5, "a");
        connect.properties.set_maximum_packet_size(NonZeroU32::new(limit).unwrap());
        let peer = bed.open(V5);
        bed.say(peer, connect);
        bed.hear(peer);
        bed.broker.disconnect("a", ReasonCode::ServerBusy);
        let heard = bed.hear(peer);
        let [Packet::Disconnect(disconnect)] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!(disconnect.reason, ReasonCode::ServerBusy);
        assert_eq!(disconnect.properties.reason_string().is_some(), expected);
    }
}

#[test]
fn qos_0_messages_are_dropped_for_who_does_not_read() {
    let mut bed = Bed::new(BrokerConfig { max_output: 10_000, ..BrokerConfig::default() });
    let from = bed.join(V311, "from");
    let to = bed.join(V311, "to");
    bed.subscribe(to, &[("t", AtMostOnce)]);
    // Past the bed, which would read at once.
    let mut bytes = Vec::new();
    let message = Publish { payload: vec![0; 1_000].into(), ..publish("t", AtMostOnce, 0, "") };
    for _ in 0..100 {
        Packet::from(message.clone()).encode(V311, &mut bytes).unwrap();
    }
    bed.broker.handle_input(bed.clock.now(), from.conn, &mut bytes[..].into());
    assert!(bed.broker.is_congested(to.conn));
    let stats = bed.broker.stats();
    assert_eq!((stats.delivered, stats.dropped), (10, 90));
    bed.say(from, Packet::Pingreq);
    assert_eq!(bed.hear(to).len(), 10);
    assert!(!bed.broker.is_congested(to.conn));
}

#[test]
fn a_suback_of_many_filters_fits() {
    let mut bed = Bed::new(BrokerConfig::default());
    let peer = bed.join(V5, "a");
    let names: Vec<String> = (0..1_000).map(|n| format!("t/{n}")).collect();
    let filters: Vec<_> = names.iter().map(|name| (name.as_str(), AtMostOnce)).collect();
    bed.say(peer, subscribe(1, &filters));
    assert_eq!(bed.hear(peer), [Suback::new(id(1), vec![ReasonCode::Success; 1_000]).into()]);
}
