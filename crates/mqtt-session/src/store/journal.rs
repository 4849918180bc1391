//! [`Journal`]: which records have changed, and how far the store has come.

use alloc::vec::Vec;

use super::Key;

/// The number of a batch of operations; counts up from 1. Everything that is kept names the batch that it relies on;
/// 0 relies on nothing.
pub(crate) type Batch = u64;

/// The changes that a store has yet to hear of, in batches: one is with the store while the next one gathers. A record
/// that changes more than once meanwhile is written once.
///
/// Without [`Config::durable`](crate::Config::durable) nothing gathers, and everything counts as stored.
#[derive(Debug)]
pub(crate) struct Journal {
    durable: bool,
    failed: bool,
    /// The records that have changed since the last batch was handed out.
    touched: Vec<Key>,
    /// The batch that gathers.
    gathering: Batch,
    /// The last batch that the store has.
    stored: Batch,
}

impl Journal {
    pub(crate) const fn new(durable: bool) -> Self {
        Self { durable, failed: false, touched: Vec::new(), gathering: 1, stored: 0 }
    }

    /// A record has come, changed or gone: the batch that will say so.
    #[inline(always)]
    pub(crate) fn touch(&mut self, key: Key) -> Batch {
        if self.durable { self.gather(key) } else { 0 }
    }

    /// Whether changes are to be stored before anything that relies on them.
    #[inline]
    pub(crate) fn is_durable(&self) -> bool {
        self.durable
    }

    #[inline(never)]
    fn gather(&mut self, key: Key) -> Batch {
        // A store that has failed gets no batch any more.
        if !self.failed {
            self.touched.push(key);
        }
        self.gathering
    }

    /// Whether the store has all that relies on `batch`.
    #[inline]
    pub(crate) fn is_stored(&self, batch: Batch) -> bool {
        batch <= self.stored
    }

    /// The batch that has the latest of all changes. Of a store that has failed it is one that will never come: what it
    /// was not told is not counted any more.
    #[inline]
    pub(crate) fn latest(&self) -> Batch {
        if self.touched.is_empty() && !self.failed { self.handed_out() } else { self.gathering }
    }

    /// The last batch that was handed out.
    #[inline]
    pub(crate) fn handed_out(&self) -> Batch {
        self.gathering - 1
    }

    /// Whether a batch gathers.
    #[inline]
    pub(crate) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    #[inline]
    pub(crate) fn has_failed(&self) -> bool {
        self.failed
    }

    /// The number of the next batch, if there is one and the store has the one before. Its records are to be
    /// [taken](Self::take_touched).
    pub(crate) fn next_batch(&mut self) -> Option<Batch> {
        if self.failed || self.touched.is_empty() || self.handed_out() > self.stored {
            return None;
        }
        self.gathering += 1;
        Some(self.handed_out())
    }

    /// The records of the batch that was just begun, in the order in which they first changed; perhaps some of them
    /// more than once.
    pub(crate) fn take_touched(&mut self) -> impl Iterator<Item = Key> + '_ {
        self.touched.drain(..)
    }

    /// The store has a batch. False if that is no news, or comes too late.
    pub(crate) fn store(&mut self, batch: Batch) -> bool {
        let is_news = !self.failed && self.stored < batch && batch <= self.handed_out();
        if is_news {
            self.stored = batch;
        }
        is_news
    }

    /// The store has lost a batch, and with it whatever would rely on it.
    pub(crate) fn fail(&mut self) {
        self.failed = self.durable;
        self.touched = Vec::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand_out(journal: &mut Journal) -> Option<(Batch, Vec<Key>)> {
        journal.next_batch().map(|batch| (batch, journal.take_touched().collect()))
    }

    #[test]
    fn one_batch_is_out_while_the_next_one_gathers() {
        let mut journal = Journal::new(true);
        assert_eq!(hand_out(&mut journal), None);
        assert!(journal.is_stored(journal.latest()));
        assert_eq!(journal.touch(Key::Session), 1);
        assert!(!journal.store(1), "it was not handed out");
        assert_eq!(hand_out(&mut journal), Some((1, [Key::Session].into())));
        assert_eq!(journal.touch(Key::Session), 2);
        assert_eq!(hand_out(&mut journal), None);
        assert!(!journal.is_stored(1));
        assert!(journal.store(1));
        assert!(journal.is_stored(1) && !journal.is_stored(2));
        assert!(!journal.store(1), "no news");
        assert_eq!(hand_out(&mut journal), Some((2, [Key::Session].into())));
    }

    #[test]
    fn a_failure_stays() {
        let mut journal = Journal::new(true);
        journal.touch(Key::Session);
        hand_out(&mut journal);
        journal.fail();
        assert!(!journal.store(1));
        let batch = journal.touch(Key::Session);
        assert!(!journal.is_stored(batch) && !journal.is_stored(journal.latest()));
        assert_eq!(hand_out(&mut journal), None);
    }

    #[test]
    fn nothing_gathers_without_a_store() {
        let mut journal = Journal::new(false);
        let batch = journal.touch(Key::Session);
        assert!(journal.is_stored(batch));
        assert_eq!(hand_out(&mut journal), None);
        journal.fail();
        assert!(!journal.has_failed());
    }
}
