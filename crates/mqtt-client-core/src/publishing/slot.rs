//! [`Slot`]: what is known of a message of which somebody may ask, from its submission to its end.

use std::task::Waker;

use super::{Delivered, PublishResult};
use crate::PublishError;
use crate::codec::TopicName;
use crate::flush::Epoch;
use crate::linked::Key;
use crate::session::{LastAck, Timestamp};
use crate::time_limits::Ends;

/// One for each message, so it is small: what few messages have is apart.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) cost: usize,
    pub(super) place: u64,
    pub(super) epoch: Epoch,
    pub(super) stage: SlotStage,
    pub(super) waker: Option<Waker>,
    pub(super) rare: Option<Box<Rare>>,
    /// It needs the slot only until it is admitted: see [`send_off`](super::Publishing::send_off).
    pub(super) brief: bool,
    /// A store keeps it.
    pub(super) kept: bool,
    /// Nobody asks for the outcome any more.
    pub(super) detached: bool,
    /// Nobody ever could: a bad one becomes an event.
    pub(super) unheard: bool,
}

/// What few messages have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Its topic, if its caller's time may be up while the session has the message.
    pub(super) topic: Option<TopicName>,
    /// What the caller is told although the message goes on, kept by the store.
    pub(super) early: Option<PublishError>,
    /// When its time is up.
    pub(super) ends: Ends,
}

#[derive(Debug)]
pub(super) enum SlotStage {
    /// Queued here, not admitted yet.
    Waiting(Key),
    /// Queued here, and charged.
    Admitted(Key),
    /// Come in by the intake, or to come: charged, and on its way.
    Entered,
    /// In the session, or lost with it and to be sent anew.
    Handed,
    /// In the session still, but the caller's time is up: what to say until that is asked for.
    GivenUp(Option<PublishError>),
    Ended(Outcome),
}

/// A [`PublishResult`] in little room: nearly all are acknowledgements that say nothing else.
#[derive(Debug)]
pub(super) enum Outcome {
    Queued,
    Written,
    Acknowledged(LastAck),
    Failed(PublishError),
}

impl Rare {
    /// What a message has whose caller has given it a time limit.
    pub(super) fn limited(topic: &TopicName) -> Box<Self> {
        Box::new(Rare { topic: Some(topic.clone()), ..Rare::default() })
    }
}

impl Slot {
    /// When its time is up, as far as the clock of that has been started.
    pub(super) fn ends(&mut self) -> &mut Ends {
        &mut self.rare().ends
    }

    /// When its Message Expiry Interval is over, likewise.
    pub(super) fn expiry(&self) -> Option<Timestamp> {
        self.rare.as_ref()?.ends.expiry
    }

    pub(super) fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Nobody will ask: a bad end becomes an event.
    pub(super) fn let_go(&mut self) {
        self.detached = true;
        self.unheard = true;
    }

    /// Whether the message does not end with the connection: a store keeps it.
    pub(super) fn goes_on(&self) -> bool {
        self.kept && !matches!(self.stage, SlotStage::Waiting(_) | SlotStage::Ended(_))
    }

    /// How it ends for whoever asks, of which the slot is to remember no more.
    pub(super) fn take_told(&mut self, outcome: Outcome) -> Option<Outcome> {
        match (self.rare.as_mut().and_then(|rare| rare.early.take()), &mut self.stage) {
            (Some(early), _) => Some(early.into()),
            (None, SlotStage::GivenUp(given_up)) => given_up.take().map(Outcome::Failed),
            (None, _) => Some(outcome),
        }
    }
}

impl Outcome {
    pub(super) fn into_result(self) -> PublishResult {
        match self {
            Self::Queued => Ok(Delivered::Queued),
            Self::Written => Ok(Delivered::Written),
            Self::Acknowledged(ack) => Ok(Delivered::Acknowledged(ack.into())),
            Self::Failed(error) => Err(error),
        }
    }
}

impl From<PublishError> for Outcome {
    fn from(error: PublishError) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publishing::Admission;

    #[test]
    fn what_every_message_has_takes_little_room() {
        assert!(size_of::<Slot>() <= 72, "{} bytes", size_of::<Slot>());
    }

    /// What may go wrong takes no room where it goes well.
    #[test]
    fn a_result_is_no_larger_than_an_acknowledgement() {
        assert_eq!(size_of::<PublishResult>(), size_of::<Delivered>());
        assert!(size_of::<Admission>() <= 16, "{} bytes", size_of::<Admission>());
    }
}
