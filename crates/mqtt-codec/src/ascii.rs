//! Looking at eight bytes at a time: nearly all text is ASCII, and a few operations on a word tell whether it is,
//! and whether a byte that is not welcome stands in it.
//!
//! A word with nothing wrong in it is told for certain. In one with something wrong the bytes above the first wrong
//! one may be marked too, so that whoever wants to know where it stands must look again.

/// The top bit of each byte of a word.
pub(crate) const TOP: u64 = repeat(0x80);

/// The byte in all places of a word.
pub(crate) const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Marks, by their top bits, the bytes of a word that are not 0x01 to 0x7F.
#[inline]
pub(crate) const fn beside_text(word: u64) -> u64 {
    // Subtracting one sets the top bit of a zero byte; a borrow can only come from one, which is marked anyway.
    (word | word.wrapping_sub(repeat(1))) & TOP
}

/// Marks what [`beside_text`] marks, and `+` and `#`.
#[inline]
pub(crate) const fn beside_topic(word: u64) -> u64 {
    // The two wildcards differ in one bit; with that bit set, both become zero here, and nothing else does.
    let wildcards = (word | repeat(b'+' ^ b'#')) ^ repeat(b'+' | b'#');
    (word | word.wrapping_sub(repeat(1)) | wildcards.wrapping_sub(repeat(1))) & TOP
}

/// Whether `marks` marks no byte.
#[inline(always)]
pub(crate) fn all_clear(bytes: &[u8], marks: impl Fn(u64) -> u64) -> bool {
    // A last piece that overlaps the one before it is cheaper than a loop over single bytes, and two pieces without
    // any loop are what most texts have.
    let two = |[a, b]: [u64; 2]| marks(a) | marks(b);
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        let between = bytes.as_chunks().0.get(1..).unwrap_or_default();
        let found = between
            .iter()
            .fold(two(words(first)) | two(words(last)), |found, chunk| found | two(words(chunk)));
        return found == 0;
    }
    match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => two([u64::from_ne_bytes(*first), u64::from_ne_bytes(*last)]) == 0,
        _ => marks(short(bytes)) == 0,
    }
}

/// The halves of sixteen bytes.
#[inline(always)]
fn words(bytes: &[u8; 16]) -> [u64; 2] {
    let word = u128::from_ne_bytes(*bytes);
    [word as u64, (word >> 64) as u64]
}

/// Marks, by their top bits, exactly the bytes of a word of ASCII that are not `byte`; the other bits say nothing.
#[inline]
pub(crate) const fn differ(word: u64, byte: u8) -> u64 {
    // Without top bits no sum reaches the next byte.
    (word ^ repeat(byte)).wrapping_add(!TOP)
}

/// A word with all of at most seven bytes in it, some of them twice, and letters in the rest.
#[inline(always)]
fn short(bytes: &[u8]) -> u64 {
    const LETTERS: u64 = repeat(b'a');
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        return u64::from(u32::from_ne_bytes(*first)) << 32 | u64::from(u32::from_ne_bytes(*last));
    }
    match *bytes {
        [] => LETTERS,
        [a] => LETTERS << 8 | u64::from(a),
        [a, b] => LETTERS << 16 | u64::from(u16::from_ne_bytes([a, b])),
        [a, b, c, ..] => LETTERS << 32 | u64::from(u32::from_ne_bytes([a, b, c, c])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// Any byte, anywhere in text of any length, is marked exactly when it must be.
    #[track_caller]
    fn check(marks: fn(u64) -> u64, wrong: fn(u8) -> bool) {
        for len in 1..40 {
            for at in 0..len {
                for byte in 0..=u8::MAX {
                    let mut bytes = vec![b'x'; len];
                    bytes[at] = byte;
                    assert_eq!(all_clear(&bytes, marks), !wrong(byte), "{byte:#04x} at {at} of {len}");
                }
            }
        }
    }

    #[test]
    fn every_byte_in_every_place_is_seen() {
        assert!(all_clear(b"", beside_topic));
        check(beside_text, |byte| byte == 0 || byte >= 0x80);
        check(beside_topic, |byte| matches!(byte, 0 | b'+' | b'#' | 0x80..));
    }

    #[test]
    fn different_bytes_are_marked_exactly() {
        for byte in 0..0x80 {
            let word = u64::from_le_bytes([byte, b'/', byte ^ 1, b'/', b'.', byte, b'0', b'/']);
            let expected = word.to_le_bytes().map(|byte| if byte == b'/' { 0 } else { 0x80 });
            assert_eq!((differ(word, b'/') & TOP).to_le_bytes(), expected, "{byte:#04x}");
        }
    }

    #[test]
    fn neighbours_do_not_hide_what_is_wrong() {
        for pair in 0..=u16::MAX {
            let bytes = pair.to_be_bytes();
            let wrong = |byte: &u8| matches!(byte, 0 | b'+' | b'#' | 0x80..);
            let word = [b'x', bytes[0], bytes[1], b'x', b'x', b'x', b'x', b'x'];
            assert_eq!(all_clear(&word, beside_topic), !bytes.iter().any(wrong), "{bytes:?}");
            assert_eq!(all_clear(&bytes, beside_topic), !bytes.iter().any(wrong), "{bytes:?}");
        }
    }
}
