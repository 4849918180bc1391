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

    /// The first bytes of the body, of a number known beforehand: they are appended together with the fixed header.
    fn start(&self) -> impl AsRef<[u8]>;

    /// Appends the rest of what [`body_len`](Self::body_len) has announced.
    fn write_rest(&self, version: Version, out: &mut Vec<u8>);
}

/// The length of the whole packet in bytes.
pub(crate) fn packet_len(packet: &impl Body, version: Version) -> Result<usize, EncodeError> {
    let remaining = checked_remaining(packet.body_len(version)?)?;
    Ok(1 + varint::len(remaining as usize) + remaining as usize)
}

/// Appends the whole packet and returns its length in bytes.
#[inline(always)]
pub(crate) fn packet(packet: &impl Body, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
    let before = out.len();
    let remaining = packet.body_len(version)?;
    start(packet, remaining, remaining, out)?;
    packet.write_rest(version, out);
    debug_assert_eq!(out.len(), before + 1 + varint::len(remaining) + remaining);
    Ok(out.len() - before)
}

/// Appends the fixed header and the [start](Body::start) of the body, with room reserved for the `following` bytes of
/// the body that the caller will append, start included.
#[inline(always)]
pub(crate) fn start(
    packet: &impl Body,
    remaining: usize,
    following: usize,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let remaining = checked_remaining(remaining)?;
    let (first_byte, start) = (packet.first_byte(), packet.start());
    let len = varint::len(remaining as usize);
    out.reserve(1 + len + following);
    match len {
        1 => append_start::<1>(first_byte, remaining, start.as_ref(), out),
        2 => append_start::<2>(first_byte, remaining, start.as_ref(), out),
        3 => append_start::<3>(first_byte, remaining, start.as_ref(), out),
        _ => append_start::<{ varint::MAX_LEN }>(first_byte, remaining, start.as_ref(), out),
    }
    Ok(())
}

/// One append of a constant size is one or two stores; several would check for room again and again.
#[inline(always)]
fn append_start<const LEN: usize>(first_byte: u8, remaining: u32, start: &[u8], out: &mut Vec<u8>) {
    let mut head = [0; 1 + varint::MAX_LEN + MAX_START];
    let len = 1 + LEN + start.len();
    head[0] = first_byte;
    head[1..1 + LEN].copy_from_slice(&varint::bytes::<LEN>(remaining));
    head[1 + LEN..len].copy_from_slice(start);
    out.extend_from_slice(&head[..len]);
}

/// The longest [start](Body::start), a CONNECT's, in bytes.
const MAX_START: usize = 10;

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
    out.extend_from_slice(&prefix(bytes));
    append(bytes, out);
}

/// The two-byte length of bytes whose type has kept them within it.
#[inline(always)]
pub(crate) fn prefix(bytes: &[u8]) -> [u8; 2] {
    debug_assert!(bytes.len() <= 0xFFFF);
    (bytes.len() as u16).to_be_bytes()
}

/// Appends few bytes, such as a topic, without a call where they are 8 to 64.
#[inline(always)]
pub(crate) fn append(bytes: &[u8], out: &mut Vec<u8>) {
    match bytes.len() {
        8..=16 => append_twice::<8>(bytes, out),
        17..=32 => append_twice::<16>(bytes, out),
        33..=64 => append_twice::<32>(bytes, out),
        _ => out.extend_from_slice(bytes),
    }
}

/// Appends the first `N` bytes, and over their end the last `N`.
#[inline(always)]
fn append_twice<const N: usize>(bytes: &[u8], out: &mut Vec<u8>) {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
        let end = out.len() + bytes.len();
        out.extend_from_slice(first);
        out.truncate(end - N);
        out.extend_from_slice(last);
    }
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
            #[inline]
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
