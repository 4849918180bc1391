//! [`News`]: events, as far as a model can foretell them.

use mqtt_session::codec::{Auth, Publish, ReasonCode};
use mqtt_session::{DisconnectCause, Event, PublishEnd, Stage, Tag};

use crate::messages::number;

/// An [`Event`] without what only the wire knows.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// The server accepted.
    Connected {
        /// Whether it has kept the session.
        session_present: bool,
    },
    /// The server refused.
    Refused,
    /// A message arrived.
    Message(Publish),
    /// The server asks for another step of the authentication, or has seen enough.
    Auth(Auth),
    /// A publish came to its end.
    Ended {
        /// The command's tag, which is the message's number as well.
        tag: Tag,
        /// How.
        end: End,
    },
    /// SUBSCRIBE, UNSUBSCRIBE or a ping was answered; no tag: a ping of the keep alive.
    Answered {
        /// The command's tag.
        tag: Option<Tag>,
    },
    /// SUBSCRIBE, UNSUBSCRIBE or a ping was not answered while the connection lasted.
    Aborted {
        /// The command's tag.
        tag: Tag,
    },
    /// The connection ended.
    Disconnected(DisconnectCause),
}

/// How a publish ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The server has it.
    Acknowledged(ReasonCode),
    /// The server said no.
    Refused(ReasonCode),
    /// QoS 0: the transport has it.
    Written,
    /// The limits of a new connection forbid it.
    Forbidden,
    /// Its time was over before it was sent.
    Expired,
    /// The server lost the session, or, at QoS 0, the link closed.
    Lost(Stage),
}

impl News {
    /// What an event says.
    ///
    /// # Panics
    ///
    /// If the event tells of a publish that is not the one of its tag.
    #[must_use]
    pub fn of(event: &Event) -> Self {
        let ended = |tag: &Tag, publish: &Publish, end| {
            assert_eq!(number(&publish.payload), *tag, "the publish that came back is another one");
            Self::Ended { tag: *tag, end }
        };
        let request = |tag: &Tag, answered: bool| match answered {
            true => Self::Answered { tag: Some(*tag) },
            false => Self::Aborted { tag: *tag },
        };
        match event {
            Event::Connected(connected) => Self::Connected { session_present: connected.session_present },
            Event::Refused(_) => Self::Refused,
            Event::Message(inbound) => Self::Message(inbound.publish.to_publish()),
            Event::Published { tag, publish, result } => ended(tag, publish, End::of(result)),
            Event::PublishLost { tag, publish, stage } => ended(tag, publish, End::Lost(*stage)),
            Event::Subscribed { tag, result } => request(tag, result.is_ok()),
            Event::Unsubscribed { tag, result } => request(tag, result.is_ok()),
            Event::Pong { tag, .. } => Self::Answered { tag: *tag },
            Event::PingAborted { tag } => Self::Aborted { tag: *tag },
            Event::Disconnected(cause) => Self::Disconnected(cause.clone()),
            Event::Challenged(auth) | Event::Reauthenticated(auth) => Self::Auth(auth.clone()),
        }
    }
}

impl End {
    /// How a publish of QoS 1 or 2 ends with this reason.
    #[must_use]
    pub fn with(reason: ReasonCode) -> Self {
        if reason.is_error() { Self::Refused(reason) } else { Self::Acknowledged(reason) }
    }

    fn of(end: &PublishEnd) -> Self {
        match end {
            PublishEnd::Acknowledged(ack) => Self::Acknowledged(ack.reason),
            PublishEnd::Refused(ack) => Self::Refused(ack.reason),
            PublishEnd::Written => Self::Written,
            PublishEnd::Forbidden(_) => Self::Forbidden,
            PublishEnd::Expired => Self::Expired,
        }
    }
}
