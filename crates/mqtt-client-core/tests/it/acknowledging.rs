//! When a message counts as received: never before the application has it, and by hand not before it says so.

use std::time::Duration;

use mqtt_client_core::codec::{
    Ack, AckKind, AckProperties, PacketId, PacketKind, QoS, ReasonCode, Text, Version,
};
use mqtt_client_core::session::Direction;
use mqtt_client_core::{Acknowledge, Message, Options, OptionsBuilder, SESSION_NEVER_EXPIRES, Subscription};
use mqtt_testkit::{Fault, LogEntry};

use crate::rig::Rig;

const VERSIONS: [Version; 2] = [Version::V311, Version::V5];
const CONFIRMED: [QoS; 2] = [QoS::AtLeastOnce, QoS::ExactlyOnce];

fn kept(version: Version) -> OptionsBuilder {
    let options = Options::builder().version(version).client_id("keeper");
    options.clean_start(false).session_expiry(SESSION_NEVER_EXPIRES)
}

fn subscribe(rig: &mut Rig, filter: &str, acknowledge: Acknowledge) -> Subscription {
    let client = rig.client.clone();
    rig.run(client.subscribe(filter).acknowledge(acknowledge)).expect("granted")
}

fn text(message: &Message) -> String {
    message.text().into_owned()
}

#[test]
fn a_message_is_acknowledged_by_hand_in_any_order_and_not_before() {
    for version in VERSIONS {
        for qos in CONFIRMED {
            let mut rig = Rig::connected(Options::builder().version(version));
            let mut stream = subscribe(&mut rig, "a", Acknowledge::ByHand);
            for n in 0..3 {
                rig.publish("a", n.to_string(), qos);
            }
            let messages: Vec<Message> = (0..3).filter_map(|_| rig.next(&mut stream)).collect();
            assert_eq!(rig.client.stats().unacknowledged_messages, 3, "{version} {qos:?}");
            for (position, left) in [(2, 2), (0, 1), (1, 0)] {
                assert!(messages[position].acknowledge());
                assert!(!messages[position].clone().acknowledge(), "once");
                rig.settle();
                assert_eq!(rig.client.stats().unacknowledged_messages, left, "{version} {qos:?}");
            }
            drop(messages);
            rig.run_for(Duration::from_secs(60));
            assert!(rig.ready(&mut stream).is_none(), "{version} {qos:?}: none comes again");
        }
    }
}

#[test]
fn a_message_that_is_dropped_unanswered_comes_back_first_and_marked() {
    for qos in CONFIRMED {
        let mut rig = Rig::connected(Options::builder());
        let mut stream = subscribe(&mut rig, "a", Acknowledge::ByHand);
        for n in 0..3 {
            rig.publish("a", n.to_string(), qos);
        }
        let first = rig.next(&mut stream).expect("a message");
        let clone = first.clone();
        drop(first);
        assert_eq!(rig.next(&mut stream).map(|message| text(&message)).as_deref(), Some("1"));
        drop(clone);
        // "1" was dropped at once, then "0": each goes to the front.
        let again = rig.next(&mut stream).expect("a message");
        assert_eq!((text(&again).as_str(), again.dup()), ("0", true), "{qos:?}");
        assert!(again.acknowledge());
        for expected in ["1", "2"] {
            let message = rig.next(&mut stream).expect("a message");
            assert_eq!(text(&message), expected, "{qos:?}");
            assert!(message.acknowledge());
        }
        rig.settle();
        assert_eq!(rig.client.stats().unacknowledged_messages, 0);
    }
}

#[test]
fn a_refusal_reaches_the_broker_in_5_0_and_is_an_acknowledgement_in_3_1_1() {
    for version in VERSIONS {
        for (qos, kind) in [(QoS::AtLeastOnce, PacketKind::Puback), (QoS::ExactlyOnce, PacketKind::Pubrec)] {
            let mut rig = Rig::connected(Options::builder().version(version));
            let mut stream = subscribe(&mut rig, "a", Acknowledge::ByHand);
            rig.publish("a", "x", qos);
            let message = rig.next(&mut stream).expect("a message");
            assert!(message.refuse(ReasonCode::PayloadFormatInvalid));
            assert!(!message.acknowledge(), "answered");
            rig.settle();
            assert_eq!(rig.client.stats().unacknowledged_messages, 0, "{version} {kind}");
            assert_eq!(rig.dials.len(), 1, "{version} {kind}: the connection is none the worse");
        }
    }
}

/// How long the acknowledgements were that the broker got, in their order.
fn acknowledgements(rig: &Rig) -> Vec<usize> {
    let is_ours = |entry: &&LogEntry| {
        entry.packet.direction == Direction::Inbound
            && matches!(entry.packet.kind, PacketKind::Puback | PacketKind::Pubrec)
    };
    rig.broker.log().filter(is_ours).map(|entry| entry.packet.len).collect()
}

#[test]
fn an_answer_says_to_the_broker_what_the_reader_adds() {
    let text = Text::from_static("no such room").expect("text");
    let properties = AckProperties::new().with_reason_string(&text).with_user_property(&text, &text);
    for (qos, kind) in [(QoS::AtLeastOnce, AckKind::Puback), (QoS::ExactlyOnce, AckKind::Pubrec)] {
        let mut rig = Rig::connected(Options::builder());
        let mut stream = subscribe(&mut rig, "a", Acknowledge::ByHand);
        for _ in 0..3 {
            rig.publish("a", "x", qos);
        }
        let [first, second, third] = [0; 3].map(|_| rig.next(&mut stream).expect("a message"));
        assert!(first.refuse_with(ReasonCode::NotAuthorized, properties.clone()));
        assert!(!first.acknowledge_with(properties.clone()), "answered");
        assert!(second.acknowledge_with(properties.clone()));
        assert!(third.refuse(ReasonCode::NotAuthorized));
        rig.settle();
        let ack = Ack::new(kind, PacketId::MIN);
        let expected = [
            Ack { properties: properties.clone(), ..ack.clone().with_reason(ReasonCode::NotAuthorized) },
            Ack { properties: properties.clone(), ..ack.clone() },
            ack.with_reason(ReasonCode::NotAuthorized),
        ];
        let expected = expected.map(|ack| ack.encoded_len(Version::V5).expect("a packet of 5.0"));
        assert_eq!(acknowledgements(&rig), expected, "{qos:?}");
    }
}

/// The broker gets one answer: the first refusal, else the first that says something.
#[test]
fn of_several_streams_the_first_refusal_answers() {
    type Answer = fn(&Message, AckProperties) -> bool;
    let acknowledge: Answer = |message, _| message.acknowledge();
    let explain: Answer = |message, properties| message.acknowledge_with(properties);
    let refuse: Answer =
        |message, properties| message.refuse_with(ReasonCode::ImplementationSpecificError, properties);
    let check = |answers: [Answer; 3], expected: usize| {
        let mut rig = Rig::connected(Options::builder().version(Version::V5));
        let mut streams = ["a/+", "+/b", "#"].map(|filter| subscribe(&mut rig, filter, Acknowledge::ByHand));
        rig.publish("a/b", "x", QoS::AtLeastOnce);
        let mut copies = Vec::new();
        for stream in &mut streams {
            copies.extend(std::iter::from_fn(|| rig.ready(stream)));
        }
        for ((answer, copy), words) in answers.iter().zip(&copies).zip(["1", "two", "three"]) {
            let words = Text::new(words).expect("text");
            assert!(answer(copy, AckProperties::new().with_reason_string(&words)));
        }
        rig.settle();
        assert_eq!(acknowledgements(&rig), [expected]);
    };
    // 4 bytes for success without a word; with words the reason code, a length, and 3 bytes before them.
    check([acknowledge, acknowledge, acknowledge], 4);
    check([acknowledge, explain, explain], 9 + 3);
    check([explain, refuse, refuse], 9 + 3);
    check([acknowledge, explain, refuse], 9 + 5);
    check([refuse, explain, acknowledge], 9 + 1);
}

#[test]
fn an_acknowledgement_after_a_reconnect_answers_the_repetition() {
    for version in VERSIONS {
        for qos in CONFIRMED {
            let mut rig = Rig::connected(kept(version));
            let mut stream = subscribe(&mut rig, "a", Acknowledge::ByHand);
            rig.publish("a", "x", qos);
            let message = rig.next(&mut stream).expect("a message");
            rig.cut();
            assert!(message.acknowledge());
            rig.run_for(Duration::from_secs(60));
            assert_eq!(rig.client.stats().unacknowledged_messages, 0, "{version} {qos:?}");
            assert!(rig.ready(&mut stream).is_none(), "{version} {qos:?}: handed over once");
        }
    }
}

#[test]
fn a_message_on_several_streams_waits_for_the_last_answer() {
    let mut rig = Rig::connected(Options::builder().version(Version::V311));
    let mut by_hand = subscribe(&mut rig, "a/+", Acknowledge::ByHand);
    let mut on_receipt = subscribe(&mut rig, "+/b", Acknowledge::OnReceipt);
    let mut other = subscribe(&mut rig, "a/+", Acknowledge::OnDelivery);
    rig.publish("a/b", "x", QoS::AtLeastOnce);
    let message = rig.next(&mut by_hand).expect("a message");
    assert!(message.acknowledge());
    assert!(rig.client.stats().unacknowledged_messages > 0, "one stream has not read it");
    assert!(rig.next(&mut other).is_some() && rig.next(&mut on_receipt).is_some());
    while let Some(copy) = rig.ready(&mut by_hand) {
        copy.acknowledge();
    }
    for stream in [&mut other, &mut on_receipt] {
        while rig.ready(stream).is_some() {}
    }
    assert_eq!(rig.client.stats().unacknowledged_messages, 0);
}

#[test]
fn on_receipt_nothing_waits_for_the_reader_up_to_a_bound() {
    for qos in CONFIRMED {
        let mut rig = Rig::connected(Options::builder().stream_capacity(10));
        let mut stream = subscribe(&mut rig, "a", Acknowledge::OnReceipt);
        for n in 0..15 {
            rig.publish("a", n.to_string(), qos);
        }
        assert_eq!(rig.client.stats().unacknowledged_messages, 5, "{qos:?}: the rest waits for the reader");
        let read: Vec<String> =
            std::iter::from_fn(|| rig.ready(&mut stream)).map(|message| text(&message)).collect();
        assert_eq!(read, (0..15).map(|n| n.to_string()).collect::<Vec<_>>(), "{qos:?}: and none is lost");
        assert_eq!(rig.client.stats().unacknowledged_messages, 0, "{qos:?}");
    }
}

#[test]
fn a_message_that_is_held_while_its_stream_goes_can_still_be_answered_or_comes_to_another_stream() {
    let mut rig = Rig::connected(Options::builder());
    let mut stream = subscribe(&mut rig, "a", Acknowledge::ByHand);
    for n in 0..2 {
        rig.publish("a", n.to_string(), QoS::ExactlyOnce);
    }
    let [answered, dropped] = [0, 1].map(|_| rig.next(&mut stream).expect("a message"));
    drop(stream);
    assert!(answered.acknowledge());
    drop(dropped);
    assert_eq!(rig.client.stats().unacknowledged_messages, 1);
    let mut other = subscribe(&mut rig, "a", Acknowledge::OnDelivery);
    let message = rig.next(&mut other).expect("the other one");
    assert_eq!((text(&message).as_str(), message.dup()), ("1", true));
    assert_eq!(rig.client.stats().unacknowledged_messages, 0);
}

#[test]
fn a_message_that_is_held_keeps_no_client_alive() {
    let mut rig = Rig::connected(Options::builder());
    let mut stream = subscribe(&mut rig, "a", Acknowledge::ByHand);
    rig.publish("a", "x", QoS::AtLeastOnce);
    let message = rig.next(&mut stream).expect("a message");
    drop(stream);
    let other = Rig::new(Options::builder()).client.clone();
    drop(std::mem::replace(&mut rig.client, other));
    rig.run_for(Duration::from_secs(60));
    assert!(rig.stopped);
    assert!(message.acknowledge(), "harmless");
}

/// A server that cuts the link before it has the acknowledgement sends the message again, and is answered.
#[test]
fn an_acknowledgement_that_was_lost_is_given_again() {
    for (qos, kind) in [(QoS::AtLeastOnce, PacketKind::Puback), (QoS::ExactlyOnce, PacketKind::Pubrec)] {
        let mut rig = Rig::connected(kept(Version::V5));
        let mut stream = subscribe(&mut rig, "a", Acknowledge::ByHand);
        rig.publish("a", "x", qos);
        rig.broker.inject(Fault::received(kind).cut_before());
        let message = rig.next(&mut stream).expect("a message");
        assert!(message.acknowledge());
        rig.run_for(Duration::from_secs(60));
        assert_eq!(rig.dials.len(), 2, "{qos:?}");
        let repeated = rig.ready(&mut stream);
        assert_eq!(repeated.is_some(), qos == QoS::AtLeastOnce, "{qos:?}: twice at QoS 1 at most");
        if let Some(message) = repeated {
            assert!(message.dup() && message.acknowledge());
            rig.settle();
        }
        assert_eq!(rig.client.stats().unacknowledged_messages, 0, "{qos:?}");
    }
}
