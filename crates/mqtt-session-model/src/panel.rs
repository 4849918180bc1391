//! [`Panel`]: all referees of one session, and what follows for each of them from what the others say.
//!
//! It passes on what happens, puts together what is due, and sees that each packet is sent in its turn and none is left
//! out. Rules that take two referees stand here.

use std::collections::{BTreeSet, VecDeque};

use mqtt_session::codec::{Connect, Packet, PacketId, PacketKind, Publish, ReasonCode};
use mqtt_session::{Config, DisconnectCause, Key, Phase, ProtocolError, Tag, Timestamp};

use crate::model::{Flow, Kept, Model};
use crate::referee::conduct::Conduct;
use crate::referee::expiry::Expiry;
use crate::referee::fleeting::Fleeting;
use crate::referee::identifiers::Identifiers;
use crate::referee::limits::Limits;
use crate::referee::pings::Pings;
use crate::referee::{Due, Referee, Told};

/// The referees of one session.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    is_durable: bool,
    pub(crate) conduct: Conduct,
    limits: Limits,
    expiry: Expiry,
    identifiers: Identifiers,
    pings: Pings,
    pub(crate) fleeting: Fleeting,
    pub(crate) model: Model,
    /// What was submitted, in the order in which nothing but room was missing any more.
    turns: Vec<Tag>,
    /// What the application must be told.
    pub(crate) news: VecDeque<Told>,
}

/// What happens around the session.
impl Panel {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            is_durable: config.durable,
            conduct: Conduct::new(config.version),
            limits: Limits::new(config.clone()),
            expiry: Expiry::default(),
            identifiers: Identifiers::new(config.durable),
            pings: Pings::new(config.ping_timeout),
            fleeting: Fleeting::default(),
            model: Model::new(config),
            turns: Vec::new(),
            news: VecDeque::new(),
        }
    }

    pub(crate) fn open(&mut self, connect: &Connect, now: Timestamp) {
        self.close();
        self.tell_all(|referee| referee.opened(connect, now));
    }

    pub(crate) fn close(&mut self) {
        self.turns.clear();
        self.tell_all(|referee| referee.closed());
    }

    /// The process dies, and another one goes on from the store, with what was being `written` or without it; or from a
    /// snapshot, if there is no store.
    pub(crate) fn restart(&mut self, written: bool) {
        self.close();
        self.news.clear();
        self.model.restart(written);
        self.identifiers.kept.restart(written);
    }

    /// The first packet identifier is the next one, as it is after all others.
    pub(crate) fn rewind(&mut self) {
        self.identifiers.kept.last = 0;
    }

    /// The store is given what has changed.
    pub(crate) fn hand_out(&mut self) {
        self.model.kept.hand_out();
        self.identifiers.kept.hand_out();
    }

    /// The store has what it was given.
    pub(crate) fn commit(&mut self) {
        self.model.commit();
        self.identifiers.kept.commit();
        self.follow();
    }

    /// The store has lost what it was given, and keeps nothing any more.
    pub(crate) fn fail_store(&mut self) {
        self.model.kept.fail();
        self.identifiers.kept.fail();
    }

    /// The transport has taken so many bytes of this connection.
    pub(crate) fn written(&mut self, total: u64) {
        self.fleeting.written(total);
        self.follow();
    }

    /// The deadline has come.
    pub(crate) fn timeout(&mut self, now: Timestamp) {
        if self.pings.is_given_up(now) {
            self.conduct.cut(DisconnectCause::PingTimeout, now);
            self.follow();
        }
    }

    /// The application wishes this to be sent; false if that is to be refused.
    pub(crate) fn submit(&mut self, tag: Tag, packet: &Packet, now: Timestamp) -> bool {
        let is_granted = self.referees().iter().all(|referee| referee.grants(packet));
        if is_granted {
            self.tell_all(|referee| referee.submitted(tag, packet, now));
        }
        is_granted
    }

    /// The application has had a publish of QoS 0 sent at once.
    pub(crate) fn send(&mut self, publish: &Publish, now: Timestamp) {
        let overtaken = self.due(now).into_iter().find(|(tag, _)| tag.is_some());
        assert!(
            self.phase() == Phase::Ready && overtaken.is_none(),
            "{publish:?} is sent before {overtaken:?}"
        );
        self.fleeting.send(publish.clone());
    }

    /// The application answers a message; whether that still means something.
    pub(crate) fn acknowledge(&mut self, number: u64, reason: ReasonCode) -> bool {
        self.model.acknowledge(number, reason)
    }

    /// Takes a packet of the server; what the client says if it breaks a rule.
    pub(crate) fn hear(&mut self, mut packet: Packet, now: Timestamp) -> Result<(), ReasonCode> {
        self.referees_mut().into_iter().try_for_each(|referee| referee.hear(&mut packet, now))?;
        if let Packet::Connack(connack) = &packet
            && !connack.reason.is_error()
        {
            self.referees_mut().into_iter().for_each(|referee| referee.accepted(connack));
            self.forbid();
        }
        self.follow();
        Ok(())
    }

    /// The server has broken a rule.
    pub(crate) fn fail(&mut self, error: ProtocolError, now: Timestamp) {
        self.conduct.fail(error, now);
        self.follow();
    }
}

/// What the client sends.
impl Panel {
    /// The client sends a packet, which ends at this byte of the connection.
    pub(crate) fn sent(&mut self, packet: Packet, end: u64, now: Timestamp) {
        self.expire(now);
        let packet = self.limits.read(packet, end);
        let mut due = self.due(now);
        let sent = match due.iter().position(|(_, due)| *due == packet) {
            Some(place) => {
                let sent = due.remove(place);
                let is_before = |other: &&_| self.line(other) == self.line(&sent);
                assert_eq!(due[..place].iter().find(is_before), None, "{packet:?} overtakes");
                let is_last = packet.kind() == PacketKind::Disconnect;
                let is_left = |other: &&_| is_last && is_certain(other);
                assert_eq!(due.iter().find(is_left), None, "{packet:?} is not the last");
                sent
            }
            None => {
                let is_own = packet == Packet::Pingreq && self.pings.is_kept_alive();
                assert!(is_own && !self.conduct.is_over(), "{packet:?} is not due: {due:?}");
                (None, packet)
            }
        };
        self.tell_all(|referee| referee.sent(&sent, end, now));
    }

    /// The session has done all that it can; whether the store has all, and how many bytes wait for the transport.
    pub(crate) fn settled(&mut self, has_all: bool, is_to_close: bool, waiting: usize, now: Timestamp) {
        self.expire(now);
        // If the store is behind, what relies on it may be as well.
        let is_even = has_all && !self.conduct.is_sealed() && self.model.has_room();
        let is_behind = self.is_durable && !is_even;
        let missing = self.due(now).into_iter().find(|due| !is_behind || is_certain(due));
        assert_eq!(missing, None, "{self:?}");
        self.conduct.settled(is_to_close, waiting, now);
        self.pings.settled(now);
    }

    /// What may leave, as it looks then: first what is sent at once, then what has its turn.
    fn due(&self, now: Timestamp) -> Vec<Due> {
        let mut due = Vec::from_iter(self.ready());
        due.retain(|due| !self.conduct.is_over() && self.may_leave(due));
        due.sort_by_key(|(tag, _)| tag.map(|tag| self.turns.iter().position(|turn| *turn == tag)));
        due.iter_mut().for_each(|due| self.expiry.count_down(due, now));
        due
    }

    /// What may leave if there is room: requests when the store knows of the session.
    fn ready(&self) -> impl Iterator<Item = Due> {
        let kept = &self.model.kept;
        let has_begun = kept.stored().sessions == kept.sessions;
        let is_request = |packet: &_| matches!(packet, Packet::Subscribe(_) | Packet::Unsubscribe(_));
        let due = self.referees().into_iter().flat_map(Referee::due);
        due.filter(move |(_, packet)| has_begun || !is_request(packet))
    }

    /// Whether there is room for it. A farewell follows all that there is room for, if that can be stored.
    fn may_leave(&self, (tag, packet): &Due) -> bool {
        let has_room = self.model.has_room();
        let waits = || self.fleeting.is_waiting() || has_room && self.model.waiting().next().is_some();
        match packet {
            Packet::Publish(_) => packet.packet_id().is_none() || has_room,
            Packet::Disconnect(_) => tag.is_none() || self.model.kept.has_failed() || !waits(),
            _ => true,
        }
    }

    /// Packets of one line keep their order. Beside a store, each kind of packets has its own.
    fn line(&self, (tag, packet): &Due) -> (bool, Option<PacketKind>) {
        let is_sorted = tag.is_none() || self.is_durable;
        (tag.is_some(), is_sorted.then(|| packet.kind()))
    }

    /// What was never sent ends when it is its turn and its time is over.
    fn expire(&mut self, now: Timestamp) {
        let is_publish = |(tag, packet): &Due| tag.is_some() && packet.kind() == PacketKind::Publish;
        let next = self.due(now).into_iter().find(is_publish);
        if let Some((Some(tag), _)) = next.filter(|next| self.expiry.is_over(next, now)) {
            self.tell_all(|referee| referee.expired(tag));
            self.expire(now);
        }
    }
}

/// What can be seen.
impl Panel {
    /// What the client waits for.
    pub(crate) fn phase(&self) -> Phase {
        self.conduct.phase()
    }

    /// Whether nothing that comes in matters any more.
    pub(crate) fn is_deaf(&self) -> bool {
        self.conduct.is_sealed() || self.phase() == Phase::Closed
    }

    /// Whether the server is able to take it.
    pub(crate) fn takes(&self, packet: &Packet) -> bool {
        self.limits.grants(packet)
    }

    /// Whether something that was submitted is yet to be sent on this connection.
    pub(crate) fn is_waiting(&self) -> bool {
        self.fleeting.is_waiting() || self.model.waiting().next().is_some()
    }

    /// Whether the driver has pings to send, or to wait for.
    pub(crate) fn is_pinging(&self) -> bool {
        self.pings.is_pinging()
    }

    /// The next packet identifier that is not in use.
    pub(crate) fn free_id(&self) -> PacketId {
        let is_flow = |id| self.model.kept.flows.values().any(|flow| flow.publish.packet_id == Some(id));
        self.identifiers.next(|id| is_flow(id) || self.fleeting.uses(id))
    }

    /// The keys of what is to be stored.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        let Kept { flows, incoming, .. } = &*self.model.kept;
        let id = |flow: &Flow| flow.publish.packet_id;
        let released = flows.values().filter(|flow| flow.received.is_some());
        let received = incoming.iter().filter(|(_, message)| message.is_stored());
        let keys = [Key::Session].into_iter();
        let keys = keys.chain(flows.values().filter_map(id).map(Key::Publish));
        let keys = keys.chain(released.filter_map(id).map(Key::Release));
        let keys = keys.chain(received.map(|(id, _)| Key::Received(*id)));
        keys.chain(self.identifiers.kept.barred.iter().copied().map(Key::Barred)).collect()
    }
}

/// What follows from what somebody says.
impl Panel {
    /// Who hears first decides whether the others do. News is told in the opposite order.
    fn referees(&self) -> [&dyn Referee; 7] {
        let Self { conduct, limits, expiry, identifiers, pings, fleeting, model, .. } = self;
        [conduct, limits, expiry, identifiers, pings, fleeting, model]
    }

    fn referees_mut(&mut self) -> [&mut dyn Referee; 7] {
        let Self { conduct, limits, expiry, identifiers, pings, fleeting, model, .. } = self;
        [conduct, limits, expiry, identifiers, pings, fleeting, model]
    }

    fn tell_all(&mut self, tell: impl FnMut(&mut dyn Referee)) {
        self.referees_mut().into_iter().for_each(tell);
        self.follow();
    }

    /// Collects the news, gives turns, and passes on that a connection is sealed.
    fn follow(&mut self) {
        let news = self.referees_mut().into_iter().rev().flat_map(Referee::news);
        let news = Vec::from_iter(news);
        self.news.extend(news);
        let mut ready = Vec::from_iter(self.ready().filter_map(|(tag, _)| tag));
        ready.retain(|tag| !self.turns.contains(tag));
        ready.sort_unstable();
        self.turns.extend(ready);
        if self.conduct.is_sealed() {
            self.referees_mut().into_iter().for_each(Referee::sealed);
        }
    }

    /// What the server that has accepted is not able to take ends.
    fn forbid(&mut self) {
        let flows = self.model.waiting().map(|(tag, flow)| (*tag, flow.publish.clone().into()));
        let forbidden = Vec::from_iter(flows.filter(|(_, publish)| !self.takes(publish)));
        for (tag, _) in forbidden {
            let held = self.model.forbid(tag);
            held.into_iter().for_each(|id| _ = self.identifiers.kept.barred.insert(id));
        }
    }
}

/// Whether it leaves whatever becomes of the store.
fn is_certain((tag, packet): &Due) -> bool {
    tag.is_none() && !matches!(packet.kind(), PacketKind::Pubrel | PacketKind::Pubcomp)
}
