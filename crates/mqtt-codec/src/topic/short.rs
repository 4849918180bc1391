//! [`NameBytes`]: short names without memory of their own on the heap.

use bytes::Bytes;
use core::{
    cmp::Ordering,
    hash::{Hash, Hasher},
    ops::Deref,
};

use crate::parse::cut;

/// As much as fits without making the type larger than [`Bytes`].
const SHORT: usize = 23;

/// The bytes of a name. Most names are short: these are copied faster than memory is found for them, or shared with a buffer
/// that others read at the same time.
#[derive(Clone)]
pub(crate) enum NameBytes {
    Short { len: u8, bytes: [u8; SHORT] },
    Shared(Bytes),
}

impl NameBytes {
    pub(crate) const EMPTY: Self = Self::Short { len: 0, bytes: [0; SHORT] };

    /// In memory of its own.
    #[inline]
    pub(crate) fn copy_from_slice(bytes: &[u8]) -> Self {
        Self::short(bytes).unwrap_or_else(|| Self::Shared(Bytes::copy_from_slice(bytes)))
    }

    /// A part of a frame.
    #[inline]
    pub(crate) fn cut(frame: &Bytes, part: &[u8]) -> Self {
        Self::short(part).unwrap_or_else(|| Self::Shared(cut(frame, part)))
    }

    #[inline]
    fn short(bytes: &[u8]) -> Option<Self> {
        let mut short = [0; SHORT];
        short.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self::Short { len: bytes.len() as u8, bytes: short })
    }
}

impl From<Bytes> for NameBytes {
    #[inline]
    fn from(bytes: Bytes) -> Self {
        Self::short(&bytes).unwrap_or(Self::Shared(bytes))
    }
}

impl From<NameBytes> for Bytes {
    fn from(name: NameBytes) -> Self {
        match name {
            NameBytes::Short { .. } => Bytes::copy_from_slice(&name),
            NameBytes::Shared(bytes) => bytes,
        }
    }
}

impl Deref for NameBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Short { len, bytes } => &bytes[..usize::from(*len)],
            Self::Shared(bytes) => bytes,
        }
    }
}

// As slices have them, whatever holds the bytes.
impl PartialEq for NameBytes {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for NameBytes {}

impl PartialOrd for NameBytes {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NameBytes {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for NameBytes {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn it_is_as_large_as_what_it_stands_for() {
        assert_eq!(size_of::<NameBytes>(), size_of::<Bytes>());
    }

    #[test]
    fn of_each_length_it_is_what_was_put_in() {
        for len in 0..=2 * SHORT {
            let text = vec![b'x'; len];
            let frame = Bytes::from(text.clone());
            for name in [
                NameBytes::copy_from_slice(&text),
                NameBytes::cut(&frame, &frame),
                NameBytes::from(frame.clone()),
                NameBytes::from(frame.clone()).clone(),
            ] {
                assert_eq!(matches!(name, NameBytes::Short { .. }), len <= SHORT, "{len}");
                assert_eq!(*name, *text, "{len}");
                assert_eq!(Bytes::from(name), frame, "{len}");
            }
        }
    }
}
