//! Acknowledgements that say more than their reason code.

use std::num::NonZeroU32;

use mqtt_session::Config;
use mqtt_session::codec::{Ack, AckProperties, Connack, Packet, QoS, ReasonCode, Version};

use crate::support::*;

const FULL: ReasonCode = ReasonCode::QuotaExceeded;

/// A reason string of 20 bytes, 23 on the wire, and a user property that takes 12.
fn explanation() -> AckProperties {
    only_reason_string().with_user_property(&text("shelf"), &text("17"))
}

fn only_reason_string() -> AckProperties {
    AckProperties::new().with_reason_string(&text("twenty bytes of text"))
}

fn explained(ack: Ack, properties: AckProperties) -> Packet {
    Ack { properties, ..ack }.into()
}

/// The answer to a message with packet identifier 1, in its shortest form.
fn plain(qos: QoS) -> Ack {
    if qos == ExactlyOnce { pubrec(1) } else { puback(1) }
}

/// A message with packet identifier 1 comes, and is answered.
fn answer(rig: &mut Rig, qos: QoS, reason: ReasonCode, properties: AckProperties) {
    rig.peer_ok(publish(1, qos, 1));
    let token = rig.token();
    assert!(rig.session.acknowledge_with(token, reason, properties));
    assert!(!rig.session.acknowledge_with(token, reason, explanation()), "once is enough");
}

// [5.0 MQTT-3.4.2-2] [5.0 MQTT-3.4.2-3] [5.0 MQTT-3.5.2-2] [5.0 MQTT-3.5.2-3]
#[test]
fn an_answer_explains_itself_as_far_as_the_servers_packet_limit_allows() {
    let check = |limit: Option<u32>, reason: ReasonCode, expected: AckProperties| {
        for qos in [AtLeastOnce, ExactlyOnce] {
            let mut connack = connack();
            if let Some(limit) = limit.and_then(NonZeroU32::new) {
                connack.properties.set_maximum_packet_size(limit);
            }
            let mut rig = Rig::new(V5);
            rig.accept(connack);
            answer(&mut rig, qos, reason, explanation());
            let ack = plain(qos).with_reason(reason);
            assert_eq!(rig.sent(), [explained(ack, expected.clone())], "{limit:?} {qos:?} {reason}");
        }
    };
    // Fixed header, packet identifier, reason code, length of the properties; then those.
    let (bare, whole) = (6, 6 + 23 + 12);
    for reason in [ReasonCode::Success, FULL] {
        check(None, reason, explanation());
        check(Some(whole), reason, explanation());
        check(Some(whole - 1), reason, only_reason_string());
        check(Some(bare + 23), reason, only_reason_string());
        check(Some(bare + 22), reason, AckProperties::new());
        check(Some(5), reason, AckProperties::new());
    }
}

#[test]
fn what_3_1_1_has_no_words_for_is_left_out() {
    for qos in [AtLeastOnce, ExactlyOnce] {
        let mut rig = Rig::ready(V311);
        answer(&mut rig, qos, FULL, explanation());
        assert_eq!(rig.sent(), [plain(qos).into()]);
    }
}

#[test]
fn an_explanation_keeps_to_the_order_of_its_message_and_touches_no_other() {
    for qos in [AtLeastOnce, ExactlyOnce] {
        let mut rig = Rig::ready(V5);
        let ack = |packet_id| if qos == ExactlyOnce { pubrec(packet_id) } else { puback(packet_id) };
        for packet_id in 1..=4 {
            rig.peer_ok(publish(packet_id.into(), qos, packet_id));
        }
        let tokens: Vec<_> = rig.messages().into_iter().filter_map(|inbound| inbound.token).collect();
        assert!(rig.session.acknowledge_with(tokens[2], FULL, explanation()));
        assert!(rig.session.acknowledge(tokens[1], ReasonCode::Success));
        assert!(rig.session.acknowledge_with(tokens[3], ReasonCode::Success, AckProperties::new()));
        assert_eq!(rig.sent(), [], "the first one is not answered");
        assert!(rig.session.acknowledge(tokens[0], ReasonCode::Success));
        let expected =
            [ack(1).into(), ack(2).into(), explained(ack(3).with_reason(FULL), explanation()), ack(4).into()];
        assert_eq!(rig.sent(), expected);
    }
}

#[test]
fn a_pubrec_that_is_given_again_explains_itself_again_and_its_successor_does_not() {
    let mut rig = Rig::ready(V5);
    answer(&mut rig, ExactlyOnce, ReasonCode::Success, explanation());
    let expected = [explained(pubrec(1), explanation())];
    assert_eq!(rig.sent(), expected);
    rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
    assert_eq!(rig.sent(), expected, "on the same connection");
    rig.resume();
    rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
    assert_eq!(rig.sent(), expected, "on another");
    rig.peer_ok(pubrel(1));
    assert_eq!(rig.sent(), [pubcomp(1).into()]);
    next_is_plain(&mut rig);
}

/// The next message with that identifier is answered without a word.
fn next_is_plain(rig: &mut Rig) {
    for qos in [AtLeastOnce, ExactlyOnce] {
        rig.peer_ok(publish(2, qos, 1));
        let token = rig.token();
        assert!(rig.session.acknowledge(token, FULL));
        assert_eq!(rig.sent(), [plain(qos).with_reason(FULL).into()]);
    }
}

#[test]
fn an_explanation_ends_with_its_message() {
    let check = |qos, reason, end: fn(&mut Rig)| {
        let mut rig = Rig::ready(V5);
        answer(&mut rig, qos, reason, explanation());
        end(&mut rig);
        rig.sent();
        next_is_plain(&mut rig);
    };
    let cut = |rig: &mut Rig| drop(rig.resume());
    let lose_session = |rig: &mut Rig| {
        rig.cut();
        rig.accept(connack());
    };
    check(AtLeastOnce, FULL, |rig| drop(rig.sent()));
    check(AtLeastOnce, ReasonCode::Success, |rig| drop(rig.sent()));
    check(ExactlyOnce, FULL, |rig| drop(rig.sent()));
    check(AtLeastOnce, FULL, cut);
    check(ExactlyOnce, FULL, cut);
    check(AtLeastOnce, FULL, lose_session);
    check(ExactlyOnce, ReasonCode::Success, lose_session);
    check(ExactlyOnce, ReasonCode::Success, |rig| rig.peer_ok(pubrel(1)));
    // The server has given up its message, and uses the identifier anew.
    check(ExactlyOnce, ReasonCode::Success, |rig| {
        rig.resume();
        rig.peer_ok(publish(3, AtLeastOnce, 1));
        let token = rig.token();
        assert!(rig.session.acknowledge(token, ReasonCode::Success));
    });
}

/// It waits for its turn while there is no connection, and goes out on the next.
#[test]
fn an_answer_given_without_a_connection_explains_itself_on_the_next() {
    for qos in [AtLeastOnce, ExactlyOnce] {
        let mut rig = Rig::ready(V5);
        rig.peer_ok(publish(1, qos, 1));
        let token = rig.token();
        rig.cut();
        assert!(rig.session.acknowledge_with(token, FULL, explanation()));
        rig.accept(Connack::new(true, ReasonCode::Success));
        rig.peer_ok(again(publish(1, qos, 1)));
        assert_eq!(rig.sent(), [explained(plain(qos).with_reason(FULL), explanation())]);
    }
}

#[test]
fn it_is_no_part_of_what_survives_the_process() {
    let config = Config { version: Version::V5, ..Config::default() };
    let mut rig = Rig::ready_with_config(config);
    answer(&mut rig, ExactlyOnce, ReasonCode::Success, explanation());
    rig.sent();
    rig.restart();
    rig.accept(Connack::new(true, ReasonCode::Success));
    rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
    assert_eq!(rig.sent(), [pubrec(1).into()]);
}
