//! Topic aliases, both ways: what is on the wire, and that nothing of it outlives the connection.

use std::collections::{BTreeMap, VecDeque};

use mqtt_session::codec::{Connack, Packet, Publish, QoS, ReasonCode, TopicName, Version};
use mqtt_session::{Command, Config, Event, Inbound, PublishEnd, Refusal, Violation};
use proptest::prelude::*;

use crate::support::*;

const TOPIC: &str = "some/longer/topic";

/// A CONNACK of a server that takes so many aliases.
fn taking(session_present: bool, aliases: u16) -> Connack {
    let mut connack = Connack::new(session_present, ReasonCode::Success);
    connack.properties.set_topic_alias_maximum(aliases);
    connack
}

fn ready(aliases: u16) -> Rig {
    let mut rig = Rig::new(V5);
    rig.accept(taking(false, aliases));
    rig
}

fn named(topic: &'static str, qos: QoS, packet_id: u16) -> Publish {
    Publish { topic: TopicName::from_static(topic).unwrap(), ..publish(1, qos, packet_id) }
}

/// The same with an alias: with its name, and with nothing in its place.
fn setting(alias: u16, mut publish: Publish) -> Publish {
    publish.properties.set_topic_alias(alias.try_into().unwrap());
    publish
}

fn by(alias: u16, publish: Publish) -> Publish {
    setting(alias, Publish { topic: TopicName::empty(), ..publish })
}

fn submit(rig: &mut Rig, tag: u64, publish: Publish) {
    rig.submit(Command::Publish { tag, publish }).unwrap();
}

#[track_caller]
fn check_sent<const N: usize>(rig: &mut Rig, expected: [Publish; N]) {
    assert_eq!(rig.sent(), expected.map(Packet::from));
}

// [5.0 MQTT-3.3.2-9] [5.0 MQTT-3.2.2-17] [5.0 MQTT-3.2.2-18]
#[test]
fn a_topic_goes_out_once_and_then_as_its_alias() {
    let mut rig = ready(1);
    for (packet_id, qos) in [(1, AtLeastOnce), (2, ExactlyOnce), (0, AtMostOnce)] {
        submit(&mut rig, 7, named(TOPIC, qos, packet_id));
    }
    submit(&mut rig, 7, named("another/topic", AtMostOnce, 0));
    let expected = [
        setting(1, named(TOPIC, AtLeastOnce, 1)),
        by(1, named(TOPIC, ExactlyOnce, 2)),
        by(1, named(TOPIC, AtMostOnce, 0)),
        named("another/topic", AtMostOnce, 0),
    ];
    check_sent(&mut rig, expected);
}

#[test]
fn what_is_told_of_a_publish_has_its_topic_and_no_alias() {
    let mut rig = ready(1);
    submit(&mut rig, 1, named(TOPIC, AtLeastOnce, 0));
    submit(&mut rig, 2, named(TOPIC, AtMostOnce, 0));
    rig.sent();
    rig.peer_ok(puback(1));
    let written = PublishEnd::Written;
    let expected = [
        Event::Published { tag: 2, publish: named(TOPIC, AtMostOnce, 0), result: written },
        acknowledged(named(TOPIC, AtLeastOnce, 1), 1, puback(1)),
    ];
    assert_eq!(rig.events(), expected);
}

#[test]
fn the_smaller_of_both_maxima_counts_and_none_is_used_that_is_not_allowed() {
    let check = |version: Version, ours: u16, theirs: Option<u16>, expected: usize| {
        let mut rig = Rig::with_config(Config { version, max_outbound_aliases: ours, ..Config::default() });
        rig.accept(theirs.map_or_else(connack, |theirs| taking(false, theirs)));
        for topic in ["topic/one", "topic/two", "topic/three"] {
            submit(&mut rig, 1, named(topic, AtMostOnce, 0));
        }
        let is_aliased = |packet: &&Packet| match packet {
            Packet::Publish(publish) => publish.properties.topic_alias().is_some(),
            other => panic!("{other:?}"),
        };
        assert_eq!(rig.sent().iter().filter(is_aliased).count(), expected, "{ours} {theirs:?}");
    };
    check(V5, 16, None, 0);
    check(V5, 16, Some(0), 0);
    check(V5, 0, Some(16), 0);
    check(V5, 2, Some(16), 2);
    check(V5, 16, Some(2), 2);
    check(V5, 16, Some(16), 3);
    check(V311, 16, None, 0);
}

// [5.0 MQTT-3.3.2-7]
#[test]
fn a_new_connection_begins_with_full_topics_and_new_aliases() {
    let mut rig = ready(1);
    submit(&mut rig, 1, named("first/topic", AtLeastOnce, 0));
    submit(&mut rig, 2, named("second/topic", AtLeastOnce, 0));
    submit(&mut rig, 3, named("first/topic", ExactlyOnce, 0));
    let expected = [
        setting(1, named("first/topic", AtLeastOnce, 1)),
        named("second/topic", AtLeastOnce, 2),
        by(1, named("first/topic", ExactlyOnce, 3)),
    ];
    check_sent(&mut rig, expected);
    rig.peer_ok(puback(1));
    for (aliases, second, third) in [
        (
            2,
            setting(1, named("second/topic", AtLeastOnce, 2)),
            setting(2, named("first/topic", ExactlyOnce, 3)),
        ),
        (0, named("second/topic", AtLeastOnce, 2), named("first/topic", ExactlyOnce, 3)),
    ] {
        rig.cut();
        rig.accept(taking(true, aliases));
        check_sent(&mut rig, [again(second), again(third)]);
    }
}

// [5.0 MQTT-3.2.2-15]
#[test]
fn an_alias_never_makes_a_packet_too_large() {
    let mut connack = taking(false, 1);
    connack.properties.set_maximum_packet_size(50.try_into().unwrap());
    let mut rig = Rig::new(V5);
    rig.accept(connack);
    // Fixed header 2, topic 19, properties 1 with the alias 4.
    let sized = |payload| Publish { payload: vec![0; payload].into(), ..named(TOPIC, AtMostOnce, 0) };
    for (payload, expected) in
        [(28, sized(28)), (26, sized(26)), (25, setting(1, sized(25))), (28, by(1, sized(28)))]
    {
        submit(&mut rig, 1, sized(payload));
        check_sent(&mut rig, [expected]);
    }
}

#[test]
fn a_large_payload_goes_with_an_alias_as_well() {
    let mut rig = ready(1);
    let large = || Publish { payload: vec![7; 20_000].into(), ..named(TOPIC, AtMostOnce, 0) };
    submit(&mut rig, 1, large());
    submit(&mut rig, 2, large());
    check_sent(&mut rig, [setting(1, large()), by(1, large())]);
}

// [5.0 MQTT-3.3.2-9]
#[test]
fn an_alias_of_the_callers_is_refused() {
    let mut rig = ready(10);
    let command = Command::Publish { tag: 1, publish: setting(1, named(TOPIC, AtMostOnce, 0)) };
    let rejected = rig.session.submit(command.clone()).unwrap_err();
    assert_eq!((rejected.value, rejected.refusal), (command, Refusal::TopicAlias));
}

fn receiving(topic_alias_maximum: u16) -> Rig {
    Rig::ready_with_config(Config { topic_alias_maximum, ..Config::default() })
}

#[track_caller]
fn check_message(rig: &mut Rig, sent: Publish, expected: Publish) {
    rig.peer_ok(sent);
    let [Inbound { publish: message, .. }] = &rig.messages()[..] else { panic!("one message") };
    assert_eq!(message.topic().as_bytes(), expected.topic.as_bytes());
    assert_eq!(message.to_topic(), expected.topic);
    assert_eq!(message.payload(), expected.payload);
    assert_eq!(
        (message.qos(), message.dup(), message.retain()),
        (expected.qos, expected.dup, expected.retain)
    );
    assert_eq!(*message, expected);
    assert_eq!(message.detached(), *message);
    assert_eq!(message.clone().repeated().to_publish(), Publish { dup: true, ..expected });
}

#[test]
fn a_message_has_its_full_topic_whatever_the_server_sends() {
    let mut rig = receiving(2);
    let (a, b) = (|| named("a", AtMostOnce, 0), || named("b", AtMostOnce, 0));
    check_message(&mut rig, setting(1, a()), a());
    check_message(&mut rig, by(1, a()), a());
    check_message(&mut rig, setting(2, b()), b());
    check_message(&mut rig, setting(1, b()), b());
    check_message(&mut rig, by(1, b()), b());
    let mut rich = by(2, b());
    rich.properties.set_content_type(&text("text/plain"));
    let mut expected = b();
    expected.properties.set_content_type(&text("text/plain"));
    check_message(&mut rig, rich, expected);
}

// [5.0 MQTT-3.3.2-10]
#[test]
fn every_alias_up_to_the_announced_maximum_is_taken() {
    for maximum in [1, 16, u16::MAX] {
        let mut rig = receiving(maximum);
        for alias in (1..=maximum).rev() {
            check_message(&mut rig, setting(alias, named("t", AtMostOnce, 0)), named("t", AtMostOnce, 0));
        }
        check_message(&mut rig, by(maximum, publish(0, AtMostOnce, 0)), publish(0, AtMostOnce, 0));
    }
}

impl Rig {
    /// Whether CONNECT announced so many aliases.
    fn announces(mut self, expected: Option<u16>) {
        self.cut();
        self.open(connect(V5));
        let [Packet::Connect(sent)] = &self.sent()[..] else { panic!("CONNECT") };
        assert_eq!(sent.properties.topic_alias_maximum(), expected);
    }
}

#[test]
fn the_maximum_is_announced() {
    receiving(0).announces(None);
    receiving(7).announces(Some(7));
    Rig::ready(V5).announces(Some(16));
}

// [5.0 MQTT-3.3.2-8] [5.0 MQTT-3.3.2-11] [5.0 MQTT-3.1.2-26] [5.0 MQTT-3.1.2-27] are the server's; that they are broken
// is found out.
#[test]
fn an_alias_that_stands_for_nothing_ends_the_connection_with_its_reason() {
    let too_high = |maximum| (Violation::TopicAlias { maximum }, ReasonCode::TopicAliasInvalid);
    let unknown = (Violation::UnknownTopicAlias, ReasonCode::ProtocolError);
    for (maximum, wrong, (violation, reason)) in [
        (0, setting(1, named("a", AtMostOnce, 0)), too_high(0)),
        (0, by(1, named("a", AtMostOnce, 0)), too_high(0)),
        (2, setting(3, named("a", ExactlyOnce, 1)), too_high(2)),
        (2, by(u16::MAX, named("a", AtLeastOnce, 1)), too_high(2)),
        (2, by(1, named("a", AtMostOnce, 0)), unknown.clone()),
        (2, by(2, named("a", ExactlyOnce, 1)), unknown),
    ] {
        let mut rig = receiving(maximum);
        assert_eq!(rig.peer_wrong(wrong), violation);
        assert_eq!(rig.sent(), [disconnect(reason)]);
        assert_eq!(rig.events(), []);
    }
    let mut rig = receiving(2);
    let alias_0 = [0x30, 8, 0, 1, b'a', 3, 0x23, 0, 0, b'x'];
    assert_eq!(rig.peer_bytes(&alias_0).unwrap_err().reason_code(), ReasonCode::TopicAliasInvalid);
    assert_eq!(rig.sent(), [disconnect(ReasonCode::TopicAliasInvalid)]);
}

// [5.0 MQTT-3.3.2-7]
#[test]
fn what_an_alias_stands_for_ends_with_the_connection() {
    let mut rig = receiving(2);
    rig.peer_ok(setting(1, named("a", AtMostOnce, 0)));
    rig.resume();
    assert_eq!(rig.peer_wrong(by(1, named("a", AtMostOnce, 0))), Violation::UnknownTopicAlias);
}

#[test]
fn a_repeated_message_sets_an_alias_too() {
    let mut rig = receiving(1);
    rig.peer_ok(publish(1, ExactlyOnce, 1));
    let token = rig.token();
    rig.peer_ok(setting(1, again(publish(1, ExactlyOnce, 1))));
    assert_eq!(rig.events(), []);
    check_message(&mut rig, by(1, publish(2, AtMostOnce, 0)), publish(2, AtMostOnce, 0));
    assert!(rig.session.acknowledge(token, ReasonCode::Success));
}

#[test]
fn an_aliased_publish_before_connack_is_wrong_for_coming_first() {
    let mut rig = Rig::new(V5);
    rig.open(connect(V5));
    assert_eq!(rig.peer_wrong(by(9, named("a", AtMostOnce, 0))), Violation::ExpectedConnack);
}

#[test]
fn the_trace_shows_the_topic_that_an_alias_stands_for() {
    let mut rig = Rig::ready_with_config(Config { trace: true, topic_alias_maximum: 1, ..Config::default() });
    rig.peer_ok(setting(1, named(TOPIC, AtMostOnce, 0)));
    let _ = rig.session.take_trace().count();
    rig.peer_ok(by(1, named(TOPIC, AtMostOnce, 0)));
    let topics: Vec<_> = rig.session.take_trace().map(|record| record.topic).collect();
    assert_eq!(topics, [Some(TopicName::from_static(TOPIC).unwrap())]);
}

#[derive(Clone, Debug)]
enum Step {
    Publish(usize, QoS),
    /// The server acknowledges the oldest publish.
    Acknowledge,
    /// Another connection to the same session, with another maximum.
    Reconnect(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let qos = prop_oneof![Just(AtMostOnce), Just(AtLeastOnce)];
    let step = prop_oneof![
        20 => (0..12_usize, qos).prop_map(|(topic, qos)| Step::Publish(topic, qos)),
        8 => Just(Step::Acknowledge),
        1 => (0..6_u16).prop_map(Step::Reconnect),
    ];
    prop::collection::vec(step, 0..300)
}

/// What a server makes of the client's aliases on one connection: every message has the topic that its payload says.
#[derive(Default)]
struct Receiver {
    maximum: u16,
    topics: BTreeMap<u16, TopicName>,
}

impl Receiver {
    fn take(&mut self, packet: Packet) -> Option<u16> {
        let Packet::Publish(mut publish) = packet else { panic!("{packet:?}") };
        if let Some(alias) = publish.properties.topic_alias() {
            assert!(alias.get() <= self.maximum);
            if publish.topic.is_empty() {
                publish.topic = self.topics[&alias.get()].clone();
            } else {
                self.topics.insert(alias.get(), publish.topic.clone());
            }
        }
        assert_eq!(publish.topic.as_bytes(), publish.payload);
        publish.packet_id.map(|packet_id| packet_id.get())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    // [5.0 MQTT-3.3.2-7] [5.0 MQTT-3.3.2-9]
    #[test]
    fn whatever_is_published_and_resent_the_server_knows_its_topic(steps in steps()) {
        let mut rig = Rig::new(V5);
        let mut receiver = Receiver::default();
        let mut unacknowledged = VecDeque::new();
        rig.accept(taking(false, 0));
        for step in steps {
            match step {
                Step::Publish(topic, qos) => {
                    let topic = format!("some/topic/{topic}");
                    let publish = Publish { payload: topic.clone().into(), topic: TopicName::new(topic).unwrap(), ..message(0, qos) };
                    submit(&mut rig, 0, publish);
                }
                Step::Acknowledge => {
                    if let Some(packet_id) = unacknowledged.pop_front() {
                        rig.peer_ok(puback(packet_id));
                    }
                }
                Step::Reconnect(maximum) => {
                    rig.cut();
                    rig.accept(taking(true, maximum));
                    (receiver, unacknowledged) = (Receiver { maximum, ..Receiver::default() }, VecDeque::new());
                }
            }
            unacknowledged.extend(rig.sent().into_iter().filter_map(|packet| receiver.take(packet)));
        }
        for event in rig.events() {
            if let Event::Published { publish, .. } | Event::PublishLost { publish, .. } = event {
                prop_assert_eq!(publish.topic.as_bytes(), &publish.payload[..]);
                prop_assert_eq!(publish.properties.topic_alias(), None);
            }
        }
    }
}
