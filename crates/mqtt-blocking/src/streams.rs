//! The core's queues as blocking programs read them: iterators, and `recv` with and without a time limit.

use std::time::Duration;

use mqtt_client_core as core;

use crate::wait::{for_at_most, forever};
use crate::{Client, Event, Message, RecvError};

/// The messages of one subscription. Each is acknowledged when it is handed over, so an unread one is never lost.
///
/// It ends when the client goes offline for good, and when its filters are unsubscribed. Dropping it unsubscribes, unless
/// [`keep_on_drop`](crate::SubscribeBuilder::keep_on_drop) says otherwise.
#[derive(Debug)]
pub struct Subscription {
    core: core::Subscription,
}

impl Subscription {
    /// Blocks until there is a message; `None` when no message can come any more.
    pub fn recv(&mut self) -> Option<Message> {
        forever(|context| self.core.poll_next(context))
    }

    /// Blocks until there is a message, for at most `timeout`.
    ///
    /// # Errors
    /// Nothing came in time, there is no connection, or no message can come any more.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Message, RecvError> {
        let next = for_at_most(timeout, |context| self.core.poll_next(context));
        let ended = next.is_some();
        next.flatten().ok_or_else(|| self.core.silence(ended))
    }

    /// A message that is there already.
    ///
    /// # Errors
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn try_recv(&mut self) -> Result<Message, RecvError> {
        self.recv_timeout(Duration::ZERO)
    }
}

impl Iterator for Subscription {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.recv()
    }
}

/// A listener to a client's life; see [`Event`]. It keeps up to 1,024 unread events.
///
/// A client that goes offline can be connected again, so it goes on after [`Event::Offline`]. It ends with the client's
/// thread.
#[derive(Debug)]
pub struct Events {
    core: core::Events,
}

impl Events {
    /// Blocks until there is an event; `None` when no event can come any more.
    pub fn recv(&mut self) -> Option<Event> {
        forever(|context| self.core.poll_next(context))
    }

    /// Blocks until there is an event, for at most `timeout`.
    ///
    /// # Errors
    /// Nothing came in time, or no event can come any more.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Event, RecvError> {
        let next = for_at_most(timeout, |context| self.core.poll_next(context));
        next.ok_or(RecvError::Timeout)?.ok_or(RecvError::Ended)
    }

    /// An event that is there already.
    ///
    /// # Errors
    /// There is none now, or no event can come any more.
    pub fn try_recv(&mut self) -> Result<Event, RecvError> {
        self.recv_timeout(Duration::ZERO)
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv()
    }
}

core::stream_calls!(Client, Subscription, Events);
