//! UNSUBACK: the server answers UNSUBSCRIBE (section 3.11 of both versions).
//!
//! ```text
//! +------+---------------------------+-----------------------------+-----------------+----------------------+
//! | 0xB0 | remaining length (varint) | packet identifier (2 bytes) | properties 5.0  | reason code (1 byte) |
//! |      | 3.1.1: 2                  |                             |                 | for each filter, 5.0 |
//! +------+---------------------------+-----------------------------+-----------------+----------------------+
//! ```

use alloc::vec::Vec;
use bytes::Bytes;

use crate::{
    DecodeErrorKind, EncodeError, PacketId, ReasonCode, Side, UnsubackProperties, UnsubackPropertiesRef,
    Version,
    encode::{Body, expressible, impl_encode, impl_fit},
    packet::{PacketKind, check_reason, reason_code, reason_codes},
    parse::{Context, Input, Parsed, end, ensure, packet_id},
    property::Place,
};

/// A server's answer to UNSUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsuback {
    /// The UNSUBSCRIBE's.
    pub packet_id: PacketId,
    /// Empty in 3.1.1.
    pub properties: UnsubackProperties,
    /// 5.0: the outcome of each filter, in the order of the UNSUBSCRIBE, one at least. Empty in 3.1.1.
    pub reasons: Vec<ReasonCode>,
}

impl Unsuback {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reasons: Vec<ReasonCode>) -> Self {
        Self { packet_id, properties: UnsubackProperties::default(), reasons }
    }
}

impl_encode!(Unsuback);
impl_fit!(Unsuback);

impl Body for Unsuback {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketKind::Unsuback.first_byte()
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        let properties = self.properties.len_in(version, "properties")?;
        match version {
            Version::V5 => {
                if self.reasons.is_empty() {
                    return Err(EncodeError::NoReasonCodes);
                }
                self.reasons.iter().try_for_each(|&reason| check_reason(PacketKind::Unsuback, reason))?;
                Ok(2 + properties + self.reasons.len())
            }
            Version::V311 => {
                expressible(self.reasons.is_empty(), "UNSUBACK reason codes", version)?;
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
        self.properties.write(version, out);
        out.extend(self.reasons.iter().map(|reason| reason.as_u8()));
    }
}

/// [`Unsuback`] in the buffer that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnsubackRef<'a> {
    /// See [`Unsuback::packet_id`].
    pub packet_id: PacketId,
    /// See [`Unsuback::properties`].
    pub properties: UnsubackPropertiesRef<'a>,
    /// Reason codes, validated.
    payload: &'a [u8],
}

impl<'a> UnsubackRef<'a> {
    /// Parses all that follows the fixed header.
    pub(crate) fn parse(context: Context, input: Input<'a>) -> Parsed<'a, Self> {
        let (rest, packet_id) = packet_id(input)?;
        if context.version == Version::V311 {
            end(rest)?;
            return Ok((
                rest,
                Self { packet_id, properties: UnsubackPropertiesRef::default(), payload: rest },
            ));
        }
        let (payload, properties) = UnsubackPropertiesRef::parse(context.version, Place::Unsuback, rest)?;
        ensure(!payload.is_empty(), payload, DecodeErrorKind::NoReasonCodes)?;
        let mut rest = payload;
        while !rest.is_empty() {
            (rest, _) = reason_code(PacketKind::Unsuback, Side::Server, rest)?;
        }
        Ok((rest, Self { packet_id, properties, payload }))
    }

    /// The outcome of each filter, read in place.
    pub fn reasons(&self) -> impl Iterator<Item = ReasonCode> + use<'a> {
        reason_codes(self.payload)
    }

    /// The owned packet, sharing the buffer `frame` that this view points into.
    pub(crate) fn to_owned_in(self, frame: &Bytes) -> Unsuback {
        Unsuback {
            packet_id: self.packet_id,
            properties: self.properties.to_owned_in(frame),
            reasons: self.reasons().collect(),
        }
    }
}
