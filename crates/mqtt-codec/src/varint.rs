//! The Variable Byte Integer: 7 bits a byte, least significant first, at most four bytes
//! (3.1.1 section 2.2.3, 5.0 section 1.5.5).
//!
//! ```text
//!  first byte    1 to 4 bytes in all
//! +-+-------+   +-+-------+
//! |1| bits  |...|0| bits  |   the top bit says that another byte follows
//! +-+-------+   +-+-------+
//! ```

use alloc::vec::Vec;

/// The largest value that four bytes hold, 268,435,455.
pub(crate) const MAX: u32 = 0x0FFF_FFFF;

/// The longest encoding, in bytes.
pub(crate) const MAX_LEN: usize = 4;

/// How many bytes the shortest encoding of `value` takes.
#[inline]
pub(crate) const fn len(value: usize) -> usize {
    match value {
        0..=0x7F => 1,
        0x80..=0x3FFF => 2,
        0x4000..=0x1F_FFFF => 3,
        _ => 4,
    }
}

/// Appends the shortest encoding of `value`, which the caller has checked against [`MAX`].
#[inline]
pub(crate) fn write(mut value: u32, out: &mut Vec<u8>) {
    debug_assert!(value <= MAX);
    if let short @ ..0x80 = value {
        return out.push(short as u8);
    }
    while value > 0x7F {
        out.push(low_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(low_bits(value));
}

/// An encoding of `LEN` bytes, all of the value's bits in it if `LEN` is [`len`] of it.
#[inline(always)]
pub(crate) fn bytes<const LEN: usize>(value: u32) -> [u8; LEN] {
    core::array::from_fn(|index| {
        let more = if index + 1 < LEN { 0x80 } else { 0 };
        low_bits(value >> (7 * index)) | more
    })
}

#[inline]
const fn low_bits(value: u32) -> u8 {
    (value & 0x7F) as u8
}

/// What the first bytes of an input say about the integer that starts there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// The integer, its length in bytes, and whether a shorter encoding exists.
    Complete { value: u32, len: usize, overlong: bool },
    /// The input ends before the integer does.
    Incomplete,
    /// The fourth byte says that a fifth follows.
    TooLong,
}

/// Reads the integer at the start of `input`.
#[inline(always)]
pub(crate) fn scan(input: &[u8]) -> Scan {
    const fn complete<const LEN: usize>(bytes: [u8; LEN]) -> Scan {
        let (mut value, mut index) = (0, 0);
        while index < LEN {
            value |= ((bytes[index] & 0x7F) as u32) << (7 * index);
            index += 1;
        }
        Scan::Complete { value, len: LEN, overlong: LEN > 1 && bytes[LEN - 1] == 0 }
    }
    match *input {
        [a @ ..0x80, ..] => complete([a]),
        [a, b @ ..0x80, ..] => complete([a, b]),
        [a, b, c @ ..0x80, ..] => complete([a, b, c]),
        [a, b, c, d @ ..0x80, ..] => complete([a, b, c, d]),
        [_, _, _, _, ..] => Scan::TooLong,
        _ => Scan::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_of_each_length_both_ways() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xFF, 0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (MAX, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ] {
            let mut out = Vec::new();
            write(value, &mut out);
            assert_eq!(out, bytes);
            assert_eq!(len(value as usize), bytes.len());
            assert_eq!(scan(bytes), Scan::Complete { value, len: bytes.len(), overlong: false });
            for cut in 0..bytes.len() {
                assert_eq!(scan(&bytes[..cut]), Scan::Incomplete);
            }
        }
    }

    #[test]
    fn overlong_and_endless_encodings_are_told_apart() {
        assert_eq!(scan(&[0x80, 0x00]), Scan::Complete { value: 0, len: 2, overlong: true });
        assert_eq!(scan(&[0xFF, 0x80, 0x00]), Scan::Complete { value: 127, len: 3, overlong: true });
        assert_eq!(scan(&[0xFF, 0xFF, 0xFF, 0x80]), Scan::TooLong);
        assert_eq!(scan(&[0x80, 0x80, 0x80, 0x80, 0x01]), Scan::TooLong);
    }
}
