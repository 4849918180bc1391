//! Generational slots: a number given to the session comes back with its news, and a stale one finds nothing.

use slab::Slab;

/// What the session echoes: a slot, and how often it had been used before.
pub(crate) type Tag = crate::session::Tag;

/// The tag of what nobody waits for: no slot ever has it.
pub(crate) const NOBODY: Tag = 0;

/// A slab whose keys are never valid again once their value is gone.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Slab<(u32, T)>,
    generation: u32,
}

impl<T> Slots<T> {
    pub(crate) fn new() -> Self {
        Slots { slots: Slab::new(), generation: 0 }
    }

    pub(crate) fn insert(&mut self, value: T) -> Tag {
        self.generation = self.generation.wrapping_add(1);
        let index = self.slots.insert((self.generation, value));
        join(index, self.generation)
    }

    pub(crate) fn get(&self, tag: Tag) -> Option<&T> {
        let (index, generation) = split(tag);
        self.slots.get(index).filter(|slot| slot.0 == generation).map(|slot| &slot.1)
    }

    pub(crate) fn get_mut(&mut self, tag: Tag) -> Option<&mut T> {
        let (index, generation) = split(tag);
        self.slots.get_mut(index).filter(|slot| slot.0 == generation).map(|slot| &mut slot.1)
    }

    pub(crate) fn remove(&mut self, tag: Tag) -> Option<T> {
        self.get_mut(tag)?;
        Some(self.slots.remove(split(tag).0).1)
    }

    /// Keeps the slot for another value, to be made of the one that is gone. The former tag finds nothing any more.
    pub(crate) fn renew(&mut self, tag: Tag) -> Option<(Tag, &mut T)> {
        let (index, generation) = split(tag);
        let slot = self.slots.get_mut(index).filter(|slot| slot.0 == generation)?;
        self.generation = self.generation.wrapping_add(1);
        slot.0 = self.generation;
        Some((join(index, slot.0), &mut slot.1))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Tag, &T)> {
        self.slots.iter().map(|(index, slot)| (join(index, slot.0), &slot.1))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (Tag, &mut T)> {
        self.slots.iter_mut().map(|(index, slot)| (join(index, slot.0), &mut slot.1))
    }
}

fn join(index: usize, generation: u32) -> Tag {
    Tag::from(generation) << 32 | index as Tag
}

fn split(tag: Tag) -> (usize, u32) {
    ((tag & 0xffff_ffff) as usize, (tag >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_tag_finds_nothing_although_its_slot_is_in_use_again() {
        let mut slots = Slots::new();
        let first = slots.insert('a');
        assert_eq!(slots.remove(first), Some('a'));
        let second = slots.insert('b');
        assert_eq!(split(first).0, split(second).0);
        assert_eq!((slots.get_mut(first).copied(), slots.remove(first)), (None, None));
        assert_eq!(slots.get_mut(second).copied(), Some('b'));
        assert_eq!(slots.iter_mut().map(|(tag, _)| tag).collect::<Vec<_>>(), [second]);
        let third = slots.renew(second).map(|(tag, value)| {
            *value = 'c';
            tag
        });
        assert!(slots.get(second).is_none() && slots.renew(first).is_none());
        assert_eq!(third.and_then(|third| slots.remove(third)), Some('c'));
    }
}
