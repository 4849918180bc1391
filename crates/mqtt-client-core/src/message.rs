//! A message as a subscriber meets it.

use std::sync::Arc;

use bytes::Bytes;

use crate::acknowledge::{Answer, Unanswered};
use crate::codec::{AckProperties, PacketId, Publish, PublishPropertiesRef, QoS, ReasonCode};
use crate::session::InboundPublish;

/// A message that was received.
///
/// It is a slice of the receive buffer, which it keeps alive; one that was unread for long has a buffer of its own.
#[derive(Clone, Debug)]
pub struct Message {
    publish: InboundPublish,
    /// Present while it is for the reader to answer.
    unanswered: Option<Arc<Unanswered>>,
    delivery_id: Option<u64>,
}

/// Messages are equal when their packets are.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.publish == other.publish
    }
}

impl Message {
    pub(crate) fn new(
        publish: InboundPublish,
        unanswered: Option<Unanswered>,
        delivery_id: Option<u64>,
    ) -> Self {
        Message { publish, unanswered: unanswered.map(Arc::new), delivery_id }
    }

    /// The topic name.
    pub fn topic(&self) -> &str {
        self.publish.topic().as_str()
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        self.publish.payload()
    }

    /// The payload, sharing the message's buffer: this copies nothing.
    pub fn to_payload(&self) -> Bytes {
        self.publish.to_payload()
    }

    /// The payload as text, with U+FFFD where it is not UTF-8.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(self.publish.payload())
    }

    /// The quality of service with which the broker sent it.
    pub fn qos(&self) -> QoS {
        self.publish.qos()
    }

    /// Whether it is a retained message, sent because of a new subscription.
    pub fn retain(&self) -> bool {
        self.publish.retain()
    }

    /// Whether the broker says that it has sent this message before. A QoS 2 message is handed over once all the same.
    pub fn dup(&self) -> bool {
        self.publish.dup()
    }

    /// The packet identifier, for QoS 1 and 2.
    pub fn packet_id(&self) -> Option<PacketId> {
        self.publish.packet_id()
    }

    /// The number of this delivery, if it has QoS 2 and the client a [`store`](crate::OptionsBuilder::store): the same each
    /// time that the message is handed over, in whatever process, and no other message's, as long as the store is not
    /// deleted. None for a stream that [acknowledges on receipt](crate::Acknowledge::OnReceipt).
    ///
    /// Whoever stores it together with what came of the message, and acknowledges only then, works on each message exactly
    /// once: one that was killed in between finds the number when the message comes again.
    pub fn delivery_id(&self) -> Option<u64> {
        self.delivery_id
    }

    /// The properties (5.0) as they came in. A Topic Alias may be among them, which [`topic`](Self::topic) has taken into
    /// account.
    pub fn properties(&self) -> PublishPropertiesRef<'_> {
        self.publish.properties()
    }

    /// Acknowledges a message of a stream that leaves this to its reader ([`Acknowledge::ByHand`](crate::Acknowledge)). The
    /// client keeps the order of the protocol, whatever the order of the calls.
    ///
    /// False, and nothing happens, if there is nothing to acknowledge: at QoS 0, on any other stream, or the second time.
    /// After a reconnect, it answers the broker's repetition of the message.
    pub fn acknowledge(&self) -> bool {
        self.acknowledge_with(AckProperties::new())
    }

    /// The same with a reason string and user properties for the broker (5.0). What would make the packet larger than the broker
    /// takes is left out, and so is all of it in 3.1.1, which has no properties. A [store](crate::OptionsBuilder::store) does not
    /// keep them.
    pub fn acknowledge_with(&self, properties: AckProperties) -> bool {
        self.answer(ReasonCode::Success, properties)
    }

    /// Refuses it instead: in 5.0 the broker is told the reason, which is 0x80 or above, and does not send it again; 3.1.1
    /// knows no refusal and hears an acknowledgement. The result is that of [`acknowledge`](Self::acknowledge).
    pub fn refuse(&self, reason: ReasonCode) -> bool {
        self.refuse_with(reason, AckProperties::new())
    }

    /// The same with words for it: see [`acknowledge_with`](Self::acknowledge_with).
    ///
    /// ```
    /// use mqtt_client_core::Message;
    /// use mqtt_client_core::codec::{AckProperties, ReasonCode, Text};
    ///
    /// fn reject(message: &Message, why: &Text) -> bool {
    ///     message.refuse_with(ReasonCode::PayloadFormatInvalid, AckProperties::new().with_reason_string(why))
    /// }
    /// ```
    pub fn refuse_with(&self, reason: ReasonCode, properties: AckProperties) -> bool {
        self.answer(if reason.is_error() { reason } else { ReasonCode::UnspecifiedError }, properties)
    }

    fn answer(&self, reason: ReasonCode, properties: AckProperties) -> bool {
        self.unanswered.as_ref().is_some_and(|unanswered| unanswered.answer(Answer::of(reason, properties)))
    }

    /// The PUBLISH packet in its parts, as it would be without topic aliases; they share the message's buffer.
    pub fn to_packet(&self) -> Publish {
        self.publish.to_publish()
    }
}
