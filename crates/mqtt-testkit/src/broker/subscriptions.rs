//! Who subscribed to what: a tree over the levels of topic filters.

use std::collections::{BTreeMap, HashMap};

use mqtt_codec::{SubscriptionId, SubscriptionOptions, TopicFilter, TopicName};

use super::session::SessionId;
use super::shared::ShareGroup;

/// Levels that a filter may have; deeper ones are refused (0x8F), which also bounds the tree's recursion.
pub(super) const MAX_LEVELS: usize = 200;

/// One subscription of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subscription {
    /// With the QoS that was granted.
    pub(super) options: SubscriptionOptions,
    pub(super) identifier: Option<SubscriptionId>,
}

/// A subscription that a message matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) session: SessionId,
    pub(super) subscription: Subscription,
    pub(super) shared: bool,
}

/// All subscriptions of all sessions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    /// By literal level. Only looked up, never walked, so that hash order decides nothing.
    children: HashMap<Box<[u8]>, Node>,
    plus: Option<Box<Node>>,
    /// Filters that end here, and those that end here with `#`.
    exact: Subscribers,
    below: Subscribers,
}

#[derive(Debug, Default)]
struct Subscribers {
    plain: BTreeMap<SessionId, Subscription>,
    shared: BTreeMap<Box<str>, ShareGroup>,
}

impl Subscriptions {
    /// Adds a subscription, or replaces the one with the identical filter. Returns the replaced one.
    pub(super) fn insert(
        &mut self,
        session: SessionId,
        filter: &TopicFilter,
        subscription: Subscription,
    ) -> Option<Subscription> {
        let mut node = &mut self.root;
        for level in filter.levels() {
            node = match level {
                b"#" => return node.below.insert(session, filter, subscription),
                b"+" => node.plus.get_or_insert_default(),
                literal => node.children.entry(literal.into()).or_default(),
            };
        }
        node.exact.insert(session, filter, subscription)
    }

    /// Removes the subscription with exactly this filter. Returns whether there was one.
    pub(super) fn remove(&mut self, session: SessionId, filter: &TopicFilter) -> bool {
        let path: Vec<&[u8]> = filter.levels().collect();
        self.root.remove(&path, session, filter)
    }

    /// Appends to `hits` every subscription that the topic matches; of each share group one member, of those that
    /// are `connected` as long as there are any.
    pub(super) fn matching(
        &mut self,
        topic: &TopicName,
        connected: &impl Fn(SessionId) -> bool,
        hits: &mut Vec<Hit>,
    ) {
        let levels: Vec<&[u8]> = topic.levels().collect();
        // A filter that starts with a wildcard doesn't match a topic that starts with `$` [MQTT-4.7.2-1].
        let wildcards = !topic.as_bytes().starts_with(b"$");
        self.root.matching(&levels, wildcards, connected, hits);
    }
}

impl Node {
    fn matching(
        &mut self,
        levels: &[&[u8]],
        wildcards: bool,
        connected: &impl Fn(SessionId) -> bool,
        hits: &mut Vec<Hit>,
    ) {
        if wildcards {
            self.below.collect(connected, hits);
        }
        let [level, rest @ ..] = levels else {
            self.exact.collect(connected, hits);
            return;
        };
        if let Some(child) = self.children.get_mut(*level) {
            child.matching(rest, true, connected, hits);
        }
        if wildcards && let Some(plus) = &mut self.plus {
            plus.matching(rest, true, connected, hits);
        }
    }

    fn remove(&mut self, path: &[&[u8]], session: SessionId, filter: &TopicFilter) -> bool {
        let [level, rest @ ..] = path else { return self.exact.remove(session, filter) };
        match *level {
            b"#" => self.below.remove(session, filter),
            b"+" => {
                let Some(plus) = &mut self.plus else { return false };
                let removed = plus.remove(rest, session, filter);
                if plus.is_empty() {
                    self.plus = None;
                }
                removed
            }
            literal => {
                let Some(child) = self.children.get_mut(literal) else { return false };
                let removed = child.remove(rest, session, filter);
                if child.is_empty() {
                    self.children.remove(literal);
                }
                removed
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.children.is_empty() && self.plus.is_none() && self.exact.is_empty() && self.below.is_empty()
    }
}

impl Subscribers {
    fn insert(
        &mut self,
        session: SessionId,
        filter: &TopicFilter,
        subscription: Subscription,
    ) -> Option<Subscription> {
        match filter.share_name() {
            None => self.plain.insert(session, subscription),
            Some(name) => self.shared.entry(name.into()).or_default().insert(session, subscription),
        }
    }

    fn remove(&mut self, session: SessionId, filter: &TopicFilter) -> bool {
        let Some(name) = filter.share_name() else { return self.plain.remove(&session).is_some() };
        let Some(group) = self.shared.get_mut(name) else { return false };
        let removed = group.remove(session);
        if group.is_empty() {
            self.shared.remove(name);
        }
        removed
    }

    fn collect(&mut self, connected: &impl Fn(SessionId) -> bool, hits: &mut Vec<Hit>) {
        let plain = self.plain.iter();
        hits.extend(plain.map(|(&session, &subscription)| Hit { session, subscription, shared: false }));
        let chosen = self.shared.values_mut().filter_map(|group| group.choose(connected));
        hits.extend(chosen.map(|(session, subscription)| Hit { session, subscription, shared: true }));
    }

    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.shared.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(identifier: u32) -> Subscription {
        Subscription { options: SubscriptionOptions::default(), identifier: SubscriptionId::new(identifier) }
    }

    /// Subscribes session 1 to each filter, numbered from 1, and checks which of them a topic matches.
    fn check(filters: &[&str], topic: &str, expected: &[u32]) {
        let filters: Vec<_> = filters.iter().map(|f| TopicFilter::new(*f).unwrap()).collect();
        let session = SessionId(1);
        let mut tree = Subscriptions::default();
        for (filter, number) in filters.iter().zip(1..) {
            assert_eq!(tree.insert(session, filter, subscription(number)), None);
        }
        let topic = TopicName::new(topic).unwrap();
        let mut hits = Vec::new();
        tree.matching(&topic, &|_| true, &mut hits);
        let mut found: Vec<_> =
            hits.iter().filter_map(|hit| hit.subscription.identifier).map(SubscriptionId::get).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{topic}");

        // The codec's own rule agrees, and nothing is left when all are removed.
        let by_rule: Vec<_> =
            filters.iter().zip(1..).filter(|(f, _)| f.matches(&topic)).map(|(_, number)| number).collect();
        assert_eq!(by_rule, expected, "{topic}, by TopicFilter::matches");
        for filter in &filters {
            assert!(tree.remove(session, filter));
            assert!(!tree.remove(session, filter));
        }
        assert!(tree.root.is_empty());
    }

    // [3.1.1 MQTT-4.7.2-1] [5.0 MQTT-4.7.2-1] [3.1.1 MQTT-4.7.3-4] [5.0 MQTT-4.7.3-4]
    // [3.1.1 MQTT-3.3.2-3] [5.0 MQTT-3.3.2-3]
    #[test]
    fn a_topic_matches_by_levels() {
        check(&["a/b", "a/+", "a/#", "#", "+/+", "+", "b/#"], "a/b", &[1, 2, 3, 4, 5]);
        check(&["a", "a/#", "a/+", "+", "A", "a/"], "a", &[1, 2, 4]);
        check(&["a/+", "a/", "a/#", "a", "+/+"], "a/", &[1, 2, 3, 5]);
        check(&["/+", "+/+", "/a", "#", "a"], "/a", &[1, 2, 3, 4]);
        check(&["#", "+/x", "$SYS/#", "$SYS/+", "$SYS/x", "+/+"], "$SYS/x", &[3, 4, 5]);
        check(&["a/+/c", "a/b/+", "+/b/c", "a/b/c/#", "a/b"], "a/b/c", &[1, 2, 3, 4]);
        check(&["a/$b", "a/+", "a/#"], "a/$b", &[1, 2, 3]);
        check(&["$share/g/a/+", "a/b", "$share/h/#"], "a/b", &[1, 2, 3]);
    }

    // [3.1.1 MQTT-3.8.4-3] [5.0 MQTT-3.8.4-3]
    #[test]
    fn an_identical_filter_replaces() {
        let mut tree = Subscriptions::default();
        let filter = TopicFilter::new("a/+").unwrap();
        assert_eq!(tree.insert(SessionId(1), &filter, subscription(1)), None);
        assert_eq!(tree.insert(SessionId(1), &filter, subscription(2)), Some(subscription(1)));
        assert_eq!(tree.insert(SessionId(2), &filter, subscription(3)), None);
    }
}
