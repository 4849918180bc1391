//! [`Stored`]: waiting for the store.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::StoreError;
use crate::Client;
use crate::slots::Tag;

/// The future of [`Client::stored`](crate::Client::stored).
#[derive(Debug)]
#[must_use = "it is stored only when this is ready"]
pub struct Stored {
    client: Client,
    /// None without a store.
    tag: Option<Tag>,
}

impl Stored {
    pub(crate) fn new(client: Client) -> Self {
        let tag = client.shared().run(|core| core.wait_stored());
        Stored { client, tag }
    }
}

impl Future for Stored {
    type Output = Result<(), StoreError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.tag {
            Some(tag) => self.client.shared().poll(context, |core, waker| core.poll_stored(tag, waker)),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        if let Some(tag) = self.tag {
            self.client.shared().run(|core| core.stop_waiting_stored(tag));
        }
    }
}
