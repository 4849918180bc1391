//! AUTH: enhanced authentication, 5.0 only (5.0 sections 3.15 and 4.12).
//!
//! ```text
//! +------+---------------------------+----------------------+------------+
//! | 0xF0 | remaining length (varint) | reason code (1 byte) | properties |
//! +------+---------------------------+----------------------+------------+
//! ```
//!
//! All may be left out when the reason code is Success and there are no properties. In any other form the
//! authentication method must be there (section 3.15.2.2.2).

use alloc::vec::Vec;
use bytes::Bytes;

use crate::{
    AuthProperties, AuthPropertiesRef, DecodeErrorKind, EncodeError, ReasonCode, Version,
    encode::{Body, expressible, impl_encode, impl_fit},
    packet::{PacketKind, check_reason, reason_and_properties, short_form_len, write_short_form},
    parse::{Context, Input, Parsed, end, ensure},
    property::Place,
};

/// One step of an enhanced authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// Success (from the server), Continue authentication, or Re-authenticate (from the client).
    pub reason: ReasonCode,
    /// The authentication method at least, unless the packet is empty.
    pub properties: AuthProperties,
}

impl Auth {
    /// A step of an authentication.
    #[must_use]
    pub fn new(reason: ReasonCode, properties: AuthProperties) -> Self {
        Self { reason, properties }
    }
}

impl_encode!(Auth);
impl_fit!(Auth);

impl Body for Auth {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketKind::Auth.first_byte()
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        expressible(version == Version::V5, "AUTH", version)?;
        check_reason(PacketKind::Auth, self.reason)?;
        let empty = self.reason == ReasonCode::Success && self.properties.is_empty();
        if !empty && self.properties.authentication_method().is_none() {
            return Err(EncodeError::AuthenticationMethodMissing);
        }
        Ok(short_form_len(self.reason, self.properties.len_in(version, "properties")?))
    }

    #[inline(always)]
    fn start(&self) -> impl AsRef<[u8]> {
        []
    }

    #[inline]
    fn write_rest(&self, _: Version, out: &mut Vec<u8>) {
        if write_short_form(self.reason, self.properties.is_empty(), out) {
            self.properties.write(Version::V5, out);
        }
    }
}

/// [`Auth`] in the buffer that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthRef<'a> {
    /// See [`Auth::reason`].
    pub reason: ReasonCode,
    /// See [`Auth::properties`].
    pub properties: AuthPropertiesRef<'a>,
}

impl<'a> AuthRef<'a> {
    /// Parses all that follows the fixed header.
    pub(crate) fn parse(context: Context, input: Input<'a>) -> Parsed<'a, Self> {
        let (rest, (reason, properties)) =
            reason_and_properties(PacketKind::Auth, context.sender, input, |input| {
                AuthPropertiesRef::parse(Version::V5, Place::Auth, input)
            })?;
        end(rest)?;
        let empty = reason == ReasonCode::Success && properties.is_empty();
        ensure(
            empty || properties.authentication_method().is_some(),
            rest,
            DecodeErrorKind::AuthenticationMethodMissing,
        )?;
        Ok((rest, Self { reason, properties }))
    }

    /// The owned packet, sharing the buffer `frame` that this view points into.
    pub(crate) fn to_owned_in(self, frame: &Bytes) -> Auth {
        Auth { reason: self.reason, properties: self.properties.to_owned_in(frame) }
    }
}
