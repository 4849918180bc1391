//! The retained message of each topic.

use std::collections::BTreeMap;
use std::sync::Arc;

use mqtt_codec::{TopicFilter, TopicName};
use mqtt_session::Timestamp;

use super::message::Message;

/// Retained messages by topic name.
#[derive(Debug, Default)]
pub(super) struct Retained {
    by_topic: BTreeMap<TopicName, Arc<Message>>,
}

impl Retained {
    /// How many are kept that have not expired.
    pub(super) fn count(&self, now: Timestamp) -> usize {
        self.by_topic.values().filter(|message| !message.is_expired(now)).count()
    }

    /// Whether the message could be stored without there being more than `limit`.
    pub(super) fn has_room_for(&mut self, now: Timestamp, message: &Message, limit: usize) -> bool {
        if message.payload.is_empty() || self.by_topic.contains_key(&message.topic) {
            return true;
        }
        if self.by_topic.len() >= limit {
            self.by_topic.retain(|_, kept| !kept.is_expired(now));
        }
        self.by_topic.len() < limit
    }

    /// Stores a message published with retain 1 in its topic's place; an empty payload only clears the place.
    pub(super) fn store(&mut self, message: &Arc<Message>) {
        if message.payload.is_empty() {
            self.by_topic.remove(&message.topic);
        } else {
            self.by_topic.insert(message.topic.clone(), Arc::clone(message));
        }
    }

    /// The messages that a new subscription to `filter` gets, by topic.
    pub(super) fn matching<'a>(
        &'a self,
        now: Timestamp,
        filter: &'a TopicFilter,
    ) -> impl Iterator<Item = &'a Arc<Message>> {
        self.by_topic
            .values()
            .filter(move |message| filter.matches(&message.topic) && !message.is_expired(now))
    }
}
