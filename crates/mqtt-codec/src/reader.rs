//! Packets out of a stream that comes in pieces of any size.
//!
//! ```text
//!            +--- fixed header complete and legal ---+
//!            |                                       v
//!       [ Header ] <---- packet taken --------- [ Body ] ----- packet ill-formed ----+
//!            |                                                                       v
//!            +---- type, flags or length refused ------------------------------> [ Failed ]
//! ```

use bytes::{Bytes, BytesMut};

use crate::{DecodeError, Decoder, Packet, Received, frame::FixedHeader};

/// Finds and decodes the packets of a stream, in whatever pieces it arrives.
///
/// It owns the receive buffer, and remembers the header of the packet that it waits for: asking again before all of
/// that packet is there costs one comparison. What is too long, or of a wrong type, is refused as soon as its header
/// says so, before its body has come.
///
/// ```
/// use mqtt_codec::{Decoder, FrameReader, Packet, Side, Version};
///
/// let decoder = Decoder::new(Version::V311, Side::Server).with_max_packet_size(64 * 1024);
/// let mut reader = FrameReader::new(decoder);
/// let mut topics = Vec::new();
/// for chunk in [&b"\xd0\x00\x30\x07\x00"[..], b"\x03a/b", b"hi\x30\x05\x00\x01c--"] {
///     reader.buffer_mut().extend_from_slice(chunk); // or `stream.read_buf(reader.buffer_mut())`
///     while let Some(packet) = reader.next_packet()? {
///         if let Packet::Publish(message) = packet {
///             topics.push(message.topic);
///         }
///     }
///     reader.reserve(); // room for the rest of a packet that has begun
/// }
/// assert_eq!(topics, ["a/b", "c"]);
/// # Ok::<(), mqtt_codec::DecodeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FrameReader {
    decoder: Decoder,
    buffer: BytesMut,
    awaiting: Awaiting,
}

/// What the front of the buffer is.
#[derive(Clone, Copy, Debug)]
enum Awaiting {
    /// A fixed header that is not complete, or was not looked at.
    Header,
    /// A packet whose fixed header is legal.
    Body(FixedHeader),
    /// Nothing any more: where the next packet starts is not known.
    Failed(DecodeError),
}

impl FrameReader {
    /// Reads what `decoder` decodes.
    #[must_use]
    pub fn new(decoder: Decoder) -> Self {
        Self { decoder, buffer: BytesMut::new(), awaiting: Awaiting::Header }
    }

    /// The decoder in use.
    #[must_use]
    pub fn decoder(&self) -> Decoder {
        self.decoder
    }

    /// Reads whatever was not taken yet with another decoder: a server's after the CONNECT has named the version.
    pub fn set_decoder(&mut self, decoder: Decoder) {
        self.decoder = decoder;
        if let Awaiting::Body(_) = self.awaiting {
            self.awaiting = Awaiting::Header;
        }
    }

    /// Where to append what was received. Bytes in it are not to be changed or removed.
    pub fn buffer_mut(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// How many bytes are missing before [`next_packet`](Self::next_packet) can return a packet; at least so many
    /// while the length is not known. 0 if it can at once, and after an error.
    #[must_use]
    pub fn missing(&self) -> usize {
        let wanted = match self.awaiting {
            Awaiting::Header => FixedHeader::MIN_LEN.max(self.buffer.len() + 1),
            Awaiting::Body(header) => header.packet_len(),
            Awaiting::Failed(_) => 0,
        };
        wanted.saturating_sub(self.buffer.len())
    }

    /// Makes room for what is [`missing`](Self::missing), so that a long packet does not grow the buffer step by
    /// step. A peer needs five bytes to cause that: the room is bounded by [`Decoder::with_max_packet_size`] alone.
    pub fn reserve(&mut self) {
        self.buffer.reserve(self.missing());
    }

    /// Takes the next packet; `None` if more must come.
    ///
    /// # Errors
    ///
    /// As [`Decoder::delimit`] and [`Decoder::parse`]. The error stays, and what comes after it is dropped.
    #[inline]
    pub fn next_packet(&mut self) -> Result<Option<Packet>, DecodeError> {
        Ok(self.next_received()?.map(Packet::from))
    }

    /// As [`next_packet`](Self::next_packet), with a PUBLISH in one piece: the fastest way to own it.
    ///
    /// # Errors
    ///
    /// As [`next_packet`](Self::next_packet).
    #[inline]
    pub fn next_received(&mut self) -> Result<Option<Received>, DecodeError> {
        let Some(header) = self.await_body()? else { return Ok(None) };
        let taken = self.decoder.take(header, &mut self.buffer);
        self.awaiting = Awaiting::Header;
        match taken {
            Err(error) => self.fail(error),
            taken => taken,
        }
    }

    /// Takes the next packet as bytes, for who passes it on or wants the view of [`Decoder::parse`]; `None` if more
    /// must come.
    ///
    /// # Errors
    ///
    /// As [`Decoder::delimit`]. The error stays, and what comes after it is dropped.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let Some(header) = self.await_body()? else { return Ok(None) };
        self.awaiting = Awaiting::Header;
        Ok(Some(self.buffer.split_to(header.packet_len()).freeze()))
    }

    /// The header of the packet at the front, if all of that packet is there.
    #[inline(always)]
    fn await_body(&mut self) -> Result<Option<FixedHeader>, DecodeError> {
        let header = match self.awaiting {
            Awaiting::Body(header) => header,
            Awaiting::Header => match self.decoder.fixed_header(&self.buffer) {
                Ok(Some(header)) => header,
                Ok(None) => return Ok(None),
                Err(error) => return self.fail(error),
            },
            Awaiting::Failed(error) => return self.fail(error),
        };
        if header.packet_len() <= self.buffer.len() {
            return Ok(Some(header));
        }
        self.awaiting = Awaiting::Body(header);
        Ok(None)
    }

    /// Keeps the error, and nothing of what can't be read any more.
    #[cold]
    fn fail<T>(&mut self, error: DecodeError) -> Result<T, DecodeError> {
        self.awaiting = Awaiting::Failed(error);
        self.buffer.clear();
        Err(error)
    }
}
