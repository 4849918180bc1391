//! [`Record`]: one piece of a session's state, and [`Key`], the name that a store keeps it under.

use core::fmt;

use mqtt_codec::{PacketId, Publish, ReasonCode, Text, Version};

use crate::{Tag, Timestamp};

/// The name of a [`Record`]. A session has at most one record under each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// [`Record::Session`].
    Session,
    /// [`Record::Publish`].
    Publish(PacketId),
    /// [`Record::Release`].
    Release(PacketId),
    /// [`Record::Barred`].
    Barred(PacketId),
    /// [`Record::Received`].
    Received(PacketId),
}

/// One change to a stored session, from [`Session::poll_store`](crate::Session::poll_store).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Keep this record under its key, in place of what is there.
    Put(Record),
    /// Keep nothing under this key; perhaps nothing is there.
    Delete(Key),
}

/// One piece of what a session keeps from one connection to the next: the unit in which it is stored, read and
/// deleted.
///
/// Together the records are a whole session: [`Session::snapshot`](crate::Session::snapshot) yields them, and
/// [`Session::restore`](crate::Session::restore) takes them. A store that knows only keys and bytes keeps
/// [`key`](Self::key) and [`encode`](Self::encode), and gives them back through [`decode`](Self::decode).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// What belongs to no single message. It is there whenever any other record is.
    Session {
        /// The protocol version of the session; a store can't be carried over to the other one.
        version: Version,
        /// When this was written, on the session's clock: that of its first life's driver, which goes on through all
        /// others.
        clock: Timestamp,
        /// Whose session it is on the server; none before the first server has accepted.
        client_id: Option<Text>,
        /// Where the search for a free packet identifier goes on.
        next_packet_id: PacketId,
        /// The next [`Token::delivery_id`](crate::Token::delivery_id).
        next_delivery_id: u64,
    },
    /// An outgoing publish of QoS 1 or 2 which has not come to its end. It does not change.
    Publish {
        /// The publish's identifier.
        packet_id: PacketId,
        /// The command's tag.
        tag: Tag,
        /// The order of submission among the publishes.
        order: u64,
        /// Whether it may have been transmitted, so that the next time it is a repetition (DUP).
        transmitted: bool,
        /// When its Message Expiry Interval is over, on the session's clock.
        expires: Option<Timestamp>,
        /// The message, with its full topic and its whole Message Expiry Interval.
        publish: Publish,
    },
    /// The publish with this identifier, of QoS 2, has been confirmed by PUBREC: from now on PUBREL is sent for it.
    Release {
        /// The publish's identifier.
        packet_id: PacketId,
        /// The order of the PUBRECs among themselves.
        order: u64,
        /// What PUBREC said, below 0x80.
        reason: ReasonCode,
    },
    /// This identifier stays out of use until the server loses the session: its QoS 2 publish was given up while the
    /// server may have had it.
    Barred {
        /// The identifier.
        packet_id: PacketId,
    },
    /// An inbound message of QoS 2, from PUBLISH to PUBREL.
    Received {
        /// The server's identifier of the message.
        packet_id: PacketId,
        /// The number of its [`Token`](crate::Token).
        delivery_id: u64,
        /// Whether the application has acknowledged it, so that it is not told again.
        answered: bool,
    },
}

impl Record {
    /// The largest number that a count of this session's messages may have reached: more than can ever happen, and
    /// far from an overflow.
    pub(crate) const MAX_COUNT: u64 = u64::MAX / 2;

    /// The name under which it is stored.
    #[must_use]
    pub const fn key(&self) -> Key {
        match *self {
            Self::Session { .. } => Key::Session,
            Self::Publish { packet_id, .. } => Key::Publish(packet_id),
            Self::Release { packet_id, .. } => Key::Release(packet_id),
            Self::Barred { packet_id } => Key::Barred(packet_id),
            Self::Received { packet_id, .. } => Key::Received(packet_id),
        }
    }
}

/// Such as `publish 7`.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, packet_id) = match self {
            Self::Session => return f.write_str("session"),
            Self::Publish(packet_id) => ("publish", packet_id),
            Self::Release(packet_id) => ("release", packet_id),
            Self::Barred(packet_id) => ("barred", packet_id),
            Self::Received(packet_id) => ("received", packet_id),
        };
        write!(f, "{name} {}", packet_id.get())
    }
}
