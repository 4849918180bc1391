//! Publishes on their way to the session: admitted within the bounds, or waiting for admission.

use std::collections::VecDeque;

use crate::codec::Publish;
use crate::slots::Tag;

/// What a queued message costs besides its packet's bytes: a floor under the byte bound for empty payloads.
const OVERHEAD: usize = 128;

/// What a publish of this encoded length takes of the byte bound.
pub(crate) fn cost_of(encoded_len: usize) -> usize {
    OVERHEAD + encoded_len
}

/// How much may be on its way at once: admitted and not ended yet, queued and in flight alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

/// First come, first served: one queue, of which a prefix is admitted and the rest waits for room.
#[derive(Debug)]
pub(crate) struct Outbox {
    bounds: Bounds,
    /// `None` where a waiting publish was cancelled before its turn.
    queue: VecDeque<Option<Entry>>,
    /// How many at the front of `queue` are admitted.
    admitted: usize,
    /// The number that `queue`'s front has among all entries ever queued.
    first: u64,
    /// Of all that is admitted and has not ended.
    used: Bounds,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) tag: Tag,
    /// What it takes of the byte bound.
    pub(crate) cost: usize,
    pub(crate) publish: Publish,
}

impl Outbox {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Outbox {
            bounds,
            queue: VecDeque::new(),
            admitted: 0,
            first: 0,
            used: Bounds { messages: 0, bytes: 0 },
        }
    }

    /// Whether a publish of this cost would be admitted at once. One message always fits into an empty outbox.
    pub(crate) fn has_room(&self, cost: usize) -> bool {
        self.admitted == self.queue.len() && self.fits(cost)
    }

    /// Queues a publish behind all others; it is admitted when [`admit`](Self::admit) says so. The number is what
    /// [`cancel`](Self::cancel) takes.
    pub(crate) fn push(&mut self, entry: Entry) -> u64 {
        self.queue.push_back(Some(entry));
        self.first.wrapping_add(self.queue.len() as u64 - 1)
    }

    /// Admits the next one that waits, if there is room for it.
    pub(crate) fn admit(&mut self) -> Option<Tag> {
        while let Some(slot) = self.queue.get(self.admitted) {
            let admitted = match slot {
                None => None, // Cancelled: it stays as a gap, so that the numbers of the others hold.
                Some(entry) if !self.fits(entry.cost) => return None,
                Some(entry) => Some((entry.tag, entry.cost)),
            };
            self.admitted += 1;
            if let Some((tag, cost)) = admitted {
                self.charge(cost);
                return Some(tag);
            }
        }
        None
    }

    /// Takes the front one of the admitted off, to hand it to the session. It stays charged until
    /// [`release`](Self::release).
    pub(crate) fn pop(&mut self) -> Option<Entry> {
        while self.admitted > 0 {
            self.admitted -= 1;
            self.first = self.first.wrapping_add(1);
            if let Some(entry) = self.queue.pop_front().flatten() {
                return Some(entry);
            }
        }
        None
    }

    /// Puts back what was charged before, in front of everything: a refusal by the session, or a lost session.
    pub(crate) fn push_front(&mut self, entry: Entry) {
        self.queue.push_front(Some(entry));
        self.admitted += 1;
        self.first = self.first.wrapping_sub(1);
    }

    /// Charges for a message that goes to the session past the queue.
    pub(crate) fn charge(&mut self, cost: usize) {
        self.used.messages += 1;
        self.used.bytes += cost;
    }

    /// A charged message has ended.
    pub(crate) fn release(&mut self, cost: usize) {
        self.used.messages -= 1;
        self.used.bytes -= cost;
    }

    /// Takes back one that has not been admitted, by the number it got when it was queued.
    pub(crate) fn cancel(&mut self, number: u64) -> Option<Entry> {
        let at = usize::try_from(number.wrapping_sub(self.first)).ok()?;
        let cancelled = self.queue.get_mut(at)?.take();
        while self.queue.back().is_some_and(Option::is_none) {
            self.queue.pop_back();
        }
        cancelled
    }

    /// Empties the queue, the waiting ones included: nothing more will be sent.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Entry> {
        self.admitted = 0;
        self.first = self.first.wrapping_add(self.queue.len() as u64);
        std::mem::take(&mut self.queue).into_iter().flatten()
    }

    /// Whether nothing is queued, admitted or not.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Admitted messages and bytes that have not ended, in the session or before it.
    pub(crate) fn used(&self) -> Bounds {
        self.used
    }

    fn fits(&self, cost: usize) -> bool {
        self.used.messages == 0
            || (self.used.messages < self.bounds.messages
                && self.used.bytes.saturating_add(cost) <= self.bounds.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{QoS, TopicName};
    use crate::slots::Slots;

    fn outbox(messages: usize, bytes: usize) -> Outbox {
        Outbox::new(Bounds { messages, bytes })
    }

    fn entry(payload: usize) -> Entry {
        let topic = TopicName::new("t").expect("a topic");
        let mut publish = Publish::new(topic, vec![0; payload]);
        publish.qos = QoS::AtLeastOnce;
        let tag = Slots::new().insert(());
        let cost = cost_of(payload);
        Entry { tag, cost, publish }
    }

    fn admit_all(outbox: &mut Outbox) -> usize {
        std::iter::from_fn(|| outbox.admit()).count()
    }

    #[test]
    fn admits_up_to_either_bound_and_goes_on_when_one_ends() {
        let cost = entry(100).cost;
        for mut outbox in [outbox(3, usize::MAX), outbox(usize::MAX, 3 * cost)] {
            let numbers: Vec<u64> = (0..5).map(|_| outbox.push(entry(100))).collect();
            assert_eq!(numbers, [0, 1, 2, 3, 4]);
            assert_eq!(admit_all(&mut outbox), 3);
            assert!(!outbox.has_room(0));
            assert!(outbox.pop().is_some(), "in the session now, and charged still");
            assert_eq!(admit_all(&mut outbox), 0);
            outbox.release(cost);
            assert_eq!(admit_all(&mut outbox), 1);
        }
    }

    #[test]
    fn a_message_over_the_byte_bound_passes_alone() {
        let mut outbox = outbox(10, 1000);
        outbox.push(entry(5000));
        outbox.push(entry(1));
        assert_eq!(admit_all(&mut outbox), 1);
    }

    #[test]
    fn a_cancelled_one_frees_its_memory_and_keeps_the_others_places() {
        let mut outbox = outbox(1, usize::MAX);
        let numbers: Vec<u64> = (0..5).map(|size| outbox.push(entry(size))).collect();
        assert_eq!(admit_all(&mut outbox), 1);
        for number in [numbers[2], numbers[4], numbers[3]] {
            assert!(outbox.cancel(number).is_some());
            assert!(outbox.cancel(number).is_none(), "once");
        }
        assert_eq!(outbox.queue.len(), 2, "gaps at the end are gone");
        let sent = outbox.pop().map(|entry| entry.publish.payload.len());
        outbox.release(entry(0).cost);
        assert_eq!((sent, admit_all(&mut outbox)), (Some(0), 1));
        assert_eq!(outbox.pop().map(|entry| entry.publish.payload.len()), Some(1));
        assert!(outbox.pop().is_none());
    }

    #[test]
    fn what_is_put_back_goes_first() {
        let mut outbox = outbox(9, usize::MAX);
        let last = (0..3).map(|size| outbox.push(entry(size))).last();
        admit_all(&mut outbox);
        let front = outbox.pop();
        front.into_iter().for_each(|entry| outbox.push_front(entry));
        let sizes: Vec<_> =
            std::iter::from_fn(|| outbox.pop()).map(|entry| entry.publish.payload.len()).collect();
        assert_eq!(sizes, [0, 1, 2]);
        assert!(last.is_some_and(|number| outbox.cancel(number).is_none()), "admitted and sent: too late");
    }
}
