//! One message, without a client that stays: what both adapters' `publish_once` and `receive_once` have in common.

use std::future::Future;

use bytes::Bytes;

use crate::{
    Client, ClientError, Delivered, Message, Offline, PublishError, RecvError, SubscribeError, Subscription,
};

/// Why one message could not be published, or received.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OneShotError {
    /// There is no connection.
    #[error("{0}")]
    Client(#[from] ClientError),
    /// The message was not delivered.
    #[error("{0}")]
    Publish(#[from] PublishError),
    /// The broker did not grant the subscription.
    #[error("{0}")]
    Subscribe(#[from] SubscribeError),
    /// There was no message.
    #[error("{0}")]
    Receive(#[from] RecvError),
}

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
