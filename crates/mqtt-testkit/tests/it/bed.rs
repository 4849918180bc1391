//! A broker in virtual time, and hand-driven peers that say and hear single packets.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use mqtt_codec::{
    Ack, AckKind, Connack, Connect, Decoder, Disconnect, Packet, PacketId, Publish, QoS, ReasonCode, Side,
    Suback, Subscribe, SubscribeFilter, Text, TopicFilter, TopicName, Unsubscribe, Version,
};
use mqtt_testkit::{Broker, BrokerConfig, Clock, ConnDuty, ConnId};

pub(crate) use QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
pub(crate) use mqtt_codec::Version::{V5, V311};

pub(crate) const VERSIONS: [Version; 2] = [V311, V5];

/// A broker and its connections.
pub(crate) struct Bed {
    pub(crate) broker: Broker,
    pub(crate) clock: Clock,
    /// What has come over each connection and was not looked at.
    inboxes: BTreeMap<ConnId, BytesMut>,
}

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Peer {
    pub(crate) conn: ConnId,
    pub(crate) version: Version,
}

impl Bed {
    pub(crate) fn new(config: BrokerConfig) -> Self {
        Self { broker: Broker::new(config), clock: Clock::default(), inboxes: BTreeMap::new() }
    }

    /// Opens a connection, and says nothing.
    pub(crate) fn open(&mut self, version: Version) -> Peer {
        let conn = self.broker.handle_opened(self.clock.now());
        self.inboxes.insert(conn, BytesMut::new());
        Peer { conn, version }
    }

    /// Opens a connection, says CONNECT, and returns the CONNACK.
    #[track_caller]
    pub(crate) fn connect(&mut self, connect: Connect) -> (Peer, Connack) {
        let peer = self.open(connect.version);
        self.say(peer, connect);
        match self.hear_next(peer) {
            Packet::Connack(connack) => (peer, connack),
            other => panic!("no CONNACK but {other:?}"),
        }
    }

    /// A client with a new session that ends with its connection.
    #[track_caller]
    pub(crate) fn join(&mut self, version: Version, id: &str) -> Peer {
        let (peer, connack) = self.connect(hello(version, id));
        assert_eq!((connack.reason, connack.session_present), (ReasonCode::Success, false));
        peer
    }

    /// A client that resumes its session, or begins one that stays; says whether it was present.
    #[track_caller]
    pub(crate) fn resume(&mut self, version: Version, id: &str) -> (Peer, bool) {
        let (peer, connack) = self.connect(lasting(version, id));
        assert_eq!(connack.reason, ReasonCode::Success);
        (peer, connack.session_present)
    }

    /// Subscribes, and checks that all is granted.
    #[track_caller]
    pub(crate) fn subscribe(&mut self, peer: Peer, filters: &[(&str, QoS)]) {
        self.say(peer, subscribe(1, filters));
        let granted = filters.iter().map(|(_, qos)| ReasonCode::from(*qos)).collect();
        assert_eq!(self.hear_next(peer), Suback::new(id(1), granted).into());
    }

    pub(crate) fn say(&mut self, peer: Peer, packet: impl Into<Packet>) {
        let mut bytes = Vec::new();
        packet.into().encode(peer.version, &mut bytes).unwrap();
        self.say_bytes(peer, &bytes);
    }

    pub(crate) fn say_bytes(&mut self, peer: Peer, bytes: &[u8]) {
        self.broker.handle_input(self.clock.now(), peer.conn, &mut BytesMut::from(bytes));
        self.collect();
    }

    /// All packets that have come since this peer last listened.
    #[track_caller]
    pub(crate) fn hear(&mut self, peer: Peer) -> Vec<Packet> {
        core::iter::from_fn(|| self.next_packet(peer)).collect()
    }

    /// The next of them, which must be there.
    #[track_caller]
    pub(crate) fn hear_next(&mut self, peer: Peer) -> Packet {
        self.next_packet(peer).expect("there is a packet")
    }

    /// Bytes that came and are no whole packet.
    pub(crate) fn heard_bytes(&mut self, peer: Peer) -> &[u8] {
        self.collect();
        &self.inboxes[&peer.conn]
    }

    /// The network loses the connection.
    pub(crate) fn lose(&mut self, peer: Peer) {
        self.broker.handle_closed(self.clock.now(), peer.conn);
        self.collect();
    }

    /// Whether the broker closed the connection, once all was sent.
    pub(crate) fn is_closed(&mut self, peer: Peer) -> bool {
        self.collect();
        self.broker.poll_output(self.clock.now(), peer.conn, &mut Vec::new()) == ConnDuty::Close
    }

    /// What the broker last said to a peer whose connection it then closed.
    #[track_caller]
    pub(crate) fn end(&mut self, peer: Peer) -> Option<ReasonCode> {
        let last = self.hear(peer).pop();
        assert!(self.is_closed(peer), "still open after {last:?}");
        match last {
            Some(Packet::Disconnect(disconnect)) => Some(disconnect.reason),
            Some(Packet::Connack(connack)) => Some(connack.reason),
            _ => None,
        }
    }

    /// Lets time pass, from deadline to deadline.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.clock.now() + time;
        while let Some(at) = self.broker.poll_deadline().filter(|at| *at <= end) {
            self.clock.advance_to(at);
            self.broker.handle_timeout(self.clock.now());
            self.collect();
            let next = self.broker.poll_deadline();
            assert!(next.is_none_or(|next| next > at), "a deadline that stays is a busy loop");
        }
        self.clock.advance_to(end);
        self.broker.handle_timeout(end);
        self.collect();
    }

    #[track_caller]
    fn next_packet(&mut self, peer: Peer) -> Option<Packet> {
        self.collect();
        let inbox = self.inboxes.get_mut(&peer.conn).unwrap();
        Decoder::new(peer.version, Side::Server).decode_from(inbox).unwrap()
    }

    /// Takes all output, and closes what the broker wants closed.
    fn collect(&mut self) {
        let now = self.clock.now();
        while let Some(conn) = self.broker.poll_ready() {
            let mut out = Vec::new();
            let duty = self.broker.poll_output(now, conn, &mut out);
            self.inboxes.entry(conn).or_default().extend_from_slice(&out);
            if duty == ConnDuty::Close {
                self.broker.handle_closed(now, conn);
            }
        }
    }
}

// --- packets ---

pub(crate) fn text(text: &str) -> Text {
    Text::new(text).unwrap()
}

pub(crate) fn topic(name: &str) -> TopicName {
    TopicName::new(name).unwrap()
}

pub(crate) fn filter(filter: &str) -> TopicFilter {
    TopicFilter::new(filter).unwrap()
}

pub(crate) fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}

/// A CONNECT for a session that ends with its connection.
pub(crate) fn hello(version: Version, id: &str) -> Connect {
    Connect { keep_alive: 0, ..Connect::new(version, text(id)) }
}

/// A CONNECT for a session that stays.
pub(crate) fn lasting(version: Version, id: &str) -> Connect {
    let mut connect = Connect { clean_start: false, ..hello(version, id) };
    if version == V5 {
        connect.properties.set_session_expiry_interval(u32::MAX);
    }
    connect
}

pub(crate) fn subscribe(packet_id: u16, filters: &[(&str, QoS)]) -> Subscribe {
    let filters = filters.iter().map(|(f, qos)| SubscribeFilter::new(filter(f), *qos)).collect();
    Subscribe::new(id(packet_id), filters)
}

pub(crate) fn unsubscribe(packet_id: u16, filters: &[&str]) -> Unsubscribe {
    Unsubscribe::new(id(packet_id), filters.iter().map(|f| filter(f)).collect())
}

/// A PUBLISH; a packet identifier of 0 is none.
pub(crate) fn publish(name: &str, qos: QoS, packet_id: u16, payload: &'static str) -> Publish {
    Publish { qos, packet_id: PacketId::new(packet_id), ..Publish::new(topic(name), payload) }
}

pub(crate) fn dup(publish: Publish) -> Publish {
    Publish { dup: true, ..publish }
}

pub(crate) fn retained(publish: Publish) -> Publish {
    Publish { retain: true, ..publish }
}

pub(crate) fn puback(packet_id: u16) -> Ack {
    Ack::new(AckKind::Puback, id(packet_id))
}

pub(crate) fn pubrec(packet_id: u16) -> Ack {
    Ack::new(AckKind::Pubrec, id(packet_id))
}

pub(crate) fn pubrel(packet_id: u16) -> Ack {
    Ack::new(AckKind::Pubrel, id(packet_id))
}

pub(crate) fn pubcomp(packet_id: u16) -> Ack {
    Ack::new(AckKind::Pubcomp, id(packet_id))
}

pub(crate) fn goodbye() -> Disconnect {
    Disconnect::new(ReasonCode::Success)
}

/// What 5.0 says when nobody had subscribed; in 3.1.1 the same answer without it.
pub(crate) fn unheard(version: Version, ack: Ack) -> Ack {
    if version == V5 { ack.with_reason(ReasonCode::NoMatchingSubscribers) } else { ack }
}
