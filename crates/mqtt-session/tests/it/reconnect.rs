//! What survives a connection, what is resent on the next one, and what is lost.

use std::time::Duration;

use mqtt_session::codec::{Connack, Connect, Packet, Publish, QoS, ReasonCode};
use mqtt_session::{Command, Config, DisconnectCause, Event, PublishEnd, Refusal, Stage, Violation};

use crate::support::*;

const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);

fn resumed() -> Connack {
    Connack::new(true, ReasonCode::Success)
}

// [3.1.1 MQTT-4.4.0-1] [5.0 MQTT-4.4.0-1] [3.1.1 MQTT-3.3.1-1] [5.0 MQTT-3.3.1-1] [3.1.1 MQTT-4.6.0-1]
// [5.0 MQTT-4.6.0-1] [3.1.1 MQTT-4.1.0-1] [5.0 MQTT-3.1.2-23]
#[test]
fn publishes_are_resent_with_dup_original_identifiers_and_order() {
    both(|version| {
        let mut rig = Rig::ready(version);
        for (tag, qos) in [(1, AtLeastOnce), (2, ExactlyOnce), (3, AtLeastOnce), (4, ExactlyOnce)] {
            rig.publish(tag, qos);
        }
        rig.sent();
        rig.peer_ok(puback(3));
        rig.publish(5, AtLeastOnce);
        assert_eq!(rig.sent(), [publish_packet(5, AtLeastOnce, 5)]);
        rig.publish(6, ExactlyOnce);

        let (events, sent) = rig.resume();
        assert_eq!(events, []);
        let expected = [
            again(publish(1, AtLeastOnce, 1)),
            again(publish(2, ExactlyOnce, 2)),
            again(publish(4, ExactlyOnce, 4)),
            again(publish(5, AtLeastOnce, 5)),
            // Never sent before, so not a repetition.
            publish(6, ExactlyOnce, 6),
        ];
        assert_eq!(sent, expected.map(Packet::from));
        assert_eq!(rig.session.in_flight(), 5);
    });
}

/// Encoded or not: what was not handed out when the connection ended is sent as if for the first time.
// [3.1.1 MQTT-3.3.1-1] [5.0 MQTT-3.3.1-1]
#[test]
fn a_publish_that_a_protocol_error_overtook_was_never_sent() {
    both(|version| {
        for session_present in [true, false] {
            let mut rig = Rig::ready(version);
            rig.publish(1, ExactlyOnce);
            rig.peer_wrong(connack());
            let farewell = match version {
                V311 => vec![],
                V5 => vec![disconnect(ReasonCode::ProtocolError)],
            };
            assert_eq!(rig.sent(), farewell);
            rig.cut();
            let events = rig.accept(Connack::new(session_present, ReasonCode::Success));
            if session_present {
                assert_eq!(rig.sent(), [publish_packet(1, ExactlyOnce, 1)]);
            } else {
                let publish = publish(1, ExactlyOnce, 1);
                assert_eq!(events, [Event::PublishLost { tag: 1, publish, stage: Stage::Unsent }]);
            }
        }
    });
}

// [3.1.1 MQTT-4.3.3-1] [5.0 MQTT-4.3.3-6]
#[test]
fn pubrel_is_resent_where_pubrec_was_seen_and_publish_is_not() {
    both(|version| {
        let mut rig = Rig::ready(version);
        for tag in 1..=4 {
            rig.publish(tag, ExactlyOnce);
        }
        rig.sent();
        rig.peer_ok(pubrec(3));
        rig.peer_ok(pubrec(1));
        let (_, sent) = rig.resume();
        let expected = packets([
            pubrel(3).into(),
            pubrel(1).into(),
            again(publish(2, ExactlyOnce, 2)).into(),
            again(publish(4, ExactlyOnce, 4)).into(),
        ]);
        assert_eq!(sent, expected, "PUBRELs in order of PUBRECs, PUBLISHes in their own");
    });
}

#[test]
fn the_order_of_resending_survives_identifiers_that_went_round() {
    let mut rig = Rig::ready(V5);
    for tag in 0..65_533_u64 {
        rig.publish(tag, AtLeastOnce);
        rig.sent();
        rig.peer_ok(puback(u16::try_from(tag).unwrap() + 1));
    }
    rig.events();
    for tag in 1..=4 {
        rig.publish(tag, AtLeastOnce);
    }
    let ids = [65_534, 65_535, 1, 2];
    let original = [1, 2, 3, 4].map(|tag| publish(tag, AtLeastOnce, ids[usize::try_from(tag).unwrap() - 1]));
    assert_eq!(rig.sent(), original.clone().map(Packet::from));
    assert_eq!(rig.resume().1, original.map(again).map(Packet::from));
}

// Resent publishes count against the Receive Maximum of the new connection.
#[test]
fn what_is_resent_is_charged_to_the_new_receive_maximum() {
    let mut rig = Rig::ready(V5);
    for tag in 1..=5 {
        rig.publish(tag, if tag == 1 { ExactlyOnce } else { AtLeastOnce });
    }
    rig.sent();
    rig.peer_ok(pubrec(1));
    rig.cut();
    let mut connack = resumed();
    connack.properties.set_receive_maximum(2.try_into().unwrap());
    rig.accept(connack);
    let resent = |n: u16| Packet::from(again(publish(n.into(), AtLeastOnce, n)));
    assert_eq!(rig.sent(), [pubrel(1).into(), resent(2)]);
    assert_eq!(rig.session.publish_room(), 0);
    // A publish of QoS 0 passes those that wait.
    rig.publish(9, AtMostOnce);
    assert_eq!(rig.sent(), [publish_packet(9, AtMostOnce, 0)]);
    rig.peer_ok(pubcomp(1));
    assert_eq!(rig.sent(), [resent(3)]);
    rig.peer_ok(puback(2));
    rig.peer_ok(puback(3));
    assert_eq!(rig.sent(), [resent(4), resent(5)]);
    assert_eq!(rig.session.publish_room(), 0);
    rig.peer_ok(puback(5));
    assert_eq!(rig.session.publish_room(), 1);
    rig.peer_ok(puback(4));
    assert_eq!(rig.session.publish_room(), 2);
}

#[test]
fn more_resumed_pubrels_than_the_window_has_places_do_not_upset_the_count() {
    let mut rig = Rig::ready(V5);
    for tag in 1..=5 {
        rig.publish(tag, ExactlyOnce);
    }
    rig.sent();
    for packet_id in 1..=4 {
        rig.peer_ok(pubrec(packet_id));
    }
    rig.cut();
    let mut connack = resumed();
    connack.properties.set_receive_maximum(1.try_into().unwrap());
    rig.accept(connack);
    assert_eq!(rig.sent(), [1, 2, 3, 4].map(|packet_id| pubrel(packet_id).into()), "PUBREL never waits");
    for packet_id in 1..=4 {
        assert_eq!(rig.sent(), []);
        rig.peer_ok(pubcomp(packet_id));
    }
    assert_eq!(rig.sent(), [again(publish(5, ExactlyOnce, 5)).into()]);
}

// [5.0 MQTT-3.2.2-5] [3.1.1 MQTT-3.1.2-6]
#[test]
fn without_a_session_on_the_server_each_loss_is_named_before_connected() {
    both(|version| {
        let mut rig = Rig::ready(version);
        for (tag, qos) in [(1, ExactlyOnce), (2, AtLeastOnce), (3, ExactlyOnce)] {
            rig.publish(tag, qos);
        }
        rig.sent();
        rig.peer_ok(pubrec(1));
        rig.publish(4, AtLeastOnce);
        rig.cut();
        let lost = |tag, qos, packet_id, stage| {
            let publish = publish(tag, qos, packet_id);
            Event::PublishLost { tag, publish, stage }
        };
        let expected = [
            lost(1, ExactlyOnce, 1, Stage::Received),
            lost(2, AtLeastOnce, 2, Stage::Sent),
            lost(3, ExactlyOnce, 3, Stage::Sent),
            lost(4, AtLeastOnce, 4, Stage::Unsent),
        ];
        assert_eq!(rig.accept(connack()), expected);
        assert_eq!(rig.sent(), []);
        assert_eq!(rig.session.in_flight(), 0);
    });
}

#[test]
fn without_a_session_on_the_server_tokens_are_void_and_identifiers_new() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, ExactlyOnce, 1));
        let old = rig.token();
        rig.cut();
        rig.accept(connack());
        assert_eq!(rig.session.inbound_unacknowledged(), 0);
        assert!(!rig.session.acknowledge(old, ReasonCode::Success));
        rig.peer_ok(publish(2, ExactlyOnce, 1));
        let new = rig.token();
        assert!(!rig.session.acknowledge(old, ReasonCode::Success));
        assert_eq!(rig.sent(), []);
        assert!(rig.session.acknowledge(new, ReasonCode::Success));
        assert_eq!(rig.sent(), [pubrec(1).into()]);
    });
}

// [5.0 MQTT-3.1.2-4] [5.0 MQTT-3.2.2-4]
#[test]
fn a_session_although_a_clean_start_was_asked_for_is_a_protocol_error() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.publish(1, AtLeastOnce);
        rig.sent();
        rig.cut();
        rig.open(Connect { clean_start: true, ..connect(version) });
        rig.sent();
        assert_eq!(rig.peer_wrong(resumed()), Violation::UnexpectedSession);
        assert_eq!(rig.sent(), []);
        assert!(matches!(rig.cause(), DisconnectCause::ProtocolError(_)));
        assert_eq!(rig.session.in_flight(), 1, "nothing is lost before a server says so");
    });
}

// [3.1.1 MQTT-3.1.3-2] [5.0 MQTT-3.1.3-2]
#[test]
fn another_client_identifier_is_another_session() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.publish(1, AtLeastOnce);
        rig.sent();
        rig.cut();
        rig.open(Connect { client_id: text("other"), ..connect(version) });
        rig.sent();
        rig.peer_ok(resumed());
        let events = rig.events();
        assert!(matches!(events[..], [Event::PublishLost { tag: 1, .. }, Event::Connected(_)]), "{events:?}");
        assert_eq!(rig.sent(), [], "nothing of ours goes into a session of somebody else's");
    });
}

#[test]
fn an_assigned_client_identifier_names_the_session() {
    let mut rig = Rig::new(V5);
    let mut connack = connack();
    connack.properties.set_assigned_client_identifier(&text("client"));
    rig.open(Connect { client_id: text(""), ..connect(V5) });
    rig.sent();
    rig.peer_ok(connack);
    assert_eq!(rig.session.limits().unwrap().assigned_client_identifier, Some(text("client")));
    rig.events();
    rig.publish(1, AtLeastOnce);
    rig.sent();
    assert_eq!(rig.resume().1, [again(publish(1, AtLeastOnce, 1)).into()]);
}

#[test]
fn an_unacknowledged_message_that_is_shown_again_keeps_its_token_and_is_not_told_again() {
    both(|version| {
        for (qos, answer) in [(AtLeastOnce, puback(1)), (ExactlyOnce, pubrec(1))] {
            let mut rig = Rig::ready(version);
            rig.peer_ok(publish(1, qos, 1));
            let token = rig.token();
            rig.resume();
            rig.peer_ok(again(publish(1, qos, 1)));
            assert_eq!(rig.events(), []);
            assert_eq!(rig.sent(), []);
            assert!(rig.session.acknowledge(token, ReasonCode::Success));
            assert_eq!(rig.sent(), [answer.into()]);
        }
    });
}

// Old connections' acknowledgements never appear on a new one before it has shown the identifier.
#[test]
fn an_acknowledgement_given_meanwhile_answers_the_redelivery_and_nothing_else() {
    both(|version| {
        for (qos, answer) in [(AtLeastOnce, puback(1)), (ExactlyOnce, pubrec(1))] {
            let mut rig = Rig::ready(version);
            rig.peer_ok(publish(1, qos, 1));
            let token = rig.token();
            rig.cut();
            assert!(rig.session.acknowledge(token, ReasonCode::Success));
            rig.accept(resumed());
            assert_eq!(rig.sent(), [], "the new connection has not shown it");
            rig.peer_ok(again(publish(1, qos, 1)));
            assert_eq!(rig.events(), []);
            assert_eq!(rig.sent(), [answer.into()]);
        }
    });
}

#[test]
fn an_acknowledgement_on_the_new_connection_waits_until_the_message_is_shown() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, AtLeastOnce, 1));
        let old = rig.token();
        rig.resume();
        rig.peer_ok(publish(2, AtLeastOnce, 2));
        let new = rig.token();
        assert!(rig.session.acknowledge(old, ReasonCode::Success));
        assert_eq!(rig.sent(), []);
        assert!(rig.session.acknowledge(new, ReasonCode::Success));
        assert_eq!(rig.sent(), [puback(2).into()], "one that was not shown is in nobody's way");
        rig.peer_ok(again(publish(1, AtLeastOnce, 1)));
        assert_eq!(rig.sent(), [puback(1).into()]);
    });
}

#[test]
fn a_qos_1_message_whose_puback_was_sent_is_delivered_again() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, AtLeastOnce, 1));
        let token = rig.token();
        rig.session.acknowledge(token, ReasonCode::Success);
        rig.resume();
        rig.peer_ok(again(publish(1, AtLeastOnce, 1)));
        let messages = rig.messages();
        assert!(messages[0].is_redelivery());
        assert_ne!(messages[0].token, Some(token));
    });
}

// [3.1.1 MQTT-4.3.3-2] [5.0 MQTT-4.3.3-10]
#[test]
fn a_qos_2_message_whose_pubrec_was_sent_is_not_delivered_again() {
    both(|version| {
        for cut_again in [false, true] {
            let mut rig = Rig::ready(version);
            rig.peer_ok(publish(1, ExactlyOnce, 1));
            let token = rig.token();
            rig.session.acknowledge(token, ReasonCode::Success);
            rig.resume();
            rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
            assert_eq!(rig.events(), []);
            assert_eq!(rig.sent(), [pubrec(1).into()]);
            if cut_again {
                rig.resume();
            }
            rig.peer_ok(pubrel(1));
            assert_eq!(rig.sent(), [pubcomp(1).into()]);
        }
    });
}

#[test]
fn a_message_of_qos_1_that_is_no_repetition_is_told_though_its_identifier_is_unanswered() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, AtLeastOnce, 1));
        let old = rig.token();
        rig.resume();
        rig.peer_ok(publish(2, AtLeastOnce, 1));
        let new = rig.token();
        assert!(!rig.session.acknowledge(old, ReasonCode::Success));
        assert!(rig.session.acknowledge(new, ReasonCode::Success));
        assert_eq!(rig.sent(), [puback(1).into()]);
        assert_eq!(rig.session.inbound_unacknowledged(), 0);
    });
}

#[test]
fn a_reused_identifier_of_the_other_qos_begins_a_new_flow_on_a_new_connection() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.peer_ok(publish(1, ExactlyOnce, 1));
        let old = rig.token();
        rig.resume();
        rig.peer_ok(publish(2, AtLeastOnce, 1));
        let new = rig.token();
        assert!(!rig.session.acknowledge(old, ReasonCode::Success));
        assert!(rig.session.acknowledge(new, ReasonCode::Success));
        assert_eq!(rig.sent(), [puback(1).into()]);
        assert_eq!(rig.session.inbound_unacknowledged(), 0);
    });
}

#[test]
fn the_inbound_quota_starts_anew_with_each_connection() {
    let mut rig = Rig::ready_with_config(Config { max_inbound: 1, ..Config::default() });
    for round in 1..=100 {
        rig.peer_ok(publish(round.into(), ExactlyOnce, round));
        rig.resume();
    }
    assert_eq!(rig.session.inbound_unacknowledged(), 100);
    rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
    assert_eq!(rig.peer_wrong(again(publish(2, ExactlyOnce, 2))), Violation::ReceiveMaximumExceeded);
}

#[test]
fn the_end_of_an_earlier_connections_flow_frees_no_place_of_this_one() {
    let mut rig = Rig::ready_with_config(Config { max_inbound: 1, ..Config::default() });
    rig.peer_ok(publish(1, ExactlyOnce, 1));
    let token = rig.token();
    rig.session.acknowledge(token, ReasonCode::Success);
    rig.resume();
    rig.peer_ok(publish(2, AtLeastOnce, 2));
    rig.peer_ok(pubrel(1));
    assert_eq!(rig.sent(), [pubcomp(1).into()]);
    assert_eq!(rig.peer_wrong(publish(3, AtLeastOnce, 3)), Violation::ReceiveMaximumExceeded);
}

#[test]
fn an_acknowledgement_of_a_publish_that_waits_to_be_resent_is_taken() {
    let mut rig = Rig::ready(V5);
    rig.publish(1, AtLeastOnce);
    rig.publish(2, ExactlyOnce);
    rig.publish(3, AtLeastOnce);
    rig.sent();
    rig.cut();
    let mut connack = resumed();
    connack.properties.set_receive_maximum(1.try_into().unwrap());
    rig.accept(connack);
    assert_eq!(rig.sent(), [again(publish(1, AtLeastOnce, 1)).into()]);
    rig.peer_ok(puback(3));
    assert_eq!(rig.sent(), [], "that frees no place which this connection had taken");
    rig.peer_ok(pubrec(2));
    rig.peer_ok(puback(1));
    assert_eq!(rig.sent(), [pubrel(2).into()]);
    rig.peer_ok(pubcomp(2));
    assert_eq!(rig.session.in_flight(), 0);
    assert_eq!(rig.session.publish_room(), 1);
    rig.publish(4, AtLeastOnce);
    assert_eq!(rig.sent(), [publish_packet(4, AtLeastOnce, 4)]);
}

#[test]
fn what_the_new_limits_forbid_is_told_and_not_sent() {
    let check = |restrict: &dyn Fn(&mut Connack), refusal: Refusal| {
        let mut rig = Rig::ready(V5);
        let large = Publish { retain: true, payload: vec![0; 100].into(), ..message(1, ExactlyOnce) };
        rig.submit(Command::Publish { tag: 1, publish: large.clone() }).unwrap();
        rig.publish(2, AtLeastOnce);
        rig.sent();
        rig.cut();
        let mut connack = resumed();
        restrict(&mut connack);
        let publish = Publish { packet_id: Some(id(1)), ..large };
        let told = Event::Published { tag: 1, publish, result: PublishEnd::Forbidden(refusal) };
        assert_eq!(rig.accept(connack), [told]);
        assert_eq!(rig.sent(), [again(publish2()).into()]);
        assert_eq!(rig.session.in_flight(), 1);
    };
    fn publish2() -> Publish {
        publish(2, AtLeastOnce, 2)
    }
    check(&|connack| connack.properties.set_retain_available(false), Refusal::RetainNotSupported);
    check(
        &|connack| connack.properties.set_maximum_qos(QoS::AtLeastOnce),
        Refusal::QosNotSupported { qos: ExactlyOnce, maximum: AtLeastOnce },
    );
    check(
        &|connack| connack.properties.set_maximum_packet_size(50.try_into().unwrap()),
        Refusal::PacketTooLarge { size: 108, limit: 50 },
    );
}

// The server may hold the identifier for received: a new message would be taken for a repetition.
#[test]
fn the_identifier_of_a_forbidden_qos_2_publish_is_not_used_again_in_this_session() {
    let mut rig = Rig::ready(V5);
    rig.submit(Command::Publish { tag: 1, publish: Publish { retain: true, ..message(1, ExactlyOnce) } })
        .unwrap();
    rig.sent();
    rig.cut();
    let mut connack = resumed();
    connack.properties.set_retain_available(false);
    rig.accept(connack);
    for tag in 0..65_536_u64 {
        rig.publish(tag, ExactlyOnce);
        let [Packet::Publish(sent)] = &rig.sent()[..] else { panic!("one publish") };
        let packet_id = sent.packet_id.unwrap().get();
        assert_ne!(packet_id, 1);
        rig.peer_ok(pubrec(packet_id));
        rig.sent();
        rig.peer_ok(pubcomp(packet_id));
    }
}

#[test]
fn a_failed_attempt_changes_nothing() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.publish(1, AtLeastOnce);
        rig.sent();
        rig.peer_ok(publish(1, ExactlyOnce, 1));
        let token = rig.token();
        for attempt in 0..3 {
            rig.cut();
            rig.open(connect(version));
            rig.sent();
            if attempt == 1 {
                rig.peer_ok(Connack::new(false, ReasonCode::ServerUnavailable));
            }
        }
        let (events, sent) = rig.resume();
        assert_eq!((events, sent), (vec![], vec![again(publish(1, AtLeastOnce, 1)).into()]));
        rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
        rig.session.acknowledge(token, ReasonCode::Success);
        assert_eq!(rig.sent(), [pubrec(1).into()]);
    });
}

// [5.0 MQTT-4.4.0-1] [3.1.1 MQTT-4.1.0-2] [5.0 MQTT-4.1.0-1]
#[test]
fn nothing_is_resent_or_forgotten_on_a_live_connection() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.publish(1, AtLeastOnce);
        rig.publish(2, ExactlyOnce);
        assert_eq!(rig.sent().len(), 2);
        rig.pass(YEAR);
        assert_eq!(rig.sent(), []);
        rig.peer_ok(puback(1));
        rig.peer_ok(pubrec(2));
        assert_eq!(rig.sent(), [pubrel(2).into()]);
        rig.pass(YEAR);
        rig.peer_ok(pubcomp(2));
        let first = acknowledged(publish(1, AtLeastOnce, 1), 1, puback(1));
        let second = acknowledged(publish(2, ExactlyOnce, 2), 2, pubcomp(2));
        assert_eq!(rig.events(), [first, second]);
    });
}

// [5.0 MQTT-4.3.3-13]
#[test]
fn an_inbound_handshake_goes_on_though_the_message_expires() {
    let mut rig = Rig::ready(V5);
    let mut expiring = publish(1, ExactlyOnce, 1);
    expiring.properties.set_message_expiry_interval(1);
    rig.peer_ok(expiring);
    let token = rig.token();
    rig.pass(YEAR);
    rig.session.acknowledge(token, ReasonCode::Success);
    assert_eq!(rig.sent(), [pubrec(1).into()]);
    rig.pass(YEAR);
    rig.peer_ok(pubrel(1));
    assert_eq!(rig.sent(), [pubcomp(1).into()]);
}
