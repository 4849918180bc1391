//! Outgoing messages from admission to their one outcome.

use std::mem;
use std::task::{Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use crate::codec::{Ack, Publish, QoS, TopicName, Version};
use crate::effects::{Effects, park};
use crate::flush::{Epoch, Epochs, NO_EPOCH};
use crate::linked::Key;
use crate::outbox::{Entry, Outbox, Owner};
use crate::session::{Command, PublishEnd, Refusal, Session, Stage, Timestamp};
use crate::slots::{Slots, Tag};
use crate::store::FIRST_PLACE;
use crate::time_limits::{Ends, Limit, TimeLimits};
use crate::unasked::Unasked;
use crate::{Indeterminate, NotSent, Offline, Options, Overflow, PublishError};

mod full;
mod kept;
mod plain;
mod time;

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
    /// The place of the next message in the queue.
    next_place: u64,
    unasked: Unasked,
    /// Lost with the session, to be sent anew; in their old order.
    replay: Vec<(Tag, Entry)>,
    limits: TimeLimits,
    epochs: Epochs,
    flushes: Slots<Flush>,
    pub(crate) counts: Counts,
    /// Bad ends of what a store brought back: nobody waits for these.
    unheard: Vec<(TopicName, PublishError)>,
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

#[derive(Debug)]
struct Slot {
    cost: usize,
    place: u64,
    /// It needs the slot only until it is admitted: see [`Publishing::send_off`].
    brief: bool,
    /// A store keeps it.
    kept: bool,
    /// Its topic, if a store brought it back, so that whoever published it is not there any more.
    inherited: Option<Box<TopicName>>,
    /// What the caller is told although the message goes on, kept by the store.
    early: Option<Box<PublishResult>>,
    stage: SlotStage,
    waker: Option<Waker>,
    /// Nobody asks for the outcome any more.
    detached: bool,
    epoch: Epoch,
    ends: Ends,
}

#[derive(Debug)]
enum SlotStage {
    /// Queued here, not admitted yet.
    Waiting(Key),
    /// Queued here, and charged.
    Admitted(Key),
    /// In the session, or lost with it and to be sent anew.
    Handed,
    /// In the session still, but the caller's time is up: the outcome until it is asked for.
    GivenUp(Option<PublishResult>),
    Ended(PublishResult),
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

    /// Queues a message behind all others, or does with it what the overflow policy says.
    ///
    /// `wait`: whether it may wait for admission. `forget`: nobody asks for more than that.
    pub(crate) fn start(
        &mut self,
        publish: Publish,
        cost: usize,
        wait: bool,
        forget: bool,
        timeout: Option<Duration>,
        effects: &mut Effects,
    ) -> Result<Tag, NotSent> {
        let full = !self.outbox.has_room(cost);
        if full && (self.overflow == Overflow::Refuse || self.overflow == Overflow::Block && !wait) {
            self.counts.refused += 1;
            effects.discard(publish);
            return Err(NotSent::QueueFull);
        }
        let expiry = publish.properties.message_expiry_interval();
        let place = self.next_place;
        self.next_place += 1;
        let brief = forget && timeout.is_none() && self.is_plain(&publish);
        let tag = self.slots.insert(Slot {
            cost,
            place,
            brief,
            kept: self.outbox.keeps(publish.qos),
            inherited: None,
            early: None,
            stage: SlotStage::Handed,
            waker: None,
            detached: false,
            epoch: self.epochs.begin(),
            ends: Ends::default(),
        });
        if let Some(seconds) = expiry {
            self.limits.begin(tag, Limit::Expiry, Duration::from_secs(seconds.into()));
        }
        if let Some(timeout) = timeout {
            self.limits.begin(tag, Limit::Timeout, timeout);
        }
        let entry = Entry { owner: Owner::Slot(tag), place, cost, publish, sent: false };
        match self.overflow {
            Overflow::DropNewest if full => self.drop_unqueued(tag, entry, effects),
            Overflow::DropOldest if full => self.push_over_oldest(tag, entry, effects),
            Overflow::KeepLatest => match self.outbox.latest(&entry.publish.topic) {
                Some(older) => self.supersede(older, tag, entry, effects),
                None if full => self.push_over_oldest(tag, entry, effects),
                None => self.push(tag, entry),
            },
            _ => self.push(tag, entry),
        }
        Ok(tag)
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
        if let Some(early) = slot.early.take() {
            slot.detached = true;
            return Poll::Ready(*early);
        }
        match &mut slot.stage {
            SlotStage::Ended(_) => match self.slots.remove(tag).map(|slot| slot.stage) {
                Some(SlotStage::Ended(result)) => Poll::Ready(result),
                _ => Poll::Pending,
            },
            SlotStage::GivenUp(result) if result.is_some() => {
                slot.detached = true;
                result.take().map_or(Poll::Pending, Poll::Ready)
            }
            _ => park(&mut slot.waker, waker),
        }
    }

    /// The outcome, if there is one; nobody is woken who waits for more.
    pub(crate) fn take_ended(&mut self, tag: Tag) -> Option<PublishResult> {
        let slot = self.slots.get(tag)?;
        let ended = matches!(slot.stage, SlotStage::Ended(_) | SlotStage::GivenUp(Some(_)));
        if !ended && slot.early.is_none() {
            return None;
        }
        match self.poll_ended(tag, &mut None) {
            Poll::Ready(result) => Some(result),
            Poll::Pending => None,
        }
    }

    /// Nobody asks any more. What has not been admitted is taken back, and may have been in the way of others: then true.
    /// Anything else goes on.
    pub(crate) fn detach(&mut self, tag: Tag, effects: &mut Effects) -> bool {
        let Some(slot) = self.slots.get_mut(tag) else { return false };
        match slot.stage {
            SlotStage::Admitted(_) | SlotStage::Handed | SlotStage::GivenUp(_) => slot.detached = true,
            SlotStage::Ended(_) => drop(self.slots.remove(tag)),
            SlotStage::Waiting(key) => {
                slot.detached = true;
                if let Some(entry) = self.outbox.remove(key) {
                    effects.discard(entry.publish);
                }
                self.end(tag, Err(PublishError::NotSent(NotSent::TimedOut)), effects);
                return true;
            }
        }
        false
    }

    /// Admits what there is room for, and hands the session what it takes now. Returns whether it took anything.
    pub(crate) fn pump(&mut self, now: Timestamp, session: &mut Session, effects: &mut Effects) -> bool {
        let mut progress = false;
        loop {
            progress |= self.unasked.pump(session);
            while let Some(key) = self.outbox.admit() {
                self.admitted(key, session, effects);
            }
            let first = self.outbox.front().filter(|_| self.unasked.are_all_sent());
            let takes = first.is_some_and(|entry| match entry.publish.qos {
                QoS::AtMostOnce => session.can_send_qos0(),
                QoS::AtLeastOnce | QoS::ExactlyOnce => session.publish_room() > 0,
            });
            if !takes || !self.hand_over_next(now, session, effects) {
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
        let Some(Entry { owner, place, cost, mut publish, sent }) = self.outbox.pop() else { return false };
        if let Some(slot) = self.slots.get_mut(tag) {
            slot.stage = SlotStage::Handed;
            time::count_down(&mut publish, slot.ends.expiry, now);
        }
        if let Err(rejected) = session.submit(Command::Publish { tag, publish }) {
            let refusal = rejected.refusal;
            let Command::Publish { publish, .. } = rejected.value else { return true };
            if passes_with_time(&refusal) {
                self.put_back(tag, Entry { owner, place, cost, publish, sent });
                return false;
            }
            effects.discard(publish);
            self.end(tag, Err(PublishError::NotSent(NotSent::Refused(refusal))), effects);
        }
        true
    }

    /// The session's word on a message.
    pub(crate) fn ended(&mut self, tag: Tag, end: PublishEnd, effects: &mut Effects) {
        let result = match end {
            PublishEnd::Acknowledged(ack) => Ok(Delivered::Acknowledged(ack.into())),
            PublishEnd::Written => Ok(Delivered::Written),
            PublishEnd::Expired => {
                self.counts.expired += 1;
                Err(PublishError::NotSent(NotSent::Expired))
            }
            PublishEnd::Refused(ack) => Err(PublishError::Rejected(Box::new(ack.into()))),
            PublishEnd::Forbidden(refusal) => {
                Err(PublishError::Indeterminate(Indeterminate::Forbidden(refusal)))
            }
        };
        self.end(tag, result, effects);
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
            && slot.ends.expiry.is_none_or(|end| end > now)
        {
            let owner = Owner::Slot(tag);
            let (place, cost) = (slot.place, slot.cost);
            self.replay.push((tag, Entry { owner, place, cost, publish, sent: !unsent }));
            return;
        }
        self.counts.lost += u64::from(publish.qos == QoS::AtMostOnce);
        let error = match (publish.qos, stage) {
            (QoS::AtMostOnce, Stage::Unsent) => PublishError::NotSent(NotSent::LinkLost),
            (QoS::AtMostOnce, _) => PublishError::Indeterminate(Indeterminate::LinkLost),
            (_, Stage::Unsent) => PublishError::NotSent(NotSent::Expired),
            _ => PublishError::Indeterminate(Indeterminate::SessionLost),
        };
        effects.discard(publish);
        self.end(tag, Err(error), effects);
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
        effects: &mut Effects,
    ) -> Vec<Publish> {
        let mut not_sent = Vec::new();
        let indeterminate = || Err(PublishError::Indeterminate(Indeterminate::Offline(offline.clone())));
        self.replay_lost();
        self.unlinked(version, effects);
        for key in self.outbox.keys() {
            if self.outbox.get(key).is_some_and(|entry| self.goes_on(entry.owner)) {
                continue;
            }
            let Some(Entry { owner, cost, publish, sent, .. }) = self.outbox.remove(key) else { continue };
            if sent {
                effects.discard(publish);
                self.end_queued(owner, cost, indeterminate(), effects);
            } else {
                let not = Err(PublishError::NotSent(NotSent::Offline(offline.clone())));
                self.end_queued(owner, cost, not, effects);
                not_sent.push(publish);
            }
        }
        for tag in self.open() {
            if self.goes_on(Owner::Slot(tag)) {
                let kept = Err(PublishError::Indeterminate(Indeterminate::Kept(offline.clone())));
                self.leave(tag, kept, effects);
            } else {
                self.end(tag, indeterminate(), effects);
            }
        }
        not_sent
    }

    /// Starts to wait for all that was published before.
    pub(crate) fn flush(&mut self) -> Tag {
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
        self.outbox.len() + self.unasked.waiting()
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

    /// All that have not ended.
    fn open(&mut self) -> Vec<Tag> {
        let open = self.slots.iter_mut().filter(|(_, slot)| !matches!(slot.stage, SlotStage::Ended(_)));
        open.map(|(tag, _)| tag).collect()
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

    /// An admitted message that was taken off the queue has ended.
    fn end_queued(&mut self, owner: Owner, cost: usize, result: PublishResult, effects: &mut Effects) {
        match owner {
            Owner::Slot(tag) => self.end(tag, result, effects),
            Owner::Nobody(epoch) => self.end_unasked(epoch, cost, effects),
        }
    }

    /// Idempotent for a tag; a stale one is ignored.
    fn end(&mut self, tag: Tag, result: PublishResult, effects: &mut Effects) {
        let Some(slot) = self.slots.get_mut(tag) else { return };
        let result = match (&mut slot.stage, slot.early.take()) {
            (SlotStage::Ended(_), _) => return,
            (_, Some(early)) => Some(*early),
            (SlotStage::GivenUp(given_up), None) => given_up.take(),
            (_, None) => Some(result),
        };
        if !matches!(slot.stage, SlotStage::Waiting(_)) {
            self.outbox.release(slot.cost);
        }
        self.limits.stop(tag, &mut slot.ends);
        let epoch = slot.epoch;
        match (result, slot.inherited.take()) {
            (Some(result), _) if !slot.detached => {
                slot.stage = SlotStage::Ended(result);
                effects.wake(&mut slot.waker);
            }
            (result, inherited) => {
                let error = result.and_then(Result::err);
                self.unheard.extend(inherited.zip(error).map(|(topic, error)| (*topic, error)));
                self.slots.remove(tag);
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

/// Refusals after which the same command is taken later.
pub(crate) fn passes_with_time(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::NotReady | Refusal::WindowFull | Refusal::Busy | Refusal::NoPacketId)
}
