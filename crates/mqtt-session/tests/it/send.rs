//! `send`: publishes of QoS 0 that are encoded at once, and of which no event tells.

use std::time::Duration;

use mqtt_session::codec::{Disconnect, Packet, PlainPublish, Publish, ReasonCode};
use mqtt_session::{Batch, BatchForm, Command, Config, Direction, PacketTrace, Refusal, Timer};

use crate::support::*;

#[test]
fn it_goes_out_in_the_order_of_the_calls_and_no_event_tells_of_it() {
    both(|version| {
        let mut rig = Rig::ready(version);
        let ends = [1, 2].map(|n| rig.session.send(&message(n, AtMostOnce)).unwrap());
        rig.publish(3, AtLeastOnce);
        assert_eq!(rig.session.send(&message(4, AtMostOnce)), Err(Refusal::Busy), "3 goes first");
        let connect = rig.session.written();
        let each = ends[1] - ends[0];
        assert_eq!(ends[0], connect + each);
        rig.duty();
        let written = usize::try_from(each).unwrap();
        rig.output.advance(written);
        rig.session.handle_written(rig.now, written);
        assert_eq!(rig.session.written(), ends[0], "the transport has all of the first");
        let rest = rig.sent_bytes();
        assert_eq!(rest[..written].last(), Some(&b'2'));
        assert!(rest.len() > written, "and 3 behind it");
        assert!(rig.session.written() > ends[1]);
        assert!(rig.session.send(&message(4, AtMostOnce)).is_ok());
        assert_eq!(rig.sent(), packets([publish_packet(4, AtMostOnce, 0)]));
        assert_eq!(rig.events(), []);
        rig.cut();
    });
}

#[test]
fn it_is_refused_as_submit_refuses() {
    both(|version| {
        let large =
            |payload: usize| Publish { payload: vec![b'x'; payload].into(), ..message(0, AtMostOnce) };
        let mut rig = Rig::new(version);
        assert_eq!(rig.session.send(&message(1, AtMostOnce)), Err(Refusal::NotReady));
        rig.accept(connack());
        let wrong = Refusal::QosNotSupported { qos: AtLeastOnce, maximum: AtMostOnce };
        assert_eq!(rig.session.send(&message(1, AtLeastOnce)), Err(wrong));
        rig.session.send(&large(70_000)).unwrap();
        assert_eq!(rig.session.send(&message(1, AtMostOnce)), Err(Refusal::Busy), "too much waits");
        assert!(!rig.session.can_send_qos0());
        rig.sent();
        rig.session.send(&message(1, AtMostOnce)).unwrap();
        rig.submit(Command::Disconnect(Disconnect::default())).unwrap();
        assert_eq!(rig.session.send(&message(2, AtMostOnce)), Err(Refusal::NotReady));
        let farewell = disconnect(ReasonCode::Success);
        assert_eq!(
            rig.sent(),
            packets([publish_packet(1, AtMostOnce, 0), farewell]),
            "DISCONNECT follows it"
        );
    });
    let mut rig = Rig::new(V5);
    let mut limited = connack();
    limited.properties.set_maximum_packet_size(10.try_into().unwrap());
    rig.accept(limited);
    let too_large = rig.session.send(&Publish { payload: vec![0; 10].into(), ..message(1, AtMostOnce) });
    assert!(matches!(too_large, Err(Refusal::PacketTooLarge { limit: 10, .. })), "{too_large:?}");
    assert_eq!(rig.sent(), [], "nothing of it is left behind");
}

#[test]
fn it_is_traced_and_watched_like_any_output() {
    both(|version| {
        let mut rig = Rig::ready_with_config(Config { version, trace: true, ..Config::default() });
        rig.session.take_trace().for_each(drop);
        rig.session.send(&message(1, AtMostOnce)).unwrap();
        let records: Vec<PacketTrace> = rig.session.take_trace().collect();
        let [PacketTrace { direction: Direction::Outbound, len, topic: Some(_), .. }] = &records[..] else {
            panic!("{records:?}")
        };
        let deadline = rig.deadline().expect("a transport that takes nothing is given up");
        assert_eq!((*len, deadline.timer), (rig.output.len(), Timer::Write));
        assert_eq!(deadline.at, rig.now + Config::default().write_timeout);
        rig.now += Duration::from_secs(1);
        assert_eq!(rig.sent(), packets([Packet::from(message(1, AtMostOnce))]));
    });
}

#[test]
fn it_takes_part_in_topic_aliases() {
    let mut rig = Rig::with_config(Config { version: V5, max_outbound_aliases: 1, ..Config::default() });
    let mut answer = connack();
    answer.properties.set_topic_alias_maximum(1);
    rig.accept(answer);
    let topic = mqtt_session::codec::TopicName::new("a/topic/of/some/length").unwrap();
    let publish = Publish { topic: topic.clone(), ..message(1, AtMostOnce) };
    rig.session.send(&publish).unwrap();
    rig.session.send(&publish).unwrap();
    let topics = rig.sent().into_iter().map(|packet| match packet {
        Packet::Publish(publish) => (publish.topic.as_str().to_owned(), publish.properties.topic_alias()),
        other => panic!("{other:?}"),
    });
    let topics: Vec<_> = topics.map(|(topic, alias)| (topic, alias.is_some())).collect();
    assert_eq!(topics, [(topic.as_str().to_owned(), true), (String::new(), true)]);
}

/// These messages, encoded.
fn batch(rig: &Rig, numbers: impl IntoIterator<Item = u64>) -> Batch {
    let mut batch = Batch::default();
    for n in numbers {
        rig.session.encode(&message(n, AtMostOnce), &mut batch).unwrap();
    }
    batch
}

#[test]
fn a_batch_goes_out_whole_in_its_turn() {
    both(|version| {
        let mut rig = Rig::ready(version);
        let connect = rig.session.written();
        let mut encoded = batch(&rig, 1..=3);
        let size = encoded.len();
        rig.session.send(&message(0, AtMostOnce)).unwrap();
        let end = rig.session.send_batch(&mut encoded).unwrap();
        assert_eq!((encoded.len(), end), (0, connect + size as u64 / 3 * 4));
        rig.publish(4, AtLeastOnce);
        let mut next = batch(&rig, [5]);
        assert_eq!(rig.session.send_batch(&mut next), Err(Refusal::Busy), "4 goes first");
        let mut sent = [0, 1, 2, 3].map(|n| publish_packet(n, AtMostOnce, 0)).to_vec();
        sent.push(publish_packet(4, AtLeastOnce, 1));
        assert_eq!(rig.sent(), sent);
        rig.session.send_batch(&mut next).unwrap();
        assert_eq!(rig.sent(), packets([publish_packet(5, AtMostOnce, 0)]));
        assert_eq!(rig.events(), []);
    });
}

#[test]
fn a_batch_waits_for_room_and_ends_with_its_connection() {
    both(|version| {
        let mut rig = Rig::ready(version);
        let large = Publish { payload: vec![b'x'; 70_000].into(), ..message(0, AtMostOnce) };
        rig.session.send(&large).unwrap();
        let mut encoded = batch(&rig, [1, 2]);
        let size = encoded.len();
        assert_eq!(rig.session.send_batch(&mut encoded), Err(Refusal::Busy), "too much waits");
        rig.cut();
        assert_eq!(rig.session.send_batch(&mut encoded), Err(Refusal::NotReady));
        rig.accept(connack());
        assert_eq!(rig.session.send_batch(&mut encoded), Err(Refusal::NotReady), "it is another connection");
        let message_3 = message(3, AtMostOnce);
        assert_eq!(rig.session.encode(&message_3, &mut encoded), Err(Refusal::Busy));
        assert_eq!(encoded.len(), size, "it is unharmed");
        assert_eq!(encoded.take().collect::<Vec<_>>(), [1, 2].map(|n| message(n, AtMostOnce)));
        assert!(encoded.is_empty());
        assert_eq!(rig.session.encode(&message_3, &mut encoded), Ok(()));
    });
}

#[test]
fn only_what_send_takes_joins_a_batch() {
    let mut encoded = Batch::default();
    let mut rig = Rig::new(V5);
    assert_eq!(rig.session.encode(&message(1, AtMostOnce), &mut encoded), Err(Refusal::NotReady));
    let mut limited = connack();
    limited.properties.set_maximum_packet_size(10.try_into().unwrap());
    rig.accept(limited);
    let wrong = Refusal::QosNotSupported { qos: AtLeastOnce, maximum: AtMostOnce };
    assert_eq!(rig.session.encode(&message(1, AtLeastOnce), &mut encoded), Err(wrong));
    let large = Publish { payload: vec![0; 10].into(), ..message(1, AtMostOnce) };
    let too_large = rig.session.encode(&large, &mut encoded);
    assert!(matches!(too_large, Err(Refusal::PacketTooLarge { limit: 10, .. })), "{too_large:?}");
    assert!(encoded.is_empty());
    let mut rig = Rig::with_config(Config { version: V5, max_outbound_aliases: 1, ..Config::default() });
    let mut answer = connack();
    answer.properties.set_topic_alias_maximum(1);
    rig.accept(answer);
    let with_aliases = rig.session.encode(&message(1, AtMostOnce), &mut encoded);
    assert_eq!(with_aliases, Err(Refusal::Busy), "they are given out in the order of sending");
    assert!(rig.session.batch_form().is_none());
}

#[test]
fn a_form_encodes_as_the_session_does_what_certainly_may_be_sent() {
    both(|version| {
        let mut rig = Rig::new(version);
        assert!(rig.session.batch_form().is_none(), "there is no connection");
        rig.accept(connack());
        let form = rig.session.batch_form().expect("it is ready");
        let mut encoded = Batch::default();
        assert!((1..=3).all(|n| encode(form, n, &mut encoded)));
        let size = encoded.len();
        assert_eq!(size, batch(&rig, 1..=3).len());
        let large = PlainPublish::new("a", &[0; 16 * 1024]).unwrap();
        assert!(!form.encode(&large, &mut encoded));
        assert_eq!(encoded.len(), size, "it is unharmed");
        rig.session.send_batch(&mut encoded).unwrap();
        assert_eq!(rig.sent(), [1, 2, 3].map(|n| publish_packet(n, AtMostOnce, 0)));
        assert!(encode(form, 4, &mut encoded));
        rig.cut();
        rig.accept(connack());
        let form = rig.session.batch_form().expect("it is ready again");
        assert!(!encode(form, 5, &mut encoded), "the batch is for another connection");
        rig.submit(Command::Disconnect(Disconnect::default())).unwrap();
        assert!(rig.session.batch_form().is_none(), "it is leaving");
    });
    let mut rig = Rig::new(V5);
    let mut limited = connack();
    limited.properties.set_maximum_packet_size(100.try_into().unwrap());
    limited.properties.set_retain_available(false);
    rig.accept(limited);
    let form = rig.session.batch_form().expect("it is ready");
    let mut encoded = Batch::default();
    let large = PlainPublish::new("a", &[0; 100]).unwrap();
    let retained = PlainPublish::new("a", b"x").unwrap().with_retain(true);
    for other in [large, retained] {
        assert!(!form.encode(&other, &mut encoded), "{other:?}");
    }
    assert!(encoded.is_empty() && form.encode(&retained.with_retain(false), &mut encoded));
}

/// Encodes the message of that number, if it is taken.
fn encode(form: BatchForm, n: u64, encoded: &mut Batch) -> bool {
    let Publish { topic, payload, .. } = message(n, AtMostOnce);
    form.encode(&PlainPublish::new(topic.as_str(), &payload).unwrap(), encoded)
}

#[test]
fn each_message_of_a_batch_is_traced() {
    both(|version| {
        let mut rig = Rig::ready_with_config(Config { version, trace: true, ..Config::default() });
        rig.session.take_trace().for_each(drop);
        rig.session.send(&message(0, AtMostOnce)).unwrap();
        rig.session.send_batch(&mut batch(&rig, [0])).unwrap();
        let records: Vec<PacketTrace> = rig.session.take_trace().collect();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0], records[1]);
    });
}
