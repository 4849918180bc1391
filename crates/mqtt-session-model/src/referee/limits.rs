//! [`Limits`]: what the server takes, and what aliases stand for.

use std::collections::BTreeMap;
use std::mem::replace;
use std::num::NonZeroU16;

use mqtt_session::codec::{Connack, Packet, QoS, ReasonCode, TopicName};
use mqtt_session::{Config, Timestamp};

use super::Referee;

/// What one connection allows [MQTT-3.2.2-11] [MQTT-3.2.2-15] [MQTT-3.3.2-9].
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    config: Config,
    max_packet_size: u64,
    max_qos: QoS,
    /// Of the server's aliases and of the client's.
    incoming: Aliases,
    outgoing: Aliases,
    /// How many bytes the client has sent.
    carried: u64,
}

/// What the aliases of one direction stand for.
#[derive(Clone, Debug, Default)]
struct Aliases {
    maximum: u16,
    topics: BTreeMap<u16, TopicName>,
}

impl Referee for Limits {
    fn closed(&mut self) {
        *self = Self::new(self.config.clone());
    }

    fn accepted(&mut self, Connack { properties, .. }: &Connack) {
        self.max_packet_size =
            properties.maximum_packet_size().map_or(u64::MAX, |maximum| maximum.get().into());
        self.max_qos = properties.maximum_qos().unwrap_or(QoS::ExactlyOnce);
        self.outgoing.maximum =
            properties.topic_alias_maximum().unwrap_or(0).min(self.config.max_outbound_aliases);
    }

    fn grants(&self, packet: &Packet) -> bool {
        let is_small = |len| len as u64 <= self.max_packet_size;
        packet.encoded_len(self.config.version).is_ok_and(is_small)
            && !matches!(packet, Packet::Publish(publish) if publish.qos > self.max_qos)
    }

    fn hear(&mut self, packet: &mut Packet, _: Timestamp) -> Result<(), ReasonCode> {
        self.incoming.resolve(packet)
    }
}

impl Limits {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            incoming: Aliases { maximum: config.topic_alias_maximum, ..Aliases::default() },
            outgoing: Aliases::default(),
            max_packet_size: u64::MAX,
            max_qos: QoS::ExactlyOnce,
            carried: 0,
            config,
        }
    }

    /// What the server reads in a packet that ends at this byte of the connection.
    pub(crate) fn read(&mut self, mut packet: Packet, end: u64) -> Packet {
        let len = end - replace(&mut self.carried, end);
        // A CONNECT knows no limit yet. An alias may make a publish larger than it was submitted.
        let is_small = matches!(packet, Packet::Connect(_)) || len <= self.max_packet_size;
        assert!(is_small, "{packet:?} is too large");
        self.outgoing.resolve(&mut packet).expect("the server knows the alias");
        packet
    }
}

impl Aliases {
    /// Puts the topic in an alias's place, or learns what it stands for.
    fn resolve(&mut self, packet: &mut Packet) -> Result<(), ReasonCode> {
        let Packet::Publish(publish) = packet else { return Ok(()) };
        let Some(alias) = publish.properties.topic_alias().map(NonZeroU16::get) else { return Ok(()) };
        if alias > self.maximum {
            return Err(ReasonCode::TopicAliasInvalid);
        } else if !publish.topic.is_empty() {
            self.topics.insert(alias, publish.topic.clone());
        }
        publish.topic = self.topics.get(&alias).ok_or(ReasonCode::ProtocolError)?.clone();
        publish.properties.clear_topic_alias();
        Ok(())
    }
}
