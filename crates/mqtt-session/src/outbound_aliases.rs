//! [`OutboundAliases`]: which topics the server knows by an alias (5.0 section 3.3.2.3.4).
//!
//! The aliases of one connection, given out while there are some, then taken from the topic that was used least
//! recently, but not every time: where more topics than aliases take turns, an alias that changed hands with each of them
//! would only cost. As it is, most of the topics that have one keep it, and the others go out by name.
//!
//! A look-up costs the same however many aliases there are: a hash, and a bounded number of comparisons. The hash is
//! always the same function, so that nothing depends on chance; topics that collide too often have no alias.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::num::NonZeroU16;

/// The shortest topic that has an alias, in bytes. An alias takes three of them each time, so that it pays with the first
/// repetition from 7 on; and from 8 on the hash reads whole words.
const MIN_TOPIC: usize = size_of::<u64>();

/// When all aliases are given out, every so many publishes without one, the least recently used alias passes on. Setting it
/// costs three bytes, so that a useless one costs a fraction of a byte for each publish.
const PATIENCE: u32 = 8;

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
    /// The publishes that found all aliases given out, since one passed on.
    missed: u32,
}

#[derive(Debug)]
struct Entry {
    /// A copy, which pins no buffer of the caller's.
    topic: Box<[u8]>,
    place: usize,
    newer: u16,
    older: u16,
}

impl OutboundAliases {
    pub(crate) const fn new(maximum: u16) -> Self {
        Self { maximum, entries: Vec::new(), index: Vec::new(), newest: NONE, oldest: NONE, missed: 0 }
    }

    /// Whether there are any.
    #[inline]
    pub(crate) fn are_allowed(&self) -> bool {
        self.maximum > 0
    }

    /// How the next publish on this connection is to name its topic. It has to be sent just so. `may_set` says whether
    /// it may grow by an alias beside its name.
    #[inline]
    pub(crate) fn choose(&mut self, topic: &[u8], may_set: impl FnOnce(NonZeroU16) -> bool) -> Naming {
        if self.maximum == 0 || topic.len() < MIN_TOPIC {
            return Naming::Name;
        }
        if self.entries.get(usize::from(self.newest)).is_some_and(|newest| *newest.topic == *topic) {
            return alias(self.newest).map_or(Naming::Name, Naming::Alias);
        }
        self.choose_anew(topic, may_set)
    }

    /// The same for a topic that is not the last one.
    #[inline(never)]
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

    /// The entry that a new topic can have: one that was never used, or, now and then, the least recently used.
    fn vacancy(&mut self) -> Option<u16> {
        let count = u16::try_from(self.entries.len()).ok()?;
        if count < self.maximum {
            return Some(count);
        }
        self.missed = self.missed % PATIENCE + 1;
        (self.missed == PATIENCE).then_some(self.oldest)
    }

    fn assign(&mut self, number: u16, topic: &[u8], place: usize) {
        let entry = Entry { topic: topic.into(), place, newer: NONE, older: NONE };
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
        (entry.newer, entry.older) = (NONE, older);
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

/// Multiplies and rotates, eight bytes at a time; the last ones overlap with those before. The topic has eight at least.
fn hash(topic: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let (words, _) = topic.as_chunks();
    let hash = words.iter().chain(topic.last_chunk()).fold(topic.len() as u64, |hash, word| {
        (hash.rotate_left(5) ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR)
    });
    // A product's upper bits depend on all of the word's, its lower ones on few.
    (hash ^ hash >> 32).wrapping_mul(FACTOR) >> 32
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
        check(
            2,
            &[("topics/a", set(1)), ("topics/a", known(1)), ("topics/b", set(2)), ("topics/a", known(1))],
        );
        check(0, &[("topics/a", Naming::Name), ("topics/a", Naming::Name)]);
    }

    #[test]
    fn a_topic_that_is_hardly_longer_than_an_alias_has_none() {
        check(2, &[("topic/7", Naming::Name), ("topic/7", Naming::Name), ("topics/8", set(1))]);
    }

    #[test]
    fn the_topic_that_was_used_least_recently_loses_its_alias() {
        let mut publishes = vec![("topics/a", set(1)), ("topics/b", set(2)), ("topics/a", known(1))];
        publishes.extend([("topics/c", Naming::Name); 7]);
        publishes.extend([("topics/c", set(2)), ("topics/a", known(1)), ("topics/c", known(2))]);
        publishes.extend([("topics/b", Naming::Name); 7]);
        publishes.extend([("topics/b", set(1)), ("topics/c", known(2)), ("topics/b", known(1))]);
        check(2, &publishes);
    }

    #[test]
    fn topics_that_differ_in_one_character_do_not_collide() {
        for at in 0..24 {
            let mut topic = *b"a/topic/of/24/characters";
            let mut firsts: Vec<_> = (0..64)
                .map(|n| {
                    topic[at] = b'0' + n;
                    places(&topic, 1024).next()
                })
                .collect();
            firsts.sort_unstable();
            firsts.dedup();
            assert!(firsts.len() > 56, "{} places for 64 topics that differ at {at}", firsts.len());
        }
    }

    #[test]
    fn more_topics_than_aliases_in_rotation_still_profit() {
        for topics in [17, 20, 40, 100] {
            let mut aliases = OutboundAliases::new(16);
            let (mut set, mut known) = (0_u64, 0);
            for _ in 0..1_000 {
                for topic in 0..topics {
                    match aliases.choose(format!("some/topic/{topic}").as_bytes(), |_| true) {
                        Naming::Name => {}
                        Naming::Set(_) => set += 1,
                        Naming::Alias(_) => known += 1,
                    }
                }
            }
            assert!(known > 4_000 && set * 8 <= 1_000 * topics, "{topics} topics: {known} known, {set} set");
        }
    }

    #[test]
    fn an_alias_that_may_not_be_set_is_not() {
        let mut aliases = OutboundAliases::new(1);
        assert_eq!(aliases.choose(b"topics/a", |_| false), Naming::Name);
        assert_eq!(aliases.choose(b"topics/a", |_| true), set(1));
        assert_eq!(aliases.choose(b"topics/a", |_| unreachable!("it is set")), known(1));
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
