//! [`Broker`]: the server's side of MQTT 3.1.1 and 5.0, without socket, clock or thread.

mod aliases;
mod authenticate;
mod config;
mod connect;
mod connection;
mod delivery;
mod fault;
mod instruments;
mod message;
mod publish;
mod retained;
#[cfg(feature = "scram")]
mod scram;
mod session;
mod shared;
mod subscribe;
mod subscriptions;
mod wire;

use core::fmt;
use std::collections::BTreeMap;

use bytes::BytesMut;
use mqtt_codec::{Packet, ReasonCode, Text, Version};
use mqtt_session::{Direction, Timestamp};

pub use authenticate::{AuthDialogue, AuthMethod, AuthReply};
pub use config::BrokerConfig;
pub use fault::{Fault, FaultMatch};
pub use instruments::{LogEntry, Misdeed, Stats, TopicStats, Violation};
#[cfg(feature = "scram")]
pub use scram::{ScramServer, ScramVice};

use connection::{Connection, Incoming, Phase};
use fault::Action;
use instruments::Instruments;
use retained::Retained;
use session::Sessions;
use subscriptions::{Hit, Subscriptions};

/// A connection's number; each connection of a broker has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(u64);

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What is to be done with a connection, besides sending its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnDuty {
    /// Nothing.
    Idle,
    /// Close the transport once the output is sent, then call [`Broker::handle_closed`].
    Close,
}

/// A strict MQTT 3.1.1 and 5.0 server as a state machine. [`Server`](crate::Server) gives it sockets,
/// [`World`](crate::World) virtual time.
///
/// | method | meaning |
/// | --- | --- |
/// | [`handle_opened`](Self::handle_opened), [`handle_input`](Self::handle_input), [`handle_closed`](Self::handle_closed), [`handle_timeout`](Self::handle_timeout) | the driver tells what happened |
/// | [`poll_ready`](Self::poll_ready), [`poll_output`](Self::poll_output), [`poll_deadline`](Self::poll_deadline) | the driver learns what to do |
/// | [`inject`](Self::inject), [`cut`](Self::cut), [`disconnect`](Self::disconnect), [`release`](Self::release) | a test disturbs |
/// | [`log`](Self::log), [`stats`](Self::stats), [`violations`](Self::violations), … | a test looks |
///
/// It is strict: whatever the specification lets a server refuse as malformed or out of order ends the connection
/// with the right reason, and what a server has to bear is noted as a [`Violation`]. It is deterministic: the same
/// calls give the same bytes. It holds everything in memory, within the bounds of its [`BrokerConfig`].
///
/// ```
/// use bytes::BytesMut;
/// use mqtt_codec::{Connect, Packet, Text, Version};
/// use mqtt_session::Timestamp;
/// use mqtt_testkit::{Broker, BrokerConfig, ConnDuty};
///
/// let now = Timestamp::ZERO;
/// let mut broker = Broker::new(BrokerConfig::default());
/// let connection = broker.handle_opened(now);
///
/// let mut hello = Vec::new();
/// Packet::from(Connect::new(Version::V311, Text::new("sensor")?)).encode(Version::V311, &mut hello)?;
/// broker.handle_input(now, connection, &mut BytesMut::from(&hello[..]));
///
/// let mut answer = Vec::new();
/// assert_eq!(broker.poll_output(now, connection, &mut answer), ConnDuty::Idle);
/// assert_eq!(answer, [0x20, 2, 0, 0]); // CONNACK, accepted
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Broker {
    config: BrokerConfig,
    connections: BTreeMap<ConnId, Connection>,
    last_connection: u64,
    sessions: Sessions,
    subscriptions: Subscriptions,
    retained: Retained,
    inst: Instruments,
    /// Client identifiers assigned so far.
    assigned: u64,
    /// Reused for each message: the subscriptions it matches.
    hits: Vec<Hit>,
    /// The latest time that the driver told.
    now: Timestamp,
}

/// What a client did that ends its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offence {
    reason: ReasonCode,
    text: String,
}

impl Offence {
    fn new(reason: ReasonCode, text: impl Into<String>) -> Self {
        Self { reason, text: text.into() }
    }

    fn protocol_error(text: impl Into<String>) -> Self {
        Self::new(ReasonCode::ProtocolError, text)
    }
}

impl Broker {
    /// A broker without sessions.
    #[must_use]
    pub fn new(mut config: BrokerConfig) -> Self {
        let mut inst = Instruments { log_capacity: config.log_capacity, ..Instruments::default() };
        for fault in config.faults.drain(..) {
            inst.faults.add(fault);
        }
        Self {
            config,
            connections: BTreeMap::new(),
            last_connection: 0,
            sessions: Sessions::default(),
            subscriptions: Subscriptions::default(),
            retained: Retained::default(),
            inst,
            assigned: 0,
            hits: Vec::new(),
            now: Timestamp::ZERO,
        }
    }

    // --- the driver: facts ---

    /// A transport is open.
    pub fn handle_opened(&mut self, now: Timestamp) -> ConnId {
        let now = self.advance(now);
        self.last_connection += 1;
        let id = ConnId(self.last_connection);
        let budget = self.inst.faults.strike_connection();
        self.connections.insert(id, Connection::new(id, now, &self.config, budget));
        self.inst.stats.connections += 1;
        id
    }

    /// Bytes have arrived; all of them are taken, in whatever pieces they come.
    pub fn handle_input(&mut self, now: Timestamp, id: ConnId, input: &mut BytesMut) {
        let now = self.advance(now);
        match self.connections.get_mut(&id) {
            Some(connection) => connection.take_input(input),
            None => input.clear(),
        }
        self.read_packets(now, id);
        self.settle(now);
    }

    /// The transport is gone, whoever closed it. Idempotent.
    pub fn handle_closed(&mut self, now: Timestamp, id: ConnId) {
        let now = self.advance(now);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.cut(&mut self.inst);
        }
        self.settle(now);
        self.connections.remove(&id);
        self.inst.stirred.remove(&id);
    }

    /// A deadline has passed. A spurious call does nothing.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let now = self.advance(now);
        let due: Vec<ConnId> = self
            .connections
            .values()
            .filter(|c| c.deadline().is_some_and(|at| at <= now))
            .map(|c| c.id)
            .collect();
        for id in due {
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.handle_timeout(now, &mut self.inst);
            }
            self.read_packets(now, id);
        }
        while let Some((_, session)) = self.sessions.first_timer().filter(|(at, _)| *at <= now) {
            self.handle_session_timer(now, session);
        }
        self.settle(now);
    }

    // --- the driver: duties ---

    /// A connection that has output or has to be closed; `None` when there is no other. Each is named once until
    /// it has something new: call [`poll_output`](Self::poll_output) for it.
    pub fn poll_ready(&mut self) -> Option<ConnId> {
        self.inst.stirred.pop_first()
    }

    /// Appends to `out` what the connection has to send.
    pub fn poll_output(&mut self, now: Timestamp, id: ConnId, out: &mut Vec<u8>) -> ConnDuty {
        let now = self.advance(now);
        let Some(connection) = self.connections.get_mut(&id) else { return ConnDuty::Close };
        connection.drain_into(out);
        let finished = connection.is_finished();
        self.pump(now, id);
        if finished { ConnDuty::Close } else { ConnDuty::Idle }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    #[must_use]
    pub fn poll_deadline(&self) -> Option<Timestamp> {
        let connections = self.connections.values().filter_map(Connection::deadline);
        connections.chain(self.sessions.first_timer().map(|(at, _)| at)).min()
    }

    /// Whether a client's output or queue is half full: a driver that can should read no more for a while.
    #[must_use]
    pub fn is_congested(&self, id: ConnId) -> bool {
        let Some(connection) = self.connections.get(&id) else { return false };
        let queued = connection.session().and_then(|session| self.sessions.get(session));
        !connection.is_over()
            && (connection.waiting() > self.config.max_output / 2
                || queued.is_some_and(|session| session.outbound.queued() > self.config.max_queued / 2))
    }

    // --- a test disturbs, at the latest time that the driver told ---

    /// Adds a fault behind those that still wait.
    pub fn inject(&mut self, fault: Fault) {
        self.inst.faults.add(fault);
    }

    /// Drops all faults that still wait.
    pub fn clear_faults(&mut self) {
        self.inst.faults.clear();
    }

    /// Cuts a client's connection without a word. Returns whether it was connected.
    pub fn cut(&mut self, client_id: &str) -> bool {
        self.with_client(client_id, |connection, _, inst| connection.cut(inst))
    }

    /// Cuts all connections without a word.
    pub fn cut_all(&mut self) {
        for connection in self.connections.values_mut() {
            connection.cut(&mut self.inst);
        }
        self.settle(self.now);
    }

    /// Ends a client's connection for a reason, which 5.0 tells it. Returns whether it was connected.
    pub fn disconnect(&mut self, client_id: &str, reason: ReasonCode) -> bool {
        self.with_client(client_id, |connection, now, inst| {
            connection.dismiss(now, reason, "asked for by the test", inst);
        })
    }

    /// Takes these user names and passwords from the next CONNECT on, instead of those of the configuration.
    pub fn set_users(&mut self, users: BTreeMap<String, Vec<u8>>) {
        self.config.users = users;
    }

    /// Sends what [`FaultMatch::withhold`] holds back of a client. Returns whether it was connected.
    pub fn release(&mut self, client_id: &str) -> bool {
        self.with_client(client_id, |connection, _, inst| connection.release_withheld(inst))
    }

    /// Ends all connections, as a server that shuts down does (0x8B in 5.0).
    pub fn shut_down(&mut self) {
        let now = self.now;
        for connection in self.connections.values_mut() {
            connection.dismiss(now, ReasonCode::ServerShuttingDown, "the broker stops", &mut self.inst);
        }
        self.settle(now);
    }

    // --- a test looks ---

    /// The latest time that the driver told.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Sessions, connected or not.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.len()
    }

    /// Whether a session of this client exists.
    #[must_use]
    pub fn has_session(&self, client_id: &str) -> bool {
        Text::new(client_id).is_ok_and(|id| self.sessions.find(&id).is_some())
    }

    /// Whether this client is connected.
    #[must_use]
    pub fn is_connected(&self, client_id: &str) -> bool {
        Text::new(client_id).is_ok_and(|id| {
            self.sessions.find(&id).is_some_and(|session| self.sessions.is_connected(session))
        })
    }

    /// Whether this client's session has a subscription with exactly this filter.
    #[must_use]
    pub fn is_subscribed(&self, client_id: &str, filter: &str) -> bool {
        let session = Text::new(client_id).ok().and_then(|id| self.sessions.get(self.sessions.find(&id)?));
        session.is_some_and(|session| session.filters.contains(filter.as_bytes()))
    }

    /// Open connections, whether they have sent a CONNECT or not.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.connections.len()
    }

    /// Retained messages that have not expired.
    #[must_use]
    pub fn retained_count(&self) -> usize {
        self.retained.count(self.now)
    }

    /// QoS 1 and 2 messages that a client has not acknowledged: queued and in flight. `None` without a session.
    #[must_use]
    pub fn backlog(&self, client_id: &str) -> Option<usize> {
        let session = self.sessions.find(&Text::new(client_id).ok()?)?;
        let outbound = &self.sessions.get(session)?.outbound;
        Some(outbound.queued() + outbound.in_flight())
    }

    /// The last packets, as many as [`BrokerConfig::log_capacity`] says.
    pub fn log(&self) -> impl DoubleEndedIterator<Item = &LogEntry> {
        self.inst.log.iter()
    }

    /// What went through.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.inst.stats
    }

    /// What clients did that they may not do, where a server has to bear it; the first thousand.
    #[must_use]
    pub fn violations(&self) -> &[Violation] {
        &self.inst.violations
    }

    /// Faults that have not struck as often as they should.
    #[must_use]
    pub fn waiting_faults(&self) -> usize {
        self.inst.faults.waiting()
    }

    // --- dispatch ---

    /// Time never goes back, whatever the driver says.
    fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.now
    }

    fn read_packets(&mut self, now: Timestamp, id: ConnId) {
        while let Some(connection) = self.connections.get_mut(&id)
            && let Some(next) = connection.next_packet(now, &mut self.inst)
        {
            let result = match next {
                Ok(incoming) => self.handle_packet(now, id, incoming),
                Err(error) if matches!(connection.phase, Phase::AwaitConnect { .. }) => {
                    self.refuse_unreadable(now, id, &error);
                    Ok(())
                }
                Err(error) => Err(Offence::new(error.reason_code(), error.to_string())),
            };
            if let Err(Offence { reason, text }) = result
                && let Some(connection) = self.connections.get_mut(&id)
            {
                connection.dismiss(now, reason, &text, &mut self.inst);
            }
        }
    }

    /// Handles a packet, or does to it what a fault says.
    fn handle_packet(&mut self, now: Timestamp, id: ConnId, incoming: Incoming) -> Result<(), Offence> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Incoming { packet, judged } = incoming;
        if judged {
            return self.dispatch(now, id, packet);
        }
        let inst = &mut self.inst;
        match inst.faults.strike(Direction::Inbound, packet.kind(), &connection.client_id) {
            None => return self.dispatch(now, id, packet),
            Some(Action::Lose | Action::Withhold) => {}
            Some(Action::Delay(by)) => connection.put_back(now + by, Incoming { packet, judged: true }),
            Some(Action::Duplicate) => {
                connection.put_back(now, Incoming { packet: packet.clone(), judged: true });
                return self.dispatch(now, id, packet);
            }
            Some(Action::Refuse(reason)) => return self.refuse(now, id, packet, reason),
            Some(Action::CutBefore | Action::CutAfterBytes(_)) => connection.cut(inst),
            Some(Action::CutAfter) => {
                // Whatever would be answered is lost: the cut comes first.
                connection.mute();
                let result = self.dispatch(now, id, packet);
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.cut(&mut self.inst);
                }
                return result;
            }
        }
        Ok(())
    }

    fn dispatch(&mut self, now: Timestamp, id: ConnId, packet: Packet) -> Result<(), Offence> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Phase::Ready(session) = connection.phase else {
            match packet {
                Packet::Connect(connect) if connection.authentication.is_none() => {
                    self.connect(now, id, *connect);
                }
                // [5.0 MQTT-3.1.2-30]
                Packet::Auth(auth) if connection.authentication.is_some() => {
                    return self.authenticate(now, id, &auth);
                }
                // [MQTT-3.1.0-1]: there is nobody to tell the reason to.
                _ => connection.close(&mut self.inst),
            }
            return Ok(());
        };
        match packet {
            Packet::Connect(_) => Err(Offence::protocol_error("a second CONNECT")), // [MQTT-3.1.0-2]
            Packet::Publish(publish) => self.publish(now, id, session, publish),
            Packet::Ack(ack) => self.acknowledge(now, id, session, &ack),
            Packet::Subscribe(subscribe) => self.subscribe(now, id, session, subscribe),
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(now, id, session, unsubscribe),
            Packet::Pingreq => {
                connection.send(now, Packet::Pingresp, &mut self.inst); // [MQTT-3.12.4-1]
                Ok(())
            }
            Packet::Disconnect(disconnect) => self.handle_disconnect(id, session, &disconnect),
            Packet::Auth(auth) => self.authenticate(now, id, &auth),
            Packet::Connack(_) | Packet::Suback(_) | Packet::Unsuback(_) | Packet::Pingresp => {
                Err(Offence::protocol_error(format!("{} from a client", packet.kind())))
            }
        }
    }

    /// Refuses by script what a client asks for.
    fn refuse(
        &mut self,
        now: Timestamp,
        id: ConnId,
        packet: Packet,
        reason: ReasonCode,
    ) -> Result<(), Offence> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let inst = &mut self.inst;
        match packet {
            Packet::Connect(connect) if connection.session().is_none() => {
                connection.set_version(connect.version, &self.config);
                connect::refuse(now, connection, reason, "refused by script", inst);
            }
            Packet::Publish(publish) if connection.version == Version::V5 && publish.packet_id.is_some() => {
                publish::refuse(now, connection, &publish, reason, inst);
            }
            Packet::Subscribe(subscribe) => subscribe::refuse(now, connection, &subscribe, reason, inst),
            Packet::Unsubscribe(unsubscribe) => {
                subscribe::refuse_unsubscribe(now, connection, &unsubscribe, reason, inst);
            }
            _ => return Err(Offence::new(reason, "refused by script")),
        }
        Ok(())
    }

    /// Sends what a session may send on its connection.
    fn pump(&mut self, now: Timestamp, id: ConnId) {
        if let Some(connection) = self.connections.get_mut(&id)
            && let Some(session) = connection.session().and_then(|session| self.sessions.get_mut(session))
            && session.connection == Some(id)
        {
            session.outbound.pump(now, connection, &mut self.inst);
        }
    }

    /// Tells the sessions of connections that have ended. A will may end further ones.
    fn settle(&mut self, now: Timestamp) {
        while let Some(id) = self.inst.ended.pop() {
            if let Some(session) = self.connections.get(&id).and_then(Connection::session) {
                self.detach(now, id, session);
            }
        }
    }

    fn with_client(
        &mut self,
        client_id: &str,
        act: impl FnOnce(&mut Connection, Timestamp, &mut Instruments),
    ) -> bool {
        let connection = Text::new(client_id)
            .ok()
            .and_then(|client| self.sessions.find(&client))
            .and_then(|session| self.sessions.get(session)?.connection)
            .and_then(|id| self.connections.get_mut(&id));
        let Some(connection) = connection else { return false };
        act(connection, self.now, &mut self.inst);
        self.settle(self.now);
        true
    }
}
