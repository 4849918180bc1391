//! A message as a subscriber meets it.

use bytes::Bytes;

use crate::codec::{PacketId, Publish, PublishProperties, QoS};

/// A message that was received.
///
/// Topic and payload are slices of the receive buffer, which they keep alive.
#[derive(Clone, PartialEq, Debug)]
pub struct Message {
    publish: Publish,
}

impl Message {
    pub(crate) fn new(publish: Publish) -> Self {
        Message { publish }
    }

    /// The topic name.
    pub fn topic(&self) -> &str {
        self.publish.topic.as_str()
    }

    /// The payload; cloning it copies nothing.
    pub fn payload(&self) -> &Bytes {
        &self.publish.payload
    }

    /// The payload as text, with U+FFFD where it is not UTF-8.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.publish.payload)
    }

    /// The quality of service with which the broker sent it.
    pub fn qos(&self) -> QoS {
        self.publish.qos
    }

    /// Whether it is a retained message, sent because of a new subscription.
    pub fn retain(&self) -> bool {
        self.publish.retain
    }

    /// Whether the broker says that it has sent this message before. A QoS 2 message is handed over once all the same.
    pub fn dup(&self) -> bool {
        self.publish.dup
    }

    /// The packet identifier, for QoS 1 and 2.
    pub fn packet_id(&self) -> Option<PacketId> {
        self.publish.packet_id
    }

    /// The properties (5.0).
    pub fn properties(&self) -> &PublishProperties {
        &self.publish.properties
    }

    /// The PUBLISH packet as received.
    pub fn packet(&self) -> &Publish {
        &self.publish
    }

    /// The PUBLISH packet as received.
    pub fn into_packet(self) -> Publish {
        self.publish
    }
}
