//! A notation for packets, and the checks that the tables are run through.

use mqtt_codec::{
    Binary, DecodeError, DecodeErrorKind, Decoder, Packet, PacketId, PacketKind, Side, SubscriptionId, Text,
    TopicFilter, TopicName, Version, bytes::Bytes,
};

/// Reads `30 05 0001'a' 68 69`: hexadecimal digits in pairs, text in quotes, spaces where they help.
pub(crate) fn bytes(notation: &str) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, part) in notation.split('\'').enumerate() {
        if index % 2 == 1 {
            out.extend_from_slice(part.as_bytes());
            continue;
        }
        let digits: Vec<u8> = part.bytes().filter(|byte| *byte != b' ').collect();
        assert_eq!(digits.len() % 2, 0, "odd number of digits in {part:?}");
        out.extend(
            digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()),
        );
    }
    out
}

/// A packet whose remaining length is filled in: first byte, then the body.
pub(crate) fn framed(first_byte: u8, body: &str) -> Vec<u8> {
    let body = bytes(body);
    assert!(body.len() < 128, "the notation is for short packets");
    let mut out = vec![first_byte, body.len() as u8];
    out.extend(body);
    out
}

pub(crate) fn decode(version: Version, sender: Side, frame: &[u8]) -> Result<Packet, DecodeError> {
    Decoder::new(version, sender).decode(&Bytes::copy_from_slice(frame))
}

/// Bytes and packet are each other's image.
#[track_caller]
pub(crate) fn inverse(version: Version, sender: Side, notation: &str, packet: impl Into<Packet>) {
    let (frame, packet) = (bytes(notation), packet.into());
    assert_eq!(decode(version, sender, &frame), Ok(packet.clone()), "decoding {notation}");
    let mut out = Vec::new();
    assert_eq!(packet.encode(version, &mut out), Ok(frame.len()), "encoding {packet:?}");
    assert_eq!(out, frame, "encoding {packet:?}");
    assert_eq!(packet.encoded_len(version), Ok(frame.len()));
}

/// The bytes are a longer form of the packet, which is accepted and never written.
#[track_caller]
pub(crate) fn reads(version: Version, sender: Side, notation: &str, packet: impl Into<Packet>) {
    let (frame, packet) = (bytes(notation), packet.into());
    assert_eq!(decode(version, sender, &frame), Ok(packet.clone()), "decoding {notation}");
    let shorter = packet.encoded_len(version).unwrap();
    assert!(shorter < frame.len(), "{notation} is the shortest form already");
}

/// The bytes break a rule at the byte with this offset.
#[track_caller]
pub(crate) fn refused(
    version: Version,
    sender: Side,
    notation: &str,
    kind: DecodeErrorKind,
    packet: impl Into<Option<PacketKind>>,
    offset: usize,
) {
    refused_bytes(version, sender, &bytes(notation), kind, packet, offset);
}

#[track_caller]
pub(crate) fn refused_bytes(
    version: Version,
    sender: Side,
    frame: &[u8],
    kind: DecodeErrorKind,
    packet: impl Into<Option<PacketKind>>,
    offset: usize,
) {
    let error = decode(version, sender, frame).expect_err("must be refused");
    assert_eq!(
        (error.kind, error.packet, error.offset),
        (kind, packet.into(), offset),
        "{frame:02x?}: {error}"
    );
}

pub(crate) fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

pub(crate) fn subscription(value: u32) -> SubscriptionId {
    SubscriptionId::new(value).unwrap()
}

pub(crate) fn text(value: &str) -> Text {
    Text::new(value).unwrap()
}

pub(crate) fn topic(value: &str) -> TopicName {
    TopicName::new(value).unwrap()
}

pub(crate) fn filter(value: &str) -> TopicFilter {
    TopicFilter::new(value).unwrap()
}

pub(crate) fn binary(value: &[u8]) -> Binary {
    Binary::try_from(value).unwrap()
}
