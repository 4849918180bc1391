//! [`InboundAliases`]: which topics the server's aliases stand for (5.0 section 3.3.2.3.4).

use alloc::vec::Vec;

use mqtt_codec::{Publish, TopicName};

use crate::Violation;

/// The aliases that the server has set on one connection. They hold no more than the announced maximum of names, of
/// 65,535 bytes at most.
#[derive(Debug)]
pub(crate) struct InboundAliases {
    /// What was announced as Topic Alias Maximum.
    maximum: u16,
    /// The alias n is the entry n - 1.
    topics: Vec<Option<TopicName>>,
}

impl InboundAliases {
    pub(crate) const fn new(maximum: u16) -> Self {
        Self { maximum, topics: Vec::new() }
    }

    /// Puts the topic name in an alias's place, or learns what the alias stands for. What is left is the message, as
    /// it would be without aliases.
    #[inline]
    pub(crate) fn resolve(&mut self, publish: &mut Publish) -> Result<(), Violation> {
        let Some(alias) = publish.properties.topic_alias() else { return Ok(()) };
        if alias.get() > self.maximum {
            return Err(Violation::TopicAlias { maximum: self.maximum });
        }
        let number = usize::from(alias.get()) - 1;
        if number >= self.topics.len() {
            self.topics.resize(number + 1, None);
        }
        match &mut self.topics[number] {
            Some(topic) if publish.topic.is_empty() => publish.topic = topic.clone(),
            None if publish.topic.is_empty() => return Err(Violation::UnknownTopicAlias),
            Some(topic) if *topic == publish.topic => {}
            // The name that is kept does not pin the buffer that the message came in.
            topic => *topic = Some(publish.topic.detached()),
        }
        publish.properties.clear_topic_alias();
        Ok(())
    }
}
