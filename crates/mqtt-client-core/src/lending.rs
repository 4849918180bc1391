//! [`Loan`]: messages that a reader has been lent, to take them without the lock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::session::Timestamp;
use crate::streams::Share;

/// How long a reader may keep what it takes to itself.
const DISCREET: Duration = Duration::from_millis(2);

/// What the reader of a stream and the core tell each other without the lock.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Something was read since the last look for stalled streams.
    reads: AtomicBool,
    /// How many of the messages that it was lent the reader has taken.
    taken: AtomicUsize,
    /// The reader takes its time: it is to report what it takes.
    reports: AtomicBool,
}

impl Reading {
    /// The reader takes a message that it was lent. Whether it has to report that.
    ///
    /// Either the reader sees here that it has to, or whoever has just asked for it sees what was taken: all of these
    /// operations are in one order.
    pub(crate) fn take(&self) -> bool {
        self.reads.store(true, Ordering::Relaxed);
        self.taken.fetch_add(1, Ordering::SeqCst);
        self.reports.load(Ordering::SeqCst)
    }
}

/// What one stream has lent its reader, and the reader has not been seen to take. Whatever is lent is taken in its order.
#[derive(Debug, Default)]
pub(crate) struct Loan {
    reading: Arc<Reading>,
    lent: VecDeque<Lent>,
    /// How many of them owe the broker an acknowledgement.
    owing: usize,
    /// How many are known to be taken, ever.
    known: usize,
    /// When the reader has had its time.
    until: Option<Timestamp>,
}

/// Messages that were lent together: one that owes the broker an acknowledgement, or several that owe none.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) messages: usize,
    /// What they take of the budget for unread bytes.
    pub(crate) cost: usize,
    pub(crate) share: Option<Share>,
}

impl Loan {
    /// The reader's side.
    pub(crate) fn reading(&self) -> &Arc<Reading> {
        &self.reading
    }

    /// The reader has read something that it was not lent.
    pub(crate) fn mark(&self) {
        self.reading.reads.store(true, Ordering::Relaxed);
    }

    /// Whether anything was read since the last call.
    pub(crate) fn take_mark(&self) -> bool {
        self.reading.reads.swap(false, Ordering::Relaxed)
    }

    /// Lends messages. The reader has taken all others but those that were lent with the same lock.
    pub(crate) fn lend(&mut self, lent: Lent) {
        if self.lent.is_empty() {
            self.reading.reports.store(false, Ordering::SeqCst);
            self.until = None;
        }
        self.owing += usize::from(lent.share.is_some());
        self.lent.push_back(lent);
    }

    /// The next messages that the reader has taken, all that were lent together.
    pub(crate) fn next_taken(&mut self) -> Option<Lent> {
        let messages = self.lent.front()?.messages;
        if self.reading.taken.load(Ordering::SeqCst) - self.known < messages {
            return None;
        }
        self.known += messages;
        self.next()
    }

    /// The next messages, taken or not: the stream is closed.
    pub(crate) fn next(&mut self) -> Option<Lent> {
        let lent = self.lent.pop_front()?;
        self.owing -= usize::from(lent.share.is_some());
        Some(lent)
    }

    /// For how many the broker waits.
    pub(crate) fn owing(&self) -> usize {
        self.owing
    }

    /// The driver looks: whether the reader has had its time, and has to report from now on.
    pub(crate) fn is_over(&mut self, now: Timestamp) -> bool {
        let over = *self.until.get_or_insert(now + DISCREET) <= now;
        if over {
            self.reading.reports.store(true, Ordering::SeqCst);
        }
        over
    }

    /// When to look again.
    pub(crate) fn next_time(&self) -> Option<Timestamp> {
        self.until.filter(|_| self.owing > 0 && !self.reading.reports.load(Ordering::Relaxed))
    }
}
