//! Subscribing: the request as it is built, and the stream that it yields.

use std::collections::VecDeque;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::acknowledge::Unanswered;
use crate::client::any_granted;
use crate::codec::{
    QoS, RetainHandling, SubscribeFilter, SubscribeProperties, SubscriptionOptions, Text, TopicFilter,
};
use crate::lending::Reading;
use crate::slots::Tag;
use crate::streams::{Delivery, Handed};
use crate::vigil::{Seat, Vigil};
use crate::{
    Acknowledge, BadFilter, Client, FilterResults, Message, Offline, Qos0Overflow, RecvError, SubscribeError,
};

/// One topic filter or several: text, or [`TopicFilter`]s.
pub trait IntoFilters {
    /// The filters, each checked.
    ///
    /// # Errors
    /// The first one that is not valid.
    fn into_filters(self) -> Result<Vec<TopicFilter>, BadFilter>;
}

impl IntoFilters for &str {
    fn into_filters(self) -> Result<Vec<TopicFilter>, BadFilter> {
        TopicFilter::new(self).map(|filter| vec![filter]).map_err(|why| BadFilter::new(self, why))
    }
}

impl IntoFilters for &String {
    fn into_filters(self) -> Result<Vec<TopicFilter>, BadFilter> {
        self.as_str().into_filters()
    }
}

impl IntoFilters for TopicFilter {
    fn into_filters(self) -> Result<Vec<TopicFilter>, BadFilter> {
        Ok(vec![self])
    }
}

impl IntoFilters for Vec<TopicFilter> {
    fn into_filters(self) -> Result<Vec<TopicFilter>, BadFilter> {
        Ok(self)
    }
}

impl<T: AsRef<str>> IntoFilters for &[T] {
    fn into_filters(self) -> Result<Vec<TopicFilter>, BadFilter> {
        let checked = |filter: &T| {
            let filter = filter.as_ref();
            TopicFilter::new(filter).map_err(|why| BadFilter::new(filter, why))
        };
        self.iter().map(checked).collect()
    }
}

impl<T: AsRef<str>, const N: usize> IntoFilters for [T; N] {
    fn into_filters(self) -> Result<Vec<TopicFilter>, BadFilter> {
        self.as_slice().into_filters()
    }
}

/// A subscription on its way: [`Client::subscribe`] starts it, awaiting it sends it.
///
/// It yields a stream of the matching messages. It fails only if every filter was refused;
/// [`Subscription::granted`] tells the broker's answer for each. While there is no connection it waits for one. Dropping the
/// future before it is ready unsubscribes.
#[derive(Debug)]
#[must_use = "a subscription is sent only when this is awaited"]
pub struct SubscribeBuilder<S = Subscription> {
    client: Client,
    filters: Result<Vec<TopicFilter>, BadFilter>,
    options: SubscriptionOptions,
    properties: SubscribeProperties,
    keep_on_drop: bool,
    acknowledge: Acknowledge,
    overflow: Qos0Overflow,
    yields: PhantomData<fn() -> S>,
}

impl<S: From<Subscription>> SubscribeBuilder<S> {
    pub(crate) fn new(client: Client, filters: Result<Vec<TopicFilter>, BadFilter>) -> Self {
        let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..SubscriptionOptions::default() };
        SubscribeBuilder {
            client,
            filters,
            options,
            properties: SubscribeProperties::new(),
            keep_on_drop: false,
            acknowledge: Acknowledge::default(),
            overflow: Qos0Overflow::default(),
            yields: PhantomData,
        }
    }

    /// The highest QoS that the broker may deliver with. Default: 2, so that messages keep the one they were published with.
    pub fn qos(mut self, qos: QoS) -> Self {
        self.options.qos = qos;
        self
    }

    /// Whether messages of this client's own are left out (5.0). Default: no.
    pub fn no_local(mut self, no_local: bool) -> Self {
        self.options.no_local = no_local;
        self
    }

    /// Whether messages keep the retain flag they were published with (5.0). Default: no.
    pub fn retain_as_published(mut self, as_published: bool) -> Self {
        self.options.retain_as_published = as_published;
        self
    }

    /// When the broker sends retained messages (5.0). Default: at each subscribe.
    pub fn retain_handling(mut self, handling: RetainHandling) -> Self {
        self.options.retain_handling = handling;
        self
    }

    /// A user property that the broker is told with each filter, also when the client subscribes again because the broker lost
    /// the session (5.0; in 3.1.1 each is refused for it); they add up. A [store](crate::OptionsBuilder::store) does not keep
    /// them. Default: none.
    pub fn user_property(mut self, name: &Text, value: &Text) -> Self {
        self.properties.add_user_property(name, value);
        self
    }

    /// Leaves the subscription at the broker when the stream is dropped: for a session that is to gather messages while
    /// nobody listens. Default: it is unsubscribed.
    pub fn keep_on_drop(mut self, keep: bool) -> Self {
        self.keep_on_drop = keep;
        self
    }

    /// When the messages are acknowledged. Default: when the stream hands them over.
    pub fn acknowledge(mut self, acknowledge: Acknowledge) -> Self {
        self.acknowledge = acknowledge;
        self
    }

    /// What happens to QoS 0 messages when the stream is full. Default: reading pauses for at most 20 ms, then the oldest go.
    pub fn qos0_overflow(mut self, overflow: Qos0Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    fn start(self) -> Result<Subscribing<S>, SubscribeError> {
        let filters = self.filters.map_err(SubscribeError::InvalidFilter)?;
        if filters.is_empty() {
            return Err(SubscribeError::NoFilter);
        }
        let (options, acknowledge, overflow) = (self.options, self.acknowledge, self.overflow);
        let filters = filters.into_iter().map(|filter| SubscribeFilter { filter, options }).collect();
        let asked =
            self.client.shared().run(|core| core.subscribe(filters, &self.properties, acknowledge, overflow));
        let (stream, operation) = asked.map_err(SubscribeError::Offline)?;
        let unsubscribe = !self.keep_on_drop;
        let mut subscription = Subscription::of(self.client, stream);
        subscription.unsubscribe = unsubscribe;
        Ok(Subscribing { state: State::Asked { subscription, operation }, yields: PhantomData })
    }
}

impl<S: From<Subscription>> IntoFuture for SubscribeBuilder<S> {
    type Output = Result<S, SubscribeError>;
    type IntoFuture = Subscribing<S>;

    fn into_future(self) -> Subscribing<S> {
        self.start().unwrap_or_else(|error| Subscribing { state: State::Failed(error), yields: PhantomData })
    }
}

/// The future of a [`SubscribeBuilder`].
#[derive(Debug)]
#[must_use = "the outcome is the stream of messages"]
pub struct Subscribing<S = Subscription> {
    state: State,
    yields: PhantomData<fn() -> S>,
}

#[derive(Debug)]
enum State {
    Asked { subscription: Subscription, operation: Tag },
    Failed(SubscribeError),
    Done,
}

impl<S: From<Subscription>> Future for Subscribing<S> {
    type Output = Result<S, SubscribeError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match std::mem::replace(&mut self.state, State::Done) {
            State::Done => Poll::Pending,
            State::Failed(error) => Poll::Ready(Err(error)),
            State::Asked { mut subscription, operation } => {
                let shared = subscription.client.shared();
                match shared.poll(context, |core, waker| core.poll_operation(operation, waker)) {
                    Poll::Pending => {
                        self.state = State::Asked { subscription, operation };
                        Poll::Pending
                    }
                    Poll::Ready(results) => {
                        let results = results.map_err(SubscribeError::Offline).and_then(any_granted);
                        Poll::Ready(results.map(|granted| {
                            subscription.granted = granted;
                            S::from(subscription)
                        }))
                    }
                }
            }
        }
    }
}

impl<S> Drop for Subscribing<S> {
    fn drop(&mut self) {
        if let State::Asked { subscription, operation } = &self.state {
            subscription.client.shared().run(|core| core.detach_operation(*operation));
        }
    }
}

/// A stream of the messages of one subscription. Each is acknowledged when it is handed over, so an unread one is never
/// lost; or as [`SubscribeBuilder::acknowledge`] says.
///
/// It ends when the client goes offline for good, and when its filters are unsubscribed. Dropping it unsubscribes, unless
/// [`SubscribeBuilder::keep_on_drop`] says otherwise.
#[derive(Debug)]
pub struct Subscription {
    client: Client,
    stream: Tag,
    unsubscribe: bool,
    granted: FilterResults,
    /// Messages that the stream has lent: they wait for nothing but to be read.
    lent: VecDeque<Delivery>,
    reading: Arc<Reading>,
    seat: Seat,
    vigil: Vigil,
}

impl Subscription {
    /// A stream that has no filters.
    pub(crate) fn of(client: Client, stream: Tag) -> Self {
        let reading = client.shared().run(|core| core.streams.reading(stream));
        let (granted, lent) = (Vec::new(), VecDeque::new());
        let (seat, vigil) = (Seat::default(), Vigil::default());
        Subscription { client, stream, unsubscribe: false, granted, lent, reading, seat, vigil }
    }

    /// Ready with the next message; with `None` when no message can come any more.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Message>> {
        if let Some(Delivery { publish, .. }) = self.lent.pop_front() {
            if self.reading.take() {
                self.client.shared().run(|core| core.collect(self.stream));
            }
            return Poll::Ready(Some(Message::new(publish, None, None)));
        }
        let Subscription { client, stream, lent, seat, vigil, .. } = self;
        let (shared, stream) = (client.shared(), *stream);
        let handed = vigil.poll(&shared.patience, seat, context, |context| {
            shared.poll(context, |core, waker| core.poll_message(stream, lent, waker))
        });
        handed.map(|handed| {
            let Handed { publish, share, delivery_id } = handed?;
            let unanswered =
                share.map(|share| Unanswered::new(shared.clone(), stream, share, publish.clone()));
            Some(Message::new(publish, unanswered, delivery_id))
        })
    }

    /// Why there is no message: for an adapter whose time limit is over, or for which [`poll_next`](Self::poll_next) has
    /// `ended`.
    pub fn silence(&self, ended: bool) -> RecvError {
        self.client.shared().run(|core| match core.is_over() {
            Some(offline) => RecvError::Offline(offline),
            None if ended => RecvError::Ended,
            None if core.outcome().is_none() => RecvError::Offline(Offline::NotConnected),
            None => RecvError::Timeout,
        })
    }

    /// The broker's answer to each filter, in the order in which they were given.
    pub fn granted(&self) -> &FilterResults {
        &self.granted
    }

    /// How many QoS 0 messages the stream has lost because it was full; see [`Qos0Overflow`].
    pub fn dropped(&self) -> u64 {
        self.client.shared().run(|core| core.streams.dropped_by(self.stream))
    }

    /// The client that this stream belongs to.
    pub fn client(&self) -> &Client {
        &self.client
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let lent = std::mem::take(&mut self.lent);
        self.client.shared().run(|core| core.close_stream(self.stream, self.unsubscribe, lent));
    }
}
