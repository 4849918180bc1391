//! [`ProtocolError`]: which rule the peer broke, and what to tell it.

use core::fmt;

use mqtt_codec::{DecodeError, PacketKind, ReasonCode};

/// The peer broke a rule of the protocol. The connection is over: in 5.0 a DISCONNECT with
/// [`reason_code`](Self::reason_code) is sent if the server had accepted the connection, then the transport is
/// closed [MQTT-4.8.0-1].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolError {
    /// Which rule.
    pub violation: Violation,
    /// The packet that broke it, where that is known.
    pub packet: Option<PacketKind>,
}

/// The rules that a peer can break. Those that a single packet can break are the codec's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// The packet itself is wrong.
    Packet(DecodeError),
    /// Another packet than CONNACK came first.
    ExpectedConnack,
    /// A second CONNACK.
    SecondConnack,
    /// Session Present = 1 although Clean Start was 1.
    UnexpectedSession,
    /// AUTH, or an Authentication Method in CONNACK, although CONNECT named no method.
    UnexpectedAuthentication,
    /// An AUTH that the exchange does not provide for: a second challenge before the answer, one that the server begins,
    /// or Success in place of CONNACK.
    AuthenticationOutOfTurn,
    /// AUTH, or a CONNACK that accepts, with another Authentication Method than CONNECT, or with none.
    AuthenticationMethod,
    /// A topic alias above our Topic Alias Maximum.
    TopicAlias {
        /// What we announced; 0 = none.
        maximum: u16,
    },
    /// A topic alias in place of a topic name, which it was never set for on this connection.
    UnknownTopicAlias,
    /// More unacknowledged messages than our Receive Maximum.
    ReceiveMaximumExceeded,
    /// A packet identifier of an unfinished exchange was used for a message of the other QoS.
    PacketIdInUse,
    /// An acknowledgement that does not belong to the exchange with its packet identifier, such as PUBACK for a
    /// QoS 2 publish.
    WrongAcknowledgement,
    /// An acknowledgement of a publish that was never sent.
    UnsentAcknowledged,
    /// PUBREL for a message that PUBREC has not been sent for.
    PubrelBeforePubrec,
    /// SUBACK or UNSUBACK with a packet identifier that no such request has.
    UnknownRequest,
    /// SUBACK or UNSUBACK with fewer or more reason codes than the request had filters.
    ReasonCount {
        /// The filters of the request.
        expected: usize,
        /// The reason codes of the answer.
        actual: usize,
    },
    /// A Reason String or User Property although CONNECT said Request Problem Information = 0.
    UnwantedProblemInformation,
}

impl ProtocolError {
    pub(crate) fn new(violation: Violation, packet: PacketKind) -> Self {
        Self { violation, packet: Some(packet) }
    }

    /// The reason that the peer is told in DISCONNECT (5.0).
    #[must_use]
    pub fn reason_code(&self) -> ReasonCode {
        match &self.violation {
            Violation::Packet(error) => error.reason_code(),
            Violation::TopicAlias { .. } => ReasonCode::TopicAliasInvalid,
            Violation::ReceiveMaximumExceeded => ReasonCode::ReceiveMaximumExceeded,
            _ => ReasonCode::ProtocolError,
        }
    }

    /// The identifier of the normative statement that was broken, as 5.0 counts them, where one says it in so many
    /// words.
    #[must_use]
    pub fn statement(&self) -> Option<&'static str> {
        match &self.violation {
            Violation::ExpectedConnack => Some("MQTT-3.2.0-1"),
            Violation::SecondConnack => Some("MQTT-3.2.0-2"),
            Violation::UnexpectedSession => Some("MQTT-3.2.2-2"),
            Violation::UnexpectedAuthentication => Some("MQTT-4.12.0-6"),
            Violation::AuthenticationMethod => Some("MQTT-4.12.0-5"),
            Violation::TopicAlias { .. } => Some("MQTT-3.3.2-11"),
            Violation::ReceiveMaximumExceeded => Some("MQTT-3.3.4-9"),
            Violation::PacketIdInUse => Some("MQTT-2.2.1-4"),
            Violation::WrongAcknowledgement
            | Violation::UnsentAcknowledged
            | Violation::PubrelBeforePubrec => Some("MQTT-2.2.1-5"),
            Violation::UnknownRequest => Some("MQTT-2.2.1-6"),
            Violation::ReasonCount { .. } => Some("MQTT-3.8.4-6"),
            Violation::UnwantedProblemInformation => Some("MQTT-3.1.2-29"),
            Violation::Packet(_) | Violation::AuthenticationOutOfTurn | Violation::UnknownTopicAlias => None,
        }
    }
}

/// One line, such as `CONNACK: a second one [5.0 MQTT-3.2.0-2]`.
impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Violation::Packet(error) = &self.violation {
            return error.fmt(f);
        }
        if let Some(packet) = self.packet {
            write!(f, "{packet}: ")?;
        }
        self.violation.fmt(f)?;
        match self.statement() {
            Some(statement) => write!(f, " [5.0 {statement}]"),
            None => Ok(()),
        }
    }
}

impl core::error::Error for ProtocolError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match &self.violation {
            Violation::Packet(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DecodeError> for ProtocolError {
    fn from(error: DecodeError) -> Self {
        Self { packet: error.packet, violation: Violation::Packet(error) }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Packet(error) => return error.fmt(f),
            Self::ReasonCount { expected, actual } => {
                return write!(f, "{actual} reason codes answer {expected} filters");
            }
            Self::TopicAlias { maximum } => {
                return write!(f, "a topic alias above the maximum, which is {maximum}");
            }
            Self::ExpectedConnack => "came before CONNACK",
            Self::SecondConnack => "a second one",
            Self::UnexpectedSession => "session present although a clean start was asked for",
            Self::UnexpectedAuthentication => "authentication that was not asked for",
            Self::AuthenticationOutOfTurn => "authentication out of turn",
            Self::AuthenticationMethod => "not the authentication method of CONNECT",
            Self::UnknownTopicAlias => "a topic alias that was never set",
            Self::ReceiveMaximumExceeded => "more unacknowledged messages than the receive maximum",
            Self::PacketIdInUse => "its packet identifier belongs to an unfinished exchange",
            Self::WrongAcknowledgement => "does not fit the exchange with this packet identifier",
            Self::UnsentAcknowledged => "acknowledges a publish that was never sent",
            Self::PubrelBeforePubrec => "came before PUBREC was sent",
            Self::UnknownRequest => "no request has this packet identifier",
            Self::UnwantedProblemInformation => "problem information that was declined",
        })
    }
}
