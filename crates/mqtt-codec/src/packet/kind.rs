//! The packet types, and what the first byte of a packet may be (section 2.1 of 5.0, 2.2 of 3.1.1).
//!
//! ```text
//! bit   7   6   5   4     3   2   1   0
//!     +---------------+-----------------+
//! 0   |  packet type  |      flags      |   flags: PUBLISH has DUP, QoS (2 bits) and RETAIN;
//!     +---------------+-----------------+          PUBREL, SUBSCRIBE and UNSUBSCRIBE have 0010, all others 0000
//! ```

use core::fmt;

use crate::{DecodeErrorKind, QoS, Side, Version};

/// The type of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum PacketKind {
    /// A client opens the session.
    Connect = 1,
    /// The server answers CONNECT.
    Connack = 2,
    /// A message.
    Publish = 3,
    /// QoS 1: the message has arrived.
    Puback = 4,
    /// QoS 2, first answer: the message has arrived.
    Pubrec = 5,
    /// QoS 2, second part: PUBREC has arrived.
    Pubrel = 6,
    /// QoS 2, second answer: the delivery is complete.
    Pubcomp = 7,
    /// A client asks for messages.
    Subscribe = 8,
    /// The server answers SUBSCRIBE.
    Suback = 9,
    /// A client asks for no more messages.
    Unsubscribe = 10,
    /// The server answers UNSUBSCRIBE.
    Unsuback = 11,
    /// A client asks for a sign of life.
    Pingreq = 12,
    /// The server gives it.
    Pingresp = 13,
    /// The connection ends on purpose; 3.1.1: from the client only.
    Disconnect = 14,
    /// Enhanced authentication; 5.0 only.
    Auth = 15,
}

/// The flags of PUBLISH.
pub(super) mod publish_flags {
    pub(crate) const DUP: u8 = 0b1000;
    pub(crate) const QOS_SHIFT: u8 = 1;
    pub(crate) const RETAIN: u8 = 0b0001;
}

impl PacketKind {
    /// All types, in the order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Connect,
        Self::Connack,
        Self::Publish,
        Self::Puback,
        Self::Pubrec,
        Self::Pubrel,
        Self::Pubcomp,
        Self::Subscribe,
        Self::Suback,
        Self::Unsubscribe,
        Self::Unsuback,
        Self::Pingreq,
        Self::Pingresp,
        Self::Disconnect,
        Self::Auth,
    ];

    /// The type that the upper four bits of a first byte name, if the version has it.
    #[inline]
    pub(crate) fn from_first_byte(byte: u8, version: Version) -> Option<Self> {
        let index = usize::from(byte >> 4).checked_sub(1)?;
        let kind = Self::ALL[index];
        (kind != Self::Auth || version == Version::V5).then_some(kind)
    }

    /// Type and the flags that the type has, for all but PUBLISH.
    #[inline]
    pub(crate) const fn first_byte(self) -> u8 {
        (self as u8) << 4 | self.fixed_flags()
    }

    /// Whether this side may send the packet.
    #[inline]
    pub(crate) fn sent_by(self, side: Side, version: Version) -> bool {
        match self {
            Self::Connect | Self::Subscribe | Self::Unsubscribe | Self::Pingreq => side == Side::Client,
            Self::Connack | Self::Suback | Self::Unsuback | Self::Pingresp => side == Side::Server,
            Self::Disconnect => side == Side::Client || version == Version::V5,
            Self::Publish | Self::Puback | Self::Pubrec | Self::Pubrel | Self::Pubcomp | Self::Auth => true,
        }
    }

    /// Checks the lower four bits of a first byte.
    #[inline]
    pub(crate) fn check_flags(self, flags: u8) -> Result<(), DecodeErrorKind> {
        if self != Self::Publish {
            return if flags == self.fixed_flags() { Ok(()) } else { Err(DecodeErrorKind::FixedHeaderFlags) };
        }
        match QoS::try_from(flags >> publish_flags::QOS_SHIFT & 0b11) {
            Err(_) => Err(DecodeErrorKind::QoSReserved),
            Ok(QoS::AtMostOnce) if flags & publish_flags::DUP != 0 => Err(DecodeErrorKind::DupWithQoS0),
            Ok(_) => Ok(()),
        }
    }

    #[inline]
    const fn fixed_flags(self) -> u8 {
        match self {
            Self::Pubrel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        }
    }
}

impl fmt::Display for PacketKind {
    /// The specification's spelling, such as `PUBLISH`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Connect => "CONNECT",
            Self::Connack => "CONNACK",
            Self::Publish => "PUBLISH",
            Self::Puback => "PUBACK",
            Self::Pubrec => "PUBREC",
            Self::Pubrel => "PUBREL",
            Self::Pubcomp => "PUBCOMP",
            Self::Subscribe => "SUBSCRIBE",
            Self::Suback => "SUBACK",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Unsuback => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect => "DISCONNECT",
            Self::Auth => "AUTH",
        })
    }
}
