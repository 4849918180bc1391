//! DISCONNECT: the connection ends on purpose (section 3.14 of both versions).
//!
//! ```text
//! +------+---------------------------+----------------------+-----------------+
//! | 0xE0 | remaining length (varint) | reason code (1 byte) | properties      |
//! |      | 3.1.1: 0                  | 5.0                  | 5.0             |
//! +------+---------------------------+----------------------+-----------------+
//! ```
//!
//! 5.0 may leave out the properties when there are none, and then also a reason code of Normal disconnection. In
//! 3.1.1 only clients send it.

use alloc::vec::Vec;
use bytes::Bytes;

use crate::{
    DisconnectProperties, DisconnectPropertiesRef, EncodeError, ReasonCode, Version,
    encode::{Body, expressible, impl_encode, impl_fit},
    packet::{PacketKind, check_reason, reason_and_properties, short_form_len, write_short_form},
    parse::{Context, Input, Parsed, end},
    property::Place,
};

/// The last packet of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    /// Why; always Success (Normal disconnection) in 3.1.1.
    pub reason: ReasonCode,
    /// Empty in 3.1.1.
    pub properties: DisconnectProperties,
}

impl Disconnect {
    /// A DISCONNECT without properties.
    #[must_use]
    pub fn new(reason: ReasonCode) -> Self {
        Self { reason, properties: DisconnectProperties::default() }
    }
}

impl Default for Disconnect {
    /// The normal disconnection.
    fn default() -> Self {
        Self::new(ReasonCode::Success)
    }
}

impl_encode!(Disconnect);
impl_fit!(Disconnect);

impl Body for Disconnect {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketKind::Disconnect.first_byte()
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        let properties = self.properties.len_in(version, "properties")?;
        match version {
            Version::V5 => {
                check_reason(PacketKind::Disconnect, self.reason)?;
                Ok(short_form_len(self.reason, properties))
            }
            Version::V311 => {
                expressible(self.reason == ReasonCode::Success, "reason codes for DISCONNECT", version)?;
                Ok(0)
            }
        }
    }

    #[inline(always)]
    fn start(&self) -> impl AsRef<[u8]> {
        []
    }

    #[inline]
    fn write_rest(&self, version: Version, out: &mut Vec<u8>) {
        if version == Version::V5 && write_short_form(self.reason, self.properties.is_empty(), out) {
            self.properties.write(version, out);
        }
    }
}

/// [`Disconnect`] in the buffer that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DisconnectRef<'a> {
    /// See [`Disconnect::reason`].
    pub reason: ReasonCode,
    /// See [`Disconnect::properties`].
    pub properties: DisconnectPropertiesRef<'a>,
}

impl<'a> DisconnectRef<'a> {
    /// Parses all that follows the fixed header.
    pub(crate) fn parse(context: Context, input: Input<'a>) -> Parsed<'a, Self> {
        let (rest, (reason, properties)) = match context.version {
            Version::V5 => reason_and_properties(PacketKind::Disconnect, context.sender, input, |input| {
                DisconnectPropertiesRef::parse(context.version, Place::disconnect(context.sender), input)
            })?,
            Version::V311 => (input, (ReasonCode::Success, DisconnectPropertiesRef::default())),
        };
        end(rest)?;
        Ok((rest, Self { reason, properties }))
    }

    /// The owned packet, sharing the buffer `frame` that this view points into.
    pub(crate) fn to_owned_in(self, frame: &Bytes) -> Disconnect {
        Disconnect { reason: self.reason, properties: self.properties.to_owned_in(frame) }
    }
}
