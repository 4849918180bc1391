//! [`Filters`]: what the application is subscribed to, and which streams that feeds.

use std::collections::BTreeMap;

use slab::Slab;

use crate::codec::{SubscribeProperties, SubscriptionOptions, TopicFilter};
use crate::router::Router;
use crate::session::InboundPublish;
use crate::slots::Tag;

/// Each filter once, whoever wants it, with a number that no other one has meanwhile.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    entries: Slab<Entry>,
    by_filter: BTreeMap<TopicFilter, usize>,
    router: Router<usize>,
    latest: Latest,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) filter: TopicFilter,
    pub(crate) options: SubscriptionOptions,
    /// The application's user properties.
    pub(crate) properties: SubscribeProperties,
    pub(crate) streams: Vec<Tag>,
    pub(crate) granted: bool,
}

/// Where messages of the latest topic go: the next one often has the same.
#[derive(Debug, Default)]
struct Latest {
    topic: Vec<u8>,
    streams: Vec<Tag>,
    /// Nothing has changed since it was looked up.
    holds: bool,
}

impl Filters {
    /// Those with these numbers.
    pub(crate) fn restored(numbered: impl Iterator<Item = (usize, Entry)>) -> Self {
        let mut filters = Filters { entries: numbered.collect(), ..Filters::default() };
        for (id, entry) in &filters.entries {
            filters.router.insert(entry.filter.levels(), id);
            filters.by_filter.insert(entry.filter.clone(), id);
        }
        filters
    }

    /// The number of a filter.
    pub(crate) fn find(&self, filter: &TopicFilter) -> Option<usize> {
        self.by_filter.get(filter).copied()
    }

    pub(crate) fn get(&self, id: usize) -> Option<&Entry> {
        self.entries.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// Adds a filter that is not there yet. Returns its number.
    pub(crate) fn insert(&mut self, entry: Entry) -> usize {
        self.latest.holds = false;
        let filter = entry.filter.clone();
        let id = self.entries.insert(entry);
        self.router.insert(filter.levels(), id);
        self.by_filter.insert(filter, id);
        id
    }

    /// To change one.
    pub(crate) fn get_mut(&mut self, id: usize) -> Option<&mut Entry> {
        self.latest.holds = false;
        self.entries.get_mut(id)
    }

    /// To change any.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.latest.holds = false;
        self.entries.iter_mut().map(|(_, entry)| entry)
    }

    /// Takes a filter out. Returns the number that it had.
    pub(crate) fn remove(&mut self, filter: &TopicFilter) -> Option<usize> {
        self.latest.holds = false;
        let id = self.by_filter.remove(filter)?;
        self.router.remove(filter.levels(), &id);
        self.entries.remove(id);
        Some(id)
    }

    /// The streams a message goes to, each once.
    ///
    /// Where the broker names its subscription identifiers, those decide: a copy that it sends for one subscription goes to
    /// that one alone. An identifier that does not fit the topic is an earlier process's, and the topic decides.
    #[inline]
    pub(crate) fn route(&mut self, publish: &InboundPublish, targets: &mut Vec<Tag>) {
        targets.clear();
        if !publish.properties().is_empty() {
            self.route_by_identifiers(publish, targets);
        }
        if targets.is_empty() {
            targets.extend_from_slice(self.route_topic(publish.topic().as_bytes()));
        }
    }

    fn route_by_identifiers(&self, publish: &InboundPublish, targets: &mut Vec<Tag>) {
        for identifier in publish.properties().subscription_identifiers() {
            let named = self.entries.get(identifier.get() as usize - 1);
            if let Some(entry) = named.filter(|entry| entry.filter.matches(publish.topic())) {
                extend_unique(targets, &entry.streams);
            }
        }
    }

    /// The streams of all filters that match a topic.
    #[inline]
    fn route_topic(&mut self, topic: &[u8]) -> &[Tag] {
        let Filters { entries, router, latest, .. } = self;
        if !latest.holds || latest.topic != topic {
            latest.topic.clear();
            latest.topic.extend_from_slice(topic);
            latest.streams.clear();
            router.matches(topic, |id| {
                if let Some(entry) = entries.get(*id) {
                    extend_unique(&mut latest.streams, &entry.streams);
                }
            });
            latest.holds = true;
        }
        &latest.streams
    }
}

fn extend_unique(targets: &mut Vec<Tag>, streams: &[Tag]) {
    for stream in streams {
        if !targets.contains(stream) {
            targets.push(*stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::QoS;

    fn entry(filter: &str, streams: &[Tag]) -> Entry {
        Entry {
            filter: TopicFilter::new(filter).expect("valid"),
            options: SubscriptionOptions { qos: QoS::AtMostOnce, ..SubscriptionOptions::default() },
            properties: SubscribeProperties::new(),
            streams: streams.to_vec(),
            granted: true,
        }
    }

    #[test]
    fn each_change_shows_in_where_the_next_message_of_the_same_topic_goes() {
        let mut filters = Filters::restored([(7, entry("a/+", &[1])), (2, entry("b", &[9]))].into_iter());
        assert_eq!(filters.route_topic(b"a/b"), [1]);
        assert_eq!(filters.route_topic(b"b"), [9]);
        assert_eq!(filters.route_topic(b"a/b"), [1]);
        let both = filters.insert(entry("a/#", &[1, 2]));
        assert_eq!(filters.route_topic(b"a/b").len(), 2, "each stream once");
        filters.get_mut(both).expect("it is there").streams = vec![3];
        assert!([1, 3].iter().all(|stream| filters.route_topic(b"a/b").contains(stream)));
        filters.iter_mut().for_each(|entry| entry.streams.retain(|stream| *stream != 3));
        assert_eq!(filters.route_topic(b"a/b"), [1]);
        let first = TopicFilter::new("a/+").expect("valid");
        assert_eq!(
            (filters.find(&first), filters.remove(&first), filters.find(&first)),
            (Some(7), Some(7), None)
        );
        assert!(filters.route_topic(b"a/b").is_empty());
        assert_eq!(filters.remove(&first), None);
        assert_eq!(filters.iter().map(|entry| entry.filter.as_str()).collect::<Vec<_>>(), ["a/#", "b"]);
    }

    #[test]
    fn the_same_topic_again_is_not_looked_up_again() {
        let mut filters = Filters::restored([(0, entry("a", &[1]))].into_iter());
        assert_eq!(filters.route_topic(b"a"), [1]);
        // Behind its back.
        filters.entries[0].streams = vec![2];
        assert_eq!(filters.route_topic(b"a"), [1]);
        assert!(filters.route_topic(b"b").is_empty());
        assert_eq!(filters.route_topic(b"a"), [2]);
    }
}
