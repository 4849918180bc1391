//! CONNECT and CONNACK: what is announced, and what comes of the answer.

use core::num::{NonZeroU16, NonZeroU32};

use mqtt_codec::{Connack, Connect, Decoder, PacketKind, ReasonCode, Text, Version};

use crate::{Config, ProtocolError, Refusal, Violation};

/// The CONNACK of a server that speaks only 3.1.1, in answer to a CONNECT of 5.0: its return code 1, which 5.0 can't
/// parse, because the properties are missing.
const ONLY_V311: [u8; 4] = [0x20, 0x02, 0x00, 0x01];

/// What a CONNECT said, as far as the rest of the connection depends on it.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) version: Version,
    pub(crate) client_id: Text,
    pub(crate) clean_start: bool,
    /// Seconds.
    pub(crate) keep_alive: u16,
    /// Seconds.
    pub(crate) session_expiry: u32,
    /// Whether the server may explain itself in acknowledgements.
    pub(crate) problem_information: bool,
}

impl Terms {
    pub(crate) fn of(connect: &Connect) -> Self {
        let session_expiry = match connect.version {
            Version::V5 => connect.properties.session_expiry_interval().unwrap_or(0),
            Version::V311 if connect.clean_start => 0,
            Version::V311 => u32::MAX,
        };
        Self {
            version: connect.version,
            client_id: connect.client_id.clone(),
            clean_start: connect.clean_start,
            keep_alive: connect.keep_alive,
            session_expiry,
            problem_information: connect.properties.request_problem_information().unwrap_or(true),
        }
    }

    /// Checks a CONNACK that accepts the connection against what was asked for.
    pub(crate) fn check(&self, connack: &Connack) -> Result<(), ProtocolError> {
        if connack.session_present && self.clean_start {
            return Err(ProtocolError::new(Violation::UnexpectedSession, PacketKind::Connack));
        }
        Ok(())
    }
}

/// The CONNECT that goes out: the caller's, with the limits of the configuration announced in it.
pub(crate) fn announce(connect: &Connect, config: &Config) -> Result<Connect, Refusal> {
    if connect.version != config.version {
        return Err(Refusal::WrongVersion { expected: config.version });
    }
    if connect.version == Version::V311 && connect.client_id.is_empty() && !connect.clean_start {
        return Err(Refusal::ClientIdMissing);
    }
    let mut connect = connect.clone();
    if connect.version == Version::V5 {
        let properties = &mut connect.properties;
        properties.clear_topic_alias_maximum();
        if config.topic_alias_maximum > 0 {
            properties.set_topic_alias_maximum(config.topic_alias_maximum);
        }
        let maximum = config.max_inbound.min(config.receive_maximum);
        match NonZeroU16::new(maximum).unwrap_or(NonZeroU16::MIN) {
            NonZeroU16::MAX => properties.clear_receive_maximum(),
            maximum => properties.set_receive_maximum(maximum),
        }
        match NonZeroU32::new(config.max_packet_size).unwrap_or(NonZeroU32::MIN) {
            maximum if maximum.get() >= Decoder::LARGEST_PACKET => properties.clear_maximum_packet_size(),
            maximum => properties.set_maximum_packet_size(maximum),
        }
    }
    connect.encoded_len()?;
    Ok(connect)
}

/// Whether the first packet of a 5.0 attempt says that the server speaks only 3.1.1; what that means.
pub(crate) fn refused_by_v311_server(version: Version, input: &[u8]) -> Option<Connack> {
    (version == Version::V5 && input.starts_with(&ONLY_V311))
        .then(|| Connack::new(false, ReasonCode::UnsupportedProtocolVersion))
}
