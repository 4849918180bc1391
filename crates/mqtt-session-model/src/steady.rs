//! [`Steady`]: a session in which always as many messages are under way, so that what one more costs can be counted. What
//! is around the session costs next to nothing.

use std::collections::VecDeque;

use mqtt_session::codec::bytes::BytesMut;
use mqtt_session::codec::{AckKind, Connack, PacketId, Publish, QoS, ReasonCode, Version};
use mqtt_session::{Command, Config, Event, Output, Session, Timestamp, Token};

use crate::messages::{connect, id, message};
use crate::seeds::Dice;

/// What goes on in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Whether the client publishes; else the server does.
    pub outgoing: bool,
    /// The QoS of all messages.
    pub qos: QoS,
    /// Whether messages end in any order, and not the oldest first.
    pub shuffled: bool,
}

/// A session with its peer.
pub struct Steady {
    flow: Flow,
    session: Session,
    output: Output,
    input: BytesMut,
    /// Every message is a copy of this one, which the server sends as `bytes` with the packet identifier in its place.
    message: Publish,
    bytes: Vec<u8>,
    /// Identifiers of what is under way, the oldest first; of inbound messages with their token.
    under_way: VecDeque<(PacketId, Option<Token>)>,
    dice: Dice,
}

/// Where the packet identifier stands in a PUBLISH of [`message`]: behind the fixed header and a topic of one letter.
const PACKET_ID: usize = 5;

const VERSION: Version = Version::V5;
const NOW: Timestamp = Timestamp::ZERO;

impl Steady {
    /// So many messages are under way.
    ///
    /// # Panics
    ///
    /// If a step of that is refused, here and in [`round`](Self::round).
    #[must_use]
    pub fn new(flow: Flow, count: u16) -> Self {
        let config =
            Config { version: VERSION, max_in_flight: u16::MAX, max_inbound: u16::MAX, ..Config::default() };
        let mut steady = Self {
            flow,
            session: Session::new(config),
            output: Output::new(),
            input: BytesMut::new(),
            message: message(1, flow.qos),
            bytes: Vec::new(),
            under_way: VecDeque::new(),
            dice: Dice::new(1),
        };
        let first = Publish { packet_id: Some(id(1)), ..steady.message.clone() };
        first.encode(VERSION, &mut steady.bytes).expect("a message of the server");
        steady.session.handle_opened(NOW, connect(VERSION)).expect("CONNECT is right");
        steady.write();
        let mut connack = Vec::new();
        Connack::new(false, ReasonCode::Success).encode(VERSION, &mut connack).expect("CONNACK is right");
        steady.hear(&connack);
        while steady.session.poll_event().is_some() {}
        (0..count).for_each(|n| steady.begin(id(n + 1)));
        steady
    }

    /// The oldest message comes to its end, and another one begins.
    pub fn round(&mut self) {
        if self.flow.shuffled {
            let other = self.dice.below(self.under_way.len() as u64) as usize;
            self.under_way.swap(0, other);
        }
        let (packet_id, token) = self.under_way.pop_front().expect("something is under way");
        if let Some(token) = token {
            assert!(self.session.acknowledge(token, ReasonCode::Success));
        }
        let answers: &[AckKind] = match (self.flow.outgoing, self.flow.qos) {
            (true, QoS::ExactlyOnce) => &[AckKind::Pubrec, AckKind::Pubcomp],
            (true, _) => &[AckKind::Puback],
            (false, QoS::ExactlyOnce) => &[AckKind::Pubrel],
            (false, _) => &[],
        };
        for kind in answers {
            let flags = if *kind == AckKind::Pubrel { 2 } else { 0 };
            let [high, low] = packet_id.get().to_be_bytes();
            self.hear(&[(*kind as u8 + 4) << 4 | flags, 2, high, low]);
        }
        self.write();
        self.begin(packet_id);
    }

    /// A message begins; a server gives it this identifier.
    fn begin(&mut self, packet_id: PacketId) {
        if self.flow.outgoing {
            let command = Command::Publish { tag: 0, publish: self.message.clone() };
            self.session.submit(command).expect("there is room");
            while self.session.poll_event().is_some() {}
            self.session.poll_io(NOW, &mut self.output);
            let sent = self.output.chunks().next().expect("a publish is sent");
            let packet_id = u16::from_be_bytes([sent[PACKET_ID], sent[PACKET_ID + 1]]);
            self.under_way.push_back((id(packet_id), None));
            self.write();
        } else {
            self.bytes[PACKET_ID..][..2].copy_from_slice(&packet_id.get().to_be_bytes());
            let bytes = std::mem::take(&mut self.bytes);
            self.hear(&bytes);
            self.bytes = bytes;
            let Some(Event::Message(inbound)) = self.session.poll_event() else {
                panic!("a message is told")
            };
            self.under_way.push_back((packet_id, inbound.token));
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while self.session.handle_input(NOW, &mut self.input).expect("the peer is honest") > 0 {}
    }

    /// The transport takes all there is.
    fn write(&mut self) {
        self.session.poll_io(NOW, &mut self.output);
        let length = self.output.len();
        self.output.advance(length);
        self.session.handle_written(NOW, length);
    }
}
