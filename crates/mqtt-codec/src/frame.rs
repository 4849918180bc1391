//! Finding packets in a stream, and parsing them whole.
//!
//! ```text
//! +---------------------+---------------------------------+--------------------------+
//! | type | flags        | remaining length (1 to 4 bytes) | that many bytes          |
//! +---------------------+---------------------------------+--------------------------+
//!   fixed header, all that `delimit` looks at               parsed only when complete
//! ```

use bytes::{Buf, Bytes, BytesMut};
use nom::Offset;

use crate::{
    ConnectRef, DecodeError, DecodeErrorKind, Packet, PacketKind, PacketRef, Publish, PublishRef, Side,
    TopicName, Version,
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

    /// Parses `frame`, which is exactly one packet, without copying or allocating.
    ///
    /// # Errors
    ///
    /// The rule that the packet breaks, and where.
    pub fn parse<'a>(&self, frame: &'a [u8]) -> Result<PacketRef<'a>, DecodeError> {
        match self.fixed_header(frame)? {
            Some(header) if header.packet_len() == frame.len() => self.parse_body(header, frame),
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
        match self.fixed_header(buffer)? {
            Some(header) if header.packet_len() <= buffer.len() => self.take(header, buffer).map(Some),
            _ => Ok(None),
        }
    }

    /// Takes the packet with this header off the front of a buffer, all of which is there.
    #[inline(always)]
    pub(crate) fn take(&self, header: FixedHeader, buffer: &mut BytesMut) -> Result<Packet, DecodeError> {
        if header.kind == PacketKind::Publish {
            return self.take_publish(header, buffer);
        }
        let frame = buffer.split_to(header.packet_len()).freeze();
        Ok(self.parse_body(header, &frame)?.to_owned(&frame))
    }

    /// Takes the usual packet off the front of a buffer, part by part: topic, properties and payload each become a
    /// reference to the buffer, and the packet as a whole needs none.
    #[inline(always)]
    fn take_publish(&self, header: FixedHeader, buffer: &mut BytesMut) -> Result<Packet, DecodeError> {
        let frame = &buffer[..header.packet_len()];
        let publish = match PublishRef::parse(self.context, header.flags, &frame[header.len..]) {
            Ok((_, publish)) => publish,
            Err(fault) => return Err(header.locate(fault, frame)),
        };
        let PublishRef { dup, qos, retain, packet_id, .. } = publish;
        let topic = publish.topic.as_bytes().len();
        let (properties, with_bytes) = publish.properties.apart();
        let payload = publish.payload.as_bytes().len();
        let topic_at = header.len + size_of::<u16>();
        let between = header.packet_len() - topic_at - topic - properties - payload;
        buffer.advance(topic_at);
        let topic = TopicName::from_parsed(take(buffer, topic));
        buffer.advance(between);
        let properties = with_bytes(take(buffer, properties));
        let payload = take(buffer, payload);
        Ok(Packet::Publish(Publish { dup, qos, retain, topic, packet_id, properties, payload }))
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
        if header.overlong && version == Version::V5 && kind != PacketKind::Connect {
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

/// The first bytes of a buffer; a part without content keeps no buffer alive.
#[inline(always)]
fn take(buffer: &mut BytesMut, len: usize) -> Bytes {
    if len == 0 { Bytes::new() } else { buffer.split_to(len).freeze() }
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
