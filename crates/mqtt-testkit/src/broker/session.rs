//! What the broker keeps of a client beyond its connection.

use std::collections::{BTreeMap, BTreeSet};

use mqtt_codec::{PacketId, Text, TopicFilter, Will};
use mqtt_session::Timestamp;

use super::ConnId;
use super::delivery::Outbound;

/// A session's number; a later session has a higher one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionId(pub(super) u64);

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client_id: Text,
    /// The connection that it lives on now.
    pub(super) connection: Option<ConnId>,
    /// Seconds that it outlives its connection; `u32::MAX` is for ever.
    pub(super) expiry: u32,
    /// Its filters; the tree of subscriptions holds the rest.
    pub(super) filters: BTreeSet<TopicFilter>,
    /// QoS 2 messages that were taken over, until the client releases them: [MQTT-4.3.3-2].
    pub(super) unreleased: BTreeSet<PacketId>,
    pub(super) outbound: Outbound,
    pub(super) will: Option<Will>,
    /// Without a connection: when the will is published, and when the session ends.
    pub(super) will_due: Option<Timestamp>,
    pub(super) ends_at: Option<Timestamp>,
}

impl Session {
    pub(super) fn new(client_id: Text) -> Self {
        Self {
            client_id,
            connection: None,
            expiry: 0,
            filters: BTreeSet::new(),
            unreleased: BTreeSet::new(),
            outbound: Outbound::default(),
            will: None,
            will_due: None,
            ends_at: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Timestamp> {
        [self.will_due, self.ends_at].into_iter().flatten().min()
    }
}

/// All sessions, by number and by client identifier.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    by_id: BTreeMap<SessionId, Session>,
    /// The client identifier is the key of the session [3.1.1 MQTT-3.1.3-2], [5.0 MQTT-3.1.3-2].
    by_client: BTreeMap<Text, SessionId>,
    last: u64,
    /// Deadlines of those without connection, in order.
    timers: BTreeSet<(Timestamp, SessionId)>,
}

impl Sessions {
    pub(super) fn create(&mut self, client_id: Text) -> SessionId {
        self.last += 1;
        let id = SessionId(self.last);
        self.by_client.insert(client_id.clone(), id);
        self.by_id.insert(id, Session::new(client_id));
        id
    }

    pub(super) fn find(&self, client_id: &Text) -> Option<SessionId> {
        self.by_client.get(client_id).copied()
    }

    pub(super) fn get(&self, id: SessionId) -> Option<&Session> {
        self.by_id.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.by_id.get_mut(&id)
    }

    pub(super) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.by_id.remove(&id)?;
        self.by_client.remove(&session.client_id);
        if let Some(deadline) = session.deadline() {
            self.timers.remove(&(deadline, id));
        }
        Some(session)
    }

    /// Sets when a session's will is published and when it ends.
    pub(super) fn set_timers(
        &mut self,
        id: SessionId,
        will_due: Option<Timestamp>,
        ends_at: Option<Timestamp>,
    ) {
        let Some(session) = self.by_id.get_mut(&id) else { return };
        if let Some(deadline) = session.deadline() {
            self.timers.remove(&(deadline, id));
        }
        session.will_due = will_due;
        session.ends_at = ends_at;
        if let Some(deadline) = session.deadline() {
            self.timers.insert((deadline, id));
        }
    }

    /// The session whose timer is first, and when.
    pub(super) fn first_timer(&self) -> Option<(Timestamp, SessionId)> {
        self.timers.first().copied()
    }

    pub(super) fn is_connected(&self, id: SessionId) -> bool {
        self.get(id).is_some_and(|session| session.connection.is_some())
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}
