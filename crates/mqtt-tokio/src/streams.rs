//! The core's queues as tokio programs read them: `Stream`, and `recv().await` with and without a time limit.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_core::Stream;
use mqtt_client_core as core;
use tokio::time::timeout;

use crate::{Client, Event, Message, RecvError};

/// A stream of the messages of one subscription. Each is acknowledged when it is handed over, so an unread one is never lost.
///
/// It ends when the client goes offline for good, and when its filters are unsubscribed. Dropping it unsubscribes, unless
/// [`keep_on_drop`](crate::SubscribeBuilder::keep_on_drop) says otherwise.
#[derive(Debug)]
pub struct Subscription {
    core: core::Subscription,
}

impl Subscription {
    /// The next message; `None` when no message can come any more. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Message> {
        poll_fn(|context| self.core.poll_next(context)).await
    }

    /// The next message, if it comes within `time`. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Nothing came in time, there is no connection, or no message can come any more.
    pub async fn recv_timeout(&mut self, time: Duration) -> Result<Message, RecvError> {
        let next = timeout(time, self.recv()).await.ok();
        let ended = next.is_some();
        next.flatten().ok_or_else(|| self.core.silence(ended))
    }

    /// A message that is there already.
    ///
    /// # Errors
    /// As [`recv_timeout`](Self::recv_timeout).
    pub fn try_recv(&mut self) -> Result<Message, RecvError> {
        match self.core.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(message)) => Ok(message),
            Poll::Ready(None) => Err(self.core.silence(true)),
            Poll::Pending => Err(self.core.silence(false)),
        }
    }
}

impl Stream for Subscription {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        self.core.poll_next(context)
    }
}

/// A listener to a client's life; see [`Event`]. It keeps up to 1,024 unread events.
///
/// A client that goes offline can be connected again, so the stream goes on after [`Event::Offline`]. It ends with the
/// client's task.
#[derive(Debug)]
pub struct Events {
    core: core::Events,
}

impl Events {
    /// The next event; `None` when no event can come any more. Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|context| self.core.poll_next(context)).await
    }

    /// The next event, if it comes within `time`. Dropping the future loses nothing.
    ///
    /// # Errors
    /// Nothing came in time, or no event can come any more.
    pub async fn recv_timeout(&mut self, time: Duration) -> Result<Event, RecvError> {
        timeout(time, self.recv()).await.map_err(|_| RecvError::Timeout)?.ok_or(RecvError::Ended)
    }

    /// An event that is there already.
    ///
    /// # Errors
    /// There is none now, or no event can come any more.
    pub fn try_recv(&mut self) -> Result<Event, RecvError> {
        match self.core.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(event) => event.ok_or(RecvError::Ended),
            Poll::Pending => Err(RecvError::Timeout),
        }
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.core.poll_next(context)
    }
}

core::stream_calls!(Client, Subscription, Events);
