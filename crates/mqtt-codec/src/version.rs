//! The two things outside a packet that decide what may stand in it: protocol version and sender.

use core::fmt;

/// A protocol version of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// MQTT 3.1.1 (OASIS 2014, ISO/IEC 20922), protocol level 4.
    V311,
    /// MQTT 5.0 (OASIS 2019), protocol version 5.
    V5,
}

impl Version {
    /// The byte that names this version in a CONNECT: 4 or 5.
    #[inline]
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::V311 => 4,
            Self::V5 => 5,
        }
    }

    /// The version that a CONNECT's level byte names, if this crate speaks it.
    #[inline]
    #[must_use]
    pub const fn from_level(level: u8) -> Option<Self> {
        match level {
            4 => Some(Self::V311),
            5 => Some(Self::V5),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5.0",
        })
    }
}

/// The end of a connection that *sent* a packet.
///
/// A client decodes what [`Side::Server`] sent, and a broker what [`Side::Client`] sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end that opened the connection with CONNECT.
    Client,
    /// The end that answered with CONNACK.
    Server,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}
