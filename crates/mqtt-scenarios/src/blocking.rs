//! mqtt-blocking, as it comes.

use std::fmt::Debug;
use std::future::IntoFuture;
use std::time::Duration;

use bytes::Bytes;
use mqtt_blocking::Wait;
use mqtt_client_core::codec::{Disconnect, TopicName};
use mqtt_client_core::session::{Connected, Refusal};
use mqtt_client_core::{
    Acknowledge, Callbacks, ClientError, Collect, CollectingPublisher, Delivered, DisconnectReport, Event,
    FilterResults, IntoFilters, Message, NoResponseTopic, Offline, OneShotError, Options, PingError,
    PublishBuilder, ReauthenticateError, RecvError, RequestBuilder, RunningCallbacks, Stats, StoreError,
    SubscribeBuilder, SubscribeError, UnsubscribeBuilder,
};

use crate::secrets::{told, told_error};
use crate::{Adapter, Client, Events, PATIENCE, Subscription};

/// The adapter mqtt-blocking.
#[derive(Debug)]
pub struct Blocking;

impl Adapter for Blocking {
    const NAME: &str = "blocking";

    type Client = mqtt_blocking::Client;

    fn start() -> Self {
        Blocking
    }

    fn connect(&self, options: Options) -> Result<Self::Client, ClientError> {
        told_error(told(mqtt_blocking::connect(options)))
    }

    fn publish_once(&self, options: Options, topic: &str, payload: &str) -> Result<Delivered, OneShotError> {
        told_error(told(mqtt_blocking::publish_once(options, topic, payload.to_owned())))
    }

    fn receive_once(&self, options: Options, filter: &str, time: Duration) -> Result<Message, OneShotError> {
        told_error(told(mqtt_blocking::receive_once(options, filter, time)))
    }

    fn client(&self, options: Options) -> Self::Client {
        mqtt_blocking::Client::new(options).expect("the system gives a thread")
    }
}

impl Client for mqtt_blocking::Client {
    type Inner = mqtt_blocking::Subscription;
    type Subscription = mqtt_blocking::Subscription;
    type Events = mqtt_blocking::Events;

    fn connect(&self) -> Result<Connected, Offline> {
        told_error(self.wait(self.connect()))
    }

    fn reconnect(&self) -> Result<Connected, Offline> {
        self.wait(self.reconnect())
    }

    fn reconnect_clean(&self) -> Result<Connected, Offline> {
        self.wait(Self::reconnect_clean(self))
    }

    fn disconnect(&self) -> DisconnectReport {
        self.wait(self.disconnect())
    }

    fn disconnect_with(&self, disconnect: Disconnect) -> Result<DisconnectReport, Refusal> {
        Ok(self.wait(Self::disconnect_with(self, disconnect)?))
    }

    fn stop(&self) -> DisconnectReport {
        self.wait(self.stop())
    }

    fn disconnect_within(&self, limit: Duration) -> DisconnectReport {
        self.wait(self.disconnect_within(limit))
    }

    fn run_callbacks(&self, callbacks: Callbacks) -> Result<RunningCallbacks, ClientError> {
        Self::run_callbacks(self, callbacks)
    }

    fn batch_publisher(&self, collect: Collect) -> CollectingPublisher {
        Self::batch_publisher(self, collect)
    }

    fn queue_publisher(&self, collect: Collect) -> CollectingPublisher {
        Self::queue_publisher(self, collect)
    }

    fn publish<T: AsRef<str>>(&self, topic: T, payload: impl Into<Bytes>) -> PublishBuilder<'_, T> {
        self.publish(topic, payload)
    }

    fn request(&self, topic: &str, payload: impl Into<Bytes>) -> RequestBuilder {
        Self::request(self, topic, payload)
    }

    fn respond(
        &self,
        request: &Message,
        payload: impl Into<Bytes>,
    ) -> Result<PublishBuilder<'_, TopicName>, NoResponseTopic> {
        Self::respond(self, request, payload)
    }

    fn subscribe_with(
        &self,
        filters: impl IntoFilters,
        configure: impl FnOnce(SubscribeBuilder<Self::Inner>) -> SubscribeBuilder<Self::Inner>,
    ) -> Result<Self::Subscription, SubscribeError> {
        told_error(self.wait(configure(self.subscribe(filters))))
    }

    fn catch_all(&self, acknowledge: Acknowledge) -> Self::Subscription {
        Self::catch_all(self, acknowledge)
    }

    fn unsubscribe_with(
        &self,
        filters: impl IntoFilters,
        configure: impl FnOnce(UnsubscribeBuilder) -> UnsubscribeBuilder,
    ) -> Result<FilterResults, SubscribeError> {
        told_error(self.wait(configure(Self::unsubscribe(self, filters))))
    }

    fn ping(&self) -> Result<Duration, PingError> {
        self.wait(self.ping())
    }

    fn reauthenticate(&self) -> Result<(), ReauthenticateError> {
        self.wait(self.reauthenticate())
    }

    fn flush(&self) {
        self.wait(self.flush());
    }

    fn stored(&self) -> Result<(), StoreError> {
        self.wait(self.stored())
    }

    fn events(&self) -> Self::Events {
        self.events()
    }

    fn is_connected(&self) -> bool {
        self.is_connected()
    }

    fn client_id(&self) -> String {
        self.client_id()
    }

    fn stats(&self) -> Stats {
        self.stats()
    }

    #[track_caller]
    fn wait<F: IntoFuture<Output: Debug>>(&self, future: F) -> F::Output {
        match future.wait_timeout(PATIENCE) {
            Ok(output) => told(output),
            Err(_) => panic!("not ready within {PATIENCE:?}"),
        }
    }
}

impl Subscription for mqtt_blocking::Subscription {
    fn recv_timeout(&mut self, time: Duration) -> Result<Message, RecvError> {
        told_error(told(self.recv_timeout(time)))
    }

    fn dropped(&self) -> u64 {
        self.dropped()
    }

    fn granted(&self) -> &FilterResults {
        self.granted()
    }
}

impl Events for mqtt_blocking::Events {
    fn recv_timeout(&mut self, time: Duration) -> Result<Event, RecvError> {
        told_error(told(self.recv_timeout(time)))
    }
}
