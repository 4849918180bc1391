//! MQTT 3.1.1 and 5.0 packets: a strict parser and serializer that copies nothing, for clients, brokers, proxies,
//! analysers and fuzzers.
//!
//! All 14 packet types of 3.1.1 and 15 of 5.0, in both directions; topics, filters and their matching; reason codes;
//! all 27 properties. No I/O, no state between packets, no `std` (but `alloc`), no `unsafe`.
//!
//! ```
//! use mqtt_codec::{
//!     Decoder, Packet, PacketId, Publish, PublishProperties, QoS, Side, Text, TopicName, Version, bytes::BytesMut,
//! };
//!
//! // Types are valid by construction: a topic with a wildcard, or text with U+0000, is refused here.
//! let message = Publish {
//!     qos: QoS::AtLeastOnce,
//!     packet_id: PacketId::new(1),
//!     properties: PublishProperties::new().with_content_type(&Text::new("text/plain")?),
//!     ..Publish::new(TopicName::new("plant/3/temperature")?, "21.5")
//! };
//! let mut out = Vec::new();
//! message.encode(Version::V5, &mut out)?;
//!
//! // The decoder is told what is spoken and by whom, and how much of it is too much.
//! let decoder = Decoder::new(Version::V5, Side::Client).with_max_packet_size(64 * 1024);
//! let mut received = BytesMut::from(&out[..10]);
//! assert_eq!(decoder.decode_from(&mut received)?, None, "the packet is not all there");
//! received.extend_from_slice(&out[10..]);
//! assert_eq!(decoder.decode_from(&mut received)?, Some(Packet::Publish(message)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Reading
//!
//! A [`Decoder`] works in two stages. [`delimit`](Decoder::delimit) finds the end of the first packet from its fixed
//! header, and refuses what is too long, or of a wrong type, before its body has come.
//! [`parse`](Decoder::parse) then reads exactly one packet and returns a view, [`PacketRef`], which borrows all and
//! allocates nothing; lists and properties are validated once and iterated in place. An owned [`Packet`]
//! ([`decode`](Decoder::decode), [`decode_from`](Decoder::decode_from)) shares the buffer it came in: topic, payload
//! and properties are slices of it. A [`PublishFrame`] ([`receive_from`](Decoder::receive_from)) is a message in one
//! piece, which costs half as much. A [`FrameReader`] adds the receive buffer of a stream.
//!
//! | layer | functions | gives |
//! | --- | --- | --- |
//! | stream | [`FrameReader`] | one packet after the other, from pieces of any size |
//! | frame | [`Decoder::delimit`] | the length of the first packet |
//! | view | [`Decoder::parse`] | [`PacketRef`], [`PublishRef`], [`ConnectRef`] … |
//! | owned, whole | [`Decoder::receive_from`] | [`Received`]: a [`PublishFrame`], or any other [`Packet`] |
//! | owned | [`Decoder::decode`], [`Decoder::decode_from`], [`PacketRef::to_owned`] | [`Packet`], [`Publish`], [`Connect`] … |
//!
//! # Writing
//!
//! [`Packet::encode`], and that of each packet, appends to a `Vec` in the shortest form. Lengths are computed first,
//! so that the buffer grows once, and nothing is written when the packet has no form ([`EncodeError`]).
//! [`Publish::encode_head`] leaves the payload to a vectored write; a [`PlainPublish`] is encoded from memory that it does not own.
//!
//! # Strictness
//!
//! Every rule that one packet can break on its own is checked, with a [kind](DecodeErrorKind) of its own, and the
//! [error](DecodeError) tells the packet, the byte, and the reason code that the peer is to be told. What the
//! specification leaves open, such as the short forms of 5.0, is accepted. Rules about several packets (is this
//! identifier in use, is this alias known) are the session's.
//!
//! ```
//! use mqtt_codec::{Decoder, DecodeErrorKind, ReasonCode, Side, Version};
//!
//! let error = Decoder::new(Version::V311, Side::Client).parse(b"\x30\x06\x00\x03a/#!").unwrap_err();
//! assert_eq!(error.kind, DecodeErrorKind::WildcardInTopicName);
//! assert_eq!(error.to_string(), "PUBLISH, byte 6: topic name contains a wildcard");
//! assert_eq!(error.reason_code(), ReasonCode::MalformedPacket);
//! ```
//!
//! # Two versions, one set of types
//!
//! The types are those of 5.0. What 3.1.1 lacks is empty there (properties, the reasons of an UNSUBACK) or
//! [`ReasonCode::Success`], and 3.1.1's return codes appear as the reason codes that say the same. Encoding for 3.1.1
//! what it can't say is [`EncodeError::NotInVersion`], never silently dropped.
//!
//! # What the types can't tell
//!
//! A field that stands alone holds only what the wire can. What several fields, the version or the whole packet decide
//! is an [`EncodeError`], and then nothing is written: a packet identifier without its QoS, a reason code that this
//! packet may not carry, a list without an entry, an empty topic without an alias, a packet that is too long.
//! Packets are plain data with public fields, which is what protocols are made of. The packets, versions and codes of
//! both standards are closed sets, so that a `match` on them can be complete; only views and errors may grow.
#![no_std]

extern crate alloc;

mod ascii;
mod binary;
mod encode;
mod error;
mod frame;
mod packet;
mod packet_id;
mod parse;
mod property;
mod qos;
mod reader;
mod reason;
mod text;
mod topic;
mod varint;
mod version;

pub use binary::{Binary, BinaryRef, BinaryTooLong};
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use frame::Decoder;
pub use packet::{
    Ack, AckKind, AckRef, AliasedPublish, Auth, AuthRef, Connack, ConnackRef, Connect, ConnectRef,
    Disconnect, DisconnectRef, Packet, PacketKind, PacketRef, PlainPublish, Publish, PublishFrame,
    PublishRef, PublishShape, Received, RetainHandling, Suback, SubackRef, Subscribe, SubscribeFilter,
    SubscribeRef, SubscriptionOptions, Unsuback, UnsubackRef, Unsubscribe, UnsubscribeRef, Will, WillRef,
};
pub use packet_id::PacketId;
pub use property::{
    AckProperties, AckPropertiesRef, AuthProperties, AuthPropertiesRef, ConnackProperties,
    ConnackPropertiesRef, ConnectProperties, ConnectPropertiesRef, DisconnectProperties,
    DisconnectPropertiesRef, InvalidPropertyId, InvalidSubscriptionId, Properties, PropertyId, PropertyValue,
    PublishProperties, PublishPropertiesRef, SubackProperties, SubackPropertiesRef, SubscribeProperties,
    SubscribePropertiesRef, SubscriptionId, UnsubackProperties, UnsubackPropertiesRef, UnsubscribeProperties,
    UnsubscribePropertiesRef, WillProperties, WillPropertiesRef,
};
pub use qos::{InvalidQoS, QoS};
pub use reader::FrameReader;
pub use reason::{InvalidReasonCode, ReasonCode};
pub use text::{InvalidText, Text, TextRef};
pub use topic::{InvalidFilter, InvalidTopic, TopicFilter, TopicName};
pub use version::{Side, Version};

/// The buffers of this crate's interface.
pub use bytes;
