//! Outgoing messages from admission to their one outcome.

use std::task::{Poll, Waker};

use crate::codec::{Ack, Publish, QoS};
use crate::effects::{Effects, park};
use crate::outbox::{Bounds, Entry, Outbox};
use crate::session::{Command, PublishEnd, Refusal, Session, Stage};
use crate::slots::{Slots, Tag};
use crate::{Indeterminate, NotSent, Offline, PublishError};

/// What is known of a message that went well.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Delivered {
    /// QoS 0: admitted to the queue. Nothing is known of it beyond that; a [`Completion`](crate::Completion) tells when
    /// it is [`Written`](Self::Written).
    Queued,
    /// QoS 0: the transport took its last byte. There is no acknowledgement.
    Written,
    /// QoS 1 and 2: the broker has the message. PUBACK, or PUBCOMP, with packet id, reason code and properties.
    Acknowledged(Ack),
}

/// How a publish ended: exactly one of delivered, rejected, indeterminate, not sent.
pub(crate) type PublishResult = Result<Delivered, PublishError>;

#[derive(Debug)]
pub(crate) struct Publishing {
    slots: Slots<Slot>,
    outbox: Outbox,
    /// Lost with the session, to be sent anew; in their old order.
    replay: Vec<Entry>,
}

#[derive(Debug)]
struct Slot {
    cost: usize,
    stage: SlotStage,
    waker: Option<Waker>,
    /// Nobody asks for the outcome any more.
    detached: bool,
}

#[derive(Debug)]
enum SlotStage {
    /// Queued under this number, not admitted yet.
    Waiting(u64),
    Admitted,
    Ended(PublishResult),
}

impl Publishing {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Publishing { slots: Slots::new(), outbox: Outbox::new(bounds), replay: Vec::new() }
    }

    /// Queues a message behind all others.
    pub(crate) fn start(&mut self, publish: Publish, cost: usize) -> Tag {
        let tag = self.slots.insert(Slot { cost, stage: SlotStage::Admitted, waker: None, detached: false });
        let number = self.outbox.push(Entry { tag, cost, publish });
        if let Some(slot) = self.slots.get_mut(tag) {
            slot.stage = SlotStage::Waiting(number);
        }
        tag
    }

    /// Whether a message would be admitted at once.
    pub(crate) fn has_room(&self, cost: usize) -> bool {
        self.outbox.has_room(cost)
    }

    /// Ready once the message is admitted, or has ended without that.
    pub(crate) fn poll_admitted(&mut self, tag: Tag, waker: &mut Option<Waker>) -> Poll<()> {
        match self.slots.get_mut(tag) {
            Some(Slot { stage: SlotStage::Waiting(_), waker: place, .. }) => park(place, waker),
            _ => Poll::Ready(()),
        }
    }

    /// The outcome, once: afterwards the tag is unknown.
    pub(crate) fn poll_ended(&mut self, tag: Tag, waker: &mut Option<Waker>) -> Poll<PublishResult> {
        match self.slots.get_mut(tag) {
            Some(Slot { stage: SlotStage::Ended(_), .. }) => match self.slots.remove(tag) {
                Some(Slot { stage: SlotStage::Ended(result), .. }) => Poll::Ready(result),
                _ => Poll::Pending,
            },
            Some(Slot { waker: place, .. }) => park(place, waker),
            None => Poll::Pending,
        }
    }

    /// Nobody asks any more. What has not been admitted is taken back; anything else goes on.
    pub(crate) fn detach(&mut self, tag: Tag, effects: &mut Effects) {
        let Some(slot) = self.slots.get_mut(tag) else { return };
        match slot.stage {
            SlotStage::Admitted => slot.detached = true,
            SlotStage::Ended(_) => drop(self.slots.remove(tag)),
            SlotStage::Waiting(number) => {
                self.slots.remove(tag);
                if let Some(entry) = self.outbox.cancel(number) {
                    effects.discard(entry.publish);
                }
            }
        }
    }

    /// Admits what there is room for, and hands the session what it takes now. Returns whether it took anything.
    pub(crate) fn pump(&mut self, session: &mut Session, effects: &mut Effects) -> bool {
        let mut progress = false;
        loop {
            while let Some(tag) = self.outbox.admit() {
                if let Some(slot) = self.slots.get_mut(tag) {
                    slot.stage = SlotStage::Admitted;
                    effects.wake(&mut slot.waker);
                }
            }
            let Some(Entry { tag, cost, publish }) = self.outbox.pop() else { return progress };
            let takes = if publish.qos == QoS::AtMostOnce {
                session.can_send_qos0()
            } else {
                session.publish_room() > 0
            };
            if !takes {
                self.outbox.push_front(Entry { tag, cost, publish });
                return progress;
            }
            match session.submit(Command::Publish { tag, publish }) {
                Ok(()) => progress = true,
                Err(rejected) => {
                    let refusal = rejected.refusal;
                    let Command::Publish { publish, .. } = rejected.value else { continue };
                    if passes_with_time(&refusal) {
                        self.outbox.push_front(Entry { tag, cost, publish });
                        return progress;
                    }
                    effects.discard(publish);
                    self.end(tag, Err(PublishError::NotSent(NotSent::Refused(refusal))), effects);
                }
            }
        }
    }

    /// The session's word on a message.
    pub(crate) fn ended(&mut self, tag: Tag, end: PublishEnd, effects: &mut Effects) {
        let result = match end {
            PublishEnd::Acknowledged(ack) => Ok(Delivered::Acknowledged(ack)),
            PublishEnd::Written => Ok(Delivered::Written),
            PublishEnd::Refused(ack) => Err(PublishError::Rejected(Box::new(ack))),
            PublishEnd::Forbidden(refusal) => {
                Err(PublishError::Indeterminate(Indeterminate::Forbidden(refusal)))
            }
        };
        self.end(tag, result, effects);
    }

    /// The session let go of a message. QoS 1 is sent anew, and so is QoS 2 as long as it had not been sent: a second
    /// copy of one that had been would break exactly-once. QoS 0 is not repeated.
    pub(crate) fn lost(&mut self, tag: Tag, publish: Publish, stage: Stage, effects: &mut Effects) {
        let anew = match publish.qos {
            QoS::AtMostOnce => false,
            QoS::AtLeastOnce => true,
            QoS::ExactlyOnce => stage == Stage::Unsent,
        };
        if anew && let Some(slot) = self.slots.get_mut(tag) {
            self.replay.push(Entry { tag, cost: slot.cost, publish });
            return;
        }
        let error = match (publish.qos, stage) {
            (QoS::AtMostOnce, Stage::Unsent) => PublishError::NotSent(NotSent::LinkLost),
            (QoS::AtMostOnce, _) => PublishError::Indeterminate(Indeterminate::LinkLost),
            _ => PublishError::Indeterminate(Indeterminate::SessionLost),
        };
        effects.discard(publish);
        self.end(tag, Err(error), effects);
    }

    /// What the session lost goes out again before anything newer.
    pub(crate) fn replay_lost(&mut self) {
        while let Some(entry) = self.replay.pop() {
            self.outbox.push_front(entry);
        }
    }

    /// The client goes offline: every message that has not ended ends now. Returns those of which nothing was sent.
    pub(crate) fn end_all(&mut self, offline: &Offline, effects: &mut Effects) -> Vec<Publish> {
        let mut not_sent = Vec::new();
        for Entry { tag, publish, .. } in self.outbox.drain().collect::<Vec<_>>() {
            self.end(tag, Err(PublishError::NotSent(NotSent::Offline(offline.clone()))), effects);
            not_sent.push(publish);
        }
        let sent = std::mem::take(&mut self.replay).into_iter().map(|entry| {
            effects.discard(entry.publish);
            entry.tag
        });
        let in_session = self.slots.iter_mut().filter(|(_, slot)| matches!(slot.stage, SlotStage::Admitted));
        for tag in sent.chain(in_session.map(|(tag, _)| tag)).collect::<Vec<_>>() {
            let result = Err(PublishError::Indeterminate(Indeterminate::Offline(offline.clone())));
            self.end(tag, result, effects);
        }
        not_sent
    }

    /// Admitted messages that have not ended.
    pub(crate) fn pending(&self) -> usize {
        self.outbox.used().messages
    }

    /// Whether messages wait for the session, admitted or not.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty() && self.pending() == 0
    }

    /// Idempotent for a tag; a stale one is ignored.
    fn end(&mut self, tag: Tag, result: PublishResult, effects: &mut Effects) {
        let Some(slot) = self.slots.get_mut(tag) else { return };
        match slot.stage {
            SlotStage::Admitted => self.outbox.release(slot.cost),
            SlotStage::Waiting(_) => {}
            SlotStage::Ended(_) => return,
        }
        slot.stage = SlotStage::Ended(result);
        effects.wake(&mut slot.waker);
        if slot.detached {
            self.slots.remove(tag);
        }
    }
}

/// Refusals after which the same command is taken later.
pub(crate) fn passes_with_time(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::NotReady | Refusal::WindowFull | Refusal::Busy | Refusal::NoPacketId)
}
