//! Publishing in batches, or many at a time: for payloads that need not leave at once.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::codec::Publish;
use crate::json_array::element;
use crate::slots::Tag;
use crate::{Client, Flushing, PublishError, TopicDefaults};

/// When a [`CollectingPublisher`] publishes what it holds: whichever comes first.
///
/// ```
/// use std::time::Duration;
/// use mqtt_client_core::Collect;
///
/// let each_minute = Collect { size: 1000, ..Collect::default() };
/// assert_eq!(each_minute.interval, Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Collect {
    /// At so many: of one topic in batches, of all together in a queue. Default: 5. Less than 2: each at once.
    pub size: usize,
    /// So long after the first one. Default: 60 s.
    pub interval: Duration,
    /// Before it holds more than so many bytes, all of it; one that is longer passes alone. Default: 1 MiB.
    pub max_bytes: usize,
    /// QoS and retain; where it says nothing they are what the options say of the topic. Default: nothing.
    pub message: TopicDefaults,
}

impl Default for Collect {
    fn default() -> Self {
        Collect {
            size: 5,
            interval: Duration::from_secs(60),
            max_bytes: 1 << 20,
            message: TopicDefaults::default(),
        }
    }
}

/// Gathers payloads, and publishes them when there are enough or when it is time: [`Client::batch_publisher`] as one JSON
/// array for each topic, [`Client::queue_publisher`] one by one in their order.
///
/// `flush`, `disconnect` and the drop of this publish what it holds at once, a client that goes offline hands it back in the
/// [report](crate::DisconnectReport). A published message that comes to nothing is an
/// [`Event::NotPublished`](crate::Event::NotPublished).
#[derive(Debug)]
pub struct CollectingPublisher {
    client: Client,
    collector: Tag,
    batches: bool,
    message: TopicDefaults,
}

impl CollectingPublisher {
    pub(crate) fn new(client: Client, collect: Collect, batches: bool) -> Self {
        let collector = client.shared().run(|core| core.open_collector(collect, batches));
        CollectingPublisher { client, collector, batches, message: collect.message }
    }

    /// Collects a payload. Ready at once, unless what was published before is still waiting for room in the client's queue.
    /// Dropping the future before it is ready takes the payload back.
    ///
    /// Fails when the topic is not valid, when the client is offline for good, or when the message can't be encoded.
    pub fn publish(&mut self, topic: impl AsRef<str>, payload: impl Into<Bytes>) -> Collecting<'_> {
        let payload = payload.into();
        // A batch needs no more than a copy of it.
        let (payload, element) =
            if self.batches { (Bytes::new(), Some(element(&payload))) } else { (payload, None) };
        let publish = self.client.shared().defaults.message(topic.as_ref(), payload, self.message).map(Some);
        Collecting { publisher: self, publish, element }
    }

    /// Publishes what is held; ready when that, and all that the client has published before, has come to its end.
    pub fn flush(&mut self) -> Flushing {
        let flush = self.client.shared().run(|core| {
            core.empty_collector(self.collector);
            core.publishing.flush()
        });
        Flushing::new(self.client.clone(), flush)
    }
}

impl Drop for CollectingPublisher {
    fn drop(&mut self) {
        self.client.shared().run(|core| core.close_collector(self.collector));
    }
}

/// The future of [`CollectingPublisher::publish`].
#[derive(Debug)]
#[must_use = "a payload is collected only when this is awaited"]
pub struct Collecting<'a> {
    publisher: &'a mut CollectingPublisher,
    publish: Result<Option<Publish>, PublishError>,
    /// The payload as it goes into a batch.
    element: Option<Vec<u8>>,
}

impl Future for Collecting<'_> {
    type Output = Result<(), PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Collecting { publisher, publish, element } = &mut *self;
        match publish {
            Err(invalid) => Poll::Ready(Err(invalid.clone())),
            Ok(publish) => publisher.client.shared().poll(context, |core, waker| {
                core.poll_collect(publisher.collector, publish, element.as_deref(), waker)
            }),
        }
    }
}
