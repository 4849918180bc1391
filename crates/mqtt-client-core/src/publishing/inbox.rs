//! Messages that came in by the [`Intake`]: admitted without the core's lock, and on their way to the session.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use super::{Publishing, Slot, SlotStage, takes};
use crate::codec::{QoS, Version};
use crate::effects::Effects;
use crate::flush::NO_EPOCH;
use crate::intake::Intake;
use crate::linked::Key;
use crate::outbox::{Bounds, Entry, Owner};
use crate::session::Session;
use crate::slots::Tag;
use crate::spool::Spool;

/// So many messages may come in before the core lends more room.
pub(super) const LOAN: usize = 1024;

/// They come behind all that the outbox has admitted, and before what waits there for room. The driver takes them when it can
/// send them: until then they stay where they were put, and are nobody's way from one processor to the other.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    intake: Arc<Intake>,
    /// Those that were taken out; others may be behind the door.
    entries: VecDeque<Entry>,
    /// How many there are here and there.
    len: usize,
    /// Kept for its memory.
    let_go: Vec<Tag>,
    /// Tags whose slots are made, to be lent.
    tags: Vec<Tag>,
    /// Whether the door is open.
    open: bool,
    /// Whether those who publish would use it.
    pub(super) wanted: bool,
    /// Whether who comes in calls the driver.
    calls: bool,
    /// How many have come since the driver asked.
    pub(super) came: usize,
}

impl Inbox {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push_back(&mut self, entry: Entry) {
        self.intake.put(entry);
        self.len += 1;
    }

    fn pop_front(&mut self) -> Option<Entry> {
        let front = self.entries.pop_front();
        self.len -= usize::from(front.is_some());
        front
    }
}

impl Publishing {
    /// What the handles share.
    pub(crate) fn intake(&self) -> Arc<Intake> {
        Arc::clone(&self.inbox.intake)
    }

    /// Opens the door that the latest message would have used, if any would.
    pub(crate) fn lend(&mut self, version: Version, session: &Session) {
        if self.spooling.wanted {
            return self.lend_spool(session);
        }
        let Inbox { intake, tags, open, wanted: true, .. } = &mut self.inbox else { return };
        let wanted = LOAN - self.outbox.lent().messages.min(LOAN);
        if *open && wanted < LOAN / 4 {
            return;
        }
        let Some(room) = self.outbox.lend(wanted) else { return };
        while tags.len() < room.messages {
            tags.push(self.slots.insert(Slot::reserved()));
        }
        intake.lend(version, room, tags.drain(tags.len() - room.messages..));
        *open = true;
    }

    /// Closes both doors. What has come in by them is admitted.
    pub(crate) fn close_doors(&mut self) {
        self.close_spool();
        self.close_intake();
    }

    /// Closes the door to messages of QoS 1 and 2.
    fn close_intake(&mut self) {
        let Inbox { intake, let_go, tags, open, .. } = &mut self.inbox;
        if mem::take(open) {
            let admitted = intake.close(tags, let_go);
            self.arrived(admitted);
            self.outbox.end_loan();
        }
    }

    /// Closes the door until somebody would use it again; what came by it waits where everything does.
    #[inline]
    pub(super) fn retire_intake(&mut self) {
        self.inbox.wanted = false;
        if self.inbox.open || !self.inbox.is_empty() {
            self.close_intake();
            self.settle_arrivals();
        }
    }

    /// Whether something has come in by a door.
    #[inline]
    pub(crate) fn has_arrivals(&self) -> bool {
        self.inbox.intake.is_filled() || self.has_spooled()
    }

    /// Counts it.
    pub(crate) fn count_arrivals(&mut self) {
        if self.has_spooled() {
            self.take_spooled(Spool::take);
        }
        if self.inbox.intake.is_filled() {
            let Inbox { intake, let_go, .. } = &mut self.inbox;
            let admitted = intake.count(let_go);
            self.arrived(admitted);
        }
    }

    /// How many have come since this was asked the last time.
    pub(crate) fn take_count(&mut self) -> usize {
        mem::take(&mut self.inbox.came)
    }

    /// Whether the driver may sleep: it is called should a message come that could be sent at once, and none is there now.
    pub(crate) fn may_sleep(&mut self, session: &Session) -> bool {
        let sends = self.inbox.open && self.has_handed_over_all() && takes(session, QoS::AtLeastOnce);
        self.inbox.calls = sends && self.inbox.intake.call_driver();
        (!sends || self.inbox.calls) && self.watch_spool(session)
    }

    /// The driver is awake.
    #[inline]
    pub(crate) fn awake(&mut self) {
        if mem::take(&mut self.inbox.calls) {
            self.inbox.intake.let_driver_be();
        }
        self.unwatch_spool();
    }

    /// Hands the session what came by the door, as much as it takes. Returns whether it took any, or any came to its end.
    pub(super) fn hand_over_arrivals(&mut self, session: &mut Session, effects: &mut Effects) -> bool {
        let mut progress = false;
        while let Some(entry) = self.next_arrival()
            && takes(session, entry.publish.qos)
            && let Some(entry) = self.inbox.pop_front()
            && let Owner::Slot(tag) = entry.owner
        {
            self.begin(tag, &entry, SlotStage::Handed);
            if !self.hand_over(tag, entry, session, effects) {
                break;
            }
            progress = true;
        }
        progress
    }

    /// The first one, taken out of the door if need be.
    fn next_arrival(&mut self) -> Option<&Entry> {
        if self.inbox.entries.is_empty() && !self.inbox.is_empty() {
            let Inbox { intake, entries, let_go, len, .. } = &mut self.inbox;
            // The memory of twice as many as come now is not given back: it would be asked for again soon.
            entries.shrink_to(LOAN.max(2 * *len));
            let admitted = intake.empty(entries, let_go);
            self.arrived(admitted);
        }
        self.inbox.entries.front()
    }

    /// A message has come otherwise, and is charged: behind those that came by the door.
    pub(super) fn arrive(&mut self, tag: Tag, entry: Entry) {
        self.set_stage(tag, SlotStage::Entered);
        self.inbox.push_back(entry);
    }

    /// A message that waited for room has it. While others that came by the door are before it, it goes with them.
    pub(super) fn admit_behind_arrivals(&mut self, tag: Tag, key: Key) {
        if !self.inbox.is_empty()
            && let Some(entry) = self.outbox.remove(key)
        {
            self.arrive(tag, entry);
        }
    }

    /// Has what came by the door wait where everything does, in its place: to be called before anything that could come
    /// before it there.
    pub(super) fn settle_arrivals(&mut self) {
        self.count_arrivals();
        while self.next_arrival().is_some()
            && let Some(mut entry) = self.inbox.pop_front()
            && let Owner::Slot(tag) = entry.owner
        {
            entry.place = self.begin(tag, &entry, SlotStage::Entered);
            let key = self.outbox.insert_admitted(entry);
            self.set_stage(tag, SlotStage::Admitted(key));
        }
    }

    /// A message is where its slot is needed, which has stood for any so far. Returns its place.
    fn begin(&mut self, tag: Tag, entry: &Entry, stage: SlotStage) -> u64 {
        let Some(slot) = self.slots.get_mut(tag) else { return entry.place };
        if slot.epoch == NO_EPOCH {
            slot.epoch = self.epochs.begin();
            slot.cost = entry.cost;
            slot.place = self.next_place;
            self.next_place += 1;
        }
        slot.detached |= entry.let_go;
        slot.stage = stage;
        slot.place
    }

    /// A message has ended of which nobody asks: its slot stands for one to come, if there is any use for that. Whether a bad
    /// end of it is to be an event.
    pub(super) fn vacate(&mut self, tag: Tag) -> bool {
        if self.inbox.wanted
            && self.inbox.tags.len() < LOAN
            && let Some((next, slot)) = self.slots.renew(tag)
        {
            self.inbox.tags.push(next);
            return slot.reserve();
        }
        self.slots.remove(tag).is_some_and(|slot| slot.unheard)
    }

    /// Messages have come that were admitted to lent room, and nobody asks any more of some.
    fn arrived(&mut self, admitted: Bounds) {
        self.inbox.came += admitted.messages;
        self.inbox.len += admitted.messages;
        self.outbox.charge_lent(admitted);
        while let Some(tag) = self.inbox.let_go.pop() {
            self.forget(tag);
        }
    }
}

impl Slot {
    /// Has it stand for a message to come. Whether nobody could ask for the end of the one before.
    fn reserve(&mut self) -> bool {
        let unheard = self.unheard;
        *self = Slot::reserved();
        unheard
    }

    /// One that stands for a message to come.
    pub(super) fn reserved() -> Self {
        Slot {
            cost: 0,
            place: 0,
            epoch: NO_EPOCH,
            stage: SlotStage::Entered,
            waker: None,
            rare: None,
            brief: false,
            kept: false,
            detached: false,
            unheard: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;
    use crate::{Completion, Driver, Options};

    /// Slots of messages, not those that stand for messages to come.
    fn slots(client: &crate::Client) -> usize {
        let is_used = |slot: &Slot| slot.epoch != NO_EPOCH;
        client.shared().run(|core| core.publishing.slots.iter().filter(|(_, slot)| is_used(slot)).count())
    }

    #[test]
    fn what_nobody_asks_for_any_more_has_no_slot_once_it_has_ended() {
        let options = Options::builder().build().expect("valid options");
        let (client, _driver) = Driver::new(options, 1, Waker::noop().clone()).expect("there is no store");
        let enqueue = || client.publish("a", "1").qos(QoS::AtLeastOnce).try_enqueue().expect("there is room");
        let mut sent: Vec<Completion> = (0..10).map(|_| enqueue()).collect();
        // At once, later, and after its end; the first one takes the lock.
        drop(enqueue());
        sent.truncate(7);
        let mut leaving = pin!(client.disconnect());
        assert!(leaving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert_eq!(slots(&client), 7, "whose callers may ask");
        sent.clear();
        assert_eq!(slots(&client), 0);
    }
}
