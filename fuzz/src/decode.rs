//! Any bytes as one packet: no panic, and what is accepted means the same after encoding it again.

use bytes::Bytes;
use mqtt_codec::{Decoder, Packet, Side, Version};

/// Takes the sender from the first byte and the packet from the rest.
///
/// # Panics
///
/// That is a finding.
pub fn run(version: Version, input: &[u8]) {
    let Some((first, input)) = input.split_first() else { return };
    let sender = if first & 1 == 0 { Side::Client } else { Side::Server };
    let decoder = Decoder::new(version, sender);
    let Ok(Some(len)) = decoder.delimit(input) else { return };
    assert!(len <= input.len(), "delimit promises {len} bytes of {}", input.len());
    let frame = Bytes::copy_from_slice(&input[..len]);
    match decoder.decode(&frame) {
        Ok(packet) => encodes_to_the_same(&packet, version, sender),
        Err(error) => {
            assert!(error.offset <= len, "{error}: beyond the frame of {len} bytes");
            assert!(error.reason_code().is_error(), "{error}: has no reason for the peer");
        }
    }
}

/// Encodes and decodes; the result must be the packet, and the first encoding as short as the second.
///
/// # Panics
///
/// That is a finding.
pub fn encodes_to_the_same(packet: &Packet, version: Version, sender: Side) {
    // A CONNECT tells its own version, whatever the decoder expected.
    let version = if let Packet::Connect(connect) = packet { connect.version } else { version };
    let mut encoded = Vec::new();
    let len = packet.encode(version, &mut encoded).expect("a legal packet can be encoded");
    assert_eq!(len, encoded.len(), "{packet:?}");
    assert_eq!(len, packet.encoded_len(version).expect("it was encoded"), "{packet:?}");
    let frame = Bytes::from(encoded);
    let decoder = Decoder::new(version, sender);
    assert_eq!(decoder.delimit(&frame), Ok(Some(len)), "{packet:?}");
    let again = decoder.decode(&frame).expect("what we encode, we accept");
    assert_eq!(*packet, again);
    let mut second = Vec::new();
    again.encode(version, &mut second).expect("it was encoded before");
    assert_eq!(frame, second, "{packet:?}");
}
