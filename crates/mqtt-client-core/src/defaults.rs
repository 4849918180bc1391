//! What a publish has where it does not say: QoS and retain, for each topic or for all.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::codec::{Publish, QoS, TopicName};
use crate::named_topic::named_topic;
use crate::{InvalidOptions, OptionsBuilder, PublishError};

/// What publishes to one topic have where they don't say themselves; see [`OptionsBuilder::topic_defaults`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TopicDefaults {
    /// The quality of service; `None`: that of all topics.
    pub qos: Option<QoS>,
    /// Whether the broker keeps the message; `None`: as for all topics.
    pub retain: Option<bool>,
}

/// For all topics, and for those that have their own.
#[derive(Clone, Debug)]
pub(crate) struct PublishDefaults {
    qos: QoS,
    retain: bool,
    topics: BTreeMap<TopicName, TopicDefaults>,
}

impl Default for PublishDefaults {
    fn default() -> Self {
        PublishDefaults { qos: QoS::AtMostOnce, retain: false, topics: BTreeMap::new() }
    }
}

impl PublishDefaults {
    /// A message to this topic that says so much itself.
    #[inline]
    pub(crate) fn message(
        &self,
        topic: &str,
        payload: Bytes,
        said: TopicDefaults,
    ) -> Result<Publish, PublishError> {
        let (qos, retain) = self.complete(topic, said);
        Ok(Publish { qos, retain, ..Publish::new(named_topic(topic)?, payload) })
    }

    /// QoS and retain of a message to this topic that says so much of them itself.
    #[inline]
    pub(crate) fn complete(&self, topic: &str, said: TopicDefaults) -> (QoS, bool) {
        let of_topic = match self.topics.is_empty() {
            true => TopicDefaults::default(),
            false => self.topics.get(topic.as_bytes()).copied().unwrap_or_default(),
        };
        let qos = said.qos.or(of_topic.qos).unwrap_or(self.qos);
        (qos, said.retain.or(of_topic.retain).unwrap_or(self.retain))
    }
}

impl OptionsBuilder {
    /// The quality of service of a publish that names none, to a topic that has no default of its own. Default: 0, at most
    /// once. Requests and responses have rules of their own, here and below.
    pub fn default_qos(mut self, qos: QoS) -> Self {
        self.options.publish_defaults.qos = qos;
        self
    }

    /// Whether the broker keeps a publish that does not say, to a topic that has no default of its own. Default: no.
    pub fn default_retain(mut self, retain: bool) -> Self {
        self.options.publish_defaults.retain = retain;
        self
    }

    /// What publishes to this topic, by exactly that name, have where they don't say. What is said at the publish comes first,
    /// a `retain(false)` too; then this; then the default of all topics. A second call for a topic replaces the first.
    ///
    /// ```
    /// use mqtt_client_core::{Options, TopicDefaults, codec::QoS};
    ///
    /// let options = Options::builder()
    ///     .default_qos(QoS::AtLeastOnce)
    ///     .topic_defaults("room/state", TopicDefaults { retain: Some(true), ..TopicDefaults::default() })
    ///     .build()?;
    /// # Ok::<(), mqtt_client_core::InvalidOptions>(())
    /// ```
    pub fn topic_defaults(mut self, topic: &str, defaults: TopicDefaults) -> Self {
        match TopicName::new(topic) {
            Ok(topic) => {
                self.options.publish_defaults.topics.insert(topic, defaults);
                self
            }
            Err(error) => self.fail(InvalidOptions::Option {
                option: "topic_defaults",
                problem: format!("topic {topic:?}: {error}"),
            }),
        }
    }
}
