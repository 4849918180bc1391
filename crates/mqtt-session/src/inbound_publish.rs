//! [`InboundPublish`]: a message as it came in, with the topic that an alias stood for.

use alloc::sync::Arc;
use core::fmt;

use bytes::Bytes;
use mqtt_codec::{PacketId, Publish, PublishFrame, PublishPropertiesRef, QoS, TextRef, TopicName};

/// A message of the server's, in one piece: a single reference to the receive buffer, which it keeps alive.
///
/// It is made for whoever looks at a message and passes it on or drops it; [`to_publish`](Self::to_publish) makes the parts
/// of it.
#[derive(Clone)]
pub struct InboundPublish {
    frame: PublishFrame,
    /// What an alias stands for, where the packet does not say it.
    topic: Option<Arc<TopicName>>,
    /// It counts as a repetition, whatever the packet says.
    repeated: bool,
}

impl InboundPublish {
    /// A message, and its topic if an alias stood for that.
    #[inline]
    pub(crate) fn new(frame: PublishFrame, topic: Option<Arc<TopicName>>) -> Self {
        Self { frame, topic, repeated: false }
    }

    /// Whether this repeats an earlier attempt.
    #[inline]
    #[must_use]
    pub fn dup(&self) -> bool {
        self.repeated || self.frame.dup()
    }

    /// The same message as a repetition: for who hands it to a reader once more.
    #[must_use]
    pub fn repeated(self) -> Self {
        Self { repeated: true, ..self }
    }

    /// How hard it is to be delivered.
    #[inline]
    #[must_use]
    pub fn qos(&self) -> QoS {
        self.frame.qos()
    }

    /// Whether the server had kept it, and sends it because of a new subscription.
    #[inline]
    #[must_use]
    pub fn retain(&self) -> bool {
        self.frame.retain()
    }

    /// The packet identifier, at QoS 1 and 2.
    #[inline]
    #[must_use]
    pub fn packet_id(&self) -> Option<PacketId> {
        self.frame.packet_id()
    }

    /// The topic name; never empty.
    #[inline]
    #[must_use]
    pub fn topic(&self) -> TextRef<'_> {
        match &self.topic {
            Some(topic) => (&**topic).into(),
            None => self.frame.topic(),
        }
    }

    /// The topic name, sharing memory.
    #[must_use]
    pub fn to_topic(&self) -> TopicName {
        match &self.topic {
            Some(topic) => TopicName::clone(topic),
            None => self.frame.to_topic(),
        }
    }

    /// The properties (5.0) as they came in. A Topic Alias may be among them, which [`topic`](Self::topic) has taken into
    /// account.
    #[inline]
    #[must_use]
    pub fn properties(&self) -> PublishPropertiesRef<'_> {
        self.frame.properties()
    }

    /// The message itself.
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.frame.payload()
    }

    /// The message itself, sharing the receive buffer.
    #[inline]
    #[must_use]
    pub fn to_payload(&self) -> Bytes {
        self.frame.to_payload()
    }

    /// How many bytes it keeps alive besides those of others that came in with it: those of its packet, and of the topic
    /// where that is kept apart.
    #[inline]
    #[must_use]
    pub fn size(&self) -> usize {
        self.frame.as_bytes().len() + self.topic.as_ref().map_or(0, |topic| topic.as_bytes().len())
    }

    /// The message in its parts, as it would be without topic aliases. They share the receive buffer; nothing but the
    /// properties of some messages with an alias is copied.
    #[must_use]
    pub fn to_publish(&self) -> Publish {
        let mut publish = Publish::from(self.frame.clone());
        publish.dup |= self.repeated;
        publish.properties.clear_topic_alias();
        if let Some(topic) = &self.topic {
            publish.topic = TopicName::clone(topic);
        }
        publish
    }

    /// The same message in memory of its own, so that keeping it does not keep the buffer that it came in.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { frame: self.frame.detached(), topic: self.topic.clone(), repeated: self.repeated }
    }
}

/// Two are equal if they say the same.
impl PartialEq for InboundPublish {
    fn eq(&self, other: &Self) -> bool {
        self.to_publish() == other.to_publish()
    }
}

impl Eq for InboundPublish {}

impl PartialEq<Publish> for InboundPublish {
    fn eq(&self, other: &Publish) -> bool {
        self.to_publish() == *other
    }
}

impl fmt::Debug for InboundPublish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_publish().fmt(f)
    }
}
