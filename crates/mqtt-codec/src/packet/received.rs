//! What comes off a stream, with the usual packet in its cheapest owned form.

use bytes::{Buf, Bytes, BytesMut};
use core::fmt;

use crate::{
    BinaryRef, Packet, PacketId, PacketKind, Publish, PublishPropertiesRef, PublishRef, QoS, TextRef,
    TopicName,
    packet::{kind::publish_flags, publish},
};

/// A packet taken off a stream; a PUBLISH stays in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A message.
    Publish(PublishFrame),
    /// Any other packet.
    Other(Packet),
}

impl Received {
    /// The packet's type.
    #[must_use]
    pub fn kind(&self) -> PacketKind {
        match self {
            Self::Publish(_) => PacketKind::Publish,
            Self::Other(packet) => packet.kind(),
        }
    }
}

impl From<Received> for Packet {
    #[inline]
    fn from(received: Received) -> Self {
        match received {
            Received::Publish(frame) => Self::Publish(frame.into()),
            Received::Other(packet) => packet,
        }
    }
}

/// A PUBLISH as it came in: validated whole, and owned through a single reference to the receive buffer.
///
/// A [`Publish`] holds three (topic, properties, payload), each of which is counted when it is made and when it is
/// dropped: that costs more than parsing the message. This type is for who looks at a message and passes it on or drops
/// it; [`Publish::from`] makes the parts of it, without copying.
///
/// ```
/// use mqtt_codec::{Decoder, Received, Side, Version, bytes::BytesMut};
///
/// let mut buffer = BytesMut::from(&b"\x30\x07\x00\x03a/bhi"[..]);
/// let received = Decoder::new(Version::V311, Side::Server).receive_from(&mut buffer)?;
/// let Some(Received::Publish(message)) = received else { unreachable!() };
/// assert_eq!(message.topic(), "a/b");
/// assert_eq!(message.payload(), b"hi");
/// assert_eq!(message.as_bytes(), b"\x30\x07\x00\x03a/bhi");
/// # Ok::<(), mqtt_codec::DecodeError>(())
/// ```
#[derive(Clone)]
pub struct PublishFrame {
    frame: Bytes,
    shape: PublishShape,
}

/// Where the parts of a PUBLISH are that was [parsed](crate::Decoder::peek_publish) in somebody's buffer: all of a
/// [`PublishFrame`] but the bytes.
///
/// For who parses several in a row, and takes them off the buffer in one piece:
///
/// ```
/// use mqtt_codec::{Decoder, Side, Version, bytes::BytesMut};
///
/// let mut buffer = BytesMut::from(&b"\x30\x05\x00\x01a--\x30\x05\x00\x01b++\x30\x05\x00"[..]);
/// let decoder = Decoder::new(Version::V311, Side::Server);
/// let (mut shapes, mut len) = (Vec::new(), 0);
/// while let Some((_, shape)) = decoder.peek_publish(&buffer[len..])? {
///     len += shape.packet_len();
///     shapes.push(shape);
/// }
/// let mut packets = buffer.split_to(len).freeze();
/// let messages = shapes.iter().map(|shape| shape.frame(packets.split_to(shape.packet_len())));
/// assert!(messages.map(|message| message.payload().to_vec()).eq([b"--", b"++"]));
/// # Ok::<(), mqtt_codec::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct PublishShape {
    packet_len: u32,
    payload_at: u32,
    properties_len: u32,
    topic_len: u16,
    packet_id: Option<PacketId>,
    /// Which properties there are.
    present: u64,
    topic_at: u8,
}

impl PublishShape {
    /// The shape of a packet of `packet_len` bytes with a fixed header of `header_len`.
    #[inline(always)]
    pub(crate) fn of(publish: &PublishRef<'_>, packet_len: usize, header_len: usize) -> Self {
        let (properties, present) = publish.properties.parts();
        // A packet has less than 2^28 bytes + 5, a topic less than 2^16.
        Self {
            packet_len: packet_len as u32,
            payload_at: (packet_len - publish.payload.as_bytes().len()) as u32,
            properties_len: properties.len() as u32,
            topic_len: publish.topic.as_bytes().len() as u16,
            packet_id: publish.packet_id,
            present,
            topic_at: (header_len + size_of::<u16>()) as u8,
        }
    }

    /// Takes the message off the front of the buffer in which it was parsed.
    #[inline(always)]
    pub(crate) fn take_off(self, buffer: &mut BytesMut) -> PublishFrame {
        PublishFrame { frame: buffer.split_to(self.packet_len()).freeze(), shape: self }
    }

    /// The whole packet's length in bytes.
    #[inline]
    #[must_use]
    pub fn packet_len(&self) -> usize {
        self.packet_len as usize
    }

    /// The message, out of the bytes that were parsed: those of another packet make nonsense of it.
    ///
    /// # Panics
    ///
    /// If it has another length than the packet.
    #[inline]
    #[must_use]
    pub fn frame(&self, frame: Bytes) -> PublishFrame {
        assert!(
            frame.len() == self.packet_len(),
            "a PUBLISH of {} bytes is none of {}",
            self.packet_len,
            frame.len()
        );
        PublishFrame { frame, shape: *self }
    }
}

impl PublishFrame {
    /// See [`Publish::dup`].
    #[inline]
    #[must_use]
    pub fn dup(&self) -> bool {
        self.first_byte() & publish_flags::DUP != 0
    }

    /// See [`Publish::qos`].
    #[inline]
    #[must_use]
    pub fn qos(&self) -> QoS {
        publish::qos_of_checked(self.first_byte())
    }

    /// See [`Publish::retain`].
    #[inline]
    #[must_use]
    pub fn retain(&self) -> bool {
        self.first_byte() & publish_flags::RETAIN != 0
    }

    /// See [`Publish::packet_id`].
    #[inline]
    #[must_use]
    pub fn packet_id(&self) -> Option<PacketId> {
        self.shape.packet_id
    }

    /// See [`Publish::topic`].
    #[inline]
    #[must_use]
    pub fn topic(&self) -> TextRef<'_> {
        let start = usize::from(self.shape.topic_at);
        TextRef::from_parsed(&self.frame[start..start + usize::from(self.shape.topic_len)])
    }

    /// The topic, sharing the receive buffer.
    #[inline]
    #[must_use]
    pub fn to_topic(&self) -> TopicName {
        let start = usize::from(self.shape.topic_at);
        TopicName::from_parsed(self.frame.slice(start..start + usize::from(self.shape.topic_len)))
    }

    /// See [`Publish::properties`].
    #[inline]
    #[must_use]
    pub fn properties(&self) -> PublishPropertiesRef<'_> {
        let end = self.payload_at();
        let start = end - self.shape.properties_len as usize;
        PublishPropertiesRef::from_parts(&self.frame[start..end], self.shape.present)
    }

    /// See [`Publish::payload`].
    #[inline]
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.frame[self.payload_at()..]
    }

    /// The payload, sharing the receive buffer.
    #[inline]
    #[must_use]
    pub fn to_payload(&self) -> Bytes {
        self.frame.slice(self.payload_at()..)
    }

    /// The whole packet as it came in: for who passes it on unchanged in the same version.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.frame
    }

    /// The same message in memory of its own, so that keeping it does not keep the buffer that it came in.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self { frame: Bytes::copy_from_slice(&self.frame), shape: self.shape }
    }

    /// All parts, borrowed.
    #[must_use]
    pub fn view(&self) -> PublishRef<'_> {
        PublishRef {
            dup: self.dup(),
            qos: self.qos(),
            retain: self.retain(),
            topic: self.topic(),
            packet_id: self.packet_id(),
            properties: self.properties(),
            payload: BinaryRef::from_parsed(self.payload()),
        }
    }

    #[inline]
    fn payload_at(&self) -> usize {
        self.shape.payload_at as usize
    }

    #[inline]
    fn first_byte(&self) -> u8 {
        self.frame[0]
    }
}

impl From<PublishFrame> for Publish {
    /// Topic, properties and payload become references of their own to the receive buffer.
    #[inline]
    fn from(received: PublishFrame) -> Self {
        let PublishRef { dup, qos, retain, packet_id, properties, topic, .. } = received.view();
        let topic = TopicName::from_parsed(received.frame.slice_ref(topic.as_bytes()));
        let properties = properties.to_owned_in(&received.frame);
        let payload_at = received.payload_at();
        let mut payload = received.frame;
        payload.advance(payload_at);
        if payload.is_empty() {
            // What has no content keeps no buffer alive.
            payload = Bytes::new();
        }
        Self { dup, qos, retain, topic, packet_id, properties, payload }
    }
}

impl From<PublishFrame> for Bytes {
    #[inline]
    fn from(publish: PublishFrame) -> Self {
        publish.frame
    }
}

/// Two are equal if they say the same, however long the forms are that say it.
impl PartialEq for PublishFrame {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view()
    }
}

impl Eq for PublishFrame {}

impl fmt::Debug for PublishFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}
