//! [`InboundAliases`]: which topics the server's aliases stand for (5.0 section 3.3.2.3.4).

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::NonZeroU16;

use mqtt_codec::{PublishRef, TopicName};

use crate::Violation;

/// The aliases that the server has set on one connection. They hold no more than the announced maximum of names, of
/// 65,535 bytes at most.
#[derive(Debug)]
pub(crate) struct InboundAliases {
    /// What was announced as Topic Alias Maximum.
    maximum: u16,
    /// The alias n is the entry n - 1.
    topics: Vec<Option<Arc<TopicName>>>,
}

impl InboundAliases {
    pub(crate) const fn new(maximum: u16) -> Self {
        Self { maximum, topics: Vec::new() }
    }

    /// The topic name that an alias stands for, if the message has none of its own; else learns what the alias stands for
    /// from now on.
    pub(crate) fn resolve(
        &mut self,
        message: &PublishRef<'_>,
        alias: NonZeroU16,
    ) -> Result<Option<Arc<TopicName>>, Violation> {
        if alias.get() > self.maximum {
            return Err(Violation::TopicAlias { maximum: self.maximum });
        }
        let number = usize::from(alias.get()) - 1;
        if number >= self.topics.len() {
            self.topics.resize(number + 1, None);
        }
        match &mut self.topics[number] {
            Some(topic) if message.topic.is_empty() => return Ok(Some(topic.clone())),
            None if message.topic.is_empty() => return Err(Violation::UnknownTopicAlias),
            Some(topic) if topic.as_bytes() == message.topic.as_bytes() => {}
            // The name that is kept does not pin the buffer that the message came in.
            topic => *topic = Some(Arc::new(message.to_topic())),
        }
        Ok(None)
    }
}
