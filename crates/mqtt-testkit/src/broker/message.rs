//! A message on its way through the broker: what was published, until each receiver has had it.

use std::sync::Arc;

use bytes::Bytes;
use mqtt_codec::{Binary, Publish, PublishProperties, QoS, Text, TopicName, Will, WillProperties};
use mqtt_session::Timestamp;

/// Whatever the broker keeps of an accepted PUBLISH or will; shared by all its receivers.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) topic: TopicName,
    pub(super) payload: Bytes,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// Exactly what 5.0 has forwarded unaltered: no alias, no subscription identifier, no expiry.
    pub(super) properties: PublishProperties,
    /// From when on no copy is started; the remaining time is sent along.
    expires_at: Option<Timestamp>,
    /// The client identifier it came from, for No Local.
    pub(super) publisher: Text,
}

impl Message {
    /// `publish.topic` is the full name, an alias resolved.
    pub(super) fn from_publish(now: Timestamp, publisher: Text, publish: Publish) -> Arc<Self> {
        let Publish { qos, retain, topic, mut properties, payload, .. } = publish;
        let expires_at = expiry(now, properties.message_expiry_interval());
        properties.clear_message_expiry_interval();
        properties.clear_topic_alias();
        Arc::new(Self { topic, payload, qos, retain, properties, expires_at, publisher })
    }

    /// The message of a will whose time has come.
    pub(super) fn from_will(now: Timestamp, publisher: Text, will: Will) -> Arc<Self> {
        let Will { topic, payload, qos, retain, properties } = will;
        let expires_at = expiry(now, properties.message_expiry_interval());
        Arc::new(Self {
            topic,
            payload: payload.to_bytes(),
            qos,
            retain,
            properties: publish_properties(&properties),
            expires_at,
            publisher,
        })
    }

    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// The Message Expiry Interval to forward: what is left of it, in seconds [5.0 MQTT-3.3.2-6].
    pub(super) fn remaining_expiry(&self, now: Timestamp) -> Option<u32> {
        let left = self.expires_at?.saturating_since(now);
        Some(u32::try_from(left.as_micros().div_ceil(1_000_000)).unwrap_or(u32::MAX))
    }
}

fn expiry(now: Timestamp, seconds: Option<u32>) -> Option<Timestamp> {
    seconds.map(|s| now + core::time::Duration::from_secs(s.into()))
}

/// A will is published with what its own properties say about the message.
fn publish_properties(will: &WillProperties) -> PublishProperties {
    let mut properties = PublishProperties::default();
    if let Some(indicator) = will.payload_format_indicator() {
        properties.set_payload_format_indicator(indicator);
    }
    if let Some(content_type) = will.content_type() {
        properties.set_content_type(&content_type.to_text());
    }
    if let Some(Ok(topic)) = will.response_topic().map(|topic| TopicName::new(topic.as_str())) {
        properties.set_response_topic(&topic);
    }
    if let Some(Ok(data)) = will.correlation_data().map(Binary::try_from) {
        properties.set_correlation_data(&data);
    }
    // [5.0 MQTT-3.1.3-10]: in their order.
    for (name, value) in will.user_properties() {
        properties.add_user_property(&name.to_text(), &value.to_text());
    }
    properties
}
