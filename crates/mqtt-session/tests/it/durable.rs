//! A durable session: what is stored, what waits for the store and what does not, and a store that fails.

use std::num::NonZeroU16;
use std::time::Duration;

use mqtt_session::codec::{Connack, Packet, Publish, ReasonCode};
use mqtt_session::{
    Command, Config, Event, Inbound, Key, Operation, PublishEnd, Record, Refusal, Timer, Timestamp,
};

use crate::disk::Durable;
use crate::support::*;

fn delete(key: Key) -> Operation {
    Operation::Delete(key)
}

fn received(packet_id: u16, delivery_id: u64, answered: bool) -> Operation {
    Operation::Put(Record::Received { packet_id: id(packet_id), delivery_id, answered })
}

/// What is on the way out, and the keys that the store writes before; nothing more comes after.
fn stores_then_sends(durable: &mut Durable, keys: &[Key], packets: &[Packet]) {
    assert_eq!(durable.rig.sent(), [], "before the store has it");
    let keys_of = |operation: &Operation| match operation {
        Operation::Put(record) => record.key(),
        Operation::Delete(key) => *key,
    };
    assert_eq!(durable.begin().iter().map(keys_of).collect::<Vec<_>>(), keys);
    assert_eq!(durable.rig.sent(), [], "while the store writes it");
    durable.commit();
    assert_eq!(durable.rig.sent(), packets);
    assert_eq!(durable.begin(), []);
}

#[test]
fn without_the_option_nothing_is_to_be_stored_and_nothing_waits() {
    both(|version| {
        let mut rig = Rig::ready(version);
        let mut batch = Vec::new();
        rig.publish(1, ExactlyOnce);
        assert_eq!(rig.sent(), packets([publish_packet(1, ExactlyOnce, 1)]));
        rig.peer_ok(pubrec(1));
        assert_eq!(rig.sent(), packets([pubrel(1).into()]));
        rig.peer_ok(publish(1, ExactlyOnce, 1));
        rig.events();
        assert_eq!(rig.session.poll_store(rig.now, &mut batch), None);
        assert_eq!(batch, []);
        rig.session.handle_store_failed(rig.now);
        rig.publish(2, AtLeastOnce);
    });
}

#[test]
fn an_outgoing_qos_1_flow_is_one_put_and_one_delete() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.publish(1, AtLeastOnce);
        stores_then_sends(&mut durable, &[Key::Publish(id(1))], &[publish_packet(1, AtLeastOnce, 1)]);
        durable.rig.peer_ok(puback(1));
        assert_eq!(durable.rig.events(), [acknowledged(publish(1, AtLeastOnce, 1), 1, puback(1))]);
        assert_eq!(durable.store(), [delete(Key::Publish(id(1)))]);
        assert_eq!(durable.rig.sent(), []);
    });
}

// [3.1.1 MQTT-4.3.3-1] [5.0 MQTT-4.3.3-4]
#[test]
fn an_outgoing_qos_2_flow_writes_its_message_once() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.publish(1, ExactlyOnce);
        stores_then_sends(&mut durable, &[Key::Publish(id(1))], &[publish_packet(1, ExactlyOnce, 1)]);
        durable.rig.peer_ok(pubrec(1));
        stores_then_sends(&mut durable, &[Key::Release(id(1))], &[pubrel(1).into()]);
        durable.rig.peer_ok(pubcomp(1));
        assert_eq!(durable.rig.events(), [acknowledged(publish(1, ExactlyOnce, 1), 1, pubcomp(1))]);
        let ended = [Key::Publish(id(1)), Key::Release(id(1))].map(delete);
        assert_eq!(durable.store(), ended);
    });
}

// [3.1.1 MQTT-4.3.3-2] [5.0 MQTT-4.3.3-8] [5.0 MQTT-4.3.3-11]
#[test]
fn an_inbound_qos_2_flow_is_stored_before_each_of_its_steps() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.peer_ok(publish(1, ExactlyOnce, 5));
        durable.rig.peer_ok(again(publish(1, ExactlyOnce, 5)));
        assert_eq!(durable.begin(), [received(5, 0, false)]);
        assert_eq!(durable.rig.events(), [], "its delivery id is not stored");
        durable.commit();
        let token = durable.rig.token();
        assert_eq!(token.delivery_id(), 0);
        durable.rig.session.acknowledge(token, ReasonCode::Success);
        stores_then_sends(&mut durable, &[Key::Received(id(5))], &[pubrec(5).into()]);
        durable.rig.peer_ok(again(publish(1, ExactlyOnce, 5)));
        assert_eq!(durable.rig.sent(), packets([pubrec(5).into()]), "it is stored");
        durable.rig.peer_ok(pubrel(5));
        stores_then_sends(&mut durable, &[Key::Received(id(5))], &[pubcomp(5).into()]);
        assert_eq!(durable.disk.records().len(), 1, "the session's");
    });
}

#[test]
fn a_refused_message_is_forgotten_before_the_server_hears_of_it() {
    let mut durable = Durable::ready(V5);
    durable.rig.peer_ok(publish(1, ExactlyOnce, 5));
    durable.store();
    let token = durable.rig.token();
    durable.rig.session.acknowledge(token, ReasonCode::QuotaExceeded);
    let refusal = pubrec(5).with_reason(ReasonCode::QuotaExceeded);
    stores_then_sends(&mut durable, &[Key::Received(id(5))], &[refusal.into()]);
    assert_eq!(durable.disk.records().len(), 1, "the session's");
}

#[test]
fn messages_of_qos_1_are_not_stored_and_wait_for_nothing() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.peer_ok(publish(1, ExactlyOnce, 5));
        durable.rig.peer_ok(publish(2, AtLeastOnce, 6));
        durable.rig.peer_ok(publish(3, AtMostOnce, 0));
        let messages = durable.rig.messages();
        let [Inbound { token: Some(token), .. }, Inbound { token: None, .. }] = messages[..] else {
            panic!("{messages:?}")
        };
        durable.rig.session.acknowledge(token, ReasonCode::Success);
        assert_eq!(durable.rig.sent(), packets([puback(6).into()]));
        assert_eq!(durable.begin(), [received(5, 0, false)]);
    });
}

#[test]
fn what_relies_on_nothing_overtakes() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.publish(1, AtLeastOnce);
        durable.rig.publish(2, AtMostOnce);
        durable.rig.submit(Command::Ping { tag: 3 }).unwrap();
        durable.rig.submit(subscribe(4, &["t"])).unwrap();
        let expected = [Packet::Pingreq, publish_packet(2, AtMostOnce, 0), subscribe_packet(2, &["t"])];
        assert_eq!(durable.rig.sent(), expected);
        durable.store();
        assert_eq!(durable.rig.sent(), packets([publish_packet(1, AtLeastOnce, 1)]));
    });
}

#[test]
fn one_batch_is_written_while_the_next_one_gathers() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.publish(1, AtLeastOnce);
        assert_eq!(durable.begin().len(), 1);
        for tag in 2..=4 {
            durable.rig.publish(tag, AtLeastOnce);
        }
        assert_eq!(durable.begin(), [], "one is out");
        durable.commit();
        assert_eq!(durable.rig.sent(), packets([publish_packet(1, AtLeastOnce, 1)]));
        durable.rig.peer_ok(puback(1));
        let operations = durable.begin();
        assert_eq!(operations.len(), 4);
        assert_eq!(operations[3], delete(Key::Publish(id(1))));
        assert_eq!(durable.rig.sent(), []);
        durable.commit();
        assert_eq!(
            durable.rig.sent(),
            (2..=4).map(|n| publish_packet(n.into(), AtLeastOnce, n)).collect::<Vec<_>>()
        );
    });
}

#[test]
fn a_report_of_the_store_that_is_none_does_nothing() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.publish(1, AtLeastOnce);
        for batch in 0..5 {
            durable.rig.session.handle_stored(durable.rig.now, batch);
        }
        assert_eq!(durable.rig.sent(), [], "it was not handed out");
        durable.begin();
        for batch in [0, 1, 3, u64::MAX] {
            durable.rig.session.handle_stored(durable.rig.now, batch);
        }
        assert_eq!(durable.rig.sent(), []);
        durable.commit();
        assert_eq!(durable.rig.sent().len(), 1);
    });
}

#[test]
fn a_new_connection_waits_for_the_same() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.publish(1, ExactlyOnce);
        durable.rig.publish(2, ExactlyOnce);
        durable.store();
        durable.rig.sent();
        durable.rig.peer_ok(pubrec(2));
        durable.begin();
        durable.rig.peer_ok(pubrec(1));
        durable.rig.publish(3, AtLeastOnce);
        let (events, sent) = durable.rig.resume();
        assert_eq!((events, sent), (vec![], vec![]));
        durable.commit();
        assert_eq!(durable.rig.sent(), packets([pubrel(2).into()]));
        durable.store();
        assert_eq!(durable.rig.sent(), packets([pubrel(1).into(), publish_packet(3, AtLeastOnce, 3)]));
    });
}

#[test]
fn a_message_that_was_not_told_before_the_cut_is_told_when_it_is_shown_again() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.peer_ok(publish(1, ExactlyOnce, 1));
        durable.begin();
        durable.rig.resume();
        durable.commit();
        assert_eq!(durable.rig.events(), [], "the connection that brought it is over");
        assert_eq!(durable.rig.session.inbound_unacknowledged(), 0);
        durable.rig.peer_ok(again(publish(1, ExactlyOnce, 1)));
        assert_eq!(durable.rig.token().delivery_id(), 0);
    });
}

// A server that has its answer may use the identifier for another message.
#[test]
fn no_pubcomp_leaves_while_the_store_may_still_know_the_message() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.peer_ok(publish(1, ExactlyOnce, 1));
        durable.store();
        let token = durable.rig.token();
        durable.rig.session.acknowledge(token, ReasonCode::Success);
        durable.store();
        durable.rig.sent();
        durable.rig.peer_ok(pubrel(1));
        durable.begin();
        durable.rig.resume();
        durable.rig.peer_ok(pubrel(1));
        assert_eq!(durable.rig.sent(), [], "it is unknown, but not yet to the store");
        durable.commit();
        let reason = if version == V5 { ReasonCode::PacketIdentifierNotFound } else { ReasonCode::Success };
        assert_eq!(durable.rig.sent(), packets([pubcomp(1).with_reason(reason).into()]));
    });
}

#[test]
fn a_lost_session_is_lost_to_the_store_before_anything_new_is_asked_for() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.publish(1, ExactlyOnce);
        durable.rig.peer_ok(publish(1, ExactlyOnce, 7));
        durable.store();
        durable.rig.sent();
        durable.rig.events();
        durable.rig.cut();
        let events = durable.rig.accept(connack());
        assert!(matches!(events[..], [Event::PublishLost { tag: 1, .. }]), "{events:?}");
        durable.rig.submit(subscribe(2, &["t"])).unwrap();
        durable.rig.publish(3, AtMostOnce);
        assert_eq!(durable.rig.sent(), packets([publish_packet(3, AtMostOnce, 0)]));
        let lost = [Key::Publish(id(1)), Key::Received(id(7))].map(delete);
        assert_eq!(durable.store(), lost);
        assert_eq!(durable.rig.sent(), packets([subscribe_packet(2, &["t"])]));
    });
}

#[test]
fn a_lost_session_is_lost_to_the_store_first_even_if_the_next_connection_resumes_the_new_one() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.peer_ok(publish(1, ExactlyOnce, 7));
        durable.store();
        durable.rig.events();
        durable.rig.cut();
        durable.rig.accept(connack());
        durable.rig.resume();
        durable.rig.submit(subscribe(2, &["t"])).unwrap();
        assert_eq!(durable.rig.sent(), []);
        assert_eq!(durable.store(), [delete(Key::Received(id(7)))]);
        assert_eq!(durable.rig.sent(), packets([subscribe_packet(1, &["t"])]));
    });
}

// [3.1.1 MQTT-4.6.0-4] [5.0 MQTT-4.6.0-4]
#[test]
fn pubrels_keep_the_order_of_pubrecs_though_some_rely_on_nothing() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.publish(1, ExactlyOnce);
        durable.store();
        durable.rig.sent();
        durable.rig.peer_ok(pubrec(1));
        durable.rig.peer_ok(pubrec(9));
        assert_eq!(durable.rig.sent(), []);
        durable.store();
        let reason = if version == V5 { ReasonCode::PacketIdentifierNotFound } else { ReasonCode::Success };
        let expected = packets([pubrel(1).into(), pubrel(9).with_reason(reason).into()]);
        assert_eq!(durable.rig.sent(), expected);
    });
}

#[test]
fn no_pubcomp_leaves_when_the_store_has_failed() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.peer_ok(publish(1, ExactlyOnce, 1));
        durable.store();
        let token = durable.rig.token();
        durable.rig.session.acknowledge(token, ReasonCode::Success);
        durable.store();
        durable.rig.sent();
        durable.rig.session.handle_store_failed(durable.rig.now);
        durable.rig.peer_ok(pubrel(1));
        assert_eq!(durable.rig.sent(), [], "the store would swallow the next message with this identifier");
    });
}

#[test]
fn disconnect_waits_for_what_was_submitted_before() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.publish(1, AtLeastOnce);
        let farewell = mqtt_session::codec::Disconnect::new(ReasonCode::Success);
        durable.rig.submit(Command::Disconnect(farewell)).unwrap();
        assert_eq!(durable.rig.sent(), []);
        assert_eq!(durable.rig.deadline().unwrap().timer, Timer::Close);
        durable.store();
        let expected = [publish_packet(1, AtLeastOnce, 1), disconnect(ReasonCode::Success)];
        assert_eq!(durable.rig.sent(), expected);
    });
}

#[test]
fn a_store_that_fails_stops_what_relies_on_it_and_nothing_else() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.publish(1, ExactlyOnce);
        durable.store();
        durable.rig.sent();
        durable.rig.publish(2, AtLeastOnce);
        durable.rig.peer_ok(pubrec(1));
        durable.rig.peer_ok(publish(3, ExactlyOnce, 9));
        durable.begin();
        durable.rig.session.handle_store_failed(durable.rig.now);
        durable.commit();
        for _ in 0..2 {
            assert_eq!(durable.rig.sent(), [], "PUBLISH 2, PUBREL 1");
            assert_eq!(durable.rig.events(), [], "the message of QoS 2");
            for qos in [AtLeastOnce, ExactlyOnce] {
                let command = Command::Publish { tag: 4, publish: message(4, qos) };
                assert_eq!(durable.rig.submit(command), Err(Refusal::StoreFailed));
            }
            assert_eq!(durable.rig.session.publish_room(), 0);
            assert_eq!(durable.begin(), []);
            durable.rig.publish(5, AtMostOnce);
            durable.rig.peer_ok(publish(6, AtLeastOnce, 8));
            let token = durable.rig.token();
            durable.rig.session.acknowledge(token, ReasonCode::Success);
            assert_eq!(durable.rig.sent(), packets([puback(8).into(), publish_packet(5, AtMostOnce, 0)]));
            durable.rig.events();
            let (events, sent) = durable.rig.resume();
            assert_eq!((events, sent), (vec![], vec![]), "nor on a new connection");
        }
        let farewell = mqtt_session::codec::Disconnect::new(ReasonCode::Success);
        durable.rig.submit(Command::Disconnect(farewell)).unwrap();
        assert_eq!(durable.rig.sent(), [disconnect(ReasonCode::Success)]);
    });
}

#[test]
fn a_stored_publish_counts_as_transmitted_after_a_crash() {
    both(|version| {
        let mut durable = Durable::ready(version);
        durable.rig.publish(1, AtLeastOnce);
        durable.begin();
        durable.crash(true);
        durable.rig.accept(Connack::new(true, ReasonCode::Success));
        assert_eq!(durable.rig.sent(), [again(publish(1, AtLeastOnce, 1)).into()]);
    });
}

#[test]
fn a_snapshot_of_what_was_not_transmitted_is_amended_before_it_is() {
    both(|version| {
        let mut durable = Durable::new(version);
        let mut rig = Rig::ready(version);
        rig.publish(1, AtLeastOnce);
        let records: Vec<_> = rig.session.snapshot().collect();
        durable.rig.go_on_from(records, Duration::ZERO);
        durable.rig.accept(Connack::new(true, ReasonCode::Success));
        stores_then_sends(&mut durable, &[Key::Publish(id(1))], &[publish_packet(1, AtLeastOnce, 1)]);
        let transmitted = |record: &Record| matches!(record, Record::Publish { transmitted: true, .. });
        assert!(durable.disk.records().iter().any(transmitted));
    });
}

/// The window has become smaller meanwhile, and the store has the second one only when its turn is over.
#[test]
fn a_publish_that_was_stored_late_and_has_no_room_holds_up_nothing_behind_it() {
    let mut durable = Durable::ready(V5);
    durable.rig.publish(1, AtLeastOnce);
    durable.store();
    assert_eq!(durable.rig.sent(), [publish_packet(1, AtLeastOnce, 1)]);
    durable.rig.publish(2, AtLeastOnce);
    durable.begin();
    durable.rig.cut();
    let mut smaller = Connack::new(true, ReasonCode::Success);
    smaller.properties.set_receive_maximum(NonZeroU16::MIN);
    durable.rig.accept(smaller);
    assert_eq!(durable.rig.sent(), [again(publish(1, AtLeastOnce, 1)).into()]);
    durable.commit();
    assert_eq!(durable.rig.sent(), [], "there is no room");
    durable.rig.publish(3, AtMostOnce);
    durable.rig.publish(4, AtMostOnce);
    let unasked = [3, 4].map(|n| Packet::from(message(n, AtMostOnce)));
    assert_eq!(durable.rig.sent(), unasked);
    durable.rig.peer_ok(puback(1));
    assert_eq!(durable.rig.sent(), [publish_packet(2, AtLeastOnce, 2)]);
}

#[test]
fn an_identifier_that_is_barred_is_stored() {
    let mut durable = Durable::ready(V5);
    let mut retained = message(1, ExactlyOnce);
    retained.retain = true;
    durable.rig.submit(Command::Publish { tag: 1, publish: retained }).unwrap();
    durable.store();
    durable.rig.sent();
    durable.rig.cut();
    let mut without_retain = Connack::new(true, ReasonCode::Success);
    without_retain.properties.set_retain_available(false);
    let events = durable.rig.accept(without_retain);
    assert!(matches!(events[..], [Event::Published { result: PublishEnd::Forbidden(_), .. }]), "{events:?}");
    let barred = Operation::Put(Record::Barred { packet_id: id(1) });
    assert_eq!(durable.store(), [barred, delete(Key::Publish(id(1)))]);
    durable.rig.cut();
    durable.rig.accept(connack());
    assert_eq!(durable.store(), [delete(Key::Barred(id(1)))], "the server lost the session");
}

#[test]
fn message_expiry_goes_on_through_restarts() {
    let second = Duration::from_secs(1);
    let mut durable = Durable::ready(V5);
    let mut expiring = message(1, AtLeastOnce);
    expiring.properties.set_message_expiry_interval(100);
    durable.rig.submit(Command::Publish { tag: 1, publish: expiring }).unwrap();
    durable.store();
    durable.rig.sent();
    let mut left = Vec::new();
    for _ in 0..4 {
        durable.rig.pass(10 * second);
        // The clock is that of the latest batch.
        durable.rig.publish(2, AtLeastOnce);
        durable.store();
        durable.rig.now = Timestamp::from_micros([0, 7_000_000_000][left.len() % 2]);
        durable.rig.go_on_from(durable.disk.records(), 15 * second);
        durable.rig.accept(Connack::new(true, ReasonCode::Success));
        let sent = durable.rig.sent();
        let Packet::Publish(Publish { properties, .. }) = &sent[0] else { panic!("{sent:?}") };
        left.extend(properties.message_expiry_interval());
    }
    assert_eq!(left, [75, 50, 25, 1], "and it is seen through");
}

#[test]
fn a_publish_that_waits_for_the_store_has_its_place_in_the_window() {
    let config = Config { version: V5, durable: true, max_in_flight: 2, ..Config::default() };
    let mut durable = Durable::with_config(config);
    durable.rig.accept(connack());
    durable.begin();
    for tag in 0..2 {
        durable.rig.publish(tag, AtLeastOnce);
    }
    let command = Command::Publish { tag: 2, publish: message(2, AtLeastOnce) };
    assert_eq!(durable.rig.submit(command), Err(Refusal::WindowFull), "though nothing was sent");
}
