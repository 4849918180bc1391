//! PUBLISH: a message (section 3.3 of both versions).
//!
//! ```text
//! bit       7  6  5  4     3      2  1     0
//!        +--------------+-----+---------+--------+
//! fixed  |  0  0  1  1  | DUP |   QoS   | RETAIN |   QoS 3 is reserved; DUP is 0 at QoS 0
//!        +--------------+-----+---------+--------+
//!        | remaining length (varint)             |
//!        +---------------------------------------+
//! header | topic name                            |   5.0: may be empty beside a topic alias
//!        | packet identifier (2 bytes)           |   QoS 1 and 2
//!        | properties                            |   5.0
//!        +---------------------------------------+
//!        | payload: all that is left             |
//!        +---------------------------------------+
//! ```

use alloc::vec::Vec;
use bytes::Bytes;
use core::fmt;

use crate::{
    BinaryRef, DecodeErrorKind, EncodeError, PacketId, PublishProperties, PublishPropertiesRef, QoS, TextRef,
    TopicName, Version,
    encode::{self, Body, impl_encode, prefixed_len},
    packet::{PacketKind, kind::publish_flags},
    parse::{Context, Input, Parsed, cut, ensure, packet_id, topic_name},
    property::Place,
};

/// A message, from a client to the server or on its way to a subscriber.
#[derive(Clone, PartialEq, Eq)]
pub struct Publish {
    /// Whether this repeats an earlier attempt; never at QoS 0.
    pub dup: bool,
    /// How hard to deliver it.
    pub qos: QoS,
    /// To the server: keep it for later subscribers. To a client: it was kept.
    pub retain: bool,
    /// Where to; empty only in 5.0 beside a topic alias.
    pub topic: TopicName,
    /// Present exactly at QoS 1 and 2.
    pub packet_id: Option<PacketId>,
    /// Empty in 3.1.1.
    pub properties: PublishProperties,
    /// The message itself, any bytes.
    pub payload: Bytes,
}

impl Publish {
    /// A message of QoS 0 that is not retained.
    #[must_use]
    pub fn new(topic: TopicName, payload: impl Into<Bytes>) -> Self {
        Self {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic,
            packet_id: None,
            properties: PublishProperties::default(),
            payload: payload.into(),
        }
    }

    /// Appends all but the payload, which is left to be written from where it lies; returns the number of bytes
    /// that were appended. The packet is complete when the payload follows.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the packet has no form in that version; then nothing is written.
    pub fn encode_head(&self, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        let before = out.len();
        let remaining = self.body_len(version)?;
        encode::start(self, remaining, remaining - self.payload.len(), out)?;
        self.write_head(version, out);
        Ok(out.len() - before)
    }

    /// Appends what is left of the variable header.
    #[inline(always)]
    fn write_head(&self, version: Version, out: &mut Vec<u8>) {
        encode::append(self.topic.as_bytes(), out);
        if let Some(id) = self.packet_id {
            out.extend_from_slice(&id.get().to_be_bytes());
        }
        self.properties.write(version, out);
    }

    /// QoS, packet identifier and DUP go together.
    #[inline]
    fn check_delivery(&self) -> Result<(), EncodeError> {
        match (self.qos, self.packet_id) {
            (QoS::AtMostOnce, Some(_)) => Err(EncodeError::PacketIdWithQoS0),
            (QoS::AtMostOnce, None) if self.dup => Err(EncodeError::DupWithQoS0),
            (QoS::AtLeastOnce | QoS::ExactlyOnce, None) => Err(EncodeError::PacketIdMissing),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Publish {
    /// The payload appears as its length: it may be large, or nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publish")
            .field("dup", &self.dup)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("topic", &self.topic)
            .field("packet_id", &self.packet_id)
            .field("properties", &self.properties)
            .field("payload", &BinaryRef::from_parsed(&self.payload))
            .finish()
    }
}

impl_encode!(Publish);

impl Body for Publish {
    #[inline(always)]
    fn first_byte(&self) -> u8 {
        PacketKind::Publish.first_byte()
            | if self.dup { publish_flags::DUP } else { 0 }
            | self.qos.as_u8() << publish_flags::QOS_SHIFT
            | if self.retain { publish_flags::RETAIN } else { 0 }
    }

    #[inline(always)]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        self.check_delivery()?;
        if self.topic.is_empty() && (version == Version::V311 || !self.properties.has_topic_alias()) {
            return Err(EncodeError::TopicMissing);
        }
        let properties = self.properties.len_in(version, "properties")?;
        let packet_id = if self.packet_id.is_some() { 2 } else { 0 };
        Ok(prefixed_len(self.topic.as_bytes()) + packet_id + properties + self.payload.len())
    }

    #[inline(always)]
    fn start(&self) -> impl AsRef<[u8]> {
        encode::prefix(self.topic.as_bytes())
    }

    #[inline(always)]
    fn write_rest(&self, version: Version, out: &mut Vec<u8>) {
        self.write_head(version, out);
        encode::append(&self.payload, out);
    }
}

/// [`Publish`] in the buffer that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishRef<'a> {
    /// See [`Publish::dup`].
    pub dup: bool,
    /// See [`Publish::qos`].
    pub qos: QoS,
    /// See [`Publish::retain`].
    pub retain: bool,
    /// See [`Publish::topic`].
    pub topic: TextRef<'a>,
    /// See [`Publish::packet_id`].
    pub packet_id: Option<PacketId>,
    /// See [`Publish::properties`].
    pub properties: PublishPropertiesRef<'a>,
    /// See [`Publish::payload`].
    pub payload: BinaryRef<'a>,
}

impl<'a> PublishRef<'a> {
    /// Parses all that follows the fixed header, whose flags were checked.
    #[inline(always)]
    pub(crate) fn parse(context: Context, flags: u8, input: Input<'a>) -> Parsed<'a, Self> {
        let qos = qos_of_checked(flags);
        let (rest, topic) = match (context.version, input) {
            // An alias may stand for it, which only the properties tell.
            (Version::V5, [0, 0, rest @ ..]) => (rest, TextRef::default()),
            _ => topic_name(input)?,
        };
        let (rest, packet_id) = match qos {
            QoS::AtMostOnce => (rest, None),
            QoS::AtLeastOnce | QoS::ExactlyOnce => packet_id(rest).map(|(rest, id)| (rest, Some(id)))?,
        };
        let (payload, properties) =
            PublishPropertiesRef::parse(context.version, Place::publish(context.sender), rest)?;
        ensure(!topic.is_empty() || properties.has_topic_alias(), input, DecodeErrorKind::TopicMissing)?;
        let dup = flags & publish_flags::DUP != 0;
        let retain = flags & publish_flags::RETAIN != 0;
        let payload = BinaryRef::from_parsed(payload);
        Ok((&[], Self { dup, qos, retain, topic, packet_id, properties, payload }))
    }

    /// The topic in memory of its own.
    #[must_use]
    pub fn to_topic(&self) -> TopicName {
        TopicName::from_parsed(Bytes::copy_from_slice(self.topic.as_bytes()))
    }

    /// The owned packet, sharing the buffer `frame` that this view points into.
    #[inline]
    pub(crate) fn to_owned_in(self, frame: &Bytes) -> Publish {
        Publish {
            dup: self.dup,
            qos: self.qos,
            retain: self.retain,
            topic: TopicName::from_parsed(cut(frame, self.topic.as_bytes())),
            packet_id: self.packet_id,
            properties: self.properties.to_owned_in(frame),
            payload: cut(frame, self.payload.as_bytes()),
        }
    }
}

/// The QoS in flags that were checked: 3 does not occur.
#[inline(always)]
pub(super) const fn qos_of_checked(flags: u8) -> QoS {
    match flags >> publish_flags::QOS_SHIFT & 0b11 {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}
