//! When a received message is acknowledged, and who does it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::codec::{AckProperties, ReasonCode};
use crate::session::InboundPublish;
use crate::shared::Shared;
use crate::slots::Tag;
use crate::streams::Share;

/// When a stream acknowledges its QoS 1 and 2 messages. A message that several streams match is acknowledged after all of
/// them have done with it.
///
/// ```
/// use std::future::poll_fn;
/// use mqtt_client_core::{Acknowledge, Client, SubscribeError, Subscription};
///
/// /// Does each job, and has the broker keep it until it is done.
/// async fn work(client: &Client, mut job: impl FnMut(&[u8]) -> bool) -> Result<(), SubscribeError> {
///     let mut jobs: Subscription = client.subscribe("jobs/#").acknowledge(Acknowledge::ByHand).await?;
///     while let Some(message) = poll_fn(|context| jobs.poll_next(context)).await {
///         if job(message.payload()) {
///             message.acknowledge();
///         } // Otherwise it comes again.
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Acknowledge {
    /// When the stream hands it over: what was never read is delivered again after a crash or a lost link. A reader that takes
    /// many messages at a time acknowledges them together, each within two milliseconds.
    #[default]
    OnDelivery,
    /// By [`Message::acknowledge`](crate::Message::acknowledge), in any order; what was never worked off is delivered again.
    /// A message of which every clone is dropped without an answer goes back to the front of its stream, with
    /// [`dup`](crate::Message::dup) set.
    ByHand,
    /// As soon as it arrives, as long as fewer than
    /// [`stream_capacity`](crate::OptionsBuilder::stream_capacity) of such messages are unread; then when it is handed over.
    /// An unread message never holds up the broker's others, but it is lost with the process.
    OnReceipt,
}

/// What a reader says to a message, if that is more than that it has it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reason: ReasonCode,
    pub(crate) properties: AckProperties,
}

impl Answer {
    /// None for the plain acknowledgement, which nearly all are.
    pub(crate) fn of(reason: ReasonCode, properties: AckProperties) -> Option<Box<Self>> {
        let is_plain = reason == ReasonCode::Success && properties.is_empty();
        (!is_plain).then(|| Box::new(Answer { reason, properties }))
    }

    pub(crate) fn is_refusal(&self) -> bool {
        self.reason.is_error()
    }
}

/// The right to answer one message, on behalf of one stream. Dropped unanswered, it hands the message back.
pub(crate) struct Unanswered {
    shared: Arc<Shared>,
    stream: Tag,
    share: Share,
    publish: InboundPublish,
    answered: AtomicBool,
}

impl Unanswered {
    pub(crate) fn new(shared: Arc<Shared>, stream: Tag, share: Share, publish: InboundPublish) -> Self {
        Unanswered { shared, stream, share, publish, answered: AtomicBool::new(false) }
    }

    /// Answers; false if that was done before.
    pub(crate) fn answer(&self, answer: Option<Box<Answer>>) -> bool {
        let first = !self.answered.swap(true, Ordering::AcqRel);
        if first {
            self.shared.run(|core| core.answer(self.share, answer));
        }
        first
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if !*self.answered.get_mut() {
            let publish = self.publish.clone();
            self.shared.run(|core| core.hand_back(self.stream, self.share, publish));
        }
    }
}

impl fmt::Debug for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unanswered").field("answered", &self.answered).finish_non_exhaustive()
    }
}
