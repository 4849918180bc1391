//! Publishes on their way to the session: admitted within the bounds, or waiting for admission.

use std::collections::BTreeMap;
use std::ops::{AddAssign, SubAssign};

use crate::codec::{EncodeError, PacketId, Publish, QoS, TopicName, Version};
use crate::flush::Epoch;
use crate::linked::{Key, LinkedQueue};
use crate::session::Timestamp;
use crate::slots::Tag;
use crate::store::{Journal, Operation, Queued};

/// What a queued message costs besides its packet's bytes: a floor under the byte bound for empty payloads.
const OVERHEAD: usize = 128;

/// What a publish of this encoded length takes of the byte bound.
pub(crate) fn cost_of(encoded_len: usize) -> usize {
    OVERHEAD + encoded_len
}

/// What a publish takes of the byte bound, if it can be encoded at all.
pub(crate) fn measure(publish: &mut Publish, version: Version) -> Result<usize, EncodeError> {
    // The session will choose one; until then any makes the packet whole, for its length and its faults.
    publish.packet_id = (publish.qos != QoS::AtMostOnce).then_some(PacketId::MIN);
    publish.encoded_len(version).map(cost_of)
}

/// How much may be on its way at once: admitted and not ended yet, queued and in flight alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

impl Bounds {
    pub(crate) const NONE: Bounds = Bounds { messages: 0, bytes: 0 };

    /// What one message of this cost takes.
    pub(crate) fn of_one(cost: usize) -> Self {
        Bounds { messages: 1, bytes: cost }
    }
}

impl AddAssign for Bounds {
    fn add_assign(&mut self, more: Bounds) {
        self.messages += more.messages;
        self.bytes += more.bytes;
    }
}

impl SubAssign for Bounds {
    fn sub_assign(&mut self, less: Bounds) {
        self.messages -= less.messages;
        self.bytes -= less.bytes;
    }
}

/// First come, first served: one queue, of which a prefix is admitted and the rest waits for room.
#[derive(Debug)]
pub(crate) struct Outbox {
    bounds: Bounds,
    queue: LinkedQueue<Entry>,
    /// The first that is not admitted.
    waiting: Option<Key>,
    /// Of all that is admitted and has not ended.
    used: Bounds,
    /// Room that others admit messages to, until the [loan ends](Self::end_loan).
    lent: Bounds,
    /// Where the one message of each topic is that was never sent, if there is to be but one.
    latest: Option<BTreeMap<TopicName, Key>>,
    /// With a store: what it has yet to hear of those of QoS 1 and 2 that are admitted, by their places.
    journal: Option<Journal>,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) owner: Owner,
    /// Its place among all that were queued: a number that the store knows it by.
    pub(crate) place: u64,
    /// What it takes of the byte bound.
    pub(crate) cost: usize,
    pub(crate) publish: Publish,
    /// It was sent in a session that the broker has lost: it may have arrived.
    pub(crate) sent: bool,
    /// Nobody asks any more; its slot does not say so yet.
    pub(crate) let_go: bool,
}

impl Entry {
    /// One that has no place yet.
    pub(crate) fn new(owner: Owner, cost: usize, publish: Publish) -> Self {
        Entry { owner, place: 0, cost, publish, sent: false, let_go: false }
    }

    pub(crate) fn is_of(&self, tag: Tag) -> bool {
        matches!(self.owner, Owner::Slot(owner) if owner == tag)
    }
}

/// Who is told what becomes of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    Slot(Tag),
    /// Nobody asks; it was begun in this epoch.
    Nobody(Epoch),
}

impl Outbox {
    /// `one_per_topic`: whether [`latest`](Self::latest) is kept.
    pub(crate) fn new(bounds: Bounds, one_per_topic: bool) -> Self {
        Outbox {
            bounds,
            queue: LinkedQueue::new(),
            waiting: None,
            used: Bounds::NONE,
            lent: Bounds::NONE,
            latest: one_per_topic.then(BTreeMap::new),
            journal: None,
        }
    }

    /// From now on a store keeps what is admitted; it has what is in these places.
    pub(crate) fn keep(&mut self, places: impl IntoIterator<Item = u64>) {
        self.journal = Some(Journal::restored(places));
    }

    /// The store has failed. What it may have.
    pub(crate) fn stop_keeping(&mut self) -> Option<Journal> {
        self.journal.take()
    }

    /// Whether a store keeps messages of that QoS.
    pub(crate) fn keeps(&self, qos: QoS) -> bool {
        self.journal.is_some() && qos != QoS::AtMostOnce
    }

    /// Whether there is something for the store.
    pub(crate) fn has_unstored(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| !journal.is_empty())
    }

    /// Appends what the store has to hear. `expires`: when a message does.
    pub(crate) fn take_changes(
        &mut self,
        batch: &mut Vec<Operation>,
        expires: impl Fn(&Entry) -> Option<Timestamp>,
    ) {
        let Outbox { journal: Some(journal), queue, .. } = self else { return };
        let put = |place, key| {
            let entry = queue.get(key)?;
            let (sent, publish) = (entry.sent, entry.publish.clone());
            Some(Operation::Queue(Queued { place, sent, expires: expires(entry), publish }))
        };
        journal.take(batch, put, Operation::Unqueue);
    }

    /// Whether a publish of this cost would be admitted at once, to room that is not lent. One message always fits into an empty
    /// outbox.
    pub(crate) fn has_room(&self, cost: usize) -> bool {
        self.waiting.is_none() && self.fits(cost)
    }

    /// Whether what is admitted is more than the bounds allow.
    pub(crate) fn is_over(&self) -> bool {
        self.used.messages > 1
            && (self.used.messages > self.bounds.messages || self.used.bytes > self.bounds.bytes)
    }

    /// Queues a publish behind all others; it is admitted when [`admit`](Self::admit) says so.
    pub(crate) fn push(&mut self, entry: Entry) -> Key {
        let topic = self.latest.is_some().then(|| entry.publish.topic.clone());
        let key = self.queue.push_back(entry);
        self.waiting.get_or_insert(key);
        if let (Some(latest), Some(topic)) = (&mut self.latest, topic) {
            latest.insert(topic, key);
        }
        key
    }

    /// Queues a publish for which there is room, and admits it.
    pub(crate) fn push_admitted(&mut self, entry: Entry) -> Key {
        self.charge(entry.cost);
        let key = self.queue.push_back(entry);
        self.note(key);
        key
    }

    /// Admits the next one that waits, if there is room for it.
    pub(crate) fn admit(&mut self) -> Option<Key> {
        let key = self.waiting?;
        let cost = self.queue.get(key)?.cost;
        if !self.fits(cost) {
            return None;
        }
        self.waiting = self.queue.behind(key);
        self.charge(cost);
        self.note(key);
        Some(key)
    }

    /// Whether nothing is before this one.
    pub(crate) fn is_first(&self, key: Key) -> bool {
        self.queue.front() == Some(key)
    }

    /// The next one to hand to the session, if it is admitted.
    pub(crate) fn front(&self) -> Option<&Entry> {
        let front = self.queue.front().filter(|_| self.queue.front() != self.waiting)?;
        self.queue.get(front)
    }

    /// Takes the front one of the admitted off, to hand it to the session. It stays charged until
    /// [`release`](Self::release).
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        let front = self.queue.front().filter(|_| self.queue.front() != self.waiting)?;
        self.remove(front)
    }

    /// Puts back what was charged before, in front of everything: a refusal by the session, or a lost session.
    pub(crate) fn push_front(&mut self, entry: Entry) -> Key {
        let topic = self.latest.is_some().then(|| entry.publish.topic.clone());
        let never_sent = !entry.sent;
        let key = self.queue.push_front(entry);
        if let (Some(latest), Some(topic), true) = (&mut self.latest, topic, never_sent) {
            latest.entry(topic).or_insert(key);
        }
        self.note(key);
        key
    }

    /// Queues what a store has kept, behind all others, admitted and charged.
    pub(crate) fn restore(&mut self, entry: Entry) -> Key {
        self.charge(entry.cost);
        let latest = self.latest.is_some().then(|| entry.publish.topic.clone());
        let key = self.queue.push_back(entry);
        if let (Some(latest), Some(topic)) = (&mut self.latest, latest) {
            latest.insert(topic, key);
        }
        key
    }

    /// Takes one out, admitted or not, wherever it is. One that is admitted stays charged.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Entry> {
        if self.waiting == Some(key) {
            self.waiting = self.queue.behind(key);
        }
        let entry = self.queue.remove(key)?;
        if let Some(journal) = &mut self.journal {
            journal.drop(entry.place);
        }
        if let Some(latest) = &mut self.latest
            && latest.get(&entry.publish.topic) == Some(&key)
        {
            latest.remove(&entry.publish.topic);
        }
        Some(entry)
    }

    /// The message of that topic that was never sent, where there is but one.
    pub(crate) fn latest(&self, topic: &TopicName) -> Option<Key> {
        self.latest.as_ref()?.get(topic).copied()
    }

    /// Puts an admitted message in the place of another one of its topic; the caller releases that one.
    pub(crate) fn replace(&mut self, key: Key, entry: Entry) -> Option<Entry> {
        let place = self.queue.get_mut(key)?;
        let cost = entry.cost;
        let replaced = std::mem::replace(place, entry);
        self.charge(cost);
        if let Some(journal) = &mut self.journal {
            journal.drop(replaced.place);
        }
        self.note(key);
        Some(replaced)
    }

    /// The oldest message that was never sent, but not that one.
    pub(crate) fn oldest_unsent(&self, but: Option<Key>) -> Option<Key> {
        let never_sent =
            |&key: &Key| Some(key) != but && self.queue.get(key).is_some_and(|entry| !entry.sent);
        self.queue.keys().find(never_sent)
    }

    /// A message is admitted without being queued.
    pub(crate) fn charge(&mut self, cost: usize) {
        self.used += Bounds::of_one(cost);
    }

    /// Lends others room for so many messages at most, and all of the bytes that are left. None if none is left, while messages
    /// wait here, or where more becomes of each: it is stored, or compared with those before it.
    pub(crate) fn lend(&mut self, messages: usize) -> Option<Bounds> {
        if self.waiting.is_some() || self.latest.is_some() || self.journal.is_some() {
            return None;
        }
        let free = |bound: usize, used: usize, lent: usize| bound.saturating_sub(used).saturating_sub(lent);
        let room = Bounds {
            messages: free(self.bounds.messages, self.used.messages, self.lent.messages).min(messages),
            bytes: free(self.bounds.bytes, self.used.bytes, self.lent.bytes),
        };
        if room.messages == 0 {
            return None;
        }
        self.lent += room;
        Some(room)
    }

    /// What is lent and not used yet, for all that is known.
    pub(crate) fn lent(&self) -> Bounds {
        self.lent
    }

    /// Messages were admitted to lent room.
    pub(crate) fn charge_lent(&mut self, admitted: Bounds) {
        self.used += admitted;
        self.lent -= admitted;
    }

    /// Nothing is lent any more.
    pub(crate) fn end_loan(&mut self) {
        self.lent = Bounds::NONE;
    }

    /// Queues an admitted and charged message behind the other admitted ones.
    pub(crate) fn insert_admitted(&mut self, entry: Entry) -> Key {
        match self.waiting {
            Some(waiting) => self.queue.insert_before(waiting, entry),
            None => self.queue.push_back(entry),
        }
    }

    /// A charged message has ended.
    pub(crate) fn release(&mut self, cost: usize) {
        self.release_all(Bounds::of_one(cost));
    }

    /// So many have.
    pub(crate) fn release_all(&mut self, ended: Bounds) {
        self.used -= ended;
    }

    /// Whether nothing is queued, admitted or not.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many are queued, admitted or not.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// All that is queued, in its order.
    pub(crate) fn keys(&self) -> Vec<Key> {
        self.queue.keys().collect()
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Entry> {
        self.queue.get(key)
    }

    /// Admitted messages and bytes that have not ended, in the session or before it.
    pub(crate) fn used(&self) -> Bounds {
        self.used
    }

    /// What this key names is for the store to keep, if it keeps such messages.
    fn note(&mut self, key: Key) {
        if let Some(journal) = &mut self.journal
            && let Some(entry) = self.queue.get(key)
            && entry.publish.qos != QoS::AtMostOnce
        {
            journal.keep(entry.place, key);
        }
    }

    fn fits(&self, cost: usize) -> bool {
        let [messages, bytes] = [self.used.messages + self.lent.messages, self.used.bytes + self.lent.bytes];
        messages == 0 || (messages < self.bounds.messages && bytes.saturating_add(cost) <= self.bounds.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::QoS;
    use crate::slots::Slots;

    fn outbox(messages: usize, bytes: usize) -> Outbox {
        Outbox::new(Bounds { messages, bytes }, false)
    }

    fn entry(payload: usize) -> Entry {
        let topic = TopicName::new("t").expect("a topic");
        let mut publish = Publish::new(topic, vec![0; payload]);
        publish.qos = QoS::AtLeastOnce;
        let tag = Slots::new().insert(());
        let cost = cost_of(payload);
        Entry::new(Owner::Slot(tag), cost, publish)
    }

    fn admit_all(outbox: &mut Outbox) -> usize {
        std::iter::from_fn(|| outbox.admit()).count()
    }

    fn pop(outbox: &mut Outbox) -> Option<usize> {
        outbox.pop().map(|entry| entry.publish.payload.len())
    }

    #[test]
    fn admits_up_to_either_bound_and_goes_on_when_one_ends() {
        let cost = entry(100).cost;
        for mut outbox in [outbox(3, usize::MAX), outbox(usize::MAX, 3 * cost)] {
            for _ in 0..5 {
                outbox.push(entry(100));
            }
            assert_eq!(admit_all(&mut outbox), 3);
            assert!(!outbox.has_room(0));
            assert!(outbox.pop().is_some(), "in the session now, and charged still");
            assert_eq!(admit_all(&mut outbox), 0);
            outbox.release(cost);
            assert_eq!(admit_all(&mut outbox), 1);
        }
    }

    #[test]
    fn no_more_is_lent_than_is_left() {
        let cost = entry(100).cost;
        let mut outbox = outbox(5, 10 * cost);
        outbox.push_admitted(entry(100));
        let lent = |outbox: &mut Outbox, wanted| outbox.lend(wanted).map(|room| (room.messages, room.bytes));
        assert_eq!(lent(&mut outbox, 3), Some((3, 9 * cost)));
        assert_eq!(lent(&mut outbox, 3), Some((1, 0)), "the bytes are gone");
        assert_eq!(lent(&mut outbox, 3), None);
        outbox.charge_lent(Bounds { messages: 4, bytes: 4 * cost });
        outbox.release(cost);
        assert_eq!(lent(&mut outbox, 3), Some((1, cost)));
        outbox.end_loan();
        assert_eq!((outbox.used().messages, outbox.has_room(6 * cost)), (4, true));
        assert!(!outbox.has_room(6 * cost + 1));
        outbox.push(entry(1000));
        assert_eq!(lent(&mut outbox, 3), None, "what waits comes first");
    }

    #[test]
    fn a_message_over_the_byte_bound_passes_alone() {
        let mut outbox = outbox(10, 1000);
        outbox.push(entry(5000));
        outbox.push(entry(1));
        assert_eq!(admit_all(&mut outbox), 1);
        assert!(!outbox.is_over());
    }

    #[test]
    fn one_that_is_taken_out_keeps_the_others_places() {
        let mut outbox = outbox(1, usize::MAX);
        let keys: Vec<Key> = (0..5).map(|size| outbox.push(entry(size))).collect();
        assert_eq!(admit_all(&mut outbox), 1);
        for key in [keys[2], keys[4], keys[1]] {
            assert!(outbox.remove(key).is_some());
            assert!(outbox.remove(key).is_none(), "once");
        }
        assert_eq!(pop(&mut outbox), Some(0));
        assert_eq!(pop(&mut outbox), None, "the next one waits for room");
        outbox.release(entry(0).cost);
        assert_eq!(admit_all(&mut outbox), 1);
        assert_eq!(pop(&mut outbox), Some(3));
        assert!(outbox.is_empty());
    }

    #[test]
    fn what_is_put_back_goes_first_and_waits_for_nothing() {
        let mut outbox = outbox(2, usize::MAX);
        for size in 0..3 {
            outbox.push(entry(size));
        }
        admit_all(&mut outbox);
        let front = outbox.pop().expect("admitted");
        outbox.push_front(front);
        assert_eq!([pop(&mut outbox), pop(&mut outbox), pop(&mut outbox)], [Some(0), Some(1), None]);
    }
}
