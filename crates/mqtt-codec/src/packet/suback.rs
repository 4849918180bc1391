//! SUBACK: the server answers SUBSCRIBE (section 3.9 of both versions).
//!
//! ```text
//! +------+---------------------------+-----------------------------+-----------------+----------------------+
//! | 0x90 | remaining length (varint) | packet identifier (2 bytes) | properties 5.0  | reason code (1 byte) |
//! |      |                           |                             |                 | for each filter      |
//! +------+---------------------------+-----------------------------+-----------------+----------------------+
//! ```
//!
//! 3.1.1 knows the codes 0, 1, 2 (granted QoS) and 0x80 (failure).

use alloc::vec::Vec;
use bytes::Bytes;

use crate::{
    DecodeErrorKind, EncodeError, PacketId, ReasonCode, Side, SubackProperties, SubackPropertiesRef, Version,
    encode::{Body, expressible, impl_encode, impl_fit},
    packet::{PacketKind, check_reason, reason_code, reason_codes},
    parse::{Context, Fault, Input, Parsed, ensure, packet_id},
    property::Place,
};

/// A server's answer to SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suback {
    /// The SUBSCRIBE's.
    pub packet_id: PacketId,
    /// Empty in 3.1.1.
    pub properties: SubackProperties,
    /// The outcome of each filter, in the order of the SUBSCRIBE; one at least.
    pub reasons: Vec<ReasonCode>,
}

impl Suback {
    /// An answer without properties.
    #[must_use]
    pub fn new(packet_id: PacketId, reasons: Vec<ReasonCode>) -> Self {
        Self { packet_id, properties: SubackProperties::default(), reasons }
    }
}

impl_encode!(Suback);
impl_fit!(Suback);

impl Body for Suback {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketKind::Suback.first_byte()
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if self.reasons.is_empty() {
            return Err(EncodeError::NoReasonCodes);
        }
        match version {
            Version::V5 => {
                self.reasons.iter().try_for_each(|&reason| check_reason(PacketKind::Suback, reason))?;
            }
            Version::V311 => {
                let known = self.reasons.iter().all(|reason| reason.is_v311_suback());
                expressible(known, "such SUBACK return code", version)?;
            }
        }
        Ok(2 + self.properties.len_in(version, "properties")? + self.reasons.len())
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

/// [`Suback`] in the buffer that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubackRef<'a> {
    /// See [`Suback::packet_id`].
    pub packet_id: PacketId,
    /// See [`Suback::properties`].
    pub properties: SubackPropertiesRef<'a>,
    /// Reason codes, validated.
    payload: &'a [u8],
}

impl<'a> SubackRef<'a> {
    /// Parses all that follows the fixed header.
    pub(crate) fn parse(context: Context, input: Input<'a>) -> Parsed<'a, Self> {
        let (rest, packet_id) = packet_id(input)?;
        let (payload, properties) = SubackPropertiesRef::parse(context.version, Place::Suback, rest)?;
        ensure(!payload.is_empty(), payload, DecodeErrorKind::NoReasonCodes)?;
        let mut rest = payload;
        while !rest.is_empty() {
            (rest, _) = parse_code(context.version, rest)?;
        }
        Ok((rest, Self { packet_id, properties, payload }))
    }

    /// The outcome of each filter, read in place.
    pub fn reasons(&self) -> impl Iterator<Item = ReasonCode> + use<'a> {
        reason_codes(self.payload)
    }

    /// The owned packet, sharing the buffer `frame` that this view points into.
    pub(crate) fn to_owned_in(self, frame: &Bytes) -> Suback {
        Suback {
            packet_id: self.packet_id,
            properties: self.properties.to_owned_in(frame),
            reasons: self.reasons().collect(),
        }
    }
}

fn parse_code(version: Version, input: Input<'_>) -> Parsed<'_, ReasonCode> {
    let (rest, code) = reason_code(PacketKind::Suback, Side::Server, input)?;
    if version == Version::V311 && !code.is_v311_suback() {
        return Fault::fail(input, DecodeErrorKind::UnknownReasonCode(code.as_u8()));
    }
    Ok((rest, code))
}
