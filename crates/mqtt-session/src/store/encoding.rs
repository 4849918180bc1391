//! The bytes of keys and records.
//!
//! ```text
//! key        kind (1)  packet identifier (2; 0 for the session)
//!
//! session    format (1)  protocol level (1)  clock (8)  next packet identifier (2)  next delivery id (8)
//!            client identifier known (1)  client identifier: the rest
//! publish    format (1)  protocol level (1)  transmitted (1)  tag (8)  order (8)  expires (1)  moment (8; if it expires)
//!            PUBLISH with DUP 0: the rest
//! release    format (1)  order (8)  reason (1)
//! barred     format (1)
//! received   format (1)  delivery id (8)  answered (1)
//! ```
//!
//! Numbers are big endian, moments in microseconds; a flag is 0 or 1. Each record says its format, so that a later version of this crate can
//! change one of them.

use alloc::vec::Vec;

use bytes::Bytes;
use mqtt_codec::{
    Decoder, EncodeError, Packet, PacketId, PacketKind, Publish, ReasonCode, Side, Text, Version,
};

use super::{Fault, Key, Record, RestoreError};
use crate::Timestamp;

/// The format that this version of the crate writes, and the only one that it reads.
const FORMAT: u8 = 1;

impl Key {
    /// The length of a key in bytes.
    pub const LEN: usize = 3;

    /// The bytes under which a store keeps the record. Their order is that of the keys.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let (kind, packet_id) = match self {
            Self::Session => (0, 0),
            Self::Publish(packet_id) => (1, packet_id.get()),
            Self::Release(packet_id) => (2, packet_id.get()),
            Self::Barred(packet_id) => (3, packet_id.get()),
            Self::Received(packet_id) => (4, packet_id.get()),
        };
        let [high, low] = packet_id.to_be_bytes();
        [kind, high, low]
    }

    /// The key that [`to_bytes`](Self::to_bytes) made `bytes` of.
    ///
    /// # Errors
    ///
    /// [`RestoreError::UnknownKey`] if none did.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RestoreError> {
        let unknown = || RestoreError::UnknownKey(bytes.to_vec());
        let &[kind, high, low] = bytes else { return Err(unknown()) };
        let key = match (kind, PacketId::new(u16::from_be_bytes([high, low]))) {
            (0, None) => Self::Session,
            (1, Some(packet_id)) => Self::Publish(packet_id),
            (2, Some(packet_id)) => Self::Release(packet_id),
            (3, Some(packet_id)) => Self::Barred(packet_id),
            (4, Some(packet_id)) => Self::Received(packet_id),
            _ => return Err(unknown()),
        };
        Ok(key)
    }
}

impl Record {
    /// Appends the bytes that a store keeps under [`key`](Self::key).
    ///
    /// # Errors
    ///
    /// Only for a publish that can't be encoded in either version, which no session holds; nothing is appended then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        let written = self.write(out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// The record that [`encode`](Self::encode) made `value` of. A message in it shares the memory of `value`.
    ///
    /// # Errors
    ///
    /// The value is damaged, or was written by a newer version of this crate.
    pub fn decode(key: Key, value: &Bytes) -> Result<Self, RestoreError> {
        Self::read(key, value).map_err(|fault| RestoreError::new(key, fault))
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.push(FORMAT);
        match self {
            Self::Session { version, clock, client_id, next_packet_id, next_delivery_id } => {
                out.push(version.level());
                out.extend_from_slice(&clock.as_micros().to_be_bytes());
                out.extend_from_slice(&next_packet_id.get().to_be_bytes());
                out.extend_from_slice(&next_delivery_id.to_be_bytes());
                out.push(client_id.is_some().into());
                out.extend_from_slice(client_id.as_ref().map_or(&[], Text::as_bytes));
            }
            Self::Publish { tag, order, transmitted, expires, publish, .. } => {
                // Properties exist in 5.0 alone, and without them a message is read the same in both.
                let version = if publish.properties.is_empty() { Version::V311 } else { Version::V5 };
                out.push(version.level());
                out.push((*transmitted).into());
                out.extend_from_slice(&tag.to_be_bytes());
                out.extend_from_slice(&order.to_be_bytes());
                out.push(expires.is_some().into());
                if let Some(expires) = expires {
                    out.extend_from_slice(&expires.as_micros().to_be_bytes());
                }
                let dup = out.len();
                publish.encode(version, out)?;
                out[dup] &= !DUP;
            }
            Self::Release { order, reason, .. } => {
                out.extend_from_slice(&order.to_be_bytes());
                out.push(reason.as_u8());
            }
            Self::Barred { .. } => {}
            Self::Received { delivery_id, answered, .. } => {
                out.extend_from_slice(&delivery_id.to_be_bytes());
                out.push((*answered).into());
            }
        }
        Ok(())
    }

    fn read(key: Key, value: &Bytes) -> Result<Self, Fault> {
        let mut fields = Fields(value);
        match fields.u8()? {
            FORMAT => {}
            other => return Err(Fault::Format(other)),
        }
        let record = match key {
            Key::Session => Self::Session {
                version: fields.version()?,
                clock: fields.timestamp()?,
                next_packet_id: fields.packet_id()?,
                next_delivery_id: fields.u64()?,
                client_id: fields.flag("client identifier flag")?.then(|| fields.text()).transpose()?,
            },
            Key::Publish(packet_id) => {
                let version = fields.version()?;
                let transmitted = fields.flag("transmitted flag")?;
                let (tag, order) = (fields.u64()?, fields.u64()?);
                let expires = fields.flag("expiry flag")?.then(|| fields.timestamp()).transpose()?;
                let publish = publish(version, &value.slice_ref(fields.rest()))?;
                if publish.packet_id != Some(packet_id) {
                    return Err(Fault::Field("packet identifier"));
                }
                Self::Publish { packet_id, tag, order, transmitted, expires, publish }
            }
            Key::Release(packet_id) => {
                Self::Release { packet_id, order: fields.u64()?, reason: fields.reason()? }
            }
            Key::Barred(packet_id) => Self::Barred { packet_id },
            Key::Received(packet_id) => Self::Received {
                packet_id,
                delivery_id: fields.u64()?,
                answered: fields.flag("answered flag")?,
            },
        };
        if fields.0.is_empty() { Ok(record) } else { Err(Fault::Long) }
    }
}

/// The bit of a PUBLISH's first byte that tells a repetition.
const DUP: u8 = 0x08;

/// A message as a session keeps it: not marked as repeated, and not in want of an alias.
fn publish(version: Version, frame: &Bytes) -> Result<Publish, Fault> {
    match Decoder::new(version, Side::Client).decode(frame).map_err(Fault::Packet)? {
        Packet::Publish(publish) if publish.dup => Err(Fault::Field("DUP")),
        Packet::Publish(publish) if publish.properties.topic_alias().is_some() => {
            Err(Fault::Field("topic alias"))
        }
        Packet::Publish(publish) => Ok(publish),
        _ => Err(Fault::Field("packet type")),
    }
}

/// The bytes that are left to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Fault::Short)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u8(&mut self) -> Result<u8, Fault> {
        self.array().map(u8::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, Fault> {
        self.array().map(u64::from_be_bytes)
    }

    fn timestamp(&mut self) -> Result<Timestamp, Fault> {
        self.u64().map(Timestamp::from_micros)
    }

    fn flag(&mut self, name: &'static str) -> Result<bool, Fault> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Fault::Field(name)),
        }
    }

    fn version(&mut self) -> Result<Version, Fault> {
        Version::from_level(self.u8()?).ok_or(Fault::Field("protocol level"))
    }

    fn packet_id(&mut self) -> Result<PacketId, Fault> {
        PacketId::new(u16::from_be_bytes(self.array()?)).ok_or(Fault::Field("packet identifier"))
    }

    /// What PUBREC may say when it is not a refusal.
    fn reason(&mut self) -> Result<ReasonCode, Fault> {
        let allowed =
            |reason: &ReasonCode| !reason.is_error() && reason.allowed_in(PacketKind::Pubrec, Side::Server);
        ReasonCode::try_from(self.u8()?).ok().filter(allowed).ok_or(Fault::Field("reason"))
    }

    fn text(&mut self) -> Result<Text, Fault> {
        let text = core::str::from_utf8(self.rest()).map_err(|_| Fault::Field("client identifier"))?;
        Text::new(text).map_err(|_| Fault::Field("client identifier"))
    }

    fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.0)
    }
}
