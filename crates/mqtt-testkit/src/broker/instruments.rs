//! What a broker does beside MQTT: commit faults, keep a log, count, and note what clients should not do.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use mqtt_codec::{PacketId, PacketKind, Text, TopicName};
use mqtt_session::{PacketTrace, Timestamp};

use super::ConnId;
use super::fault::FaultScript;

/// Topics that are counted singly; more of them are only part of the totals.
const MAX_COUNTED_TOPICS: usize = 10_000;
/// Violations that are kept; a client that goes on and on is known well enough by then.
const MAX_VIOLATIONS: usize = 1_000;

/// One line of the broker's [`log`](super::Broker::log).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The connection that the packet went over.
    pub connection: ConnId,
    /// Its client; empty before the CONNECT.
    pub client: Text,
    /// The packet, inbound from the client or outbound to it. A lost packet has an entry; a duplicated one has two.
    pub packet: PacketTrace,
}

/// `12.000345 s  sensor  <- PUBLISH id 7, 120 bytes, flags 0b0010, plant/3`, an arrow per direction.
impl fmt::Display for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PacketTrace { direction, at, kind, len, flags, packet_id, topic, .. } = &self.packet;
        let arrow = match direction {
            mqtt_session::Direction::Inbound => "->",
            mqtt_session::Direction::Outbound => "<-",
        };
        write!(f, "{at}  {}  {arrow} {kind}", self.client)?;
        if let Some(id) = packet_id {
            write!(f, " id {id}")?;
        }
        write!(f, ", {len} bytes, flags {flags:#06b}")?;
        match topic {
            Some(topic) => write!(f, ", {topic}"),
            None => Ok(()),
        }
    }
}

/// What went through a broker since it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections opened.
    pub connections: u64,
    /// PUBLISH packets that were accepted as new messages, wills included.
    pub received: u64,
    /// Messages handed to receivers' connections for the first time, one for each receiver.
    pub delivered: u64,
    /// PUBLISH packets sent again after a reconnect.
    pub resent: u64,
    /// Copies that were dropped: a full queue, a full output, too large for the client, or expired.
    pub dropped: u64,
    /// The same by topic name, for the first 10,000 of them.
    pub topics: BTreeMap<TopicName, TopicStats>,
}

/// The messages of one topic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopicStats {
    /// As [`Stats::received`].
    pub received: u64,
    /// As [`Stats::delivered`].
    pub delivered: u64,
}

impl Stats {
    pub(super) fn count_received(&mut self, topic: &TopicName) {
        self.received += 1;
        if let Some(topic) = self.topic(topic) {
            topic.received += 1;
        }
    }

    pub(super) fn count_delivered(&mut self, topic: &TopicName) {
        self.delivered += 1;
        if let Some(topic) = self.topic(topic) {
            topic.delivered += 1;
        }
    }

    fn topic(&mut self, topic: &TopicName) -> Option<&mut TopicStats> {
        if !self.topics.contains_key(topic) {
            if self.topics.len() >= MAX_COUNTED_TOPICS {
                return None;
            }
            self.topics.insert(topic.clone(), TopicStats::default());
        }
        self.topics.get_mut(topic)
    }
}

/// Something that a client may not do, but that a server has to bear: noted, so that a test can ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// When it was noticed.
    pub at: Timestamp,
    /// The connection.
    pub connection: ConnId,
    /// Its client.
    pub client: Text,
    /// The packet that showed it.
    pub packet: PacketKind,
    /// The identifier of that packet.
    pub packet_id: PacketId,
    /// What the client did.
    pub what: Misdeed,
}

/// Kinds of [`Violation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Misdeed {
    /// A packet identifier was used anew before the packet that holds it was acknowledged
    /// [3.1.1 MQTT-2.3.1-2], [5.0 MQTT-2.2.1-3].
    PacketIdInUse,
    /// A PUBLISH was sent again though its connection had not ended [5.0 MQTT-4.4.0-1].
    ResentOnLiveConnection,
    /// A PUBLISH was sent again without DUP [MQTT-3.3.1-1].
    ResentWithoutDup,
    /// A PUBLISH had DUP in the first connection of its session [5.0 MQTT-4.3.2-2], [5.0 MQTT-4.3.3-2].
    DupOnFirstSend,
    /// An acknowledgement for a PUBLISH that this connection has not carried yet.
    AcknowledgedUnseen,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, client, packet, packet_id, what, .. } = self;
        write!(f, "{at}  {client}: {packet} {packet_id}: ")?;
        f.write_str(match what {
            Misdeed::PacketIdInUse => "the packet identifier is still in use",
            Misdeed::ResentOnLiveConnection => "sent again on a live connection",
            Misdeed::ResentWithoutDup => "sent again without DUP",
            Misdeed::DupOnFirstSend => "DUP in a session's first connection",
            Misdeed::AcknowledgedUnseen => "acknowledges what this connection has not carried",
        })
    }
}

/// Everything that watches or disturbs, apart from the protocol's own state.
#[derive(Debug, Default)]
pub(super) struct Instruments {
    pub(super) faults: FaultScript,
    pub(super) stats: Stats,
    pub(super) log: VecDeque<LogEntry>,
    pub(super) log_capacity: usize,
    pub(super) violations: Vec<Violation>,
    /// Connections that have output, or that came to their end, since they were last looked at.
    pub(super) stirred: BTreeSet<ConnId>,
    /// Connections that came to their end, whose sessions don't know it yet.
    pub(super) ended: Vec<ConnId>,
}

impl Instruments {
    /// `entry` runs only when a log is kept.
    pub(super) fn log(&mut self, entry: impl FnOnce() -> LogEntry) {
        if self.log_capacity > 0 {
            if self.log.len() == self.log_capacity {
                self.log.pop_front();
            }
            self.log.push_back(entry());
        }
    }

    pub(super) fn violation(&mut self, violation: Violation) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(violation);
        }
    }
}
