//! [`TimeLimits`]: messages that are worth sending only for a time.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::session::Timestamp;
use crate::slots::Tag;

/// What runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Limit {
    /// The message's own Message Expiry Interval (5.0).
    Expiry,
    /// What the caller gave it.
    Timeout,
}

/// When which limit of a message runs out; one of each kind.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    pub(crate) expiry: Option<Timestamp>,
    pub(crate) timeout: Option<Timestamp>,
}

impl Ends {
    fn of(&mut self, limit: Limit) -> &mut Option<Timestamp> {
        match limit {
            Limit::Expiry => &mut self.expiry,
            Limit::Timeout => &mut self.timeout,
        }
    }
}

/// All that run. The application has no clock: a limit starts when the driver looks at it for the first time.
#[derive(Debug, Default)]
pub(crate) struct TimeLimits {
    fresh: Vec<(Tag, Limit, Duration)>,
    running: BTreeSet<(Timestamp, Tag, Limit)>,
}

impl TimeLimits {
    pub(crate) fn begin(&mut self, tag: Tag, limit: Limit, after: Duration) {
        self.fresh.push((tag, limit, after));
    }

    /// Whether there are some whose clock has to be started.
    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Starts the clock of the next fresh one, which ends then.
    pub(crate) fn start_next(&mut self, now: Timestamp) -> Option<(Tag, Limit, Timestamp)> {
        let (tag, limit, after) = self.fresh.pop()?;
        Some((tag, limit, now + after))
    }

    /// Watches a limit whose message is still there.
    pub(crate) fn watch(&mut self, tag: Tag, limit: Limit, at: Timestamp, ends: &mut Ends) {
        *ends.of(limit) = Some(at);
        self.running.insert((at, tag, limit));
    }

    /// The message needs none of them any more.
    pub(crate) fn stop(&mut self, tag: Tag, ends: &mut Ends) {
        for limit in [Limit::Expiry, Limit::Timeout] {
            self.stop_one(tag, limit, ends);
        }
    }

    /// The message does not need this one any more.
    pub(crate) fn stop_one(&mut self, tag: Tag, limit: Limit, ends: &mut Ends) {
        if let Some(at) = ends.of(limit).take() {
            self.running.remove(&(at, tag, limit));
        }
    }

    /// The next one that has run out.
    pub(crate) fn pop_due(&mut self, now: Timestamp) -> Option<(Tag, Limit)> {
        let &(at, tag, limit) = self.running.first().filter(|(at, ..)| *at <= now)?;
        self.running.remove(&(at, tag, limit));
        Some((tag, limit))
    }

    /// When the next one runs out.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.running.first().map(|(at, ..)| *at)
    }
}
