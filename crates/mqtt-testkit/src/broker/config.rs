//! What a [`Broker`](super::Broker) announces, allows and bounds.

use core::num::NonZeroU16;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mqtt_codec::{QoS, TopicFilter, Version};

use super::authenticate::AuthMethod;
use super::fault::Fault;

/// How a broker behaves. A plain struct: start from [`Default`], change what the test is about.
///
/// ```
/// use mqtt_testkit::BrokerConfig;
///
/// let config = BrokerConfig { server_keep_alive: Some(5), ..BrokerConfig::default() };
/// assert!(config.retain_available);
/// ```
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// Protocol versions that are spoken. A CONNECT of another one is refused: a 3.1.1-only broker answers
    /// 5.0 with the four bytes `20 02 00 01`.
    pub versions: Vec<Version>,
    /// User names and passwords. A CONNECT that names a user must be right about the password.
    pub users: BTreeMap<String, Vec<u8>>,
    /// Whether a CONNECT without a user name is accepted.
    pub allow_anonymous: bool,
    /// Enhanced authentication (5.0) by this method, for clients that name it: in place of user name and password.
    pub authentication: Option<Arc<dyn AuthMethod>>,
    /// Topics that nobody may publish to: 0x87 in 5.0; 3.1.1 acknowledges and drops [3.1.1 MQTT-3.3.5-2].
    pub deny_publish: Vec<TopicFilter>,
    /// Filters (exact text) that nobody may subscribe to: 0x87 in 5.0, 0x80 in 3.1.1.
    pub deny_subscribe: Vec<TopicFilter>,

    /// Unacknowledged QoS 1 and 2 messages taken from one client: announced and enforced in 5.0 (0x93).
    pub receive_maximum: NonZeroU16,
    /// Unacknowledged QoS 1 and 2 messages sent to one client; the client's own Receive Maximum also applies.
    pub max_in_flight: NonZeroU16,
    /// Largest packet taken, in bytes of the whole packet. Announced in 5.0, enforced in both versions.
    pub max_packet_size: u32,
    /// Highest QoS a client may publish with; subscriptions are granted no more.
    pub maximum_qos: QoS,
    /// Whether messages may be retained.
    pub retain_available: bool,
    /// Whether filters may hold wildcards.
    pub wildcard_available: bool,
    /// Whether a SUBSCRIBE may carry a Subscription Identifier (5.0).
    pub subscription_identifiers_available: bool,
    /// Whether `$share/…` filters are accepted (in both versions).
    pub shared_available: bool,
    /// Highest topic alias taken from a client (5.0); 0 means none.
    pub topic_alias_maximum: u16,
    /// Topic aliases set for topics sent to a client (5.0), the first ones on each connection; the client's own Topic
    /// Alias Maximum also applies.
    pub max_sent_aliases: u16,
    /// Longest Session Expiry Interval granted, in seconds; `u32::MAX` grants any (5.0).
    pub session_expiry_cap: u32,
    /// Keep alive in seconds that replaces the client's (5.0); 0 switches it off.
    pub server_keep_alive: Option<u16>,
    /// Response Information for clients that ask for it (5.0).
    pub response_information: Option<String>,

    /// How long a connection may stay open without a CONNECT.
    pub connect_timeout: Duration,
    /// Messages queued for one session, beyond those in flight; newer ones are dropped and counted.
    pub max_queued: usize,
    /// Bytes of output that wait for one connection; past it, QoS 0 messages to it are dropped and counted.
    pub max_output: usize,
    /// Retained messages kept; a new topic past it is refused with 0x97 (3.1.1 and QoS 0: dropped and counted).
    pub max_retained: usize,
    /// Sessions kept, connected or not; past it a new client is refused with 0x97 (3.1.1: 3, unavailable).
    pub max_sessions: usize,
    /// Packets kept in the [`log`](super::Broker::log); older ones fall out. 0 keeps none, and costs nothing.
    pub log_capacity: usize,
    /// Faults to commit from the start; [`Broker::inject`](super::Broker::inject) adds more.
    pub faults: Vec<Fault>,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self {
            versions: vec![Version::V311, Version::V5],
            users: BTreeMap::new(),
            allow_anonymous: true,
            authentication: None,
            deny_publish: Vec::new(),
            deny_subscribe: Vec::new(),
            receive_maximum: NonZeroU16::MAX,
            max_in_flight: NonZeroU16::MIN.saturating_add(1023),
            max_packet_size: 16 << 20,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_available: true,
            subscription_identifiers_available: true,
            shared_available: true,
            topic_alias_maximum: 10,
            max_sent_aliases: 10,
            session_expiry_cap: u32::MAX,
            server_keep_alive: None,
            response_information: None,
            connect_timeout: Duration::from_secs(10),
            max_queued: 100_000,
            max_output: 16 << 20,
            max_retained: 100_000,
            max_sessions: 10_000,
            log_capacity: 1_000,
            faults: Vec::new(),
        }
    }
}
