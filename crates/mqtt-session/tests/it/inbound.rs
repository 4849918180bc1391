//! Inbound messages on one connection: delivery, acknowledgement, order, quota.

use mqtt_session::codec::{Ack, Packet, PacketId, Publish, ReasonCode, Version};
use mqtt_session::{Config, Event, Inbound, Token, Violation};

use crate::support::*;

/// Where an inbound flow with packet identifier 1 can stand.
#[derive(Clone, Copy, Debug)]
pub(crate) enum State {
    None,
    Qos1Open,
    Qos2Open,
    /// Answered, but an older message of the same QoS is not.
    Qos1Answered,
    Qos2Answered,
    Qos2Recorded,
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Silent,
    Delivered,
    Answer(Packet),
    Violation(Violation),
}

pub(crate) fn rig_in(state: State, version: Version) -> Rig {
    let mut rig = Rig::ready(version);
    let qos = match state {
        State::None => return rig,
        State::Qos1Open | State::Qos1Answered => AtLeastOnce,
        State::Qos2Open | State::Qos2Answered | State::Qos2Recorded => ExactlyOnce,
    };
    if matches!(state, State::Qos1Answered | State::Qos2Answered) {
        rig.peer_ok(publish(9, qos, 9));
        rig.token();
    }
    rig.peer_ok(publish(1, qos, 1));
    let token = rig.token();
    if !matches!(state, State::Qos1Open | State::Qos2Open) {
        assert!(rig.session.acknowledge(token, ReasonCode::Success));
    }
    let expected = if matches!(state, State::Qos2Recorded) { vec![pubrec(1).into()] } else { vec![] };
    assert_eq!(rig.sent(), expected);
    rig
}

#[track_caller]
fn check(version: Version, state: State, packet: impl Into<Packet>, expected: Outcome) {
    let packet = packet.into();
    let mut rig = rig_in(state, version);
    let actual = match rig.peer(packet.clone()) {
        Err(error) => Outcome::Violation(error.violation),
        Ok(()) => match (rig.events().pop(), rig.sent().pop()) {
            (None, None) => Outcome::Silent,
            (None, Some(answer)) => Outcome::Answer(answer),
            (Some(Event::Message(_)), None) => Outcome::Delivered,
            other => panic!("{other:?}"),
        },
    };
    assert_eq!(actual, expected, "{version} {state:?} {packet:?}");
}

// [3.1.1 MQTT-4.3.3-2] [5.0 MQTT-4.3.3-10] [5.0 MQTT-4.3.3-11] [3.1.1 MQTT-3.3.4-1] [5.0 MQTT-3.3.4-1]
#[test]
fn each_packet_in_each_state_of_a_flow() {
    use Outcome::{Answer, Delivered, Silent, Violation as Wrong};
    use State::{None, Qos1Answered, Qos1Open, Qos2Answered, Qos2Open, Qos2Recorded};

    both(|version| {
        let check = |state, packet: Packet, expected| check(version, state, packet, expected);
        let qos1 = || publish_packet(1, AtLeastOnce, 1);
        let qos2 = || publish_packet(1, ExactlyOnce, 1);
        let qos1_again = || again(publish(1, AtLeastOnce, 1)).into();
        let qos2_again = || again(publish(1, ExactlyOnce, 1)).into();
        let rel = || Packet::from(pubrel(1));

        check(None, qos1(), Delivered);
        check(None, qos2(), Delivered);
        check(None, qos1_again(), Delivered);
        check(None, qos2_again(), Delivered);
        check(Qos1Open, qos1_again(), Silent);
        check(Qos1Open, qos2(), Wrong(Violation::PacketIdInUse));
        check(Qos1Open, rel(), Wrong(Violation::WrongAcknowledgement));
        check(Qos1Answered, qos1_again(), Silent);
        check(Qos1Answered, qos2(), Wrong(Violation::PacketIdInUse));
        check(Qos1Answered, rel(), Wrong(Violation::WrongAcknowledgement));
        check(Qos2Open, qos2_again(), Silent);
        check(Qos2Open, qos2(), Silent);
        check(Qos2Open, qos1(), Wrong(Violation::PacketIdInUse));
        check(Qos2Open, rel(), Wrong(Violation::PubrelBeforePubrec));
        check(Qos2Answered, qos2_again(), Silent);
        check(Qos2Answered, qos1(), Wrong(Violation::PacketIdInUse));
        check(Qos2Answered, rel(), Wrong(Violation::PubrelBeforePubrec));
        check(Qos2Recorded, qos2_again(), Answer(pubrec(1).into()));
        check(Qos2Recorded, qos1(), Wrong(Violation::PacketIdInUse));
        check(Qos2Recorded, rel(), Answer(pubcomp(1).into()));
    });
    // An unknown PUBREL is answered, and is not fatal.
    check(V311, None, pubrel(1), Answer(pubcomp(1).into()));
    check(V5, None, pubrel(1), Answer(pubcomp(1).with_reason(ReasonCode::PacketIdentifierNotFound).into()));
}

#[test]
fn qos_0_needs_no_acknowledgement() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, AtMostOnce, 0));
        let [Inbound { publish: message, token: None }] = &rig.messages()[..] else { panic!("one message") };
        assert_eq!(*message, publish(1, AtMostOnce, 0));
        assert_eq!(rig.session.inbound_unacknowledged(), 0);
        assert_eq!(rig.sent(), []);
    });
}

// [5.0 MQTT-4.3.2-4] [5.0 MQTT-4.3.3-8] [3.1.1 MQTT-4.5.0-2] [5.0 MQTT-4.5.0-2]
#[test]
fn a_message_is_acknowledged_when_the_application_says_so() {
    both(|version| {
        for (qos, answer) in [(AtLeastOnce, puback(7)), (ExactlyOnce, pubrec(7))] {
            let mut rig = Rig::ready(version);
            rig.peer_ok(publish(1, qos, 7));
            assert_eq!(rig.sent(), []);
            assert_eq!(rig.session.inbound_unacknowledged(), 1);
            let token = rig.token();
            assert!(rig.session.acknowledge(token, ReasonCode::Success));
            assert_eq!(rig.sent(), [answer.into()]);
            assert_eq!(rig.session.inbound_unacknowledged(), 0);
            assert!(!rig.session.acknowledge(token, ReasonCode::Success), "once is enough");
            assert_eq!(rig.sent(), []);
        }
    });
}

// [3.1.1 MQTT-4.3.2-2] [5.0 MQTT-4.3.2-5] [5.0 MQTT-4.3.3-12]
#[test]
fn an_identifier_is_new_again_after_its_flow_whatever_dup_says() {
    both(|version| {
        let mut rig = Rig::ready(version);
        for qos in [AtLeastOnce, ExactlyOnce, AtLeastOnce] {
            rig.peer_ok(again(publish(1, qos, 1)));
            let token = rig.token();
            rig.session.acknowledge(token, ReasonCode::Success);
            if qos == ExactlyOnce {
                rig.peer_ok(pubrel(1));
            }
        }
        assert_eq!(rig.sent(), [puback(1), pubrec(1), pubcomp(1), puback(1)].map(Packet::from));
    });
}

// [5.0 MQTT-4.3.3-9]
#[test]
fn a_message_can_be_refused_and_its_identifier_is_new_again() {
    let mut rig = Rig::ready(V5);
    for (qos, answer) in [(ExactlyOnce, pubrec(1)), (AtLeastOnce, puback(1)), (ExactlyOnce, pubrec(1))] {
        rig.peer_ok(publish(1, qos, 1));
        let token = rig.token();
        rig.session.acknowledge(token, ReasonCode::QuotaExceeded);
        assert_eq!(rig.sent(), [answer.with_reason(ReasonCode::QuotaExceeded).into()]);
    }
    rig.peer_ok(pubrel(1));
    assert_eq!(rig.sent(), [pubcomp(1).with_reason(ReasonCode::PacketIdentifierNotFound).into()]);
}

#[test]
fn a_refusal_is_an_acknowledgement_in_3_1_1_which_has_no_words_for_it() {
    let mut rig = Rig::ready(V311);
    rig.peer_ok(publish(1, ExactlyOnce, 1));
    let token = rig.token();
    rig.session.acknowledge(token, ReasonCode::QuotaExceeded);
    assert_eq!(rig.sent(), [pubrec(1).into()]);
    rig.peer_ok(pubrel(1));
    assert_eq!(rig.sent(), [pubcomp(1).into()]);
}

#[test]
fn a_reason_that_puback_may_not_carry_is_sent_as_one_that_it_may() {
    let check = |given, expected| {
        let mut rig = Rig::ready(V5);
        rig.peer_ok(publish(1, AtLeastOnce, 1));
        let token = rig.token();
        assert!(rig.session.acknowledge(token, given));
        assert_eq!(rig.sent(), [puback(1).with_reason(expected).into()], "{given}");
    };
    check(ReasonCode::GrantedQoS1, ReasonCode::Success);
    check(ReasonCode::ServerMoved, ReasonCode::UnspecifiedError);
    check(ReasonCode::NotAuthorized, ReasonCode::NotAuthorized);
}

// [3.1.1 MQTT-4.6.0-2] [3.1.1 MQTT-4.6.0-3] [5.0 MQTT-4.6.0-2] [5.0 MQTT-4.6.0-3]
#[test]
fn acknowledgements_leave_in_the_order_of_their_publishes_within_each_qos() {
    both(|version| {
        let mut rig = Rig::ready(version);
        let all = [(3, AtLeastOnce), (8, ExactlyOnce), (5, AtLeastOnce), (2, ExactlyOnce)];
        for (packet_id, qos) in all {
            rig.peer_ok(publish(packet_id.into(), qos, packet_id));
        }
        let tokens: Vec<Token> = rig.messages().into_iter().filter_map(|inbound| inbound.token).collect();
        let mut answer = |n: usize, expected: &[Ack]| {
            assert!(rig.session.acknowledge(tokens[n], ReasonCode::Success));
            let expected: Vec<Packet> = expected.iter().cloned().map(Packet::from).collect();
            assert_eq!(rig.sent(), expected);
        };
        answer(3, &[]);
        answer(2, &[]);
        answer(0, &[puback(3), puback(5)]);
        answer(1, &[pubrec(8), pubrec(2)]);
    });
}

#[test]
fn a_duplicate_of_qos_2_is_delivered_once_until_pubrel() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, ExactlyOnce, 1));
        for _ in 0..3 {
            rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
        }
        let token = rig.token();
        rig.session.acknowledge(token, ReasonCode::Success);
        for _ in 0..3 {
            rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
        }
        assert_eq!(rig.sent(), vec![Packet::from(pubrec(1)); 4]);
        assert_eq!(rig.events(), []);
        rig.peer_ok(pubrel(1));
        rig.peer_ok(publish(1, ExactlyOnce, 1));
        assert_eq!(rig.messages().len(), 1);
    });
}

#[test]
fn a_repeated_pubrec_waits_for_its_turn_as_well() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, ExactlyOnce, 1));
        let first = rig.token();
        rig.session.acknowledge(first, ReasonCode::Success);
        assert_eq!(rig.sent(), [pubrec(1).into()]);
        rig.peer_ok(publish(2, ExactlyOnce, 2));
        let second = rig.token();
        for _ in 0..3 {
            rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
        }
        assert_eq!(rig.sent(), []);
        rig.peer_ok(pubrel(1));
        assert_eq!(rig.sent(), [pubcomp(1).into()]);
        rig.peer_ok(publish(3, ExactlyOnce, 1));
        let third = rig.token();
        rig.session.acknowledge(third, ReasonCode::Success);
        assert_eq!(rig.sent(), []);
        rig.session.acknowledge(second, ReasonCode::Success);
        assert_eq!(rig.sent(), [pubrec(2).into(), pubrec(1).into()]);
    });
}

// [3.1.1 MQTT-4.8.0-2]; [5.0 MQTT-3.3.4-9] is the server's: that it is broken is found out.
#[test]
fn a_peer_that_exceeds_our_receive_maximum_is_cut_off() {
    let check = |version, expected: &[Packet]| {
        for qos in [AtLeastOnce, ExactlyOnce] {
            let mut rig = Rig::ready_with_config(Config { version, max_inbound: 2, ..Config::default() });
            rig.peer_ok(publish(1, qos, 1));
            rig.peer_ok(publish(2, qos, 2));
            rig.peer_ok(publish(3, AtMostOnce, 0));
            rig.peer_ok(again(publish(2, qos, 2)));
            assert_eq!(rig.peer_wrong(publish(3, qos, 3)), Violation::ReceiveMaximumExceeded);
            assert_eq!(rig.sent(), expected);
        }
    };
    check(V311, &[]);
    check(V5, &[disconnect(ReasonCode::ReceiveMaximumExceeded)]);
}

#[test]
fn the_place_of_a_qos_2_message_is_free_after_pubcomp_and_that_of_qos_1_after_puback() {
    let mut rig = Rig::ready_with_config(Config { max_inbound: 1, ..Config::default() });
    for round in 0..10 {
        let qos = if round % 2 == 0 { ExactlyOnce } else { AtLeastOnce };
        rig.peer_ok(publish(round, qos, 5));
        let token = rig.token();
        rig.session.acknowledge(token, ReasonCode::Success);
        if qos == ExactlyOnce {
            rig.peer_ok(pubrel(5));
        }
    }
    rig.peer_ok(publish(1, ExactlyOnce, 5));
    let token = rig.token();
    rig.session.acknowledge(token, ReasonCode::Success);
    assert_eq!(
        rig.peer_wrong(publish(1, ExactlyOnce, 6)),
        Violation::ReceiveMaximumExceeded,
        "PUBREC frees none"
    );
}

#[test]
fn messages_are_slices_of_the_input() {
    let mut rig = Rig::ready(V5);
    let payload = vec![7; 100_000];
    let publish = Publish { payload: payload.clone().into(), ..publish(1, AtMostOnce, 0) };
    rig.peer_ok(publish.clone());
    let [Inbound { publish: message, token: None }] = &rig.messages()[..] else { panic!("one message") };
    assert_eq!(*message, publish);
}

#[test]
fn every_identifier_can_be_in_use_at_once() {
    both(|version| {
        let mut rig = Rig::ready_with_config(Config { version, max_inbound: u16::MAX, ..Config::default() });
        for number in 1..=u16::MAX {
            rig.peer_ok(publish(1, ExactlyOnce, number));
        }
        for token in rig.messages().into_iter().filter_map(|inbound| inbound.token) {
            assert!(rig.session.acknowledge(token, ReasonCode::Success));
        }
        assert_eq!(rig.sent().len(), 65_535);
        for number in 1..=u16::MAX {
            rig.peer_ok(pubrel(number));
        }
        let last = PacketId::MAX;
        assert_eq!(rig.sent().pop(), Some(pubcomp(last.get()).into()));
    });
}

/// mosquitto 2.0.11 forgets, when it restarts, which messages have their PUBREC, but for the oldest 20.
#[test]
fn pubrecs_wait_while_as_many_as_may_be_are_unreleased() {
    both(|version| {
        let mut rig = Rig::ready_with_config(Config { version, max_unreleased: 2, ..Config::default() });
        for n in 1..=5 {
            rig.peer_ok(publish(n.into(), ExactlyOnce, n));
            let token = rig.token();
            // A refusal ends the flow at once, and leaves the room to the others.
            let refused = version == V5 && n == 1;
            let reason = if refused { ReasonCode::NotAuthorized } else { ReasonCode::Success };
            assert!(rig.session.acknowledge(token, reason));
        }
        let first = if version == V5 { 2 } else { 1 };
        let sent: Vec<_> = rig.sent().iter().filter_map(Packet::packet_id).collect();
        assert_eq!(sent, (1..first + 2).map(id).collect::<Vec<_>>());

        // In the stream, the PUBCOMP comes before the PUBREC that it makes room for.
        rig.peer_ok(pubrel(first));
        assert_eq!(rig.sent(), packets([pubcomp(first).into(), pubrec(first + 2).into()]));

        // Another connection starts afresh: what it has not shown takes no room on it.
        rig.resume();
        for n in first + 1..=5 {
            rig.peer_ok(again(publish(n.into(), ExactlyOnce, n)));
        }
        assert_eq!(rig.sent(), packets([pubrec(first + 1).into(), pubrec(first + 2).into()]));
    });
}
