//! What allocates: nothing on a message's way, in either direction, once the session has grown to its window.

use std::num::NonZeroU16;

use allocation_counter::measure;
use mqtt_session::codec::bytes::BytesMut;
use mqtt_session::codec::{
    Ack, AckKind, Connack, Packet, PacketId, Publish, QoS, ReasonCode, TopicName, Version,
};
use mqtt_session::{Command, Config, Event, Output, Session, Timestamp};

use crate::support::{AtLeastOnce, AtMostOnce, ExactlyOnce, both, connect};

/// Messages of a round trip.
const MESSAGES: u16 = 64;

/// Round trips after which all packet identifiers have been in use.
const ALL_IDS: u16 = u16::MAX / MESSAGES + 2;

/// A session and its driver, which handle round trips that were prepared before.
struct Client {
    session: Session,
    output: Output,
}

impl Client {
    fn ready(version: Version) -> Self {
        let config = Config { version, ..Config::default() };
        let mut client = Self { session: Session::new(config), output: Output::new() };
        client.session.handle_opened(Timestamp::ZERO, connect(version)).unwrap();
        client.write();
        let mut connack = Connack::new(false, ReasonCode::Success);
        if version == Version::V5 {
            connack.properties.set_topic_alias_maximum(1);
        }
        client.read(encoded(version, [connack.into()]));
        client
    }

    fn publish(&mut self, messages: Vec<Publish>) {
        for (publish, tag) in messages.into_iter().zip(0..) {
            self.session.submit(Command::Publish { tag, publish }).unwrap();
        }
        self.write();
    }

    /// How many messages came in or came to their end; they are acknowledged.
    fn read(&mut self, mut input: BytesMut) -> u16 {
        while self.session.handle_input(Timestamp::ZERO, &mut input).unwrap() > 0 {}
        let mut count = 0;
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Published { .. } => count += 1,
                Event::Message(message) => {
                    count += 1;
                    if let Some(token) = message.token {
                        assert!(self.session.acknowledge(token, ReasonCode::Success));
                    }
                }
                _ => {}
            }
        }
        self.write();
        count
    }

    fn write(&mut self) {
        self.session.poll_io(Timestamp::ZERO, &mut self.output);
        let bytes = self.output.len();
        self.output.advance(bytes);
        self.session.handle_written(Timestamp::ZERO, bytes);
    }
}

fn encoded(version: Version, packets: impl IntoIterator<Item = Packet>) -> BytesMut {
    let mut bytes = Vec::new();
    for packet in packets {
        packet.encode(version, &mut bytes).unwrap();
    }
    BytesMut::from(&bytes[..])
}

fn acks(version: Version, kind: AckKind, ids: &[PacketId]) -> BytesMut {
    encoded(version, ids.iter().map(|id| Ack::new(kind, *id).into()))
}

fn message(qos: QoS) -> Publish {
    let topic = TopicName::from_static("plant/3/temperature").unwrap();
    Publish { qos, ..Publish::new(topic, vec![7; 64]) }
}

/// The identifiers of a round of publishes.
fn ids(round: u16) -> Vec<PacketId> {
    let first = u32::from(round) * u32::from(MESSAGES);
    (first..first + u32::from(MESSAGES)).filter_map(|n| PacketId::new((n % 0xFFFF) as u16 + 1)).collect()
}

/// What the server sends after a round of publishes, piece by piece.
fn answers(version: Version, qos: QoS, ids: &[PacketId]) -> Vec<BytesMut> {
    let kinds: &[AckKind] = match qos {
        AtMostOnce => &[],
        AtLeastOnce => &[AckKind::Puback],
        ExactlyOnce => &[AckKind::Pubrec, AckKind::Pubcomp],
    };
    kinds.iter().map(|kind| acks(version, *kind, ids)).collect()
}

/// A round of messages, in 5.0 with a topic alias, and what the server says to their PUBRECs.
fn messages(version: Version, qos: QoS) -> Vec<BytesMut> {
    let ids = ids(0);
    let packet_id = |id: &PacketId| (qos != AtMostOnce).then_some(*id);
    let mut publishes = Vec::new();
    for (n, id) in ids.iter().enumerate() {
        let publish = Publish { packet_id: packet_id(id), ..message(qos) };
        match (version, n) {
            (Version::V311, _) => publish.encode(version, &mut publishes),
            (Version::V5, 0) => publish.setting_alias(NonZeroU16::MIN).encode(version, &mut publishes),
            (Version::V5, _) => publish.by_alias(NonZeroU16::MIN).encode(version, &mut publishes),
        }
        .unwrap();
    }
    let mut inputs = vec![BytesMut::from(&publishes[..])];
    if qos == ExactlyOnce {
        inputs.push(acks(version, AckKind::Pubrel, &ids));
    }
    inputs
}

#[test]
fn publishing_allocates_nothing() {
    both(|version| {
        for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            let mut client = Client::ready(version);
            let publish = message(qos);
            for round in 0..=ALL_IDS {
                let messages = vec![publish.clone(); MESSAGES.into()];
                let inputs = answers(version, qos, &ids(round));
                let allocations = measure(|| {
                    client.publish(messages);
                    let ended: u16 = inputs.into_iter().map(|input| client.read(input)).sum();
                    let ended = ended + client.read(BytesMut::new());
                    assert_eq!(ended, MESSAGES);
                });
                if round == ALL_IDS {
                    assert_eq!(allocations.count_total, 0, "{version} {qos:?}");
                }
            }
        }
    });
}

#[test]
fn receiving_allocates_once_for_a_buffer_and_nothing_for_a_message() {
    both(|version| {
        for qos in [AtMostOnce, AtLeastOnce, ExactlyOnce] {
            let mut client = Client::ready(version);
            for round in 0..3 {
                let inputs = messages(version, qos);
                let allocations = measure(|| {
                    let received: u16 = inputs.into_iter().map(|input| client.read(input)).sum();
                    assert_eq!(received, MESSAGES);
                });
                // The buffer counts its users from its first message on.
                if round == 2 {
                    assert_eq!(allocations.count_total, 1, "{version} {qos:?}");
                }
            }
        }
    });
}
