//! [`News`]: the present, and what there is to tell the application.

use alloc::collections::VecDeque;

use crate::trace::Trace;
use crate::{Event, Timestamp};

/// The latest moment, the queue of events and the packet records: what every room of the session may write to.
#[derive(Debug)]
pub(crate) struct News {
    now: Timestamp,
    events: VecDeque<Event>,
    pub(crate) trace: Trace,
}

impl News {
    pub(crate) fn new(trace: bool) -> Self {
        Self { now: Timestamp::ZERO, events: VecDeque::new(), trace: Trace::new(trace) }
    }

    /// The latest moment that the driver has told.
    #[inline]
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Time goes on; it never goes back.
    #[inline]
    pub(crate) fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    #[inline]
    pub(crate) fn tell(&mut self, event: Event) {
        self.events.push_back(event);
    }

    #[inline]
    pub(crate) fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}
