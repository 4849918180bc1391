//! What holds for all packets and all bytes.

use mqtt_codec::{
    Decoder, FrameReader, Packet, Side, Version,
    bytes::{Bytes, BytesMut},
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::strategies::{packet, setting};

fn encoded(packet: &Packet, version: Version) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(packet.encode(version, &mut out), Ok(out.len()), "{packet:?}");
    assert_eq!(packet.encoded_len(version), Ok(out.len()));
    out
}

/// Decodes bytes that may be anything: an error lies within them, and what is accepted survives another turn.
fn decode_anything(version: Version, sender: Side, bytes: &[u8]) -> Result<(), TestCaseError> {
    let decoder = Decoder::new(version, sender);
    let end = decoder.delimit(bytes);
    if let Ok(Some(len)) = end {
        prop_assert!(len <= bytes.len());
    }
    let mut stream = BytesMut::from(bytes);
    while let Ok(Some(_)) = decoder.decode_from(&mut stream) {}

    match decoder.decode(&Bytes::copy_from_slice(bytes)) {
        Err(error) => prop_assert!(error.offset <= bytes.len(), "{error}"),
        Ok(packet) => {
            prop_assert_eq!(end, Ok(Some(bytes.len())));
            let again = encoded(&packet, version);
            prop_assert!(again.len() <= bytes.len(), "the shortest form");
            prop_assert_eq!(decoder.decode(&again.into()), Ok(packet));
        }
    }
    Ok(())
}

/// Ways to damage a packet.
#[derive(Clone, Debug)]
enum Damage {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Cut(Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        4 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Replace(at, byte)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        1 => any::<Index>().prop_map(Damage::Remove),
        1 => any::<Index>().prop_map(Damage::Cut),
    ]
}

impl Damage {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            _ if bytes.is_empty() => {}
            Self::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
            Self::Remove(at) => {
                bytes.remove(at.index(bytes.len()));
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
        }
    }
}

/// Sets the remaining length right, so that the damage behind it is looked at.
fn repair_length(bytes: &mut Vec<u8>, header_len: usize) {
    if bytes.len() < header_len {
        return;
    }
    let mut remaining = bytes.len() - header_len;
    let mut header = vec![bytes[0]];
    loop {
        let more = if remaining > 0x7F { 0x80 } else { 0 };
        header.push(more | (remaining & 0x7F) as u8);
        remaining >>= 7;
        if remaining == 0 {
            break;
        }
    }
    bytes.splice(..header_len, header);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1000) })]

    #[test]
    fn decoding_undoes_encoding(
        (version, sender, packet) in setting()
            .prop_flat_map(|(version, sender)| (Just(version), Just(sender), packet(version, sender)))
    ) {
        let frame = Bytes::from(encoded(&packet, version));
        let decoded = Decoder::new(version, sender).decode(&frame);
        prop_assert_eq!(decoded.as_ref(), Ok(&packet));
        prop_assert_eq!(encoded(&packet, version), &frame[..]);
        let received = Decoder::new(version, sender).receive_from(&mut BytesMut::from(&frame[..]))?;
        prop_assert_eq!(received.map(Packet::from), Some(packet));
    }

    #[test]
    fn any_chunking_of_a_stream_gives_the_same_packets(
        (version, sender, packets) in setting()
            .prop_flat_map(|(version, sender)| (Just(version), Just(sender), vec(packet(version, sender), 1..8))),
        cuts in vec(any::<Index>(), 0..12),
    ) {
        let stream: Vec<u8> = packets.iter().flat_map(|packet| encoded(packet, version)).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();

        let mut reader = FrameReader::new(Decoder::new(version, sender));
        let mut frames = reader.clone();
        let (mut decoded, mut raw) = (Vec::new(), Vec::new());
        for pair in cuts.windows(2) {
            let chunk = &stream[pair[0]..pair[1]];
            reader.buffer_mut().extend_from_slice(chunk);
            while let Some(packet) = reader.next_packet()? {
                decoded.push(packet);
            }
            prop_assert!(reader.missing() > 0, "a packet that could be taken was not");
            frames.buffer_mut().extend_from_slice(chunk);
            while let Some(frame) = frames.next_frame()? {
                raw.extend_from_slice(&frame);
            }
        }
        prop_assert!(reader.buffer_mut().is_empty());
        prop_assert_eq!(decoded, packets);
        prop_assert_eq!(raw, stream);
    }

    #[test]
    fn random_bytes_are_decoded_or_refused(
        (version, sender) in setting(),
        bytes in vec(any::<u8>(), 0..80),
    ) {
        decode_anything(version, sender, &bytes)?;
    }

    #[test]
    fn random_bodies_are_decoded_or_refused(
        (version, sender) in setting(),
        first_byte in any::<u8>(),
        body in vec(any::<u8>(), 0..80),
    ) {
        let mut frame = vec![first_byte, 0];
        frame.extend(body);
        repair_length(&mut frame, 2);
        decode_anything(version, sender, &frame)?;
    }

    #[test]
    fn damaged_packets_are_decoded_or_refused(
        (version, sender, packet) in setting()
            .prop_flat_map(|(version, sender)| (Just(version), Just(sender), packet(version, sender))),
        damages in vec(damage(), 1..4),
        repair in any::<bool>(),
    ) {
        let mut bytes = encoded(&packet, version);
        let header_len = if bytes[1] & 0x80 == 0 { 2 } else { 3 };
        damages.iter().for_each(|damage| damage.apply(&mut bytes));
        if repair {
            repair_length(&mut bytes, header_len);
        }
        decode_anything(version, sender, &bytes)?;
    }

    #[test]
    fn a_proper_prefix_is_neither_a_packet_nor_an_error(
        (version, sender, packet) in setting()
            .prop_flat_map(|(version, sender)| (Just(version), Just(sender), packet(version, sender))),
        at in any::<Index>(),
    ) {
        let bytes = encoded(&packet, version);
        let prefix = &bytes[..at.index(bytes.len())];
        let decoder = Decoder::new(version, sender);
        prop_assert_eq!(decoder.delimit(prefix), Ok(None));
        prop_assert!(decoder.parse(prefix).is_err());
    }
}
