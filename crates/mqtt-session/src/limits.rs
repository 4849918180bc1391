//! [`Limits`]: what one connection may do. The protocol versions differ here and in the codec, and nowhere else.

use mqtt_codec::{
    Connack, Decoder, EncodeError, PlainPublish, Publish, PublishProperties, QoS, SubscribeFilter,
    SubscribeProperties, Text, Version,
};

use crate::Refusal;
use crate::handshake::Terms;
use crate::output::LARGE_PAYLOAD;

/// What a PUBLISH has besides topic and payload, in bytes, at most: fixed header, length of the topic, packet identifier,
/// an alias.
const MAX_PLAIN_HEAD: usize = 5 + 2 + 2 + 4;

/// What the server allows on one connection, and what was agreed with it: constants for 3.1.1, the CONNACK's answer
/// for 5.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The protocol version.
    pub version: Version,
    /// How many QoS 1 and 2 publishes the server lets us have unacknowledged. 3.1.1: 65,535.
    pub receive_maximum: u16,
    /// The largest packet that the server takes, in bytes of the whole packet. Without a word from it: the
    /// protocol's maximum, 268,435,460.
    pub maximum_packet_size: u32,
    /// The highest QoS that the server takes in a publish.
    pub maximum_qos: QoS,
    /// Whether a publish may be retained.
    pub retain_available: bool,
    /// Whether a filter may hold wildcards.
    pub wildcard_available: bool,
    /// Whether SUBSCRIBE may carry a Subscription Identifier; never in 3.1.1.
    pub subscription_identifiers_available: bool,
    /// Whether a filter may be shared. In 3.1.1 `$share/` is up to the server, and passed through.
    pub shared_available: bool,
    /// The keep alive in force, in seconds: the server's where it named one [MQTT-3.1.2-21], else ours. 0 = off.
    pub keep_alive: u16,
    /// How long the server keeps the session after the connection ended, in seconds; `u32::MAX` = for ever. 3.1.1:
    /// 0 or `u32::MAX`.
    pub session_expiry: u32,
    /// The highest topic alias that the server takes; 0 = none.
    pub topic_alias_maximum: u16,
    /// The client identifier that the server chose, if it did (5.0).
    pub assigned_client_identifier: Option<Text>,
}

impl Limits {
    /// What CONNECT and CONNACK together come to.
    pub(crate) fn agreed(terms: &Terms, connack: &Connack) -> Self {
        let answer = &connack.properties;
        let is_v5 = terms.version == Version::V5;
        Self {
            version: terms.version,
            receive_maximum: answer.receive_maximum().map_or(u16::MAX, |maximum| maximum.get()),
            maximum_packet_size: answer
                .maximum_packet_size()
                .map_or(Decoder::LARGEST_PACKET, |maximum| maximum.get()),
            maximum_qos: answer.maximum_qos().unwrap_or(QoS::ExactlyOnce),
            retain_available: answer.retain_available().unwrap_or(true),
            wildcard_available: answer.wildcard_subscription_available().unwrap_or(true),
            subscription_identifiers_available: is_v5
                && answer.subscription_identifiers_available().unwrap_or(true),
            shared_available: answer.shared_subscription_available().unwrap_or(true),
            keep_alive: answer.server_keep_alive().unwrap_or(terms.keep_alive),
            session_expiry: answer.session_expiry_interval().unwrap_or(terms.session_expiry),
            topic_alias_maximum: answer.topic_alias_maximum().unwrap_or(0),
            assigned_client_identifier: answer.assigned_client_identifier().map(|id| id.to_text()),
        }
    }

    /// Whether a publish may be sent, which carries the packet identifier that its QoS asks for; its size in bytes
    /// if so.
    #[inline]
    pub(crate) fn check_publish(&self, publish: &Publish) -> Result<usize, Refusal> {
        if publish.qos > self.maximum_qos {
            return Err(Refusal::QosNotSupported { qos: publish.qos, maximum: self.maximum_qos });
        }
        if publish.retain && !self.retain_available {
            return Err(Refusal::RetainNotSupported);
        }
        if !publish.properties.is_empty() {
            check_publish_properties(&publish.properties)?;
        }
        self.check_size(publish.encoded_len(self.version))
    }

    /// Whether a publish is certain to be allowed and encodable, at one glance: without properties, not large, and far from any
    /// limit. If not, [`check_publish`](Self::check_publish) decides.
    #[inline]
    pub(crate) fn allow_plain(&self, publish: &Publish) -> bool {
        publish.qos <= self.maximum_qos
            && publish.properties.is_empty()
            && !publish.topic.is_empty()
            && self.plain().allow_parts(publish.topic.as_bytes(), &publish.payload, publish.retain)
    }

    /// What most publishes can be judged by.
    #[inline]
    pub(crate) fn plain(&self) -> PlainLimits {
        let Self { version, maximum_packet_size, retain_available, .. } = *self;
        PlainLimits { version, maximum_packet_size, retain_available }
    }

    /// Whether these filters may be subscribed to.
    pub(crate) fn check_subscribe(
        &self,
        filters: &[SubscribeFilter],
        properties: &SubscribeProperties,
    ) -> Result<(), Refusal> {
        if !self.wildcard_available && filters.iter().any(|entry| entry.filter.has_wildcards()) {
            return Err(Refusal::WildcardNotSupported);
        }
        if !self.shared_available && filters.iter().any(|entry| entry.filter.is_shared()) {
            return Err(Refusal::SharedNotSupported);
        }
        if !self.subscription_identifiers_available && properties.subscription_identifier().is_some() {
            return Err(Refusal::SubscriptionIdentifiersNotSupported);
        }
        Ok(())
    }

    /// Whether a packet of this size may be sent [MQTT-3.2.2-15].
    #[inline]
    pub(crate) fn check_size(&self, size: Result<usize, EncodeError>) -> Result<usize, Refusal> {
        let size = size?;
        if size > self.maximum_packet_size as usize {
            return Err(Refusal::PacketTooLarge { size, limit: self.maximum_packet_size });
        }
        Ok(size)
    }
}

/// The limits of a publish that has nothing out of the ordinary.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlainLimits {
    pub(crate) version: Version,
    maximum_packet_size: u32,
    retain_available: bool,
}

impl PlainLimits {
    /// As [`Limits::allow_plain`].
    #[inline]
    pub(crate) fn allow(&self, publish: &PlainPublish<'_>) -> bool {
        self.allow_parts(publish.topic().as_bytes(), publish.payload(), publish.retain())
    }

    /// Whether such a publish is not large, and within these limits, whatever its QoS adds.
    #[inline]
    fn allow_parts(&self, topic: &[u8], payload: &[u8], retain: bool) -> bool {
        payload.len() < LARGE_PAYLOAD
            && MAX_PLAIN_HEAD + topic.len() + payload.len() <= self.maximum_packet_size as usize
            && (!retain || self.retain_available)
    }
}

/// What a client's publish may not carry, whatever the server takes.
fn check_publish_properties(properties: &PublishProperties) -> Result<(), Refusal> {
    if properties.topic_alias().is_some() {
        return Err(Refusal::TopicAlias);
    }
    if properties.subscription_identifiers().next().is_some() {
        return Err(Refusal::SubscriptionIdentifier);
    }
    Ok(())
}
