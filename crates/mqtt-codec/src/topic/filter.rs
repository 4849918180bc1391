//! Topic filters: what a subscription asks for, with wildcards and shared subscriptions
//! (5.0 sections 4.7.1 and 4.8.2).
//!
//! ```text
//! sport/+/score      one level, whole:  + stands alone in its level
//! sport/#            the rest, parent included:  # stands alone and last
//! $share/name/sport/#   the share `name` of the filter `sport/#`
//! ```

use alloc::string::String;
use bytes::Bytes;
use core::fmt;

use super::{TopicName, matching};
use crate::{
    ascii,
    text::{self, InvalidText, TextRef, text_type},
};

/// What every shared subscription starts with.
const SHARE: &[u8] = b"$share/";

/// A well-formed topic filter.
///
/// `$share/` starts a shared subscription in both versions: 3.1.1 does not know it, but brokers that offer it there
/// read it in the same way.
///
/// ```
/// use mqtt_codec::{TopicFilter, TopicName};
///
/// let filter = TopicFilter::new("$share/workers/plant/+/temperature")?;
/// assert_eq!(filter.share_name(), Some("workers"));
/// assert!(filter.matches(&TopicName::new("plant/3/temperature").unwrap()));
/// # Ok::<(), mqtt_codec::InvalidFilter>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter(Bytes);

text_type!(TopicFilter, InvalidFilter, validate);

impl TopicFilter {
    /// Checks the filter; a `String` is taken over without copying.
    ///
    /// # Errors
    ///
    /// [`InvalidFilter`] names the rule that is broken and where.
    pub fn new(filter: impl Into<String>) -> Result<Self, InvalidFilter> {
        Self::try_from(Bytes::from(filter.into()))
    }

    /// Whether this is a shared subscription.
    #[inline]
    #[must_use]
    pub fn is_shared(&self) -> bool {
        is_shared(self.as_bytes())
    }

    /// The name of the share.
    #[must_use]
    pub fn share_name(&self) -> Option<&str> {
        split_share(self.as_bytes()).map(|(name, _)| TextRef::from_parsed(name).as_str())
    }

    /// The part that is matched with topic names: all, or what follows `$share/name/`.
    #[inline]
    #[must_use]
    pub fn filter_bytes(&self) -> &[u8] {
        split_share(self.as_bytes()).map_or(self.as_bytes(), |(_, filter)| filter)
    }

    /// Whether `+` or `#` stands in it.
    #[must_use]
    pub fn has_wildcards(&self) -> bool {
        self.filter_bytes().iter().any(|byte| matches!(byte, b'+' | b'#'))
    }

    /// The levels of [`filter_bytes`](Self::filter_bytes), as UTF-8 bytes; they may be empty.
    pub fn levels(&self) -> impl Iterator<Item = &[u8]> {
        self.filter_bytes().split(|&byte| byte == b'/')
    }

    /// Whether messages that are published to `topic` are asked for.
    ///
    /// A filter that starts with a wildcard matches no topic that starts with `$` (`[MQTT-4.7.2-1]`).
    #[must_use]
    pub fn matches<'a>(&self, topic: impl Into<TextRef<'a>>) -> bool {
        matching::matches(self.filter_bytes(), topic.into().as_bytes())
    }
}

impl TryFrom<&TopicName> for TopicFilter {
    type Error = InvalidFilter;

    /// The filter that matches this name alone; shares its buffer.
    ///
    /// Fails for the empty name, and for names that would be read as a shared subscription.
    fn try_from(name: &TopicName) -> Result<Self, InvalidFilter> {
        if name.as_bytes().starts_with(SHARE) {
            return Err(InvalidFilter::ShareName { at: 0 });
        }
        Self::try_from(name.to_bytes())
    }
}

/// Why text is no topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidFilter {
    /// No character (`[MQTT-4.7.3-1]`).
    Empty,
    /// `#` that is not alone in the last level (`[5.0 MQTT-4.7.1-1]`, `[3.1.1 MQTT-4.7.1-2]`).
    MisplacedHash {
        /// Where it stands, in bytes.
        at: usize,
    },
    /// `+` that is not alone in its level (`[5.0 MQTT-4.7.1-2]`, `[3.1.1 MQTT-4.7.1-3]`).
    MisplacedPlus {
        /// Where it stands, in bytes.
        at: usize,
    },
    /// A share name without a character, or with a wildcard (`[MQTT-4.8.2-1]`, `[MQTT-4.8.2-2]`).
    ShareName {
        /// Where it is wrong, in bytes.
        at: usize,
    },
    /// `$share/name` without a filter behind it (`[MQTT-4.8.2-2]`).
    ShareWithoutFilter {
        /// Where the filter should start, in bytes.
        at: usize,
    },
    /// Not even MQTT text.
    Text(InvalidText),
}

impl InvalidFilter {
    /// The first byte that is wrong.
    #[must_use]
    pub fn at(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::MisplacedHash { at }
            | Self::MisplacedPlus { at }
            | Self::ShareName { at }
            | Self::ShareWithoutFilter { at } => *at,
            Self::Text(error) => error.at(),
        }
    }
}

impl fmt::Display for InvalidFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a topic filter has at least one character"),
            Self::MisplacedHash { at } => {
                write!(f, "# at byte {at} of the topic filter is not alone in the last level")
            }
            Self::MisplacedPlus { at } => {
                write!(f, "+ at byte {at} of the topic filter is not alone in its level")
            }
            Self::ShareName { at } => write!(f, "the share name is empty or has a wildcard, at byte {at}"),
            Self::ShareWithoutFilter { at } => {
                write!(f, "no topic filter follows the share name, at byte {at}")
            }
            Self::Text(error) => write!(f, "topic filter: {error}"),
        }
    }
}

impl core::error::Error for InvalidFilter {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Text(error) => Some(error),
            _ => None,
        }
    }
}

impl From<InvalidText> for InvalidFilter {
    fn from(error: InvalidText) -> Self {
        Self::Text(error)
    }
}

/// Whether a validated filter is a shared subscription.
#[inline]
pub(crate) fn is_shared(filter: &[u8]) -> bool {
    filter.starts_with(SHARE)
}

/// Checks bytes for the rules of text and those of topic filters.
#[inline(always)]
pub(crate) fn validate(bytes: &[u8]) -> Result<(), InvalidFilter> {
    if is_plain(bytes) && !is_shared(bytes) { Ok(()) } else { validate_slowly(bytes) }
}

/// Whether a filter is ASCII and its wildcards are where they may be, eight bytes at a time and without a branch on
/// what they are: which levels are wildcards is nothing that a predictor could learn.
///
/// The filter is read as if a slash stood before it and slashes behind it. Then a wildcard has a slash on both sides,
/// and behind `#` is nothing else.
#[inline(always)]
fn is_plain(filter: &[u8]) -> bool {
    let (words, tail) = filter.as_chunks();
    let tail_bits = u8::BITS * tail.len() as u32;
    // Marks are top bits of bytes. Of the byte before the word: is it no slash, no wildcard, no `#`?
    let (mut slash, mut wildcard, mut hash) = (0, !0, !0);
    let mut wrong = 0;
    let mut check = |word, real: u64| {
        let no_slash = ascii::differ(word, b'/');
        let no_wildcard = ascii::differ(word | ascii::repeat(b'+' ^ b'#'), b'+' | b'#');
        // One bit tells the two apart.
        let no_hash = no_wildcard | word << (b'+' ^ b'#').leading_zeros();
        wrong |= ascii::beside_text(word)
            | !no_wildcard & before(no_slash, slash)
            | !before(no_wildcard, wildcard) & no_slash
            | !before(no_hash, hash) & real;
        (slash, wildcard, hash) = (no_slash, no_wildcard, no_hash);
    };
    for word in words {
        check(u64::from_le_bytes(*word), u64::MAX);
    }
    check(slashes_behind(filter, tail, tail_bits), (1 << tail_bits) - 1);
    wrong & ascii::TOP == 0 && !filter.is_empty()
}

/// The marks of the bytes before those of a word, the last of the word before it included.
#[inline]
const fn before(marks: u64, marks_of_last_word: u64) -> u64 {
    marks << u8::BITS | marks_of_last_word >> (u64::BITS - u8::BITS)
}

/// The last, incomplete word of a filter, filled up with slashes.
#[inline]
fn slashes_behind(filter: &[u8], tail: &[u8], tail_bits: u32) -> u64 {
    const SLASHES: u64 = ascii::repeat(b'/');
    match filter.last_chunk() {
        Some(last) => {
            let last = u64::from_le_bytes(*last).checked_shr(u64::BITS - tail_bits);
            last.unwrap_or(0) | SLASHES << tail_bits
        }
        None => tail.iter().rev().fold(SLASHES, |word, &byte| word << u8::BITS | u64::from(byte)),
    }
}

#[inline(never)]
fn validate_slowly(bytes: &[u8]) -> Result<(), InvalidFilter> {
    if bytes.is_empty() {
        return Err(InvalidFilter::Empty);
    }
    text::validate(bytes)?;
    let start = if is_shared(bytes) { validate_share(bytes)? } else { 0 };
    validate_wildcards(bytes, start)
}

/// Checks `$share/name/` and returns where the filter behind it starts.
fn validate_share(text: &[u8]) -> Result<usize, InvalidFilter> {
    let name = &text[SHARE.len()..];
    let name_len = name.iter().position(|&byte| byte == b'/').unwrap_or(name.len());
    let wildcard = name[..name_len].iter().position(|byte| matches!(byte, b'+' | b'#'));
    if let Some(at) = wildcard.or((name_len == 0).then_some(0)) {
        return Err(InvalidFilter::ShareName { at: SHARE.len() + at });
    }
    let filter = SHARE.len() + name_len + 1;
    if filter >= text.len() {
        return Err(InvalidFilter::ShareWithoutFilter { at: text.len() });
    }
    Ok(filter)
}

fn validate_wildcards(text: &[u8], start: usize) -> Result<(), InvalidFilter> {
    for (at, &byte) in text.iter().enumerate().skip(start) {
        let opens_level = at == start || text[at - 1] == b'/';
        let next = text.get(at + 1);
        match byte {
            b'#' if !opens_level || next.is_some() => return Err(InvalidFilter::MisplacedHash { at }),
            b'+' if !opens_level || next.is_some_and(|&next| next != b'/') => {
                return Err(InvalidFilter::MisplacedPlus { at });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The share name and the filter behind it, of a validated filter.
fn split_share(filter: &[u8]) -> Option<(&[u8], &[u8])> {
    let shared = filter.strip_prefix(SHARE)?;
    let slash = shared.iter().position(|&byte| byte == b'/')?;
    Some((&shared[..slash], &shared[slash + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[track_caller]
    fn check(filter: &str, expected: Result<(), InvalidFilter>) {
        assert_eq!(TopicFilter::new(filter).map(|_| ()), expected, "{filter:?}");
    }

    #[test]
    fn the_quick_look_agrees_with_the_rules() {
        // Every filter of up to six of these bytes, before and behind a word boundary.
        const BYTES: &[u8] = b"a/+#";
        for lead in ["", "aaaa/", "abcdef/"] {
            for number in 0..4_usize.pow(6) {
                for len in 0..=6 {
                    let mut filter = Vec::from(lead.as_bytes());
                    filter.extend((0..len).map(|at| BYTES[number >> (2 * at) & 3]));
                    let expected = !filter.is_empty() && validate_wildcards(&filter, 0).is_ok();
                    assert_eq!(is_plain(&filter), expected, "{}", filter.escape_ascii());
                }
            }
        }
    }

    // [3.1.1 MQTT-4.7.1-2] [3.1.1 MQTT-4.7.1-3] [5.0 MQTT-4.7.1-1] [5.0 MQTT-4.7.1-2]
    #[test]
    fn wildcards_fill_whole_levels() {
        for filter in ["#", "+", "a/#", "/#", "+/+", "/+", "+/#", "sport/+/player1", "a//b", "$SYS/#", "a/+/"]
        {
            check(filter, Ok(()));
        }
        check("sport/tennis#", Err(InvalidFilter::MisplacedHash { at: 12 }));
        check("sport/tennis/#/ranking", Err(InvalidFilter::MisplacedHash { at: 13 }));
        check("##", Err(InvalidFilter::MisplacedHash { at: 0 }));
        check("#/", Err(InvalidFilter::MisplacedHash { at: 0 }));
        check("sport+", Err(InvalidFilter::MisplacedPlus { at: 5 }));
        check("+a", Err(InvalidFilter::MisplacedPlus { at: 0 }));
        check("a/+b/c", Err(InvalidFilter::MisplacedPlus { at: 2 }));
        check("++", Err(InvalidFilter::MisplacedPlus { at: 0 }));
    }

    // [3.1.1 MQTT-4.7.3-1] [3.1.1 MQTT-4.7.3-2] [3.1.1 MQTT-4.7.3-3]
    // [5.0 MQTT-4.7.3-1] [5.0 MQTT-4.7.3-2] [5.0 MQTT-4.7.3-3]
    #[test]
    fn filters_are_text_of_1_to_65_535_bytes() {
        check("", Err(InvalidFilter::Empty));
        check("a/\0", Err(InvalidFilter::Text(InvalidText::Nul { at: 2 })));
        check(&"x".repeat(65_535), Ok(()));
        check(&"x".repeat(65_536), Err(InvalidFilter::Text(InvalidText::TooLong { len: 65_536 })));
    }

    // [5.0 MQTT-4.8.2-1] [5.0 MQTT-4.8.2-2]
    #[test]
    fn shared_filters_name_a_share_and_a_filter() {
        for filter in ["$share/g/a", "$share/g/#", "$share/g//", "$share/g/+/b", "$share", "$shared/x"] {
            check(filter, Ok(()));
        }
        check("$share/", Err(InvalidFilter::ShareName { at: 7 }));
        check("$share//a", Err(InvalidFilter::ShareName { at: 7 }));
        check("$share/g+/a", Err(InvalidFilter::ShareName { at: 8 }));
        check("$share/#", Err(InvalidFilter::ShareName { at: 7 }));
        check("$share/g", Err(InvalidFilter::ShareWithoutFilter { at: 8 }));
        check("$share/g/", Err(InvalidFilter::ShareWithoutFilter { at: 9 }));
        check("$share/g/a#", Err(InvalidFilter::MisplacedHash { at: 10 }));
    }

    #[test]
    fn parts_of_a_shared_filter() {
        let filter = TopicFilter::new("$share/group/a/+").unwrap();
        assert!(filter.is_shared());
        assert_eq!(filter.share_name(), Some("group"));
        assert_eq!(filter.filter_bytes(), b"a/+");
        assert!(filter.has_wildcards());
        assert!(filter.levels().eq([&b"a"[..], b"+"]));
        assert_eq!(filter.as_str(), "$share/group/a/+");

        let plain = TopicFilter::new("a/b").unwrap();
        assert!(!plain.is_shared() && !plain.has_wildcards());
        assert_eq!(plain.share_name(), None);
        assert_eq!(plain.filter_bytes(), b"a/b");
    }
}
