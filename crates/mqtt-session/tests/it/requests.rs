//! SUBSCRIBE, UNSUBSCRIBE and their answers.

use mqtt_session::codec::ReasonCode;
use mqtt_session::{Aborted, Command, Config, Event, Refusal, Violation};

use crate::support::*;

#[test]
fn subscribe_is_answered_with_one_code_per_filter() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.submit(subscribe(70, &["a", "b/#"])).unwrap();
        assert_eq!(rig.sent(), [subscribe_packet(1, &["a", "b/#"])]);
        // A refused filter is an outcome, never taken for success.
        let answer = suback(1, &[ReasonCode::GrantedQoS1, ReasonCode::UnspecifiedError]);
        rig.peer_ok(answer.clone());
        assert_eq!(rig.events(), [Event::Subscribed { tag: 70, result: Ok(answer) }]);
    });
}

#[test]
fn unsubscribe_is_answered() {
    let check = |version, reasons: &[ReasonCode]| {
        let mut rig = Rig::ready(version);
        rig.submit(unsubscribe(70, &["a", "b/#"])).unwrap();
        assert_eq!(rig.sent(), [unsubscribe_packet(1, &["a", "b/#"])]);
        let answer = unsuback(1, reasons);
        rig.peer_ok(answer.clone());
        assert_eq!(rig.events(), [Event::Unsubscribed { tag: 70, result: Ok(answer) }]);
    };
    check(V311, &[]);
    check(V5, &[ReasonCode::Success, ReasonCode::NoSubscriptionExisted]);
}

// [3.1.1 MQTT-2.3.1-7] [5.0 MQTT-2.2.1-6] are the server's; that they are broken is found out.
#[test]
fn answers_that_fit_no_request_are_protocol_errors() {
    let ok = ReasonCode::Success;
    both(|version| {
        let check = |answer: mqtt_session::codec::Packet, expected| {
            let mut rig = Rig::ready(version);
            rig.submit(subscribe(1, &["a", "b"])).unwrap();
            rig.submit(unsubscribe(2, &["a", "b"])).unwrap();
            rig.publish(3, AtLeastOnce);
            rig.sent();
            assert_eq!(rig.peer_wrong(answer), expected);
        };
        let count = |actual| Violation::ReasonCount { expected: 2, actual };
        check(suback(9, &[ok, ok]).into(), Violation::UnknownRequest);
        check(suback(2, &[ok, ok]).into(), Violation::UnknownRequest);
        check(suback(3, &[ok]).into(), Violation::UnknownRequest);
        check(suback(1, &[ok]).into(), count(1));
        check(suback(1, &[ok, ok, ok]).into(), count(3));
        let reasons: &[_] = if version == V5 { &[ok] } else { &[] };
        check(unsuback(1, reasons).into(), Violation::UnknownRequest);
        if version == V5 {
            check(unsuback(2, &[ok]).into(), count(1));
        }
    });
}

#[test]
fn an_answer_to_a_request_that_was_not_sent_fits_no_request() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.submit(subscribe(1, &["a"])).unwrap();
        assert_eq!(rig.peer_wrong(suback(1, &[ReasonCode::Success])), Violation::UnknownRequest);
        let mut rig = Rig::ready(version);
        rig.submit(unsubscribe(1, &["a"])).unwrap();
        let reasons: &[_] = if version == V5 { &[ReasonCode::Success] } else { &[] };
        assert_eq!(rig.peer_wrong(unsuback(1, reasons)), Violation::UnknownRequest);
    });
}

#[test]
fn requests_that_are_sent_make_room_for_others() {
    let mut rig = Rig::ready(V5);
    for round in 0..10_000 {
        rig.submit(subscribe(round, &["some/topic"])).unwrap();
        let [sent] = &rig.sent()[..] else { panic!("one packet") };
        let packet_id = sent.packet_id().unwrap().get();
        rig.peer_ok(suback(packet_id, &[ReasonCode::Success]));
    }
}

#[test]
fn an_answer_comes_once() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.submit(subscribe(1, &["a"])).unwrap();
        rig.sent();
        rig.peer_ok(suback(1, &[ReasonCode::Success]));
        assert_eq!(rig.peer_wrong(suback(1, &[ReasonCode::Success])), Violation::UnknownRequest);
    });
}

#[test]
fn requests_are_aborted_with_the_connection_and_their_identifiers_are_free() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.submit(subscribe(1, &["a"])).unwrap();
        rig.sent();
        rig.submit(unsubscribe(2, &["b"])).unwrap();
        rig.submit(Command::Ping { tag: 3 }).unwrap();
        rig.session.handle_closed(rig.now);
        let events = rig.events();
        let expected = [
            Event::Subscribed { tag: 1, result: Err(Aborted) },
            Event::Unsubscribed { tag: 2, result: Err(Aborted) },
            Event::PingAborted { tag: 3 },
        ];
        assert_eq!(events[..3], expected);
        rig.accept(mqtt_session::codec::Connack::new(true, ReasonCode::Success));
        assert_eq!(rig.sent(), [], "requests are not resent");
    });
}

// The order of submission is kept between publishes and requests.
#[test]
fn packets_leave_in_the_order_of_submission() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.publish(1, AtMostOnce);
        rig.submit(subscribe(2, &["a"])).unwrap();
        rig.publish(3, AtLeastOnce);
        rig.submit(unsubscribe(4, &["a"])).unwrap();
        rig.publish(5, AtMostOnce);
        let expected = [
            publish_packet(1, AtMostOnce, 0),
            subscribe_packet(1, &["a"]),
            publish_packet(3, AtLeastOnce, 2),
            unsubscribe_packet(3, &["a"]),
            publish_packet(5, AtMostOnce, 0),
        ];
        assert_eq!(rig.sent(), expected);
    });
}

#[test]
fn what_can_not_be_encoded_is_refused() {
    both(|version| {
        let mut rig = Rig::ready(version);
        for command in [subscribe(1, &[]), unsubscribe(2, &[])] {
            let rejected = rig.session.submit(command.clone()).unwrap_err();
            assert!(matches!(rejected.refusal, Refusal::Invalid(_)));
            assert_eq!(rejected.value, command);
        }
        assert_eq!(rig.sent(), []);
    });
}

#[test]
fn nothing_is_taken_while_nothing_is_connected() {
    let mut rig = Rig::with_config(Config::default());
    for command in [
        subscribe(1, &["a"]),
        unsubscribe(2, &["a"]),
        Command::Ping { tag: 3 },
        Command::Publish { tag: 4, publish: message(4, AtMostOnce) },
        Command::Publish { tag: 5, publish: message(5, AtLeastOnce) },
    ] {
        let rejected = rig.session.submit(command.clone()).unwrap_err();
        assert_eq!((rejected.value, rejected.refusal), (command, Refusal::NotReady));
    }
    assert_eq!(rig.session.publish_room(), 0);
    assert!(!rig.session.can_send_qos0());
}
