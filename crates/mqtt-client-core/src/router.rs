//! From a topic to the subscriptions that match it: a trie over topic levels.
//!
//! Looking a topic up costs its depth, not the number of filters.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Looked up, never iterated: the order of its entries is nowhere visible, and its hasher has a fixed key. The keys are the
/// application's own filters; nobody else can choose them so that they collide.
type Children = HashMap<Box<[u8]>, Node, BuildHasherDefault<LevelHasher>>;

/// Folds words of eight bytes by multiplication: a topic level is one or two of them.
#[derive(Debug, Default)]
struct LevelHasher(u64);

impl LevelHasher {
    /// Any odd number with its bits well mixed; this one is 2^64 divided by the golden ratio.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    fn fold(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(Self::FACTOR);
    }
}

impl Hasher for LevelHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks();
        words.iter().for_each(|word| self.fold(u64::from_le_bytes(*word)));
        if !rest.is_empty() {
            self.fold(rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    /// The length of the level, which is hashed before it.
    fn write_usize(&mut self, length: usize) {
        self.fold(length as u64);
    }

    /// The product's high bits depend on all of the input, its low ones do not: a table looks at both.
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// A set of (filter, value) pairs, found by topic. Filters are given as their levels, without a `$share` prefix.
#[derive(Debug)]
pub(crate) struct Router<T> {
    root: Node,
    values: slab::Slab<T>,
}

#[derive(Debug, Default)]
struct Node {
    children: Children,
    /// Keys into `values` of the filters that end here …
    here: Vec<usize>,
    /// … and of those that end here with `/#`.
    below: Vec<usize>,
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Router { root: Node::default(), values: slab::Slab::new() }
    }
}

impl<T: PartialEq> Router<T> {
    pub(crate) fn insert<'a>(&mut self, levels: impl Iterator<Item = &'a [u8]>, value: T) {
        let key = self.values.insert(value);
        let mut node = &mut self.root;
        for level in levels {
            if level == b"#" {
                node.below.push(key);
                return;
            }
            node = node.children.entry(level.into()).or_default();
        }
        node.here.push(key);
    }

    /// Takes the pair out; unknown pairs are ignored. Branches that nothing uses any more go too.
    pub(crate) fn remove<'a>(&mut self, levels: impl Iterator<Item = &'a [u8]>, value: &T) {
        let levels: Vec<&[u8]> = levels.collect();
        let values = &self.values;
        if let Some(key) = self.root.remove(&levels, &|key| values.get(key) == Some(value)) {
            self.values.remove(key);
        }
    }

    /// Calls `found` with the value of each filter that matches the topic, once per filter.
    ///
    /// A filter that starts with a wildcard does not match a topic that starts with `$` [MQTT-4.7.2-1].
    pub(crate) fn matches(&self, topic: &[u8], mut found: impl FnMut(&T)) {
        let wildcards_first = topic.first() != Some(&b'$');
        self.root.visit(Some(topic), wildcards_first, &mut |key| {
            if let Some(value) = self.values.get(key) {
                found(value);
            }
        });
    }
}

impl Node {
    fn is_unused(&self) -> bool {
        self.children.is_empty() && self.here.is_empty() && self.below.is_empty()
    }

    fn remove(&mut self, levels: &[&[u8]], wanted: &impl Fn(usize) -> bool) -> Option<usize> {
        let ends = match levels {
            [] => &mut self.here,
            [b"#"] => &mut self.below,
            [level, rest @ ..] => {
                let child = self.children.get_mut(*level)?;
                let removed = child.remove(rest, wanted);
                if child.is_unused() {
                    self.children.remove(*level);
                }
                return removed;
            }
        };
        let at = ends.iter().position(|key| wanted(*key))?;
        Some(ends.remove(at))
    }

    /// `rest` is what of the topic lies below this node; `None` when the topic ends here.
    fn visit(&self, rest: Option<&[u8]>, wildcards: bool, found: &mut impl FnMut(usize)) {
        #[cfg(test)]
        tests::VISITS.with(|visits| visits.set(visits.get() + 1));
        if wildcards {
            // `sport/#` matches `sport` too: the number sign includes the parent level (section 4.7.1.2).
            self.below.iter().for_each(|key| found(*key));
        }
        let Some(rest) = rest else {
            self.here.iter().for_each(|key| found(*key));
            return;
        };
        let (level, rest) = match rest.iter().position(|byte| *byte == b'/') {
            Some(slash) => (&rest[..slash], Some(&rest[slash + 1..])),
            None => (rest, None),
        };
        if let Some(child) = self.children.get(level) {
            child.visit(rest, true, found);
        }
        if wildcards && let Some(child) = self.children.get(b"+".as_slice()) {
            child.visit(rest, true, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// Nodes that look-ups of this thread have come by.
        pub(super) static VISITS: Cell<u32> = const { Cell::new(0) };
    }

    fn levels(filter: &str) -> impl Iterator<Item = &[u8]> {
        filter.split('/').map(str::as_bytes)
    }

    fn router(filters: &[&'static str]) -> Router<&'static str> {
        let mut router = Router::default();
        filters.iter().for_each(|filter| router.insert(levels(filter), *filter));
        router
    }

    #[track_caller]
    fn check(filters: &[&'static str], topic: &str, expected: &[&str]) {
        let mut found = Vec::new();
        router(filters).matches(topic.as_bytes(), |filter| found.push(*filter));
        found.sort_unstable();
        assert_eq!(found, expected, "{topic}");
    }

    #[test]
    fn finds_what_the_specification_says_matches() {
        // [3.1.1 MQTT-4.7.1-2] [3.1.1 MQTT-4.7.1-3] [5.0 MQTT-4.7.1-1] [5.0 MQTT-4.7.1-2]
        let filters = &["#", "+", "+/+", "/+", "sport/#", "sport/+", "sport/tennis/player1"];
        check(filters, "sport", &["#", "+", "sport/#"]);
        check(filters, "sport/tennis", &["#", "+/+", "sport/#", "sport/+"]);
        check(filters, "sport/tennis/player1", &["#", "sport/#", "sport/tennis/player1"]);
        check(filters, "/finance", &["#", "+/+", "/+"]);
        check(filters, "sport/", &["#", "+/+", "sport/#", "sport/+"]);
        check(filters, "Sport", &["#", "+"]);
    }

    #[test]
    fn leading_wildcards_do_not_match_dollar_topics() {
        // [3.1.1 MQTT-4.7.2-1] [5.0 MQTT-4.7.2-1]
        check(&["#", "+/uptime", "$SYS/#", "$SYS/+"], "$SYS/uptime", &["$SYS/#", "$SYS/+"]);
        check(&["#", "+", "$SYS/#"], "$SYS", &["$SYS/#"]);
    }

    #[test]
    fn looking_a_topic_up_costs_its_depth_and_not_the_number_of_filters() {
        let visits = |filters: u32| {
            let mut router = Router::default();
            for n in 0..filters {
                for filter in
                    [format!("plant/{n}/+/state"), format!("plant/{n}/#"), format!("+/{n}/pump/state")]
                {
                    router.insert(levels(&filter), n);
                }
            }
            VISITS.set(0);
            let mut found = Vec::new();
            router.matches(b"plant/7/pump/state", |n| found.push(*n));
            assert_eq!(found, [7, 7, 7]);
            VISITS.get()
        };
        assert_eq!((visits(10), visits(100), visits(100_000)), (9, 9, 9));
    }

    #[test]
    fn removing_leaves_the_others_and_no_empty_branch() {
        let mut router = router(&["a/b/c", "a/b/c", "a/#", "a/b"]);
        router.remove(levels("a/b/c"), &"a/b/c");
        router.remove(levels("a/b"), &"elsewhere");
        let mut found = Vec::new();
        router.matches(b"a/b/c", |filter| found.push(*filter));
        assert_eq!(found, ["a/#", "a/b/c"]);
        for filter in ["a/b/c", "a/#", "a/b", "never/there"] {
            router.remove(levels(filter), &filter);
        }
        assert!(router.root.is_unused() && router.values.is_empty());
    }
}
