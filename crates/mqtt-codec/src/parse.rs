//! The parsers that all packets are made of, over nom's `complete` ones, and the fault that they report.
//!
//! A fault keeps the input where it happened. All inputs are slices of one frame, so that the distance between the
//! two is the offset of the error; no parser has to count.

use bytes::Bytes;
use nom::{
    IResult, Parser,
    error::{ErrorKind, ParseError},
    number::complete::{be_u16, u8 as byte},
};

use crate::{
    BinaryRef, DecodeErrorKind, PacketId, QoS, Side, TextRef, Version, text, topic,
    varint::{self, Scan},
};

/// What every parser of this crate reads.
pub(crate) type Input<'a> = &'a [u8];

/// What every parser of this crate returns.
pub(crate) type Parsed<'a, T> = IResult<Input<'a>, T, Fault<'a>>;

/// What decides, besides the bytes, whether a packet is legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Context {
    pub(crate) version: Version,
    pub(crate) sender: Side,
}

/// A broken rule, and the rest of the frame from the byte that breaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault<'a> {
    pub(crate) at: Input<'a>,
    pub(crate) kind: DecodeErrorKind,
}

impl<'a> Fault<'a> {
    /// The fault as an `Err` of any parser: no alternative is tried after it.
    #[cold]
    pub(crate) fn fail<T>(at: Input<'a>, kind: impl Into<DecodeErrorKind>) -> Result<T, nom::Err<Self>> {
        Err(nom::Err::Failure(Self { at, kind: kind.into() }))
    }
}

impl<'a> ParseError<Input<'a>> for Fault<'a> {
    /// nom's own parsers are used to take bytes, so that they fail for one reason.
    fn from_error_kind(at: Input<'a>, _: ErrorKind) -> Self {
        Self { at, kind: DecodeErrorKind::FieldPastEnd }
    }

    fn append(_: Input<'a>, _: ErrorKind, inner: Self) -> Self {
        inner
    }
}

/// Fails with `kind` unless `condition` holds; `at` is the byte to blame.
#[inline(always)]
pub(crate) fn ensure(
    condition: bool,
    at: Input<'_>,
    kind: DecodeErrorKind,
) -> Result<(), nom::Err<Fault<'_>>> {
    if condition { Ok(()) } else { Fault::fail(at, kind) }
}

/// The end of a packet, or of a part with a length of its own.
#[inline]
pub(crate) fn end(input: Input<'_>) -> Result<(), nom::Err<Fault<'_>>> {
    ensure(input.is_empty(), input, DecodeErrorKind::TrailingBytes)
}

/// A Two Byte Integer that is no packet identifier when it is 0.
#[inline(always)]
pub(crate) fn packet_id(input: Input<'_>) -> Parsed<'_, PacketId> {
    let (rest, id) = be_u16(input)?;
    match PacketId::new(id) {
        Some(id) => Ok((rest, id)),
        None => Fault::fail(input, DecodeErrorKind::ZeroPacketId),
    }
}

/// The two low bits of a flags byte at `at`.
#[inline(always)]
pub(crate) fn qos(bits: u8, at: Input<'_>) -> Result<QoS, nom::Err<Fault<'_>>> {
    QoS::try_from(bits & 0b11).or_else(|_| Fault::fail(at, DecodeErrorKind::QoSReserved))
}

/// A part of a frame that was parsed out of it, sharing its buffer.
///
/// # Panics
///
/// If it is not a part of the frame.
#[inline]
pub(crate) fn cut(frame: &Bytes, part: &[u8]) -> Bytes {
    if part.is_empty() {
        return Bytes::new();
    }
    let start = part.as_ptr().addr().wrapping_sub(frame.as_ptr().addr());
    frame.slice(start..start.saturating_add(part.len()))
}

/// Bytes behind a two-byte length, which is to blame when it reaches too far.
#[inline(always)]
fn prefixed(input: Input<'_>) -> Parsed<'_, Input<'_>> {
    let field =
        input.split_first_chunk().and_then(|(len, rest)| split(rest, u16::from_be_bytes(*len).into()));
    field.map_or_else(|| Fault::fail(input, DecodeErrorKind::FieldPastEnd), Ok)
}

/// What follows the first `len` bytes, and these bytes, if there are so many.
#[inline(always)]
fn split(input: Input<'_>, len: usize) -> Option<(Input<'_>, Input<'_>)> {
    input.split_at_checked(len).map(|(field, rest)| (rest, field))
}

/// Binary Data.
#[inline]
pub(crate) fn binary(input: Input<'_>) -> Parsed<'_, BinaryRef<'_>> {
    prefixed.map(BinaryRef::from_parsed).parse(input)
}

/// A UTF-8 Encoded String, its rules not checked: for what was checked before.
#[inline]
pub(crate) fn text_unchecked(input: Input<'_>) -> Parsed<'_, TextRef<'_>> {
    prefixed.map(TextRef::from_parsed).parse(input)
}

/// A UTF-8 Encoded String.
#[inline(always)]
pub(crate) fn text(input: Input<'_>) -> Parsed<'_, TextRef<'_>> {
    let (rest, bytes) = prefixed(input)?;
    match text::validate(bytes) {
        Ok(()) => Ok((rest, TextRef::from_parsed(bytes))),
        Err(error) => Fault::fail(&bytes[error.at()..], error),
    }
}

/// A Topic Name.
#[inline(always)]
pub(crate) fn topic_name(input: Input<'_>) -> Parsed<'_, TextRef<'_>> {
    let (rest, bytes) = prefixed(input)?;
    match topic::validate_name(bytes) {
        Ok(()) => Ok((rest, TextRef::from_parsed(bytes))),
        Err(error) => Fault::fail(&bytes[error.at()..], error),
    }
}

/// A Topic Filter.
#[inline(always)]
pub(crate) fn topic_filter(input: Input<'_>) -> Parsed<'_, TextRef<'_>> {
    let (rest, bytes) = prefixed(input)?;
    match topic::validate_filter(bytes) {
        Ok(()) => Ok((rest, TextRef::from_parsed(bytes))),
        Err(error) => Fault::fail(&bytes[error.at()..], error),
    }
}

/// A Variable Byte Integer in its shortest form, which 5.0 asks for (`[MQTT-1.5.5-1]`).
#[inline]
pub(crate) fn variable_byte_integer(input: Input<'_>) -> Parsed<'_, u32> {
    match varint::scan(input) {
        Scan::Complete { overlong: true, .. } => {
            Fault::fail(input, DecodeErrorKind::VariableByteIntegerOverlong)
        }
        Scan::Complete { value, len, overlong: false } => Ok((&input[len..], value)),
        Scan::TooLong => Fault::fail(input, DecodeErrorKind::VariableByteIntegerTooLong),
        Scan::Incomplete => Fault::fail(input, DecodeErrorKind::FieldPastEnd),
    }
}

/// A part of the packet behind a Variable Byte Integer that tells its length, and is to blame when it reaches too far.
#[inline]
pub(crate) fn variable_length_part(input: Input<'_>) -> Parsed<'_, Input<'_>> {
    let (rest, len) = variable_byte_integer(input)?;
    split(rest, len as usize).map_or_else(|| Fault::fail(input, DecodeErrorKind::FieldPastEnd), Ok)
}

/// One byte, and the input that starts with it, for faults that blame it.
#[inline(always)]
pub(crate) fn located_byte(input: Input<'_>) -> Parsed<'_, (Input<'_>, u8)> {
    let (rest, value) = byte(input)?;
    Ok((rest, (input, value)))
}
