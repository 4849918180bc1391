//! [`RestoreError`]: why a stored session can't be carried on.

use alloc::vec::Vec;
use core::fmt;

use mqtt_codec::{DecodeError, Version};

use super::Key;

/// A stored session that can't be carried on: which record is in the way, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// Bytes that are no key of this version of the crate.
    UnknownKey(Vec<u8>),
    /// A record that is not right.
    Record {
        /// The record's key.
        key: Key,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a stored record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It was written in another format, by a newer version of this crate as a rule.
    Format(u8),
    /// Its bytes end too early.
    Short,
    /// More bytes follow than belong to it.
    Long,
    /// One of its fields holds what is never written there.
    Field(&'static str),
    /// The message in it is damaged.
    Packet(DecodeError),
    /// The session is of this protocol version, not the configuration's.
    Version(Version),
    /// There is a second record with this key.
    Repeated,
    /// Other records are there, but this one is missing.
    Missing,
    /// It contradicts another record; which rule of them all is broken.
    Contradiction(&'static str),
}

impl RestoreError {
    pub(crate) const fn new(key: Key, fault: Fault) -> Self {
        Self::Record { key, fault }
    }
}

/// One line, such as `stored publish 7: its bytes end too early`.
impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKey(key) => write!(f, "the store holds an unknown key {key:02x?}"),
            Self::Record { key, fault } => write!(f, "stored {key}: {fault}"),
        }
    }
}

impl core::error::Error for RestoreError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Record { fault: Fault::Packet(error), .. } => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(format) => write!(f, "format {format} is unknown, perhaps newer"),
            Self::Short => f.write_str("its bytes end too early"),
            Self::Long => f.write_str("more bytes follow than belong to it"),
            Self::Field(field) => write!(f, "impossible {field}"),
            Self::Packet(error) => error.fmt(f),
            Self::Version(version) => write!(f, "the session is one of MQTT {version}"),
            Self::Repeated => f.write_str("a second record with this key"),
            Self::Missing => f.write_str("missing"),
            Self::Contradiction(rule) => f.write_str(rule),
        }
    }
}
