//! Figures about a client, and what it leaves behind.

use std::time::Duration;

use crate::codec::Publish;

/// A look at the figures: what there is now, and what has been counted since the client was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Publishes that wait here: for room in the queue, for a connection, for their turn. With
    /// [`in_flight`](Self::in_flight) these are nearly all that have not ended.
    pub queued_publishes: usize,
    /// Payloads that a [`CollectingPublisher`](crate::CollectingPublisher) holds.
    pub collected_publishes: usize,
    /// Publishes that are admitted and have not ended: queued, or sent and unacknowledged.
    pub pending_publishes: usize,
    /// What these take of the byte bound ([`max_queued`](crate::OptionsBuilder::max_queued)): their packets, and 128 bytes
    /// for each.
    pub pending_bytes: usize,
    /// Publishes that the overflow policy dropped ([`Overflow`](crate::Overflow)).
    pub dropped_publishes: u64,
    /// Publishes whose place a newer one of the same topic took.
    pub superseded_publishes: u64,
    /// Publishes whose Message Expiry Interval ended before they were sent.
    pub expired_publishes: u64,
    /// Publishes that were refused because the queue was full ([`NotSent::QueueFull`](crate::NotSent::QueueFull)).
    pub refused_publishes: u64,
    /// Publishes of which nothing was sent within their time limit.
    pub timed_out_publishes: u64,
    /// QoS 0 publishes that went down with a link.
    pub lost_publishes: u64,
    /// QoS 1 and 2 publishes in the session: sent, or to be sent again, and not acknowledged.
    pub in_flight: usize,
    /// What unread messages take of their byte budget ([`max_unread_bytes`](crate::OptionsBuilder::max_unread_bytes)).
    pub unread_bytes: usize,
    /// Received QoS 1 and 2 messages that have not been acknowledged: unread ones above all.
    pub unacknowledged_messages: usize,
    /// QoS 0 messages that a full stream has lost.
    pub dropped_messages: u64,
    /// Messages that no stream wanted.
    pub unclaimed_messages: u64,
    /// Whether a store was given and has failed ([`Event::StoreFailed`](crate::Event::StoreFailed)).
    pub store_failed: bool,
    /// Calls of [`Callbacks`](crate::Callbacks) that panicked.
    pub callback_panics: u64,
    /// Packets that these have missed, because 65,536 were waiting to be told. Messages are never among them.
    pub missed_packets: u64,
    /// Connections after the first one.
    pub reconnects: u64,
    /// Bytes that transports have taken, over all connections.
    pub bytes_sent: u64,
    /// Bytes that have come in, over all connections: whole packets only.
    pub bytes_received: u64,
    /// How long the broker's latest answer took: to a PINGREQ, the keep alive's own or one that [`ping`](crate::Client::ping)
    /// asked for, or to a publish of QoS 1 or 2, of which one at a time is watched. It shows how fast the link is, and how busy
    /// its two ends are. `None` before the first.
    pub round_trip: Option<Duration>,
}

/// What `disconnect` could not bring out in time.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct DisconnectReport {
    /// Messages of which nothing was sent, in their order.
    pub not_sent: Vec<Publish>,
    /// How many messages of QoS 1 and 2 are kept in the store, sent or not. They go on with the next connection.
    pub kept: usize,
}
