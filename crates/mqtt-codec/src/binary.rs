//! Binary Data: up to 65,535 bytes behind a two-byte length (5.0 section 1.5.6).

use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

/// Bytes that fit a two-byte length: a password, a will's payload, correlation or authentication data.
///
/// It may hold a secret, so that `Debug` prints the length alone.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Binary(Bytes);

impl Binary {
    /// The longest content, in bytes.
    pub const MAX_LEN: usize = 0xFFFF;

    /// Takes the bytes over without copying where the source allows it.
    ///
    /// # Errors
    ///
    /// [`BinaryTooLong`] above [`Binary::MAX_LEN`] bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self, BinaryTooLong> {
        let bytes = bytes.into();
        if bytes.len() > Self::MAX_LEN { Err(BinaryTooLong { len: bytes.len() }) } else { Ok(Self(bytes)) }
    }

    /// For a field that the parser has cut at its two-byte length.
    pub(crate) fn from_parsed(bytes: Bytes) -> Self {
        debug_assert!(bytes.len() <= Self::MAX_LEN);
        Self(bytes)
    }

    /// The content.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The content, sharing its buffer.
    #[inline]
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.0.clone()
    }

    /// A borrowed view.
    #[inline]
    #[must_use]
    pub fn view(&self) -> BinaryRef<'_> {
        BinaryRef(&self.0)
    }

    /// The length in bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no content.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Binary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl AsRef<[u8]> for Binary {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl From<Binary> for Bytes {
    #[inline]
    fn from(binary: Binary) -> Self {
        binary.0
    }
}

impl TryFrom<Bytes> for Binary {
    type Error = BinaryTooLong;

    fn try_from(bytes: Bytes) -> Result<Self, BinaryTooLong> {
        Self::new(bytes)
    }
}

impl TryFrom<Vec<u8>> for Binary {
    type Error = BinaryTooLong;

    fn try_from(bytes: Vec<u8>) -> Result<Self, BinaryTooLong> {
        Self::new(bytes)
    }
}

impl TryFrom<&[u8]> for Binary {
    type Error = BinaryTooLong;

    fn try_from(bytes: &[u8]) -> Result<Self, BinaryTooLong> {
        Self::new(Bytes::copy_from_slice(bytes))
    }
}

/// A view of [`Binary`] data in somebody else's buffer; its `Debug` prints the length alone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BinaryRef<'a>(&'a [u8]);

impl<'a> BinaryRef<'a> {
    pub(crate) const fn from_parsed(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The content.
    #[inline]
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for BinaryRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}

/// More bytes than a two-byte length can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BinaryTooLong {
    /// The length that was offered, in bytes.
    pub len: usize,
}

impl fmt::Display for BinaryTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are more than the {} that binary data may have", self.len, Binary::MAX_LEN)
    }
}

impl core::error::Error for BinaryTooLong {}
