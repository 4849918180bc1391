//! Wishes of the application ([`Command`]), and how the session refuses them ([`Rejected`], [`Refusal`]).

use alloc::vec::Vec;
use core::fmt;

use mqtt_codec::{
    AuthProperties, Disconnect, EncodeError, PacketKind, Publish, QoS, Side, SubscribeFilter,
    SubscribeProperties, TopicFilter, UnsubscribeProperties, Version,
};

/// A number of the caller's choice, which the events of a command echo. The session neither reads it nor needs it
/// to be unique.
pub type Tag = u64;

/// A wish of the application, for [`Session::submit`](crate::Session::submit).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sends a message. It ends in exactly one [`Event::Published`](crate::Event::Published) or
    /// [`Event::PublishLost`](crate::Event::PublishLost).
    Publish {
        /// Comes back in the event.
        tag: Tag,
        /// The message. `packet_id` and `dup` are the session's to choose, whatever stands there.
        publish: Publish,
    },
    /// Subscribes. Ends in exactly one [`Event::Subscribed`](crate::Event::Subscribed).
    Subscribe {
        /// Comes back in the event.
        tag: Tag,
        /// What to subscribe to; one reason code per filter comes back, in this order.
        filters: Vec<SubscribeFilter>,
        /// Properties (5.0).
        properties: SubscribeProperties,
    },
    /// Unsubscribes. Ends in exactly one [`Event::Unsubscribed`](crate::Event::Unsubscribed).
    Unsubscribe {
        /// Comes back in the event.
        tag: Tag,
        /// What to unsubscribe from.
        filters: Vec<TopicFilter>,
        /// Properties (5.0).
        properties: UnsubscribeProperties,
    },
    /// Sends a PINGREQ beyond those that the keep alive demands. Ends in exactly one
    /// [`Event::Pong`](crate::Event::Pong) or [`Event::PingAborted`](crate::Event::PingAborted).
    Ping {
        /// Comes back in the event.
        tag: Tag,
    },
    /// Answers [`Event::Challenged`](crate::Event::Challenged) with AUTH 0x18 (5.0), while the server decides about the
    /// connection as well as in a later exchange. The Authentication Method is the session's to fill in, whatever stands
    /// there. What it leads to is another challenge, or the end of the exchange, or of the connection.
    AnswerChallenge(AuthProperties),
    /// Authenticates anew on an accepted connection, with AUTH 0x19 (5.0): only the client may begin that, and only with
    /// the Authentication Method of its CONNECT, which the session fills in. Ends in
    /// [`Event::Reauthenticated`](crate::Event::Reauthenticated); a server that is not convinced disconnects. Messages
    /// flow meanwhile. No time limit is set: whoever wants one disconnects.
    Reauthenticate(AuthProperties),
    /// Ends the connection in good order: DISCONNECT follows what was submitted before, and nothing follows
    /// DISCONNECT [MQTT-3.14.4-1]. Unacknowledged publishes stay in the session. It is taken once the server has
    /// accepted, and before that from a client that authenticates by a method of its own [MQTT-3.1.2-30].
    Disconnect(Disconnect),
}

impl Command {
    /// Whether a client may leave so, whatever the server's limits: what a session asks of [`Command::Disconnect`], for who asks
    /// before there is a connection. `session_expiry` is what CONNECT says, in seconds. Gives the packet's size in bytes.
    ///
    /// ```
    /// use mqtt_session::codec::{Disconnect, ReasonCode, Version};
    /// use mqtt_session::Command;
    ///
    /// let leave = |reason| Command::check_disconnect(Version::V5, 0, &Disconnect::new(reason));
    /// assert_eq!(leave(ReasonCode::DisconnectWithWill), Ok(3));
    /// assert!(leave(ReasonCode::ServerBusy).is_err());
    /// ```
    ///
    /// # Errors
    ///
    /// A reason that is only the server's, a session expiry where CONNECT said 0 (5.0 section 3.14.2.2.2), a server reference, or
    /// what 3.1.1 can't say.
    pub fn check_disconnect(
        version: Version,
        session_expiry: u32,
        disconnect: &Disconnect,
    ) -> Result<usize, Refusal> {
        let Disconnect { reason, properties } = disconnect;
        if !reason.allowed_in(PacketKind::Disconnect, Side::Client) {
            let (code, packet) = (*reason, PacketKind::Disconnect);
            return Err(EncodeError::ReasonCodeNotAllowed { code, packet }.into());
        }
        if session_expiry == 0 && properties.session_expiry_interval().is_some_and(|expiry| expiry > 0) {
            return Err(Refusal::SessionExpiryRaised);
        }
        if properties.server_reference().is_some() {
            return Err(Refusal::ServerReference);
        }
        Ok(disconnect.encoded_len(version)?)
    }
}

/// A value that the session did not take, unharmed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected<T> {
    /// What was handed in.
    pub value: T,
    /// Why it was not taken.
    pub refusal: Refusal,
}

impl<T> fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refusal.fmt(f)
    }
}

impl<T: fmt::Debug> core::error::Error for Rejected<T> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.refusal)
    }
}

/// Why the session did not take a command. The first five pass with time; the others hold at least for the life of
/// this connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The connection is not in a [`Phase`](crate::Phase) in which this can be sent.
    NotReady,
    /// As many publishes are unacknowledged as the peer's Receive Maximum or
    /// [`Config::max_in_flight`](crate::Config::max_in_flight) allows; the next acknowledgement makes room.
    WindowFull,
    /// Too much output is waiting for the transport; [`handle_written`](crate::Session::handle_written) makes room.
    Busy,
    /// All 65,535 packet identifiers are in use.
    NoPacketId,
    /// An exchange of AUTH packets has not come to its end.
    AuthenticationUnderWay,
    /// The packet would exceed the peer's Maximum Packet Size [MQTT-3.2.2-15].
    PacketTooLarge {
        /// The packet's size in bytes.
        size: usize,
        /// The peer's limit in bytes.
        limit: u32,
    },
    /// The peer does not take publishes of this QoS [MQTT-3.2.2-11].
    QosNotSupported {
        /// What was asked for.
        qos: QoS,
        /// The peer's Maximum QoS.
        maximum: QoS,
    },
    /// The peer does not take retained messages [MQTT-3.2.2-14].
    RetainNotSupported,
    /// The peer does not take filters with wildcards.
    WildcardNotSupported,
    /// The peer does not take shared subscriptions.
    SharedNotSupported,
    /// The peer does not take subscription identifiers.
    SubscriptionIdentifiersNotSupported,
    /// The publish carries a Topic Alias. Aliases belong to a connection, publishes to the session: the session
    /// assigns them itself, when it sends ([`Config::max_outbound_aliases`](crate::Config::max_outbound_aliases)).
    TopicAlias,
    /// The publish carries a Subscription Identifier, which only a server may send [MQTT-3.3.4-6].
    SubscriptionIdentifier,
    /// The store has failed ([`Session::handle_store_failed`](crate::Session::handle_store_failed)): nothing is taken
    /// any more that would rely on it.
    StoreFailed,
    /// DISCONNECT would set a Session Expiry Interval although CONNECT's was 0.
    SessionExpiryRaised,
    /// DISCONNECT carries a Server Reference, which only a server may send.
    ServerReference,
    /// CONNECT of 3.1.1 has no client identifier, which only a clean session may do without [3.1.1 MQTT-3.1.3-7].
    ClientIdMissing,
    /// CONNECT named no Authentication Method, so that there is no AUTH [MQTT-4.12.0-7]; 3.1.1 has none.
    NoAuthenticationMethod,
    /// The server has not asked for an answer, or has one.
    NoChallenge,
    /// CONNECT is of another version than [`Config::version`](crate::Config::version).
    WrongVersion {
        /// The session's version.
        expected: Version,
    },
    /// The packet can't be expressed in this protocol version, or contradicts itself.
    Invalid(EncodeError),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady => f.write_str("the connection is not ready for this"),
            Self::WindowFull => f.write_str("the window of unacknowledged publishes is full"),
            Self::Busy => f.write_str("too much output is waiting for the transport"),
            Self::NoPacketId => f.write_str("all 65,535 packet identifiers are in use"),
            Self::AuthenticationUnderWay => f.write_str("another authentication is under way"),
            Self::PacketTooLarge { size, limit } => {
                write!(f, "the packet takes {size} bytes, the peer's Maximum Packet Size is {limit}")
            }
            Self::QosNotSupported { qos, maximum } => {
                write!(f, "the publish has QoS {}, the peer's Maximum QoS is {}", *qos as u8, *maximum as u8)
            }
            Self::RetainNotSupported => f.write_str("the peer does not support retained messages"),
            Self::WildcardNotSupported => f.write_str("the peer does not support wildcard subscriptions"),
            Self::SharedNotSupported => f.write_str("the peer does not support shared subscriptions"),
            Self::SubscriptionIdentifiersNotSupported => {
                f.write_str("the peer does not support subscription identifiers")
            }
            Self::TopicAlias => f.write_str("a topic alias is not the caller's to assign"),
            Self::SubscriptionIdentifier => {
                f.write_str("a client's publish can't carry a subscription identifier")
            }
            Self::StoreFailed => f.write_str("the store has failed"),
            Self::SessionExpiryRaised => {
                f.write_str("the session expiry was 0 in CONNECT and can't be raised in DISCONNECT")
            }
            Self::ServerReference => f.write_str("a client's DISCONNECT can't carry a server reference"),
            Self::ClientIdMissing => f.write_str("a session that is to be kept needs a client identifier"),
            Self::NoAuthenticationMethod => f.write_str("CONNECT named no authentication method"),
            Self::NoChallenge => f.write_str("the server has not asked for an answer"),
            Self::WrongVersion { expected } => {
                write!(f, "the session speaks MQTT {expected}, CONNECT does not")
            }
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Invalid(error) => Some(error),
            _ => None,
        }
    }
}

impl From<EncodeError> for Refusal {
    fn from(error: EncodeError) -> Self {
        Self::Invalid(error)
    }
}
