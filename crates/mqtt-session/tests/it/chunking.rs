//! Input in any chunking gives the same result, and no input panics.

use std::time::Duration;

use mqtt_session::codec::bytes::BytesMut;
use mqtt_session::codec::{Connack, Packet, ReasonCode, Version};
use mqtt_session::{Command, Config, DisconnectCause, Duty, Event, Output, Phase, Session, Timestamp};
use proptest::prelude::*;

use crate::support::*;

/// A session that waits for all kinds of answers.
fn expectant(version: Version) -> (Session, Output) {
    let mut rig = Rig::ready_with_config(Config { version, max_inbound: 8, ..Config::default() });
    for tag in 1..=3 {
        rig.publish(tag, AtLeastOnce);
        rig.publish(tag, ExactlyOnce);
    }
    rig.submit(subscribe(4, &["a"])).unwrap();
    rig.submit(Command::Ping { tag: 5 }).unwrap();
    rig.sent();
    (rig.session, rig.output)
}

/// A packet that may or may not be right at its place.
fn packet() -> impl Strategy<Value = Packet> {
    let packet_id = 1..8_u16;
    let qos = prop_oneof![Just(AtMostOnce), Just(AtLeastOnce), Just(ExactlyOnce)];
    let message = (0..100_u64, qos, packet_id.clone(), any::<bool>()).prop_map(|(n, qos, packet_id, dup)| {
        let mut publish = publish(n, qos, if qos == AtMostOnce { 0 } else { packet_id });
        publish.dup = dup && qos != AtMostOnce;
        Packet::from(publish)
    });
    let ack = (0..4_usize, packet_id)
        .prop_map(|(kind, packet_id)| Packet::from([puback, pubrec, pubrel, pubcomp][kind](packet_id)));
    let rare = prop_oneof![
        Just(Packet::from(suback(7, &[ReasonCode::Success]))),
        Just(Packet::Pingresp),
        Just(Packet::from(Connack::new(false, ReasonCode::Success))),
    ];
    prop_oneof![10 => message, 10 => ack, 1 => rare]
}

/// Feeds the input in chunks, then looks at everything that came of it.
fn result(version: Version, input: &[u8], chunks: &[usize]) -> (Vec<Event>, Vec<u8>, Phase, usize) {
    let (mut session, mut output) = expectant(version);
    let now = Timestamp::from_micros(1_000_000);
    let mut buffer = BytesMut::new();
    let mut rest = input;
    let mut chunks = chunks.iter().cycle();
    while !rest.is_empty() {
        let (chunk, after) = rest.split_at((*chunks.next().unwrap()).clamp(1, rest.len()));
        rest = after;
        buffer.extend_from_slice(chunk);
        while session.handle_input(now, &mut buffer).is_ok_and(|taken| taken > 0) {}
    }
    let duty = session.poll_io(now, &mut output);
    assert!(duty != Duty::Close || session.phase() == Phase::Closing);
    let bytes = output.chunks().flatten().copied().collect();
    let events = std::iter::from_fn(|| session.poll_event()).collect();
    (events, bytes, session.phase(), buffer.len())
}

fn stream() -> impl Strategy<Value = (Version, Vec<u8>)> {
    any::<bool>().prop_flat_map(|v5| {
        let version = if v5 { V5 } else { V311 };
        let bytes = prop::collection::vec(packet(), 0..60).prop_map(move |packets| {
            let mut bytes = Vec::new();
            for packet in packets {
                packet.encode(version, &mut bytes).unwrap();
            }
            bytes
        });
        (Just(version), bytes)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chunking_gives_the_same_events_and_output(
        (version, input) in stream(),
        chunks in prop::collection::vec(1..40_usize, 1..10),
    ) {
        let whole = result(version, &input, &[usize::MAX]);
        prop_assert_eq!(result(version, &input, &chunks), whole);
    }

    #[test]
    fn damaged_streams_end_in_a_latched_error_or_none_whatever_the_chunking(
        (version, mut input) in stream(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        chunks in prop::collection::vec(1..40_usize, 1..10),
    ) {
        prop_assume!(!input.is_empty());
        for (place, value) in damage {
            let place = place.index(input.len());
            input[place] = value;
        }
        let whole = result(version, &input, &[usize::MAX]);
        prop_assert_eq!(result(version, &input, &chunks), whole);
    }

    #[test]
    fn random_bytes_never_panic(v5: bool, accepted: bool, input in prop::collection::vec(any::<u8>(), 0..300)) {
        let version = if v5 { V5 } else { V311 };
        let (mut session, mut output) = if accepted {
            expectant(version)
        } else {
            let mut rig = Rig::new(version);
            rig.open(connect(version));
            rig.sent();
            rig.events();
            (rig.session, rig.output)
        };
        let mut now = Timestamp::from_micros(1_000_000);
        let mut buffer = BytesMut::from(&input[..]);
        let error = loop {
            match session.handle_input(now, &mut buffer) {
                Ok(0) => break None,
                Ok(_) => {}
                Err(error) => break Some(error),
            }
        };
        if let Some(error) = error {
            prop_assert_eq!(session.phase(), Phase::Closing);
            let mut more = BytesMut::from(&b"\xd0\0"[..]);
            prop_assert_eq!(session.handle_input(now, &mut more), Err(error.clone()));
            now += Duration::from_secs(5);
            prop_assert_eq!(session.poll_io(now, &mut output), Duty::Close);
            session.handle_closed(now);
            let last = std::iter::from_fn(|| session.poll_event()).last();
            prop_assert_eq!(last, Some(Event::Disconnected(DisconnectCause::ProtocolError(error))));
        }
    }
}
