//! Reason codes: the outcome that an answer carries, one enumeration for both versions (5.0 section 2.4).

use core::fmt;

use crate::{Side, packet::PacketKind};

/// One row a code: value, name, name in the specification, and who may send it in which packet.
macro_rules! reason_codes {
    ($($(#[$doc:meta])* $Code:ident = $value:literal, $name:literal, $senders:expr;)*) => {
        /// Why a packet was answered as it was, or why a connection ends.
        ///
        /// Below 0x80 the operation succeeded. 3.1.1's few return codes are mapped to those of 5.0 that say the
        /// same, so that nobody above the codec needs to know both.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        #[non_exhaustive]
        pub enum ReasonCode {
            $($(#[$doc])* $Code = $value,)*
        }

        impl ReasonCode {
            /// All codes, in the order of their values.
            pub const ALL: &'static [Self] = &[$(Self::$Code),*];

            const fn from_u8(value: u8) -> Option<Self> {
                match value {
                    $($value => Some(Self::$Code),)*
                    _ => None,
                }
            }

            const fn name(self) -> &'static str {
                match self {
                    $(Self::$Code => $name,)*
                }
            }

            const fn senders(self) -> u16 {
                match self {
                    $(Self::$Code => $senders,)*
                }
            }
        }
    };
}

/// Who may send a code in what: bits for the last column of the table.
mod sent {
    pub(super) const CONNACK: u16 = 1;
    /// PUBACK and PUBREC, which have the same codes.
    pub(super) const PUBLISH_BY_CLIENT: u16 = 1 << 1;
    pub(super) const PUBLISH_BY_SERVER: u16 = 1 << 2;
    pub(super) const PUBLISH: u16 = PUBLISH_BY_CLIENT | PUBLISH_BY_SERVER;
    /// PUBREL and PUBCOMP, which have the same codes.
    pub(super) const RELEASE: u16 = 1 << 3;
    pub(super) const SUBACK: u16 = 1 << 4;
    pub(super) const UNSUBACK: u16 = 1 << 5;
    pub(super) const DISCONNECT_BY_CLIENT: u16 = 1 << 6;
    pub(super) const DISCONNECT_BY_SERVER: u16 = 1 << 7;
    pub(super) const DISCONNECT: u16 = DISCONNECT_BY_CLIENT | DISCONNECT_BY_SERVER;
    pub(super) const AUTH_BY_CLIENT: u16 = 1 << 8;
    pub(super) const AUTH_BY_SERVER: u16 = 1 << 9;
    pub(super) const AUTH: u16 = AUTH_BY_CLIENT | AUTH_BY_SERVER;
}
use sent::*;

reason_codes! {
    /// Success; also Normal disconnection, and Granted QoS 0.
    Success = 0x00, "Success", CONNACK | PUBLISH | RELEASE | SUBACK | UNSUBACK | DISCONNECT | AUTH_BY_SERVER;
    /// The subscription is accepted with QoS 1 at most.
    GrantedQoS1 = 0x01, "Granted QoS 1", SUBACK;
    /// The subscription is accepted with QoS 2 at most.
    GrantedQoS2 = 0x02, "Granted QoS 2", SUBACK;
    /// The client leaves, and asks for its will to be published.
    DisconnectWithWill = 0x04, "Disconnect with Will Message", DISCONNECT_BY_CLIENT;
    /// The message was accepted, though nobody subscribes to its topic.
    NoMatchingSubscribers = 0x10, "No matching subscribers", PUBLISH_BY_SERVER;
    /// There was no such subscription to remove.
    NoSubscriptionExisted = 0x11, "No subscription existed", UNSUBACK;
    /// Authentication takes another step.
    ContinueAuthentication = 0x18, "Continue authentication", AUTH;
    /// The client asks to authenticate anew.
    ReAuthenticate = 0x19, "Re-authenticate", AUTH_BY_CLIENT;
    /// The sender does not say why, or nothing else fits.
    UnspecifiedError = 0x80, "Unspecified error", CONNACK | PUBLISH | SUBACK | UNSUBACK | DISCONNECT;
    /// The packet can't be parsed.
    MalformedPacket = 0x81, "Malformed Packet", CONNACK | DISCONNECT;
    /// The packet is out of place, or holds what the protocol forbids.
    ProtocolError = 0x82, "Protocol Error", CONNACK | DISCONNECT;
    /// Valid, but not accepted by this implementation.
    ImplementationSpecificError = 0x83, "Implementation specific error",
        CONNACK | PUBLISH | SUBACK | UNSUBACK | DISCONNECT;
    /// The server does not speak this version.
    UnsupportedProtocolVersion = 0x84, "Unsupported Protocol Version", CONNACK;
    /// The client identifier is not allowed.
    ClientIdentifierNotValid = 0x85, "Client Identifier not valid", CONNACK;
    /// The credentials are not accepted.
    BadUserNameOrPassword = 0x86, "Bad User Name or Password", CONNACK;
    /// The client may not do this.
    NotAuthorized = 0x87, "Not authorized", CONNACK | PUBLISH | SUBACK | UNSUBACK | DISCONNECT_BY_SERVER;
    /// The MQTT server is not available.
    ServerUnavailable = 0x88, "Server unavailable", CONNACK;
    /// The server is busy; later it may not be.
    ServerBusy = 0x89, "Server busy", CONNACK | DISCONNECT_BY_SERVER;
    /// The client is banned by administrative action.
    Banned = 0x8A, "Banned", CONNACK;
    /// The server is shutting down.
    ServerShuttingDown = 0x8B, "Server shutting down", DISCONNECT_BY_SERVER;
    /// The authentication method is not supported, or not the one in use.
    // Table 2-6 lists it for DISCONNECT, 3.14.2.1 does not; a failed re-authentication needs it.
    BadAuthenticationMethod = 0x8C, "Bad authentication method", CONNACK | DISCONNECT_BY_SERVER;
    /// Nothing was heard for one and a half keep-alive intervals.
    KeepAliveTimeout = 0x8D, "Keep Alive timeout", DISCONNECT_BY_SERVER;
    /// Another connection uses the same client identifier.
    SessionTakenOver = 0x8E, "Session taken over", DISCONNECT_BY_SERVER;
    /// The filter is well-formed, but not accepted.
    TopicFilterInvalid = 0x8F, "Topic Filter invalid", SUBACK | UNSUBACK | DISCONNECT_BY_SERVER;
    /// The topic name is well-formed, but not accepted.
    TopicNameInvalid = 0x90, "Topic Name invalid", CONNACK | PUBLISH | DISCONNECT;
    /// The packet identifier is in use already.
    PacketIdentifierInUse = 0x91, "Packet Identifier in use", PUBLISH | SUBACK | UNSUBACK;
    /// The packet identifier is not known.
    PacketIdentifierNotFound = 0x92, "Packet Identifier not found", RELEASE;
    /// More unacknowledged messages came than the Receive Maximum allows.
    ReceiveMaximumExceeded = 0x93, "Receive Maximum exceeded", DISCONNECT;
    /// The topic alias is 0 or above the Topic Alias Maximum.
    TopicAliasInvalid = 0x94, "Topic Alias invalid", DISCONNECT;
    /// The packet is larger than the Maximum Packet Size.
    PacketTooLarge = 0x95, "Packet too large", CONNACK | DISCONNECT;
    /// Data comes too fast.
    MessageRateTooHigh = 0x96, "Message rate too high", DISCONNECT;
    /// A limit of the implementation or its administrator is exceeded.
    QuotaExceeded = 0x97, "Quota exceeded", CONNACK | PUBLISH | SUBACK | DISCONNECT;
    /// The connection is closed by administrative action.
    AdministrativeAction = 0x98, "Administrative action", DISCONNECT;
    /// The payload is not what its Payload Format Indicator says.
    PayloadFormatInvalid = 0x99, "Payload format invalid", CONNACK | PUBLISH | DISCONNECT;
    /// The server does not keep retained messages.
    RetainNotSupported = 0x9A, "Retain not supported", CONNACK | DISCONNECT_BY_SERVER;
    /// The QoS is above the server's Maximum QoS.
    QoSNotSupported = 0x9B, "QoS not supported", CONNACK | DISCONNECT_BY_SERVER;
    /// For now the client should use another server.
    UseAnotherServer = 0x9C, "Use another server", CONNACK | DISCONNECT_BY_SERVER;
    /// From now on the client should use another server.
    ServerMoved = 0x9D, "Server moved", CONNACK | DISCONNECT_BY_SERVER;
    /// The server has no shared subscriptions.
    SharedSubscriptionsNotSupported = 0x9E, "Shared Subscriptions not supported", SUBACK | DISCONNECT_BY_SERVER;
    /// Connections come too fast.
    ConnectionRateExceeded = 0x9F, "Connection rate exceeded", CONNACK | DISCONNECT_BY_SERVER;
    /// The connection was open for as long as it may be.
    MaximumConnectTime = 0xA0, "Maximum connect time", DISCONNECT_BY_SERVER;
    /// The server has no subscription identifiers.
    SubscriptionIdentifiersNotSupported = 0xA1, "Subscription Identifiers not supported",
        SUBACK | DISCONNECT_BY_SERVER;
    /// The server has no wildcard subscriptions.
    WildcardSubscriptionsNotSupported = 0xA2, "Wildcard Subscriptions not supported", SUBACK | DISCONNECT_BY_SERVER;
}

impl ReasonCode {
    /// The number on the wire of 5.0.
    #[inline]
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self as u8
    }

    /// Whether the operation failed: 0x80 and above.
    #[inline]
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.as_u8() >= 0x80
    }

    /// Whether `sender` may put this code into a 5.0 packet of that kind.
    #[must_use]
    pub const fn allowed_in(self, packet: PacketKind, sender: Side) -> bool {
        use PacketKind::{Auth, Connack, Disconnect, Puback, Pubcomp, Pubrec, Pubrel, Suback, Unsuback};
        use Side::{Client, Server};
        let bit = match (packet, sender) {
            (Connack, Server) => CONNACK,
            (Puback | Pubrec, Client) => PUBLISH_BY_CLIENT,
            (Puback | Pubrec, Server) => PUBLISH_BY_SERVER,
            (Pubrel | Pubcomp, _) => RELEASE,
            (Suback, Server) => SUBACK,
            (Unsuback, Server) => UNSUBACK,
            (Disconnect, Client) => DISCONNECT_BY_CLIENT,
            (Disconnect, Server) => DISCONNECT_BY_SERVER,
            (Auth, Client) => AUTH_BY_CLIENT,
            (Auth, Server) => AUTH_BY_SERVER,
            _ => return false,
        };
        self.senders() & bit != 0
    }

    /// The code that says what a 3.1.1 CONNACK return code says (3.1.1 section 3.2.2.3).
    pub(crate) const fn from_v311_connack(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Success),
            1 => Some(Self::UnsupportedProtocolVersion),
            2 => Some(Self::ClientIdentifierNotValid),
            3 => Some(Self::ServerUnavailable),
            4 => Some(Self::BadUserNameOrPassword),
            5 => Some(Self::NotAuthorized),
            _ => None,
        }
    }

    /// The inverse of [`from_v311_connack`](Self::from_v311_connack).
    pub(crate) const fn to_v311_connack(self) -> Option<u8> {
        match self {
            Self::Success => Some(0),
            Self::UnsupportedProtocolVersion => Some(1),
            Self::ClientIdentifierNotValid => Some(2),
            Self::ServerUnavailable => Some(3),
            Self::BadUserNameOrPassword => Some(4),
            Self::NotAuthorized => Some(5),
            _ => None,
        }
    }

    /// Whether a 3.1.1 SUBACK may hold the code; there it has the same value (3.1.1 section 3.9.3).
    pub(crate) const fn is_v311_suback(self) -> bool {
        matches!(self, Self::Success | Self::GrantedQoS1 | Self::GrantedQoS2 | Self::UnspecifiedError)
    }
}

/// A value that no reason code has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidReasonCode(pub u8);

impl fmt::Display for InvalidReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no reason code has the value {:#04x}", self.0)
    }
}

impl core::error::Error for InvalidReasonCode {}

impl TryFrom<u8> for ReasonCode {
    type Error = InvalidReasonCode;

    #[inline]
    fn try_from(value: u8) -> Result<Self, InvalidReasonCode> {
        Self::from_u8(value).ok_or(InvalidReasonCode(value))
    }
}

impl From<ReasonCode> for u8 {
    #[inline]
    fn from(code: ReasonCode) -> Self {
        code.as_u8()
    }
}

impl From<crate::QoS> for ReasonCode {
    /// The code of a SUBACK that grants this QoS.
    fn from(qos: crate::QoS) -> Self {
        match qos {
            crate::QoS::AtMostOnce => Self::Success,
            crate::QoS::AtLeastOnce => Self::GrantedQoS1,
            crate::QoS::ExactlyOnce => Self::GrantedQoS2,
        }
    }
}

impl fmt::Display for ReasonCode {
    /// The specification's name, such as `Not authorized`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
