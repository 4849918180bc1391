//! Publishing: the message as it is built, and the three ways to send it.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{Publish, PublishProperties, QoS};
use crate::publishing::{Admission, Asked, PublishResult};
use crate::slots::Tag;
use crate::vigil::Vigil;
use crate::{Client, Delivered, PublishError};

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
/// With a [`store`](crate::OptionsBuilder::store), a message of QoS 1 or 2 is not sent before it is stored, but it is admitted
/// before that: who has to know that it outlives the process waits for [`Client::stored`] after its admission. It then goes on
/// whatever happens, after `disconnect` ([`Indeterminate::Kept`](crate::Indeterminate::Kept)) and after a crash, of which the
/// next client's calls know nothing. A message of QoS 0 is never stored.
#[derive(Debug)]
#[must_use = "a message is sent only when this is awaited or enqueued"]
pub struct PublishBuilder {
    client: Client,
    publish: Result<Publish, PublishError>,
    timeout: Option<Duration>,
}

impl PublishBuilder {
    #[inline]
    pub(crate) fn new(client: Client, topic: &str, payload: Bytes) -> Self {
        let publish = client.shared().defaults.message(topic, payload);
        PublishBuilder { client, publish, timeout: None }
    }

    /// A message that is whole already.
    pub(crate) fn of(client: Client, publish: Publish) -> Self {
        PublishBuilder { client, publish: Ok(publish), timeout: None }
    }

    /// The quality of service. Default: what the options say of the topic
    /// ([`topic_defaults`](crate::OptionsBuilder::topic_defaults)), or of all ([`default_qos`](crate::OptionsBuilder::default_qos)).
    #[inline]
    pub fn qos(self, qos: QoS) -> Self {
        self.with(|publish| publish.qos = qos)
    }

    /// Whether the broker keeps the message for later subscribers. Default: what the options say, likewise.
    #[inline]
    pub fn retain(self, retain: bool) -> Self {
        self.with(|publish| publish.retain = retain)
    }

    /// The properties (5.0; in 3.1.1 any property is refused when the message is sent). Default: none.
    pub fn properties(self, properties: PublishProperties) -> Self {
        self.with(|publish| publish.properties = properties)
    }

    /// How long the message may take to its end; default: for ever.
    ///
    /// When the time is up before anything of it was sent, it is taken back ([`NotSent::TimedOut`](crate::NotSent::TimedOut)),
    /// a message of QoS 0 too whose call has long returned. One that was sent goes on, but the call ends
    /// ([`Indeterminate::TimedOut`](crate::Indeterminate::TimedOut)). A Message Expiry Interval among the properties (5.0)
    /// takes a message back likewise ([`NotSent::Expired`](crate::NotSent::Expired)), and is counted down while the message waits.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
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

    pub(crate) fn start(mut self, wait: bool) -> Result<Completion, PublishError> {
        let stage = match self.submit(wait, false) {
            Admission::Queued => Stage::Told,
            Admission::Failed(error) => return Err(error),
            Admission::Admitted(tag) => Stage::Admitted(tag),
            Admission::Waiting(tag) => Stage::Waiting(tag),
        };
        Ok(Completion { client: self.client, stage })
    }

    /// `forget`: whether nothing but the admission is of interest. To be called once.
    fn submit(&mut self, wait: bool, forget: bool) -> Admission {
        match &mut self.publish {
            Ok(publish) => {
                let shared = self.client.shared();
                if self.timeout.is_none() {
                    if forget && shared.spool(publish) {
                        return Admission::Queued;
                    }
                    if let Some(tag) = shared.enter(publish) {
                        return Admission::Admitted(tag);
                    }
                }
                let asked = Asked { wait, forget, timeout: self.timeout };
                match publish.qos {
                    QoS::AtMostOnce => shared.run(|core| core.publish(publish, asked)),
                    _ => shared.run_awake(|core| core.publish(publish, asked)),
                }
            }
            Err(invalid) => Admission::Failed(invalid.clone()),
        }
    }

    /// Whether its admission is all that is waited for.
    #[inline]
    fn is_brief(&self) -> bool {
        self.publish.as_ref().is_ok_and(|publish| publish.qos == QoS::AtMostOnce)
    }

    #[inline]
    fn with(mut self, change: impl FnOnce(&mut Publish)) -> Self {
        if let Ok(publish) = &mut self.publish {
            change(publish);
        }
        self
    }
}

impl IntoFuture for PublishBuilder {
    type Output = PublishResult;
    type IntoFuture = Publishing;

    #[inline]
    fn into_future(mut self) -> Publishing {
        let is_brief = self.is_brief();
        let stage = match self.submit(true, is_brief) {
            Admission::Queued => return State::Queued.into(),
            Admission::Failed(error) => return State::Failed(error).into(),
            Admission::Admitted(tag) => Stage::Admitted(tag),
            Admission::Waiting(tag) => Stage::Waiting(tag),
        };
        let completion = Completion { client: self.client, stage };
        if is_brief { State::Brief(completion).into() } else { State::Open(completion).into() }
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
