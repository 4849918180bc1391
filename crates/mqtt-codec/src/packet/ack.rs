//! PUBACK, PUBREC, PUBREL and PUBCOMP: the answers of QoS 1 and 2 (sections 3.4 to 3.7 of both versions).
//!
//! ```text
//! +------------------+---------------------------+-----------------------------+--------------+-------------+
//! | 0x40 PUBACK      | remaining length (varint) | packet identifier (2 bytes) | reason code  | properties  |
//! | 0x50 PUBREC      | 3.1.1: 2                  |                             | 5.0          | 5.0         |
//! | 0x62 PUBREL      |                           |                             |              |             |
//! | 0x70 PUBCOMP     |                           |                             |              |             |
//! +------------------+---------------------------+-----------------------------+--------------+-------------+
//! ```
//!
//! 5.0 may leave out the properties when there are none, and then also a reason code of Success.

use alloc::vec::Vec;
use bytes::Bytes;

use crate::{
    AckProperties, AckPropertiesRef, EncodeError, PacketId, ReasonCode, Version,
    encode::{Body, expressible, impl_encode, impl_fit},
    packet::{PacketKind, check_reason, reason_and_properties, short_form_len, write_short_form},
    parse::{Context, Input, Parsed, end, packet_id},
    property::Place,
};

/// Which of the four answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AckKind {
    /// Ends QoS 1.
    Puback,
    /// The first answer of QoS 2.
    Pubrec,
    /// What the publisher says to PUBREC.
    Pubrel,
    /// Ends QoS 2.
    Pubcomp,
}

impl From<AckKind> for PacketKind {
    fn from(kind: AckKind) -> Self {
        match kind {
            AckKind::Puback => Self::Puback,
            AckKind::Pubrec => Self::Pubrec,
            AckKind::Pubrel => Self::Pubrel,
            AckKind::Pubcomp => Self::Pubcomp,
        }
    }
}

/// One of the four answers of QoS 1 and 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Which answer.
    pub kind: AckKind,
    /// The message's.
    pub packet_id: PacketId,
    /// The outcome; always Success in 3.1.1.
    pub reason: ReasonCode,
    /// Empty in 3.1.1.
    pub properties: AckProperties,
}

impl Ack {
    /// The length of the shortest form, in bytes: success without properties.
    pub const SHORTEST_LEN: usize = 4;

    /// The answer that all is well, in its shortest form: the same bytes in both versions.
    #[inline]
    #[must_use]
    pub fn shortest(kind: AckKind, packet_id: PacketId) -> [u8; Self::SHORTEST_LEN] {
        let [high, low] = packet_id.get().to_be_bytes();
        [PacketKind::from(kind).first_byte(), 2, high, low]
    }

    /// The answer that all is well.
    #[must_use]
    pub fn new(kind: AckKind, packet_id: PacketId) -> Self {
        Self { kind, packet_id, reason: ReasonCode::Success, properties: AckProperties::default() }
    }

    /// The same answer with another outcome.
    #[must_use]
    pub fn with_reason(self, reason: ReasonCode) -> Self {
        Self { reason, ..self }
    }
}

impl_encode!(Ack);
impl_fit!(Ack);

impl Body for Ack {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketKind::from(self.kind).first_byte()
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        let properties = self.properties.len_in(version, "properties")?;
        match version {
            Version::V5 => {
                check_reason(self.kind.into(), self.reason)?;
                Ok(2 + short_form_len(self.reason, properties))
            }
            Version::V311 => {
                expressible(self.reason == ReasonCode::Success, "reason codes for this packet", version)?;
                Ok(2)
            }
        }
    }

    #[inline(always)]
    fn start(&self) -> impl AsRef<[u8]> {
        self.packet_id.get().to_be_bytes()
    }

    #[inline]
    fn write_rest(&self, version: Version, out: &mut Vec<u8>) {
        if version == Version::V5 && write_short_form(self.reason, self.properties.is_empty(), out) {
            self.properties.write(version, out);
        }
    }
}

/// [`Ack`] in the buffer that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AckRef<'a> {
    /// See [`Ack::kind`].
    pub kind: AckKind,
    /// See [`Ack::packet_id`].
    pub packet_id: PacketId,
    /// See [`Ack::reason`].
    pub reason: ReasonCode,
    /// See [`Ack::properties`].
    pub properties: AckPropertiesRef<'a>,
}

impl<'a> AckRef<'a> {
    /// A whole packet in the shortest form, that of nearly all: legal in both versions, from either side.
    #[inline(always)]
    pub(crate) fn shortest(frame: &[u8]) -> Option<Self> {
        let [first_byte, 2, high, low] = *frame else { return None };
        let kind = match first_byte {
            0x40 => AckKind::Puback,
            0x50 => AckKind::Pubrec,
            0x62 => AckKind::Pubrel,
            0x70 => AckKind::Pubcomp,
            _ => return None,
        };
        let packet_id = PacketId::new(u16::from_be_bytes([high, low]))?;
        Some(Self { kind, packet_id, reason: ReasonCode::Success, properties: AckPropertiesRef::default() })
    }

    /// Parses all that follows the fixed header.
    #[inline(always)]
    pub(crate) fn parse(context: Context, kind: AckKind, input: Input<'a>) -> Parsed<'a, Self> {
        let (rest, packet_id) = packet_id(input)?;
        let (rest, (reason, properties)) = match context.version {
            Version::V5 => reason_and_properties(kind.into(), context.sender, rest, |input| {
                AckPropertiesRef::parse(context.version, Place::Ack, input)
            })?,
            Version::V311 => (rest, (ReasonCode::Success, AckPropertiesRef::default())),
        };
        end(rest)?;
        Ok((rest, Self { kind, packet_id, reason, properties }))
    }

    /// The owned packet, sharing the buffer `frame` that this view points into.
    #[inline]
    pub(crate) fn to_owned_in(self, frame: &Bytes) -> Ack {
        Ack {
            kind: self.kind,
            packet_id: self.packet_id,
            reason: self.reason,
            properties: self.properties.to_owned_in(frame),
        }
    }
}
