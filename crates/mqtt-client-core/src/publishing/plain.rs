//! Messages of QoS 0 of which nobody asks more than that they are admitted: they need no slot.

use super::{LARGE_PAYLOAD, Outcome, Publishing, SlotStage, passes_with_time, taken};
use crate::codec::{Publish, QoS, Version};
use crate::effects::Effects;
use crate::flush::Epoch;
use crate::linked::Key;
use crate::outbox::{Bounds, Entry, Owner, cost_of};
use crate::session::{Refusal, Session};
use crate::unasked::Share;
use crate::{NotSent, Overflow, PublishError};

impl Publishing {
    /// Takes a message of which nobody asks more than its admission, if it is admitted at once, and nothing but the loss of the
    /// link can end it early. Such a message needs no slot. `None`: it is not of that kind.
    pub(crate) fn send_off(
        &mut self,
        publish: &mut Publish,
        cost: usize,
        session: &mut Session,
    ) -> Option<Result<(), PublishError>> {
        self.retire_intake();
        self.close_spool();
        if !self.is_plain(publish) || !self.outbox.has_room(cost) {
            return None;
        }
        publish.dup = false;
        if self.outbox.is_empty() {
            match self.encode(publish, cost, session) {
                Ok(()) => {
                    self.outbox.charge(cost);
                    self.epochs.begin();
                    self.spooling.wanted = true;
                    return Some(Ok(()));
                }
                Err(refusal) if passes_with_time(&refusal) => {}
                Err(refusal) => {
                    return Some(Err(PublishError::new(&publish.topic, NotSent::Refused(refusal))));
                }
            }
        }
        let owner = Owner::Nobody(self.epochs.begin());
        self.outbox.push_admitted(Entry::new(owner, cost, taken(publish)));
        Some(Ok(()))
    }

    /// Whether no message waits for the session.
    pub(crate) fn has_handed_over_all(&self) -> bool {
        self.unasked.are_all_sent() && self.outbox.is_empty() && self.inbox.is_empty()
    }

    /// The transport has so many bytes of the connection.
    pub(crate) fn written(&mut self, bytes: u64, effects: &mut Effects) {
        while let Some(share) = self.unasked.pop_written(bytes) {
            self.end_all_unasked(share, effects);
        }
    }

    /// The connection is gone, and with it what the session had of those of which nobody asks. What it did not have waits for
    /// the next one.
    pub(crate) fn unlinked(&mut self, version: Version, effects: &mut Effects) {
        self.close_spool();
        while let Some(share) = self.unasked.pop_sent() {
            self.counts.lost += share.used.messages as u64;
            self.end_all_unasked(share, effects);
        }
        while let Some((share, messages)) = self.unasked.pop_waiting() {
            self.outbox.release_all(share.used);
            for publish in messages.into_iter().rev() {
                // It was encoded before.
                let cost = publish.encoded_len(version).map_or(0, cost_of);
                let owner = Owner::Nobody(share.epoch);
                self.outbox.charge(cost);
                self.outbox.push_front(Entry::new(owner, cost, publish));
            }
        }
    }

    /// A message that waited for room has it.
    pub(super) fn admitted(&mut self, key: Key, session: &mut Session, effects: &mut Effects) {
        let Some(&Entry { owner: Owner::Slot(tag), cost, .. }) = self.outbox.get(key) else { return };
        let Some(slot) = self.slots.get_mut(tag) else { return };
        slot.stage = SlotStage::Admitted(key);
        effects.wake(&mut slot.waker);
        if slot.brief
            && self.outbox.is_first(key)
            && let Some(entry) = self.outbox.get(key)
            && self.unasked.push(&entry.publish, cost, slot.epoch, session).is_ok()
        {
            slot.stage = SlotStage::Ended(Outcome::Queued);
            if let Some(entry) = self.outbox.remove(key) {
                effects.discard(entry.publish);
            }
            return;
        }
        self.admit_behind_arrivals(tag, key);
    }

    /// Whether a message can go without a slot once it is admitted.
    pub(super) fn is_plain(&self, publish: &Publish) -> bool {
        publish.qos == QoS::AtMostOnce
            && publish.payload.len() < LARGE_PAYLOAD
            && publish.properties.message_expiry_interval().is_none()
            && !matches!(self.overflow, Overflow::DropOldest | Overflow::KeepLatest)
    }

    /// Encodes a message that nothing is before, for its turn or, if that is not possible, for now.
    fn encode(&mut self, publish: &Publish, cost: usize, session: &mut Session) -> Result<(), Refusal> {
        let epoch = self.epochs.present();
        match self.unasked.push(publish, cost, epoch, session) {
            Err(Refusal::Busy) if self.unasked.are_all_sent() => {
                let end = session.send(publish)?;
                self.unasked.sent(end, cost, epoch);
                Ok(())
            }
            pushed => pushed,
        }
    }

    pub(super) fn end_unasked(&mut self, epoch: Epoch, cost: usize, effects: &mut Effects) {
        let used = Bounds::of_one(cost);
        self.end_all_unasked(Share { used, epoch }, effects);
    }

    fn end_all_unasked(&mut self, share: Share, effects: &mut Effects) {
        self.outbox.release_all(share.used);
        self.end_epoch(share.epoch, share.used.messages, effects);
    }
}
