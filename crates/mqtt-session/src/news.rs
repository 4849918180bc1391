//! [`News`]: the present, and what there is to tell the application.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use crate::held::{Held, HeldPublishes, Place};
use crate::trace::Trace;
use crate::{Event, Inbound, PublishEnd, Stage, Timestamp};

/// The latest moment, the queue of events and the packet records: what every room of the session may write to.
#[derive(Debug)]
pub(crate) struct News {
    now: Timestamp,
    notices: VecDeque<Notice>,
    pub(crate) trace: Trace,
}

/// An event that waits to be told, in less room.
#[derive(Debug)]
pub(crate) enum Notice {
    /// [`Event::Message`].
    Message(Inbound),
    /// [`Event::Published`].
    Published(Place, PublishEnd),
    /// [`Event::PublishLost`].
    PublishLost(Place, Stage),
    /// Any other: these are rare.
    Other(Box<Event>),
}

impl News {
    pub(crate) fn new(trace: bool) -> Self {
        Self { now: Timestamp::ZERO, notices: VecDeque::new(), trace: Trace::new(trace) }
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
    pub(crate) fn tell(&mut self, notice: impl Into<Notice>) {
        self.notices.push_back(notice.into());
    }

    /// The next event, with the publish that it gives back.
    #[inline]
    pub(crate) fn next_event(&mut self, held: &mut HeldPublishes) -> Option<Event> {
        Some(match self.notices.pop_front()? {
            Notice::Message(inbound) => Event::Message(inbound),
            Notice::Published(place, result) => {
                let Held { tag, publish } = held.give_back(place);
                Event::Published { tag, publish, result }
            }
            Notice::PublishLost(place, stage) => {
                let Held { tag, publish } = held.give_back(place);
                Event::PublishLost { tag, publish, stage }
            }
            Notice::Other(event) => *event,
        })
    }
}

impl From<Event> for Notice {
    fn from(event: Event) -> Self {
        Self::Other(Box::new(event))
    }
}
