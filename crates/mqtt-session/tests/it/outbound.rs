//! Outgoing publishes on one connection: QoS 1 and QoS 2, the window, packet identifiers.

use mqtt_session::codec::{Ack, AckKind, Connack, Packet, Publish, ReasonCode, Version};
use mqtt_session::{Command, Config, DisconnectCause, Event, PublishEnd, Refusal, Violation};

use crate::support::*;

/// Where an outgoing flow with packet identifier 1 can stand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    /// No flow has the identifier.
    None,
    Qos1Unsent,
    Qos2Unsent,
    Qos1Sent,
    Qos2Sent,
    Qos2Released,
}

/// What an acknowledgement leads to.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// Nothing is sent, nothing is told, the flow stays as it is.
    Ignored,
    /// The flow goes on with this answer.
    Answer(Packet),
    /// The flow ends, and nothing is sent.
    End(PublishEnd),
    Violation(Violation),
}

pub(crate) fn rig_in(state: State, version: Version) -> Rig {
    let mut rig = Rig::ready(version);
    match state {
        State::None => {}
        State::Qos1Unsent => rig.publish(1, AtLeastOnce),
        State::Qos2Unsent => rig.publish(1, ExactlyOnce),
        State::Qos1Sent => {
            rig.publish(1, AtLeastOnce);
            assert_eq!(rig.sent(), [publish(1, AtLeastOnce, 1).into()]);
        }
        State::Qos2Sent | State::Qos2Released => {
            rig.publish(1, ExactlyOnce);
            assert_eq!(rig.sent(), [publish(1, ExactlyOnce, 1).into()]);
        }
    }
    if let State::Qos2Released = state {
        rig.peer_ok(pubrec(1));
        assert_eq!(rig.sent(), [pubrel(1).into()]);
    }
    rig
}

#[track_caller]
fn check(version: Version, state: State, ack: Ack, expected: Outcome) {
    let mut rig = rig_in(state, version);
    let before = rig.session.in_flight();
    let actual = match rig.peer(ack.clone()) {
        Err(error) => Outcome::Violation(error.violation),
        Ok(()) => match (rig.events().pop(), rig.sent().pop()) {
            (None, None) => Outcome::Ignored,
            // What was unsent leaves whatever the peer says.
            (None, Some(Packet::Publish(_))) => Outcome::Ignored,
            (None, Some(packet)) => Outcome::Answer(packet),
            (Some(Event::Published { tag: 1, publish, result }), None) => {
                assert_eq!(publish.payload, "1");
                assert_eq!(rig.session.in_flight(), before - 1);
                Outcome::End(result)
            }
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(actual, expected, "{version} {state:?} {ack:?}");
}

// [3.1.1 MQTT-4.3.3-1] [5.0 MQTT-4.3.3-4] [5.0 MQTT-4.3.3-5] [5.0 MQTT-4.4.0-2] [3.1.1 MQTT-2.3.1-6] [5.0 MQTT-2.2.1-5]
#[test]
fn each_acknowledgement_in_each_state_of_a_flow() {
    use Outcome::{Answer, End, Ignored, Violation as Wrong};
    use PublishEnd::{Acknowledged, Refused};
    use State::{None, Qos1Sent, Qos1Unsent, Qos2Released, Qos2Sent};

    let quota = ReasonCode::QuotaExceeded;
    let nobody = ReasonCode::NoMatchingSubscribers;
    let forgotten = ReasonCode::PacketIdentifierNotFound;
    let rel = || Answer(pubrel(1).into());
    let wrong = || Wrong(Violation::WrongAcknowledgement);

    both(|version| {
        let check = |state, ack, expected| check(version, state, ack, expected);
        check(None, puback(1), Ignored);
        check(None, pubcomp(1), Ignored);
        check(Qos1Unsent, puback(1), Wrong(Violation::UnsentAcknowledged));
        check(Qos1Unsent, pubrec(1), wrong());
        check(Qos1Unsent, pubcomp(1), wrong());
        check(Qos1Sent, puback(1), End(Acknowledged(puback(1).into())));
        check(Qos1Sent, pubrec(1), wrong());
        check(Qos1Sent, pubcomp(1), wrong());
        check(Qos2Sent, puback(1), wrong());
        check(Qos2Sent, pubrec(1), rel());
        check(Qos2Sent, pubcomp(1), wrong());
        check(Qos2Released, puback(1), wrong());
        check(Qos2Released, pubrec(1), rel());
        check(Qos2Released, pubcomp(1), End(Acknowledged(pubcomp(1).into())));
    });
    check(V311, None, pubrec(1), rel());
    let check = |state, ack, expected| check(V5, state, ack, expected);
    check(None, pubrec(1), Answer(pubrel(1).with_reason(forgotten).into()));
    check(None, pubrec(1).with_reason(quota), Ignored);
    check(Qos1Sent, puback(1).with_reason(quota), End(Refused(puback(1).with_reason(quota).into())));
    check(Qos1Sent, puback(1).with_reason(nobody), End(Acknowledged(puback(1).with_reason(nobody).into())));
    check(Qos2Sent, pubrec(1).with_reason(quota), End(Refused(pubrec(1).with_reason(quota).into())));
    check(Qos2Sent, pubrec(1).with_reason(nobody), rel());
    check(Qos2Released, pubrec(1).with_reason(quota), End(Refused(pubrec(1).with_reason(quota).into())));
    check(Qos2Released, pubcomp(1).with_reason(forgotten), End(Acknowledged(pubcomp(1).into())));
}

#[test]
fn pubrec_without_subscribers_goes_on_to_pubrel_and_its_reason_is_told_at_the_end() {
    let nobody = ReasonCode::NoMatchingSubscribers;
    let mut rig = rig_in(State::Qos2Sent, V5);
    rig.peer_ok(pubrec(1).with_reason(nobody));
    assert_eq!(rig.sent(), [pubrel(1).into()]);
    rig.peer_ok(pubcomp(1));
    let end = acknowledged(publish(1, ExactlyOnce, 1), 1, pubcomp(1).with_reason(nobody));
    assert_eq!(rig.events(), [end]);
}

// [3.1.1 MQTT-4.3.1-1] [5.0 MQTT-4.3.1-1] [3.1.1 MQTT-4.3.2-1] [5.0 MQTT-4.3.2-1] [5.0 MQTT-4.3.2-2] [5.0 MQTT-4.3.3-1]
// [5.0 MQTT-4.3.3-2] [3.1.1 MQTT-2.3.1-2] [5.0 MQTT-2.2.1-3] [3.1.1 MQTT-3.3.1-3] [5.0 MQTT-3.3.1-3]
#[test]
fn each_new_publish_has_a_new_identifier_and_no_dup_whatever_the_caller_wrote_there() {
    both(|version| {
        let mut rig = Rig::ready(version);
        for (tag, qos) in [(1, AtLeastOnce), (2, ExactlyOnce), (3, AtMostOnce), (4, AtLeastOnce)] {
            let publish = Publish { dup: true, packet_id: Some(id(9)), ..message(tag, qos) };
            rig.submit(Command::Publish { tag, publish }).unwrap();
        }
        let expected = [
            publish(1, AtLeastOnce, 1),
            publish(2, ExactlyOnce, 2),
            publish(3, AtMostOnce, 0),
            publish(4, AtLeastOnce, 3),
        ];
        assert_eq!(rig.sent(), expected.map(Packet::from));
    });
}

#[test]
fn a_refused_publish_comes_back_unharmed() {
    let mut rig = Rig::ready(V5);
    let mut publish = Publish { dup: true, packet_id: Some(id(9)), ..message(1, AtLeastOnce) };
    publish.properties.set_topic_alias(1.try_into().unwrap());
    let command = Command::Publish { tag: 1, publish };
    let rejected = rig.session.submit(command.clone()).unwrap_err();
    assert_eq!((rejected.value, rejected.refusal), (command, Refusal::TopicAlias));
    rig.publish(2, AtLeastOnce);
    assert_eq!(rig.sent(), [publish_packet(2, AtLeastOnce, 1)], "no identifier was wasted");
}

// [5.0 MQTT-3.3.4-7] [5.0 MQTT-4.9.0-1] [5.0 MQTT-4.9.0-2]
#[test]
fn the_receive_maximum_of_the_peer_is_never_exceeded() {
    let mut rig = Rig::new(V5);
    let mut connack = connack();
    connack.properties.set_receive_maximum(2.try_into().unwrap());
    rig.accept(connack);
    assert_eq!(rig.session.publish_room(), 2);
    rig.publish(1, AtLeastOnce);
    rig.publish(2, ExactlyOnce);
    assert_eq!(rig.session.publish_room(), 0);
    let third = Command::Publish { tag: 3, publish: message(3, AtLeastOnce) };
    assert_eq!(rig.submit(third.clone()), Err(Refusal::WindowFull));
    assert_eq!(rig.sent().len(), 2);

    rig.peer_ok(pubrec(2));
    assert_eq!(rig.submit(third.clone()), Err(Refusal::WindowFull), "PUBREC frees no place");
    rig.peer_ok(pubcomp(2));
    assert_eq!(rig.submit(third), Ok(()));
    assert_eq!(rig.sent(), [pubrel(2).into(), publish_packet(3, AtLeastOnce, 3)]);
}

// [5.0 MQTT-3.3.4-8] [5.0 MQTT-4.9.0-3]
#[test]
fn a_full_window_delays_nothing_but_publishes_of_qos_1_and_2() {
    let mut rig = Rig::ready_with_config(Config { max_in_flight: 1, ..Config::default() });
    rig.publish(1, ExactlyOnce);
    assert_eq!(
        rig.submit(Command::Publish { tag: 2, publish: message(2, ExactlyOnce) }),
        Err(Refusal::WindowFull)
    );
    rig.publish(3, AtMostOnce);
    rig.submit(subscribe(4, &["a"])).unwrap();
    rig.submit(Command::Ping { tag: 5 }).unwrap();
    rig.peer_ok(publish(6, ExactlyOnce, 1));
    let token = rig.token();
    rig.session.acknowledge(token, ReasonCode::Success);
    rig.peer_ok(pubrel(1));
    let expected = packets([
        Packet::Pingreq,
        pubrec(1).into(),
        pubcomp(1).into(),
        publish_packet(1, ExactlyOnce, 1),
        publish_packet(3, AtMostOnce, 0),
        subscribe_packet(2, &["a"]),
    ]);
    assert_eq!(rig.sent(), expected);
    rig.peer_ok(pubrec(1));
    assert_eq!(rig.sent(), [pubrel(1).into()], "PUBREL never waits");
}

#[test]
fn our_own_bound_holds_beside_the_receive_maximum() {
    both(|version| {
        let config = Config { version, max_in_flight: 3, ..Config::default() };
        let mut rig = Rig::ready_with_config(config);
        assert_eq!(rig.session.publish_room(), 3);
        rig.publish(1, AtLeastOnce);
        assert_eq!(rig.session.publish_room(), 2);
        assert_eq!(rig.session.in_flight(), 1);
    });
}

#[test]
fn a_refusal_by_pubrec_frees_identifier_and_window() {
    let mut rig = Rig::ready_with_config(Config { max_in_flight: 1, ..Config::default() });
    for tag in 0..70_000 {
        rig.publish(tag, ExactlyOnce);
        let [Packet::Publish(sent)] = &rig.sent()[..] else { panic!("one publish") };
        let ack = Ack::new(AckKind::Pubrec, sent.packet_id.unwrap()).with_reason(ReasonCode::QuotaExceeded);
        rig.peer_ok(ack);
        assert_eq!(rig.session.publish_room(), 1);
        assert_eq!(rig.events().len(), 1);
    }
}

// [3.1.1 MQTT-2.3.1-3]
#[test]
fn an_identifier_that_is_never_acknowledged_is_skipped() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.publish(0, AtLeastOnce);
        rig.submit(subscribe(1, &["stuck"])).unwrap();
        rig.sent();
        let mut last = 2;
        for tag in 2..140_000 {
            rig.publish(tag, AtLeastOnce);
            let [Packet::Publish(sent)] = &rig.sent()[..] else { panic!("one publish") };
            let packet_id = sent.packet_id.unwrap().get();
            let expected = if last == u16::MAX { 3 } else { last + 1 };
            assert_eq!(packet_id, expected, "after {last}");
            last = packet_id;
            rig.peer_ok(puback(packet_id));
        }
        assert_eq!(rig.session.in_flight(), 1);
    });
}

#[test]
fn subscribe_never_takes_an_identifier_that_a_publish_holds() {
    let config = Config { max_in_flight: u16::MAX, ..Config::default() };
    let mut rig = Rig::ready_with_config(config);
    for tag in 1..=65_535 {
        rig.publish(tag, AtLeastOnce);
    }
    assert_eq!(rig.sent().len(), 65_535);
    assert_eq!(rig.submit(subscribe(0, &["a"])), Err(Refusal::NoPacketId));
    assert_eq!(
        rig.submit(Command::Publish { tag: 0, publish: message(0, AtLeastOnce) }),
        Err(Refusal::WindowFull)
    );
    rig.peer_ok(puback(777));
    rig.submit(subscribe(0, &["a"])).unwrap();
    assert_eq!(rig.sent(), [subscribe_packet(777, &["a"])]);
    assert_eq!(
        rig.submit(Command::Publish { tag: 0, publish: message(0, AtLeastOnce) }),
        Err(Refusal::NoPacketId),
        "the request holds the last one"
    );
}

#[test]
fn acknowledgements_may_come_in_any_order() {
    both(|version| {
        let mut rig = Rig::ready(version);
        for tag in 1..=300 {
            rig.publish(tag, AtLeastOnce);
        }
        rig.sent();
        for packet_id in (1..=300).rev() {
            rig.peer_ok(puback(packet_id));
        }
        let tags: Vec<_> = rig
            .events()
            .into_iter()
            .map(|event| match event {
                Event::Published { tag, .. } => tag,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(tags, (1..=300).rev().collect::<Vec<_>>());
        assert_eq!(rig.session.in_flight(), 0);
    });
}

// [3.1.1 MQTT-4.6.0-4] [5.0 MQTT-4.6.0-4]
#[test]
fn pubrels_follow_the_order_of_pubrecs() {
    both(|version| {
        let mut rig = Rig::ready(version);
        for tag in 1..=3 {
            rig.publish(tag, ExactlyOnce);
        }
        rig.sent();
        for packet_id in [2, 3, 1] {
            rig.peer_ok(pubrec(packet_id));
        }
        assert_eq!(rig.sent(), [2, 3, 1].map(|packet_id| pubrel(packet_id).into()));
    });
}

// A failure code is the outcome of one operation, not of the connection.
#[test]
fn a_failure_code_leaves_the_connection_alone() {
    let mut rig = Rig::ready(V5);
    rig.publish(1, AtLeastOnce);
    rig.sent();
    rig.peer_ok(puback(1).with_reason(ReasonCode::NotAuthorized));
    assert_eq!(rig.session.phase(), mqtt_session::Phase::Ready);
    rig.publish(2, AtLeastOnce);
    assert_eq!(rig.sent(), [publish_packet(2, AtLeastOnce, 2)]);
}

// [3.1.1 MQTT-4.8.0-1]
#[test]
fn a_wrong_acknowledgement_is_told_to_the_peer_in_5_0_and_ends_the_connection() {
    let check = |version, expected: &[Packet]| {
        let mut rig = rig_in(State::Qos2Sent, version);
        let error = rig.peer(puback(1)).unwrap_err();
        assert_eq!(rig.sent(), expected);
        assert_eq!(rig.cause(), DisconnectCause::ProtocolError(error));
    };
    check(V311, &[]);
    check(V5, &[disconnect(ReasonCode::ProtocolError)]);
}

#[test]
fn session_present_in_connack_is_needed_for_nothing_on_a_first_connection() {
    let mut rig = Rig::new(V5);
    assert_eq!(rig.accept(Connack::new(true, ReasonCode::Success)), []);
    assert_eq!(rig.sent(), []);
}
