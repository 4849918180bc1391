//! One connection: its decoder, its limits, and its two ends of the wire.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mqtt_codec::{
    Ack, AckKind, DecodeError, Decoder, Disconnect, EncodeError, Packet, PacketId, PacketKind, ReasonCode,
    Side, Text, Version,
};
use mqtt_session::{Direction, PacketTrace, Timestamp};

use super::aliases::Aliases;
use super::authenticate::Authentication;
use super::fault::Action;
use super::instruments::{Instruments, LogEntry, Misdeed, Violation};
use super::session::SessionId;
use super::wire::Wire;
use super::{BrokerConfig, ConnId};

/// Bytes of output past which no further QoS 1 and 2 messages are encoded: they wait in their queue.
const HIGH_WATER: usize = 256 << 10;
/// Packets from this size on are not copied out of the buffer they came in.
const LARGE: usize = 16 << 10;

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The CONNECT, which has to come in time.
    AwaitConnect { deadline: Timestamp },
    /// AUTH: its CONNECT names a method that the client has not been let in by. In time, too.
    Authenticating { deadline: Timestamp },
    /// Any packet of the session.
    Ready(SessionId),
}

/// A packet as it was read.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) packet: Packet,
    /// Whether faults were already asked about it.
    pub(super) judged: bool,
}

/// One connection, from its opening to its end.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    pub(super) phase: Phase,
    pub(super) version: Version,
    /// Empty before the CONNECT.
    pub(super) client_id: Text,
    /// The protocol level of the CONNECT, as far as that can be read.
    pub(super) offered_level: Option<u8>,
    /// Of a CONNECT that named a method.
    pub(super) authentication: Option<Authentication>,
    decoder: Decoder,
    inbox: BytesMut,
    /// Packets that faults put before whatever the inbox holds, and when they are due.
    put_back: VecDeque<(Timestamp, Incoming)>,
    /// How many more bytes are read before the connection is cut.
    read_budget: Option<u64>,
    wire: Wire,
    /// Whether a script has what is sent lost.
    muted: bool,

    pub(super) last_received: Timestamp,
    /// Silence after which the client is given up: one and a half keep alive intervals; none without keep alive.
    pub(super) silence_limit: Option<Duration>,
    /// The client's Maximum Packet Size.
    pub(super) max_packet_size: u32,
    /// PUBLISH packets of QoS 1 and 2 that may still be sent [5.0 MQTT-4.9.0-1].
    pub(super) send_quota: u16,
    pub(super) aliases: Aliases,
    /// Packet identifiers of the client's PUBLISHes that the client has not seen acknowledged.
    pub(super) unacknowledged: BTreeSet<PacketId>,
    /// Whether this connection began the session, rather than resuming it.
    pub(super) began_session: bool,
}

impl Connection {
    pub(super) fn new(id: ConnId, now: Timestamp, config: &BrokerConfig, budget: [Option<u64>; 2]) -> Self {
        let [read_budget, write_budget] = budget;
        Self {
            id,
            phase: Phase::AwaitConnect { deadline: now + config.connect_timeout },
            version: Version::V311,
            client_id: Text::default(),
            offered_level: None,
            authentication: None,
            decoder: Decoder::new(Version::V311, Side::Client).with_max_packet_size(config.max_packet_size),
            inbox: BytesMut::new(),
            put_back: VecDeque::new(),
            read_budget,
            wire: Wire::new(write_budget),
            muted: false,
            last_received: now,
            silence_limit: None,
            max_packet_size: u32::MAX,
            send_quota: 0,
            aliases: Aliases::default(),
            unacknowledged: BTreeSet::new(),
            began_session: false,
        }
    }

    /// From the CONNECT on, both directions speak this version.
    pub(super) fn set_version(&mut self, version: Version, config: &BrokerConfig) {
        self.version = version;
        self.decoder = Decoder::new(version, Side::Client).with_max_packet_size(config.max_packet_size);
    }

    pub(super) fn session(&self) -> Option<SessionId> {
        match self.phase {
            Phase::Ready(session) => Some(session),
            Phase::AwaitConnect { .. } | Phase::Authenticating { .. } => None,
        }
    }

    // --- reading ---

    /// Takes all of `input`; what comes after the connection's end is ignored.
    pub(super) fn take_input(&mut self, input: &mut BytesMut) {
        if !self.is_over() {
            let mut taken = &input[..];
            if let Some(budget) = &mut self.read_budget {
                taken = &taken[..taken.len().min(usize::try_from(*budget).unwrap_or(usize::MAX))];
                *budget -= taken.len() as u64;
            }
            self.inbox.extend_from_slice(taken);
        }
        input.clear();
    }

    /// The next packet, when it is complete and due.
    pub(super) fn next_packet(
        &mut self,
        now: Timestamp,
        inst: &mut Instruments,
    ) -> Option<Result<Incoming, DecodeError>> {
        if self.is_over() {
            return None;
        }
        if let Some((due, _)) = self.put_back.front() {
            return (*due <= now)
                .then(|| self.put_back.pop_front())
                .flatten()
                .map(|(_, incoming)| Ok(incoming));
        }
        if matches!(self.phase, Phase::AwaitConnect { .. }) {
            self.offered_level = protocol_level(&self.inbox);
        }
        let len = match self.decoder.delimit(&self.inbox) {
            Ok(Some(len)) => len,
            Ok(None) => {
                if self.read_budget == Some(0) {
                    self.cut(inst);
                }
                return None;
            }
            Err(error) => return Some(Err(error)),
        };
        let frame = self.inbox.split_to(len);
        let flags = frame.first().map_or(0, |first| first & 0x0F);
        // A small packet is copied, so that whatever is kept of it doesn't pin the buffer of many others.
        let frame = if len < LARGE { Bytes::copy_from_slice(&frame) } else { frame.freeze() };
        let packet = match self.decoder.decode(&frame) {
            Ok(packet) => packet,
            Err(error) => return Some(Err(error)),
        };
        self.last_received = now;
        if let Packet::Connect(connect) = &packet
            && self.client_id.is_empty()
        {
            self.client_id = connect.client_id.clone();
        }
        inst.log(|| self.log_entry(Direction::Inbound, now, &packet, flags, len));
        Some(Ok(Incoming { packet, judged: false }))
    }

    /// Has these packets read again, before all others, when their time comes.
    pub(super) fn put_back(&mut self, due: Timestamp, incoming: Incoming) {
        self.put_back.push_back((due, incoming));
    }

    // --- writing ---

    /// Sends a packet, or does to it what a fault says.
    pub(super) fn send(&mut self, now: Timestamp, packet: impl Into<Packet>, inst: &mut Instruments) {
        let packet = packet.into();
        if self.is_over() {
            return;
        }
        let action = inst.faults.strike(Direction::Outbound, packet.kind(), &self.client_id);
        match action {
            None => {
                self.write(now, &packet, inst);
            }
            Some(Action::Lose) => {
                let len = packet.encoded_len(self.version).unwrap_or_default();
                self.log_sent(now, &packet, len, inst);
            }
            Some(Action::Duplicate) => {
                self.write(now, &packet, inst);
                self.write(now, &packet, inst);
            }
            Some(Action::Delay(by)) => {
                self.wire.delay_until(now + by);
                self.write(now, &packet, inst);
            }
            Some(Action::Withhold) => {
                let version = self.version;
                // What can't be encoded can't be withheld either; `write` says why that can't happen.
                let _ = self.wire.withhold(|out| packet.encode(version, out));
            }
            Some(Action::Refuse(reason)) => self.dismiss(now, reason, "refused by script", inst),
            Some(Action::CutBefore) => self.cut(inst),
            Some(Action::CutAfter) => {
                self.write(now, &packet, inst);
                self.cut(inst);
            }
            Some(Action::CutAfterBytes(bytes)) => {
                let written = self.write(now, &packet, inst);
                self.wire.truncate_last(written, usize::try_from(bytes).unwrap_or(usize::MAX));
                self.cut(inst);
            }
        }
    }

    /// Ends the connection for a reason, which a 5.0 client that had its CONNACK is told in a DISCONNECT.
    pub(super) fn dismiss(&mut self, now: Timestamp, reason: ReasonCode, text: &str, inst: &mut Instruments) {
        if self.version == Version::V5 && matches!(self.phase, Phase::Ready(_)) {
            // What only a CONNACK can say is told in general terms.
            let sayable = reason.allowed_in(PacketKind::Disconnect, Side::Server);
            let reason = if sayable { reason } else { ReasonCode::ProtocolError };
            let mut disconnect = Disconnect::new(reason);
            if let Ok(text) = Text::new(text) {
                disconnect.properties.set_reason_string(&text);
            }
            // [5.0 MQTT-3.14.2-3]
            if !self.fits(&disconnect.clone().into()) {
                disconnect = Disconnect::new(reason);
            }
            self.send(now, disconnect, inst);
        }
        self.close(inst);
    }

    /// Ends the connection once what was sent has passed.
    pub(super) fn close(&mut self, inst: &mut Instruments) {
        if !self.is_over() {
            self.wire.close();
            self.note_end(inst);
        }
    }

    /// Ends the connection without a word, as a broken network does.
    pub(super) fn cut(&mut self, inst: &mut Instruments) {
        if !self.is_over() {
            self.wire.cut();
            self.note_end(inst);
        }
    }

    /// Whatever is sent from now on is lost.
    pub(super) fn mute(&mut self) {
        self.muted = true;
    }

    /// Whether the connection has ended, though output may still wait.
    pub(super) fn is_over(&self) -> bool {
        self.wire.is_closing()
    }

    /// Whether the driver has to close the transport: everything that should pass has passed.
    pub(super) fn is_finished(&self) -> bool {
        self.wire.is_finished()
    }

    /// Whether further queued messages may be encoded.
    pub(super) fn has_room(&self) -> bool {
        !self.is_over() && self.wire.waiting() < HIGH_WATER
    }

    /// Bytes that the transport has not taken.
    pub(super) fn waiting(&self) -> usize {
        self.wire.waiting()
    }

    pub(super) fn drain_into(&mut self, out: &mut Vec<u8>) {
        self.wire.drain_into(out);
    }

    pub(super) fn release_withheld(&mut self, inst: &mut Instruments) {
        self.wire.release_withheld();
        self.note_output(inst);
    }

    /// Whether the client takes a packet of this size [5.0 MQTT-3.1.2-24].
    pub(super) fn fits(&self, packet: &Packet) -> bool {
        packet.encoded_len(self.version).is_ok_and(|len| len <= self.max_packet_size as usize)
    }

    /// Notes what the client may not do, but the broker has to bear.
    pub(super) fn violation(
        &self,
        at: Timestamp,
        packet: PacketKind,
        packet_id: PacketId,
        what: Misdeed,
        inst: &mut Instruments,
    ) {
        inst.violation(Violation {
            at,
            connection: self.id,
            client: self.client_id.clone(),
            packet,
            packet_id,
            what,
        });
    }

    // --- time ---

    /// Lets pass what was delayed, and gives up a client that is silent for too long.
    pub(super) fn handle_timeout(&mut self, now: Timestamp, inst: &mut Instruments) {
        let was_over = self.is_over();
        self.wire.handle_timeout(now);
        self.note_output(inst);
        if self.is_over() && !was_over {
            self.note_end(inst);
        }
        match self.phase {
            Phase::AwaitConnect { deadline } | Phase::Authenticating { deadline } if deadline <= now => {
                self.close(inst);
            }
            // [3.1.1 MQTT-3.1.2-24] [5.0 MQTT-3.1.2-22]
            Phase::Ready(_) if self.silence_deadline().is_some_and(|deadline| deadline <= now) => {
                self.dismiss(now, ReasonCode::KeepAliveTimeout, "keep alive timeout", inst);
            }
            _ => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        if self.is_over() {
            return self.wire.deadline();
        }
        let patience = match self.phase {
            Phase::AwaitConnect { deadline } | Phase::Authenticating { deadline } => Some(deadline),
            Phase::Ready(_) => self.silence_deadline(),
        };
        let put_back = self.put_back.front().map(|(due, _)| *due);
        [patience, put_back, self.wire.deadline()].into_iter().flatten().min()
    }

    fn silence_deadline(&self) -> Option<Timestamp> {
        self.silence_limit.map(|limit| self.last_received + limit)
    }

    // --- helpers ---

    /// Encodes the packet and returns its length. A client's Maximum Packet Size is never exceeded; what would
    /// exceed it isn't sent.
    fn write(&mut self, now: Timestamp, packet: &Packet, inst: &mut Instruments) -> usize {
        if self.muted || !self.fits(packet) {
            return 0;
        }
        let (version, max_len, mut written) = (self.version, self.max_packet_size as usize, 0);
        let aliases = &mut self.aliases;
        let result: Result<(), EncodeError> = self.wire.append(|out| {
            written = match packet {
                Packet::Publish(publish) => aliases.encode(publish, version, max_len, out)?,
                _ => packet.encode(version, out)?,
            };
            Ok(written)
        });
        if result.is_err() {
            // The broker builds no packet that its version lacks; if it did, the connection can't go on.
            self.cut(inst);
            return 0;
        }
        self.log_sent(now, packet, written, inst);
        self.note_acknowledged(packet);
        if self.is_over() {
            self.note_end(inst);
        }
        self.note_output(inst);
        written
    }

    /// The client learns with this packet that its own identifier is free again.
    fn note_acknowledged(&mut self, packet: &Packet) {
        if let Packet::Ack(Ack { kind, packet_id, reason, .. }) = packet {
            let ends = match kind {
                AckKind::Puback | AckKind::Pubcomp => true,
                AckKind::Pubrec => reason.is_error(),
                AckKind::Pubrel => false,
            };
            if ends {
                self.unacknowledged.remove(packet_id);
            }
        }
    }

    fn note_output(&self, inst: &mut Instruments) {
        if self.wire.has_output() || self.is_finished() {
            inst.stirred.insert(self.id);
        }
    }

    fn note_end(&self, inst: &mut Instruments) {
        inst.ended.push(self.id);
        inst.stirred.insert(self.id);
    }

    fn log_sent(&self, now: Timestamp, packet: &Packet, len: usize, inst: &mut Instruments) {
        inst.log(|| {
            let mut bytes = Vec::new();
            let _ = packet.encode(self.version, &mut bytes);
            let flags = bytes.first().map_or(0, |first| first & 0x0F);
            self.log_entry(Direction::Outbound, now, packet, flags, len)
        });
    }

    fn log_entry(
        &self,
        direction: Direction,
        at: Timestamp,
        packet: &Packet,
        flags: u8,
        len: usize,
    ) -> LogEntry {
        let topic = match packet {
            Packet::Publish(publish) => Some(publish.topic.clone()),
            _ => None,
        };
        LogEntry {
            connection: self.id,
            client: self.client_id.clone(),
            packet: PacketTrace {
                direction,
                at,
                kind: packet.kind(),
                len,
                flags,
                packet_id: packet.packet_id(),
                topic,
                payload: None,
            },
        }
    }
}

/// The protocol level in a CONNECT, complete or not: behind the fixed header and the protocol name
/// (3.1.2.1 and 3.1.2.2).
fn protocol_level(input: &[u8]) -> Option<u8> {
    let [0x10, rest @ ..] = input else { return None };
    let length_bytes = rest.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
    let (name_len, rest) = rest.get(length_bytes..)?.split_first_chunk()?;
    rest.get(usize::from(u16::from_be_bytes(*name_len))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_level_is_read_from_any_connect() {
        for (input, expected) in [
            (&b"\x10\x10\0\x04MQTT\x05"[..], Some(5)),
            (b"\x10\x80\x01\0\x04MQTT\x04", Some(4)),
            (b"\x10\x10\0\x06MQIsdp\x03", Some(3)),
            (b"\x10\x10\0\x04MQTT", None),
            (b"\x10\xff\xff\xff\xff\x7f", None),
            (b"\x20\x02\0\0", None),
            (b"", None),
        ] {
            assert_eq!(protocol_level(input), expected, "{input:?}");
        }
    }
}
