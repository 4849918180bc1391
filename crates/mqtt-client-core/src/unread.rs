//! What unread messages cost, and who leaves them unread.

use std::time::Duration;

use crate::session::{InboundPublish, Timestamp};

/// What an unread message costs besides its own bytes.
const OVERHEAD: usize = 128;

/// So many receive buffers may be kept alive by what is unread of a stream.
pub(crate) const PINNED: u64 = 64;

/// Messages above this size stay in the receive buffer, of which they are a good part.
const LARGE: usize = 4096;

/// The bytes of all unread messages, and how many there may be.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Self {
        Budget { limit, used: 0 }
    }

    pub(crate) fn charge(&mut self, cost: usize) {
        self.used += cost;
    }

    pub(crate) fn release(&mut self, cost: usize) {
        self.used -= cost;
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    pub(crate) fn is_exceeded(&self) -> bool {
        self.used > self.limit
    }

    /// Whether so much was read that more may come.
    pub(crate) fn is_relaxed(&self) -> bool {
        self.used <= self.limit / 2
    }
}

/// What an unread message takes of the budget.
pub(crate) fn cost_of(publish: &InboundPublish) -> usize {
    OVERHEAD + publish.size()
}

/// Gives a message a buffer of its own, if it is small beside the one that it came in.
pub(crate) fn unpin(publish: &mut InboundPublish) {
    if publish.payload().len() <= LARGE {
        *publish = publish.detached();
    }
}

/// Looks at all streams now and then: one that has messages and took none since the last look is stalled.
#[derive(Debug)]
pub(crate) struct StallWatch {
    interval: Duration,
    next: Option<Timestamp>,
}

impl StallWatch {
    pub(crate) fn new(interval: Duration) -> Self {
        StallWatch { interval, next: None }
    }

    /// There are unread messages.
    pub(crate) fn begin(&mut self, now: Timestamp) {
        self.next.get_or_insert_with(|| now + self.interval);
    }

    /// When to look.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.next
    }

    /// Whether it is time to look now.
    pub(crate) fn is_due(&mut self, now: Timestamp) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = None;
        }
        due
    }
}
