//! Unsubscribing: the request as it is built, and its outcome.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::codec::{Text, TopicFilter, UnsubscribeProperties};
use crate::slots::Tag;
use crate::{BadFilter, Client, FilterResults, SubscribeError};

/// An unsubscribe on its way: [`Client::unsubscribe`] starts it, awaiting it sends it.
///
/// Each filter comes back with the broker's answer. While there is no connection it waits for one.
#[derive(Debug)]
#[must_use = "an unsubscribe is sent only when this is awaited"]
pub struct UnsubscribeBuilder {
    client: Client,
    filters: Result<Vec<TopicFilter>, BadFilter>,
    properties: UnsubscribeProperties,
}

impl UnsubscribeBuilder {
    pub(crate) fn new(client: Client, filters: Result<Vec<TopicFilter>, BadFilter>) -> Self {
        UnsubscribeBuilder { client, filters, properties: UnsubscribeProperties::new() }
    }

    /// A user property that the broker is told with each filter (5.0; in 3.1.1 each is refused for it); they add up. Default:
    /// none.
    pub fn user_property(mut self, name: &Text, value: &Text) -> Self {
        self.properties.add_user_property(name, value);
        self
    }

    fn start(self) -> Result<(Client, Tag), SubscribeError> {
        let filters = self.filters.map_err(SubscribeError::InvalidFilter)?;
        if filters.is_empty() {
            return Err(SubscribeError::NoFilter);
        }
        let asked = self.client.shared().run(|core| core.unsubscribe(filters, &self.properties));
        Ok((self.client, asked.map_err(SubscribeError::Offline)?))
    }
}

impl IntoFuture for UnsubscribeBuilder {
    type Output = Result<FilterResults, SubscribeError>;
    type IntoFuture = Unsubscribing;

    fn into_future(self) -> Unsubscribing {
        let state = match self.start() {
            Ok((client, operation)) => State::Asked { client, operation },
            Err(error) => State::Failed(error),
        };
        Unsubscribing { state }
    }
}

/// The future of an [`UnsubscribeBuilder`]. Dropping it does not take the request back.
#[derive(Debug)]
#[must_use = "the outcome tells what the broker said"]
pub struct Unsubscribing {
    state: State,
}

#[derive(Debug)]
enum State {
    Asked { client: Client, operation: Tag },
    Failed(SubscribeError),
    Done,
}

impl Future for Unsubscribing {
    type Output = Result<FilterResults, SubscribeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Done => Poll::Pending,
            State::Failed(error) => Poll::Ready(Err(error)),
            State::Asked { client, operation } => {
                let asked =
                    client.shared().poll(context, |core, waker| core.poll_operation(operation, waker));
                if asked.is_pending() {
                    self.state = State::Asked { client, operation };
                }
                asked.map(|results| results.map_err(SubscribeError::Offline))
            }
        }
    }
}

impl Drop for Unsubscribing {
    fn drop(&mut self) {
        if let State::Asked { client, operation } = &self.state {
            client.shared().run(|core| core.detach_operation(*operation));
        }
    }
}
