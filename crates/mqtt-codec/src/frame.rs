//! Finding packets in a stream, and parsing them whole.
//!
//! ```text
//! +---------------------+---------------------------------+--------------------------+
//! | type | flags        | remaining length (1 to 4 bytes) | that many bytes          |
//! +---------------------+---------------------------------+--------------------------+
//!   fixed header, all that `delimit` looks at               parsed only when complete
//! ```

use bytes::{Bytes, BytesMut};
use nom::Offset;

use crate::{
    Ack, AckKind, AckRef, ConnectRef, DecodeError, DecodeErrorKind, Packet, PacketId, PacketKind, PacketRef,
    PublishFrame, PublishRef, PublishShape, Received, Side, Version,
    parse::{Context, Fault, Input},
    varint::{self, Scan},
};

/// Reads packets: the version and the side that sent them decide what is legal, a limit how long they may be.
///
/// It keeps no state between packets, so that one value serves a connection for ever.
///
/// A CONNECT is parsed by the version that it names itself. A server therefore starts with a decoder of either
/// version, and goes on with one of the version of the CONNECT.
///
/// ```
/// use mqtt_codec::{Decoder, Packet, Side, Version, bytes::BytesMut};
///
/// let decoder = Decoder::new(Version::V311, Side::Server).with_max_packet_size(1024);
/// let mut buffer = BytesMut::from(&b"\xd0\x00\x30\x07\x00\x03a/"[..]);
/// assert_eq!(decoder.decode_from(&mut buffer)?, Some(Packet::Pingresp));
/// assert_eq!(decoder.decode_from(&mut buffer)?, None);
///
/// buffer.extend_from_slice(b"bhi");
/// let Some(Packet::Publish(message)) = decoder.decode_from(&mut buffer)? else { unreachable!() };
/// assert_eq!((message.topic.as_str(), &message.payload[..]), ("a/b", &b"hi"[..]));
/// # Ok::<(), mqtt_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoder {
    context: Context,
    max_packet_size: u32,
}

impl Decoder {
    /// The largest packet that the fixed header can describe, in bytes; the limit of a new decoder.
    pub const LARGEST_PACKET: u32 = varint::MAX + 5;

    /// Decodes what `sender` sends in `version`, without a limit of its own.
    #[must_use]
    pub const fn new(version: Version, sender: Side) -> Self {
        Self { context: Context { version, sender }, max_packet_size: Self::LARGEST_PACKET }
    }

    /// Refuses packets of more than `bytes` in all, as soon as their length is known.
    #[must_use]
    pub const fn with_max_packet_size(self, bytes: u32) -> Self {
        Self { max_packet_size: bytes, ..self }
    }

    /// The version that it decodes.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.context.version
    }

    /// The side whose packets it decodes.
    #[must_use]
    pub const fn sender(&self) -> Side {
        self.context.sender
    }

    /// The limit of a whole packet, in bytes.
    #[must_use]
    pub const fn max_packet_size(&self) -> u32 {
        self.max_packet_size
    }

    /// The whole length of the packet at the start of `input`, if all of it is there; `None` if more must come.
    ///
    /// Looks at five bytes at most, however long the input is.
    ///
    /// # Errors
    ///
    /// At once, before the rest of the packet has come: a type that this side may not send, wrong flags, a length
    /// that is ill-formed or above the limit.
    #[inline]
    pub fn delimit(&self, input: &[u8]) -> Result<Option<usize>, DecodeError> {
        let header = self.fixed_header(input)?;
        Ok(header.map(|header| header.packet_len()).filter(|&len| len <= input.len()))
    }

    /// The acknowledgement at the front of `input`, if it is all there in its shortest form, that of nearly all: kind and
    /// identifier in [`Ack::SHORTEST_LEN`](crate::Ack::SHORTEST_LEN) bytes, which mean success. For whoever reads many in a
    /// row; whatever is not of that form is for [`parse`](Self::parse).
    #[inline(always)]
    #[must_use]
    pub fn shortest_ack(&self, input: &[u8]) -> Option<(AckKind, PacketId)> {
        let frame = input.first_chunk::<{ Ack::SHORTEST_LEN }>()?;
        let ack = AckRef::shortest(frame).filter(|_| frame.len() <= self.max_packet_size as usize)?;
        Some((ack.kind, ack.packet_id))
    }

    /// Parses `frame`, which is exactly one packet, without copying or allocating.
    ///
    /// # Errors
    ///
    /// The rule that the packet breaks, and where.
    #[inline]
    pub fn parse<'a>(&self, frame: &'a [u8]) -> Result<PacketRef<'a>, DecodeError> {
        // The two usual shapes need little of the room and the choices that all others need.
        if let Some(ack) = AckRef::shortest(frame)
            && frame.len() <= self.max_packet_size as usize
        {
            return Ok(PacketRef::Ack(ack));
        }
        match frame.first() {
            Some(&first) if PacketKind::is_publish(first) => self.parse_publish(frame),
            _ => self.parse_any(frame),
        }
    }

    /// Parses a frame whose first byte is one of a PUBLISH.
    fn parse_publish<'a>(&self, frame: &'a [u8]) -> Result<PacketRef<'a>, DecodeError> {
        let header = self.publish_header(frame)?;
        let header = Self::exactly(header, frame)?;
        self.publish(header, frame).map(PacketRef::Publish)
    }

    #[inline(never)]
    fn parse_any<'a>(&self, frame: &'a [u8]) -> Result<PacketRef<'a>, DecodeError> {
        let header = self.fixed_header(frame)?;
        self.parse_body(Self::exactly(header, frame)?, frame)
    }

    /// The header of a frame that is exactly one packet.
    #[inline(always)]
    fn exactly(header: Option<FixedHeader>, frame: &[u8]) -> Result<FixedHeader, DecodeError> {
        match header {
            Some(header) if header.packet_len() == frame.len() => Ok(header),
            Some(header) if header.packet_len() < frame.len() => {
                Err(header.error(DecodeErrorKind::TrailingBytes, header.packet_len()))
            }
            header => Err(DecodeError {
                kind: DecodeErrorKind::Incomplete,
                packet: header.map(|header| header.kind),
                offset: frame.len(),
            }),
        }
    }

    /// Decodes `frame`, which is exactly one packet; topic, payload and properties are slices of it.
    ///
    /// # Errors
    ///
    /// As [`Decoder::parse`].
    #[inline]
    pub fn decode(&self, frame: &Bytes) -> Result<Packet, DecodeError> {
        Ok(self.parse(frame)?.to_owned(frame))
    }

    /// Takes one packet off the front of `buffer`; `None` if more must come, then nothing is taken.
    ///
    /// # Errors
    ///
    /// As [`Decoder::delimit`] and [`Decoder::parse`]. The stream can't be read any further.
    pub fn decode_from(&self, buffer: &mut BytesMut) -> Result<Option<Packet>, DecodeError> {
        let header = match buffer.first() {
            Some(&first) if PacketKind::is_publish(first) => self.publish_header(buffer)?,
            _ => return Ok(self.receive_other(buffer)?.map(Packet::from)),
        };
        match header {
            Some(header) if header.packet_len() <= buffer.len() => {
                Ok(Some(Packet::Publish(self.take_publish(header, buffer)?.into())))
            }
            _ => Ok(None),
        }
    }

    /// Parses the PUBLISH at the front of `input`, and says where its parts are; `None` if something else is there, or not
    /// all of it. For whoever reads many in a row, and takes them off in one piece: see [`PublishShape`].
    ///
    /// # Errors
    ///
    /// As [`delimit`](Self::delimit) and [`parse`](Self::parse).
    #[inline(always)]
    pub fn peek_publish<'a>(
        &self,
        input: &'a [u8],
    ) -> Result<Option<(PublishRef<'a>, PublishShape)>, DecodeError> {
        let header = match input.first() {
            Some(&first) if PacketKind::is_publish(first) => self.publish_header(input)?,
            _ => return Ok(None),
        };
        match header {
            Some(header) if header.packet_len() <= input.len() => {
                self.publish_with_shape(header, input).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// As [`decode_from`](Self::decode_from), with a PUBLISH in one piece: the fastest way to own it.
    ///
    /// # Errors
    ///
    /// As [`decode_from`](Self::decode_from).
    #[inline]
    pub fn receive_from(&self, buffer: &mut BytesMut) -> Result<Option<Received>, DecodeError> {
        let header = match buffer.first() {
            Some(&first) if PacketKind::is_publish(first) => self.publish_header(buffer)?,
            _ => return self.receive_other(buffer),
        };
        match header {
            Some(header) if header.packet_len() <= buffer.len() => {
                Ok(Some(Received::Publish(self.take_publish(header, buffer)?)))
            }
            _ => Ok(None),
        }
    }

    #[inline(never)]
    fn receive_other(&self, buffer: &mut BytesMut) -> Result<Option<Received>, DecodeError> {
        match self.fixed_header(buffer)? {
            Some(header) if header.packet_len() <= buffer.len() => self.take_other(header, buffer),
            _ => Ok(None),
        }
    }

    /// Takes the packet with this header off the front of a buffer, all of which is there.
    #[inline(always)]
    pub(crate) fn take(
        &self,
        header: FixedHeader,
        buffer: &mut BytesMut,
    ) -> Result<Option<Received>, DecodeError> {
        match header.kind {
            PacketKind::Publish => Ok(Some(Received::Publish(self.take_publish(header, buffer)?))),
            _ => self.take_other(header, buffer),
        }
    }

    /// Takes the PUBLISH with this header off the front of a buffer, all of which is there.
    #[inline(always)]
    fn take_publish(&self, header: FixedHeader, buffer: &mut BytesMut) -> Result<PublishFrame, DecodeError> {
        let len = header.packet_len();
        let publish = self.publish(header, &buffer[..len])?;
        Ok(PublishShape::of(&publish, len, header.len).take_off(buffer))
    }

    /// Parses the PUBLISH with this header at the front of `input`, all of which is there.
    #[inline(always)]
    fn publish_with_shape<'a>(
        &self,
        header: FixedHeader,
        input: &'a [u8],
    ) -> Result<(PublishRef<'a>, PublishShape), DecodeError> {
        let len = header.packet_len();
        let publish = self.publish(header, &input[..len])?;
        Ok((publish, PublishShape::of(&publish, len, header.len)))
    }

    #[inline(never)]
    fn take_other(
        &self,
        header: FixedHeader,
        buffer: &mut BytesMut,
    ) -> Result<Option<Received>, DecodeError> {
        let frame = buffer.split_to(header.packet_len()).freeze();
        Ok(Some(Received::Other(self.parse_body(header, &frame)?.to_owned(&frame))))
    }

    /// Parses a frame that is exactly one PUBLISH.
    #[inline(always)]
    fn publish<'a>(&self, header: FixedHeader, frame: &'a [u8]) -> Result<PublishRef<'a>, DecodeError> {
        match PublishRef::parse(self.context, header.flags, &frame[header.len..]) {
            Ok((_, publish)) => Ok(publish),
            Err(fault) => Err(header.locate(fault, frame)),
        }
    }

    /// Parses what follows the header of a frame that is exactly one packet.
    #[inline(always)]
    fn parse_body<'a>(&self, header: FixedHeader, frame: &'a [u8]) -> Result<PacketRef<'a>, DecodeError> {
        let body = &frame[header.len..];
        // Only here is it known which version a CONNECT speaks.
        if header.overlong && header.kind == PacketKind::Connect && ConnectRef::is_v5(body) {
            return Err(header.error(DecodeErrorKind::VariableByteIntegerOverlong, 1));
        }
        let locate = |fault| header.locate(fault, frame);
        PacketRef::parse(self.context, header.kind, header.flags, body, locate)
    }

    /// Reads type, flags and length, and checks all that they can tell.
    #[inline(always)]
    pub(crate) fn fixed_header(&self, input: Input<'_>) -> Result<Option<FixedHeader>, DecodeError> {
        let Some((&first, rest)) = input.split_first() else { return Ok(None) };
        let Context { version, sender } = self.context;
        let kind = match PacketKind::from_first_byte(first, version, sender) {
            Ok(kind) => kind,
            Err((packet, kind)) => return Err(DecodeError { kind, packet, offset: 0 }),
        };
        self.remaining_length(kind, first, rest)
    }

    /// As [`fixed_header`](Self::fixed_header), for a first byte that [is one](PacketKind::is_publish) of a PUBLISH.
    #[inline(always)]
    fn publish_header(&self, input: Input<'_>) -> Result<Option<FixedHeader>, DecodeError> {
        let Some((&first, rest)) = input.split_first() else { return Ok(None) };
        self.remaining_length(PacketKind::Publish, first, rest)
    }

    /// Reads the length behind a first byte that is legal.
    #[inline(always)]
    fn remaining_length(
        &self,
        kind: PacketKind,
        first: u8,
        rest: Input<'_>,
    ) -> Result<Option<FixedHeader>, DecodeError> {
        let mut header = FixedHeader { kind, flags: first & 0x0F, len: 2, remaining: 0, overlong: false };
        match varint::scan(rest) {
            Scan::Complete { value, len, overlong } => {
                header.len = 1 + len;
                header.remaining = value;
                header.overlong = overlong;
            }
            Scan::Incomplete => return Ok(None),
            Scan::TooLong => return Err(header.error(DecodeErrorKind::VariableByteIntegerTooLong, 1)),
        }
        // [5.0 MQTT-1.5.5-1]; 3.1.1 has no such rule, and a CONNECT may turn out to be either.
        if header.overlong && self.context.version == Version::V5 && kind != PacketKind::Connect {
            return Err(header.error(DecodeErrorKind::VariableByteIntegerOverlong, 1));
        }
        let limit = self.max_packet_size;
        if header.packet_len() > limit as usize {
            let length = header.packet_len() as u32;
            return Err(header.error(DecodeErrorKind::PacketTooLarge { length, limit }, 1));
        }
        Ok(Some(header))
    }
}

/// What the first bytes of a packet say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FixedHeader {
    kind: PacketKind,
    flags: u8,
    /// Of the header itself, in bytes.
    len: usize,
    /// Of all that follows, in bytes.
    remaining: u32,
    /// Whether the length could have been written shorter.
    overlong: bool,
}

impl FixedHeader {
    /// Type and flags, and a length of one byte.
    pub(crate) const MIN_LEN: usize = 2;

    /// Of the whole packet, in bytes.
    #[inline]
    pub(crate) fn packet_len(&self) -> usize {
        self.len + self.remaining as usize
    }

    #[cold]
    fn locate(&self, fault: nom::Err<Fault<'_>>, frame: &[u8]) -> DecodeError {
        match fault {
            nom::Err::Error(fault) | nom::Err::Failure(fault) => {
                self.error(fault.kind, frame.offset(fault.at))
            }
            // Complete parsers never ask for more; if one did, the packet would be too short for it.
            nom::Err::Incomplete(_) => self.error(DecodeErrorKind::FieldPastEnd, frame.len()),
        }
    }

    #[cold]
    fn error(&self, kind: DecodeErrorKind, offset: usize) -> DecodeError {
        DecodeError { kind, packet: Some(self.kind), offset }
    }
}
