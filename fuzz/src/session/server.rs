//! A server that keeps every rule, and holds the session to its own.
//!
//! Each message carries a number in its payload, and numbers rise in the order of submission. So order and repetition
//! show at either end.

use std::{
    collections::{BTreeSet, VecDeque},
    num::NonZeroU16,
};

use arbitrary::{Result, Unstructured};
use bytes::{Bytes, BytesMut};
use mqtt_codec::{
    Ack, AckKind, Connack, Connect, Decoder, Packet, PacketId, Publish, QoS, ReasonCode, Side, Suback,
    TopicName, Unsuback, Version,
};
use mqtt_session::Config;

use crate::generate;

/// Where the messages of both sides go.
const TOPIC: &str = "numbers";

/// The message of this number.
pub(super) fn message(number: u32, qos: QoS) -> Publish {
    let topic = TopicName::from_static(TOPIC).expect("a plain topic");
    Publish { qos, ..Publish::new(topic, Bytes::copy_from_slice(&number.to_be_bytes())) }
}

/// The number in a message made by [`message`].
pub(super) fn number(publish: &Publish) -> u32 {
    u32::from_be_bytes(publish.payload[..].try_into().expect("every message has its number"))
}

pub(super) struct Server {
    version: Version,
    /// Beside garbage the rules can't be insisted on.
    is_lenient: bool,
    /// How many unacknowledged messages the client takes.
    client_takes: usize,
    /// The number of the latest message of ours.
    latest: u32,
    kept: Kept,
    /// Messages of the client that came in, and those that were passed on.
    arrived: BTreeSet<u32>,
    delivered: BTreeSet<u32>,
    /// The greatest number passed on at each QoS; at QoS 1 it may fall.
    greatest: [u32; 3],
    connection: Option<Connection>,
}

/// What outlives a connection.
#[derive(Default)]
struct Kept {
    exists: bool,
    /// Messages to the client, in order.
    outgoing: VecDeque<Outgoing>,
    /// Identifiers of the client's QoS 2 messages whose PUBREL has not come.
    unreleased: BTreeSet<PacketId>,
}

struct Outgoing {
    id: PacketId,
    publish: Publish,
    /// Whether PUBREC came.
    is_received: bool,
}

#[derive(Default)]
struct Connection {
    received: BytesMut,
    state: State,
    /// Whether the session ends with the connection.
    is_transient: bool,
    /// The session of a client that asked for its old one is new, and the client does not know yet.
    is_secretly_new: bool,
    /// What the client waits for, in the order in which it asked.
    to_answer: VecDeque<Packet>,
    /// What comes before any new message.
    to_resend: VecDeque<Packet>,
    /// Identifiers of the client's that await their last answer.
    in_use: BTreeSet<PacketId>,
    /// Of these, those of publishes, and how many there may be.
    publishes: usize,
    receive_maximum: usize,
    /// The number of the client's latest publish of QoS 1 or 2.
    latest: u32,
    /// Our messages of each QoS, in the order in which the client must answer them.
    unanswered: [VecDeque<PacketId>; 3],
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    ExpectConnect,
    MustAnswerConnect,
    Connected,
    Over,
}

/// What happens around the server.
impl Server {
    pub(super) fn new(config: &Config, is_lenient: bool) -> Self {
        Self {
            version: config.version,
            is_lenient,
            client_takes: usize::from(config.max_inbound.max(1)),
            latest: 0,
            kept: Kept::default(),
            arrived: BTreeSet::new(),
            delivered: BTreeSet::new(),
            greatest: [0; 3],
            connection: None,
        }
    }

    pub(super) fn open(&mut self) {
        self.close();
        self.connection = Some(Connection::default());
    }

    /// The client knows whether it has a session.
    pub(super) fn seen(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.is_secretly_new = false;
        }
    }

    pub(super) fn close(&mut self) {
        // A client that never heard of a new session can't tell it from its old one: no protocol helps here, so this
        // server does not keep such a session.
        let forgets = |connection: Connection| connection.is_transient || connection.is_secretly_new;
        if self.connection.take().is_some_and(forgets) {
            self.kept = Kept::default();
        }
    }

    /// Bytes came in: whatever they hold is a legal packet at its time.
    pub(super) fn receive(&mut self, bytes: &[u8]) {
        let decoder = Decoder::new(self.version, Side::Client);
        let Some(mut connection) = self.connection.take() else { return };
        connection.received.extend_from_slice(bytes);
        while let Some(packet) =
            decoder.decode_from(&mut connection.received).expect("the session sends legal packets")
        {
            self.take(&mut connection, packet);
        }
        self.connection = Some(connection);
    }

    /// Every publish that was acknowledged has been here.
    pub(super) fn check_has(&self, numbers: &BTreeSet<u32>) {
        let absent: Vec<_> = numbers.difference(&self.delivered).collect();
        assert!(absent.is_empty(), "acknowledged, but never arrived: {absent:?}");
    }
}

/// What the client sends.
impl Server {
    fn insist(&self, holds: bool, rule: &str) {
        assert!(holds || self.is_lenient, "{rule}");
    }

    fn take(&mut self, connection: &mut Connection, packet: Packet) {
        let expected =
            if matches!(packet, Packet::Connect(_)) { State::ExpectConnect } else { State::Connected };
        self.insist(connection.state == expected, "the client speaks out of turn");
        let is_to_be_answered = match &packet {
            Packet::Connect(_) => {
                connection.state = State::MustAnswerConnect;
                true
            }
            Packet::Disconnect(_) => {
                connection.state = State::Over;
                false
            }
            Packet::Publish(publish) => {
                self.take_publish(connection, publish);
                publish.qos != QoS::AtMostOnce
            }
            Packet::Ack(ack) => self.take_ack(connection, ack),
            Packet::Subscribe(_) | Packet::Unsubscribe(_) => {
                let id = packet.packet_id().expect("a request has one");
                self.insist(connection.in_use.insert(id), "a packet identifier is in use");
                true
            }
            _ => true,
        };
        if is_to_be_answered {
            connection.to_answer.push_back(packet);
        }
    }

    fn take_publish(&mut self, connection: &mut Connection, publish: &Publish) {
        let number = number(publish);
        let is_first = self.arrived.insert(number);
        // [MQTT-3.3.1-1]
        self.insist(is_first || publish.dup, "a repetition is not marked");
        let Some(id) = publish.packet_id else { return self.deliver(number, publish.qos) };
        self.insist(connection.in_use.insert(id), "a packet identifier is in use");
        self.insist(connection.publishes < connection.receive_maximum, "more than the receive maximum");
        connection.publishes += 1;
        // [MQTT-4.6.0-1]: repetitions in the original order, and before anything new.
        self.insist(number > connection.latest, "publishes are out of order");
        connection.latest = number;
    }

    /// Passes a message on.
    fn deliver(&mut self, number: u32, qos: QoS) {
        let greatest = self.greatest[qos as usize];
        self.insist(number > greatest || qos == QoS::AtLeastOnce, "a message is out of order or comes twice");
        self.greatest[qos as usize] = number;
        self.delivered.insert(number);
    }

    /// Whether there is something to answer.
    fn take_ack(&mut self, connection: &mut Connection, ack: &Ack) -> bool {
        let id = ack.packet_id;
        let place = self.kept.outgoing.iter().position(|out| out.id == id);
        match ack.kind {
            AckKind::Pubrel => {
                self.kept.unreleased.remove(&id);
                // After a reconnect it is the first that is heard of this exchange.
                if connection.in_use.insert(id) {
                    connection.publishes += 1;
                }
                return true;
            }
            AckKind::Puback | AckKind::Pubrec => {
                let qos = if ack.kind == AckKind::Puback { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
                let expected = connection.unanswered[qos as usize].pop_front();
                self.insist(expected == Some(id), "an acknowledgement is out of order");
                if ack.kind == AckKind::Pubrec && !ack.reason.is_error() {
                    if let Some(place) = place {
                        self.kept.outgoing[place].is_received = true;
                    }
                    return true;
                }
            }
            AckKind::Pubcomp => {
                let is_received = place.is_some_and(|place| self.kept.outgoing[place].is_received);
                self.insist(is_received, "PUBCOMP without PUBREL");
            }
        }
        if let Some(place) = place {
            self.kept.outgoing.remove(place);
        }
        false
    }
}

/// What the server sends.
impl Server {
    /// The next answer that is due, or the next repetition of the server's own; nothing if there is none.
    pub(super) fn reply(&mut self, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let Some(mut connection) = self.connection.take() else { return Ok(Vec::new()) };
        let packet = match connection.to_answer.pop_front() {
            Some(packet) => self.answer(&mut connection, packet, u).map(Some),
            None => Ok(connection.to_resend.pop_front().inspect(|packet| connection.sent(packet))),
        };
        self.connection = Some(connection);
        Ok(self.encode(packet?))
    }

    /// A new message, if the client takes one.
    pub(super) fn publish(&mut self, u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let qos = generate::qos(u)?;
        let is_free = |id: &PacketId| self.kept.outgoing.iter().all(|out| out.id != *id);
        let id = (1..=u16::MAX).filter_map(PacketId::new).find(is_free);
        let has_room = qos == QoS::AtMostOnce || self.kept.outgoing.len() < self.client_takes;
        let is_free = |connection: &&mut Connection| {
            connection.state == State::Connected && connection.to_resend.is_empty() && has_room
        };
        let Some(connection) = self.connection.as_mut().filter(is_free) else { return Ok(Vec::new()) };
        self.latest += 1;
        let mut publish = message(self.latest, qos);
        if let Some(id) = id.filter(|_| qos != QoS::AtMostOnce) {
            publish.packet_id = Some(id);
            self.kept.outgoing.push_back(Outgoing { id, publish: publish.clone(), is_received: false });
        }
        let packet = Packet::from(publish);
        connection.sent(&packet);
        Ok(self.encode(Some(packet)))
    }

    fn encode(&self, packet: Option<Packet>) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(packet) = packet {
            packet.encode(self.version, &mut bytes).expect("the server sends legal packets");
        }
        bytes
    }

    fn answer(
        &mut self,
        connection: &mut Connection,
        packet: Packet,
        u: &mut Unstructured<'_>,
    ) -> Result<Packet> {
        let is_v5 = self.version == Version::V5;
        Ok(match packet {
            Packet::Connect(connect) => self.answer_connect(connection, &connect, u)?.into(),
            Packet::Publish(publish) => self.answer_publish(connection, &publish).into(),
            Packet::Ack(ack) if ack.kind == AckKind::Pubrec => {
                Ack::new(AckKind::Pubrel, ack.packet_id).into()
            }
            Packet::Ack(ack) => {
                connection.finish(ack.packet_id);
                Ack::new(AckKind::Pubcomp, ack.packet_id).into()
            }
            Packet::Subscribe(subscribe) => {
                connection.in_use.remove(&subscribe.packet_id);
                let granted = subscribe.filters.iter().map(|filter| filter.options.qos.into()).collect();
                Suback::new(subscribe.packet_id, granted).into()
            }
            Packet::Unsubscribe(unsubscribe) => {
                connection.in_use.remove(&unsubscribe.packet_id);
                let count = if is_v5 { unsubscribe.filters.len() } else { 0 };
                Unsuback::new(unsubscribe.packet_id, vec![ReasonCode::Success; count]).into()
            }
            _ => Packet::Pingresp,
        })
    }

    fn answer_publish(&mut self, connection: &mut Connection, publish: &Publish) -> Ack {
        let id = publish.packet_id.expect("QoS 0 is not answered");
        let number = number(publish);
        let kind = if publish.qos == QoS::AtLeastOnce { AckKind::Puback } else { AckKind::Pubrec };
        let mut ack = Ack::new(kind, id);
        if self.version == Version::V5 {
            // By the number, so that a repetition gets the same answer.
            ack.reason = match number % 5 {
                0 => ReasonCode::QuotaExceeded,
                1 => ReasonCode::NoMatchingSubscribers,
                _ => ReasonCode::Success,
            };
        }
        let is_first = kind == AckKind::Puback || !self.kept.unreleased.contains(&id);
        if is_first && !ack.reason.is_error() {
            self.deliver(number, publish.qos);
        }
        if kind == AckKind::Puback || ack.reason.is_error() {
            connection.finish(id);
        } else {
            self.kept.unreleased.insert(id);
        }
        ack
    }

    fn answer_connect(
        &mut self,
        connection: &mut Connection,
        connect: &Connect,
        u: &mut Unstructured<'_>,
    ) -> Result<Connack> {
        if u.ratio(1, 8)? {
            connection.state = State::Over;
            return Ok(Connack::new(false, ReasonCode::ServerUnavailable));
        }
        let is_present = self.kept.exists && !connect.clean_start && u.ratio(7, 8)?;
        if !is_present {
            self.kept = Kept { exists: true, ..Kept::default() };
            connection.is_secretly_new = !connect.clean_start;
        }
        connection.state = State::Connected;
        connection.is_transient = match self.version {
            Version::V311 => connect.clean_start,
            Version::V5 => connect.properties.session_expiry_interval().unwrap_or(0) == 0,
        };
        let repeat = |out: &Outgoing| {
            if out.is_received {
                Ack::new(AckKind::Pubrel, out.id).into()
            } else {
                Publish { dup: true, ..out.publish.clone() }.into()
            }
        };
        connection.to_resend = self.kept.outgoing.iter().map(repeat).collect();
        let mut connack = Connack::new(is_present, ReasonCode::Success);
        connection.receive_maximum = usize::from(u16::MAX);
        if self.version == Version::V5 {
            if let Some(maximum) = NonZeroU16::new(u.int_in_range(0..=3)?) {
                connection.receive_maximum = usize::from(maximum.get());
                connack.properties.set_receive_maximum(maximum);
            }
            if u.ratio(1, 8)? {
                connack.properties.set_maximum_qos(QoS::AtLeastOnce);
            }
        }
        Ok(connack)
    }
}

impl Connection {
    /// Notes what the client has to answer.
    fn sent(&mut self, packet: &Packet) {
        if let Packet::Publish(Publish { packet_id: Some(id), qos, .. }) = packet {
            self.unanswered[*qos as usize].push_back(*id);
        }
    }

    /// A publish of the client's has had its last answer.
    fn finish(&mut self, id: PacketId) {
        if self.in_use.remove(&id) {
            self.publishes = self.publishes.saturating_sub(1);
        }
    }
}
