//! What happens to a client over its life, for whoever wants to watch.

use std::collections::VecDeque;
use std::fmt;
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::codec::TopicFilter;
use crate::effects::{Effects, park};
use crate::slots::{Slots, Tag};
use crate::store::StoreError;
use crate::{Endpoint, Failure, FilterRefused, Offline, PublishError};

/// Events a listener may leave unread; then the oldest go, and [`Event::Missed`] says how many.
const UNREAD: usize = 1024;

/// A turn in a client's life. Each [`Attempt`](Self::Attempt) is followed by exactly one of [`Connected`](Self::Connected),
/// [`Failed`](Self::Failed) or [`Offline`](Self::Offline).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection is tried.
    Attempt {
        /// Where.
        endpoint: Endpoint,
        /// Counted from 1 since the link was last stable; addresses that are tried right after one another share a number.
        number: u32,
    },
    /// The broker accepted, and lost subscriptions are restored.
    Connected {
        /// Whether the broker still had the session.
        session_present: bool,
    },
    /// The client has authenticated itself anew ([`Client::reauthenticate`](crate::Client::reauthenticate)).
    Reauthenticated,
    /// An attempt, or an established connection, failed; the next attempt follows after a wait.
    Failed {
        /// Where.
        endpoint: Endpoint,
        /// How.
        failure: Failure,
        /// The wait.
        retry_in: Duration,
    },
    /// The broker lost the session, and did not grant this subscription again. Its streams hear no more of it.
    SubscriptionLost {
        /// The filter.
        filter: TopicFilter,
        /// The broker's answer.
        why: FilterRefused,
    },
    /// A stream has messages, and nobody has read any for [`stall_after`](crate::OptionsBuilder::stall_after). Told once, until
    /// it is read again. In time, unread QoS 1 and 2 messages hold up all others of the session.
    ConsumerStalled {
        /// The filters of the stream; none for one that catches the rest.
        filters: Vec<TopicFilter>,
        /// How many messages wait.
        unread: usize,
    },
    /// More is unread than [`max_unread_bytes`](crate::OptionsBuilder::max_unread_bytes): the connection was given up, so that
    /// the broker keeps the rest of a session that it holds. It is made again when half has been read.
    Backlogged {
        /// How many bytes.
        unread_bytes: usize,
    },
    /// The store has failed. Publishes of QoS 1 and 2 have ended, further ones are refused, and inbound messages of QoS 2 are
    /// handed over no more; the rest goes on. The way out is a new client, with a store that works.
    StoreFailed(StoreError),
    /// A message whose outcome nobody can wait for came to nothing: a [`CollectingPublisher`](crate::CollectingPublisher)
    /// published it, or an earlier client did, and a [store](crate::OptionsBuilder::store) brought it back.
    NotPublished(PublishError),
    /// One of the [`Callbacks`](crate::Callbacks) panicked, with these words.
    CallbackPanicked(String),
    /// There is no connection, and none is tried until `connect` is called.
    Offline(Offline),
    /// This listener did not read fast enough; so many events before the next one are gone.
    Missed(u64),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Attempt { endpoint, number } => write!(f, "connecting to {endpoint}, attempt {number}"),
            Event::Connected { session_present: true } => f.write_str("connected, session resumed"),
            Event::Connected { session_present: false } => f.write_str("connected, new session"),
            Event::Reauthenticated => f.write_str("authenticated anew"),
            Event::Failed { endpoint, failure, retry_in } => {
                write!(f, "{endpoint}: {failure}; next attempt in {retry_in:?}")
            }
            Event::SubscriptionLost { filter, why } => {
                write!(f, "subscription {} was not restored: {why}", filter.as_str())
            }
            Event::ConsumerStalled { filters, unread } => {
                let filters: Vec<&str> = filters.iter().map(|filter| filter.as_str()).collect();
                write!(f, "nobody reads the {unread} messages of {}", filters.join(", "))
            }
            Event::Backlogged { unread_bytes } => {
                write!(f, "disconnected with {unread_bytes} bytes of messages unread")
            }
            Event::StoreFailed(error) => write!(f, "the session is not kept any more: {error}"),
            Event::NotPublished(error) => error.fmt(f),
            Event::CallbackPanicked(what) => write!(f, "a callback panicked: {what}"),
            Event::Offline(offline) => write!(f, "offline: {offline}"),
            Event::Missed(count) => write!(f, "{count} events were not read in time"),
        }
    }
}

/// A bounded queue for each listener.
#[derive(Debug)]
pub(crate) struct Listeners {
    listeners: Slots<Listener>,
}

#[derive(Debug, Default)]
struct Listener {
    unread: VecDeque<Event>,
    missed: u64,
    waker: Option<Waker>,
}

impl Listeners {
    pub(crate) fn new() -> Self {
        Listeners { listeners: Slots::new() }
    }

    pub(crate) fn open(&mut self) -> Tag {
        self.listeners.insert(Listener::default())
    }

    pub(crate) fn close(&mut self, listener: Tag) {
        self.listeners.remove(listener);
    }

    pub(crate) fn tell(&mut self, event: &Event, effects: &mut Effects) {
        for (_, listener) in self.listeners.iter_mut() {
            if listener.unread.len() == UNREAD {
                listener.unread.pop_front();
                listener.missed += 1;
            }
            listener.unread.push_back(event.clone());
            effects.wake(&mut listener.waker);
        }
    }

    pub(crate) fn wake_all(&mut self, effects: &mut Effects) {
        self.listeners.iter_mut().for_each(|(_, listener)| effects.wake(&mut listener.waker));
    }

    pub(crate) fn poll_next(&mut self, listener: Tag, waker: &mut Option<Waker>) -> Poll<Event> {
        let Some(listener) = self.listeners.get_mut(listener) else { return Poll::Pending };
        if listener.missed > 0 {
            return Poll::Ready(Event::Missed(std::mem::take(&mut listener.missed)));
        }
        match listener.unread.pop_front() {
            Some(event) => Poll::Ready(event),
            None => park(&mut listener.waker, waker),
        }
    }
}
