//! [`Referee`]: who knows one concern of a session, and nothing of the others.
//!
//! | referee | knows |
//! | --- | --- |
//! | [`Model`](crate::model) | what becomes of messages of QoS 1 and 2: flows, order, windows, store |
//! | [`Conduct`](conduct) | who has the word: handshake, authentication, DISCONNECT, and why a connection ends |
//! | [`Fleeting`](fleeting) | what ends with its connection: messages of QoS 0, SUBSCRIBE, UNSUBSCRIBE |
//! | [`Identifiers`](identifiers) | which packet identifier is the next |
//! | [`Pings`](pings) | keep alive: when a ping is missing, and when an answer |
//! | [`Expiry`](expiry) | whose time is over, and what is left of an interval |
//! | [`Limits`](limits) | what the server takes, and what aliases stand for |
//!
//! A [`Panel`](crate::panel) asks all of them.

pub(crate) mod conduct;
pub(crate) mod expiry;
pub(crate) mod fleeting;
pub(crate) mod identifiers;
pub(crate) mod limits;
pub(crate) mod pings;

use mqtt_session::codec::{Connack, Connect, Packet, ReasonCode};
use mqtt_session::{Tag, Timestamp};

use crate::news::News;

/// A packet that may leave. What the application has submitted has a tag, by which it keeps its turn.
pub(crate) type Due = (Option<Tag>, Packet);

/// What the application must be told, a message of QoS 1 or 2 with its number.
pub(crate) type Told = (News, Option<u64>);

/// A referee is told what the session is told, and shown each packet that passes. By default that is no concern of its.
pub(crate) trait Referee {
    /// A connection begins.
    fn opened(&mut self, _connect: &Connect, _now: Timestamp) {}

    /// The connection is over.
    fn closed(&mut self) {}

    /// The server accepts.
    fn accepted(&mut self, _connack: &Connack) {}

    /// Nothing more becomes due on this connection. What is due may still leave.
    fn sealed(&mut self) {}

    /// Whether the application may have this sent now.
    fn grants(&self, _packet: &Packet) -> bool {
        true
    }

    /// The application has had that granted.
    fn submitted(&mut self, _tag: Tag, _packet: &Packet, _now: Timestamp) {}

    /// The time of a publish was over before it was sent.
    fn expired(&mut self, _tag: Tag) {}

    /// What may leave as soon as there is room, in the order in which it became due.
    fn due(&self) -> Vec<Due> {
        Vec::new()
    }

    /// The client sends what was due, or a ping of its own; it ends at this byte of the connection.
    fn sent(&mut self, _due: &Due, _end: u64, _now: Timestamp) {}

    /// The server sends a packet, in which a topic takes the place of its alias; what the client says if that breaks a rule.
    fn hear(&mut self, _packet: &mut Packet, _now: Timestamp) -> Result<(), ReasonCode> {
        Ok(())
    }

    /// Takes what the application must be told.
    fn news(&mut self) -> Vec<Told> {
        Vec::new()
    }
}
