//! Two codecs of other houses read the same packet: each difference of opinion must be explained.
//!
//! Both are asked for bodies, because neither shows what it does with a fixed header; what only the header or the side
//! that speaks can tell is therefore not compared. The explanations are in [`EXPLAINED`]. A difference that is in none
//! of them is a finding: their fault, ours, or freedom of the specification, and then a row more.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use mqtt_codec::{DecodeError, DecodeErrorKind as Kind, Decoder, Packet, ReasonCode, Side, Version};

/// The other houses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// mqtt-protocol-core 0.7.
    Core,
    /// mqtt5-protocol 0.16.
    Mqtt5,
}

/// What we say of a packet.
type Ours = Result<Packet, DecodeError>;

/// Takes version and sender from the first byte and the packet from the rest.
///
/// # Panics
///
/// That is a finding.
pub fn run(input: &[u8]) {
    let Some((first, input)) = input.split_first() else { return };
    let sender = if first & 1 == 0 { Side::Client } else { Side::Server };
    let version = if first & 2 == 0 { Version::V311 } else { Version::V5 };
    let decoder = Decoder::new(version, sender);
    let Ok(Some(len)) = decoder.delimit(input) else { return };
    let frame = &input[..len];
    let ours = decoder.decode(&Bytes::copy_from_slice(frame));
    // A CONNECT is read by the version that it names.
    let version = match &ours {
        Ok(Packet::Connect(connect)) => connect.version,
        _ if frame[0] == 0x10 => return,
        _ => version,
    };
    for peer in [Peer::Core, Peer::Mqtt5] {
        let Some(accepts) = peer.accepts(version, frame) else { continue };
        if accepts != ours.is_ok() {
            let explained = EXPLAINED.iter().any(|(who, what, _)| *who == peer && what(&ours));
            assert!(
                explained,
                "{peer:?} says accept = {accepts}, we say {ours:?} of {}",
                crate::corpus::hex(frame)
            );
        }
    }
}

impl Peer {
    /// Whether the peer accepts the packet; `None` if it does not read this type in this version.
    fn accepts(self, version: Version, frame: &[u8]) -> Option<bool> {
        let body = &frame[1 + frame[1..].iter().position(|byte| byte & 0x80 == 0)? + 1..];
        match (self, version) {
            (Self::Core, Version::V311) => core_v311(frame[0], body),
            (Self::Core, Version::V5) => core_v5(frame[0], body),
            (Self::Mqtt5, Version::V311) => Some(mqtt5(frame, 4)),
            (Self::Mqtt5, Version::V5) => Some(mqtt5(frame, 5)),
        }
    }
}

macro_rules! core {
    ($name:ident, $version:ident $(, $auth:ident)?) => {
        fn $name(first: u8, body: &[u8]) -> Option<bool> {
            use mqtt_protocol_core::mqtt::packet::$version as packet;
            // It says how much it has read, and leaves it to its caller to compare.
            macro_rules! whole {
                ($Packet:ident) => {
                    packet::$Packet::parse(body).is_ok_and(|(_, read)| read == body.len())
                };
            }
            Some(match first >> 4 {
                1 => whole!(Connect),
                2 => whole!(Connack),
                3 => packet::Publish::parse(first & 15, Arc::from(body)).is_ok_and(|(_, read)| read == body.len()),
                4 => whole!(Puback),
                5 => whole!(Pubrec),
                6 => whole!(Pubrel),
                7 => whole!(Pubcomp),
                8 => whole!(Subscribe),
                9 => whole!(Suback),
                10 => whole!(Unsubscribe),
                11 => whole!(Unsuback),
                14 => whole!(Disconnect),
                $(15 => whole!($auth),)?
                // It reads nothing of a ping, and takes its length to be 0.
                _ => return None,
            })
        }
    };
}
core!(core_v311, v3_1_1);
core!(core_v5, v5_0, Auth);

fn mqtt5(frame: &[u8], level: u8) -> bool {
    use mqtt5_protocol::packet::{FixedHeader, Packet};
    let mut buffer = BytesMut::from(frame);
    let Ok(header) = FixedHeader::decode(&mut buffer) else { return false };
    let kind = header.packet_type;
    Packet::decode_from_body_with_version(kind, &header, &mut buffer, level).is_ok() && buffer.is_empty()
}

/// Who differs, what we say then, and why we are right.
type Row = (Peer, fn(&Ours) -> bool, &'static str);

/// A row for kinds of refusal: the peer does not look, or not in all packets.
macro_rules! unchecked {
    ($Peer:ident, $($kind:pat_param)|+, $why:literal) => {
        (Peer::$Peer, |ours| matches!(ours, Err(DecodeError { kind: $($kind)|+, .. })), $why)
    };
}

/// The differences that are understood. That a peer accepts what we refuse is its fault in each row; where it refuses
/// what we accept, the row says which freedom the specification gives.
const EXPLAINED: &[Row] = &[
    (Peer::Core, lone_password, "5.0 allows a password without user name (section 3.1.2.9)"),
    (Peer::Mqtt5, lone_password, "5.0 allows a password without user name (section 3.1.2.9)"),
    (
        Peer::Core,
        bad_authentication_method,
        "see `ReasonCode::BadAuthenticationMethod`: the specification is of two minds",
    ),
    (
        Peer::Mqtt5,
        bad_authentication_method,
        "see `ReasonCode::BadAuthenticationMethod`: the specification is of two minds",
    ),
    unchecked!(
        Core,
        Kind::NulInText,
        "U+0000 is refused only where it builds a packet itself ([MQTT-1.5.4-2])"
    ),
    unchecked!(Core, Kind::EmptyTopic | Kind::TopicMissing, "[MQTT-4.7.3-1]; 5.0 section 3.3.2.1"),
    unchecked!(Core, Kind::WildcardInTopicName, "[MQTT-3.3.2-2]"),
    unchecked!(Core, Kind::MisplacedHash | Kind::MisplacedPlus, "[5.0 MQTT-4.7.1-1] [5.0 MQTT-4.7.1-2]"),
    unchecked!(Core, Kind::ShareName | Kind::ShareWithoutFilter, "[MQTT-4.8.2-1] [MQTT-4.8.2-2]"),
    unchecked!(Core, Kind::NoLocalOnSharedSubscription, "[MQTT-3.8.3-4]"),
    unchecked!(
        Core,
        Kind::SubscriptionOptions,
        "the upper six bits are reserved in 3.1.1 (3.1.1 section 3.8.3.1)"
    ),
    unchecked!(Core, Kind::ZeroPacketId, "[3.1.1 MQTT-2.3.1-1] [5.0 MQTT-2.2.1-3]"),
    unchecked!(
        Core,
        Kind::ConnackReservedFlags | Kind::SessionPresentWithError,
        "5.0 sections 3.2.2.1 and 3.2.2.1.1"
    ),
    unchecked!(Core, Kind::AuthenticationMethodMissing, "CONNACK: section 3.2.2.3.18"),
    unchecked!(Core, Kind::VariableByteIntegerOverlong, "[5.0 MQTT-1.5.5-1]"),
    unchecked!(
        Core,
        Kind::ReasonCodeNotAllowed(_) | Kind::PropertyFromWrongSide(_),
        "it does not know which side speaks"
    ),
    unchecked!(
        Core,
        Kind::DuplicateProperty(_),
        "a second Subscription Identifier of a SUBSCRIBE (3.8.2.1.2)"
    ),
    unchecked!(
        Core,
        Kind::TrailingBytes,
        "its PUBACK, PUBREC, PUBREL and PUBCOMP of 3.1.1 take a reason code"
    ),
    unchecked!(
        Core,
        Kind::FieldPastEnd,
        "the length of a PUBLISH's properties reaches past the end (section 3.3.2.3)"
    ),
    unchecked!(
        Mqtt5,
        Kind::PropertyNotAllowed(_) | Kind::PropertyFromWrongSide(_),
        "it reads one set for all packets"
    ),
    unchecked!(Mqtt5, Kind::PropertyOutOfRange(_), "values of properties are not checked"),
    unchecked!(Mqtt5, Kind::DuplicateProperty(_), "5.0 section 2.2.2.2"),
    unchecked!(Mqtt5, Kind::UnknownProperty(_), "5.0 section 2.2.2.2"),
    unchecked!(
        Mqtt5,
        Kind::ReasonCodeNotAllowed(_) | Kind::UnknownReasonCode(_),
        "any reason code in any packet"
    ),
    unchecked!(
        Mqtt5,
        Kind::FieldPastEnd | Kind::TrailingBytes,
        "a CONNACK without property length; what is left over"
    ),
    unchecked!(
        Mqtt5,
        Kind::QoSReserved | Kind::SubscriptionOptions | Kind::RetainHandling,
        "[5.0 MQTT-3.8.3-5]"
    ),
    unchecked!(Mqtt5, Kind::ShareName | Kind::ShareWithoutFilter, "[MQTT-4.8.2-1] [MQTT-4.8.2-2]"),
    unchecked!(Mqtt5, Kind::NoLocalOnSharedSubscription, "[MQTT-3.8.3-4]"),
    unchecked!(Mqtt5, Kind::EmptyTopic | Kind::TopicMissing, "[MQTT-4.7.3-1]; 5.0 section 3.3.2.1"),
    unchecked!(Mqtt5, Kind::WildcardInTopicName, "[MQTT-3.3.2-2]"),
    unchecked!(Mqtt5, Kind::MisplacedHash | Kind::MisplacedPlus, "[5.0 MQTT-4.7.1-1] [5.0 MQTT-4.7.1-2]"),
    unchecked!(Mqtt5, Kind::SessionPresentWithError, "5.0 section 3.2.2.1.1"),
    unchecked!(Mqtt5, Kind::VariableByteIntegerOverlong, "[5.0 MQTT-1.5.5-1]"),
    unchecked!(Mqtt5, Kind::ZeroPacketId, "[3.1.1 MQTT-2.3.1-1] [5.0 MQTT-2.2.1-3]"),
    unchecked!(Mqtt5, Kind::AuthenticationMethodMissing, "5.0 sections 3.1.2.11.10 and 3.15.2.2.2"),
];

fn lone_password(ours: &Ours) -> bool {
    matches!(ours, Ok(Packet::Connect(connect))
        if connect.version == Version::V5 && connect.username.is_none() && connect.password.is_some())
}

fn bad_authentication_method(ours: &Ours) -> bool {
    matches!(ours, Ok(Packet::Disconnect(disconnect))
        if disconnect.reason == ReasonCode::BadAuthenticationMethod)
}
