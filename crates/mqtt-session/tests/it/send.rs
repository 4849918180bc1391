//! `send`: publishes of QoS 0 that are encoded at once, and of which no event tells.

use std::time::Duration;

use mqtt_session::codec::{Disconnect, Packet, Publish, ReasonCode};
use mqtt_session::{Command, Config, Direction, PacketTrace, Refusal, Timer};

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
