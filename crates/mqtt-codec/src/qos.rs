//! Quality of service: how hard both ends try to deliver a message (sections 4.3 of both versions).

use core::fmt;

/// The delivery guarantee of a message, or the highest one that a subscription asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    /// QoS 0: sent once, never acknowledged; it may be lost.
    #[default]
    AtMostOnce = 0,
    /// QoS 1: acknowledged by PUBACK; it may arrive more than once.
    AtLeastOnce = 1,
    /// QoS 2: a four-part handshake, PUBREC, PUBREL, PUBCOMP; it arrives once.
    ExactlyOnce = 2,
}

impl QoS {
    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }
}

/// The value 3 or above, which no QoS has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidQoS(pub u8);

impl fmt::Display for InvalidQoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QoS is 0, 1 or 2, not {}", self.0)
    }
}

impl core::error::Error for InvalidQoS {}

impl TryFrom<u8> for QoS {
    type Error = InvalidQoS;

    #[inline]
    fn try_from(value: u8) -> Result<Self, InvalidQoS> {
        match value {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            _ => Err(InvalidQoS(value)),
        }
    }
}

impl From<QoS> for u8 {
    #[inline]
    fn from(qos: QoS) -> Self {
        qos.as_u8()
    }
}

impl fmt::Display for QoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QoS {}", self.as_u8())
    }
}
