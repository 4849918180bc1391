//! What allocates: nothing on the way of a message, in either direction.

use std::num::NonZero;

use allocation_counter::measure;
use mqtt_codec::{
    Ack, AckKind, Decoder, Packet, Publish, PublishProperties, QoS,
    Side::{self, Client, Server},
    Subscribe, SubscribeFilter,
    Version::{self, V5, V311},
    bytes::{Bytes, BytesMut},
};

use crate::support::{binary, filter, id, text, topic};

/// How many packets each measurement works on.
const PACKETS: usize = 16;

fn message() -> Publish {
    Publish {
        qos: QoS::AtLeastOnce,
        packet_id: Some(id(7)),
        ..Publish::new(topic("plant/3/temperature"), &b"21.5"[..])
    }
}

fn with_properties() -> Publish {
    let properties = PublishProperties::new()
        .with_topic_alias(NonZero::new(3).unwrap())
        .with_content_type(&text("text/plain"))
        .with_correlation_data(&binary(b"\x01\x02"))
        .with_user_property(&text("unit"), &text("celsius"));
    Publish { properties, ..message() }
}

/// The packets of every message's way, and the side that sends them.
fn hot_path() -> Vec<(Version, Side, Packet)> {
    let mut packets = vec![
        (V311, Server, message().into()),
        (V5, Server, message().into()),
        (V5, Server, with_properties().into()),
        (V311, Client, Packet::Pingreq),
        (V5, Server, Packet::Pingresp),
    ];
    for kind in [AckKind::Puback, AckKind::Pubrec, AckKind::Pubrel, AckKind::Pubcomp] {
        packets.push((V311, Server, Ack::new(kind, id(7)).into()));
        packets.push((V5, Client, Ack::new(kind, id(7)).into()));
    }
    packets
}

fn encoded(version: Version, packet: &Packet) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out).unwrap();
    out
}

#[track_caller]
fn check(what: &str, packet: &Packet, expected: u64, work: impl FnOnce()) {
    assert_eq!(measure(work).count_total, expected, "{what} {packet:?}");
}

#[test]
fn views_allocate_nothing() {
    for (version, sender, packet) in hot_path() {
        let frame = encoded(version, &packet);
        let decoder = Decoder::new(version, sender);
        check("parsing", &packet, 0, || assert!(decoder.parse(&frame).is_ok()));
    }
    let filters = (0..10).map(|_| SubscribeFilter::new(filter("a/+/#"), QoS::AtMostOnce)).collect();
    let subscribe = Subscribe::new(id(1), filters).into();
    let frame = encoded(V5, &subscribe);
    check("parsing", &subscribe, 0, || assert!(Decoder::new(V5, Client).parse(&frame).is_ok()));
}

#[test]
fn reading_properties_of_a_view_allocates_nothing() {
    let packet = with_properties().into();
    let frame = encoded(V5, &packet);
    check("walking", &packet, 0, || {
        let Ok(mqtt_codec::PacketRef::Publish(view)) = Decoder::new(V5, Server).parse(&frame) else {
            unreachable!("it is a PUBLISH");
        };
        assert_eq!(view.properties.iter().count(), 4);
        assert_eq!(view.properties.user_properties().count(), 1);
        assert_eq!(view.properties.correlation_data(), Some(&b"\x01\x02"[..]));
    });
}

#[test]
fn owned_packets_share_the_buffer() {
    for (version, sender, packet) in hot_path() {
        let frame = encoded(version, &packet);
        let decoder = Decoder::new(version, sender);
        let mut buffer = BytesMut::from(&frame.repeat(PACKETS + 1)[..]);
        // A buffer counts its users from the first packet on: one allocation a buffer, however many packets are in it.
        assert_eq!(decoder.decode_from(&mut buffer), Ok(Some(packet.clone())));
        check("taking", &packet, 0, || {
            for _ in 0..PACKETS {
                assert!(decoder.decode_from(&mut buffer).is_ok_and(|packet| packet.is_some()));
            }
        });
        let mut buffer = BytesMut::from(&frame.repeat(PACKETS + 1)[..]);
        assert!(decoder.receive_from(&mut buffer).is_ok_and(|packet| packet.is_some()));
        check("receiving", &packet, 0, || {
            for _ in 0..PACKETS {
                assert!(decoder.receive_from(&mut buffer).is_ok_and(|packet| packet.is_some()));
            }
        });
        let frame = Bytes::from(frame);
        let _shared = frame.clone();
        check("cutting", &packet, 0, || assert!(decoder.decode(&frame).is_ok()));
    }
}

#[test]
fn encoding_into_a_buffer_with_room_allocates_nothing() {
    for (version, _, packet) in hot_path() {
        let mut out = Vec::with_capacity(PACKETS * encoded(version, &packet).len());
        check("encoding", &packet, 0, || {
            for _ in 0..PACKETS {
                assert!(packet.encode(version, &mut out).is_ok());
            }
        });
    }
}

#[test]
fn a_topic_alias_comes_and_goes_without_an_allocation() {
    let alias = NonZero::new(3).unwrap();
    let mut plain = with_properties();
    plain.properties.clear_topic_alias();
    let mut out = Vec::with_capacity(2 * encoded(V5, &plain.clone().into()).len());
    check("encoding", &plain.clone().into(), 0, || {
        assert!(plain.setting_alias(alias).encode(V5, &mut out).is_ok());
    });
    let frame = Bytes::from(out);
    let Ok(Packet::Publish(mut received)) = Decoder::new(V5, Server).decode(&frame) else {
        panic!("PUBLISH")
    };
    check("clearing", &plain.clone().into(), 0, || received.properties.clear_topic_alias());
    assert_eq!(received, plain);
}

#[test]
fn an_empty_buffer_grows_once() {
    for (version, _, packet) in hot_path() {
        check("encoding", &packet, 1, || assert!(packet.encode(version, &mut Vec::new()).is_ok()));
    }
}

#[test]
fn refusing_a_packet_allocates_nothing() {
    let packet = Packet::Pingreq;
    check("refusing", &packet, 0, || {
        assert!(Decoder::new(V311, Client).parse(b"\x30\x04\x00\x02a#").is_err());
    });
    check("refusing", &packet, 0, || {
        assert!(Decoder::new(V311, Client).delimit(b"\x30\xff\xff\xff\xff").is_err());
    });
}
