//! PINGREQ and PINGRESP: a sign of life (sections 3.12 and 3.13 of both versions).
//!
//! ```text
//! +---------------+------+
//! | 0xC0 PINGREQ  | 0x00 |
//! | 0xD0 PINGRESP |      |
//! +---------------+------+
//! ```

use alloc::vec::Vec;

use crate::{EncodeError, Version, encode::Body, packet::PacketKind};

/// Either of the two, for encoding; they have no content that a public type could hold.
pub(super) struct Ping(pub(super) PacketKind);

impl Body for Ping {
    #[inline]
    fn first_byte(&self) -> u8 {
        self.0.first_byte()
    }

    #[inline]
    fn body_len(&self, _: Version) -> Result<usize, EncodeError> {
        Ok(0)
    }

    #[inline(always)]
    fn start(&self) -> impl AsRef<[u8]> {
        []
    }

    #[inline]
    fn write_rest(&self, _: Version, _: &mut Vec<u8>) {}
}
