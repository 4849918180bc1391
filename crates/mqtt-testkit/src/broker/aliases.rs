//! Topic aliases of one connection, both ways (5.0 section 3.3.2.3.4).

use core::num::NonZeroU16;
use std::collections::BTreeMap;

use mqtt_codec::{EncodeError, Publish, ReasonCode, TopicName, Version};

use super::Offence;

/// An alias takes this many bytes: a topic that is no longer has none.
const ALIAS_LEN: usize = 3;

/// What aliases stand for, for as long as the connection lives.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// Set by the client.
    received: BTreeMap<u16, TopicName>,
    /// Set by the broker, for the first topics that come along.
    sent: BTreeMap<TopicName, NonZeroU16>,
    /// How many the broker sets.
    max_sent: u16,
}

impl Aliases {
    /// So many may be set from now on.
    pub(super) fn allow(&mut self, max_sent: u16) {
        self.max_sent = max_sent;
    }

    /// Puts the full name in an alias's place, or learns the alias [5.0 MQTT-3.3.2-12].
    pub(super) fn resolve(&mut self, publish: &mut Publish, maximum: u16) -> Result<(), Offence> {
        let Some(alias) = publish.properties.topic_alias() else { return Ok(()) };
        if alias.get() > maximum {
            return Err(Offence::new(
                ReasonCode::TopicAliasInvalid,
                format!("topic alias {alias} is above the maximum of {maximum}"),
            ));
        }
        if publish.topic.is_empty() {
            let Some(topic) = self.received.get(&alias.get()) else {
                return Err(Offence::protocol_error(format!("topic alias {alias} was never set")));
            };
            publish.topic = topic.clone();
        } else {
            self.received.insert(alias.get(), publish.topic.clone());
        }
        Ok(())
    }

    /// Encodes a message as this connection is to carry it, which takes packets of `max_len` bytes.
    pub(super) fn encode(
        &mut self,
        publish: &Publish,
        version: Version,
        max_len: usize,
        out: &mut Vec<u8>,
    ) -> Result<usize, EncodeError> {
        if let Some(alias) = self.sent.get(&publish.topic) {
            return publish.by_alias(*alias).encode(version, out);
        }
        let count = u16::try_from(self.sent.len()).unwrap_or(u16::MAX);
        if count < self.max_sent
            && publish.topic.as_bytes().len() > ALIAS_LEN
            && let Some(alias) = NonZeroU16::MIN.checked_add(count)
            && publish.setting_alias(alias).encoded_len(version)? <= max_len
        {
            self.sent.insert(publish.topic.clone(), alias);
            return publish.setting_alias(alias).encode(version, out);
        }
        publish.encode(version, out)
    }
}
