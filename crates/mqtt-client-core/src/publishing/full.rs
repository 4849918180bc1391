//! What becomes of messages for which the queue has no room.

use super::{Publishing, SlotStage};
use crate::effects::Effects;
use crate::linked::Key;
use crate::outbox::Entry;
use crate::slots::Tag;
use crate::{NotSent, PublishError};

impl Publishing {
    /// Drops the oldest to make room; if what is in flight leaves none all the same, the new one.
    pub(super) fn push_over_oldest(&mut self, tag: Tag, entry: Entry, effects: &mut Effects) {
        while !self.outbox.has_room(entry.cost) {
            match self.outbox.oldest_unsent(None) {
                Some(oldest) => self.drop_queued(oldest, effects),
                None => return self.drop_unqueued(tag, entry, effects),
            }
        }
        self.push(tag, entry);
    }

    /// Puts the message in the place of an older one of its topic. The bounds hold afterwards, too.
    pub(super) fn supersede(&mut self, older: Key, tag: Tag, entry: Entry, effects: &mut Effects) {
        let Some(place) = self.outbox.get(older).map(|older| older.place) else { return };
        if let Some(slot) = self.slots.get_mut(tag) {
            slot.place = place;
        }
        let entry = Entry { place, ..entry };
        let Some(Entry { owner, cost, publish, .. }) = self.outbox.replace(older, entry) else { return };
        self.counts.superseded += 1;
        self.end_queued(owner, cost, &publish.topic, NotSent::Superseded, effects);
        effects.discard(publish);
        self.set_stage(tag, SlotStage::Admitted(older));
        while self.outbox.is_over() {
            let oldest = self.outbox.oldest_unsent(Some(older)).unwrap_or(older);
            self.drop_queued(oldest, effects);
            if oldest == older {
                return;
            }
        }
    }

    fn drop_queued(&mut self, key: Key, effects: &mut Effects) {
        if let Some(Entry { owner, cost, publish, .. }) = self.outbox.remove(key) {
            self.counts.dropped += 1;
            self.end_queued(owner, cost, &publish.topic, NotSent::Dropped, effects);
            effects.discard(publish);
        }
    }

    /// Drops a message that was neither queued nor charged.
    pub(super) fn drop_unqueued(&mut self, tag: Tag, entry: Entry, effects: &mut Effects) {
        let error = PublishError::new(&entry.publish.topic, NotSent::Dropped);
        effects.discard(entry.publish);
        self.counts.dropped += 1;
        let Some(slot) = self.slots.get_mut(tag) else { return };
        slot.stage = SlotStage::Ended(error.into());
        let epoch = slot.epoch;
        self.end_epoch(epoch, 1, effects);
    }
}
