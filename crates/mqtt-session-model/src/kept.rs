//! [`Kept`]: what a session keeps over its connections, and a store over the lives of a process.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_session::codec::QoS::ExactlyOnce;
use mqtt_session::codec::{PacketId, Publish, QoS, ReasonCode};
use mqtt_session::{Key, Stage, Tag, Timestamp};

/// What outlives a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// How many sessions there have been on the server.
    pub(crate) sessions: u64,
    pub(crate) last_id: u16,
    /// In order of submission. Those of QoS 0 end with the connection.
    pub(crate) outgoing: BTreeMap<Tag, Outgoing>,
    /// Those that PUBREC came for, in that order.
    pub(crate) released: Vec<Tag>,
    /// Identifiers that a server may hold for one of our given-up messages.
    pub(crate) barred: BTreeSet<PacketId>,
    pub(crate) incoming: BTreeMap<PacketId, Incoming>,
}

#[derive(Clone, Debug)]
pub(crate) struct Outgoing {
    pub(crate) publish: Publish,
    pub(crate) stage: Stage,
    /// What PUBREC said.
    pub(crate) reason: ReasonCode,
    pub(crate) expires: Option<Timestamp>,
    /// The byte of this connection with which it ended there.
    pub(crate) carried: Option<u64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Incoming {
    pub(crate) qos: QoS,
    pub(crate) number: u64,
    /// Whether the application that there is now is told, and what it said.
    pub(crate) told: bool,
    pub(crate) answer: Option<ReasonCode>,
    /// Whether PUBREC was sent, ever and on this connection; and whether this connection has shown the message.
    pub(crate) recorded: bool,
    pub(crate) recorded_here: bool,
    pub(crate) shown: bool,
}

impl Kept {
    /// The keys of what is kept.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        let Kept { outgoing, released, barred, incoming, .. } = self;
        let id = |tag: &Tag| outgoing.get(tag).and_then(|outgoing| outgoing.publish.packet_id);
        let publishes = outgoing.keys().filter_map(id).map(Key::Publish);
        let messages = incoming.iter().filter(|(_, message)| message.is_stored());
        let others =
            messages.map(|(id, _)| Key::Received(*id)).chain(barred.iter().copied().map(Key::Barred));
        [Key::Session]
            .into_iter()
            .chain(publishes)
            .chain(released.iter().filter_map(id).map(Key::Release))
            .chain(others)
            .collect()
    }

    /// Whether it has this message of the server's.
    pub(crate) fn has(&self, number: Option<u64>) -> bool {
        self.incoming.values().any(|message| Some(message.number) == number && message.is_stored())
    }
}

impl Incoming {
    /// A message that was refused is forgotten before PUBREC says so.
    pub(crate) fn is_stored(&self) -> bool {
        self.qos == ExactlyOnce && !self.answer.is_some_and(ReasonCode::is_error)
    }

    /// Whether the application was told, and has not answered.
    pub(crate) fn is_open(&self) -> bool {
        self.told && self.answer.is_none()
    }
}
