//! [`Journal`]: which numbered things have changed since the store last heard of them.

use std::collections::{BTreeMap, BTreeSet};

use super::Operation;

/// The changes of one kind that a store has yet to hear of. What comes and goes between two batches is never told.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    /// By number: where to find it now, if it is still there.
    changed: BTreeMap<u64, Option<usize>>,
    /// What the store has, or is being given.
    stored: BTreeSet<u64>,
}

impl Journal {
    /// The store has these.
    pub(crate) fn restored(numbers: impl IntoIterator<Item = u64>) -> Self {
        Journal { changed: BTreeMap::new(), stored: numbers.into_iter().collect() }
    }

    /// One has come or changed; where to find it.
    pub(crate) fn keep(&mut self, number: u64, key: usize) {
        self.changed.insert(number, Some(key));
    }

    /// One has gone.
    pub(crate) fn drop(&mut self, number: u64) {
        if self.stored.contains(&number) {
            self.changed.insert(number, None);
        } else {
            self.changed.remove(&number);
        }
    }

    /// Whether the store knows all.
    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty()
    }

    /// Whether the store may have it.
    pub(crate) fn may_be_stored(&self, number: u64) -> bool {
        self.stored.contains(&number)
    }

    /// Appends all changes, for the store.
    pub(crate) fn take(
        &mut self,
        batch: &mut Vec<Operation>,
        put: impl Fn(u64, usize) -> Option<Operation>,
        delete: impl Fn(u64) -> Operation,
    ) {
        for (number, key) in std::mem::take(&mut self.changed) {
            match key.and_then(|key| put(number, key)) {
                Some(operation) => {
                    self.stored.insert(number);
                    batch.push(operation);
                }
                None => {
                    self.stored.remove(&number);
                    batch.push(delete(number));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(journal: &mut Journal) -> Vec<String> {
        let mut batch = Vec::new();
        journal.take(&mut batch, |number, _| Some(Operation::Unqueue(number)), |_| Operation::Forget(0));
        batch.iter().map(|operation| format!("{operation:?}")).collect()
    }

    #[test]
    fn what_comes_and_goes_meanwhile_is_not_told() {
        let mut journal = Journal::restored([1]);
        journal.keep(2, 0);
        journal.keep(3, 0);
        journal.drop(2);
        assert!(journal.may_be_stored(1) && !journal.may_be_stored(3));
        assert_eq!(take(&mut journal), ["Unqueue(3)"]);
        assert!(journal.may_be_stored(3) && journal.is_empty());
        journal.drop(1);
        journal.drop(3);
        journal.keep(3, 0);
        assert_eq!(take(&mut journal), ["Forget(0)", "Unqueue(3)"], "1 goes, 3 has come again");
        assert_eq!(take(&mut journal), [""; 0]);
    }
}
