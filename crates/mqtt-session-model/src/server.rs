//! [`Server`]: a small honest server with one client, which checks whatever it is sent.
//!
//! It keeps its side of the session in plain lists, handles one packet at a time when told to, and panics when the
//! client breaks a rule.

use std::collections::{BTreeSet, VecDeque};

use mqtt_session::codec::bytes::BytesMut;
use mqtt_session::codec::{
    Ack, AckKind, Connack, Decoder, Disconnect, Packet, PacketId, Publish, QoS, ReasonCode, Side, Version,
};

use mqtt_session::codec::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};

use crate::messages::{id, message, number};

/// The server, and its side of one client's session.
#[derive(Debug)]
pub struct Server {
    version: Version,
    /// The Receive Maximum that it announces, and holds the client to.
    window: usize,
    /// The client's Receive Maximum.
    client_window: usize,
    session: Option<Session>,
    connection: Option<Connection>,
    /// The numbers of the messages that it got, in order.
    pub received: Vec<(u64, QoS)>,
}

/// What it keeps across connections.
#[derive(Debug, Default)]
struct Session {
    /// Identifiers of QoS 2 messages that wait for PUBREL.
    held: BTreeSet<PacketId>,
    /// Messages for the client that are not sent yet.
    queue: VecDeque<(u64, QoS)>,
    in_flight: Vec<Outgoing>,
    last_id: u16,
}

#[derive(Debug)]
struct Outgoing {
    packet_id: PacketId,
    n: u64,
    qos: QoS,
    released: bool,
    /// Whether this connection has carried it.
    shown: bool,
}

#[derive(Debug, Default)]
struct Connection {
    input: BytesMut,
    output: Vec<u8>,
    accepted: bool,
    /// The client's publishes that are not acknowledged, which this connection has carried.
    outstanding: BTreeSet<PacketId>,
    /// PUBRECs that this connection has carried and no PUBREL has answered.
    recorded: VecDeque<PacketId>,
}

impl Server {
    /// A server that takes `window` unacknowledged publishes of a client that takes `client_window` of its messages.
    #[must_use]
    pub fn new(version: Version, window: u16, client_window: u16) -> Self {
        Self {
            version,
            window: window.into(),
            client_window: client_window.into(),
            session: None,
            connection: None,
            received: Vec::new(),
        }
    }

    /// The client has opened a transport.
    pub fn open(&mut self) {
        self.connection = Some(Connection::default());
    }

    /// The transport is gone.
    pub fn close(&mut self) {
        self.connection = None;
    }

    /// Loses the session, as a server without storage does when it is restarted.
    pub fn forget(&mut self) {
        self.close();
        self.session = None;
    }

    /// Has a message for the client.
    pub fn publish(&mut self, n: u64, qos: QoS) {
        if let Some(session) = &mut self.session {
            session.queue.push_back((n, qos));
        }
    }

    /// Whether the client has acknowledged all that there was for it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let is_idle = |session: &Session| session.queue.is_empty() && session.in_flight.is_empty();
        self.session.as_ref().is_none_or(is_idle)
    }

    /// How many messages for the client it has that are not acknowledged.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.session.as_ref().map_or(0, |session| session.queue.len() + session.in_flight.len())
    }

    /// Bytes of the client arrive; [`step`](Self::step) looks at them.
    pub fn input(&mut self, bytes: &[u8]) {
        if let Some(connection) = &mut self.connection {
            connection.input.extend_from_slice(bytes);
        }
    }

    /// Takes what is to be sent to the client.
    #[must_use]
    pub fn output(&mut self) -> Vec<u8> {
        let Some(connection) = &mut self.connection else { return Vec::new() };
        std::mem::take(&mut connection.output)
    }

    /// Handles one packet of the client and sends what it may. False if there was nothing to do.
    ///
    /// # Panics
    ///
    /// If the client breaks a rule.
    pub fn step(&mut self) -> bool {
        let Some(mut connection) = self.connection.take() else { return false };
        let before = connection.output.len();
        let decoder = Decoder::new(self.version, Side::Client);
        let packet = decoder.decode_from(&mut connection.input).expect("the client's packets are right");
        let handled = packet.is_some();
        if let Some(packet) = packet {
            self.handle(packet, &mut connection);
        }
        self.send_queued(&mut connection);
        let sent = connection.output.len() > before;
        self.connection = Some(connection);
        handled || sent
    }

    fn handle(&mut self, packet: Packet, connection: &mut Connection) {
        if let Packet::Connect(connect) = packet {
            assert!(!connection.accepted, "a second CONNECT");
            let session_present = self.session.is_some() && !connect.clean_start;
            if !session_present {
                self.session = Some(Session::default());
            }
            let mut connack = Connack::new(session_present, ReasonCode::Success);
            if self.version == Version::V5 {
                let window = u16::try_from(self.window).expect("a u16");
                connack.properties.set_receive_maximum(window.try_into().expect("not 0"));
            }
            connection.accepted = true;
            self.send(connack, connection);
            self.resend(connection);
            return;
        }
        assert!(connection.accepted, "{packet:?} came before CONNECT");
        match packet {
            Packet::Publish(publish) => self.handle_publish(&publish, connection),
            Packet::Ack(ack) => self.handle_ack(&ack, connection),
            Packet::Pingreq => self.send(Packet::Pingresp, connection),
            Packet::Disconnect(Disconnect { reason, .. }) => panic!("the client complains: {reason}"),
            other => panic!("not expected: {other:?}"),
        }
    }

    fn handle_publish(&mut self, publish: &Publish, connection: &mut Connection) {
        let session = self.session.as_mut().expect("there is a session");
        let n = number(&publish.payload);
        let Some(packet_id) = publish.packet_id else {
            self.received.push((n, AtMostOnce));
            return;
        };
        assert!(connection.outstanding.insert(packet_id), "{packet_id} sent twice on one connection");
        assert!(connection.outstanding.len() <= self.window, "the receive maximum is exceeded");
        if publish.qos == AtLeastOnce {
            self.received.push((n, AtLeastOnce));
            connection.outstanding.remove(&packet_id);
            self.send(Ack::new(AckKind::Puback, packet_id), connection);
        } else {
            if session.held.insert(packet_id) {
                self.received.push((n, ExactlyOnce));
            } else {
                assert!(publish.dup, "{packet_id} is in use");
            }
            connection.recorded.push_back(packet_id);
            self.send(Ack::new(AckKind::Pubrec, packet_id), connection);
        }
    }

    fn handle_ack(&mut self, ack: &Ack, connection: &mut Connection) {
        let session = self.session.as_mut().expect("there is a session");
        let packet_id = ack.packet_id;
        if ack.kind == AckKind::Pubrel {
            let known = session.held.remove(&packet_id);
            if let Some(place) = connection.recorded.iter().position(|recorded| *recorded == packet_id) {
                assert_eq!(place, 0, "PUBREL {packet_id} is out of order");
                connection.recorded.pop_front();
            }
            connection.outstanding.remove(&packet_id);
            let reason = match (known, self.version) {
                (false, Version::V5) => ReasonCode::PacketIdentifierNotFound,
                _ => ReasonCode::Success,
            };
            self.send(Ack::new(AckKind::Pubcomp, packet_id).with_reason(reason), connection);
            return;
        }
        let place = session.in_flight.iter().position(|outgoing| outgoing.packet_id == packet_id);
        let place = place.unwrap_or_else(|| panic!("{ack:?} acknowledges nothing"));
        let outgoing = &session.in_flight[place];
        assert!(outgoing.shown, "{ack:?} acknowledges what this connection has not shown");
        // It must be the first of its kind that waits for this answer.
        let earlier = session.in_flight[..place].iter().find(|earlier| {
            earlier.shown && earlier.qos == outgoing.qos && !earlier.released && ack.kind != AckKind::Pubcomp
        });
        assert!(earlier.is_none(), "{ack:?} comes before that of {earlier:?}");
        match (ack.kind, outgoing.qos, outgoing.released) {
            (AckKind::Puback, AtLeastOnce, _) | (AckKind::Pubcomp, ExactlyOnce, true) => {
                session.in_flight.remove(place);
            }
            (AckKind::Pubrec, ExactlyOnce, _) => {
                session.in_flight[place].released = true;
                self.send(Ack::new(AckKind::Pubrel, packet_id), connection);
            }
            _ => panic!("{ack:?} does not fit {outgoing:?}"),
        }
    }

    /// What earlier connections left over.
    fn resend(&mut self, connection: &mut Connection) {
        let session = self.session.as_mut().expect("there is a session");
        let packets: Vec<Packet> = session
            .in_flight
            .iter_mut()
            .map(|outgoing| {
                outgoing.shown = true;
                if outgoing.released {
                    Ack::new(AckKind::Pubrel, outgoing.packet_id).into()
                } else {
                    let publish = packet(outgoing.n, outgoing.qos, Some(outgoing.packet_id));
                    Publish { dup: true, ..publish }.into()
                }
            })
            .collect();
        for packet in packets {
            self.send(packet, connection);
        }
    }

    fn send_queued(&mut self, connection: &mut Connection) {
        if !connection.accepted {
            return;
        }
        while let Some(session) = &mut self.session
            && session.in_flight.len() < self.client_window
            && let Some((n, qos)) = session.queue.pop_front()
        {
            let packet_id = (qos != AtMostOnce).then(|| session.next_id());
            if let Some(packet_id) = packet_id {
                session.in_flight.push(Outgoing { packet_id, n, qos, released: false, shown: true });
            }
            self.send(packet(n, qos, packet_id), connection);
        }
    }

    fn send(&self, packet: impl Into<Packet>, connection: &mut Connection) {
        packet.into().encode(self.version, &mut connection.output).expect("the server's packets are right");
    }
}

impl Session {
    /// Soon used again, for that is where the mistakes are.
    fn next_id(&mut self) -> PacketId {
        let is_in_use = |id: &u16| self.in_flight.iter().any(|outgoing| outgoing.packet_id.get() == *id);
        self.last_id = (self.last_id % 7 + 1..).find(|id| !is_in_use(id)).expect("the window is small");
        id(self.last_id)
    }
}

fn packet(n: u64, qos: QoS, packet_id: Option<PacketId>) -> Publish {
    Publish { packet_id, ..message(n, qos) }
}
