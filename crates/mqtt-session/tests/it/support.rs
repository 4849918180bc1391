//! [`Rig`]: a session, its buffers and a clock, with a peer whose packets the test writes.

use std::time::Duration;

use mqtt_session::codec::bytes::BytesMut;
use mqtt_session::codec::{
    Ack, AckKind, Connack, Connect, Decoder, Disconnect, Packet, PacketId, Publish, QoS, ReasonCode, Side,
    Suback, Subscribe, SubscribeFilter, SubscribeProperties, SubscriptionOptions, Text, TopicFilter,
    TopicName, Unsuback, Unsubscribe, Version,
};
use mqtt_session::{
    Command, Config, Deadline, DisconnectCause, Duty, Event, Inbound, Output, Phase, ProtocolError,
    PublishEnd, Record, Refusal, Session, Timestamp, Token, Violation,
};

pub(crate) use mqtt_session::codec::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
pub(crate) use mqtt_session::codec::Version::{V5, V311};

/// Runs a test in both protocol versions.
pub(crate) fn both(test: impl Fn(Version)) {
    test(V311);
    test(V5);
}

/// A session with its driver and application, whose peer is the test.
pub(crate) struct Rig {
    pub(crate) session: Session,
    pub(crate) output: Output,
    pub(crate) now: Timestamp,
    version: Version,
    config: Config,
    input: BytesMut,
    wire: BytesMut,
}

impl Rig {
    pub(crate) fn new(version: Version) -> Self {
        Self::with_config(Config { version, ..Config::default() })
    }

    pub(crate) fn with_config(config: Config) -> Self {
        Self {
            version: config.version,
            session: Session::new(config.clone()),
            config,
            output: Output::new(),
            now: Timestamp::ZERO,
            input: BytesMut::new(),
            wire: BytesMut::new(),
        }
    }

    /// A rig whose server has accepted a session that is to be kept; CONNECT and the event are gone.
    pub(crate) fn ready(version: Version) -> Self {
        let mut rig = Self::new(version);
        rig.accept(connack());
        rig
    }

    pub(crate) fn ready_with_config(config: Config) -> Self {
        let mut rig = Self::with_config(config);
        rig.accept(connack());
        rig
    }

    /// Opens a connection, has it answered, and forgets about the packets and events of doing so, except those that
    /// are not Connected.
    pub(crate) fn accept(&mut self, connack: Connack) -> Vec<Event> {
        self.open(connect(self.version));
        self.sent();
        self.peer(connack).expect("CONNACK is right");
        assert_eq!(self.session.phase(), Phase::Ready);
        let mut events = self.events();
        assert!(matches!(events.pop(), Some(Event::Connected(_))), "{events:?}");
        events
    }

    /// The process ends, and another one goes on with what a snapshot says.
    pub(crate) fn restart(&mut self) {
        let records: Vec<_> = self.session.snapshot().map(stored).collect();
        self.go_on_from(records, Duration::ZERO);
    }

    /// The process has ended; another one goes on from these records.
    pub(crate) fn go_on_from(&mut self, records: Vec<Record>, elapsed: Duration) {
        let restored = Session::restore(self.config.clone(), records, self.now, elapsed);
        self.session = restored.expect("the records are right");
        self.forget_connection();
    }

    /// Empties the buffers, as whoever owns a connection does when it is over.
    pub(crate) fn forget_connection(&mut self) {
        self.output.clear();
        self.input.clear();
        self.wire.clear();
    }

    /// The same session after the link was cut: what was told and sent because of it.
    pub(crate) fn resume(&mut self) -> (Vec<Event>, Vec<Packet>) {
        self.cut();
        let events = self.accept(Connack::new(true, ReasonCode::Success));
        (events, self.sent())
    }

    pub(crate) fn open(&mut self, connect: Connect) {
        self.session.handle_opened(self.now, connect).expect("CONNECT is right");
    }

    /// The peer sends a packet, which is in no event's way to be taken at once.
    pub(crate) fn peer(&mut self, packet: impl Into<Packet>) -> Result<(), ProtocolError> {
        let mut bytes = Vec::new();
        packet.into().encode(self.version, &mut bytes).expect("a packet of the peer");
        self.peer_bytes(&bytes)
    }

    pub(crate) fn peer_bytes(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.input.extend_from_slice(bytes);
        while self.session.handle_input(self.now, &mut self.input)? > 0 {}
        Ok(())
    }

    /// The peer sends a packet, and the session does not complain.
    pub(crate) fn peer_ok(&mut self, packet: impl Into<Packet>) {
        self.peer(packet).expect("the packet is right");
    }

    /// The peer sends a packet that breaks a rule: which, and what became of the connection.
    pub(crate) fn peer_wrong(&mut self, packet: impl Into<Packet>) -> Violation {
        let error = self.peer(packet).expect_err("the packet is wrong");
        assert_eq!(self.session.phase(), Phase::Closing);
        assert_eq!(self.peer(Packet::Pingresp), Err(error.clone()), "the error is latched");
        error.violation
    }

    /// What the session has sent since the last call; the transport takes it all.
    pub(crate) fn sent(&mut self) -> Vec<Packet> {
        let bytes = self.sent_bytes();
        self.wire.extend_from_slice(&bytes);
        let decoder = Decoder::new(self.version, Side::Client);
        let mut packets = Vec::new();
        while let Some(packet) = decoder.decode_from(&mut self.wire).expect("what the session sends is right")
        {
            packets.push(packet);
        }
        packets
    }

    pub(crate) fn sent_bytes(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            self.session.poll_io(self.now, &mut self.output);
            let length = self.output.len();
            if length == 0 {
                return bytes;
            }
            bytes.extend(self.output.chunks().flatten());
            self.output.advance(length);
            self.session.handle_written(self.now, length);
        }
    }

    pub(crate) fn duty(&mut self) -> Duty {
        self.session.poll_io(self.now, &mut self.output)
    }

    pub(crate) fn deadline(&mut self) -> Option<Deadline> {
        match self.duty() {
            Duty::Wait(deadline) => deadline,
            Duty::Close => panic!("the connection is to be closed"),
        }
    }

    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.session.poll_event()).collect()
    }

    /// The messages that have come in; nothing else has happened.
    pub(crate) fn messages(&mut self) -> Vec<Inbound> {
        let message = |event| match event {
            Event::Message(inbound) => inbound,
            other => panic!("not a message: {other:?}"),
        };
        self.events().into_iter().map(message).collect()
    }

    /// The token of the only message that has come in.
    pub(crate) fn token(&mut self) -> Token {
        let messages = self.messages();
        let [Inbound { token: Some(token), .. }] = messages[..] else { panic!("{messages:?}") };
        token
    }

    /// The transport is gone.
    pub(crate) fn cut(&mut self) {
        self.session.handle_closed(self.now);
        self.forget_connection();
        let events = self.events();
        assert!(matches!(events.last(), Some(Event::Disconnected(_))), "{events:?}");
    }

    /// How the connection ends: the transport is closed, and nothing but this is told.
    pub(crate) fn cause(&mut self) -> DisconnectCause {
        assert_eq!(self.duty(), Duty::Close);
        self.session.handle_closed(self.now);
        self.output.clear();
        let mut events = self.events();
        let Some(Event::Disconnected(cause)) = events.pop() else { panic!("{events:?}") };
        assert_eq!(events, [], "besides");
        cause
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
    }

    pub(crate) fn submit(&mut self, command: Command) -> Result<(), Refusal> {
        self.session.submit(command).map_err(|rejected| rejected.refusal)
    }

    /// Submits a publish of that QoS, tagged and named by a number.
    pub(crate) fn publish(&mut self, tag: u64, qos: QoS) {
        self.submit(Command::Publish { tag, publish: message(tag, qos) }).expect("there is room");
    }
}

/// A record as a store gives it back.
pub(crate) fn stored(record: Record) -> Record {
    let mut value = Vec::new();
    record.encode(&mut value).expect("what a session keeps can be stored");
    Record::decode(record.key(), &value.into()).expect("what was stored can be read")
}

pub(crate) fn text(text: &str) -> Text {
    Text::new(text).expect("test text")
}

pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).expect("test packet identifier")
}

/// A CONNECT to a session that is kept.
pub(crate) fn connect(version: Version) -> Connect {
    let mut connect = Connect::new(version, text("client"));
    connect.clean_start = false;
    connect.keep_alive = 0;
    if version == V5 {
        connect.properties.set_session_expiry_interval(u32::MAX);
    }
    connect
}

pub(crate) fn connack() -> Connack {
    Connack::new(false, ReasonCode::Success)
}

/// The message number `n`, without packet identifier.
pub(crate) fn message(n: u64, qos: QoS) -> Publish {
    let mut publish = Publish::new(TopicName::new("t").expect("test topic"), n.to_string().into_bytes());
    publish.qos = qos;
    publish
}

/// The same on the wire.
pub(crate) fn publish(n: u64, qos: QoS, packet_id: u16) -> Publish {
    Publish { packet_id: PacketId::new(packet_id), ..message(n, qos) }
}

pub(crate) fn publish_packet(n: u64, qos: QoS, packet_id: u16) -> Packet {
    publish(n, qos, packet_id).into()
}

pub(crate) fn disconnect(reason: ReasonCode) -> Packet {
    Disconnect::new(reason).into()
}

/// The same once more.
pub(crate) fn again(publish: Publish) -> Publish {
    Publish { dup: true, ..publish }
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

pub(crate) fn filters(filters: &[&'static str]) -> Vec<SubscribeFilter> {
    let entry = |filter: &&'static str| SubscribeFilter {
        filter: TopicFilter::from_static(filter).expect("test filter"),
        options: SubscriptionOptions::default(),
    };
    filters.iter().map(entry).collect()
}

pub(crate) fn subscribe(tag: u64, names: &[&'static str]) -> Command {
    Command::Subscribe { tag, filters: filters(names), properties: SubscribeProperties::default() }
}

pub(crate) fn unsubscribe(tag: u64, names: &[&'static str]) -> Command {
    let filters = filters(names).into_iter().map(|entry| entry.filter).collect();
    Command::Unsubscribe { tag, filters, properties: Default::default() }
}

pub(crate) fn subscribe_packet(packet_id: u16, names: &[&'static str]) -> Packet {
    Subscribe { packet_id: id(packet_id), properties: Default::default(), filters: filters(names) }.into()
}

pub(crate) fn unsubscribe_packet(packet_id: u16, names: &[&'static str]) -> Packet {
    let filters = filters(names).into_iter().map(|entry| entry.filter).collect();
    Unsubscribe { packet_id: id(packet_id), properties: Default::default(), filters }.into()
}

pub(crate) fn suback(packet_id: u16, reasons: &[ReasonCode]) -> Suback {
    Suback { packet_id: id(packet_id), reasons: reasons.to_vec(), properties: Default::default() }
}

pub(crate) fn unsuback(packet_id: u16, reasons: &[ReasonCode]) -> Unsuback {
    Unsuback { packet_id: id(packet_id), reasons: reasons.to_vec(), properties: Default::default() }
}

/// The event of a publish that the server took.
pub(crate) fn acknowledged(publish: Publish, tag: u64, ack: Ack) -> Event {
    Event::Published { tag, publish, result: PublishEnd::Acknowledged(ack.into()) }
}

/// Packets compare with packets whatever type they are written in.
pub(crate) fn packets<const N: usize>(packets: [Packet; N]) -> Vec<Packet> {
    packets.into()
}
