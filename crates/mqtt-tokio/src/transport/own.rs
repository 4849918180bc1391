//! Streams of the user's own, in place of a socket.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use mqtt_client_core::Endpoint;
use tokio::io::{AsyncRead, AsyncWrite};

/// What a connection can be made of: anything that reads and writes bytes in order. See
/// [`Client::with_connector`](crate::Client::with_connector).
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens a stream for each attempt.
pub(crate) type Connector = Arc<dyn Fn(Endpoint) -> Opening + Send + Sync>;

type Opening = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// Forgets which function and which stream they are.
pub(crate) fn connector<C, F, S>(open: C) -> Connector
where
    C: Fn(Endpoint) -> F + Send + Sync + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
    S: Stream + 'static,
{
    Arc::new(move |endpoint| {
        let opening = open(endpoint);
        Box::pin(async move { Ok(Box::new(opening.await?) as Box<dyn Stream>) })
    })
}
