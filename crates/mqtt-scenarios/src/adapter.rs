//! The calls that both adapters offer, in a form that blocks, so that a scenario reads the same over either.

use std::fmt::Debug;
use std::future::IntoFuture;
use std::time::Duration;

use bytes::Bytes;
use mqtt_client_core::codec::{Disconnect, QoS, TopicName};
use mqtt_client_core::session::{Connected, Refusal};
use mqtt_client_core::{
    Acknowledge, Callbacks, ClientError, Collect, CollectingPublisher, Delivered, DisconnectReport, Event,
    FilterResults, IntoFilters, Message, NoResponseTopic, Offline, OneShotError, Options, PingError,
    PublishBuilder, PublishError, ReauthenticateError, RecvError, RequestBuilder, RunningCallbacks, Stats,
    StoreError, SubscribeBuilder, SubscribeError, UnsubscribeBuilder,
};

use crate::PATIENCE;

/// An adapter, ready to make clients. Each scenario starts its own, and with it the threads that its clients run on.
pub trait Adapter: Send + Sync + Sized + 'static {
    /// Its name among the two.
    const NAME: &str;

    /// Its client.
    type Client: Client;

    /// Starts whatever the adapter needs around it.
    fn start() -> Self;

    /// The adapter's free function `connect`.
    ///
    /// # Errors
    /// Its error.
    fn connect(&self, options: Options) -> Result<Self::Client, ClientError>;

    /// The adapter's free function `publish_once`.
    ///
    /// # Errors
    /// Its error.
    fn publish_once(&self, options: Options, topic: &str, payload: &str) -> Result<Delivered, OneShotError>;

    /// The adapter's free function `receive_once`.
    ///
    /// # Errors
    /// Its error.
    fn receive_once(&self, options: Options, filter: &str, time: Duration) -> Result<Message, OneShotError>;

    /// A client that has not been told to connect.
    fn client(&self, options: Options) -> Self::Client;
}

/// A client of either adapter.
pub trait Client: Clone + Send + Sync + 'static {
    /// What the adapter's `subscribe` yields.
    type Inner: From<mqtt_client_core::Subscription>;
    /// The same with what a scenario needs to wait for it.
    type Subscription: Subscription;
    /// What the adapter's `events` yields.
    type Events: Events;

    /// Connects.
    ///
    /// # Errors
    /// Why there will be no connection.
    fn connect(&self) -> Result<Connected, Offline>;

    /// Connects anew.
    ///
    /// # Errors
    /// Why there will be no connection.
    fn reconnect(&self) -> Result<Connected, Offline>;

    /// Connects anew, with a clean start.
    ///
    /// # Errors
    /// Why there will be no connection.
    fn reconnect_clean(&self) -> Result<Connected, Offline>;

    /// Disconnects.
    fn disconnect(&self) -> DisconnectReport;

    /// Disconnects with this packet.
    ///
    /// # Errors
    /// The packet may not be sent.
    fn disconnect_with(&self, disconnect: Disconnect) -> Result<DisconnectReport, Refusal>;

    /// Disconnects for good.
    fn stop(&self) -> DisconnectReport;

    /// Disconnects, for as long as the limit says.
    fn disconnect_within(&self, limit: Duration) -> DisconnectReport;

    /// Calls these functions.
    ///
    /// # Errors
    /// There is nothing to call them on.
    fn run_callbacks(&self, callbacks: Callbacks) -> Result<RunningCallbacks, ClientError>;

    /// A publisher of batches.
    fn batch_publisher(&self, collect: Collect) -> CollectingPublisher;

    /// A publisher that sends what it has gathered one by one.
    fn queue_publisher(&self, collect: Collect) -> CollectingPublisher;

    /// A message to publish; [`wait`](Self::wait) for it, or for what its methods give.
    fn publish<T: AsRef<str>>(&self, topic: T, payload: impl Into<Bytes>) -> PublishBuilder<'_, T>;

    /// A request; [`wait`](Self::wait) for its response.
    fn request(&self, topic: &str, payload: impl Into<Bytes>) -> RequestBuilder;

    /// The response to a request.
    ///
    /// # Errors
    /// The message is no request.
    fn respond(
        &self,
        request: &Message,
        payload: impl Into<Bytes>,
    ) -> Result<PublishBuilder<'_, TopicName>, NoResponseTopic>;

    /// Subscribes, with the options that `configure` sets.
    ///
    /// # Errors
    /// Every filter was refused.
    fn subscribe_with(
        &self,
        filters: impl IntoFilters,
        configure: impl FnOnce(SubscribeBuilder<Self::Inner>) -> SubscribeBuilder<Self::Inner>,
    ) -> Result<Self::Subscription, SubscribeError>;

    /// A stream of what no other one matches.
    fn catch_all(&self, acknowledge: Acknowledge) -> Self::Subscription;

    /// Unsubscribes, with what `configure` adds.
    ///
    /// # Errors
    /// Nothing could be asked for.
    fn unsubscribe_with(
        &self,
        filters: impl IntoFilters,
        configure: impl FnOnce(UnsubscribeBuilder) -> UnsubscribeBuilder,
    ) -> Result<FilterResults, SubscribeError>;

    /// Pings.
    ///
    /// # Errors
    /// There is no connection, or no longer.
    fn ping(&self) -> Result<Duration, PingError>;

    /// Authenticates anew.
    ///
    /// # Errors
    /// One of the two sides is not convinced.
    fn reauthenticate(&self) -> Result<(), ReauthenticateError>;

    /// Waits until all that was published before has ended.
    fn flush(&self);

    /// Waits until all that has happened before is in the store.
    ///
    /// # Errors
    /// The store has failed.
    fn stored(&self) -> Result<(), StoreError>;

    /// Listens to what happens to the client from now on.
    fn events(&self) -> Self::Events;

    /// Whether the client is connected.
    fn is_connected(&self) -> bool;

    /// Its client id.
    fn client_id(&self) -> String;

    /// Its counters.
    fn stats(&self) -> Stats;

    /// Waits as the adapter's users do.
    ///
    /// # Panics
    /// After [`PATIENCE`].
    fn wait<F: IntoFuture<Output: Debug>>(&self, future: F) -> F::Output;

    /// Subscribes with the default options.
    ///
    /// # Errors
    /// Every filter was refused.
    fn subscribe(&self, filters: impl IntoFilters) -> Result<Self::Subscription, SubscribeError> {
        self.subscribe_with(filters, |builder| builder)
    }

    /// Unsubscribes.
    ///
    /// # Errors
    /// Nothing could be asked for.
    fn unsubscribe(&self, filters: impl IntoFilters) -> Result<FilterResults, SubscribeError> {
        self.unsubscribe_with(filters, |builder| builder)
    }

    /// Publishes, and waits for the outcome as `publish(…).await` does.
    ///
    /// # Errors
    /// How it ended otherwise.
    fn send(&self, topic: &str, payload: impl Into<Bytes>, qos: QoS) -> Result<Delivered, PublishError> {
        self.wait(self.publish(topic, payload).qos(qos))
    }
}

/// What comes next on a stream.
#[derive(Debug)]
pub enum Next {
    /// A message.
    Message(Message),
    /// The end.
    Ended,
    /// Nothing in the time given.
    Silence,
}

/// A stream of messages of either adapter.
pub trait Subscription: Send + 'static {
    /// What comes next, if it comes within `patience`.
    fn next_within(&mut self, patience: Duration) -> Next {
        match self.recv_timeout(patience) {
            Ok(message) => Next::Message(message),
            Err(RecvError::Timeout | RecvError::Offline(Offline::NotConnected)) => Next::Silence,
            Err(_) => Next::Ended,
        }
    }

    /// The adapter's `recv_timeout`.
    ///
    /// # Errors
    /// Its error.
    fn recv_timeout(&mut self, time: Duration) -> Result<Message, RecvError>;

    /// How many QoS 0 messages it has lost.
    fn dropped(&self) -> u64;

    /// What the broker has granted.
    fn granted(&self) -> &FilterResults;

    /// The next message.
    ///
    /// # Panics
    /// When none comes within [`PATIENCE`], or the stream has ended.
    #[track_caller]
    fn message(&mut self) -> Message {
        match self.next_within(PATIENCE) {
            Next::Message(message) => message,
            other => panic!("expected a message: {other:?}"),
        }
    }

    /// The payloads of the next messages, as text.
    ///
    /// # Panics
    /// When they do not come.
    #[track_caller]
    fn texts(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.message().text().into_owned()).collect()
    }

    /// The stream has to end now.
    ///
    /// # Panics
    /// When it does not, or a message is in the way.
    #[track_caller]
    fn ends(&mut self) {
        let next = self.next_within(PATIENCE);
        assert!(matches!(next, Next::Ended), "expected the end: {next:?}");
    }

    /// Nothing may come for so long.
    ///
    /// # Panics
    /// When something does.
    #[track_caller]
    fn stays_silent(&mut self, time: Duration) {
        let next = self.next_within(time);
        assert!(matches!(next, Next::Silence), "expected silence: {next:?}");
    }
}

/// A listener of either adapter.
pub trait Events: Send + 'static {
    /// The adapter's `recv_timeout`.
    ///
    /// # Errors
    /// Its error.
    fn recv_timeout(&mut self, time: Duration) -> Result<Event, RecvError>;

    /// The next event, if it comes within `patience`.
    fn next_within(&mut self, patience: Duration) -> Option<Event> {
        self.recv_timeout(patience).ok()
    }

    /// No event can come any more: the driver has ended.
    ///
    /// # Panics
    /// When it has not, or an event is in the way.
    #[track_caller]
    fn ends(&mut self) {
        let next = self.recv_timeout(PATIENCE);
        assert!(matches!(next, Err(RecvError::Ended)), "expected the end: {next:?}");
    }

    /// Skips events until `wanted` finds its own, and returns what it made of that.
    ///
    /// # Panics
    /// When none comes for [`PATIENCE`].
    #[track_caller]
    fn find<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let mut seen = Vec::new();
        while let Some(event) = self.next_within(PATIENCE) {
            if let Some(found) = wanted(&event) {
                return found;
            }
            seen.push(event.to_string());
        }
        panic!("no event for {PATIENCE:?}; wanted {what}, after {seen:?}")
    }

    /// Waits until the client has connected; whether the broker still had its session.
    ///
    /// # Panics
    /// When it does not connect.
    #[track_caller]
    fn connected(&mut self) -> bool {
        self.find("a connection", |event| match event {
            Event::Connected { session_present } => Some(*session_present),
            _ => None,
        })
    }

    /// Waits until a connection, or an attempt at one, has failed.
    ///
    /// # Panics
    /// When none does.
    #[track_caller]
    fn failure(&mut self) -> mqtt_client_core::Failure {
        self.find("a failure", |event| match event {
            Event::Failed { failure, .. } => Some(failure.clone()),
            _ => None,
        })
    }
}
