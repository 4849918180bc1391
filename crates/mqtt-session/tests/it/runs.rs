//! Messages that come in together: each is told once, whole and in its place, whatever is between them.

use mqtt_session::codec::{Packet, Version, bytes::BytesMut};
use mqtt_session::{Command, Event, Timestamp};

use crate::support::*;

/// What the session tells of packets that come in with one read: the content of messages, and a word for each other event.
fn told(rig: &mut Rig, version: Version, packets: &[Packet]) -> Vec<String> {
    rig.peer_bytes(&encoded(version, packets)).unwrap();
    rig.events().into_iter().map(|event| name(&event)).collect()
}

fn encoded(version: Version, packets: &[Packet]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for packet in packets {
        packet.encode(version, &mut bytes).unwrap();
    }
    bytes
}

fn name(event: &Event) -> String {
    match event {
        Event::Message(message) => String::from_utf8_lossy(message.publish.payload()).into_owned(),
        Event::Published { tag, .. } => format!("published {tag}"),
        Event::Pong { .. } => "pong".into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn news_of_every_kind_are_told_in_the_order_of_what_came_in() {
    both(|version| {
        let mut rig = Rig::ready(version);
        rig.publish(7, AtLeastOnce);
        rig.submit(Command::Ping { tag: 1 }).unwrap();
        rig.sent();
        let first = [
            publish_packet(1, AtLeastOnce, 1),
            publish_packet(2, AtMostOnce, 0),
            puback(1).into(),
            publish_packet(3, ExactlyOnce, 3),
            Packet::Pingresp,
        ];
        let second = [publish_packet(4, AtLeastOnce, 4), publish_packet(5, AtMostOnce, 0)];
        // Nothing is told before both have come in.
        rig.peer_bytes(&encoded(version, &first)).unwrap();
        let told = told(&mut rig, version, &second);
        assert_eq!(told, ["1", "2", "published 7", "3", "pong", "4", "5"], "{version}");
    });
}

#[test]
fn a_repetition_between_messages_is_left_out() {
    both(|version| {
        let mut rig = Rig::ready(version);
        let once = |n: u64| publish_packet(n, AtLeastOnce, n as u16);
        let twice = |n: u64| Packet::from(again(publish(n, AtLeastOnce, n as u16)));
        let told =
            told(&mut rig, version, &[twice(1), twice(1), once(2), twice(1), twice(2), once(3), twice(3)]);
        assert_eq!(told, ["1", "2", "3"], "{version}");
        assert_eq!(rig.session.inbound_unacknowledged(), 3);
    });
}

#[test]
fn what_came_before_an_error_is_told() {
    both(|version| {
        let mut rig = Rig::ready(version);
        let mut bytes =
            encoded(version, &[publish_packet(1, AtLeastOnce, 1), publish_packet(2, AtMostOnce, 0)]);
        bytes.extend_from_slice(b"\x30\x03\x00\x01#");
        bytes.extend(encoded(version, &[publish_packet(3, AtMostOnce, 0)]));
        rig.peer_bytes(&bytes).unwrap_err();
        let events = rig.events();
        assert_eq!(events.iter().map(name).collect::<Vec<_>>(), ["1", "2"], "{version}");
    });
}

#[test]
fn a_call_parses_about_64_kib_of_messages() {
    both(|version| {
        let mut rig = Rig::ready(version);
        let one = encoded(version, &[publish_packet(1, AtMostOnce, 0)]);
        let count = 65_536 / one.len() + 2;
        let mut input = BytesMut::from(&one.repeat(count)[..]);
        let taken = rig.session.handle_input(Timestamp::ZERO, &mut input).unwrap();
        assert_eq!((taken, input.len()), ((count - 1) * one.len(), one.len()), "{version}");
        assert_eq!(rig.session.handle_input(Timestamp::ZERO, &mut input), Ok(one.len()));
        assert_eq!(rig.events().len(), count);
    });
}
