//! mqtt-tokio, on a runtime of its own.

use std::fmt::Debug;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mqtt_client_core::codec::{Disconnect, TopicName};
use mqtt_client_core::session::{Connected, Refusal};
use mqtt_client_core::{
    Acknowledge, Callbacks, ClientError, Collect, CollectingPublisher, Delivered, DisconnectReport, Event,
    FilterResults, IntoFilters, Message, NoResponseTopic, Offline, OneShotError, Options, PingError,
    PublishBuilder, ReauthenticateError, RecvError, RequestBuilder, RunningCallbacks, Stats, StoreError,
    SubscribeBuilder, SubscribeError, UnsubscribeBuilder,
};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::secrets::{told, told_error};
use crate::{Adapter, Client, Events, PATIENCE, Subscription};

/// The adapter mqtt-tokio. Its clients' tasks run on one thread, so that what they do is done there and nowhere else.
#[derive(Clone, Debug)]
pub struct Tokio {
    runtime: Arc<Runtime>,
}

/// Something of mqtt-tokio's, with the runtime to wait for it on.
#[derive(Clone, Debug)]
pub struct On<T> {
    inner: T,
    tokio: Tokio,
}

impl Tokio {
    fn within<F: IntoFuture>(&self, patience: Duration, future: F) -> Option<F::Output> {
        self.runtime.block_on(async { timeout(patience, future.into_future()).await.ok() })
    }

    #[track_caller]
    fn wait<F: IntoFuture<Output: Debug>>(&self, future: F) -> F::Output {
        match self.within(PATIENCE, future) {
            Some(output) => told(output),
            None => panic!("not ready within {PATIENCE:?}"),
        }
    }

    fn on<T>(&self, inner: T) -> On<T> {
        On { inner, tokio: self.clone() }
    }
}

impl Adapter for Tokio {
    const NAME: &str = "tokio";

    type Client = On<mqtt_tokio::Client>;

    fn start() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        Tokio { runtime: Arc::new(runtime.expect("the system gives a thread")) }
    }

    fn connect(&self, options: Options) -> Result<Self::Client, ClientError> {
        Ok(self.on(told_error(self.wait(mqtt_tokio::connect(options)))?))
    }

    fn publish_once(&self, options: Options, topic: &str, payload: &str) -> Result<Delivered, OneShotError> {
        told_error(self.wait(mqtt_tokio::publish_once(options, topic, payload.to_owned())))
    }

    fn receive_once(&self, options: Options, filter: &str, time: Duration) -> Result<Message, OneShotError> {
        told_error(self.wait(mqtt_tokio::receive_once(options, filter, time)))
    }

    fn client(&self, options: Options) -> Self::Client {
        let _context = self.runtime.enter();
        self.on(mqtt_tokio::Client::new(options).expect("a runtime is there"))
    }
}

impl Client for On<mqtt_tokio::Client> {
    type Inner = mqtt_tokio::Subscription;
    type Subscription = On<mqtt_tokio::Subscription>;
    type Events = On<mqtt_tokio::Events>;

    fn connect(&self) -> Result<Connected, Offline> {
        told_error(self.wait(self.inner.connect()))
    }

    fn reconnect(&self) -> Result<Connected, Offline> {
        self.wait(self.inner.reconnect())
    }

    fn reconnect_clean(&self) -> Result<Connected, Offline> {
        self.wait(self.inner.reconnect_clean())
    }

    fn disconnect(&self) -> DisconnectReport {
        self.wait(self.inner.disconnect())
    }

    fn disconnect_with(&self, disconnect: Disconnect) -> Result<DisconnectReport, Refusal> {
        Ok(self.wait(self.inner.disconnect_with(disconnect)?))
    }

    fn stop(&self) -> DisconnectReport {
        self.wait(self.inner.stop())
    }

    fn disconnect_within(&self, limit: Duration) -> DisconnectReport {
        self.wait(self.inner.disconnect_within(limit))
    }

    fn run_callbacks(&self, callbacks: Callbacks) -> Result<RunningCallbacks, ClientError> {
        let _context = self.tokio.runtime.enter();
        self.inner.run_callbacks(callbacks)
    }

    fn batch_publisher(&self, collect: Collect) -> CollectingPublisher {
        self.inner.batch_publisher(collect)
    }

    fn queue_publisher(&self, collect: Collect) -> CollectingPublisher {
        self.inner.queue_publisher(collect)
    }

    fn publish<T: AsRef<str>>(&self, topic: T, payload: impl Into<Bytes>) -> PublishBuilder<'_, T> {
        self.inner.publish(topic, payload)
    }

    fn request(&self, topic: &str, payload: impl Into<Bytes>) -> RequestBuilder {
        self.inner.request(topic, payload)
    }

    fn respond(
        &self,
        request: &Message,
        payload: impl Into<Bytes>,
    ) -> Result<PublishBuilder<'_, TopicName>, NoResponseTopic> {
        self.inner.respond(request, payload)
    }

    fn subscribe_with(
        &self,
        filters: impl IntoFilters,
        configure: impl FnOnce(SubscribeBuilder<Self::Inner>) -> SubscribeBuilder<Self::Inner>,
    ) -> Result<Self::Subscription, SubscribeError> {
        Ok(self.tokio.on(told_error(self.wait(configure(self.inner.subscribe(filters))))?))
    }

    fn catch_all(&self, acknowledge: Acknowledge) -> Self::Subscription {
        self.tokio.on(self.inner.catch_all(acknowledge))
    }

    fn unsubscribe_with(
        &self,
        filters: impl IntoFilters,
        configure: impl FnOnce(UnsubscribeBuilder) -> UnsubscribeBuilder,
    ) -> Result<FilterResults, SubscribeError> {
        told_error(self.wait(configure(self.inner.unsubscribe(filters))))
    }

    fn ping(&self) -> Result<Duration, PingError> {
        self.wait(self.inner.ping())
    }

    fn reauthenticate(&self) -> Result<(), ReauthenticateError> {
        self.wait(self.inner.reauthenticate())
    }

    fn flush(&self) {
        self.wait(self.inner.flush());
    }

    fn stored(&self) -> Result<(), StoreError> {
        self.wait(self.inner.stored())
    }

    fn events(&self) -> Self::Events {
        self.tokio.on(self.inner.events())
    }

    fn is_connected(&self) -> bool {
        self.inner.is_connected()
    }

    fn client_id(&self) -> String {
        self.inner.client_id()
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }

    #[track_caller]
    fn wait<F: IntoFuture<Output: Debug>>(&self, future: F) -> F::Output {
        self.tokio.wait(future)
    }
}

impl Subscription for On<mqtt_tokio::Subscription> {
    fn recv_timeout(&mut self, time: Duration) -> Result<Message, RecvError> {
        told_error(told(self.tokio.runtime.block_on(self.inner.recv_timeout(time))))
    }

    fn dropped(&self) -> u64 {
        self.inner.dropped()
    }

    fn granted(&self) -> &FilterResults {
        self.inner.granted()
    }
}

impl Events for On<mqtt_tokio::Events> {
    fn recv_timeout(&mut self, time: Duration) -> Result<Event, RecvError> {
        told_error(told(self.tokio.runtime.block_on(self.inner.recv_timeout(time))))
    }
}
