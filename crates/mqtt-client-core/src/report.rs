//! Figures about a client, and what it leaves behind.

use crate::codec::Publish;

/// A look at the counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// Publishes that are admitted and have not ended: queued, or sent and unacknowledged.
    pub pending_publishes: usize,
    /// QoS 1 and 2 publishes in the session: sent, or to be sent again, and not acknowledged.
    pub in_flight: usize,
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
