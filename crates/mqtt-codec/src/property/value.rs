//! Property values: as the wire has them, and as the typed sets give and take them.

use alloc::vec::Vec;
use core::{fmt, num::NonZeroU16, num::NonZeroU32};

use nom::{
    Parser,
    number::complete::{be_u16, be_u32, u8 as byte},
};

use super::table::{PropertyId, Wire};
use crate::{
    Binary, BinaryRef, DecodeErrorKind, QoS, Text, TextRef, TopicName,
    encode::prefixed,
    parse::{Fault, Input, Parsed, binary, text, text_unchecked, topic_name, variable_byte_integer},
    varint,
};

/// The value of one property, as its wire type has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyValue<'a> {
    /// A byte.
    Byte(u8),
    /// A Two Byte Integer.
    TwoByteInteger(u16),
    /// A Four Byte Integer.
    FourByteInteger(u32),
    /// A Variable Byte Integer.
    VariableByteInteger(u32),
    /// A UTF-8 Encoded String.
    Text(TextRef<'a>),
    /// Binary Data.
    Binary(BinaryRef<'a>),
    /// A UTF-8 String Pair: name and value.
    Pair(TextRef<'a>, TextRef<'a>),
}

impl<'a> PropertyValue<'a> {
    /// Reads what a wire type lays out, and looks no further.
    #[inline]
    pub(super) fn parse(wire: Wire, input: Input<'a>) -> Parsed<'a, Self> {
        match wire {
            Wire::Bit => byte.map(Self::Byte).parse(input),
            Wire::TwoByte | Wire::TwoByteNonZero => be_u16.map(Self::TwoByteInteger).parse(input),
            Wire::FourByte | Wire::FourByteNonZero => be_u32.map(Self::FourByteInteger).parse(input),
            Wire::VariableNonZero => variable_byte_integer.map(Self::VariableByteInteger).parse(input),
            Wire::Text | Wire::TopicName => text_unchecked.map(Self::Text).parse(input),
            Wire::Binary => binary.map(Self::Binary).parse(input),
            Wire::Pair => {
                (text_unchecked, text_unchecked).map(|(name, value)| Self::Pair(name, value)).parse(input)
            }
        }
    }

    /// Appends the value.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Byte(value) => out.push(value),
            Self::TwoByteInteger(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::FourByteInteger(value) => out.extend_from_slice(&value.to_be_bytes()),
            Self::VariableByteInteger(value) => varint::write(value, out),
            Self::Text(text) => prefixed(text.as_bytes(), out),
            Self::Binary(data) => prefixed(data.as_bytes(), out),
            Self::Pair(name, value) => {
                prefixed(name.as_bytes(), out);
                prefixed(value.as_bytes(), out);
            }
        }
    }
}

impl Wire {
    /// Checks the value of the property `id` at the start of the input, and returns what follows it.
    #[inline]
    pub(super) fn check(self, id: u8, input: Input<'_>) -> Result<Input<'_>, nom::Err<Fault<'_>>> {
        let (rest, in_range) = match self {
            Self::Bit => byte(input).map(|(rest, value)| (rest, value <= 1))?,
            Self::TwoByte => be_u16(input).map(|(rest, _)| (rest, true))?,
            Self::TwoByteNonZero => be_u16(input).map(|(rest, value)| (rest, value != 0))?,
            Self::FourByte => be_u32(input).map(|(rest, _)| (rest, true))?,
            Self::FourByteNonZero => be_u32(input).map(|(rest, value)| (rest, value != 0))?,
            Self::VariableNonZero => variable_byte_integer(input).map(|(rest, value)| (rest, value != 0))?,
            Self::Text => (text(input)?.0, true),
            Self::TopicName => (topic_name(input)?.0, true),
            Self::Binary => (binary(input)?.0, true),
            // [MQTT-1.5.7-1]: both halves.
            Self::Pair => (text(text(input)?.0)?.0, true),
        };
        if in_range { Ok(rest) } else { out_of_range(id, input) }
    }
}

#[cold]
fn out_of_range<T>(id: u8, at: Input<'_>) -> Result<T, nom::Err<Fault<'_>>> {
    let kind = PropertyId::try_from(id)
        .map_or(DecodeErrorKind::UnknownProperty(id), DecodeErrorKind::PropertyOutOfRange);
    Fault::fail(at, kind)
}

/// What a getter returns, read from a value of the property's wire type.
pub(super) trait FromValue<'a>: Sized {
    fn from_value(value: PropertyValue<'a>) -> Option<Self>;
}

/// What a setter takes; `None` stands for a value that is said by leaving the property out.
pub(super) trait ToValue {
    fn to_value(&self) -> Option<PropertyValue<'_>>;
}

impl<T: ToValue> ToValue for &T {
    fn to_value(&self) -> Option<PropertyValue<'_>> {
        (**self).to_value()
    }
}

/// A type whose values are exactly those of one wire type.
macro_rules! plain_value {
    ($Type:ty, $Variant:ident, |$read:ident| $from:expr, |$written:ident| $to:expr) => {
        impl FromValue<'_> for $Type {
            #[inline]
            fn from_value(value: PropertyValue<'_>) -> Option<Self> {
                match value {
                    PropertyValue::$Variant($read) => $from,
                    _ => None,
                }
            }
        }

        impl ToValue for $Type {
            fn to_value(&self) -> Option<PropertyValue<'_>> {
                let $written = *self;
                Some(PropertyValue::$Variant($to))
            }
        }
    };
}

plain_value!(bool, Byte, |byte| Some(byte == 1), |flag| u8::from(flag));
plain_value!(u16, TwoByteInteger, |value| Some(value), |value| value);
plain_value!(u32, FourByteInteger, |value| Some(value), |value| value);
plain_value!(NonZeroU16, TwoByteInteger, |value| NonZeroU16::new(value), |value| value.get());
plain_value!(NonZeroU32, FourByteInteger, |value| NonZeroU32::new(value), |value| value.get());
plain_value!(SubscriptionId, VariableByteInteger, |value| SubscriptionId::new(value), |id| id.get());

impl FromValue<'_> for QoS {
    fn from_value(value: PropertyValue<'_>) -> Option<Self> {
        match value {
            PropertyValue::Byte(byte) => QoS::try_from(byte).ok(),
            _ => None,
        }
    }
}

impl ToValue for QoS {
    /// Maximum QoS 2 is what a CONNACK says by saying nothing (section 3.2.2.3.4).
    fn to_value(&self) -> Option<PropertyValue<'_>> {
        (*self != Self::ExactlyOnce).then_some(PropertyValue::Byte(self.as_u8()))
    }
}

impl<'a> FromValue<'a> for TextRef<'a> {
    #[inline]
    fn from_value(value: PropertyValue<'a>) -> Option<Self> {
        match value {
            PropertyValue::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl ToValue for Text {
    fn to_value(&self) -> Option<PropertyValue<'_>> {
        Some(PropertyValue::Text(self.view()))
    }
}

impl ToValue for TopicName {
    /// The empty name is no topic to respond to.
    fn to_value(&self) -> Option<PropertyValue<'_>> {
        (!self.is_empty()).then_some(PropertyValue::Text(self.view()))
    }
}

impl<'a> FromValue<'a> for &'a [u8] {
    #[inline]
    fn from_value(value: PropertyValue<'a>) -> Option<Self> {
        match value {
            PropertyValue::Binary(data) => Some(data.as_bytes()),
            _ => None,
        }
    }
}

impl ToValue for Binary {
    fn to_value(&self) -> Option<PropertyValue<'_>> {
        Some(PropertyValue::Binary(self.view()))
    }
}

impl<'a> FromValue<'a> for (TextRef<'a>, TextRef<'a>) {
    #[inline]
    fn from_value(value: PropertyValue<'a>) -> Option<Self> {
        match value {
            PropertyValue::Pair(name, value) => Some((name, value)),
            _ => None,
        }
    }
}

/// Marks the messages that a subscription brings: 1 to 268,435,455.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionId(NonZeroU32);

impl SubscriptionId {
    /// The largest identifier.
    pub const MAX: u32 = varint::MAX;

    /// `None` for 0 and for values above [`SubscriptionId::MAX`].
    #[inline]
    #[must_use]
    pub const fn new(value: u32) -> Option<Self> {
        match NonZeroU32::new(value) {
            Some(id) if value <= Self::MAX => Some(Self(id)),
            _ => None,
        }
    }

    /// The number on the wire.
    #[inline]
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Debug for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SubscriptionId({})", self.0)
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that is no subscription identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSubscriptionId(pub u32);

impl fmt::Display for InvalidSubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a subscription identifier is 1 to {}, not {}", SubscriptionId::MAX, self.0)
    }
}

impl core::error::Error for InvalidSubscriptionId {}

impl TryFrom<u32> for SubscriptionId {
    type Error = InvalidSubscriptionId;

    fn try_from(value: u32) -> Result<Self, InvalidSubscriptionId> {
        Self::new(value).ok_or(InvalidSubscriptionId(value))
    }
}
