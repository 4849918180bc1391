//! The reader of a stream: what it waits for, what it refuses early, and that an error stays.

use mqtt_codec::{
    DecodeErrorKind as Kind, Decoder, FrameReader, Packet, Publish,
    Side::{Client, Server},
    Version::{V5, V311},
};

use crate::support::{bytes, topic};

fn reader() -> FrameReader {
    FrameReader::new(Decoder::new(V311, Server).with_max_packet_size(200))
}

#[test]
fn it_tells_how_much_is_missing() {
    let mut reader = reader();
    for (chunk, missing) in [
        ("", 2),
        ("30", 1),   // the length
        ("80", 1),   // more of the length
        ("01", 128), // a packet of 131 bytes
        ("0001'a'", 125),
        ("c0", 124),
    ] {
        reader.buffer_mut().extend_from_slice(&bytes(chunk));
        assert_eq!(reader.next_packet(), Ok(None), "{chunk}");
        assert_eq!(reader.missing(), missing, "{chunk}");
    }
    reader.reserve();
    assert!(reader.buffer_mut().capacity() >= 131);
    reader.buffer_mut().extend_from_slice(&[0; 130]);
    assert_eq!(reader.missing(), 0);
    assert!(
        matches!(reader.next_packet(), Ok(Some(Packet::Publish(publish))) if publish.payload.len() == 125)
    );
    assert_eq!(reader.buffer_mut().len(), 6, "what follows the packet stays");
}

#[test]
fn what_its_header_forbids_is_refused_before_its_body_comes_and_the_error_stays() {
    for (header, kind) in [
        ("30 c601", Kind::PacketTooLarge { length: 201, limit: 200 }),
        ("c0", Kind::WrongSender),
        ("36", Kind::QoSReserved),
        ("30 80808080", Kind::VariableByteIntegerTooLong),
    ] {
        let mut reader = reader();
        for more in [header, "d0 00"] {
            reader.buffer_mut().extend_from_slice(&bytes(more));
            assert_eq!(reader.next_packet().map_err(|error| error.kind), Err(kind), "{header}");
            assert_eq!(reader.next_frame().map_err(|error| error.kind), Err(kind), "{header}");
            assert!(reader.buffer_mut().is_empty(), "nothing gathers behind an error");
            assert_eq!(reader.missing(), 0);
        }
    }
}

#[test]
fn packets_before_an_ill_formed_one_are_read() {
    let mut reader = reader();
    reader.buffer_mut().extend_from_slice(&bytes("30 03 0001'a' 40 02 0000 d0 00"));
    assert_eq!(reader.next_packet(), Ok(Some(Publish::new(topic("a"), "").into())));
    for _ in 0..2 {
        assert_eq!(reader.next_packet().map_err(|error| error.kind), Err(Kind::ZeroPacketId));
    }
}

#[test]
fn a_frame_is_taken_without_looking_into_it() {
    let mut reader = reader();
    reader.buffer_mut().extend_from_slice(&bytes("40 02 0000 d0 00"));
    assert_eq!(reader.next_frame(), Ok(Some(bytes("40 02 0000").into())));
    assert_eq!(reader.next_packet(), Ok(Some(Packet::Pingresp)));
    assert_eq!(reader.next_packet(), Ok(None));
}

#[test]
fn another_decoder_judges_what_waits() {
    let mut reader = FrameReader::new(Decoder::new(V311, Client));
    reader.buffer_mut().extend_from_slice(&bytes("e0 01"));
    assert_eq!(reader.next_packet(), Ok(None), "its body would be refused");
    assert_eq!(reader.decoder().version(), V311);
    reader.set_decoder(Decoder::new(V5, Client));
    reader.buffer_mut().extend_from_slice(&bytes("04"));
    assert!(matches!(reader.next_packet(), Ok(Some(Packet::Disconnect(_)))));

    reader.buffer_mut().extend_from_slice(&bytes("30 20"));
    assert_eq!(reader.next_packet(), Ok(None));
    reader.set_decoder(Decoder::new(V5, Client).with_max_packet_size(20));
    let refused = Err(Kind::PacketTooLarge { length: 34, limit: 20 });
    assert_eq!(reader.next_packet().map_err(|error| error.kind), refused);
}
