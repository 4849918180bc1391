//! What a store makes of publishes: those that it brings back, those that go on in it, those that end with it.

use std::time::Duration;

use super::{Publishing, Slot, SlotStage};
use crate::codec::{Publish, QoS, Version};
use crate::effects::Effects;
use crate::flush::NO_EPOCH;
use crate::outbox::{Entry, Owner, cost_of};
use crate::session::{Session, Timestamp};
use crate::slots::Tag;
use crate::store::{FIRST_PLACE, Operation, Queued, StoreError};
use crate::time_limits::Limit;
use crate::{Indeterminate, NotSent, PublishError, PublishFailure};

impl Publishing {
    /// From now on messages are kept. A store holds these, in the order of their places, and `sent` more that are in the
    /// session.
    pub(crate) fn restore_places(&mut self, sent: usize, queued: &[Queued]) {
        let first = queued.first().map_or(FIRST_PLACE, |first| first.place);
        // Should the session be lost, its messages go before the others.
        self.next_place = first.saturating_sub(sent as u64);
        self.outbox.keep(queued.iter().map(|queued| queued.place));
    }

    /// A message that is in the session: the tag to know it by. To be called in the order in which they were sent.
    pub(crate) fn restore_sent(
        &mut self,
        version: Version,
        publish: &Publish,
        expires: Option<Timestamp>,
    ) -> Result<Tag, StoreError> {
        let place = self.next_place;
        let tag = self.restore_slot(version, place, publish, expires)?;
        if let Some(slot) = self.slots.get_mut(tag) {
            self.outbox.charge(slot.cost);
        }
        Ok(tag)
    }

    /// A message that waits for the session. To be called in the order of their places, after those that are in it.
    pub(crate) fn restore_queued(
        &mut self,
        version: Version,
        queued: Queued,
        expires: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let Queued { place, sent, publish, .. } = queued;
        let tag = self.restore_slot(version, place, &publish, expires)?;
        if let Some(slot) = self.slots.get_mut(tag) {
            let owner = Owner::Slot(tag);
            let entry = Entry { place, sent, ..Entry::new(owner, slot.cost, publish) };
            slot.stage = SlotStage::Admitted(self.outbox.restore(entry));
        }
        Ok(())
    }

    /// Whether there is something for the store.
    pub(crate) fn has_unstored(&self) -> bool {
        self.outbox.has_unstored()
    }

    /// Appends what the store has to hear. `on_clock`: a moment of the driver's on the session's clock.
    pub(crate) fn take_changes(
        &mut self,
        now: Timestamp,
        on_clock: impl Fn(Timestamp) -> Timestamp,
        batch: &mut Vec<Operation>,
    ) {
        let slots = &self.slots;
        self.outbox.take_changes(batch, |entry| {
            let interval = entry.publish.properties.message_expiry_interval()?;
            let begun = match entry.owner {
                Owner::Slot(tag) => slots.get(tag).and_then(Slot::expiry),
                Owner::Nobody(_) => None,
            };
            Some(on_clock(begun.unwrap_or_else(|| now + Duration::from_secs(interval.into()))))
        });
    }

    /// What came to a bad end without anybody to ask for it.
    pub(crate) fn take_unheard(&mut self) -> Vec<PublishError> {
        std::mem::take(&mut self.unheard)
    }

    /// How many messages go on although the client is offline.
    pub(crate) fn kept(&self) -> usize {
        self.slots.iter().filter(|(_, slot)| slot.goes_on()).count()
    }

    /// The store is of no use any more: whatever it was to keep ends. What it may hold may yet be sent by another client.
    pub(crate) fn store_failed(&mut self, error: &StoreError, session: &Session, effects: &mut Effects) {
        self.replay_lost();
        let Some(journal) = self.outbox.stop_keeping() else { return };
        for key in self.outbox.keys() {
            if self.outbox.get(key).is_some_and(|entry| entry.publish.qos != QoS::AtMostOnce)
                && let Some(Entry { owner: Owner::Slot(tag), place, sent, publish, .. }) =
                    self.outbox.remove(key)
            {
                let failure: PublishFailure = match sent || journal.may_be_stored(place) {
                    true => Indeterminate::Store(error.clone()).into(),
                    false => NotSent::Store(error.clone()).into(),
                };
                self.fail(tag, &publish.topic, failure, effects);
                effects.discard(publish);
            }
        }
        for (tag, publish) in session.publishes() {
            if self.goes_on(tag) {
                self.fail(tag, &publish.topic, Indeterminate::Store(error.clone()), effects);
            }
        }
    }

    /// Whether the message does not end with the connection: a store keeps it.
    pub(super) fn goes_on(&self, tag: Tag) -> bool {
        self.slots.get(tag).is_some_and(Slot::goes_on)
    }

    /// The caller is told how it stands; the message itself goes on, and nobody waits for it.
    pub(super) fn leave(&mut self, tag: Tag, told: PublishError, effects: &mut Effects) {
        let Some(slot) = self.slots.get_mut(tag) else { return };
        if !slot.detached && !matches!(slot.stage, SlotStage::GivenUp(_)) {
            slot.rare().early = Some(told);
            effects.wake(&mut slot.waker);
        }
        self.limits.stop_one(tag, Limit::Timeout, slot.ends());
        let epoch = std::mem::replace(&mut slot.epoch, NO_EPOCH);
        self.end_epoch(epoch, 1, effects);
    }

    fn restore_slot(
        &mut self,
        version: Version,
        place: u64,
        publish: &Publish,
        expires: Option<Timestamp>,
    ) -> Result<Tag, StoreError> {
        let cost = publish.encoded_len(version).map(cost_of);
        let tag = self.slots.insert(Slot {
            cost: cost.map_err(|error| StoreError::Damaged(error.to_string()))?,
            place,
            brief: false,
            kept: true,
            stage: SlotStage::Handed,
            waker: None,
            rare: None,
            detached: true,
            unheard: true,
            epoch: NO_EPOCH,
        });
        if let (Some(slot), Some(at)) = (self.slots.get_mut(tag), expires) {
            self.limits.watch(tag, Limit::Expiry, at, slot.ends());
        }
        self.next_place = place + 1;
        Ok(tag)
    }
}
