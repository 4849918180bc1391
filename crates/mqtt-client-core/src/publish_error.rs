//! [`PublishError`]: which message did not arrive, and why.

use std::error::Error;
use std::fmt;

use crate::Offline;
use crate::codec::{Ack, InvalidTopic, TopicName};
use crate::error::Said;
use crate::error_texts::{beginning, error_conversions, error_texts};
use crate::session::Refusal;
use crate::store::StoreError;

/// A message that did not get its acknowledgement: its topic, and which of the three ways it went instead.
///
/// Its text names the topic; that of [`failure`](Self::failure) is for who does so otherwise.
///
/// ```
/// use mqtt_client_core::codec::QoS;
/// use mqtt_client_core::{Client, NotSent, PublishFailure};
///
/// async fn tell(client: &Client) {
///     let Err(error) = client.publish("door", "open").qos(QoS::AtLeastOnce).await else { return };
///     match error.failure() {
///         PublishFailure::Rejected(ack) => println!("{}: the broker says no: {}", error.topic(), ack.reason),
///         PublishFailure::NotSent(NotSent::QueueFull) => println!("too many at once"),
///         // publishing to "door": the message was not sent: …
///         _ => println!("{error}"),
///     }
/// }
/// ```
#[derive(Clone)]
pub struct PublishError(Box<Parts>);

/// Apart, so that the result of a message that went well has no room for them.
#[derive(Clone)]
struct Parts {
    /// A copy: an application may keep the error, and need not keep the message with it.
    topic: Box<str>,
    failure: PublishFailure,
}

impl PublishError {
    #[cold]
    pub(crate) fn new(topic: &TopicName, failure: impl Into<PublishFailure>) -> Self {
        PublishError(Box::new(Parts { topic: topic.as_str().into(), failure: failure.into() }))
    }

    /// For text that is no topic.
    #[cold]
    pub(crate) fn invalid_topic(text: &str, why: InvalidTopic) -> Self {
        let failure = NotSent::InvalidTopic(why).into();
        PublishError(Box::new(Parts { topic: beginning(text).into(), failure }))
    }

    /// The topic of the message. Of one that is not valid ([`NotSent::InvalidTopic`]) up to 100 characters.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.0.topic
    }

    /// What became of the message.
    #[must_use]
    pub fn failure(&self) -> &PublishFailure {
        &self.0.failure
    }
}

impl fmt::Debug for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Parts { topic, failure } = &*self.0;
        f.debug_struct("PublishError").field("topic", topic).field("failure", failure).finish()
    }
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "publishing to {:?}: {}", self.topic(), self.failure())
    }
}

impl Error for PublishError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.failure())
    }
}

/// What became of a message that did not get its acknowledgement: exactly one of the three ways.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PublishFailure {
    /// The broker answered with a reason code of 0x80 or above: it has not taken the message.
    Rejected(Ack),
    /// It was sent, and nobody knows whether it arrived: publishing it again might double it.
    Indeterminate(Indeterminate),
    /// Not one byte of it was sent, and none will be.
    NotSent(NotSent),
}

error_texts!(PublishFailure {
    Self::Rejected(ack) => "the broker rejected the message, which is not sent again: {}",
        Said(ack.reason, ack.properties.reason_string());
    Self::Indeterminate(error) => source error, "it is not known whether the message arrived: {error}";
    Self::NotSent(error) => source error, "the message was not sent: {error}";
});

error_conversions!(PublishFailure { Indeterminate(Indeterminate), NotSent(NotSent) });

/// Why the fate of a sent message is unknown.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Indeterminate {
    /// The broker lost the session while a QoS 2 message was under way.
    SessionLost,
    /// The link broke while a QoS 0 message was being written.
    LinkLost,
    /// The time limit of the call was over before the acknowledgement came. The message goes on its way all the same.
    TimedOut,
    /// The new connection's limits forbid sending it again.
    Forbidden(Refusal),
    /// The client went offline before the acknowledgement came.
    Offline(Offline),
    /// The client went offline. The message is in its store: it goes on when the client connects again, or the next one with
    /// this store.
    Kept(Offline),
    /// The store failed. The message may be in it, and goes out then by the next client that opens it.
    Store(StoreError),
}

error_texts!(Indeterminate {
    Self::SessionLost => "the broker lost the session; it is not sent again, for that might double it";
    Self::LinkLost => "the link broke while it was being sent; at QoS 0 it is not sent again";
    Self::TimedOut => "no acknowledgement came within the time limit; it goes on its way all the same";
    Self::Forbidden(error) => "it can't be sent again: {error}";
    Self::Offline(error) => source error, "its acknowledgement had not come: {error}";
    Self::Kept(error) =>
        source error, "it is kept in the store, and goes on with the next connection: {error}";
    Self::Store(error) =>
        source error, "it may be in the store, and is sent by the next client that opens that: {error}";
});

/// Why a message was not sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum NotSent {
    /// Its topic name is not valid.
    InvalidTopic(InvalidTopic),
    /// It can't be encoded, or the broker's limits forbid it.
    Refused(Refusal),
    /// The link broke before a QoS 0 message was written.
    LinkLost,
    /// The queue was full, and the call does not wait.
    QueueFull,
    /// The queue was full, and the overflow policy chose this message to go.
    Dropped,
    /// A newer message of the same topic took its place ([`Overflow::KeepLatest`](crate::Overflow::KeepLatest)).
    Superseded,
    /// Its Message Expiry Interval ended first.
    Expired,
    /// The time limit of the call was over first.
    TimedOut,
    /// The store has failed, and a message of QoS 1 or 2 relies on it.
    Store(StoreError),
    /// The client is, or went, offline.
    Offline(Offline),
}

error_texts!(NotSent {
    Self::InvalidTopic(error) => source error, "{error}";
    Self::Refused(error) => "{error}";
    Self::LinkLost => "the link was lost first, and QoS 0 does not wait for the next";
    Self::QueueFull => "the queue is full, and the call does not wait";
    Self::Dropped => "the queue was full, and the overflow policy chose this message to go";
    Self::Superseded => "a newer message of the same topic took its place";
    Self::Expired => "its Message Expiry Interval ended first";
    Self::TimedOut => "the time limit ended first";
    Self::Store(error) => source error, "{error}";
    Self::Offline(error) => source error, "{error}";
});
