//! Publishing: the message as it is built, and the three ways to send it.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{PlainPublish, Publish, PublishProperties, QoS};
use crate::named_topic::named_topic;
use crate::publishing::{Admission, Asked, PublishResult};
use crate::slots::Tag;
use crate::vigil::Vigil;
use crate::{Client, Delivered, PublishError, TopicDefaults};

/// A message on its way into the client: [`Client::publish`] starts it, awaiting it sends it.
///
/// | | waits for | gives |
/// | --- | --- | --- |
/// | `.await` | QoS 0: admission. QoS 1 and 2: the acknowledgement | the outcome |
/// | [`enqueue`](Self::enqueue)`().await` | admission | a [`Completion`], to await, poll or drop |
/// | [`try_enqueue`](Self::try_enqueue)`()` | nothing | a [`Completion`], or that the queue is full |
///
/// Admission is bounded in messages and bytes, and first come, first served. A future that is dropped before admission takes
/// the message back; after that it is sent whatever is dropped.
///
/// The builder borrows the client, and holds the topic as it was given: `T` may be a `String` as well. Its futures borrow
/// nothing, and can be given to a task:
///
/// ```
/// # use std::future::IntoFuture;
/// # use mqtt_client_core::{Client, Publishing};
/// fn report(client: &Client, room: u32, degrees: String) -> Publishing {
///     client.publish(format!("room/{room}/temperature"), degrees).retain(true).into_future()
/// }
/// ```
///
/// With a [`store`](crate::OptionsBuilder::store), a message of QoS 1 or 2 is not sent before it is stored, but it is admitted
/// before that: who has to know that it outlives the process waits for [`Client::stored`] after its admission. It then goes on
/// whatever happens, after `disconnect` ([`Indeterminate::Kept`](crate::Indeterminate::Kept)) and after a crash, of which the
/// next client's calls know nothing. A message of QoS 0 is never stored.
#[must_use = "a message is sent only when this is awaited or enqueued"]
pub struct PublishBuilder<'a, T = &'a str> {
    client: &'a Client,
    topic: T,
    draft: Draft,
}

/// What a message is besides its topic, which has no memory of its own before it needs it.
struct Draft {
    said: TopicDefaults,
    properties: PublishProperties,
    payload: Bytes,
    timeout: Option<Duration>,
}

impl<'a, T: AsRef<str>> PublishBuilder<'a, T> {
    #[inline]
    pub(crate) fn new(client: &'a Client, topic: T, payload: Bytes) -> Self {
        let (said, properties) = (TopicDefaults::default(), PublishProperties::default());
        PublishBuilder { client, topic, draft: Draft { said, properties, payload, timeout: None } }
    }

    /// The quality of service. Default: what the options say of the topic
    /// ([`topic_defaults`](crate::OptionsBuilder::topic_defaults)), or of all ([`default_qos`](crate::OptionsBuilder::default_qos)).
    #[inline]
    pub fn qos(mut self, qos: QoS) -> Self {
        self.draft.said.qos = Some(qos);
        self
    }

    /// Whether the broker keeps the message for later subscribers. Default: what the options say, likewise.
    #[inline]
    pub fn retain(mut self, retain: bool) -> Self {
        self.draft.said.retain = Some(retain);
        self
    }

    /// The properties (5.0; in 3.1.1 any property is refused when the message is sent). Default: none.
    pub fn properties(mut self, properties: PublishProperties) -> Self {
        self.draft.properties = properties;
        self
    }

    /// How long the message may take to its end; default: for ever.
    ///
    /// When the time is up before anything of it was sent, it is taken back ([`NotSent::TimedOut`](crate::NotSent::TimedOut)),
    /// a message of QoS 0 too whose call has long returned. One that was sent goes on, but the call ends
    /// ([`Indeterminate::TimedOut`](crate::Indeterminate::TimedOut)). A Message Expiry Interval among the properties (5.0)
    /// takes a message back likewise ([`NotSent::Expired`](crate::NotSent::Expired)), and is counted down while the message waits.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.draft.timeout = Some(timeout);
        self
    }

    /// Ready once the message is admitted; its outcome comes later.
    pub fn enqueue(self) -> Enqueueing {
        Enqueueing { completion: Some(self.start(true)), vigil: Vigil::default() }
    }

    /// Enqueues the message if there is room for it now, or as the overflow policy says ([`Overflow`](crate::Overflow)).
    ///
    /// # Errors
    /// [`PublishFailure::NotSent`](crate::PublishFailure::NotSent): the queue is full, the client is offline for good, or the message can't be encoded.
    pub fn try_enqueue(self) -> Result<Completion, PublishError> {
        self.start(false)
    }

    fn start(self, wait: bool) -> Result<Completion, PublishError> {
        let PublishBuilder { client, topic, draft } = self;
        let topic = topic.as_ref();
        let delivery = draft.delivery(client, topic);
        let (mut publish, timeout) = draft.address(topic, delivery)?;
        start(client, &mut publish, wait, timeout)
    }
}

impl<T: AsRef<str>> IntoFuture for PublishBuilder<'_, T> {
    type Output = PublishResult;
    type IntoFuture = Publishing;

    #[inline]
    fn into_future(self) -> Publishing {
        let PublishBuilder { client, topic, draft } = self;
        draft.send(client, topic.as_ref())
    }
}

impl<T: AsRef<str>> fmt::Debug for PublishBuilder<'_, T> {
    /// The payload appears as its length: it may be large, or nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Draft { said, properties, payload, timeout } = &self.draft;
        f.debug_struct("PublishBuilder")
            .field("topic", &self.topic.as_ref())
            .field("qos", &said.qos)
            .field("retain", &said.retain)
            .field("properties", properties)
            .field("payload", &format_args!("({} bytes)", payload.len()))
            .field("timeout", timeout)
            .finish_non_exhaustive()
    }
}

impl Draft {
    /// Sends the message off, in the shortest way that there is.
    #[inline]
    fn send(self, client: &Client, topic: &str) -> Publishing {
        let delivery = self.delivery(client, topic);
        match self.spool(client, topic, delivery) {
            true => State::Queued.into(),
            false => self.send_with_care(client, topic, delivery),
        }
    }

    /// Its QoS, and whether it is retained.
    #[inline]
    fn delivery(&self, client: &Client, topic: &str) -> (QoS, bool) {
        client.shared().defaults.complete(topic, self.said)
    }

    /// Admits a message of QoS 0 that has nothing out of the ordinary, if there is room for it.
    #[inline]
    fn spool(&self, client: &Client, topic: &str, (qos, retain): (QoS, bool)) -> bool {
        qos == QoS::AtMostOnce
            && self.timeout.is_none()
            && self.properties.is_empty()
            && PlainPublish::new(topic, &self.payload)
                .is_ok_and(|plain| client.shared().spool(&plain.with_retain(retain)))
    }

    #[inline(never)]
    fn send_with_care(self, client: &Client, topic: &str, delivery: (QoS, bool)) -> Publishing {
        let (mut publish, timeout) = match self.address(topic, delivery) {
            Ok(addressed) => addressed,
            Err(invalid) => return State::Failed(invalid).into(),
        };
        // Its admission is all that is waited for.
        let is_brief = publish.qos == QoS::AtMostOnce;
        let state = match submit(client, &mut publish, Asked { wait: true, forget: is_brief, timeout }) {
            Err(error) => State::Failed(error),
            Ok(Stage::Told) => State::Queued,
            Ok(stage) if is_brief => State::Brief(Completion { client: client.clone(), stage }),
            Ok(stage) => State::Open(Completion { client: client.clone(), stage }),
        };
        state.into()
    }

    /// The message that owns all its parts, and its time limit.
    #[inline]
    fn address(
        self,
        topic: &str,
        (qos, retain): (QoS, bool),
    ) -> Result<(Publish, Option<Duration>), PublishError> {
        let Draft { properties, payload, timeout, .. } = self;
        let publish = Publish { qos, retain, properties, ..Publish::new(named_topic(topic)?, payload) };
        Ok((publish, timeout))
    }
}

/// Publishes a message of which the outcome is asked for. What is left of it is the caller's to drop.
pub(crate) fn start(
    client: &Client,
    publish: &mut Publish,
    wait: bool,
    timeout: Option<Duration>,
) -> Result<Completion, PublishError> {
    let stage = submit(client, publish, Asked { wait, forget: false, timeout })?;
    Ok(Completion { client: client.clone(), stage })
}

#[inline]
fn submit(client: &Client, publish: &mut Publish, asked: Asked) -> Result<Stage, PublishError> {
    let shared = client.shared();
    if asked.timeout.is_none()
        && let Some(tag) = shared.enter(publish)
    {
        return Ok(Stage::Admitted(tag));
    }
    let admission = match publish.qos {
        QoS::AtMostOnce => shared.run(|core| core.publish(publish, asked)),
        _ => shared.run_awake(|core| core.publish(publish, asked)),
    };
    match admission {
        Admission::Queued => Ok(Stage::Told),
        Admission::Failed(error) => Err(error),
        Admission::Admitted(tag) => Ok(Stage::Admitted(tag)),
        Admission::Waiting(tag) => Ok(Stage::Waiting(tag)),
    }
}

/// The future of a [`PublishBuilder`].
#[derive(Debug)]
#[must_use = "a message's outcome tells whether it arrived"]
pub struct Publishing {
    state: State,
    vigil: Vigil,
}

impl From<State> for Publishing {
    #[inline]
    fn from(state: State) -> Self {
        Publishing { state, vigil: Vigil::default() }
    }
}

#[derive(Debug)]
enum State {
    Queued,
    Failed(PublishError),
    Open(Completion),
    /// Only its admission is waited for.
    Brief(Completion),
    Told,
}

impl Future for Publishing {
    type Output = PublishResult;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<PublishResult> {
        if matches!(self.state, State::Queued) {
            self.state = State::Told;
            return Poll::Ready(Ok(Delivered::Queued));
        }
        self.poll_open(context)
    }
}

impl Publishing {
    /// What is not known from the start.
    #[inline(never)]
    fn poll_open(&mut self, context: &mut Context<'_>) -> Poll<PublishResult> {
        let vigil = &mut self.vigil;
        let result = match &mut self.state {
            State::Brief(completion) => {
                ready!(completion.poll_awake(vigil, context, Completion::poll_queued))
            }
            State::Open(completion) => {
                let result = ready!(completion.poll_awake(vigil, context, Completion::poll_ended));
                completion.stage = Stage::Told;
                result
            }
            state => match std::mem::replace(state, State::Told) {
                State::Failed(error) => Err(error),
                _ => return Poll::Pending,
            },
        };
        self.state = State::Told;
        Poll::Ready(result)
    }
}

/// The future of [`PublishBuilder::enqueue`].
#[derive(Debug)]
#[must_use = "a message may be refused instead of admitted"]
pub struct Enqueueing {
    completion: Option<Result<Completion, PublishError>>,
    vigil: Vigil,
}

impl Future for Enqueueing {
    type Output = Result<Completion, PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Enqueueing { completion, vigil } = &mut *self;
        if let Some(Ok(completion @ Completion { stage: Stage::Waiting(_), .. })) = completion
            && completion.poll_awake(vigil, context, Completion::poll_admitted).is_pending()
        {
            return Poll::Pending;
        }
        self.completion.take().map_or(Poll::Pending, Poll::Ready)
    }
}

/// A message that has been admitted. Awaiting it gives its one outcome: for QoS 0 that the transport took its last byte, for
/// QoS 1 and 2 the broker's acknowledgement. Dropping it cancels nothing.
#[derive(Debug)]
#[must_use = "dropping this loses the outcome, though not the message"]
pub struct Completion {
    client: Client,
    stage: Stage,
}

/// How far the message has come, for all that the handle knows.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// It waited for its admission when it was submitted.
    Waiting(Tag),
    Admitted(Tag),
    /// Its outcome was given.
    Told,
}

impl Completion {
    fn tag(&self) -> Option<Tag> {
        match self.stage {
            Stage::Admitted(tag) | Stage::Waiting(tag) => Some(tag),
            Stage::Told => None,
        }
    }

    /// Waits awake at first.
    fn poll_awake<T>(
        &self,
        vigil: &mut Vigil,
        context: &mut Context<'_>,
        poll: impl FnOnce(&Self, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let shared = self.client.shared();
        vigil.poll(&shared.patience, &shared.seat, context, |context| poll(self, context))
    }

    fn poll_admitted(&self, context: &mut Context<'_>) -> Poll<()> {
        let Stage::Waiting(tag) = self.stage else { return Poll::Ready(()) };
        self.client.shared().poll(context, |core, waker| core.poll_admitted(tag, waker))
    }

    /// The outcome, once.
    fn poll_ended(&self, context: &mut Context<'_>) -> Poll<PublishResult> {
        let Some(tag) = self.tag() else { return Poll::Pending };
        self.client.shared().poll(context, |core, waker| core.poll_published(tag, waker))
    }

    /// For QoS 0, of which nothing more than its admission is waited for.
    fn poll_queued(&self, context: &mut Context<'_>) -> Poll<PublishResult> {
        let Some(tag) = self.tag() else { return Poll::Pending };
        self.client.shared().poll(context, |core, waker| {
            if core.poll_admitted(tag, waker).is_pending() {
                return Poll::Pending;
            }
            // It may have ended by now, and not well.
            match core.poll_published(tag, &mut None) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Ready(Ok(_)) | Poll::Pending => Poll::Ready(Ok(Delivered::Queued)),
            }
        })
    }
}

impl Future for Completion {
    type Output = PublishResult;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<PublishResult> {
        let polled = self.poll_ended(context);
        if polled.is_ready() {
            self.stage = Stage::Told;
        }
        polled
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        match self.stage {
            Stage::Admitted(tag) => self.client.shared().let_go(tag),
            Stage::Waiting(tag) => self.client.shared().run(|core| core.detach_publish(tag)),
            Stage::Told => {}
        }
    }
}
