//! A stream in any chunking: the same packets, the same error, and never more kept than the limit allows.

use bytes::BytesMut;
use mqtt_codec::{DecodeError, Decoder, FrameReader, Packet, Side, Version};

/// The limit on a packet's size.
const MAX_PACKET_SIZE: u32 = 512;

/// Takes version and sender from the first byte, the chunking from the next eight, the stream from the rest.
///
/// # Panics
///
/// That is a finding.
pub fn run(input: &[u8]) {
    let Some((&[first, ref chunks @ ..], stream)) = input.split_first_chunk::<9>() else { return };
    let version = if first & 1 == 0 { Version::V311 } else { Version::V5 };
    let sender = if first & 2 == 0 { Side::Client } else { Side::Server };
    let decoder = Decoder::new(version, sender).with_max_packet_size(MAX_PACKET_SIZE);
    let whole = decode(decoder, [stream]);
    assert_eq!(whole, decode_from(decoder, stream), "without a reader");
    assert_eq!(whole, decode(decoder, cut(stream, chunks)), "cut into {chunks:?}");
    assert_eq!(whole, decode(decoder, stream.chunks(1)), "byte by byte");
}

/// The packets of a stream, and the error that ended it.
fn decode<'a>(
    decoder: Decoder,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Packet>, Result<(), DecodeError>) {
    let mut reader = FrameReader::new(decoder);
    let mut packets = Vec::new();
    for chunk in chunks {
        reader.buffer_mut().extend_from_slice(chunk);
        loop {
            match reader.next_packet() {
                Ok(Some(packet)) => packets.push(packet),
                Ok(None) => break,
                Err(error) => return (packets, Err(error)),
            }
        }
        let waiting = reader.buffer_mut().len();
        assert!(
            waiting + reader.missing() <= MAX_PACKET_SIZE as usize,
            "{waiting} bytes wait for the rest of a packet, and {} are to come",
            reader.missing()
        );
    }
    (packets, Ok(()))
}

/// The same, by the decoder alone.
fn decode_from(decoder: Decoder, stream: &[u8]) -> (Vec<Packet>, Result<(), DecodeError>) {
    let mut buffer = BytesMut::from(stream);
    let mut packets = Vec::new();
    loop {
        match decoder.decode_from(&mut buffer) {
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) => return (packets, Ok(())),
            Err(error) => return (packets, Err(error)),
        }
    }
}

/// Cuts the stream into pieces of these lengths, again and again.
fn cut<'a>(stream: &'a [u8], lengths: &[u8; 8]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = stream;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at(usize::from(*length).clamp(1, rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}
