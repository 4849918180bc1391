//! The handle that both adapters wrap: every call an application has, as futures that no runtime is needed for.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{Disconnect, PublishProperties, TopicFilter, TopicName};
use crate::core::Core;
use crate::replies::response_address;
use crate::session::{Command, Connected, Refusal};
use crate::shared::Shared;
use crate::slots::Tag;
use crate::store::Stored;
use crate::subscribe::IntoFilters;
use crate::{
    Acknowledge, CallbackRunner, Callbacks, Collect, CollectingPublisher, DisconnectReport, Event,
    FilterResults, Flushing, Message, NoResponseTopic, Offline, Options, PingError, PublishBuilder,
    Reauthenticating, RequestBuilder, RunningCallbacks, Stats, SubscribeBuilder, SubscribeError,
    Subscription, UnsubscribeBuilder,
};

/// A client. Clones share one connection; when the last clone, stream and listener is gone, the client disconnects.
///
/// The futures need no particular runtime: whoever polls them is woken by the driver. Dropping one is always safe; what that
/// cancels is said at each call.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

/// Counts who still uses the client: the last one out turns off the light.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.run(|core| core.abandon());
    }
}

impl Client {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Client { handle: Arc::new(Handle { shared }) }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }

    /// Connects, or waits for a connection that is being made; also after `disconnect`, and after the client gave up.
    ///
    /// Ready when the broker has accepted and lost subscriptions are restored. Fails when the reconnect policy gives up,
    /// which for the first connection is, by default, at its first failure; and at once while a disconnect is under way.
    /// Dropping the future does not stop the attempt.
    pub fn connect(&self) -> Connecting {
        let tag = self.shared().run(|core| {
            core.start();
            core.wait()
        });
        Connecting { client: self.clone(), tag }
    }

    /// Connects anew at once: leaves the present connection with a DISCONNECT, or cuts short the wait for the next attempt;
    /// also after `disconnect`, and after the client gave up. What is on its way is not lost: it goes on as after any lost
    /// link. Ready, and failing, as [`connect`](Self::connect).
    pub fn reconnect(&self) -> Connecting {
        self.connect_anew(false)
    }

    /// The same with a clean start: in 5.0 the broker throws away what it holds of this client. In 3.1.1, where one flag says
    /// that and whether the session is kept, it is [`reconnect`](Self::reconnect).
    pub fn reconnect_clean(&self) -> Connecting {
        self.connect_anew(true)
    }

    fn connect_anew(&self, clean: bool) -> Connecting {
        let tag = self.shared().run(|core| {
            core.reconnect(clean);
            core.wait()
        });
        Connecting { client: self.clone(), tag }
    }

    /// Disconnects: what is on its way goes out first, up to the drain timeout; then DISCONNECT, and the connection closes.
    ///
    /// The report holds what was not sent. Every publish that has not ended ends. Dropping the future does not stop it.
    pub fn disconnect(&self) -> Disconnecting {
        self.leave(|core| core.leave(None, Disconnect::default()))
    }

    /// The same with a limit of its own in the place of the drain timeout, up to which what is on its way goes out first: of zero,
    /// it leaves at once. Where the client is leaving already, whichever limit ends sooner holds. The report comes within a
    /// second of the limit, even from a transport that takes nothing any more.
    pub fn disconnect_within(&self, limit: Duration) -> Disconnecting {
        self.leave(|core| core.leave(Some(limit), Disconnect::default()))
    }

    /// As [`disconnect`](Self::disconnect), with this DISCONNECT (5.0): with the will all the same
    /// (`DisconnectWithWill`), another session expiry, a reason string, user properties. Properties that would outgrow
    /// the broker's packet limit are left out in the end. Where a disconnect is under way already, that one's holds.
    ///
    /// # Errors
    /// It says what a client may not, or what 3.1.1 can't. Then nothing happens.
    pub fn disconnect_with(&self, disconnect: Disconnect) -> Result<Disconnecting, Refusal> {
        self.shared().run(|core| {
            let Options { version, session_expiry, .. } = core.options;
            Command::check_disconnect(version, session_expiry, &disconnect)
        })?;
        Ok(self.leave(|core| core.leave(None, disconnect)))
    }

    /// Disconnects for good: as [`disconnect`](Self::disconnect), and then the client's task or thread ends. Nothing connects it
    /// again; streams and listeners end.
    pub fn stop(&self) -> Disconnecting {
        self.leave(|core| core.stop(None))
    }

    /// The same with a limit of its own, as [`disconnect_within`](Self::disconnect_within).
    pub fn stop_within(&self, limit: Duration) -> Disconnecting {
        self.leave(|core| core.stop(Some(limit)))
    }

    fn leave(&self, wish: impl FnOnce(&mut Core)) -> Disconnecting {
        let tag = self.shared().run(|core| {
            wish(core);
            core.wait()
        });
        Disconnecting { client: self.clone(), tag }
    }

    /// A message to publish. A topic that is not valid is reported when it is sent.
    #[inline]
    pub fn publish<T: AsRef<str>>(&self, topic: T, payload: impl Into<Bytes>) -> PublishBuilder<'_, T> {
        PublishBuilder::new(self, topic, payload.into())
    }

    /// A publisher that gathers payloads, and sends those of a topic as one JSON array, when there are enough of them or when
    /// it is time. Text becomes a string, anything else an object, `{"base64":"…"}`.
    pub fn batch_publisher(&self, collect: Collect) -> CollectingPublisher {
        CollectingPublisher::new(self.clone(), collect, true)
    }

    /// A publisher that gathers messages, and sends them one by one, in their order, when there are enough of them or when it
    /// is time.
    pub fn queue_publisher(&self, collect: Collect) -> CollectingPublisher {
        CollectingPublisher::new(self.clone(), collect, false)
    }

    /// Ready when every message that was published before this call has come to its end: QoS 0 written to the transport,
    /// QoS 1 and 2 acknowledged, or not delivered, which their own outcomes tell. Messages published later are not waited
    /// for; what is only collected yet is published first. Dropping the future changes nothing.
    pub fn flush(&self) -> Flushing {
        Flushing::new(self.clone(), self.shared().run(|core| core.flush()))
    }

    /// Ready when all that has happened before this call is in the store: messages that were admitted, acknowledgements, and
    /// subscriptions. Without a store it is ready at once. Fails when the store does. Dropping the future changes nothing.
    pub fn stored(&self) -> Stored {
        Stored::new(self.clone())
    }

    /// A request, of which the response is awaited; see [`RequestBuilder`]. A topic that is not valid is reported when it is
    /// sent.
    pub fn request(&self, topic: impl AsRef<str>, payload: impl Into<Bytes>) -> RequestBuilder {
        RequestBuilder::new(self.clone(), topic.as_ref(), payload.into())
    }

    /// The response to a request that was received: a message to publish, with the topic, the correlation data and the QoS
    /// that the request asks for.
    ///
    /// # Errors
    /// The message is no request.
    pub fn respond(
        &self,
        request: &Message,
        payload: impl Into<Bytes>,
    ) -> Result<PublishBuilder<'_, TopicName>, NoResponseTopic> {
        let (topic, correlation) = response_address(request).ok_or(NoResponseTopic)?;
        let mut properties = PublishProperties::default();
        if let Some(correlation) = correlation {
            properties.set_correlation_data(&correlation);
        }
        Ok(self.publish(topic, payload).qos(request.qos()).retain(false).properties(properties))
    }

    /// A subscription to one filter or several. A filter that is not valid is reported when it is sent.
    pub fn subscribe<S: From<Subscription>>(&self, filters: impl IntoFilters) -> SubscribeBuilder<S> {
        SubscribeBuilder::new(self.clone(), filters.into_filters())
    }

    /// A stream of what no other stream matches: messages of a session whose streams are not open yet, or that a broker sends
    /// unasked. Nothing is subscribed to. Messages that have waited for a stream come first.
    pub fn catch_all<S: From<Subscription>>(&self, acknowledge: Acknowledge) -> S {
        let stream = self.shared().run(|core| core.catch_all(acknowledge));
        S::from(Subscription::of(self.clone(), stream))
    }

    /// Gives up filters, for every stream. Each comes back with the broker's answer (3.1.1 knows only success). A filter that
    /// is not valid is reported when it is sent.
    pub fn unsubscribe(&self, filters: impl IntoFilters) -> UnsubscribeBuilder {
        UnsubscribeBuilder::new(self.clone(), filters.into_filters())
    }

    /// Sends a PINGREQ; the time until its PINGRESP came. Fails when there is no connection now. Dropping the future ignores
    /// the answer.
    pub fn ping(&self) -> Pinging {
        Pinging { client: self.clone(), tag: self.shared().run(|core| core.ping()) }
    }

    /// Authenticates anew on the present connection, by the method that the options name
    /// ([`authenticator`](crate::OptionsBuilder::authenticator)): with a fresh token, say. Messages flow meanwhile. Ready when
    /// both sides are convinced; a side that is not ends the connection, and so does the connect timeout. Dropping the future
    /// changes nothing.
    pub fn reauthenticate(&self) -> Reauthenticating {
        Reauthenticating::new(self.clone())
    }

    /// What happens to the client from now on.
    pub fn events(&self) -> Events {
        Events { tag: self.shared().run(|core| core.listen()), client: self.clone() }
    }

    /// These functions, to be called by whoever runs the first part of the result; for adapters, whose `run_callbacks` does so.
    pub fn callbacks(&self, callbacks: Callbacks) -> (CallbackRunner, RunningCallbacks) {
        CallbackRunner::new(self.clone(), callbacks)
    }

    /// Whether the client is connected and ready now.
    pub fn is_connected(&self) -> bool {
        self.shared().run(|core| core.outcome().is_some_and(|outcome| outcome.is_ok()))
    }

    /// The client id in use.
    pub fn client_id(&self) -> String {
        self.shared().run(|core| core.client_id.as_str().to_owned())
    }

    /// A look at the counters.
    pub fn stats(&self) -> Stats {
        self.shared().run(|core| core.stats())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("client_id", &self.client_id()).finish_non_exhaustive()
    }
}

/// The future of [`Client::connect`]: the CONNACK and what it grants, or why there will be no connection.
#[derive(Debug)]
#[must_use = "the outcome tells whether there is a connection"]
pub struct Connecting {
    client: Client,
    tag: Tag,
}

impl Future for Connecting {
    type Output = Result<Connected, Offline>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.client.shared().poll(context, |core, waker| core.poll_ready(self.tag, waker))
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        self.client.shared().run(|core| core.stop_waiting(self.tag));
    }
}

/// The future of [`Client::disconnect`]: what could not be sent.
#[derive(Debug)]
#[must_use = "the connection is closed only when this is ready"]
pub struct Disconnecting {
    client: Client,
    tag: Tag,
}

impl Future for Disconnecting {
    type Output = DisconnectReport;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.client.shared().poll(context, |core, waker| core.poll_offline(self.tag, waker))
    }
}

impl Drop for Disconnecting {
    fn drop(&mut self) {
        self.client.shared().run(|core| core.stop_waiting(self.tag));
    }
}

/// The future of [`Client::ping`].
#[derive(Debug)]
#[must_use = "the outcome is the round-trip time"]
pub struct Pinging {
    client: Client,
    tag: Result<Tag, PingError>,
}

impl Future for Pinging {
    type Output = Result<Duration, PingError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &self.tag {
            Err(error) => Poll::Ready(Err(error.clone())),
            Ok(tag) => self.client.shared().poll(context, |core, waker| core.poll_pong(*tag, waker)),
        }
    }
}

impl Drop for Pinging {
    fn drop(&mut self) {
        if let Ok(tag) = self.tag {
            self.client.shared().run(|core| core.detach_ping(tag));
        }
    }
}

/// A listener to a client's life; see [`Event`]. It keeps up to 1,024 unread events.
#[derive(Debug)]
pub struct Events {
    client: Client,
    tag: Tag,
}

impl Events {
    /// Ready with the next event; with `None` after the last one, when the driver has ended.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.client.shared().poll(context, |core, waker| core.poll_event(self.tag, waker))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.client.shared().run(|core| core.stop_listening(self.tag));
    }
}

/// Whether any filter of a call was taken: an error only if every one was refused.
pub(crate) fn any_granted(results: FilterResults) -> Result<FilterResults, SubscribeError> {
    if results.iter().any(|(_, result)| result.is_ok()) {
        return Ok(results);
    }
    let refused = |(filter, result): (TopicFilter, Result<_, _>)| Some((filter, result.err()?));
    Err(SubscribeError::Refused(results.into_iter().filter_map(refused).collect()))
}
