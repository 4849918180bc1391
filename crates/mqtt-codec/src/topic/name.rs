//! Topic names: what a message is published to.

use alloc::string::String;
use bytes::{Bytes, BytesMut};
use core::fmt;

use crate::{
    ascii,
    text::{self, InvalidText, Text, TextRef, text_type},
};

/// The name that a message is published under: text without wildcards, one character at least.
///
/// ```
/// use mqtt_codec::{InvalidTopic, TopicName};
///
/// let topic = TopicName::new("plant/3/temperature")?;
/// assert_eq!(topic.levels().count(), 3);
/// assert_eq!(TopicName::new("plant/+"), Err(InvalidTopic::Wildcard { at: 6 }));
/// # Ok::<(), InvalidTopic>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Bytes);

text_type!(TopicName, InvalidTopic, validate);

impl TopicName {
    /// Checks the name; a `String` is taken over without copying.
    ///
    /// # Errors
    ///
    /// [`InvalidTopic`] for no character (`[MQTT-4.7.3-1]`), a wildcard (`[MQTT-3.3.2-2]`), or text that MQTT forbids.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidTopic> {
        Self::try_from(Bytes::from(name.into()))
    }

    /// Checks the name, and puts it at the end of a buffer, whose memory it then shares: a source of many names needs no
    /// allocation for each. The memory is free again when the last of them is gone; see [`detached`](Self::detached).
    ///
    /// What is in the buffer before is overwritten; a name that is not valid leaves it as it is.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use mqtt_codec::TopicName;
    ///
    /// let mut buffer = BytesMut::with_capacity(1024);
    /// let names = ["a/1", "a/2"].map(|name| TopicName::in_buffer(name, &mut buffer));
    /// assert_eq!(names[1], TopicName::new("a/2"));
    /// assert_eq!(buffer.capacity(), 1024 - 6);
    /// ```
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn in_buffer(name: &str, buffer: &mut BytesMut) -> Result<Self, InvalidTopic> {
        Self::check(name.as_bytes())?;
        buffer.clear();
        buffer.extend_from_slice(name.as_bytes());
        Ok(Self(buffer.split().freeze()))
    }

    /// No name, which a 5.0 PUBLISH may carry with a topic alias that stands for it, and nothing else.
    #[must_use]
    pub fn empty() -> Self {
        Self(Bytes::new())
    }

    /// The same name in memory of its own, so that keeping it does not keep the buffer that it came in.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::from_parsed(Bytes::copy_from_slice(self.as_bytes()))
    }

    /// The levels between the slashes, as UTF-8 bytes; they may be empty.
    pub fn levels(&self) -> impl Iterator<Item = &[u8]> {
        self.as_bytes().split(|&byte| byte == b'/')
    }
}

impl<'a> From<&'a TopicName> for TextRef<'a> {
    #[inline]
    fn from(name: &'a TopicName) -> Self {
        Self::from_parsed(name.as_bytes())
    }
}

impl From<TopicName> for Text {
    #[inline]
    fn from(name: TopicName) -> Self {
        Self::from_parsed(name.0)
    }
}

/// Why text is no topic name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidTopic {
    /// No character.
    Empty,
    /// `+` or `#`, which stand in filters only.
    Wildcard {
        /// Where it stands, in bytes.
        at: usize,
    },
    /// Not even MQTT text.
    Text(InvalidText),
}

impl InvalidTopic {
    /// The first byte that is wrong.
    #[must_use]
    pub fn at(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::Wildcard { at } => *at,
            Self::Text(error) => error.at(),
        }
    }
}

impl fmt::Display for InvalidTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a topic name has at least one character"),
            Self::Wildcard { at } => write!(f, "a topic name has no wildcard, but byte {at} is one"),
            Self::Text(error) => write!(f, "topic name: {error}"),
        }
    }
}

impl core::error::Error for InvalidTopic {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Text(error) => Some(error),
            Self::Empty | Self::Wildcard { .. } => None,
        }
    }
}

impl From<InvalidText> for InvalidTopic {
    fn from(error: InvalidText) -> Self {
        Self::Text(error)
    }
}

/// Checks bytes for the rules of text and those of topic names, in one walk unless something is unusual.
#[inline(always)]
pub(crate) fn validate(bytes: &[u8]) -> Result<(), InvalidTopic> {
    if !bytes.is_empty() && ascii::all_clear(bytes, ascii::beside_topic) {
        return Ok(());
    }
    validate_slowly(bytes)
}

#[cold]
fn validate_slowly(bytes: &[u8]) -> Result<(), InvalidTopic> {
    if bytes.is_empty() {
        return Err(InvalidTopic::Empty);
    }
    text::validate_slowly(bytes)?;
    match bytes.iter().position(|byte| matches!(byte, b'+' | b'#')) {
        Some(at) => Err(InvalidTopic::Wildcard { at }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Result<(), InvalidTopic>) {
        assert_eq!(TopicName::new(name).map(|_| ()), expected, "{name:?}");
    }

    // [3.1.1 MQTT-4.7.1-1] [3.1.1 MQTT-4.7.3-1] [3.1.1 MQTT-4.7.3-2] [3.1.1 MQTT-4.7.3-3]
    // [5.0 MQTT-4.7.0-1] [5.0 MQTT-4.7.3-1] [5.0 MQTT-4.7.3-2] [5.0 MQTT-4.7.3-3]
    #[test]
    fn names_have_a_character_and_no_wildcard() {
        for name in ["a", "/", "//", " ", "a/b c/ü", "$SYS/x", "/finance", "\u{feff}"] {
            check(name, Ok(()));
        }
        check("", Err(InvalidTopic::Empty));
        check("+", Err(InvalidTopic::Wildcard { at: 0 }));
        check("a/#", Err(InvalidTopic::Wildcard { at: 2 }));
        check("a+b", Err(InvalidTopic::Wildcard { at: 1 }));
        check("a\0", Err(InvalidTopic::Text(InvalidText::Nul { at: 1 })));
        check(&"x".repeat(65_535), Ok(()));
        check(&"x".repeat(65_536), Err(InvalidTopic::Text(InvalidText::TooLong { len: 65_536 })));
    }

    #[test]
    fn a_name_in_a_buffer_is_nothing_but_itself_and_one_that_is_not_valid_leaves_the_buffer_as_it_is() {
        let mut buffer = BytesMut::from(&b"before"[..]);
        assert_eq!(TopicName::in_buffer("a/+", &mut buffer), Err(InvalidTopic::Wildcard { at: 2 }));
        assert_eq!(buffer, "before");
        assert_eq!(TopicName::in_buffer("a/b", &mut buffer), TopicName::new("a/b"));
        assert!(buffer.is_empty());
    }

    #[test]
    fn levels_keep_their_empty_neighbours() {
        let name = TopicName::new("/a//b").unwrap();
        assert!(name.levels().eq([&b""[..], b"a", b"", b"b"]));
    }
}
