//! What comes off a stream with its PUBLISHes in one piece says the same as the packets of their own parts.

use mqtt_codec::{
    Decoder, FrameReader, Packet, PacketKind, Publish, PublishFrame, PublishProperties, QoS, Received,
    Side::Server,
    Version::{self, V5, V311},
    bytes::{Bytes, BytesMut},
};

use crate::support::{bytes, id, text, topic};

/// Message and frame.
#[track_caller]
fn received(version: Version, publish: &Publish) -> (PublishFrame, Vec<u8>) {
    let mut frame = Vec::new();
    publish.encode(version, &mut frame).unwrap();
    let received = Decoder::new(version, Server).receive_from(&mut BytesMut::from(&frame[..])).unwrap();
    match received {
        Some(Received::Publish(message)) => (message, frame),
        other => panic!("{other:?} is no PUBLISH"),
    }
}

#[track_caller]
fn check(version: Version, publish: &Publish) {
    let (message, frame) = received(version, publish);
    assert_eq!(message.as_bytes(), frame);
    assert_eq!((message.dup(), message.qos(), message.retain()), (publish.dup, publish.qos, publish.retain));
    assert_eq!(message.topic().as_bytes(), publish.topic.as_bytes());
    assert_eq!(message.to_topic(), publish.topic);
    assert_eq!(message.packet_id(), publish.packet_id);
    assert!(message.properties().iter().eq(publish.properties.iter()));
    assert_eq!(message.payload(), publish.payload);
    assert_eq!(message.to_payload(), publish.payload);
    assert_eq!(message.clone(), message);
    assert_eq!(message.detached(), message);
    assert_ne!(message.detached().as_bytes().as_ptr(), message.as_bytes().as_ptr());
    assert_eq!(&Publish::from(message.clone()), publish);
    let (view, shape) = Decoder::new(version, Server).peek_publish(&frame).unwrap().unwrap();
    assert_eq!((view, view.to_topic()), (message.view(), publish.topic.clone()));
    assert_eq!((shape.packet_len(), shape.frame(Bytes::from(frame.clone()))), (frame.len(), message.clone()));
    assert_eq!(Bytes::from(message), frame);
}

#[test]
fn all_parts_are_found() {
    let least = Publish::new(topic("a"), "");
    let full = Publish {
        dup: true,
        qos: QoS::ExactlyOnce,
        retain: true,
        packet_id: Some(id(0xFFFE)),
        ..Publish::new(topic("plant/3/temperature"), vec![7; 300])
    };
    let properties = PublishProperties::new().with_content_type(&text("text/plain"));
    for version in [V311, V5] {
        check(version, &least);
        check(version, &full);
        // The remaining length takes three and four bytes.
        check(version, &Publish::new(topic("a/b"), vec![0x80; 20_000]));
        check(version, &Publish::new(topic("a/b"), vec![0x80; 2_100_000]));
    }
    check(V5, &Publish { properties: properties.clone(), ..least });
    check(
        V5,
        &Publish { properties: properties.with_user_property(&text("a"), &text(&"b".repeat(200))), ..full },
    );
}

#[test]
fn other_packets_are_what_they_are() {
    let mut buffer = BytesMut::from(&bytes("d0 00 40 02 0000")[..]);
    let decoder = Decoder::new(V5, Server);
    let pingresp = decoder.receive_from(&mut buffer).unwrap().unwrap();
    assert_eq!((pingresp.kind(), &pingresp), (PacketKind::Pingresp, &Received::Other(Packet::Pingresp)));
    assert_eq!(Packet::from(pingresp), Packet::Pingresp);
    assert!(decoder.receive_from(&mut buffer).is_err());
    assert_eq!(decoder.receive_from(&mut BytesMut::from(&b"\x30"[..])), Ok(None));
}

#[test]
fn only_a_whole_publish_is_seen_where_it_lies() {
    let decoder = Decoder::new(V311, Server).with_max_packet_size(9);
    let peek = |notation| decoder.peek_publish(&bytes(notation)).map(|seen| seen.is_some());
    assert_eq!(peek("30 05 0001'a' 6869 d0"), Ok(true));
    for other in ["", "30", "30 05", "30 05 0001'a' 68", "d0 00", "40 02 0001", "3f 05", "00"] {
        assert_eq!(peek(other), Ok(false), "{other}");
    }
    for wrong in ["30 08", "30 05 0001'#' 6869", "30 ffffffff", "32 05 0001'a' 0000"] {
        assert!(peek(wrong).is_err(), "{wrong}");
    }
}

#[test]
#[should_panic(expected = "a PUBLISH of 7 bytes is none of 6")]
fn a_shape_fits_no_packet_of_another_length() {
    let (_, shape) = Decoder::new(V311, Server).peek_publish(&bytes("30 05 0001'a' 6869")).unwrap().unwrap();
    let _ = shape.frame(Bytes::from_static(&[0; 6]));
}

#[test]
fn a_message_in_one_piece_shares_the_buffer_and_says_no_payload() {
    let (message, _) = received(V311, &Publish::new(topic("a/b"), "secret"));
    let within = |part: &[u8]| message.as_bytes().as_ptr_range().contains(&part.as_ptr());
    assert!(within(message.topic().as_bytes()) && within(message.payload()) && within(&message.to_payload()));
    assert!(!format!("{message:?}").contains("secret"));
}

#[test]
fn two_forms_of_the_same_message_are_equal() {
    // 3.1.1 lets the length be written longer than it must be.
    let [short, long] = ["30 05 0001'a' 6869", "30 8500 0001'a' 6869"].map(|notation| {
        let mut reader = FrameReader::new(Decoder::new(V311, Server));
        reader.buffer_mut().extend_from_slice(&bytes(notation));
        reader.next_received().unwrap().unwrap()
    });
    assert_eq!(short, long);
}
