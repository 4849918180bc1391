//! CONNACK: the server answers CONNECT (section 3.2 of both versions).
//!
//! ```text
//! +------+---------------------------+-----------------------------+--------------------+------------------+
//! | 0x20 | remaining length (varint) | bit 0: session present      | reason code        | properties  5.0  |
//! |      |                           | bits 7-1: 0                 | 3.1.1: 0 to 5      |                  |
//! +------+---------------------------+-----------------------------+--------------------+------------------+
//! ```

use alloc::vec::Vec;
use bytes::Bytes;

use crate::{
    ConnackProperties, ConnackPropertiesRef, DecodeErrorKind, EncodeError, ReasonCode, Side, Version,
    encode::{Body, expressible, impl_encode, impl_fit},
    packet::{PacketKind, check_reason, reason_code},
    parse::{Context, Fault, Input, Parsed, end, ensure, located_byte},
    property::Place,
};

/// A server's answer to CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connack {
    /// Whether the server still has a session for the client; never together with an error.
    pub session_present: bool,
    /// The outcome; 3.1.1's return codes 1 to 5 appear as 0x84, 0x85, 0x88, 0x86 and 0x87.
    pub reason: ReasonCode,
    /// Empty in 3.1.1.
    pub properties: ConnackProperties,
}

impl Connack {
    /// An answer without properties.
    #[must_use]
    pub fn new(session_present: bool, reason: ReasonCode) -> Self {
        Self { session_present, reason, properties: ConnackProperties::default() }
    }

    /// The reason code as the version writes it.
    fn reason_byte(&self, version: Version) -> Option<u8> {
        match version {
            Version::V311 => self.reason.to_v311_connack(),
            Version::V5 => Some(self.reason.as_u8()),
        }
    }
}

impl_encode!(Connack);
impl_fit!(Connack);

impl Body for Connack {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketKind::Connack.first_byte()
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        if self.session_present && self.reason != ReasonCode::Success {
            return Err(EncodeError::SessionPresentWithError);
        }
        let properties = self.properties.len_in(version, "properties")?;
        match version {
            Version::V5 => {
                check_reason(PacketKind::Connack, self.reason)?;
                self.properties.check_authentication()?;
                Ok(2 + properties)
            }
            Version::V311 => {
                expressible(self.reason_byte(version).is_some(), "such CONNACK return code", version)?;
                Ok(2)
            }
        }
    }

    #[inline(always)]
    fn start(&self) -> impl AsRef<[u8]> {
        [u8::from(self.session_present)]
    }

    #[inline]
    fn write_rest(&self, version: Version, out: &mut Vec<u8>) {
        out.extend(self.reason_byte(version));
        self.properties.write(version, out);
    }
}

/// [`Connack`] in the buffer that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnackRef<'a> {
    /// See [`Connack::session_present`].
    pub session_present: bool,
    /// See [`Connack::reason`].
    pub reason: ReasonCode,
    /// See [`Connack::properties`].
    pub properties: ConnackPropertiesRef<'a>,
}

impl<'a> ConnackRef<'a> {
    /// Parses all that follows the fixed header.
    pub(crate) fn parse(context: Context, input: Input<'a>) -> Parsed<'a, Self> {
        let (rest, (at, flags)) = located_byte(input)?;
        ensure(flags <= 1, at, DecodeErrorKind::ConnackReservedFlags)?;
        let session_present = flags == 1;
        let (rest, reason) = match context.version {
            Version::V5 => reason_code(PacketKind::Connack, Side::Server, rest)?,
            Version::V311 => return_code(rest)?,
        };
        ensure(
            !session_present || reason == ReasonCode::Success,
            at,
            DecodeErrorKind::SessionPresentWithError,
        )?;
        let properties_at = rest;
        let (rest, properties) = ConnackPropertiesRef::parse(context.version, Place::Connack, rest)?;
        ensure(
            properties.check_authentication().is_ok(),
            properties_at,
            DecodeErrorKind::AuthenticationMethodMissing,
        )?;
        end(rest)?;
        Ok((rest, Self { session_present, reason, properties }))
    }

    /// The owned packet, sharing the buffer `frame` that this view points into.
    pub(crate) fn to_owned_in(self, frame: &Bytes) -> Connack {
        Connack {
            session_present: self.session_present,
            reason: self.reason,
            properties: self.properties.to_owned_in(frame),
        }
    }
}

/// A 3.1.1 return code (3.1.1 section 3.2.2.3).
fn return_code(input: Input<'_>) -> Parsed<'_, ReasonCode> {
    let (rest, (at, code)) = located_byte(input)?;
    match ReasonCode::from_v311_connack(code) {
        Some(reason) => Ok((rest, reason)),
        None => Fault::fail(at, DecodeErrorKind::UnknownReasonCode(code)),
    }
}
