//! How long the server takes to answer, measured on what is sent anyway.

use std::time::Duration;

use mqtt_session::codec::{Ack, Connack, Packet, QoS, ReasonCode, Version};
use mqtt_session::{Command, Config};

use crate::support::*;

const MS: Duration = Duration::from_millis(1);

/// The first answer to a publish.
fn answer(qos: QoS, packet_id: u16) -> Ack {
    if qos == ExactlyOnce { pubrec(packet_id) } else { puback(packet_id) }
}

fn measured(rig: &Rig) -> Option<u128> {
    rig.session.round_trip().map(|round_trip| round_trip.as_millis())
}

#[test]
fn it_is_that_of_the_first_answer_to_a_publish_and_of_a_ping() {
    both(|version| {
        for qos in [AtLeastOnce, ExactlyOnce] {
            let mut rig = Rig::ready(version);
            assert_eq!(measured(&rig), None, "CONNACK does not count");
            rig.publish(1, qos);
            rig.pass(5 * MS);
            rig.sent();
            rig.pass(30 * MS);
            rig.peer_ok(answer(qos, 1));
            assert_eq!(measured(&rig), Some(30), "from when it was written");
            if qos == ExactlyOnce {
                rig.sent();
                rig.pass(70 * MS);
                rig.peer_ok(pubcomp(1));
                assert_eq!(measured(&rig), Some(30), "PUBCOMP answers no publish");
            }
            rig.submit(Command::Ping { tag: 7 }).unwrap();
            rig.sent();
            rig.pass(20 * MS);
            rig.peer_ok(Packet::Pingresp);
            assert_eq!(measured(&rig), Some(20));
            rig.publish(2, qos);
            rig.sent();
            rig.pass(10 * MS);
            rig.peer_ok(answer(qos, 2).with_reason(match version {
                V5 => ReasonCode::QuotaExceeded,
                V311 => ReasonCode::Success,
            }));
            assert_eq!(measured(&rig), Some(10), "a refusal is an answer");
            rig.publish(3, AtMostOnce);
            rig.sent();
            rig.pass(10 * MS);
            rig.cut();
            assert_eq!(measured(&rig), Some(10), "and stays known without a connection");
        }
    });
}

/// While one is watched, others come and go; afterwards the next one that is sent is watched, not one that was.
#[test]
fn one_publish_is_watched_at_a_time() {
    let mut rig = Rig::ready(V5);
    let send = |rig: &mut Rig, number: u16| {
        rig.publish(number.into(), AtLeastOnce);
        rig.sent();
        rig.pass(10 * MS);
    };
    for number in 1..=3 {
        send(&mut rig, number);
    }
    rig.peer_ok(puback(2));
    assert_eq!(measured(&rig), None, "the first is watched");
    rig.peer_ok(puback(1));
    assert_eq!(measured(&rig), Some(30));
    rig.peer_ok(puback(3));
    send(&mut rig, 4);
    send(&mut rig, 5);
    rig.peer_ok(puback(4));
    assert_eq!(measured(&rig), Some(20));
    send(&mut rig, 6);
    rig.peer_ok(puback(5));
    assert_eq!(measured(&rig), Some(20), "which was on its way when the last one was answered");
    rig.peer_ok(puback(6));
    assert_eq!(measured(&rig), Some(10));
}

/// Of many that leave together the last is watched: it leaves when the transport has taken all of them.
#[test]
fn it_counts_from_the_last_byte() {
    let mut rig = Rig::ready(V5);
    for number in 1..=3 {
        rig.publish(number, AtLeastOnce);
    }
    rig.duty();
    let length = rig.output.len();
    for bytes in [length / 2, length - length / 2] {
        rig.pass(10 * MS);
        rig.output.advance(bytes);
        rig.session.handle_written(rig.now, bytes);
    }
    rig.pass(7 * MS);
    for number in 1..=3 {
        rig.peer_ok(puback(number));
    }
    assert_eq!(measured(&rig), Some(7));
}

#[test]
fn an_answer_that_comes_before_the_transport_is_known_to_have_taken_it_measures_nothing() {
    let mut rig = Rig::ready(V5);
    rig.publish(1, AtLeastOnce);
    rig.duty();
    rig.pass(10 * MS);
    rig.peer_ok(puback(1));
    assert_eq!(measured(&rig), None);
    rig.sent();
    rig.publish(2, AtLeastOnce);
    rig.sent();
    rig.pass(10 * MS);
    rig.peer_ok(puback(2));
    assert_eq!(measured(&rig), Some(10), "the next one does");
}

/// What is sent in its turn later: because a store has to keep it first, because it needs a second look, because it was sent on
/// an earlier connection.
#[test]
fn it_does_not_matter_when_a_publish_is_encoded() {
    let mut rig = Rig::ready_with_config(Config { durable: true, ..Config::default() });
    rig.publish(1, ExactlyOnce);
    rig.sent();
    rig.pass(50 * MS);
    let batch = rig.session.poll_store(rig.now, &mut Vec::new()).expect("something to store");
    rig.session.handle_stored(rig.now, batch);
    rig.sent();
    rig.pass(10 * MS);
    rig.peer_ok(pubrec(1));
    assert_eq!(measured(&rig), Some(10));

    let mut rig = Rig::ready(V5);
    let mut expiring = message(1, AtLeastOnce);
    expiring.properties.set_message_expiry_interval(60);
    rig.submit(Command::Publish { tag: 1, publish: expiring }).unwrap();
    rig.sent();
    rig.pass(10 * MS);
    rig.cut();
    rig.pass(50 * MS);
    rig.accept(Connack::new(true, ReasonCode::Success));
    rig.sent();
    rig.pass(20 * MS);
    rig.peer_ok(puback(1));
    assert_eq!(measured(&rig), Some(20));
}

/// The latest identifier belongs to a SUBSCRIBE, and the identifiers begin again.
#[test]
fn identifiers_of_others_and_their_end_do_not_mislead() {
    let mut rig = Rig::with_config(Config { version: Version::V5, ..Config::default() });
    rig.accept(connack());
    rig.publish(1, AtLeastOnce);
    rig.submit(subscribe(1, &["a"])).unwrap();
    rig.sent();
    rig.pass(10 * MS);
    rig.peer_ok(puback(1));
    assert_eq!(measured(&rig), None);
    for number in (3..=u16::MAX).chain(1..=1) {
        rig.publish(number.into(), AtLeastOnce);
        rig.sent();
        let time = u32::from(number % 7) + 1;
        rig.pass(time * MS);
        rig.peer_ok(puback(number));
        assert_eq!(measured(&rig), Some(time.into()), "{number}");
    }
}
