//! The packets: one file each, with layout, owned type, view, parser and serializer.

mod ack;
mod aliased;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod kind;
mod ping;
mod plain;
mod publish;
mod received;
mod suback;
mod subscribe;
mod unsuback;
mod unsubscribe;

use alloc::{boxed::Box, vec::Vec};
use bytes::Bytes;

pub use ack::{Ack, AckKind, AckRef};
pub use aliased::AliasedPublish;
pub use auth::{Auth, AuthRef};
pub use connack::{Connack, ConnackRef};
pub use connect::{Connect, ConnectRef, Will, WillRef};
pub use disconnect::{Disconnect, DisconnectRef};
pub use kind::PacketKind;
pub use plain::PlainPublish;
pub use publish::{Publish, PublishRef};
pub use received::{PublishFrame, PublishShape, Received};
pub use suback::{Suback, SubackRef};
pub use subscribe::{RetainHandling, Subscribe, SubscribeFilter, SubscribeRef, SubscriptionOptions};
pub use unsuback::{Unsuback, UnsubackRef};
pub use unsubscribe::{Unsubscribe, UnsubscribeRef};

use crate::{
    DecodeError, DecodeErrorKind, EncodeError, PacketId, ReasonCode, Side, Version, encode,
    parse::{Context, Fault, Input, Parsed, end, located_byte},
};
use ping::Ping;

/// Any packet, owned; what was decoded shares the buffer that it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// A client opens the session.
    Connect(Box<Connect>),
    /// The server answers CONNECT.
    Connack(Connack),
    /// A message.
    Publish(Publish),
    /// PUBACK, PUBREC, PUBREL or PUBCOMP.
    Ack(Ack),
    /// A client asks for messages.
    Subscribe(Subscribe),
    /// The server answers SUBSCRIBE.
    Suback(Suback),
    /// A client asks for no more messages.
    Unsubscribe(Unsubscribe),
    /// The server answers UNSUBSCRIBE.
    Unsuback(Unsuback),
    /// A client asks for a sign of life.
    Pingreq,
    /// The server gives it.
    Pingresp,
    /// The connection ends on purpose.
    Disconnect(Disconnect),
    /// A step of enhanced authentication; 5.0 only.
    Auth(Auth),
}

impl Packet {
    /// The packet's type.
    #[must_use]
    pub fn kind(&self) -> PacketKind {
        match self {
            Self::Connect(_) => PacketKind::Connect,
            Self::Connack(_) => PacketKind::Connack,
            Self::Publish(_) => PacketKind::Publish,
            Self::Ack(ack) => ack.kind.into(),
            Self::Subscribe(_) => PacketKind::Subscribe,
            Self::Suback(_) => PacketKind::Suback,
            Self::Unsubscribe(_) => PacketKind::Unsubscribe,
            Self::Unsuback(_) => PacketKind::Unsuback,
            Self::Pingreq => PacketKind::Pingreq,
            Self::Pingresp => PacketKind::Pingresp,
            Self::Disconnect(_) => PacketKind::Disconnect,
            Self::Auth(_) => PacketKind::Auth,
        }
    }

    /// The packet identifier, of packets that have one.
    #[must_use]
    pub fn packet_id(&self) -> Option<PacketId> {
        match self {
            Self::Publish(publish) => publish.packet_id,
            Self::Ack(ack) => Some(ack.packet_id),
            Self::Subscribe(subscribe) => Some(subscribe.packet_id),
            Self::Suback(suback) => Some(suback.packet_id),
            Self::Unsubscribe(unsubscribe) => Some(unsubscribe.packet_id),
            Self::Unsuback(unsuback) => Some(unsuback.packet_id),
            Self::Connect(_)
            | Self::Connack(_)
            | Self::Pingreq
            | Self::Pingresp
            | Self::Disconnect(_)
            | Self::Auth(_) => None,
        }
    }

    /// The length of the whole packet, in bytes. A CONNECT uses the version that it names itself.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the packet has no form in that version.
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        match self {
            Self::Connect(connect) => connect.encoded_len(),
            Self::Connack(connack) => connack.encoded_len(version),
            Self::Publish(publish) => publish.encoded_len(version),
            Self::Ack(ack) => ack.encoded_len(version),
            Self::Subscribe(subscribe) => subscribe.encoded_len(version),
            Self::Suback(suback) => suback.encoded_len(version),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encoded_len(version),
            Self::Unsuback(unsuback) => unsuback.encoded_len(version),
            Self::Pingreq | Self::Pingresp => encode::packet_len(&Ping(self.kind()), version),
            Self::Disconnect(disconnect) => disconnect.encoded_len(version),
            Self::Auth(auth) => auth.encoded_len(version),
        }
    }

    /// Appends the packet in its shortest form and returns its length in bytes. A CONNECT uses the version that it
    /// names itself.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] if the packet has no form in that version; then nothing is written.
    #[inline]
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        // The usual packet goes before the choice among all.
        match self {
            Self::Publish(publish) => publish.encode(version, out),
            other => other.encode_other(version, out),
        }
    }

    fn encode_other(&self, version: Version, out: &mut Vec<u8>) -> Result<usize, EncodeError> {
        match self {
            Self::Connect(connect) => connect.encode(out),
            Self::Connack(connack) => connack.encode(version, out),
            Self::Publish(publish) => publish.encode(version, out),
            Self::Ack(ack) => ack.encode(version, out),
            Self::Subscribe(subscribe) => subscribe.encode(version, out),
            Self::Suback(suback) => suback.encode(version, out),
            Self::Unsubscribe(unsubscribe) => unsubscribe.encode(version, out),
            Self::Unsuback(unsuback) => unsuback.encode(version, out),
            Self::Pingreq | Self::Pingresp => encode::packet(&Ping(self.kind()), version, out),
            Self::Disconnect(disconnect) => disconnect.encode(version, out),
            Self::Auth(auth) => auth.encode(version, out),
        }
    }
}

macro_rules! impl_from {
    ($($Packet:ident),*) => {$(
        impl From<$Packet> for Packet {
            #[inline]
            fn from(packet: $Packet) -> Self {
                Self::$Packet(packet)
            }
        }
    )*};
}
impl_from!(Connack, Publish, Ack, Subscribe, Suback, Unsubscribe, Unsuback, Disconnect, Auth);

impl From<Connect> for Packet {
    fn from(connect: Connect) -> Self {
        Self::Connect(Box::new(connect))
    }
}

/// Any packet, in the buffer that it came in: validated whole, and read in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketRef<'a> {
    /// See [`Packet::Connect`].
    Connect(ConnectRef<'a>),
    /// See [`Packet::Connack`].
    Connack(ConnackRef<'a>),
    /// See [`Packet::Publish`].
    Publish(PublishRef<'a>),
    /// See [`Packet::Ack`].
    Ack(AckRef<'a>),
    /// See [`Packet::Subscribe`].
    Subscribe(SubscribeRef<'a>),
    /// See [`Packet::Suback`].
    Suback(SubackRef<'a>),
    /// See [`Packet::Unsubscribe`].
    Unsubscribe(UnsubscribeRef<'a>),
    /// See [`Packet::Unsuback`].
    Unsuback(UnsubackRef<'a>),
    /// See [`Packet::Pingreq`].
    Pingreq,
    /// See [`Packet::Pingresp`].
    Pingresp,
    /// See [`Packet::Disconnect`].
    Disconnect(DisconnectRef<'a>),
    /// See [`Packet::Auth`].
    Auth(AuthRef<'a>),
}

impl<'a> PacketRef<'a> {
    /// Parses all that follows the fixed header, whose type and flags were checked; `locate` makes an error of a fault.
    ///
    /// Each arm makes the value that the caller sees: the largest view is so much larger than the usual ones that
    /// moving it once costs more than parsing a PUBACK.
    #[inline(always)]
    pub(crate) fn parse(
        context: Context,
        kind: PacketKind,
        flags: u8,
        body: Input<'a>,
        locate: impl Fn(nom::Err<Fault<'a>>) -> DecodeError,
    ) -> Result<Self, DecodeError> {
        macro_rules! view {
            ($Packet:ident, $parsed:expr) => {
                match $parsed {
                    Ok((_, view)) => Ok(Self::$Packet(view)),
                    Err(fault) => Err(locate(fault)),
                }
            };
        }
        match kind {
            PacketKind::Connect => Self::parse_connect(body, locate),
            PacketKind::Connack => view!(Connack, ConnackRef::parse(context, body)),
            PacketKind::Publish => view!(Publish, PublishRef::parse(context, flags, body)),
            PacketKind::Puback => view!(Ack, AckRef::parse(context, AckKind::Puback, body)),
            PacketKind::Pubrec => view!(Ack, AckRef::parse(context, AckKind::Pubrec, body)),
            PacketKind::Pubrel => view!(Ack, AckRef::parse(context, AckKind::Pubrel, body)),
            PacketKind::Pubcomp => view!(Ack, AckRef::parse(context, AckKind::Pubcomp, body)),
            PacketKind::Subscribe => view!(Subscribe, SubscribeRef::parse(context, body)),
            PacketKind::Suback => view!(Suback, SubackRef::parse(context, body)),
            PacketKind::Unsubscribe => view!(Unsubscribe, UnsubscribeRef::parse(context, body)),
            PacketKind::Unsuback => view!(Unsuback, UnsubackRef::parse(context, body)),
            PacketKind::Pingreq => end(body).map(|()| Self::Pingreq).map_err(locate),
            PacketKind::Pingresp => end(body).map(|()| Self::Pingresp).map_err(locate),
            PacketKind::Disconnect => view!(Disconnect, DisconnectRef::parse(context, body)),
            PacketKind::Auth => view!(Auth, AuthRef::parse(context, body)),
        }
    }

    /// A call, because a CONNECT needs more room on the stack than all others, which are to be spared it.
    #[inline(never)]
    fn parse_connect(
        body: Input<'a>,
        locate: impl Fn(nom::Err<Fault<'a>>) -> DecodeError,
    ) -> Result<Self, DecodeError> {
        match ConnectRef::parse(body) {
            Ok((_, view)) => Ok(Self::Connect(view)),
            Err(fault) => Err(locate(fault)),
        }
    }

    /// The owned packet; topics, payloads and properties are slices of `frame`, not copies.
    ///
    /// # Panics
    ///
    /// If this view does not point into `frame`.
    #[inline]
    #[must_use]
    pub fn to_owned(&self, frame: &Bytes) -> Packet {
        match *self {
            Self::Connect(connect) => connect.to_owned_in(frame).into(),
            Self::Connack(connack) => connack.to_owned_in(frame).into(),
            Self::Publish(publish) => publish.to_owned_in(frame).into(),
            Self::Ack(ack) => ack.to_owned_in(frame).into(),
            Self::Subscribe(subscribe) => subscribe.to_owned_in(frame).into(),
            Self::Suback(suback) => suback.to_owned_in(frame).into(),
            Self::Unsubscribe(unsubscribe) => unsubscribe.to_owned_in(frame).into(),
            Self::Unsuback(unsuback) => unsuback.to_owned_in(frame).into(),
            Self::Pingreq => Packet::Pingreq,
            Self::Pingresp => Packet::Pingresp,
            Self::Disconnect(disconnect) => disconnect.to_owned_in(frame).into(),
            Self::Auth(auth) => auth.to_owned_in(frame).into(),
        }
    }
}

/// A reason code of 5.0 that this side may put into this packet.
#[inline]
fn reason_code(packet: PacketKind, sender: Side, input: Input<'_>) -> Parsed<'_, ReasonCode> {
    let (rest, (at, value)) = located_byte(input)?;
    match ReasonCode::try_from(value) {
        Ok(code) if code.allowed_in(packet, sender) => Ok((rest, code)),
        Ok(code) => Fault::fail(at, DecodeErrorKind::ReasonCodeNotAllowed(code)),
        Err(_) => Fault::fail(at, DecodeErrorKind::UnknownReasonCode(value)),
    }
}

/// Validated reason codes, read in place.
fn reason_codes(bytes: &[u8]) -> impl Iterator<Item = ReasonCode> + use<'_> {
    bytes.iter().filter_map(|&byte| ReasonCode::try_from(byte).ok())
}

/// The end of a 5.0 packet that may stop before its properties, and before its reason code.
#[inline]
fn reason_and_properties<'a, P: Default>(
    packet: PacketKind,
    sender: Side,
    input: Input<'a>,
    properties: impl FnOnce(Input<'a>) -> Parsed<'a, P>,
) -> Parsed<'a, (ReasonCode, P)> {
    if input.is_empty() {
        return Ok((input, (ReasonCode::Success, P::default())));
    }
    let (rest, reason) = reason_code(packet, sender, input)?;
    if rest.is_empty() {
        return Ok((rest, (reason, P::default())));
    }
    let (rest, properties) = properties(rest)?;
    Ok((rest, (reason, properties)))
}

/// How long the shortest form of reason code and properties is, in bytes.
fn short_form_len(reason: ReasonCode, properties_len: usize) -> usize {
    // An empty set is its length byte alone.
    match (reason, properties_len) {
        (ReasonCode::Success, 1) => 0,
        (_, 1) => 1,
        _ => 1 + properties_len,
    }
}

/// Appends the reason code unless it can be left out; says whether the properties must follow.
fn write_short_form(reason: ReasonCode, no_properties: bool, out: &mut Vec<u8>) -> bool {
    if !no_properties || reason != ReasonCode::Success {
        out.push(reason.as_u8());
    }
    !no_properties
}

/// Whether either side may put the code into the packet; only the decoder knows which side it hears.
fn check_reason(packet: PacketKind, code: ReasonCode) -> Result<(), EncodeError> {
    if code.allowed_in(packet, Side::Client) || code.allowed_in(packet, Side::Server) {
        Ok(())
    } else {
        Err(EncodeError::ReasonCodeNotAllowed { code, packet })
    }
}
