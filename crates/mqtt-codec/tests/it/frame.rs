//! Finding packets in a stream: early refusal, limits, and packets one behind the other.

use mqtt_codec::{
    Ack, AckKind, DecodeError, DecodeErrorKind as Kind, Decoder, Packet, PacketKind, PacketRef, Publish,
    Side::{Client, Server},
    Version::{V5, V311},
    bytes::{Bytes, BytesMut},
};

use crate::support::{bytes, id, topic};

#[track_caller]
fn delimited(input: &str, expected: Result<Option<usize>, (Kind, usize)>) {
    let result = Decoder::new(V5, Client).with_max_packet_size(200).delimit(&bytes(input));
    assert_eq!(result.map_err(|error| (error.kind, error.offset)), expected, "{input}");
}

#[test]
fn the_end_of_a_packet_is_found_when_all_of_it_is_there() {
    delimited("", Ok(None));
    delimited("c0", Ok(None));
    delimited("c0 00", Ok(Some(2)));
    delimited("c0 00 ff ff", Ok(Some(2)));
    delimited("40 02 00", Ok(None));
    delimited("40 02 0001", Ok(Some(4)));
    delimited("30 80", Ok(None));
    delimited("30 8001", Ok(None));
}

#[test]
fn what_the_first_bytes_tell_is_refused_at_once() {
    delimited("00", Err((Kind::ReservedPacketType, 0)));
    delimited("36", Err((Kind::QoSReserved, 0)));
    delimited("38", Err((Kind::DupWithQoS0, 0)));
    delimited("80", Err((Kind::FixedHeaderFlags, 0)));
    delimited("20", Err((Kind::WrongSender, 0)));
    delimited("30 ffffffff", Err((Kind::VariableByteIntegerTooLong, 1)));
    delimited("30 80808080", Err((Kind::VariableByteIntegerTooLong, 1)));
    delimited("30 8000", Err((Kind::VariableByteIntegerOverlong, 1)));
}

#[test]
fn a_packet_above_the_limit_is_refused_at_its_length() {
    delimited("30 c501", Ok(None)); // 3 + 197
    delimited("30 c601", Err((Kind::PacketTooLarge { length: 201, limit: 200 }, 1)));
    delimited("30 ffffff7f", Err((Kind::PacketTooLarge { length: 268_435_460, limit: 200 }, 1)));
    let unlimited = Decoder::new(V311, Server);
    assert_eq!(unlimited.max_packet_size(), 268_435_460);
    assert_eq!(unlimited.delimit(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F]), Ok(None));
}

#[test]
fn the_limit_counts_the_whole_packet() {
    let frame = bytes("32 06 0001'a' 0001 00");
    let decoder = Decoder::new(V5, Client);
    assert!(decoder.with_max_packet_size(8).parse(&frame).is_ok());
    let error = decoder.with_max_packet_size(7).parse(&frame).unwrap_err();
    assert_eq!(error.kind, Kind::PacketTooLarge { length: 8, limit: 7 });
}

#[test]
fn parse_takes_exactly_one_packet() {
    let decoder = Decoder::new(V5, Client);
    let error = |kind, packet, offset| (kind, packet, offset);
    for (frame, expected) in [
        ("", error(Kind::Incomplete, None, 0)),
        ("c0", error(Kind::Incomplete, None, 1)),
        ("40 02 00", error(Kind::Incomplete, Some(PacketKind::Puback), 3)),
        ("c0 00 c0", error(Kind::TrailingBytes, Some(PacketKind::Pingreq), 2)),
    ] {
        let DecodeError { kind, packet, offset, .. } = decoder.parse(&bytes(frame)).unwrap_err();
        assert_eq!((kind, packet, offset), expected, "{frame}");
    }
}

#[test]
fn packets_leave_the_front_of_the_buffer_one_by_one() {
    let decoder = Decoder::new(V311, Server);
    let mut buffer = BytesMut::from(&bytes("40 02 0001 d0 00 30 05 0001'a'")[..]);
    assert_eq!(decoder.decode_from(&mut buffer), Ok(Some(Ack::new(AckKind::Puback, id(1)).into())));
    assert_eq!(decoder.decode_from(&mut buffer), Ok(Some(Packet::Pingresp)));
    assert_eq!(decoder.decode_from(&mut buffer), Ok(None));
    assert_eq!(buffer.len(), 5, "an unfinished packet stays");
    buffer.extend_from_slice(b"hi");
    assert_eq!(decoder.decode_from(&mut buffer), Ok(Some(Publish::new(topic("a"), "hi").into())));
    assert!(buffer.is_empty());
}

#[test]
fn a_decoded_message_shares_the_buffer_it_came_in() {
    let frame = Bytes::from(bytes("30 0b 0003'a/b' 00'hello'"));
    let Ok(Packet::Publish(publish)) = Decoder::new(V5, Server).decode(&frame) else { panic!("a PUBLISH") };
    let within = |part: &[u8]| frame.as_ptr_range().contains(&part.as_ptr());
    assert!(within(&publish.payload) && within(publish.topic.as_bytes()));
}

#[test]
fn views_read_lists_in_place() {
    let frame = bytes("82 0f 000a 0001'#' 00 0001'+' 01 0002'/a' 02");
    let Ok(PacketRef::Subscribe(subscribe)) = Decoder::new(V311, Client).parse(&frame) else {
        panic!("SUBSCRIBE")
    };
    let filters: Vec<_> =
        subscribe.filters().map(|(filter, options)| (filter.as_str(), options.qos as u8)).collect();
    assert_eq!(filters, [("#", 0), ("+", 1), ("/a", 2)]);

    let frame = bytes("a2 08 0007 0001'a' 0001'b'");
    let Ok(PacketRef::Unsubscribe(view)) = Decoder::new(V311, Client).parse(&frame) else {
        panic!("UNSUBSCRIBE")
    };
    assert!(view.filters().map(|filter| filter.as_str()).eq(["a", "b"]));
}

#[test]
fn a_connect_is_read_by_the_version_that_it_names() {
    let v311 = bytes("10 0d 0004'MQTT' 04 02 003c 0001'c'");
    let v5 = bytes("10 0e 0004'MQTT' 05 02 003c 00 0001'c'");
    for decoder_version in [V311, V5] {
        let decoder = Decoder::new(decoder_version, Client);
        for (frame, version) in [(&v311, V311), (&v5, V5)] {
            let Ok(PacketRef::Connect(connect)) = decoder.parse(frame) else { panic!("CONNECT") };
            assert_eq!((connect.version, connect.client_id.as_str()), (version, "c"));
        }
    }
}
