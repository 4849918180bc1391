//! Figures about a client, and what it leaves behind.

use crate::codec::Publish;

/// A look at the counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
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
    /// Connections after the first one.
    pub reconnects: u64,
}

/// What `disconnect` could not bring out in time.
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct DisconnectReport {
    /// Messages of which nothing was sent, in their order.
    pub not_sent: Vec<Publish>,
}
