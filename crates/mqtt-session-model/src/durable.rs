//! [`Durable`]: a value, and the copy of it that a store has.

use std::ops::{Deref, DerefMut};

/// A value of which a store has an older copy. Without a store it is as if it had all at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durable<T> {
    value: T,
    has_store: bool,
    has_failed: bool,
    stored: T,
    writing: Option<T>,
}

impl<T: Clone + Default> Durable<T> {
    pub(crate) fn new(has_store: bool) -> Self {
        Self { has_store, ..Self::default() }
    }

    /// What the store has.
    pub(crate) fn stored(&self) -> &T {
        if self.has_store { &self.stored } else { &self.value }
    }

    /// What the store was given, and may have.
    pub(crate) fn writing(&self) -> Option<&T> {
        self.writing.as_ref()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// The store is given what there is now.
    pub(crate) fn hand_out(&mut self) {
        self.writing = Some(self.value.clone());
    }

    /// The store has what it was given.
    pub(crate) fn commit(&mut self) {
        self.stored = self.writing.take().expect("something is being written");
    }

    /// The store has lost what it was given, and keeps nothing any more.
    pub(crate) fn fail(&mut self) {
        (self.writing, self.has_failed) = (None, true);
    }

    /// The process dies, and another one goes on from the store if there is one: with what was being `written`, or with
    /// what was there before.
    pub(crate) fn restart(&mut self, written: bool) {
        let written = self.writing.take().filter(|_| written);
        if self.has_store {
            self.value = written.unwrap_or_else(|| self.stored.clone());
        }
        (self.stored, self.has_failed) = (self.value.clone(), false);
    }
}

impl<T> Deref for Durable<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Durable<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}
