//! Messages that can be told apart: the payload is a number.

use mqtt_session::codec::{Connect, PacketId, Publish, QoS, Text, TopicName, Version};

/// The message number `n`, without a packet identifier.
#[must_use]
pub fn message(n: u64, qos: QoS) -> Publish {
    let topic = TopicName::from_static("t").expect("a plain topic");
    Publish { qos, ..Publish::new(topic, n.to_string().into_bytes()) }
}

/// The number of a message.
///
/// # Panics
///
/// If it is not one of [`message`]'s.
#[must_use]
pub fn number(payload: &[u8]) -> u64 {
    let text = std::str::from_utf8(payload).expect("digits");
    text.parse().expect("every message has its number")
}

/// A CONNECT to a session that is kept.
#[must_use]
pub fn connect(version: Version) -> Connect {
    let mut connect = Connect::new(version, Text::from_static("client").expect("plain ASCII"));
    connect.clean_start = false;
    connect.keep_alive = 0;
    if version == Version::V5 {
        connect.properties.set_session_expiry_interval(u32::MAX);
    }
    connect
}

pub(crate) fn id(number: u16) -> PacketId {
    PacketId::new(number).expect("0 is no packet identifier")
}
