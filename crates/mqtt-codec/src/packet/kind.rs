//! The packet types, and what the first byte of a packet may be (section 2.1 of 5.0, 2.2 of 3.1.1).
//!
//! ```text
//! bit   7   6   5   4     3   2   1   0
//!     +---------------+-----------------+
//! 0   |  packet type  |      flags      |   flags: PUBLISH has DUP, QoS (2 bits) and RETAIN;
//!     +---------------+-----------------+          PUBREL, SUBSCRIBE and UNSUBSCRIBE have 0010, all others 0000
//! ```

use core::fmt;

use crate::{DecodeErrorKind, Side, Version};

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

    /// The type that a first byte names, which this side may send, with flags that it may have.
    ///
    /// # Errors
    ///
    /// What is wrong, and the type, if it could be told.
    #[inline(always)]
    pub(crate) fn from_first_byte(
        byte: u8,
        version: Version,
        sender: Side,
    ) -> Result<Self, (Option<Self>, DecodeErrorKind)> {
        if LEGAL[usize::from(byte)] & speaker(version, sender) != 0 {
            return Ok(Self::ALL[usize::from(byte >> 4).wrapping_sub(1)]);
        }
        legal(byte, version, sender)
    }

    /// Whether a packet that starts so is a PUBLISH with legal flags, which any side may send in any version.
    #[inline(always)]
    pub(crate) const fn is_publish(byte: u8) -> bool {
        const LEGAL_FLAGS: u16 = {
            let mut set = 0;
            let mut flags = 0;
            while flags < 16 {
                if PacketKind::Publish.fault_of_flags(flags).is_none() {
                    set |= 1 << flags;
                }
                flags += 1;
            }
            set
        };
        byte >> 4 == Self::Publish as u8 && LEGAL_FLAGS >> (byte & 0x0F) & 1 != 0
    }

    /// Type and the flags that the type has, for all but PUBLISH.
    #[inline]
    pub(crate) const fn first_byte(self) -> u8 {
        (self as u8) << 4 | self.fixed_flags()
    }

    /// Whether this side may send the packet.
    const fn sent_by(self, side: Side, version: Version) -> bool {
        match self {
            Self::Connect | Self::Subscribe | Self::Unsubscribe | Self::Pingreq => {
                matches!(side, Side::Client)
            }
            Self::Connack | Self::Suback | Self::Unsuback | Self::Pingresp => matches!(side, Side::Server),
            Self::Disconnect => matches!((side, version), (Side::Client, _) | (_, Version::V5)),
            Self::Publish | Self::Puback | Self::Pubrec | Self::Pubrel | Self::Pubcomp | Self::Auth => true,
        }
    }

    /// What is wrong with the lower four bits of a first byte.
    const fn fault_of_flags(self, flags: u8) -> Option<DecodeErrorKind> {
        match (self, flags >> publish_flags::QOS_SHIFT & 0b11) {
            (Self::Publish, 3) => Some(DecodeErrorKind::QoSReserved),
            (Self::Publish, 0) if flags & publish_flags::DUP != 0 => Some(DecodeErrorKind::DupWithQoS0),
            (Self::Publish, _) => None,
            _ if flags == self.fixed_flags() => None,
            _ => Some(DecodeErrorKind::FixedHeaderFlags),
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

/// Which speakers may begin a packet with a byte; so that one look at a table answers what nearly all packets ask.
static LEGAL: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut index = 0;
        while index < SPEAKERS.len() {
            let (version, sender) = SPEAKERS[index];
            if legal(byte as u8, version, sender).is_ok() {
                table[byte] |= speaker(version, sender);
            }
            index += 1;
        }
        byte += 1;
    }
    table
};

const SPEAKERS: [(Version, Side); 4] = [
    (Version::V311, Side::Client),
    (Version::V311, Side::Server),
    (Version::V5, Side::Client),
    (Version::V5, Side::Server),
];

/// The bit of a version and a side in [`LEGAL`].
#[inline]
const fn speaker(version: Version, sender: Side) -> u8 {
    let sender = match sender {
        Side::Client => 0b01,
        Side::Server => 0b10,
    };
    match version {
        Version::V311 => sender,
        Version::V5 => sender << 2,
    }
}

/// What a first byte is, from its rules.
const fn legal(
    byte: u8,
    version: Version,
    sender: Side,
) -> Result<PacketKind, (Option<PacketKind>, DecodeErrorKind)> {
    let kind = match (byte >> 4, version) {
        (0, _) | (15, Version::V311) => return Err((None, DecodeErrorKind::ReservedPacketType)),
        (number, _) => PacketKind::ALL[number as usize - 1],
    };
    if let Some(fault) = kind.fault_of_flags(byte & 0x0F) {
        return Err((Some(kind), fault));
    }
    if kind.sent_by(sender, version) { Ok(kind) } else { Err((Some(kind), DecodeErrorKind::WrongSender)) }
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
