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
}

/// What few messages have.
#[derive(Debug, Default)]
pub(super) struct Rare {
    /// Its topic, if there is nobody who could ask for the outcome: a bad one becomes an event.
    pub(super) unheard: Option<TopicName>,
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
    /// In the session, or lost with it and to be sent anew.
    Handed,
    /// In the session still, but the caller's time is up: what to say until that is asked for.
    GivenUp(Option<Box<PublishError>>),
    Ended(Outcome),
}

/// A [`PublishResult`] in little room: nearly all are acknowledgements that say nothing else.
#[derive(Debug)]
pub(super) enum Outcome {
    Queued,
    Written,
    Acknowledged(LastAck),
    Failed(Box<PublishError>),
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
    pub(super) fn let_go(&mut self, topic: TopicName) {
        self.detached = true;
        self.rare().unheard = Some(topic);
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
            Self::Failed(error) => Err(*error),
        }
    }
}

impl From<PublishError> for Outcome {
    fn from(error: PublishError) -> Self {
        Self::Failed(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_message_has_takes_little_room() {
        assert!(size_of::<Slot>() <= 88, "{} bytes", size_of::<Slot>());
    }
}
