//! A message as a subscriber meets it.

use std::sync::Arc;

use bytes::Bytes;

use crate::acknowledge::Unanswered;
use crate::codec::{PacketId, Publish, PublishProperties, QoS, ReasonCode};

/// A message that was received.
///
/// Topic and payload are slices of the receive buffer, which they keep alive.
#[derive(Clone, Debug)]
pub struct Message {
    publish: Publish,
    /// Present while it is for the reader to answer.
    unanswered: Option<Arc<Unanswered>>,
}

/// Messages are equal when their packets are.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.publish == other.publish
    }
}

impl Message {
    pub(crate) fn new(publish: Publish, unanswered: Option<Unanswered>) -> Self {
        Message { publish, unanswered: unanswered.map(Arc::new) }
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

    /// Acknowledges a message of a stream that leaves this to its reader ([`Acknowledge::ByHand`](crate::Acknowledge)). The
    /// client keeps the order of the protocol, whatever the order of the calls.
    ///
    /// False, and nothing happens, if there is nothing to acknowledge: at QoS 0, on any other stream, or the second time.
    /// After a reconnect, it answers the broker's repetition of the message.
    pub fn acknowledge(&self) -> bool {
        self.answer(ReasonCode::Success)
    }

    /// Refuses it instead: in 5.0 the broker is told the reason, which is 0x80 or above, and does not send it again; 3.1.1
    /// knows no refusal and hears an acknowledgement. The result is that of [`acknowledge`](Self::acknowledge).
    pub fn refuse(&self, reason: ReasonCode) -> bool {
        self.answer(if reason.is_error() { reason } else { ReasonCode::UnspecifiedError })
    }

    fn answer(&self, reason: ReasonCode) -> bool {
        self.unanswered.as_ref().is_some_and(|unanswered| unanswered.answer(reason))
    }

    /// The PUBLISH packet as received.
    pub fn packet(&self) -> &Publish {
        &self.publish
    }

    /// The PUBLISH packet as received. Where that is for the reader to do, acknowledge the message first.
    pub fn into_packet(self) -> Publish {
        self.publish
    }
}
