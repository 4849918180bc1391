//! [`Probe`]: how long the server takes to answer a publish.
//!
//! One publish at a time is watched. What there is to do for that is done once for all that goes out, or comes in, in one go:
//! it costs a message nothing.

use core::mem;
use core::time::Duration;

use crate::Timestamp;
use crate::outbound::{Epoch, Outbound, Turn};

/// Measures on one connection.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    watched: Option<Watched>,
    /// What was submitted before had its turn to be watched.
    seen: u64,
}

#[derive(Debug)]
struct Watched {
    turn: Turn,
    /// The connection's count of bytes at the end of all that was handed out with it.
    end: u64,
    /// When the transport took it.
    written_at: Option<Timestamp>,
}

impl Probe {
    /// All that is encoded has been handed out, up to the byte `end` of the connection. `sent`: the last publish that was encoded
    /// in its turn; others were when they were submitted.
    #[inline]
    pub(crate) fn handed_out(&mut self, sent: Option<Turn>, outbound: &Outbound, epoch: Epoch, end: u64) {
        let seen = mem::replace(&mut self.seen, outbound.submitted());
        if self.watched.is_none() {
            let turn = sent.or_else(|| outbound.latest_sent(epoch, seen));
            self.watched = turn.filter(|turn| outbound.awaits_answer(*turn)).map(|turn| Watched {
                turn,
                end,
                written_at: None,
            });
        }
    }

    /// The transport has taken `written` bytes in all.
    #[inline]
    pub(crate) fn wrote(&mut self, written: u64, now: Timestamp) {
        if let Some(Watched { end, written_at, .. }) = &mut self.watched
            && *end <= written
        {
            written_at.get_or_insert(now);
        }
    }

    /// Packets came in; how long the answer took, if it was among them.
    #[inline]
    pub(crate) fn read(&mut self, outbound: &Outbound, now: Timestamp) -> Option<Duration> {
        if outbound.awaits_answer(self.watched.as_ref()?.turn) {
            return None;
        }
        Some(now.saturating_since(self.watched.take()?.written_at?))
    }
}
