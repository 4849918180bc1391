//! What the codec refuses: the peer's bytes ([`DecodeError`]) and the caller's packets ([`EncodeError`]).

use core::fmt;

use crate::{InvalidFilter, InvalidText, InvalidTopic, PropertyId, ReasonCode, Version, packet::PacketKind};

/// The peer sent something that the specification forbids: which rule, in which packet, at which byte.
///
/// The connection is at its end: nothing after the offending packet can be trusted (5.0 section 4.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DecodeError {
    /// The rule that is broken.
    pub kind: DecodeErrorKind,
    /// The packet, if its type could be told.
    pub packet: Option<PacketKind>,
    /// Where, in bytes from the first byte of the packet.
    pub offset: usize,
}

impl DecodeError {
    /// What a 5.0 DISCONNECT (or CONNACK) tells the peer: the one place that maps errors to reason codes.
    #[must_use]
    pub fn reason_code(&self) -> ReasonCode {
        use DecodeErrorKind as Kind;
        match self.kind {
            Kind::PacketTooLarge { .. } => ReasonCode::PacketTooLarge,
            Kind::ProtocolName | Kind::ProtocolVersion(_) => ReasonCode::UnsupportedProtocolVersion,
            Kind::PropertyOutOfRange(PropertyId::TopicAlias) => ReasonCode::TopicAliasInvalid,
            Kind::PropertyOutOfRange(_)
            | Kind::DuplicateProperty(_)
            | Kind::PropertyFromWrongSide(_)
            | Kind::AuthenticationMethodMissing
            | Kind::WrongSender
            | Kind::ZeroPacketId
            | Kind::TopicMissing
            | Kind::NoFilters
            | Kind::NoReasonCodes
            | Kind::UnknownReasonCode(_)
            | Kind::ReasonCodeNotAllowed(_)
            | Kind::SessionPresentWithError
            | Kind::RetainHandling
            | Kind::NoLocalOnSharedSubscription => ReasonCode::ProtocolError,
            _ => ReasonCode::MalformedPacket,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.packet {
            Some(packet) => write!(f, "{packet}, byte {}: {}", self.offset, self.kind),
            None => write!(f, "byte {}: {}", self.offset, self.kind),
        }
    }
}

impl core::error::Error for DecodeError {}

/// The rule that a packet breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// Packet type 0, or 15 in 3.1.1.
    ReservedPacketType,
    /// The other side sends this packet, never this one.
    WrongSender,
    /// Flags of the fixed header that the packet type does not have.
    FixedHeaderFlags,
    /// QoS 3, in a PUBLISH, a will or a subscription.
    QoSReserved,
    /// A PUBLISH of QoS 0 that says it is a repetition.
    DupWithQoS0,
    /// The packet is larger than the limit of the [`Decoder`](crate::Decoder).
    PacketTooLarge {
        /// The whole length of the packet, in bytes.
        length: u32,
        /// The limit, in bytes.
        limit: u32,
    },
    /// A Variable Byte Integer of more than four bytes.
    VariableByteIntegerTooLong,
    /// A Variable Byte Integer that could be shorter, which 5.0 forbids.
    VariableByteIntegerOverlong,
    /// The input ends before the packet does.
    Incomplete,
    /// A field reaches past the end of the packet, or of the part that holds it.
    FieldPastEnd,
    /// Bytes follow the last field.
    TrailingBytes,
    /// Text that is not well-formed UTF-8.
    IllFormedText,
    /// U+0000 in text.
    NulInText,
    /// A topic name or filter without a character.
    EmptyTopic,
    /// A topic name with `+` or `#`.
    WildcardInTopicName,
    /// `#` in a filter, not alone in the last level.
    MisplacedHash,
    /// `+` in a filter, not alone in its level.
    MisplacedPlus,
    /// A share name that is empty or has a wildcard.
    ShareName,
    /// A share name that no filter follows.
    ShareWithoutFilter,
    /// Packet identifier 0.
    ZeroPacketId,
    /// A protocol name other than `MQTT`.
    ProtocolName,
    /// A protocol version other than 4 (3.1.1) and 5 (5.0).
    ProtocolVersion(u8),
    /// The reserved flag of a CONNECT is set.
    ConnectReservedFlag,
    /// Will QoS or Will Retain is set, but there is no will.
    WillFlagsWithoutWill,
    /// 3.1.1: a password without a user name.
    PasswordWithoutUserName,
    /// A flag of a CONNACK other than Session Present is set.
    ConnackReservedFlags,
    /// A CONNACK that refuses the connection and claims a session.
    SessionPresentWithError,
    /// A reason code that does not exist in this version.
    UnknownReasonCode(u8),
    /// A reason code that this packet may not carry, from this side.
    ReasonCodeNotAllowed(ReasonCode),
    /// A property that does not exist.
    UnknownProperty(u8),
    /// A property that this packet may not carry.
    PropertyNotAllowed(PropertyId),
    /// A property that this packet may carry, but only from the other side.
    PropertyFromWrongSide(PropertyId),
    /// A property that stands twice, and may not.
    DuplicateProperty(PropertyId),
    /// A zero, or a flag above 1, that the property may not have.
    PropertyOutOfRange(PropertyId),
    /// Authentication data, or an AUTH with content, without an authentication method.
    AuthenticationMethodMissing,
    /// A PUBLISH with neither topic name nor topic alias.
    TopicMissing,
    /// A SUBSCRIBE or UNSUBSCRIBE without a filter.
    NoFilters,
    /// A SUBACK or UNSUBACK without a reason code.
    NoReasonCodes,
    /// Reserved bits of the subscription options are set.
    SubscriptionOptions,
    /// Retain Handling 3.
    RetainHandling,
    /// No Local on a shared subscription.
    NoLocalOnSharedSubscription,
}

impl fmt::Display for DecodeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReservedPacketType => "the packet type is reserved",
            Self::WrongSender => "this side may not send this packet",
            Self::FixedHeaderFlags => "the flags are not those of the packet type",
            Self::QoSReserved => "QoS 3 is reserved",
            Self::DupWithQoS0 => "DUP is set though the QoS is 0",
            Self::PacketTooLarge { length, limit } => {
                return write!(f, "the packet has {length} bytes, more than the limit of {limit}");
            }
            Self::VariableByteIntegerTooLong => "a variable byte integer has more than four bytes",
            Self::VariableByteIntegerOverlong => "a variable byte integer is longer than it must be",
            Self::Incomplete => "the input ends before the packet does",
            Self::FieldPastEnd => "a field reaches past the end",
            Self::TrailingBytes => "bytes follow the last field",
            Self::IllFormedText => "text is not well-formed UTF-8",
            Self::NulInText => "text contains U+0000",
            Self::EmptyTopic => "a topic has at least one character",
            Self::WildcardInTopicName => "topic name contains a wildcard",
            Self::MisplacedHash => "# is not alone in the last level of the topic filter",
            Self::MisplacedPlus => "+ is not alone in its level of the topic filter",
            Self::ShareName => "the share name is empty or contains a wildcard",
            Self::ShareWithoutFilter => "no topic filter follows the share name",
            Self::ZeroPacketId => "the packet identifier is 0",
            Self::ProtocolName => "the protocol name is not MQTT",
            Self::ProtocolVersion(level) => {
                return write!(f, "the protocol version {level} is not supported");
            }
            Self::ConnectReservedFlag => "the reserved connect flag is set",
            Self::WillFlagsWithoutWill => "will QoS or will retain is set without a will",
            Self::PasswordWithoutUserName => "there is a password without a user name",
            Self::ConnackReservedFlags => "reserved acknowledge flags are set",
            Self::SessionPresentWithError => "session present is set though the connection is refused",
            Self::UnknownReasonCode(code) => return write!(f, "there is no reason code {code:#04x}"),
            Self::ReasonCodeNotAllowed(code) => {
                return write!(f, "the reason code {:#04x} ({code}) has no place here", code.as_u8());
            }
            Self::UnknownProperty(id) => return write!(f, "there is no property {id:#04x}"),
            Self::PropertyNotAllowed(id) => return write!(f, "the property {id} has no place here"),
            Self::PropertyFromWrongSide(id) => return write!(f, "this side may not send the property {id}"),
            Self::DuplicateProperty(id) => return write!(f, "the property {id} stands twice"),
            Self::PropertyOutOfRange(id) => {
                return write!(f, "the value of the property {id} is out of range");
            }
            Self::AuthenticationMethodMissing => "there is no authentication method",
            Self::TopicMissing => "there is neither a topic name nor a topic alias",
            Self::NoFilters => "there is no topic filter",
            Self::NoReasonCodes => "there is no reason code",
            Self::SubscriptionOptions => "reserved bits of the subscription options are set",
            Self::RetainHandling => "retain handling 3 is reserved",
            Self::NoLocalOnSharedSubscription => "no local is set on a shared subscription",
        })
    }
}

impl From<InvalidText> for DecodeErrorKind {
    fn from(error: InvalidText) -> Self {
        match error {
            InvalidText::Nul { .. } => Self::NulInText,
            InvalidText::IllFormed { .. } => Self::IllFormedText,
            // A two-byte length can't tell of more; kept total rather than panicking.
            InvalidText::TooLong { .. } => Self::FieldPastEnd,
        }
    }
}

impl From<InvalidTopic> for DecodeErrorKind {
    fn from(error: InvalidTopic) -> Self {
        match error {
            InvalidTopic::Empty => Self::EmptyTopic,
            InvalidTopic::Wildcard { .. } => Self::WildcardInTopicName,
            InvalidTopic::Text(error) => error.into(),
        }
    }
}

impl From<InvalidFilter> for DecodeErrorKind {
    fn from(error: InvalidFilter) -> Self {
        match error {
            InvalidFilter::Empty => Self::EmptyTopic,
            InvalidFilter::MisplacedHash { .. } => Self::MisplacedHash,
            InvalidFilter::MisplacedPlus { .. } => Self::MisplacedPlus,
            InvalidFilter::ShareName { .. } => Self::ShareName,
            InvalidFilter::ShareWithoutFilter { .. } => Self::ShareWithoutFilter,
            InvalidFilter::Text(error) => error.into(),
        }
    }
}

/// A packet that has no form on the wire: what its fields, taken together or with the version, rule out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// More bytes follow the fixed header than its four length bytes can tell, 268,435,455.
    TooLarge {
        /// The remaining length, in bytes.
        remaining: usize,
    },
    /// The version has no way to say this.
    NotInVersion {
        /// What can't be said.
        what: &'static str,
        /// The version that the packet was to be encoded for.
        version: Version,
    },
    /// A PUBLISH of QoS 1 or 2 without packet identifier.
    PacketIdMissing,
    /// A PUBLISH of QoS 0 with a packet identifier.
    PacketIdWithQoS0,
    /// A PUBLISH of QoS 0 marked as a repetition.
    DupWithQoS0,
    /// A PUBLISH with neither topic name nor topic alias, or a will without topic name.
    TopicMissing,
    /// A PUBLISH that is to be encoded with a topic alias and carries another one already.
    TwoTopicAliases,
    /// A SUBSCRIBE or UNSUBSCRIBE without a filter.
    NoFilters,
    /// A SUBACK or UNSUBACK without a reason code.
    NoReasonCodes,
    /// The packet may not carry this reason code, from either side.
    ReasonCodeNotAllowed {
        /// The code.
        code: ReasonCode,
        /// The packet.
        packet: PacketKind,
    },
    /// A CONNACK that refuses the connection and claims a session.
    SessionPresentWithError,
    /// 3.1.1: a password without a user name.
    PasswordWithoutUserName,
    /// Authentication data, or an AUTH with content, without an authentication method.
    AuthenticationMethodMissing,
    /// No Local on a shared subscription.
    NoLocalOnSharedSubscription,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLarge { remaining } => {
                return write!(
                    f,
                    "the packet's remaining length of {remaining} bytes exceeds {}",
                    crate::varint::MAX
                );
            }
            Self::NotInVersion { what, version } => return write!(f, "MQTT {version} has no {what}"),
            Self::PacketIdMissing => "a PUBLISH of QoS 1 or 2 needs a packet identifier",
            Self::PacketIdWithQoS0 => "a PUBLISH of QoS 0 has no packet identifier",
            Self::DupWithQoS0 => "a PUBLISH of QoS 0 is never a repetition",
            Self::TopicMissing => "there is neither a topic name nor a topic alias",
            Self::TwoTopicAliases => "there are two topic aliases",
            Self::NoFilters => "there is no topic filter",
            Self::NoReasonCodes => "there is no reason code",
            Self::ReasonCodeNotAllowed { code, packet } => {
                return write!(f, "{packet} can't carry the reason code {:#04x} ({code})", code.as_u8());
            }
            Self::SessionPresentWithError => "session present is set though the connection is refused",
            Self::PasswordWithoutUserName => "3.1.1 allows no password without a user name",
            Self::AuthenticationMethodMissing => "there is no authentication method",
            Self::NoLocalOnSharedSubscription => "no local is set on a shared subscription",
        })
    }
}

impl core::error::Error for EncodeError {}
