//! The flows, what the server says in them, and what it is to hear.

use std::hint::black_box;

use bytes::{Bytes, BytesMut};
use mqtt_codec::{Ack, AckKind, Decoder, Packet, PacketId, Publish, QoS, Side, TopicName, Version};

use super::{
    Client, MESSAGES,
    floor::Floor,
    ours::Ours,
    protocol_core::{Core4, Core5},
    rumqttc::{Next4, Next5, Rumqttc4, Rumqttc5},
};
use crate::{
    inputs::noise,
    measure::{Candidate, Row},
};

/// Round trips that are measured as one.
const ROUNDS: usize = 16;

/// Bytes of each payload.
const PAYLOAD: usize = 64;

/// One of the four ways of a message that is acknowledged.
#[derive(Clone, Copy)]
struct Flow {
    publish: bool,
    qos: QoS,
    version: Version,
}

/// One round trip: what the user publishes, and what the server sends, piece by piece.
struct Round<M> {
    messages: Vec<M>,
    inputs: Vec<BytesMut>,
}

/// All rows.
pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (version, names) in [
        (
            Version::V311,
            ["publish QoS 1, 3.1.1", "publish QoS 2, 3.1.1", "receive QoS 1, 3.1.1", "receive QoS 2, 3.1.1"],
        ),
        (
            Version::V5,
            ["publish QoS 1, 5.0", "publish QoS 2, 5.0", "receive QoS 1, 5.0", "receive QoS 2, 5.0"],
        ),
    ] {
        for (number, name) in names.into_iter().enumerate() {
            let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][number % 2];
            rows.push(Flow { publish: number < 2, qos, version }.row(name));
        }
    }
    rows
}

impl Flow {
    fn row(self, name: &'static str) -> Row {
        let mut candidates = vec![self.candidate::<Ours>(), self.candidate::<Floor>()];
        match self.version {
            Version::V311 => candidates.extend([
                self.candidate::<Rumqttc4>(),
                self.candidate::<Next4>(),
                self.candidate::<Core4>(),
            ]),
            Version::V5 => candidates.extend([
                self.candidate::<Rumqttc5>(),
                self.candidate::<Next5>(),
                self.candidate::<Core5>(),
            ]),
        }
        Row { name, goal: (if self.publish { 0.25 } else { 0.3 }, None), candidates }
    }

    /// A client in this flow, which has gone once through it under supervision.
    fn candidate<C: Client>(self) -> Candidate {
        let topics: Vec<&'static str> =
            (0..MESSAGES).map(|n| &*format!("site/line-{n:03}/oven-{n:02}/temp00").leak()).collect();
        let payloads: Vec<Bytes> = (0..MESSAGES).map(|n| noise(n, PAYLOAD)).collect();
        let messages: Vec<C::Message> = topics
            .iter()
            .zip(&payloads)
            .map(|(topic, payload)| C::message(self.qos, topic, payload))
            .collect();
        let publishes: Vec<Publish> = topics
            .iter()
            .zip(payloads)
            .map(|(topic, payload)| Publish {
                qos: self.qos,
                ..Publish::new(TopicName::new(*topic).expect("a legal topic"), payload)
            })
            .collect();

        let mut client = C::connected(self.version);
        let mut sent = 0;
        let mut prepare = move || {
            let ids: Vec<PacketId> =
                (sent..sent + MESSAGES).filter_map(|nth| PacketId::new(C::id(nth))).collect();
            sent += MESSAGES;
            let messages = if self.publish { messages.clone() } else { Vec::new() };
            let inputs = self.server(&publishes, &ids).map(|input| BytesMut::from(&input[..])).collect();
            (Round { messages, inputs }, self.heard(&publishes, &ids))
        };
        for _ in 0..ROUNDS {
            let (round, expected) = prepare();
            let mut heard = Vec::new();
            go(&mut client, round, |bytes| heard.extend_from_slice(bytes));
            assert!(packets(self.version, &heard) == packets(self.version, &expected), "{}", C::NAME);
        }
        Candidate::new(
            C::NAME,
            C::HOUSE,
            ROUNDS * MESSAGES,
            move || (0..ROUNDS).map(|_| prepare().0).collect(),
            move |rounds: &mut Vec<Round<C::Message>>| {
                for round in rounds.drain(..) {
                    go(&mut client, round, |bytes| {
                        black_box(bytes);
                    });
                }
            },
        )
    }

    /// What the server sends, piece by piece.
    fn server(self, publishes: &[Publish], ids: &[PacketId]) -> impl Iterator<Item = Vec<u8>> {
        let pieces = match (self.publish, self.qos) {
            (true, QoS::ExactlyOnce) => {
                vec![self.acks(AckKind::Pubrec, ids), self.acks(AckKind::Pubcomp, ids)]
            }
            (true, _) => vec![self.acks(AckKind::Puback, ids)],
            (false, QoS::ExactlyOnce) => {
                vec![self.publishes(publishes, ids), self.acks(AckKind::Pubrel, ids)]
            }
            (false, _) => vec![self.publishes(publishes, ids)],
        };
        pieces.into_iter()
    }

    /// What it hears.
    fn heard(self, publishes: &[Publish], ids: &[PacketId]) -> Vec<u8> {
        match (self.publish, self.qos) {
            (true, QoS::ExactlyOnce) => {
                [self.publishes(publishes, ids), self.acks(AckKind::Pubrel, ids)].concat()
            }
            (true, _) => self.publishes(publishes, ids),
            (false, QoS::ExactlyOnce) => {
                [self.acks(AckKind::Pubrec, ids), self.acks(AckKind::Pubcomp, ids)].concat()
            }
            (false, _) => self.acks(AckKind::Puback, ids),
        }
    }

    fn acks(self, kind: AckKind, ids: &[PacketId]) -> Vec<u8> {
        self.encoded(ids.iter().map(|&id| Ack::new(kind, id).into()))
    }

    fn publishes(self, publishes: &[Publish], ids: &[PacketId]) -> Vec<u8> {
        let numbered = publishes.iter().zip(ids);
        self.encoded(numbered.map(|(publish, &id)| Publish { packet_id: Some(id), ..publish.clone() }.into()))
    }

    fn encoded(self, packets: impl Iterator<Item = Packet>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for packet in packets {
            packet.encode(self.version, &mut bytes).expect("a legal packet");
        }
        bytes
    }
}

/// One round trip.
#[inline(always)]
fn go<C: Client>(client: &mut C, round: Round<C::Message>, mut transport: impl FnMut(&[u8])) {
    if !round.messages.is_empty() {
        client.publish(round.messages);
        client.write(&mut transport);
    }
    let mut count = 0;
    for input in round.inputs {
        count += client.read(input);
        client.write(&mut transport);
    }
    assert_eq!(count, MESSAGES, "{}", C::NAME);
}

/// What a client sent, which has more than one form.
fn packets(version: Version, mut bytes: &[u8]) -> Vec<Packet> {
    let decoder = Decoder::new(version, Side::Client);
    let mut packets = Vec::new();
    while let Some(len) = decoder.delimit(bytes).expect("legal packets") {
        let (frame, rest) = bytes.split_at(len);
        packets.push(decoder.decode(&Bytes::copy_from_slice(frame)).expect("a legal packet"));
        bytes = rest;
    }
    packets
}
