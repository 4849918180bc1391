//! Outgoing messages from admission to their one outcome.

use std::mem;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{Ack, Publish, QoS, TopicName, Version};
use crate::effects::{Effects, park};
use crate::flush::{Epoch, Epochs, NO_EPOCH};
use crate::intake::needs_only_room;
use crate::outbox::{Entry, Outbox, Owner};
use crate::session::{Command, PublishEnd, Refusal, Session, Stage, Timestamp};
use crate::slots::{Slots, Tag};
use crate::store::FIRST_PLACE;
use crate::time_limits::{Limit, TimeLimits};
use crate::unasked::Unasked;
use crate::{Indeterminate, NotSent, Offline, Options, Overflow, PublishError, PublishFailure};

mod full;
mod inbox;
mod kept;
mod plain;
mod slot;
mod spooling;
mod time;

use inbox::Inbox;
use slot::{Outcome, Rare, Slot, SlotStage};
use spooling::Spooling;

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

/// Payloads from this size on are not copied.
const LARGE_PAYLOAD: usize = 16 * 1024;

/// How a publish ended: exactly one of delivered, rejected, indeterminate, not sent.
pub(crate) type PublishResult = Result<Delivered, PublishError>;

#[derive(Debug)]
pub(crate) struct Publishing {
    overflow: Overflow,
    republish: Republish,
    slots: Slots<Slot>,
    outbox: Outbox,
    inbox: Inbox,
    spooling: Spooling,
    /// The place of the next message in the queue.
    next_place: u64,
    unasked: Unasked,
    /// Lost with the session, to be sent anew; in their old order.
    replay: Vec<(Tag, Entry)>,
    limits: TimeLimits,
    epochs: Epochs,
    flushes: Slots<Flush>,
    pub(crate) counts: Counts,
    /// Bad ends of which nobody asks.
    unheard: Vec<PublishError>,
}

/// What is published anew after the broker has lost the session, of what had been sent in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Republish {
    pub(crate) qos1: bool,
    pub(crate) qos2: bool,
}

/// Messages that did not arrive, by what became of them instead.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) dropped: u64,
    pub(crate) superseded: u64,
    pub(crate) expired: u64,
    pub(crate) refused: u64,
    pub(crate) timed_out: u64,
    pub(crate) lost: u64,
}

/// What the caller of a publish asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// It may wait for its admission.
    pub(crate) wait: bool,
    /// Nobody asks for more than its admission.
    pub(crate) forget: bool,
    /// When its time is up.
    pub(crate) timeout: Option<Duration>,
}

/// How far a message has come when it was submitted.
#[derive(Debug)]
pub(crate) enum Admission {
    /// As far as anybody asks.
    Queued,
    /// To a bad end.
    Failed(PublishError),
    Admitted(Tag),
    Waiting(Tag),
}

#[derive(Debug)]
struct Flush {
    epoch: Epoch,
    waker: Option<Waker>,
}

impl Publishing {
    pub(crate) fn new(options: &Options) -> Self {
        Publishing {
            overflow: options.overflow,
            republish: options.republish,
            slots: Slots::new(),
            outbox: Outbox::new(options.bounds, options.overflow == Overflow::KeepLatest),
            inbox: Inbox::default(),
            spooling: Spooling::default(),
            next_place: FIRST_PLACE,
            unasked: Unasked::default(),
            replay: Vec::new(),
            limits: TimeLimits::default(),
            epochs: Epochs::new(),
            flushes: Slots::new(),
            counts: Counts::default(),
            unheard: Vec::new(),
        }
    }

    /// Hands the session a message if its turn is now; else queues it behind all others, or does with it what the overflow
    /// policy says. Returns its tag, and whether the session has it.
    pub(crate) fn start(
        &mut self,
        publish: Publish,
        cost: usize,
        Asked { wait, forget, timeout }: Asked,
        session: &mut Session,
        effects: &mut Effects,
    ) -> Result<(Tag, bool), PublishError> {
        self.close_doors();
        let full = !self.outbox.has_room(cost);
        if full && (self.overflow == Overflow::Refuse || self.overflow == Overflow::Block && !wait) {
            self.counts.refused += 1;
            let error = PublishError::new(&publish.topic, NotSent::QueueFull);
            effects.discard(publish);
            return Err(error);
        }
        let kept = self.outbox.keeps(publish.qos);
        self.spooling.wanted = false;
        self.inbox.wanted = timeout.is_none() && needs_only_room(&publish);
        if !self.inbox.wanted || full && self.overflow == Overflow::DropOldest {
            self.settle_arrivals();
        }
        let place = self.next_place;
        self.next_place += 1;
        let tag = self.slots.insert(Slot {
            cost,
            place,
            epoch: self.epochs.begin(),
            stage: SlotStage::Handed,
            rare: timeout.map(|_| Rare::limited(&publish.topic)),
            brief: forget && timeout.is_none() && self.is_plain(&publish),
            kept,
            ..Slot::reserved()
        });
        if let Some(seconds) = publish.properties.message_expiry_interval() {
            self.limits.begin(tag, Limit::Expiry, Duration::from_secs(seconds.into()));
        }
        if let Some(timeout) = timeout {
            self.limits.begin(tag, Limit::Timeout, timeout);
        }
        let its_turn = !full && !kept && self.has_handed_over_all();
        let entry = Entry { place, ..Entry::new(Owner::Slot(tag), cost, publish) };
        if its_turn && takes(session, entry.publish.qos) {
            self.outbox.charge(cost);
            return Ok((tag, self.hand_over(tag, entry, session, effects)));
        }
        match self.overflow {
            Overflow::DropNewest if full => self.drop_unqueued(tag, entry, effects),
            Overflow::DropOldest if full => self.push_over_oldest(tag, entry, effects),
            Overflow::KeepLatest => match self.outbox.latest(&entry.publish.topic) {
                Some(older) => self.supersede(older, tag, entry, effects),
                None if full => self.push_over_oldest(tag, entry, effects),
                None => self.push(tag, entry),
            },
            _ if full => self.push(tag, entry),
            _ if !self.inbox.is_empty() => {
                self.outbox.charge(cost);
                self.arrive(tag, entry);
            }
            _ => {
                let key = self.outbox.push_admitted(entry);
                self.set_stage(tag, SlotStage::Admitted(key));
            }
        }
        Ok((tag, false))
    }

    /// How far the message has come. `forget`: nobody asks for more than its admission.
    pub(crate) fn admission(&mut self, tag: Tag, forget: bool) -> Admission {
        match self.slots.get_mut(tag) {
            Some(Slot { stage: SlotStage::Waiting(_), .. }) => Admission::Waiting(tag),
            Some(slot) if forget && !matches!(slot.stage, SlotStage::Ended(_)) => {
                slot.detached = true;
                Admission::Queued
            }
            Some(_) if forget => match self.poll_ended(tag, &mut None) {
                Poll::Ready(result) => result.map_or_else(Admission::Failed, |_| Admission::Queued),
                Poll::Pending => Admission::Admitted(tag),
            },
            _ => Admission::Admitted(tag),
        }
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
        let Some(slot) = self.slots.get_mut(tag) else { return Poll::Pending };
        if let Some(early) = slot.rare.as_mut().and_then(|rare| rare.early.take()) {
            slot.detached = true;
            return Poll::Ready(Err(early));
        }
        match &mut slot.stage {
            SlotStage::Ended(_) => match self.slots.remove(tag).map(|slot| slot.stage) {
                Some(SlotStage::Ended(outcome)) => Poll::Ready(outcome.into_result()),
                _ => Poll::Pending,
            },
            SlotStage::GivenUp(error) if error.is_some() => {
                slot.detached = true;
                error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error)))
            }
            _ => park(&mut slot.waker, waker),
        }
    }

    /// Nobody will ever ask for the outcome: a bad one becomes an event.
    pub(crate) fn let_go(&mut self, tag: Tag) {
        match self.slots.get_mut(tag) {
            Some(Slot { stage: SlotStage::Ended(_), .. }) => {
                if let Some(Slot { stage: SlotStage::Ended(Outcome::Failed(error)), .. }) =
                    self.slots.remove(tag)
                {
                    self.unheard.push(error);
                }
            }
            Some(slot) => slot.let_go(),
            None => {}
        }
    }

    /// Nobody asks any more. What has not been admitted is taken back, and may have been in the way of others: then true.
    /// Anything else goes on.
    pub(crate) fn detach(&mut self, tag: Tag, effects: &mut Effects) -> bool {
        let Some(&Slot { stage: SlotStage::Waiting(key), .. }) = self.slots.get(tag) else {
            self.forget(tag);
            return false;
        };
        self.forget(tag);
        if let Some(Entry { publish, .. }) = self.outbox.remove(key) {
            self.fail(tag, &publish.topic, NotSent::TimedOut, effects);
            effects.discard(publish);
        }
        true
    }

    /// Nobody asks any more, and that changes nothing for the message.
    fn forget(&mut self, tag: Tag) {
        match self.slots.get_mut(tag) {
            Some(Slot { stage: SlotStage::Ended(_), .. }) => drop(self.slots.remove(tag)),
            Some(slot) => slot.detached = true,
            None => {}
        }
    }

    /// Admits what there is room for, and hands the session what it takes now. Returns whether it took anything.
    pub(crate) fn pump(&mut self, now: Timestamp, session: &mut Session, effects: &mut Effects) -> bool {
        self.count_arrivals();
        let mut progress = false;
        loop {
            progress |= self.unasked.pump(session);
            while let Some(key) = self.outbox.admit() {
                self.admitted(key, session, effects);
            }
            if !self.unasked.are_all_sent() {
                return progress;
            }
            let moved = match self.outbox.front() {
                Some(first) => {
                    takes(session, first.publish.qos) && self.hand_over_next(now, session, effects)
                }
                None => self.hand_over_arrivals(session, effects),
            };
            if !moved {
                return progress;
            }
            progress = true;
        }
    }

    /// Hands the session the message at the front. Returns whether it was taken, or came to its end.
    fn hand_over_next(&mut self, now: Timestamp, session: &mut Session, effects: &mut Effects) -> bool {
        let Some(front) = self.outbox.front() else { return false };
        let tag = match front.owner {
            Owner::Slot(tag) => tag,
            Owner::Nobody(epoch) => {
                let sent = session.send(&front.publish);
                if sent.as_ref().is_err_and(passes_with_time) {
                    return false;
                }
                let Some(Entry { cost, publish, .. }) = self.outbox.pop() else { return false };
                effects.discard(publish);
                match sent {
                    Ok(end) => self.unasked.sent(end, cost, epoch),
                    Err(_) => self.end_unasked(epoch, cost, effects),
                }
                return true;
            }
        };
        let Some(mut entry) = self.outbox.pop() else { return false };
        if let Some(slot) = self.slots.get_mut(tag) {
            slot.stage = SlotStage::Handed;
            time::count_down(&mut entry.publish, slot.expiry(), now);
        }
        self.hand_over(tag, entry, session, effects)
    }

    /// Hands the session a message that is charged. Returns whether it was taken, or came to its end.
    fn hand_over(&mut self, tag: Tag, entry: Entry, session: &mut Session, effects: &mut Effects) -> bool {
        let Entry { owner, place, cost, publish, sent, let_go } = entry;
        if let Err(rejected) = session.submit(Command::Publish { tag, publish }) {
            let refusal = rejected.refusal;
            let Command::Publish { publish, .. } = rejected.value else { return true };
            if passes_with_time(&refusal) {
                self.put_back(tag, Entry { owner, place, cost, publish, sent, let_go });
                return false;
            }
            self.fail(tag, &publish.topic, NotSent::Refused(refusal), effects);
            effects.discard(publish);
        }
        true
    }

    /// The session's word on a message of that topic.
    pub(crate) fn ended(&mut self, tag: Tag, topic: &TopicName, end: PublishEnd, effects: &mut Effects) {
        let failure: PublishFailure = match end {
            PublishEnd::Acknowledged(ack) => return self.end(tag, Outcome::Acknowledged(ack), effects),
            PublishEnd::Written => return self.end(tag, Outcome::Written, effects),
            PublishEnd::Expired => {
                self.counts.expired += 1;
                NotSent::Expired.into()
            }
            PublishEnd::Refused(ack) => PublishFailure::Rejected(ack.into()),
            PublishEnd::Forbidden(refusal) => Indeterminate::Forbidden(refusal).into(),
        };
        self.fail(tag, topic, failure, effects);
    }

    /// The session let go of a message. By default QoS 1 is sent anew, and so is QoS 2 as long as it had not been sent: a
    /// second copy of one that had been would break exactly-once. QoS 0 is not repeated, nor is what nobody waits for any
    /// more or what has expired.
    pub(crate) fn lost(
        &mut self,
        now: Timestamp,
        tag: Tag,
        publish: Publish,
        stage: Stage,
        effects: &mut Effects,
    ) {
        let unsent = stage == Stage::Unsent;
        let anew = match publish.qos {
            QoS::AtMostOnce => false,
            QoS::AtLeastOnce => unsent || self.republish.qos1,
            QoS::ExactlyOnce => unsent || self.republish.qos2,
        };
        if anew
            && let Some(slot) = self.slots.get_mut(tag)
            && matches!(slot.stage, SlotStage::Handed)
            && slot.expiry().is_none_or(|end| end > now)
        {
            let owner = Owner::Slot(tag);
            let (place, cost) = (slot.place, slot.cost);
            self.replay.push((tag, Entry { place, sent: !unsent, ..Entry::new(owner, cost, publish) }));
            return;
        }
        self.counts.lost += u64::from(publish.qos == QoS::AtMostOnce);
        let failure: PublishFailure = match (publish.qos, stage) {
            (QoS::AtMostOnce, Stage::Unsent) => NotSent::LinkLost.into(),
            (QoS::AtMostOnce, _) => Indeterminate::LinkLost.into(),
            (_, Stage::Unsent) => NotSent::Expired.into(),
            _ => Indeterminate::SessionLost.into(),
        };
        self.fail(tag, &publish.topic, failure, effects);
        effects.discard(publish);
    }

    /// What the session lost goes out again before anything newer.
    pub(crate) fn replay_lost(&mut self) {
        while let Some((tag, entry)) = self.replay.pop() {
            self.put_back(tag, entry);
        }
    }

    /// The client goes offline: every message that has not ended ends now, but for those that a store keeps: of these only the
    /// callers are told. Returns those of which nothing was sent.
    pub(crate) fn end_all(
        &mut self,
        version: Version,
        offline: &Offline,
        session: &Session,
        effects: &mut Effects,
    ) -> Vec<Publish> {
        let mut not_sent = Vec::new();
        let kept = || Indeterminate::Kept(offline.clone());
        let unknown = || Indeterminate::Offline(offline.clone());
        self.close_doors();
        self.settle_arrivals();
        self.replay_lost();
        self.unlinked(version, effects);
        for key in self.outbox.keys() {
            if let Some(Entry { owner: Owner::Slot(tag), publish, .. }) = self.outbox.get(key)
                && self.goes_on(*tag)
            {
                self.leave(*tag, PublishError::new(&publish.topic, kept()), effects);
                continue;
            }
            let Some(Entry { owner, cost, publish, sent, .. }) = self.outbox.remove(key) else { continue };
            if sent {
                self.end_queued(owner, cost, &publish.topic, unknown(), effects);
                effects.discard(publish);
            } else {
                self.end_queued(owner, cost, &publish.topic, NotSent::Offline(offline.clone()), effects);
                not_sent.push(publish);
            }
        }
        for (tag, publish) in session.publishes() {
            if self.goes_on(tag) {
                self.leave(tag, PublishError::new(&publish.topic, kept()), effects);
            } else {
                self.fail(tag, &publish.topic, unknown(), effects);
            }
        }
        not_sent
    }

    /// Starts to wait for all that was published before.
    pub(crate) fn flush(&mut self) -> Tag {
        self.settle_arrivals();
        let epoch = self.epochs.close();
        self.flushes.insert(Flush { epoch, waker: None })
    }

    pub(crate) fn poll_flushed(&mut self, tag: Tag, waker: &mut Option<Waker>) -> Poll<()> {
        match self.flushes.get_mut(tag) {
            Some(flush) if !self.epochs.is_over(flush.epoch) => park(&mut flush.waker, waker),
            _ => Poll::Ready(()),
        }
    }

    pub(crate) fn stop_flushing(&mut self, tag: Tag) {
        self.flushes.remove(tag);
    }

    /// Messages that the session has not been given yet, admitted or not.
    pub(crate) fn queued(&self) -> usize {
        self.outbox.len() + self.inbox.len() + self.unasked.waiting()
    }

    /// Admitted messages that have not ended.
    pub(crate) fn pending(&self) -> usize {
        self.outbox.used().messages
    }

    /// What these take of the byte bound.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.outbox.used().bytes
    }

    /// Whether messages wait for the session, admitted or not.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty() && self.pending() == 0
    }

    fn push(&mut self, tag: Tag, entry: Entry) {
        let key = self.outbox.push(entry);
        self.set_stage(tag, SlotStage::Waiting(key));
    }

    fn put_back(&mut self, tag: Tag, entry: Entry) {
        let key = self.outbox.push_front(entry);
        self.set_stage(tag, SlotStage::Admitted(key));
    }

    fn set_stage(&mut self, tag: Tag, stage: SlotStage) {
        if let Some(slot) = self.slots.get_mut(tag) {
            slot.stage = stage;
        }
    }

    /// An admitted message that was taken off the queue has come to a bad end.
    fn end_queued(
        &mut self,
        owner: Owner,
        cost: usize,
        topic: &TopicName,
        failure: impl Into<PublishFailure>,
        effects: &mut Effects,
    ) {
        match owner {
            Owner::Slot(tag) => self.fail(tag, topic, failure, effects),
            Owner::Nobody(epoch) => self.end_unasked(epoch, cost, effects),
        }
    }

    /// A message of that topic has come to a bad end.
    fn fail(
        &mut self,
        tag: Tag,
        topic: &TopicName,
        failure: impl Into<PublishFailure>,
        effects: &mut Effects,
    ) {
        self.end(tag, PublishError::new(topic, failure).into(), effects);
    }

    /// Idempotent for a tag; a stale one is ignored.
    fn end(&mut self, tag: Tag, outcome: Outcome, effects: &mut Effects) {
        let Some(slot) = self.slots.get_mut(tag) else { return };
        match slot.stage {
            SlotStage::Ended(_) => return,
            SlotStage::Waiting(_) => {}
            _ => self.outbox.release(slot.cost),
        }
        let epoch = slot.epoch;
        if let Some(rare) = &mut slot.rare {
            self.limits.stop(tag, &mut rare.ends);
        }
        let told = slot.take_told(outcome);
        match told {
            Some(outcome) if !slot.detached => {
                slot.stage = SlotStage::Ended(outcome);
                effects.wake(&mut slot.waker);
            }
            told => {
                if self.vacate(tag)
                    && let Some(Outcome::Failed(error)) = told
                {
                    self.unheard.push(error);
                }
            }
        }
        self.end_epoch(epoch, 1, effects);
    }

    fn end_epoch(&mut self, epoch: Epoch, messages: usize, effects: &mut Effects) {
        if epoch != NO_EPOCH && self.epochs.end(epoch, messages) {
            for (_, flush) in self.flushes.iter_mut() {
                if self.epochs.is_over(flush.epoch) {
                    effects.wake(&mut flush.waker);
                }
            }
        }
    }
}

/// Leaves nothing in its place.
pub(crate) fn taken(publish: &mut Publish) -> Publish {
    mem::replace(publish, Publish::new(TopicName::empty(), Bytes::new()))
}

/// Whether the session takes a message of that QoS now.
fn takes(session: &Session, qos: QoS) -> bool {
    match qos {
        QoS::AtMostOnce => session.can_send_qos0(),
        QoS::AtLeastOnce | QoS::ExactlyOnce => session.publish_room() > 0,
    }
}

/// Refusals after which the same command is taken later.
pub(crate) fn passes_with_time(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::NotReady | Refusal::WindowFull | Refusal::Busy | Refusal::NoPacketId)
}
