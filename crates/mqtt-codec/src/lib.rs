//! MQTT 3.1.1 and 5.0 packets: a strict, zero-copy parser and serializer.
#![no_std]

extern crate alloc;

mod binary;
mod encode;
mod error;
mod frame;
mod packet;
mod packet_id;
mod parse;
mod property;
mod qos;
mod reason;
mod text;
mod topic;
mod varint;
mod version;

pub use binary::{Binary, BinaryRef, BinaryTooLong};
pub use error::{DecodeError, DecodeErrorKind, EncodeError};
pub use frame::Decoder;
pub use packet::*;
pub use packet_id::PacketId;
pub use property::*;
pub use qos::{InvalidQoS, QoS};
pub use reason::{InvalidReasonCode, ReasonCode};
pub use text::{InvalidText, Text, TextRef};
pub use topic::{InvalidFilter, InvalidTopic, TopicFilter, TopicName};
pub use version::{Side, Version};

/// The buffer types of this crate's interface.
pub use bytes;
