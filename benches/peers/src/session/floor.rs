//! The floor: the four flows by hand, for a server that keeps the rules and one shape of packet. Nothing can be resent,
//! refused, limited or timed; what an application would have to know is known.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use mqtt_codec::{QoS, Version};

use super::{Client, MESSAGES};
use crate::{floor, measure::House};

/// What is on its way out, at the place that its identifier names.
#[derive(Clone)]
pub struct Message {
    qos: QoS,
    topic: Bytes,
    payload: Bytes,
}

pub struct Floor {
    version: Version,
    next: usize,
    flows: [Option<Message>; MESSAGES],
    received: [bool; MESSAGES],
    ended: VecDeque<Message>,
    output: Vec<u8>,
}

impl Floor {
    /// Ends a flow.
    #[inline]
    fn end(&mut self, id: u16) {
        self.ended.extend(self.flows[place(id)].take());
    }

    #[inline]
    fn answer(&mut self, first: u8, id: u16) {
        let [high, low] = id.to_be_bytes();
        self.output.extend_from_slice(&[first, 2, high, low]);
    }

    /// A PUBLISH without properties.
    #[inline]
    fn received(&mut self, frame: Bytes) {
        let found = match self.version {
            Version::V311 => floor::publish(&frame),
            Version::V5 => floor::publish_v5(&frame),
        };
        let floor::Publish { first, topic, id, payload, .. } = found.expect("a legal packet");
        let payload = frame.len() - payload.len();
        let at = payload - usize::from(self.version == Version::V5) - 2 - topic.len();
        let message = Message {
            qos: if first & 4 != 0 { QoS::ExactlyOnce } else { QoS::AtLeastOnce },
            topic: frame.slice(at..at + topic.len()),
            payload: frame.slice(payload..),
        };
        if message.qos == QoS::ExactlyOnce {
            assert!(!self.received[place(id)]);
            self.received[place(id)] = true;
            self.answer(0x50, id);
        } else {
            self.answer(0x40, id);
        }
        self.ended.push_back(message);
    }
}

#[inline]
fn place(id: u16) -> usize {
    usize::from(id) % MESSAGES
}

impl Client for Floor {
    const NAME: &'static str = "floor";
    const HOUSE: House = House::Floor;
    type Message = Message;

    fn connected(version: Version) -> Self {
        Self {
            version,
            next: 0,
            flows: [const { None }; MESSAGES],
            received: [false; MESSAGES],
            ended: VecDeque::new(),
            output: Vec::with_capacity(1 << 17),
        }
    }

    fn message(qos: QoS, topic: &'static str, payload: &Bytes) -> Message {
        Message { qos, topic: Bytes::from_static(topic.as_bytes()), payload: payload.clone() }
    }

    fn publish(&mut self, messages: Vec<Message>) {
        for message in messages {
            let id = Self::id(self.next);
            self.next += 1;
            let properties = usize::from(self.version == Version::V5);
            let len = 2 + message.topic.len() + 2 + properties + message.payload.len();
            let [high, low] = (message.topic.len() as u16).to_be_bytes();
            assert!(len < 0x80);
            let first = if message.qos == QoS::ExactlyOnce { 0x34 } else { 0x32 };
            self.output.extend_from_slice(&[first, len as u8, high, low]);
            self.output.extend_from_slice(&message.topic);
            let [high, low] = id.to_be_bytes();
            self.output.extend_from_slice(&[high, low, 0][..2 + properties]);
            self.output.extend_from_slice(&message.payload);
            let flow = &mut self.flows[place(id)];
            assert!(flow.is_none());
            *flow = Some(message);
        }
    }

    fn read(&mut self, mut input: BytesMut) -> usize {
        if input.first().is_some_and(|first| first >> 4 == 3) {
            let input = input.split().freeze();
            let mut at = 0;
            while let Some((_, header, len)) = floor::header(&input[at..]) {
                self.received(input.slice(at..at + header + len));
                at += header + len;
            }
        } else {
            for ack in input.as_chunks::<4>().0 {
                let [first, 2, high, low] = *ack else { unreachable!("the server has nothing else to say") };
                let id = u16::from_be_bytes([high, low]);
                assert!(first == 0x62 || self.flows[place(id)].is_some());
                match first {
                    0x40 | 0x70 => self.end(id),
                    0x50 => self.answer(0x62, id),
                    _ => {
                        assert!(self.received[place(id)]);
                        self.received[place(id)] = false;
                        self.answer(0x70, id);
                    }
                }
            }
        }
        self.ended.drain(..).count()
    }

    fn write(&mut self, transport: &mut impl FnMut(&[u8])) {
        transport(&self.output);
        self.output.clear();
    }
}
