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
    payload_at: u32,
    properties_len: u32,
    /// Which properties there are.
    present: u64,
    topic_len: u16,
    packet_id: Option<PacketId>,
    topic_at: u8,
}

impl PublishFrame {
    /// Parses a PUBLISH of `len` bytes at the front of a buffer, which follow a fixed header of `header_len`, and takes
    /// it off.
    #[inline(always)]
    pub(crate) fn take<E>(
        buffer: &mut BytesMut,
        len: usize,
        header_len: usize,
        view: impl FnOnce(&[u8]) -> Result<PublishRef<'_>, E>,
    ) -> Result<Self, E> {
        let publish = view(&buffer[..len])?;
        // A packet has less than 2^28 bytes, a topic less than 2^16.
        let topic_at = (header_len + size_of::<u16>()) as u8;
        let topic_len = publish.topic.as_bytes().len() as u16;
        let packet_id = publish.packet_id;
        let (properties, present) = publish.properties.parts();
        let properties_len = properties.len() as u32;
        let payload_at = (len - publish.payload.as_bytes().len()) as u32;
        let frame = buffer.split_to(len).freeze();
        Ok(Self { frame, payload_at, properties_len, present, topic_len, packet_id, topic_at })
    }

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
        self.packet_id
    }

    /// See [`Publish::topic`].
    #[inline]
    #[must_use]
    pub fn topic(&self) -> TextRef<'_> {
        let start = usize::from(self.topic_at);
        TextRef::from_parsed(&self.frame[start..start + usize::from(self.topic_len)])
    }

    /// The topic, sharing the receive buffer.
    #[inline]
    #[must_use]
    pub fn to_topic(&self) -> TopicName {
        let start = usize::from(self.topic_at);
        TopicName::from_parsed(self.frame.slice(start..start + usize::from(self.topic_len)))
    }

    /// See [`Publish::properties`].
    #[inline]
    #[must_use]
    pub fn properties(&self) -> PublishPropertiesRef<'_> {
        let end = self.payload_at();
        let start = end - self.properties_len as usize;
        PublishPropertiesRef::from_parts(&self.frame[start..end], self.present)
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
        Self { frame: Bytes::copy_from_slice(&self.frame), ..*self }
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
        self.payload_at as usize
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
