//! The UTF-8 Encoded String: up to 65,535 bytes of well-formed UTF-8 without U+0000
//! (3.1.1 section 1.5.3, 5.0 section 1.5.4).
//!
//! ```text
//! +--------+--------+----------------+
//! | length (2 bytes)| UTF-8 text ... |
//! +--------+--------+----------------+
//! ```
//!
//! U+FEFF is an ordinary character: it is neither stripped nor refused (`[3.1.1 MQTT-1.5.3-3]`,
//! `[5.0 MQTT-1.5.4-3]`). The control characters that the specification advises against are accepted too.

use alloc::string::String;
use bytes::Bytes;
use core::{fmt, str};

use crate::ascii;

/// Implements what the validated text types have in common, over a tuple field of `Bytes` that `validate` has passed.
macro_rules! text_type {
    ($Type:ident, $Error:ident, $validate:path) => {
        impl $Type {
            /// One that lives in the program, without an allocation.
            ///
            /// # Errors
            ///
            /// As [`new`](Self::new).
            pub fn from_static(text: &'static str) -> Result<Self, $Error> {
                Self::try_from(bytes::Bytes::from_static(text.as_bytes()))
            }

            /// For bytes that were validated, or a part of such that must be valid then.
            pub(crate) fn from_parsed(bytes: bytes::Bytes) -> Self {
                debug_assert_eq!($crate::text::validate(&bytes), Ok(()));
                Self(bytes)
            }

            #[inline(always)]
            pub(crate) fn check(bytes: &[u8]) -> Result<(), $Error> {
                if bytes.len() > $crate::Text::MAX_LEN {
                    return Err($Error::from($crate::InvalidText::TooLong { len: bytes.len() }));
                }
                $validate(bytes)
            }

            /// The UTF-8 bytes.
            #[inline]
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }

            /// A borrowed view.
            #[inline]
            #[must_use]
            pub fn view(&self) -> $crate::TextRef<'_> {
                $crate::TextRef::from_parsed(&self.0)
            }

            /// The text.
            ///
            /// The bytes were checked when the value was made; without `unsafe` they are walked once more here
            /// (about a nanosecond for each byte). Routing and comparing need [`as_bytes`](Self::as_bytes) only.
            #[must_use]
            pub fn as_str(&self) -> &str {
                self.view().as_str()
            }

            /// The text, sharing its buffer.
            #[inline]
            #[must_use]
            pub fn to_bytes(&self) -> bytes::Bytes {
                self.0.clone()
            }

            /// The length in bytes.
            #[inline]
            #[must_use]
            pub fn len(&self) -> usize {
                self.as_bytes().len()
            }

            /// Whether there is no character.
            #[inline]
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.as_bytes().is_empty()
            }
        }

        impl core::fmt::Display for $Type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(&self.view(), f)
            }
        }

        impl core::fmt::Debug for $Type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Debug::fmt(&self.view(), f)
            }
        }

        impl AsRef<[u8]> for $Type {
            #[inline]
            fn as_ref(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl AsRef<str> for $Type {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        // Hash, Eq and Ord of the types are those of their bytes, so that maps can be asked with a slice.
        impl core::borrow::Borrow<[u8]> for $Type {
            #[inline]
            fn borrow(&self) -> &[u8] {
                self.as_bytes()
            }
        }

        impl PartialEq<str> for $Type {
            fn eq(&self, other: &str) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl PartialEq<&str> for $Type {
            fn eq(&self, other: &&str) -> bool {
                self.as_bytes() == other.as_bytes()
            }
        }

        impl TryFrom<bytes::Bytes> for $Type {
            type Error = $Error;

            /// Checks that the bytes are well-formed UTF-8 too; nothing is copied.
            fn try_from(bytes: bytes::Bytes) -> Result<Self, $Error> {
                Self::check(&bytes)?;
                Ok(Self(bytes))
            }
        }

        impl From<$Type> for bytes::Bytes {
            #[inline]
            fn from(text: $Type) -> Self {
                text.0
            }
        }

        impl TryFrom<&str> for $Type {
            type Error = $Error;

            fn try_from(text: &str) -> Result<Self, $Error> {
                Self::check(text.as_bytes())?;
                Ok(Self(bytes::Bytes::copy_from_slice(text.as_bytes())))
            }
        }

        impl TryFrom<alloc::string::String> for $Type {
            type Error = $Error;

            fn try_from(text: alloc::string::String) -> Result<Self, $Error> {
                Self::new(text)
            }
        }

        impl core::str::FromStr for $Type {
            type Err = $Error;

            fn from_str(text: &str) -> Result<Self, $Error> {
                Self::try_from(text)
            }
        }
    };
}
pub(crate) use text_type;

/// Text that fits the wire: a client identifier, a user name, a reason string.
///
/// Cloning shares the buffer.
///
/// ```
/// use mqtt_codec::{InvalidText, Text};
///
/// let client_id = Text::new("sensor-7")?;
/// assert_eq!(client_id.as_str(), "sensor-7");
/// assert_eq!(Text::new("a\0b"), Err(InvalidText::Nul { at: 1 }));
/// # Ok::<(), InvalidText>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Bytes);

text_type!(Text, InvalidText, validate);

impl Text {
    /// The longest text, in bytes.
    pub const MAX_LEN: usize = 0xFFFF;

    /// Checks the text; a `String` is taken over without copying.
    ///
    /// # Errors
    ///
    /// [`InvalidText`] for U+0000 (`[MQTT-1.5.4-2]`) or more than [`Text::MAX_LEN`] bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidText> {
        Self::try_from(Bytes::from(text.into()))
    }
}

/// A view of validated [`Text`] in somebody else's buffer.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TextRef<'a>(&'a [u8]);

impl<'a> TextRef<'a> {
    /// For bytes that went through [`validate`], or a substring of such.
    #[inline]
    pub(crate) const fn from_parsed(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The text; see [`Text::as_str`] for its cost.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        str::from_utf8(self.0).expect("text is validated when it is made")
    }

    /// The UTF-8 bytes.
    #[inline]
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether there is no character.
    #[inline]
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Copies the text into a buffer of its own.
    #[must_use]
    pub fn to_text(self) -> Text {
        Text(Bytes::copy_from_slice(self.0))
    }
}

impl fmt::Display for TextRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TextRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl PartialEq<str> for TextRef<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other.as_bytes()
    }
}

impl PartialEq<&str> for TextRef<'_> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == other.as_bytes()
    }
}

/// Why bytes are no MQTT text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidText {
    /// More than 65,535 bytes.
    TooLong {
        /// The length that was offered, in bytes.
        len: usize,
    },
    /// U+0000 (`[3.1.1 MQTT-1.5.3-2]`, `[5.0 MQTT-1.5.4-2]`).
    Nul {
        /// Where it stands, in bytes.
        at: usize,
    },
    /// Not well-formed UTF-8; surrogates and over-long forms are not (`[3.1.1 MQTT-1.5.3-1]`,
    /// `[5.0 MQTT-1.5.4-1]`).
    IllFormed {
        /// The first byte that is wrong.
        at: usize,
    },
}

impl InvalidText {
    /// The first byte that is wrong.
    #[must_use]
    pub fn at(&self) -> usize {
        match *self {
            Self::TooLong { .. } => Text::MAX_LEN,
            Self::Nul { at } | Self::IllFormed { at } => at,
        }
    }
}

impl fmt::Display for InvalidText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len } => {
                write!(f, "{len} bytes are more than the {} that text may have", Text::MAX_LEN)
            }
            Self::Nul { at } => write!(f, "U+0000 at byte {at}"),
            Self::IllFormed { at } => write!(f, "ill-formed UTF-8 at byte {at}"),
        }
    }
}

impl core::error::Error for InvalidText {}

/// Checks the two rules that hold for all text on the wire: well-formed UTF-8, no U+0000.
///
/// Only text that is not plain ASCII goes through the standard library's slower walk.
#[inline(always)]
pub(crate) fn validate(bytes: &[u8]) -> Result<(), InvalidText> {
    if ascii::all_clear(bytes, ascii::beside_text) { Ok(()) } else { validate_slowly(bytes) }
}

#[cold]
pub(crate) fn validate_slowly(bytes: &[u8]) -> Result<(), InvalidText> {
    let well_formed = match str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) => error.valid_up_to(),
    };
    if let Some(at) = bytes[..well_formed].iter().position(|&byte| byte == 0) {
        return Err(InvalidText::Nul { at });
    }
    if well_formed < bytes.len() {
        return Err(InvalidText::IllFormed { at: well_formed });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn well_formed_text_without_nul_is_accepted() {
        for text in
            ["", "a", "exactly8", "more than eight bytes", "ÅÄÖ", "12345678🦀", "\u{feff}x", "\u{1}\u{7f}"]
        {
            assert_eq!(validate(text.as_bytes()), Ok(()), "{text:?}");
        }
    }

    #[test]
    fn the_first_wrong_byte_is_named_wherever_it_stands() {
        for at in 0..24 {
            let mut bytes = vec![b'x'; 24];
            bytes[at] = 0;
            assert_eq!(validate(&bytes), Err(InvalidText::Nul { at }));
            for wrong in [0x80, 0xC0, 0xFF] {
                bytes[at] = wrong;
                assert_eq!(validate(&bytes), Err(InvalidText::IllFormed { at }));
            }
        }
    }

    #[test]
    fn surrogates_and_overlong_forms_are_ill_formed() {
        for bytes in [&[0xED, 0xA0, 0x80][..], &[0xED, 0xBF, 0xBF], &[0xC0, 0x80], &[0xF4, 0x90, 0x80, 0x80]]
        {
            assert_eq!(validate(bytes), Err(InvalidText::IllFormed { at: 0 }));
        }
    }

    #[test]
    fn the_length_limit_is_65_535_bytes() {
        assert!(Text::new("x".repeat(65_535)).is_ok());
        assert_eq!(Text::new("x".repeat(65_536)), Err(InvalidText::TooLong { len: 65_536 }));
    }
}
