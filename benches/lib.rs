//! What the benchmarks share: the packets they work on, and a server that only answers.
//!
//! The numbers are for comparing this workspace with itself, before and after a change on one machine. They say
//! nothing about a network, a kernel or a broker. `cargo xtask bench [filter]` runs them.

use bytes::Bytes;
use mqtt_codec::{PacketId, Publish, QoS, Text, TopicName};

/// A topic of the usual length, four levels.
pub const TOPIC: &str = "site/line-7/oven/temperature";

/// Payload sizes in bytes: a reading, a record, a picture.
pub const PAYLOADS: [usize; 3] = [16, 256, 16 * 1024];

/// A message with this payload; with packet identifier 1 if its QoS asks for one.
#[must_use]
pub fn message(qos: QoS, payload: usize) -> Publish {
    let topic = TopicName::from_static(TOPIC).expect("a plain topic");
    let packet_id = (qos != QoS::AtMostOnce).then_some(PacketId::MIN);
    Publish { qos, packet_id, ..Publish::new(topic, Bytes::from(vec![b'x'; payload])) }
}

/// A plain client identifier.
#[must_use]
pub fn client_id() -> Text {
    Text::from_static("bench").expect("plain ASCII")
}
