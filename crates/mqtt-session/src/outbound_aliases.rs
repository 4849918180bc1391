//! [`OutboundAliases`]: which topics the server knows by an alias (5.0 section 3.3.2.3.4).
//!
//! The aliases of one connection, given out while there are some, then taken from the topic that was used least
//! recently. That topic has to have been idle for a while: where more topics than aliases take turns, an alias that
//! changed hands with each of them would only cost, and so some of the topics have aliases and the others none.
//!
//! A look-up costs the same however many aliases there are: a hash, and a bounded number of comparisons. The hash is
//! always the same function, so that nothing depends on chance; topics that collide too often have no alias.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU16;

/// The shortest topic, in bytes, for which an alias saves bytes as soon as the topic is used again: the alias takes
/// three of them each time.
const MIN_TOPIC: usize = 7;

/// How many places a topic has in the index.
const PLACES: usize = 8;

/// No entry.
const NONE: u16 = u16::MAX;

/// How a publish is to name its topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// By the name alone.
    Name,
    /// By the name, and with an alias that stands for it from now on.
    Set(NonZeroU16),
    /// By an alias alone.
    Alias(NonZeroU16),
}

/// The aliases of one connection.
#[derive(Debug)]
pub(crate) struct OutboundAliases {
    /// The highest alias.
    maximum: u16,
    /// Alias n is the entry n - 1.
    entries: Vec<Entry>,
    /// The number of an entry at one of the places for its topic. What does not point back is out of date.
    index: Vec<u16>,
    /// The ends of the list in the order of use.
    newest: u16,
    oldest: u16,
    /// Counts the publishes that an alias would be of use to.
    uses: u64,
}

#[derive(Debug)]
struct Entry {
    /// A copy, which pins no buffer of the caller's.
    topic: Box<[u8]>,
    place: usize,
    last_use: u64,
    newer: u16,
    older: u16,
}

impl OutboundAliases {
    pub(crate) const fn new(maximum: u16) -> Self {
        Self { maximum, entries: Vec::new(), index: Vec::new(), newest: NONE, oldest: NONE, uses: 0 }
    }

    /// How the next publish on this connection is to name its topic. It has to be sent just so. `may_set` says whether
    /// it may grow by an alias beside its name.
    #[inline]
    pub(crate) fn choose(&mut self, topic: &[u8], may_set: impl FnOnce(NonZeroU16) -> bool) -> Naming {
        if self.maximum == 0 || topic.len() < MIN_TOPIC {
            return Naming::Name;
        }
        self.uses += 1;
        if let Some(newest) = self.entries.get_mut(usize::from(self.newest))
            && *newest.topic == *topic
        {
            newest.last_use = self.uses;
            return alias(self.newest).map_or(Naming::Name, Naming::Alias);
        }
        self.choose_anew(topic, may_set)
    }

    /// The same for a topic that is not the last one.
    fn choose_anew(&mut self, topic: &[u8], may_set: impl FnOnce(NonZeroU16) -> bool) -> Naming {
        if self.index.is_empty() {
            self.index = vec![NONE; (2 * usize::from(self.maximum)).next_power_of_two().max(PLACES)];
        }
        let places = places(topic, self.index.len());
        if let Some(number) = self.find(topic, places.clone()) {
            self.unlink(number);
            self.link(number);
            return alias(number).map_or(Naming::Name, Naming::Alias);
        }
        let free =
            places.clone().find(|place| self.entry_at(*place).is_none_or(|entry| entry.place != *place));
        if let (Some(place), Some(number)) = (free, self.vacancy())
            && let Some(alias) = alias(number)
            && may_set(alias)
        {
            self.assign(number, topic, place);
            return Naming::Set(alias);
        }
        Naming::Name
    }

    fn find(&self, topic: &[u8], mut places: impl Iterator<Item = usize>) -> Option<u16> {
        let place = places.find(|place| self.entry_at(*place).is_some_and(|entry| *entry.topic == *topic))?;
        Some(self.index[place])
    }

    fn entry_at(&self, place: usize) -> Option<&Entry> {
        self.entries.get(usize::from(self.index[place]))
    }

    /// The entry that a new topic can have: one that was never used, or the one that was idle the longest.
    fn vacancy(&self) -> Option<u16> {
        let count = u16::try_from(self.entries.len()).ok()?;
        if count < self.maximum {
            return Some(count);
        }
        let idle = self.uses - self.entries.get(usize::from(self.oldest))?.last_use;
        (idle > 2 * u64::from(self.maximum)).then_some(self.oldest)
    }

    fn assign(&mut self, number: u16, topic: &[u8], place: usize) {
        let entry = Entry { topic: topic.into(), place, last_use: 0, newer: NONE, older: NONE };
        if usize::from(number) < self.entries.len() {
            self.unlink(number);
            self.entries[usize::from(number)] = entry;
        } else {
            self.entries.push(entry);
        }
        self.index[place] = number;
        self.link(number);
    }

    /// Takes an entry out of the order of use.
    fn unlink(&mut self, number: u16) {
        let Entry { newer, older, .. } = self.entries[usize::from(number)];
        match self.entries.get_mut(usize::from(newer)) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match self.entries.get_mut(usize::from(older)) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// Puts an entry at the new end of the order of use.
    fn link(&mut self, number: u16) {
        let older = core::mem::replace(&mut self.newest, number);
        match self.entries.get_mut(usize::from(older)) {
            Some(older) => older.newer = number,
            None => self.oldest = number,
        }
        let entry = &mut self.entries[usize::from(number)];
        (entry.newer, entry.older, entry.last_use) = (NONE, older, self.uses);
    }
}

/// The alias of an entry.
#[inline]
fn alias(number: u16) -> Option<NonZeroU16> {
    NonZeroU16::MIN.checked_add(number)
}

/// Where in an index of so many places, a power of two, a topic can be.
fn places(topic: &[u8], len: usize) -> impl Iterator<Item = usize> + Clone {
    let first = hash(topic) as usize;
    (0..PLACES).map(move |n| first.wrapping_add(n) & (len - 1))
}

/// Multiplies and rotates, eight bytes at a time.
fn hash(topic: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, rest) = topic.as_chunks();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let hash = words.iter().chain([&last]).fold(topic.len() as u64, |hash, word| {
        (hash.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR)
    });
    hash >> 32
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::format;
    use alloc::string::String;

    use super::*;

    fn set(alias: u16) -> Naming {
        Naming::Set(NonZeroU16::new(alias).unwrap())
    }

    fn known(alias: u16) -> Naming {
        Naming::Alias(NonZeroU16::new(alias).unwrap())
    }

    fn check(maximum: u16, publishes: &[(&str, Naming)]) {
        let mut aliases = OutboundAliases::new(maximum);
        for (number, (topic, expected)) in publishes.iter().enumerate() {
            assert_eq!(aliases.choose(topic.as_bytes(), |_| true), *expected, "publish {number}, {topic}");
        }
    }

    #[test]
    fn a_topic_is_named_once() {
        check(2, &[("topic/a", set(1)), ("topic/a", known(1)), ("topic/b", set(2)), ("topic/a", known(1))]);
        check(0, &[("topic/a", Naming::Name), ("topic/a", Naming::Name)]);
    }

    #[test]
    fn a_topic_that_is_hardly_longer_than_an_alias_has_none() {
        check(2, &[("topic1", Naming::Name), ("topic1", Naming::Name), ("topic12", set(1))]);
    }

    #[test]
    fn the_topic_that_was_used_least_recently_loses_its_alias() {
        let mut publishes = vec![("topic/a", set(1)), ("topic/b", set(2)), ("topic/a", known(1))];
        publishes.extend([("topic/c", Naming::Name); 3]);
        publishes.extend([
            ("topic/c", set(2)),
            ("topic/c", known(2)),
            ("topic/b", set(1)),
            ("topic/c", known(2)),
        ]);
        check(2, &publishes);
    }

    #[test]
    fn topics_in_rotation_do_not_take_each_others_aliases_away() {
        let mut publishes = vec![("topic/a", set(1)), ("topic/b", set(2)), ("topic/c", Naming::Name)];
        for _ in 0..10 {
            publishes.extend([("topic/a", known(1)), ("topic/b", known(2)), ("topic/c", Naming::Name)]);
        }
        check(2, &publishes);
    }

    #[test]
    fn an_alias_that_may_not_be_set_is_not() {
        let mut aliases = OutboundAliases::new(1);
        assert_eq!(aliases.choose(b"topic/a", |_| false), Naming::Name);
        assert_eq!(aliases.choose(b"topic/a", |_| true), set(1));
        assert_eq!(aliases.choose(b"topic/a", |_| unreachable!("it is set")), known(1));
    }

    // A receiver that does as 3.3.2.3.4 says always knows the topic.
    #[test]
    fn the_receiver_is_never_misled() {
        for (maximum, topics) in
            [(1, 3), (2, 2), (10, 9), (10, 11), (100, 1_000), (u16::MAX, 1_000), (3, 100)]
        {
            let mut aliases = OutboundAliases::new(maximum);
            let mut receiver: BTreeMap<NonZeroU16, String> = BTreeMap::new();
            let mut random = 1_u64;
            let (mut known, mut steps) = (0, 0);
            for step in 0..50_000_u64 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                // The favourites change as time goes by.
                let topic = format!("some/topic/{}", (random >> 40) % topics + step / 10_000);
                match aliases.choose(topic.as_bytes(), |alias| alias.get() <= maximum) {
                    Naming::Name => {}
                    Naming::Set(alias) => {
                        assert_ne!(receiver.insert(alias, topic.clone()), Some(topic), "it was set already");
                    }
                    Naming::Alias(alias) => {
                        assert_eq!(receiver.get(&alias), Some(&topic));
                        known += 1;
                    }
                }
                steps += 1;
            }
            assert!(known * topics * 2 > steps * u64::from(maximum).min(topics), "{known} with {maximum}");
        }
    }
}
