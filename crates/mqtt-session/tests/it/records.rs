//! Records as bytes: known answers in both directions, and each way in which a store can be damaged.

use std::time::Duration;

use mqtt_session::codec::bytes::Bytes;
use mqtt_session::codec::{Connack, Publish, ReasonCode, Text};
use mqtt_session::{Config, Fault, Key, Operation, Record, RestoreError, Session, Timestamp};
use proptest::prelude::*;

use crate::support::*;

fn session(client_id: Option<Text>) -> Record {
    Record::Session {
        version: V5,
        clock: Timestamp::from_micros(4),
        client_id,
        next_packet_id: id(0x0102),
        next_delivery_id: 3,
    }
}

fn stored(publish: Publish, transmitted: bool, order: u64) -> Record {
    Record::Publish { packet_id: id(7), tag: 0x0a0b, order, transmitted, expires: None, publish }
}

fn unsent() -> Record {
    stored(publish(9, AtLeastOnce, 7), false, 5)
}

fn sent() -> Record {
    stored(publish(9, ExactlyOnce, 7), true, 5)
}

fn with_properties() -> Publish {
    let mut publish = publish(9, ExactlyOnce, 7);
    publish.properties.set_content_type(&text("x"));
    publish
}

fn expiring() -> Record {
    let expires = Some(Timestamp::from_micros(256));
    let publish = with_properties();
    Record::Publish { packet_id: id(7), tag: 0x0a0b, order: 5, transmitted: true, expires, publish }
}

/// Each kind of record, its key and its value.
fn known_answers() -> Vec<(Record, &'static [u8], &'static [u8])> {
    vec![
        (session(None), b"\0\0\0", b"\x01\x05\0\0\0\0\0\0\0\x04\x01\x02\0\0\0\0\0\0\0\x03\0"),
        (session(Some(text("me"))), b"\0\0\0", b"\x01\x05\0\0\0\0\0\0\0\x04\x01\x02\0\0\0\0\0\0\0\x03\x01me"),
        (unsent(), b"\x01\0\x07", b"\x01\x04\0\0\0\0\0\0\0\x0a\x0b\0\0\0\0\0\0\0\x05\0\x32\x06\0\x01t\0\x079"),
        (
            stored(with_properties(), true, 5),
            b"\x01\0\x07",
            b"\x01\x05\x01\0\0\0\0\0\0\x0a\x0b\0\0\0\0\0\0\0\x05\0\x34\x0b\0\x01t\0\x07\x04\x03\0\x01x9",
        ),
        (
            expiring(),
            b"\x01\0\x07",
            b"\x01\x05\x01\0\0\0\0\0\0\x0a\x0b\0\0\0\0\0\0\0\x05\x01\0\0\0\0\0\0\x01\0\x34\x0b\0\x01t\0\x07\x04\x03\0\x01x9",
        ),
        (
            Record::Release { packet_id: id(0x1234), order: 6, reason: ReasonCode::NoMatchingSubscribers },
            b"\x02\x12\x34",
            b"\x01\0\0\0\0\0\0\0\x06\x10",
        ),
        (Record::Barred { packet_id: id(8) }, b"\x03\0\x08", b"\x01"),
        (
            Record::Received { packet_id: id(65_535), delivery_id: 2, answered: true },
            b"\x04\xff\xff",
            b"\x01\0\0\0\0\0\0\0\x02\x01",
        ),
    ]
}

fn decode(key: &[u8], value: &[u8]) -> Result<Record, RestoreError> {
    Record::decode(Key::from_bytes(key)?, &Bytes::copy_from_slice(value))
}

#[test]
fn known_answers_in_both_directions() {
    for (record, key, value) in known_answers() {
        let mut encoded = b"before".to_vec();
        record.encode(&mut encoded).unwrap();
        assert_eq!(record.key().to_bytes(), key, "{record:?}");
        assert_eq!(&encoded[6..], value, "{record:?}");
        assert_eq!(decode(key, value), Ok(record));
    }
}

#[test]
fn a_repetition_is_stored_as_the_message_that_it_repeats() {
    let mut encoded = Vec::new();
    stored(again(publish(9, AtLeastOnce, 7)), false, 5).encode(&mut encoded).unwrap();
    assert_eq!(encoded, known_answers()[2].2);
}

#[test]
fn a_value_that_is_cut_anywhere_is_damaged() {
    for (record, key, value) in known_answers() {
        for end in 0..value.len() {
            match (decode(key, &value[..end]), &record) {
                // A client identifier is what is left, whatever that is.
                (Ok(Record::Session { client_id: Some(rest), .. }), Record::Session { .. }) => {
                    assert_eq!(rest.len(), end - (value.len() - 2));
                }
                (Ok(other), _) => panic!("{other:?} of {:02x?}", &value[..end]),
                (Err(RestoreError::Record { key: found, fault }), _) => {
                    assert_eq!(found, record.key());
                    assert!(matches!(fault, Fault::Short | Fault::Packet(_)), "{fault:?}");
                }
                (Err(other), _) => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn damage_is_named() {
    let check = |number: usize, damage: fn(&mut Vec<u8>), expected: Fault| {
        let (record, key, value) = known_answers().swap_remove(number);
        let mut value = value.to_vec();
        damage(&mut value);
        let error = decode(key, &value).unwrap_err();
        assert_eq!(error, RestoreError::Record { key: record.key(), fault: expected });
    };
    for number in 0..known_answers().len() {
        check(number, |value| value[0] = 2, Fault::Format(2));
    }
    check(0, |value| value[1] = 6, Fault::Field("protocol level"));
    check(0, |value| value[10..12].fill(0), Fault::Field("packet identifier"));
    check(0, |value| value[20] = 2, Fault::Field("client identifier flag"));
    check(0, |value| value.push(0), Fault::Long);
    check(1, |value| value[21] = 0xff, Fault::Field("client identifier"));
    check(1, |value| value[21] = 0, Fault::Field("client identifier"));
    check(2, |value| value[1] = 3, Fault::Field("protocol level"));
    check(2, |value| value[2] = 2, Fault::Field("transmitted flag"));
    check(2, |value| value[19] = 2, Fault::Field("expiry flag"));
    check(2, |value| value[20] |= 0x08, Fault::Field("DUP"));
    check(2, |value| value[26] = 8, Fault::Field("packet identifier"));
    check(2, |value| value.splice(20.., *b"\xc0\0").for_each(drop), Fault::Field("packet type"));
    check(3, |value| value.splice(27.., *b"\x03\x23\0\x0199").for_each(drop), Fault::Field("topic alias"));
    check(5, |value| value[9] = 0x80, Fault::Field("reason"));
    check(5, |value| value[9] = 0x11, Fault::Field("reason"));
    check(5, |value| value.push(0), Fault::Long);
    check(6, |value| value.push(0), Fault::Long);
    check(7, |value| value[9] = 2, Fault::Field("answered flag"));
    check(7, |value| value.push(0), Fault::Long);
}

#[test]
fn a_key_of_another_shape_is_unknown() {
    for key in
        [&b""[..], b"\0", b"\0\0", b"\0\0\x01", b"\x01\0\0", b"\x04\0\0", b"\x05\0\x01", b"\x01\0\x01\0"]
    {
        assert_eq!(Key::from_bytes(key), Err(RestoreError::UnknownKey(key.to_vec())));
    }
}

#[test]
fn records_that_make_no_session_are_refused() {
    let check = |records: &[Record], key: Key, fault: Fault| {
        let config = Config { version: V5, ..Config::default() };
        let restored = Session::restore(config, records.iter().cloned(), Timestamp::ZERO, Duration::ZERO);
        assert_eq!(restored.map(drop), Err(RestoreError::Record { key, fault }));
    };
    let session = session(None);
    let release = Record::Release { packet_id: id(7), order: 6, reason: ReasonCode::Success };
    let received = Record::Received { packet_id: id(7), delivery_id: 3, answered: false };
    let barred = Record::Barred { packet_id: id(7) };

    check(&[sent()], Key::Session, Fault::Missing);
    check(&[sent(), session.clone(), sent()], Key::Publish(id(7)), Fault::Repeated);
    let released_too_early = "no publish of QoS 2 was transmitted with this identifier";
    for publish in [
        None,
        Some(stored(publish(9, ExactlyOnce, 7), false, 5)),
        Some(stored(publish(9, AtLeastOnce, 7), true, 5)),
    ] {
        let records: Vec<_> = publish.into_iter().chain([session.clone(), release.clone()]).collect();
        check(&records, Key::Release(id(7)), Fault::Contradiction(released_too_early));
    }
    check(
        &[session.clone(), sent(), barred],
        Key::Barred(id(7)),
        Fault::Contradiction("a publish has this identifier"),
    );
    check(
        &[session.clone(), received],
        Key::Received(id(7)),
        Fault::Contradiction("its delivery id has not been given to a message yet"),
    );
    let endless = Record::Session {
        version: V5,
        client_id: None,
        clock: Timestamp::ZERO,
        next_packet_id: id(1),
        next_delivery_id: u64::MAX,
    };
    check(&[endless], Key::Session, Fault::Field("delivery id"));
    let endless = stored(publish(9, AtLeastOnce, 7), true, u64::MAX);
    check(&[session.clone(), endless], Key::Publish(id(7)), Fault::Field("order"));
    let unreliable = stored(message(9, AtMostOnce), true, 5);
    check(&[session, unreliable], Key::Publish(id(7)), Fault::Field("QoS"));
}

#[test]
fn a_session_of_the_other_version_is_not_carried_over() {
    let config = Config { version: V311, ..Config::default() };
    let error =
        Session::restore(config.clone(), [session(None)], Timestamp::ZERO, Duration::ZERO).unwrap_err();
    assert_eq!(error.to_string(), "stored session: the session is one of MQTT 5.0");
    let session = Record::Session {
        version: V311,
        client_id: None,
        clock: Timestamp::ZERO,
        next_packet_id: id(1),
        next_delivery_id: 0,
    };
    let error = Session::restore(
        config,
        [session, stored(with_properties(), true, 5)],
        Timestamp::ZERO,
        Duration::ZERO,
    )
    .unwrap_err();
    assert_eq!(error.to_string(), "stored publish 7: it has properties, which MQTT 3.1.1 does not know");
}

/// What a store holds of a session with a bit of everything.
fn store() -> Vec<(Vec<u8>, Vec<u8>)> {
    let records = [
        session(Some(text("client"))),
        stored(with_properties(), true, 5),
        Record::Release { packet_id: id(7), order: 6, reason: ReasonCode::Success },
        Record::Barred { packet_id: id(8) },
        Record::Received { packet_id: id(9), delivery_id: 1, answered: false },
        Record::Received { packet_id: id(10), delivery_id: 2, answered: true },
    ];
    let entry = |record: &Record| {
        let mut value = Vec::new();
        record.encode(&mut value).unwrap();
        (record.key().to_bytes().to_vec(), value)
    };
    records.iter().map(entry).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_store_is_an_error_or_a_session_that_works(
        damage in prop::collection::vec((0..6_usize, any::<bool>(), any::<usize>(), any::<u8>()), 1..4),
    ) {
        let mut store = store();
        for (entry, in_key, at, byte) in damage {
            let bytes = if in_key { &mut store[entry].0 } else { &mut store[entry].1 };
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let records: Result<Vec<_>, _> = store.iter().map(|(key, value)| decode(key, value)).collect();
        let Ok(records) = records else { return Ok(()) };
        for record in &records {
            let mut value = Vec::new();
            record.encode(&mut value).unwrap();
            prop_assert_eq!(decode(&record.key().to_bytes(), &value), Ok(record.clone()));
        }
        // Damage may have made any identifier one that a message was received with.
        let received = |number| {
            let is_it = |record: &Record| matches!(record, Record::Received { packet_id, .. } if packet_id.get() == number);
            records.iter().any(is_it)
        };
        let unused = (100..).find(|number| !received(*number)).unwrap();
        let config = Config { version: V5, durable: true, ..Config::default() };
        let Ok(session) = Session::restore(config.clone(), records, Timestamp::ZERO, Duration::ZERO) else {
            return Ok(());
        };
        let mut rig = Rig::with_config(config);
        rig.session = session;
        rig.accept(Connack::new(true, ReasonCode::Success));
        rig.publish(1, ExactlyOnce);
        rig.peer_ok(publish(1, ExactlyOnce, unused));
        let mut batch = Vec::new();
        let number = rig.session.poll_store(rig.now, &mut batch).unwrap();
        rig.session.handle_stored(rig.now, number);
        prop_assert!(rig.sent().contains(&publish_packet(1, ExactlyOnce, identifier_in(&batch))));
        prop_assert_eq!(rig.messages().len(), 1);
    }
}

/// The identifier that a publish got: the last that is stored.
fn identifier_in(batch: &[Operation]) -> u16 {
    let id = |operation: &Operation| match operation {
        Operation::Put(Record::Publish { packet_id, transmitted: true, tag: 1, .. }) => Some(packet_id.get()),
        _ => None,
    };
    batch.iter().filter_map(id).next_back().unwrap()
}
