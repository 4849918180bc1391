//! [`Limits`]: what one connection may do. The protocol versions differ here and in the codec, and nowhere else.

use mqtt_codec::{QoS, Text};

/// What the server allows on one connection, and what was agreed with it: constants for 3.1.1, the CONNACK's answer
/// for 5.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
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
