//! CONNECT: a client opens the session (section 3.1 of both versions).
//!
//! ```text
//!        +--------+---------------------------------------------+
//! fixed  | 0x10   | remaining length (varint)                   |
//!        +--------+---------------------------------------------+
//! header | 0x0004 "MQTT"                                        |
//!        | protocol version: 4 or 5                             |
//!        | connect flags (below)                                |
//!        | keep alive (2 bytes), seconds; 0 turns it off        |
//!        | properties                                   5.0     |
//!        +------------------------------------------------------+
//! pay-   | client identifier: text                              |
//! load   | will properties                      if will, 5.0    |
//!        | will topic: topic name               if will         |
//!        | will payload: binary                 if will         |
//!        | user name: text                      if flag         |
//!        | password: binary                     if flag         |
//!        +------------------------------------------------------+
//!
//! flags  |  7        |  6       |  5          |  4  3     |  2   |  1           |  0        |
//!        | user name | password | will retain | will QoS  | will | clean start  | reserved  |
//! ```
//!
//! Clean start is called clean session in 3.1.1, where it also says that the session ends with the connection.

use alloc::vec::Vec;
use bytes::Bytes;
use nom::{Parser, number::complete::be_u16};

use crate::{
    Binary, BinaryRef, ConnectProperties, ConnectPropertiesRef, DecodeErrorKind, EncodeError, QoS, Text,
    TextRef, TopicName, Version, WillProperties, WillPropertiesRef,
    encode::{Body, prefixed, prefixed_len},
    packet::PacketKind,
    parse::{Fault, Input, Parsed, binary, cut, end, ensure, located_byte, qos, text, topic_name},
    property::Place,
};

/// What stands before the protocol version, length included.
const PROTOCOL_NAME: &[u8; 6] = b"\x00\x04MQTT";

mod flags {
    pub(super) const RESERVED: u8 = 1;
    pub(super) const CLEAN_START: u8 = 1 << 1;
    pub(super) const WILL: u8 = 1 << 2;
    pub(super) const WILL_QOS_SHIFT: u8 = 3;
    pub(super) const WILL_QOS: u8 = 0b11 << WILL_QOS_SHIFT;
    pub(super) const WILL_RETAIN: u8 = 1 << 5;
    pub(super) const PASSWORD: u8 = 1 << 6;
    pub(super) const USER_NAME: u8 = 1 << 7;
}

/// A client's request to open a session. It says for itself which version it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The version that both ends speak from here on.
    pub version: Version,
    /// Whether to begin without the state of an earlier session; 3.1.1 calls it clean session.
    pub clean_start: bool,
    /// The longest silence of the client, in seconds; 0 turns the check off.
    pub keep_alive: u16,
    /// Names the session; empty asks the server to choose.
    pub client_id: Text,
    /// What the server publishes if the connection is lost.
    pub will: Option<Will>,
    /// The user name.
    pub username: Option<Text>,
    /// The password; 3.1.1 allows it only beside a user name.
    pub password: Option<Binary>,
    /// Empty in 3.1.1.
    pub properties: ConnectProperties,
}

/// What the server publishes for a client that is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// Where to; not empty.
    pub topic: TopicName,
    /// The message.
    pub payload: Binary,
    /// How hard to deliver it.
    pub qos: QoS,
    /// Whether the server keeps it for later subscribers.
    pub retain: bool,
    /// Empty in 3.1.1.
    pub properties: WillProperties,
}

impl Connect {
    /// A clean start with a keep alive of 60 seconds, no will, no credentials.
    #[must_use]
    pub fn new(version: Version, client_id: Text) -> Self {
        Self {
            version,
            clean_start: true,
            keep_alive: 60,
            client_id,
            will: None,
            username: None,
            password: None,
            properties: ConnectProperties::default(),
        }
    }

    /// The length of the whole packet, in bytes.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the packet has no form in its version.
    pub fn encoded_len(&self) -> Result<usize, EncodeError> {
        crate::encode::packet_len(self, self.version)
    }

    /// Appends the packet and returns its length in bytes.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the packet has no form in its version; then nothing is written.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        crate::encode::packet(self, self.version, out)
    }

    fn flags(&self) -> u8 {
        let will = self.will.as_ref().map_or(0, |will| {
            flags::WILL
                | will.qos.as_u8() << flags::WILL_QOS_SHIFT
                | if will.retain { flags::WILL_RETAIN } else { 0 }
        });
        will | if self.clean_start { flags::CLEAN_START } else { 0 }
            | if self.username.is_some() { flags::USER_NAME } else { 0 }
            | if self.password.is_some() { flags::PASSWORD } else { 0 }
    }
}

impl Will {
    /// A will of QoS 0 that is not retained.
    #[must_use]
    pub fn new(topic: TopicName, payload: Binary) -> Self {
        Self { topic, payload, qos: QoS::AtMostOnce, retain: false, properties: WillProperties::default() }
    }

    #[inline]
    fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        if self.topic.is_empty() {
            return Err(EncodeError::TopicMissing);
        }
        let properties = self.properties.len_in(version, "will properties")?;
        Ok(properties + prefixed_len(self.topic.as_bytes()) + prefixed_len(self.payload.as_bytes()))
    }

    fn write(&self, version: Version, out: &mut Vec<u8>) {
        self.properties.write(version, out);
        prefixed(self.topic.as_bytes(), out);
        prefixed(self.payload.as_bytes(), out);
    }
}

impl Body for Connect {
    #[inline]
    fn first_byte(&self) -> u8 {
        PacketKind::Connect.first_byte()
    }

    #[inline]
    fn body_len(&self, version: Version) -> Result<usize, EncodeError> {
        let properties = self.properties.len_in(version, "properties")?;
        self.properties.check_authentication()?;
        // [3.1.1 MQTT-3.1.2-22]
        if version == Version::V311 && self.password.is_some() && self.username.is_none() {
            return Err(EncodeError::PasswordWithoutUserName);
        }
        let will = self.will.as_ref().map_or(Ok(0), |will| will.encoded_len(version))?;
        let username = self.username.as_ref().map_or(0, |name| prefixed_len(name.as_bytes()));
        let password = self.password.as_ref().map_or(0, |password| prefixed_len(password.as_bytes()));
        let fixed = PROTOCOL_NAME.len() + 4;
        Ok(fixed + properties + prefixed_len(self.client_id.as_bytes()) + will + username + password)
    }

    #[inline(always)]
    fn start(&self) -> impl AsRef<[u8]> {
        let [high, low] = self.keep_alive.to_be_bytes();
        let [n0, n1, n2, n3, n4, n5] = *PROTOCOL_NAME;
        [n0, n1, n2, n3, n4, n5, self.version.level(), self.flags(), high, low]
    }

    #[inline]
    fn write_rest(&self, version: Version, out: &mut Vec<u8>) {
        self.properties.write(version, out);
        prefixed(self.client_id.as_bytes(), out);
        if let Some(will) = &self.will {
            will.write(version, out);
        }
        if let Some(username) = &self.username {
            prefixed(username.as_bytes(), out);
        }
        if let Some(password) = &self.password {
            prefixed(password.as_bytes(), out);
        }
    }
}

/// [`Connect`] in the buffer that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectRef<'a> {
    /// See [`Connect::version`].
    pub version: Version,
    /// See [`Connect::clean_start`].
    pub clean_start: bool,
    /// See [`Connect::keep_alive`].
    pub keep_alive: u16,
    /// See [`Connect::client_id`].
    pub client_id: TextRef<'a>,
    /// See [`Connect::will`].
    pub will: Option<WillRef<'a>>,
    /// See [`Connect::username`].
    pub username: Option<TextRef<'a>>,
    /// See [`Connect::password`].
    pub password: Option<BinaryRef<'a>>,
    /// See [`Connect::properties`].
    pub properties: ConnectPropertiesRef<'a>,
}

/// [`Will`] in the buffer that its CONNECT came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WillRef<'a> {
    /// See [`Will::topic`].
    pub topic: TextRef<'a>,
    /// See [`Will::payload`].
    pub payload: BinaryRef<'a>,
    /// See [`Will::qos`].
    pub qos: QoS,
    /// See [`Will::retain`].
    pub retain: bool,
    /// See [`Will::properties`].
    pub properties: WillPropertiesRef<'a>,
}

impl<'a> ConnectRef<'a> {
    /// Whether what follows the fixed header names version 5.0.
    pub(crate) fn is_v5(body: Input<'_>) -> bool {
        let level = body.strip_prefix(PROTOCOL_NAME).and_then(|rest| rest.first());
        level.is_some_and(|&level| Version::from_level(level) == Some(Version::V5))
    }

    /// Parses all that follows the fixed header; the packet says for itself which version it is.
    #[inline(always)]
    pub(crate) fn parse(input: Input<'a>) -> Parsed<'a, Self> {
        let Some(rest) = input.strip_prefix(PROTOCOL_NAME) else {
            // The name of a packet that is merely cut short is not to blame.
            let (_, _) = text(input)?;
            return Fault::fail(input, DecodeErrorKind::ProtocolName);
        };
        let (rest, (at, level)) = located_byte(rest)?;
        let Some(version) = Version::from_level(level) else {
            return Fault::fail(at, DecodeErrorKind::ProtocolVersion(level));
        };
        let (rest, (at, flags)) = located_byte(rest)?;
        check_flags(version, flags, at)?;
        let (rest, keep_alive) = be_u16(rest)?;
        let properties_at = rest;
        let (rest, properties) = ConnectPropertiesRef::parse(version, Place::Connect, rest)?;
        ensure(
            properties.check_authentication().is_ok(),
            properties_at,
            DecodeErrorKind::AuthenticationMethodMissing,
        )?;
        let (rest, client_id) = text(rest)?;
        let (rest, will) =
            optional(flags & flags::WILL, |input| WillRef::parse(version, flags, at, input), rest)?;
        let (rest, username) = optional(flags & flags::USER_NAME, text, rest)?;
        let (rest, password) = optional(flags & flags::PASSWORD, binary, rest)?;
        end(rest)?;
        let clean_start = flags & flags::CLEAN_START != 0;
        Ok((rest, Self { version, clean_start, keep_alive, client_id, will, username, password, properties }))
    }

    /// The owned packet, sharing the buffer `frame` that this view points into.
    pub(crate) fn to_owned_in(self, frame: &Bytes) -> Connect {
        Connect {
            version: self.version,
            clean_start: self.clean_start,
            keep_alive: self.keep_alive,
            client_id: Text::from_parsed(cut(frame, self.client_id.as_bytes())),
            will: self.will.map(|will| will.to_owned_in(frame)),
            username: self.username.map(|name| Text::from_parsed(cut(frame, name.as_bytes()))),
            password: self.password.map(|password| Binary::from_parsed(cut(frame, password.as_bytes()))),
            properties: self.properties.to_owned_in(frame),
        }
    }
}

impl<'a> WillRef<'a> {
    #[inline]
    fn parse(version: Version, flags: u8, flags_at: Input<'a>, input: Input<'a>) -> Parsed<'a, Self> {
        let qos = qos(flags >> flags::WILL_QOS_SHIFT, flags_at)?;
        let (rest, properties) = WillPropertiesRef::parse(version, Place::Will, input)?;
        let (rest, (topic, payload)) = (topic_name, binary).parse(rest)?;
        Ok((rest, Self { topic, payload, qos, retain: flags & flags::WILL_RETAIN != 0, properties }))
    }

    fn to_owned_in(self, frame: &Bytes) -> Will {
        Will {
            topic: TopicName::from_parsed(cut(frame, self.topic.as_bytes())),
            payload: Binary::from_parsed(cut(frame, self.payload.as_bytes())),
            qos: self.qos,
            retain: self.retain,
            properties: self.properties.to_owned_in(frame),
        }
    }
}

/// What the connect flags may not be, taken alone.
#[inline]
fn check_flags(version: Version, flags: u8, at: Input<'_>) -> Result<(), nom::Err<Fault<'_>>> {
    ensure(flags & flags::RESERVED == 0, at, DecodeErrorKind::ConnectReservedFlag)?;
    if flags & flags::WILL == 0 {
        let will_bits = flags & (flags::WILL_QOS | flags::WILL_RETAIN);
        ensure(will_bits == 0, at, DecodeErrorKind::WillFlagsWithoutWill)?;
    }
    qos(flags >> flags::WILL_QOS_SHIFT, at)?;
    // [3.1.1 MQTT-3.1.2-22]; 5.0 allows it (section 3.1.2.9).
    let lone_password = flags & (flags::PASSWORD | flags::USER_NAME) == flags::PASSWORD;
    ensure(version == Version::V5 || !lone_password, at, DecodeErrorKind::PasswordWithoutUserName)
}

/// A field that is there if its flag is.
#[inline]
fn optional<'a, T>(
    flag: u8,
    parser: impl Parser<Input<'a>, Output = T, Error = Fault<'a>>,
    input: Input<'a>,
) -> Parsed<'a, Option<T>> {
    nom::combinator::cond(flag != 0, parser).parse(input)
}
