//! News for the application: [`Event`] and its parts.

use alloc::boxed::Box;
use core::fmt;
use core::time::Duration;

use mqtt_codec::{
    Ack, AckKind, AckProperties, Auth, Connack, Disconnect, PacketId, Publish, ReasonCode, Suback, Unsuback,
};

use crate::{InboundPublish, Limits, ProtocolError, Refusal, Tag, Token};

/// News for the application, from [`Session::poll_event`](crate::Session::poll_event).
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The server accepted the connection. Whatever it means for publishes of earlier connections
    /// ([`PublishLost`](Self::PublishLost), [`PublishEnd::Forbidden`]) has been told before.
    Connected(Connected),
    /// The server refused the connection: its reason is 0x80 or above, in 3.1.1 mapped from the return code. A 5.0
    /// attempt answered by the bytes `20 02 00 01` appears as `UnsupportedProtocolVersion`.
    Refused(Connack),
    /// The server asks for another step of the enhanced authentication (AUTH 0x18), to be answered by
    /// [`Command::AnswerChallenge`](crate::Command::AnswerChallenge).
    Challenged(Auth),
    /// The server is convinced anew (AUTH 0x00): the end of
    /// [`Command::Reauthenticate`](crate::Command::Reauthenticate). Its packet may hold the server's own last word for
    /// the client to check.
    Reauthenticated(Auth),
    /// A message arrived. It is told once, however often the server repeats it within the rules of its QoS.
    Message(Inbound),
    /// A publish came to its end.
    Published {
        /// The command's tag.
        tag: Tag,
        /// The message as it was sent. It comes back so that it is dropped where the application wants it to be,
        /// for dropping a payload may run foreign code.
        publish: Publish,
        /// How it ended.
        result: PublishEnd,
    },
    /// A publish is lost: for QoS 1 and 2 because the server has no session any more (Session Present = 0; told
    /// before [`Connected`](Self::Connected)), for QoS 0 because the link closed before the transport took it
    /// whole.
    PublishLost {
        /// The command's tag.
        tag: Tag,
        /// The message, to be published anew if that is wanted.
        publish: Publish,
        /// How far it had come.
        stage: Stage,
    },
    /// The answer to a SUBSCRIBE: one reason per filter, and any of them may be a failure.
    Subscribed {
        /// The command's tag.
        tag: Tag,
        /// The server's answer, unless the link closed first.
        result: Result<Suback, Aborted>,
    },
    /// The answer to an UNSUBSCRIBE: one reason per filter in 5.0, none in 3.1.1.
    Unsubscribed {
        /// The command's tag.
        tag: Tag,
        /// The server's answer, unless the link closed first.
        result: Result<Unsuback, Aborted>,
    },
    /// PINGRESP arrived.
    Pong {
        /// The tag of [`Command::Ping`](crate::Command::Ping); `None` when the keep alive asked.
        tag: Option<Tag>,
        /// The time since the transport took PINGREQ.
        round_trip: Duration,
    },
    /// The link closed before the PINGRESP that [`Command::Ping`](crate::Command::Ping) asked for.
    PingAborted {
        /// The command's tag.
        tag: Tag,
    },
    /// The connection ended. Comes exactly once for each
    /// [`handle_opened`](crate::Session::handle_opened), as the connection's last event.
    Disconnected(DisconnectCause),
}

/// The contents of [`Event::Connected`].
#[derive(Clone, Debug, PartialEq)]
pub struct Connected {
    /// Whether the server resumed the session of earlier connections.
    pub session_present: bool,
    /// The server's packet, for its other properties; of an enhanced authentication it may hold the last data.
    pub connack: Connack,
    /// What may be done on this connection.
    pub limits: Limits,
}

/// The contents of [`Event::Message`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// The message, a slice of the receive buffer, which it keeps alive.
    pub publish: InboundPublish,
    /// QoS 1 and 2: what to hand to [`Session::acknowledge`](crate::Session::acknowledge) when the message is
    /// taken care of. QoS 0: `None`.
    pub token: Option<Token>,
}

impl Inbound {
    /// Whether the server says that it has sent this message before (DUP). With QoS 2 that copy was never
    /// delivered here; with QoS 1 it may have been, if its acknowledgement got lost.
    #[must_use]
    pub fn is_redelivery(&self) -> bool {
        self.publish.dup()
    }
}

/// How a publish ended; never both this and [`Event::PublishLost`].
#[derive(Clone, Debug, PartialEq)]
pub enum PublishEnd {
    /// QoS 1 and 2: the server has the message. The packet is the PUBACK, or the PUBCOMP of QoS 2 with the reason
    /// of the PUBREC where that said more than Success (`NoMatchingSubscribers`). Its properties are its own: those of a
    /// PUBREC are not kept, since the server could fill our memory with them.
    Acknowledged(LastAck),
    /// The server said no (5.0): the reason of this PUBACK, PUBREC or PUBCOMP is 0x80 or above.
    Refused(LastAck),
    /// QoS 0: the transport took its last byte. Nobody will ever know more.
    Written,
    /// Its Message Expiry Interval (5.0) was over before anything of it was sent. It counts from the first
    /// [`poll_io`](crate::Session::poll_io) after the submission, also while there is no connection. What has been sent
    /// once is seen through, even if it expires.
    Expired,
    /// A publish that was waiting to be resent, and which this connection's limits forbid. Whether the server has
    /// an earlier copy is unknown.
    Forbidden(Refusal),
}

/// The acknowledgement that ended a publish: an [`Ack`] that takes little room, since nearly all say nothing but that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastAck {
    /// PUBACK, PUBREC or PUBCOMP.
    pub kind: AckKind,
    /// The publish's.
    pub packet_id: PacketId,
    /// The outcome; always Success in 3.1.1.
    pub reason: ReasonCode,
    /// What the server said besides (5.0); `None` if nothing.
    pub properties: Option<Box<AckProperties>>,
}

impl From<LastAck> for PublishEnd {
    #[inline]
    fn from(ack: LastAck) -> Self {
        if ack.reason.is_error() { Self::Refused(ack) } else { Self::Acknowledged(ack) }
    }
}

impl From<Ack> for LastAck {
    fn from(Ack { kind, packet_id, reason, properties }: Ack) -> Self {
        let properties = (!properties.is_empty()).then(|| Box::new(properties));
        Self { kind, packet_id, reason, properties }
    }
}

impl From<LastAck> for Ack {
    fn from(LastAck { kind, packet_id, reason, properties }: LastAck) -> Self {
        Self {
            kind,
            packet_id,
            reason,
            properties: properties.map(|properties| *properties).unwrap_or_default(),
        }
    }
}

/// How far a lost publish had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Nothing of it was handed to the transport.
    Unsent,
    /// PUBLISH was handed out; whether it arrived is unknown.
    Sent,
    /// QoS 2: PUBREC came, so the server had the message.
    Received,
}

/// The link closed before the answer: whether the server acted on the request is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection ended before the answer came")
    }
}

impl core::error::Error for Aborted {}

/// Why a connection ended. What happened first counts.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum DisconnectCause {
    /// The server sent DISCONNECT (5.0).
    ByPeer(Disconnect),
    /// [`Command::Disconnect`](crate::Command::Disconnect) was submitted.
    ByUs,
    /// The transport closed or failed without a word.
    LinkClosed,
    /// The peer broke a rule.
    ProtocolError(ProtocolError),
    /// No PINGRESP within [`Config::ping_timeout`](crate::Config::ping_timeout).
    PingTimeout,
    /// The transport took nothing for [`Config::write_timeout`](crate::Config::write_timeout).
    WriteTimeout,
    /// More than 1 MiB of acknowledgements waited for the transport: the peer sends, but does not read.
    PeerNotReading,
    /// The server refused the CONNECT; see [`Event::Refused`].
    Refused,
}

impl fmt::Display for DisconnectCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByPeer(disconnect) => write!(f, "the server disconnected: {}", disconnect.reason),
            Self::ByUs => f.write_str("disconnected as asked"),
            Self::LinkClosed => f.write_str("the link closed"),
            Self::ProtocolError(error) => error.fmt(f),
            Self::PingTimeout => f.write_str("no answer to PINGREQ in time"),
            Self::WriteTimeout => f.write_str("the transport took no output in time"),
            Self::PeerNotReading => f.write_str("the server sends but does not read"),
            Self::Refused => f.write_str("the server refused the connection"),
        }
    }
}
