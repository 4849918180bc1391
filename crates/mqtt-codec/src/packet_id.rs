//! The packet identifier, which is never zero (3.1.1 section 2.3.1, 5.0 section 2.2.1).

use core::{fmt, num::NonZeroU16};

/// Ties an acknowledgement to the packet that it answers, 1 to 65,535.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(NonZeroU16);

impl PacketId {
    /// The smallest identifier.
    pub const MIN: Self = Self(NonZeroU16::MIN);
    /// The largest identifier.
    pub const MAX: Self = Self(NonZeroU16::MAX);

    /// `None` for 0, which may not be sent (`[3.1.1 MQTT-2.3.1-1]`, `[5.0 MQTT-2.2.1-3]`).
    #[inline]
    #[must_use]
    pub const fn new(value: u16) -> Option<Self> {
        match NonZeroU16::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl From<NonZeroU16> for PacketId {
    #[inline]
    fn from(value: NonZeroU16) -> Self {
        Self(value)
    }
}

impl From<PacketId> for NonZeroU16 {
    #[inline]
    fn from(id: PacketId) -> Self {
        id.0
    }
}

impl fmt::Debug for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PacketId({})", self.0)
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
