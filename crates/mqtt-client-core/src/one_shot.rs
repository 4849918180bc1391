//! One message, without a client that stays: what both adapters' `publish_once` and `receive_once` have in common.

use std::future::Future;

use bytes::Bytes;

use crate::error_texts::{error_conversions, error_texts};
use crate::{
    Client, ClientError, Delivered, Message, Offline, PublishError, RecvError, SubscribeError, Subscription,
};

/// Why one message could not be published, or received.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum OneShotError {
    /// There is no connection.
    Client(ClientError),
    /// The message was not delivered.
    Publish(PublishError),
    /// The broker did not grant the subscription.
    Subscribe(SubscribeError),
    /// There was no message.
    Receive(RecvError),
}

error_texts!(OneShotError {
    Self::Client(error) => source error, "{error}";
    Self::Publish(error) => source error, "{error}";
    Self::Subscribe(error) => source error, "{error}";
    Self::Receive(error) => source error, "{error}";
});

error_conversions!(OneShotError {
    Client(ClientError),
    Publish(PublishError),
    Subscribe(SubscribeError),
    Receive(RecvError),
});

impl From<Offline> for OneShotError {
    fn from(offline: Offline) -> Self {
        OneShotError::Client(offline.into())
    }
}

/// Connects, publishes, waits for the outcome, disconnects. Not part of the public API, as the next one.
#[doc(hidden)]
pub async fn publish_once(
    client: Client,
    topic: impl AsRef<str>,
    payload: impl Into<Bytes>,
) -> Result<Delivered, OneShotError> {
    client.connect().await?;
    let outcome = match client.publish(topic, payload).enqueue().await {
        Ok(completion) => completion.await,
        Err(error) => Err(error),
    };
    client.disconnect().await;
    Ok(outcome?)
}

/// Connects, subscribes, receives, disconnects.
#[doc(hidden)]
pub async fn receive_once<S, F>(
    client: Client,
    filters: impl crate::IntoFilters,
    receive: impl FnOnce(S) -> F,
) -> Result<Message, OneShotError>
where
    S: From<Subscription>,
    F: Future<Output = Result<Message, RecvError>>,
{
    client.connect().await?;
    let received = match client.subscribe::<S>(filters).await {
        Ok(stream) => receive(stream).await.map_err(OneShotError::from),
        Err(error) => Err(error.into()),
    };
    client.disconnect().await;
    received
}
