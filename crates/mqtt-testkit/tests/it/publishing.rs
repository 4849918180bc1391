//! The QoS flows, from a client and to one.

use core::num::NonZeroU16;
use std::time::Duration;

use mqtt_codec::{AckKind, Binary, Packet, Publish, ReasonCode, Version};
use mqtt_testkit::BrokerConfig;

use crate::bed::*;

/// A publisher and a subscriber of `t` at QoS 2.
fn pair(version: Version) -> (Bed, crate::bed::Peer, crate::bed::Peer) {
    let mut bed = Bed::new(BrokerConfig::default());
    let from = bed.join(version, "from");
    let to = bed.join(version, "to");
    bed.subscribe(to, &[("t", ExactlyOnce)]);
    (bed, from, to)
}

// [3.1.1 MQTT-3.3.4-1] [5.0 MQTT-3.3.4-1] [3.1.1 MQTT-2.3.1-6] [5.0 MQTT-2.2.1-5]
// [3.1.1 MQTT-4.3.1-1] [5.0 MQTT-4.3.1-1] [3.1.1 MQTT-4.3.2-2] [5.0 MQTT-4.3.2-4]
// [5.0 MQTT-4.3.3-8] [5.0 MQTT-4.3.3-11]
#[test]
fn each_qos_is_answered_with_its_own_packets() {
    for version in VERSIONS {
        let (mut bed, from, _) = pair(version);
        bed.say(from, publish("t", AtMostOnce, 0, "0"));
        assert_eq!(bed.hear(from), []);
        bed.say(from, publish("t", AtLeastOnce, 7, "1"));
        assert_eq!(bed.hear(from), [puback(7).into()]);
        bed.say(from, publish("t", ExactlyOnce, 9, "2"));
        assert_eq!(bed.hear(from), [pubrec(9).into()]);
        bed.say(from, pubrel(9));
        assert_eq!(bed.hear(from), [pubcomp(9).into()]);
        assert_eq!(bed.broker.violations(), []);
    }
}

// [3.1.1 MQTT-2.3.1-4] [5.0 MQTT-2.2.1-4] [3.1.1 MQTT-4.3.2-1] [5.0 MQTT-4.3.2-1] [5.0 MQTT-4.3.2-2]
// [3.1.1 MQTT-4.3.3-1] [5.0 MQTT-4.3.3-1] [5.0 MQTT-4.3.3-2] [5.0 MQTT-4.3.3-4]
#[test]
fn a_receiver_gets_fresh_identifiers_and_dup_0() {
    for version in VERSIONS {
        let (mut bed, from, to) = pair(version);
        for (qos, sent) in [(AtMostOnce, 0), (AtLeastOnce, 1), (ExactlyOnce, 2)] {
            bed.say(from, dup_unless_0(publish("t", qos, sent, "x")));
            // DUP is not forwarded: [3.1.1 MQTT-3.3.1-3] [5.0 MQTT-3.3.1-3]
            assert_eq!(bed.hear(to), [publish("t", qos, sent, "x").into()]);
        }
        bed.say(to, puback(1));
        bed.say(to, pubrec(2));
        assert_eq!(bed.hear(to), [pubrel(2).into()]);
        bed.say(to, pubcomp(2));
        assert_eq!(bed.broker.backlog("to"), Some(0));
    }
}

fn dup_unless_0(publish: Publish) -> Publish {
    Publish { dup: publish.packet_id.is_some(), ..publish }
}

#[test]
fn packet_identifiers_go_round_and_skip_those_in_use() {
    let (mut bed, from, to) = pair(V5);
    bed.say(from, publish("t", AtLeastOnce, 1, "never acknowledged"));
    assert_eq!(bed.hear(to), [publish("t", AtLeastOnce, 1, "never acknowledged").into()]);
    let round = (2..=u16::MAX).chain(2..5);
    for expected in round {
        bed.say(from, publish("t", AtLeastOnce, 1, "x"));
        assert_eq!(bed.hear(to), [publish("t", AtLeastOnce, expected, "x").into()]);
        bed.say(to, puback(expected));
    }
    assert_eq!(bed.broker.backlog("to"), Some(1));
}

// [3.1.1 MQTT-4.3.3-2] [5.0 MQTT-4.3.3-10] [5.0 MQTT-4.3.3-12]
#[test]
fn a_qos_2_message_counts_once_until_it_is_released() {
    for version in VERSIONS {
        let (mut bed, from, to) = pair(version);
        for _ in 0..3 {
            bed.say(from, dup_unless_0(publish("t", ExactlyOnce, 5, "x")));
        }
        assert_eq!(bed.hear(from), [pubrec(5).into(), pubrec(5).into(), pubrec(5).into()]);
        assert_eq!(bed.hear(to).len(), 1);
        bed.say(from, pubrel(5));
        bed.say(from, publish("t", ExactlyOnce, 5, "new"));
        assert_eq!(bed.hear(from), [pubcomp(5).into(), pubrec(5).into()]);
        assert_eq!(bed.hear(to).len(), 1);
        assert_eq!(bed.broker.stats().received, 2);
    }
}

// [5.0 MQTT-4.3.2-5]
#[test]
fn a_qos_1_identifier_is_new_again_after_its_puback() {
    for version in VERSIONS {
        let (mut bed, from, to) = pair(version);
        for _ in 0..2 {
            bed.say(from, dup_unless_0(publish("t", AtLeastOnce, 5, "x")));
        }
        assert_eq!(bed.hear(to).len(), 2);
    }
}

#[test]
fn an_unknown_pubrel_or_pubrec_is_answered_and_other_unknown_answers_are_not() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.join(version, "a");
        let unknown = |ack: mqtt_codec::Ack| match version {
            V311 => ack,
            V5 => ack.with_reason(ReasonCode::PacketIdentifierNotFound),
        };
        bed.say(peer, pubrel(3));
        assert_eq!(bed.hear(peer), [unknown(pubcomp(3)).into()]);
        bed.say(peer, pubrec(3));
        assert_eq!(bed.hear(peer), [unknown(pubrel(3)).into()]);
        bed.say(peer, puback(3));
        bed.say(peer, pubcomp(3));
        assert_eq!(bed.hear(peer), []);
        assert!(!bed.is_closed(peer));
    }
}

// [3.1.1 MQTT-4.8.0-1] [5.0 MQTT-4.13.1-1]
#[test]
fn an_answer_of_the_wrong_kind_is_a_protocol_error() {
    for version in VERSIONS {
        for (qos, wrong) in [
            (AtLeastOnce, pubrec(1)),
            (AtLeastOnce, pubcomp(1)),
            (ExactlyOnce, puback(1)),
            (ExactlyOnce, pubcomp(1)),
        ] {
            let (mut bed, from, to) = pair(version);
            bed.say(from, publish("t", qos, 1, "x"));
            bed.say(to, wrong);
            assert_eq!(bed.end(to), (version == V5).then_some(ReasonCode::ProtocolError));
        }
    }
}

// [5.0 MQTT-4.4.0-2] [5.0 MQTT-4.9.0-2]
#[test]
fn a_pubrec_with_an_error_ends_the_flow_and_frees_its_place() {
    let mut bed = Bed::new(BrokerConfig { max_in_flight: NonZeroU16::MIN, ..BrokerConfig::default() });
    let from = bed.join(V5, "from");
    let to = bed.join(V5, "to");
    bed.subscribe(to, &[("t", ExactlyOnce)]);
    bed.say(from, publish("t", ExactlyOnce, 1, "refused"));
    bed.say(from, publish("t", ExactlyOnce, 2, "next"));
    assert_eq!(bed.hear(to), [publish("t", ExactlyOnce, 1, "refused").into()]);
    bed.say(to, pubrec(1).with_reason(ReasonCode::QuotaExceeded));
    assert_eq!(bed.hear(to), [publish("t", ExactlyOnce, 2, "next").into()]);
}

// [5.0 MQTT-3.3.4-9] [5.0 MQTT-3.3.4-10] [5.0 MQTT-4.9.0-1] [5.0 MQTT-4.9.0-2] [5.0 MQTT-4.9.0-3]
#[test]
fn the_clients_receive_maximum_holds_back_publishes_and_nothing_else() {
    let mut bed = Bed::new(BrokerConfig::default());
    let from = bed.join(V5, "from");
    let mut connect = hello(V5, "to");
    connect.properties.set_receive_maximum(NonZeroU16::new(2).unwrap());
    let (to, _) = bed.connect(connect);
    bed.subscribe(to, &[("t", ExactlyOnce)]);
    for n in 1..=4 {
        bed.say(from, publish("t", ExactlyOnce, n, "x"));
    }
    let sent = |n| Packet::from(publish("t", ExactlyOnce, n, "x"));
    assert_eq!(bed.hear(to), [sent(1), sent(2)]);
    bed.say(from, publish("t", AtMostOnce, 0, "free"));
    bed.say(to, Packet::Pingreq);
    assert_eq!(bed.hear(to), [publish("t", AtMostOnce, 0, "free").into(), Packet::Pingresp]);
    bed.say(to, pubrec(1));
    assert_eq!(bed.hear(to), [pubrel(1).into()]);
    bed.say(to, pubcomp(1));
    assert_eq!(bed.hear(to), [sent(3)]);
    bed.say(to, pubrec(2));
    bed.say(to, pubcomp(2));
    assert_eq!(bed.hear(to), [pubrel(2).into(), sent(4)]);
}

// [3.1.1 MQTT-4.6.0-6] [3.1.1 MQTT-4.6.0-5] [5.0 MQTT-4.6.0-5] [5.0 MQTT-4.6.0-6]
#[test]
fn messages_keep_their_order() {
    for version in VERSIONS {
        for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            let (mut bed, from, to) = pair(version);
            let payloads = ["a", "b", "c", "d", "e"];
            for (n, payload) in (1..).zip(payloads) {
                bed.say(from, publish("t", qos, if qos == AtMostOnce { 0 } else { n }, payload));
            }
            let heard = bed.hear(to).into_iter().map(|packet| match packet {
                Packet::Publish(publish) => publish.payload,
                other => panic!("{other:?}"),
            });
            assert!(heard.eq(payloads));
        }
    }
}

#[test]
fn who_publishes_where_nobody_listens_is_told_in_5_0() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let peer = bed.join(version, "a");
        bed.say(peer, publish("t", AtLeastOnce, 1, "x"));
        assert_eq!(bed.hear(peer), [unheard(version, puback(1)).into()]);
        bed.say(peer, publish("t", ExactlyOnce, 2, "x"));
        assert_eq!(bed.hear(peer), [unheard(version, pubrec(2)).into()]);
        bed.say(peer, pubrel(2)); // below 0x80 the flow goes on
        assert_eq!(bed.hear(peer), [pubcomp(2).into()]);
    }
}

// [3.1.1 MQTT-3.3.5-2] [5.0 MQTT-4.3.3-9]
#[test]
fn a_forbidden_topic_is_refused_in_5_0_and_swallowed_in_3_1_1() {
    for version in VERSIONS {
        let mut bed =
            Bed::new(BrokerConfig { deny_publish: vec![filter("secret/#")], ..BrokerConfig::default() });
        let peer = bed.join(version, "a");
        let answer = |kind, n| {
            let ack = mqtt_codec::Ack::new(kind, id(n));
            Packet::from(if version == V5 { ack.with_reason(ReasonCode::NotAuthorized) } else { ack })
        };
        bed.say(peer, publish("secret/x", AtMostOnce, 0, "x"));
        bed.say(peer, publish("secret/x", AtLeastOnce, 1, "x"));
        bed.say(peer, publish("secret/x", ExactlyOnce, 2, "x"));
        assert_eq!(bed.hear(peer), [answer(AckKind::Puback, 1), answer(AckKind::Pubrec, 2)]);
        assert_eq!(bed.broker.stats().received, 0);
        bed.say(peer, publish("open", ExactlyOnce, 2, "x"));
        if version == V5 {
            assert_eq!(bed.hear(peer), [unheard(version, pubrec(2)).into()]);
            assert_eq!(bed.broker.stats().received, 1);
        }
    }
}

// [5.0 MQTT-3.3.2-4] [5.0 MQTT-3.3.2-15] [5.0 MQTT-3.3.2-16] [5.0 MQTT-3.3.2-17] [5.0 MQTT-3.3.2-18]
// [5.0 MQTT-3.3.2-20]
#[test]
fn what_a_message_carries_is_forwarded_unaltered() {
    let (mut bed, from, to) = pair(V5);
    let mut sent = publish("t", AtMostOnce, 0, "x");
    sent.properties.set_payload_format_indicator(true);
    sent.properties.set_response_topic(&topic("answers"));
    sent.properties.set_correlation_data(&Binary::new("7").unwrap());
    sent.properties.set_content_type(&text("text/plain"));
    for value in ["3", "1", "2"] {
        sent.properties.add_user_property(&text("n"), &text(value));
    }
    bed.say(from, sent.clone());
    assert_eq!(bed.hear(to), [sent.into()]);

    // To 3.1.1 goes what 3.1.1 knows.
    let old = bed.join(V311, "old");
    bed.subscribe(old, &[("t", AtMostOnce)]);
    let mut sent = publish("t", AtMostOnce, 0, "x");
    sent.properties.set_content_type(&text("text/plain"));
    bed.say(from, sent);
    assert_eq!(bed.hear(old), [publish("t", AtMostOnce, 0, "x").into()]);
}

fn expiring(publish: Publish, seconds: u32) -> Publish {
    let properties = publish.properties.clone().with_message_expiry_interval(seconds);
    Publish { properties, ..publish }
}

// [5.0 MQTT-3.3.2-5] [5.0 MQTT-3.3.2-6]
#[test]
fn a_message_expires_while_it_waits() {
    let mut bed = Bed::new(BrokerConfig::default());
    let from = bed.join(V5, "from");
    let (to, _) = bed.resume(V5, "to");
    bed.subscribe(to, &[("t", AtLeastOnce)]);
    bed.lose(to);
    bed.say(from, expiring(publish("t", AtLeastOnce, 1, "short"), 10));
    bed.say(from, expiring(publish("t", AtLeastOnce, 2, "long"), 30));
    bed.say(from, publish("t", AtLeastOnce, 3, "for ever"));
    bed.pass(Duration::from_secs(12));
    let (to, present) = bed.resume(V5, "to");
    assert!(present);
    assert_eq!(
        bed.hear(to),
        [
            expiring(publish("t", AtLeastOnce, 1, "long"), 18).into(),
            publish("t", AtLeastOnce, 2, "for ever").into()
        ]
    );
    assert_eq!(bed.broker.stats().dropped, 1);
}

// [5.0 MQTT-4.3.3-7] [5.0 MQTT-4.3.3-13]
#[test]
fn a_flow_that_has_started_does_not_expire() {
    let mut bed = Bed::new(BrokerConfig::default());
    let from = bed.join(V5, "from");
    let (to, _) = bed.resume(V5, "to");
    bed.subscribe(to, &[("t", ExactlyOnce)]);
    bed.say(from, expiring(publish("t", ExactlyOnce, 1, "x"), 10));
    assert_eq!(bed.hear(to), [expiring(publish("t", ExactlyOnce, 1, "x"), 10).into()]);
    bed.lose(to);
    bed.pass(Duration::from_secs(20));
    let (to, _) = bed.resume(V5, "to");
    assert_eq!(bed.hear(to), [expiring(dup(publish("t", ExactlyOnce, 1, "x")), 0).into()]);
    bed.say(to, pubrec(1));
    assert_eq!(bed.hear(to), [pubrel(1).into()]);
}

// [5.0 MQTT-3.3.2-12]
#[test]
fn topic_aliases_stand_for_names_until_the_connection_ends() {
    let (mut bed, _, to) = pair(V5);
    let aliased = |name: &str, alias: u16| {
        let mut publish = Publish::new(mqtt_codec::TopicName::empty(), "x");
        if !name.is_empty() {
            publish.topic = topic(name);
        }
        publish.properties.set_topic_alias(NonZeroU16::new(alias).unwrap());
        publish
    };
    let (from, connack) = bed.connect(lasting(V5, "aliasing"));
    assert_eq!(connack.properties.topic_alias_maximum(), Some(10));
    bed.say(from, aliased("t", 1));
    bed.say(from, aliased("", 1));
    bed.say(from, aliased("t", 10));
    bed.say(from, aliased("other", 1));
    bed.say(from, aliased("", 1));
    bed.say(from, aliased("", 10));
    assert_eq!(bed.hear(to), vec![Packet::from(publish("t", AtMostOnce, 0, "x")); 4]);

    bed.lose(from);
    let (from, _) = bed.resume(V5, "aliasing");
    bed.say(from, aliased("", 1));
    assert_eq!(bed.end(from), Some(ReasonCode::ProtocolError));
    let from = bed.join(V5, "too far");
    bed.say(from, aliased("t", 11));
    assert_eq!(bed.end(from), Some(ReasonCode::TopicAliasInvalid));
}

// [5.0 MQTT-3.3.2-7] [5.0 MQTT-3.3.2-11] [5.0 MQTT-3.1.2-26] [5.0 MQTT-3.1.2-27]
#[test]
fn a_client_that_takes_aliases_is_sent_them_for_the_first_topics() {
    let check = |taken: u16, set: u16, expected: u16| {
        let mut bed = Bed::new(BrokerConfig { max_sent_aliases: set, ..BrokerConfig::default() });
        let from = bed.join(V5, "from");
        let mut hello = lasting(V5, "to");
        hello.properties.set_topic_alias_maximum(taken);
        hello.properties.set_maximum_packet_size(30.try_into().unwrap());
        for connection in 0..2 {
            let (to, _) = bed.connect(hello.clone());
            if connection == 0 {
                bed.subscribe(to, &[("#", AtMostOnce)]);
            }
            // Too short for an alias to be worth it, and too large for an alias beside the name.
            let large = publish("room/9", AtMostOnce, 0, "payload of 18 byte");
            for plain in [publish("abc", AtMostOnce, 0, "x"), large] {
                for _ in 0..2 {
                    bed.say(from, plain.clone());
                    assert_eq!(bed.hear(to), [plain.clone().into()]);
                }
            }
            for round in 0..2 {
                for number in 1..=3 {
                    let plain = publish(&format!("room/{number}"), AtMostOnce, 0, "x");
                    let mut sent = plain.clone();
                    if number <= expected {
                        sent.properties.set_topic_alias(NonZeroU16::new(number).unwrap());
                        if round == 1 {
                            sent.topic = mqtt_codec::TopicName::empty();
                        }
                    }
                    bed.say(from, plain);
                    assert_eq!(bed.hear(to), [sent.into()], "connection {connection}, round {round}");
                }
            }
            bed.lose(to);
            hello.clean_start = false;
        }
    };
    check(2, 10, 2);
    check(10, 1, 1);
    check(0, 10, 0);
    check(10, 0, 0);
}

// [3.1.1 MQTT-4.5.0-1] [5.0 MQTT-4.5.0-1]
#[test]
fn every_matching_session_gets_the_message() {
    for version in VERSIONS {
        let mut bed = Bed::new(BrokerConfig::default());
        let from = bed.join(V5, "from");
        let all: Vec<_> = (0..20).map(|n| bed.join(version, &format!("to-{n}"))).collect();
        for &to in &all {
            bed.subscribe(to, &[("t/#", AtLeastOnce)]);
        }
        bed.say(from, publish("t", AtLeastOnce, 1, "x"));
        for &to in &all {
            assert_eq!(bed.hear(to), [publish("t", AtLeastOnce, 1, "x").into()]);
        }
        let stats = bed.broker.stats();
        assert_eq!((stats.received, stats.delivered), (1, 20));
        assert_eq!(stats.topics[&topic("t")].delivered, 20);
    }
}

#[test]
fn a_large_message_passes_whole() {
    let (mut bed, from, to) = pair(V5);
    let payload: Vec<u8> = (0..3_000_000u32).map(|n| n as u8).collect();
    bed.say(from, Publish { payload: payload.clone().into(), ..publish("t", ExactlyOnce, 1, "") });
    let Packet::Publish(heard) = bed.hear_next(to) else { panic!() };
    assert_eq!(heard.payload, payload);
}
