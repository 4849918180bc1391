//! What encoding all packets has in common: the length is computed first, the buffer grown once, then the bytes
//! follow each other; what can't be encoded is found before the first byte is written.

use alloc::vec::Vec;

use crate::{EncodeError, Version, varint};

/// A packet as the fixed header sees it: flags in front, and a body of known length.
pub(crate) trait Body {
    /// Packet type and flags.
    fn first_byte(&self) -> u8;

    /// The remaining length in bytes; every rule that the types don't enforce is checked here.
    fn body_len(&self, version: Version) -> Result<usize, EncodeError>;

    /// Appends what [`body_len`](Self::body_len) has announced.
    fn write_body(&self, version: Version, out: &mut Vec<u8>);
}

/// The length of the whole packet in bytes.
pub(crate) fn packet_len(packet: &impl Body, version: Version) -> Result<usize, EncodeError> {
    let remaining = checked_remaining(packet.body_len(version)?)?;
    Ok(1 + varint::len(remaining as usize) + remaining as usize)
}

/// Appends the whole packet and returns its length in bytes.
#[inline(always)]
pub(crate) fn packet(packet: &impl Body, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
    let start = out.len();
    let remaining = packet.body_len(version)?;
    fixed_header(packet.first_byte(), remaining, remaining, out)?;
    packet.write_body(version, out);
    debug_assert_eq!(out.len(), start + 1 + varint::len(remaining) + remaining);
    Ok(out.len() - start)
}

/// Appends a fixed header, with room reserved for it and the `following` bytes that the caller will append.
#[inline(always)]
pub(crate) fn fixed_header(
    first_byte: u8,
    remaining: usize,
    following: usize,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    // Most packets are short: one store for the whole header.
    if let short @ ..0x80 = remaining {
        out.reserve(2 + following);
        out.extend_from_slice(&[first_byte, short as u8]);
        return Ok(());
    }
    let remaining = checked_remaining(remaining)?;
    out.reserve(1 + varint::len(remaining as usize) + following);
    out.push(first_byte);
    varint::write(remaining, out);
    Ok(())
}

#[inline]
fn checked_remaining(remaining: usize) -> Result<u32, EncodeError> {
    match u32::try_from(remaining) {
        Ok(fits @ 0..=varint::MAX) => Ok(fits),
        _ => Err(EncodeError::TooLarge { remaining }),
    }
}

/// Appends a two-byte length and the bytes, whose type has kept them within it.
#[inline(always)]
pub(crate) fn prefixed(bytes: &[u8], out: &mut Vec<u8>) {
    debug_assert!(bytes.len() <= 0xFFFF);
    out.extend_from_slice(&(bytes.len() as u16).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// How long [`prefixed`] is.
#[inline]
pub(crate) const fn prefixed_len(bytes: &[u8]) -> usize {
    2 + bytes.len()
}

/// 3.1.1 has no properties; `fits` says that there are none.
#[inline]
pub(crate) fn expressible(fits: bool, what: &'static str, version: Version) -> Result<(), EncodeError> {
    if fits { Ok(()) } else { Err(EncodeError::NotInVersion { what, version }) }
}

/// Adds the public `encoded_len` and `encode` to a packet.
macro_rules! impl_encode {
    ($Packet:ty) => {
        impl $Packet {
            /// The length of the whole packet, in bytes.
            ///
            /// # Errors
            ///
            /// [`EncodeError`](crate::EncodeError) if the packet has no form in that version.
            pub fn encoded_len(&self, version: crate::Version) -> Result<usize, crate::EncodeError> {
                crate::encode::packet_len(self, version)
            }

            /// Appends the packet in its shortest form and returns its length in bytes.
            ///
            /// # Errors
            ///
            /// [`EncodeError`](crate::EncodeError) if the packet has no form in that version; then nothing is
            /// written.
            pub fn encode(
                &self,
                version: crate::Version,
                out: &mut alloc::vec::Vec<u8>,
            ) -> Result<usize, crate::EncodeError> {
                crate::encode::packet(self, version, out)
            }
        }
    };
}
pub(crate) use impl_encode;

/// Adds the public `fit_within` to a packet whose properties explain an outcome.
macro_rules! impl_fit {
    ($Packet:ident) => {
        impl $Packet {
            /// Leaves out the user properties, and then the reason string, if the packet has more than `limit` bytes;
            /// says whether it fits then.
            ///
            /// So 5.0 wants it: what merely explains must not make a packet larger than its receiver takes
            /// (such as `[MQTT-3.4.2-2]` and `[MQTT-3.4.2-3]`).
            ///
            /// # Errors
            ///
            /// [`EncodeError`](crate::EncodeError) if the packet has no form in that version.
            pub fn fit_within(
                &mut self,
                limit: u32,
                version: crate::Version,
            ) -> Result<bool, crate::EncodeError> {
                let limit = limit as usize;
                if self.encoded_len(version)? > limit {
                    self.properties.clear_user_properties();
                }
                if self.encoded_len(version)? > limit {
                    self.properties.clear_reason_string();
                }
                Ok(self.encoded_len(version)? <= limit)
            }
        }
    };
}
pub(crate) use impl_fit;
