//! [`Model`]: what a correct session does, in plain maps and without a thought of speed.
//!
//! It is told all that the session is told and shown every packet that it sends, and foretells what the application hears.
//! Here stands what follows from what happens; [`rules`] says what may happen: *whether* a wish is refused or a rule broken,
//! and what a server is told of that. In which words the application hears it, the tests of `mqtt-session` know.
//!
//! Its store is a copy of what it keeps.

mod rules;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem::{replace, take};
use std::time::Duration;

use mqtt_session::codec::QoS::{AtLeastOnce, ExactlyOnce};
use mqtt_session::codec::{
    Ack, AckKind, Connack, Connect, Disconnect, Packet, PacketId, PacketKind, Publish, QoS, ReasonCode,
    TopicName, Version,
};
use mqtt_session::{Config, DisconnectCause, Phase, ProtocolError, Stage, Tag, Timestamp};

use self::rules::{is_certain, resolve};
use crate::news::{End, News};

/// How long the last output may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The model of one session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    config: Config,
    pub(crate) kept: Kept,
    /// What the store has, what is being written, and whether it has failed.
    stored: Kept,
    writing: Option<Kept>,
    has_failed: bool,
    link: Link,
    /// How many messages and PUBRECs came.
    count: u64,
    /// What the application must be told, messages with their numbers; and those that the store must have before.
    pub(crate) news: VecDeque<(News, Option<u64>)>,
    untold: VecDeque<(News, Option<u64>)>,
}

/// What outlives a connection, and a process if it is stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// How many sessions there have been on the server.
    sessions: u64,
    pub(crate) last_id: u16,
    /// What is sent in its turn, until it has its answer. Publishes of QoS 1 and 2 outlive a connection.
    pub(crate) wishes: BTreeMap<Tag, Wish>,
    /// Identifiers that a server may hold for one of our given-up messages.
    barred: BTreeSet<PacketId>,
    pub(crate) incoming: BTreeMap<PacketId, Incoming>,
}

/// What the application has submitted.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) packet: Packet,
    pub(crate) stage: Stage,
    /// Which PUBREC came for it, and what it said.
    received: Option<(u64, ReasonCode)>,
    expires: Option<Timestamp>,
    /// The byte of this connection with which it ended there.
    pub(crate) carried: Option<u64>,
}

/// A message of QoS 1 or 2.
#[derive(Clone, Debug, Default)]
pub(crate) struct Incoming {
    qos: QoS,
    number: u64,
    /// Whether the application that there is now is told, and what it said.
    told: bool,
    answer: Option<ReasonCode>,
    /// Whether PUBREC was sent, ever and on this connection.
    pub(crate) recorded: bool,
    recorded_here: bool,
    /// Whether this connection has shown it, and its place in the order of acknowledgements.
    shown: bool,
    turn: Option<u64>,
}

/// What ends with a connection.
#[derive(Clone, Debug, Default)]
struct Link {
    connect: Option<Connect>,
    /// Once the server has accepted.
    connack: Option<Connack>,
    /// Whether the client has the next word of an authentication, while there is one.
    is_our_turn: Option<bool>,
    /// What is sent at once. A PUBREL relies on its publish, a PUBCOMP on the latest message, if not on 0.
    owed: Vec<(Packet, u64)>,
    /// Pings that have no answer, since when.
    pings: VecDeque<(Option<Tag>, Timestamp)>,
    /// How many bytes it has carried, and when it took the last of them.
    carried: u64,
    last_write: Timestamp,
    /// What the server's aliases stand for, and the client's.
    aliases: [BTreeMap<u16, TopicName>; 2],
    /// Whether nothing more becomes due; why it ends, and when at the latest.
    is_sealed: bool,
    ending: Option<(DisconnectCause, Timestamp)>,
}

/// A packet that may leave, and whose wish it is.
type Due = (Option<Tag>, Packet);

/// What happens around the session.
impl Model {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, ..Self::default() }
    }

    pub(crate) fn open(&mut self, connect: Connect, now: Timestamp) {
        self.close();
        self.link.is_our_turn = connect.properties.authentication_method().map(|_| false);
        self.owe(connect.clone(), 0);
        (self.link.connect, self.link.last_write) = (Some(connect), now);
    }

    pub(crate) fn close(&mut self) {
        let Link { connect, pings, ending, .. } = take(&mut self.link);
        let wishes = take(&mut self.kept.wishes).into_iter();
        let (flows, others): (BTreeMap<_, _>, BTreeMap<_, _>) = wishes.partition(|(_, wish)| wish.is_flow());
        self.kept.wishes = flows;
        self.kept.wishes.values_mut().for_each(|wish| wish.carried = None);
        for message in self.kept.incoming.values_mut() {
            (message.shown, message.recorded_here, message.turn) = (false, false, None);
            message.told &= self.untold.iter().all(|(_, number)| *number != Some(message.number));
        }
        self.untold.clear();
        let messages = others.iter().filter(|(_, wish)| matches!(wish.packet, Packet::Publish(_)));
        messages.for_each(|(tag, wish)| self.end(*tag, End::Lost(wish.stage)));
        let requests = others.into_iter().filter(|(_, wish)| wish.packet.packet_id().is_some());
        let unanswered = requests.map(|(tag, _)| Some(tag)).chain(pings.into_iter().map(|(tag, _)| tag));
        unanswered.flatten().for_each(|tag| self.tell(News::Aborted { tag }));
        if connect.is_some() {
            let cause = ending.map_or(DisconnectCause::LinkClosed, |(cause, _)| cause);
            self.tell(News::Disconnected(cause));
        }
    }

    /// The process dies, and another one goes on from the store, with what was being `written` or without it; or from a
    /// snapshot, if there is no store.
    pub(crate) fn restart(&mut self, written: bool) {
        if self.config.durable {
            let written = self.writing.take().filter(|_| written);
            self.kept = written.unwrap_or_else(|| take(&mut self.stored));
            // They may have been sent.
            self.kept.wishes.values_mut().for_each(|wish| wish.stage = wish.stage.max(Stage::Sent));
        }
        self.close();
        self.news.clear();
        self.kept.incoming.retain(|_, message| message.is_stored());
        for message in self.kept.incoming.values_mut() {
            (message.told, message.recorded) = (message.answer.is_some(), message.answer.is_some());
        }
        (self.stored, self.has_failed) = (self.kept.clone(), false);
    }

    /// The store is given what has changed.
    pub(crate) fn hand_out(&mut self) {
        self.writing = Some(self.kept.clone());
    }

    /// The store has what it was given.
    pub(crate) fn store(&mut self) {
        self.stored = self.writing.take().expect("something is being written");
        while let Some(news) = self.untold.pop_front_if(|(_, number)| self.stored.has(*number)) {
            self.news.push_back(news);
        }
        self.take_turns();
    }

    /// The store has lost what it was given, and keeps nothing any more.
    pub(crate) fn fail_store(&mut self) {
        (self.writing, self.has_failed) = (None, true);
    }

    /// The transport has taken so many bytes of this connection.
    pub(crate) fn written(&mut self, total: u64) {
        for (tag, wish) in self.kept.wishes.clone() {
            let is_message = matches!(wish.packet, Packet::Publish(_)) && !wish.is_flow();
            if is_message && wish.carried.is_some_and(|end| end <= total) {
                self.end(tag, End::Written);
            }
        }
    }

    /// The deadline has come.
    pub(crate) fn timeout(&mut self, now: Timestamp) {
        let oldest = self.link.pings.front().filter(|_| self.phase() == Phase::Ready);
        if oldest.is_some_and(|(_, since)| *since + self.config.ping_timeout <= now) {
            self.cut(DisconnectCause::PingTimeout, now);
        }
    }

    /// The application wishes this to be sent; false if that is to be refused.
    pub(crate) fn submit(&mut self, tag: Tag, packet: &Packet, now: Timestamp) -> bool {
        let is_early = self.phase() != Phase::Ready;
        if !self.grants(packet) {
            return false;
        }
        match packet {
            Packet::Disconnect(_) => {
                self.link.is_sealed = is_early;
                self.link.ending = Some((DisconnectCause::ByUs, now + CLOSE_TIMEOUT));
            }
            Packet::Auth(_) => self.link.is_our_turn = Some(false),
            Packet::Pingreq => self.link.pings.push_back((Some(tag), now)),
            _ => {}
        }
        if is_early || matches!(packet, Packet::Auth(_) | Packet::Pingreq) {
            self.owe(packet.clone(), 0);
        } else {
            self.kept.last_id = packet.packet_id().map_or(self.kept.last_id, PacketId::get);
            let expiry = match packet {
                Packet::Publish(publish) => publish.properties.message_expiry_interval(),
                _ => None,
            };
            let expires = expiry.map(|seconds| now + Duration::from_secs(seconds.into()));
            let (packet, stage) = (packet.clone(), Stage::Unsent);
            self.kept.wishes.insert(tag, Wish { packet, stage, received: None, expires, carried: None });
        }
        true
    }

    /// The application has had a publish of QoS 0 sent at once.
    pub(crate) fn send(&mut self, publish: &Publish) {
        let overtaken = self.waiting().find(|(tag, wish)| self.may_leave(**tag, wish));
        assert!(
            self.phase() == Phase::Ready && overtaken.is_none(),
            "{publish:?} is sent before {overtaken:?}"
        );
        self.owe(publish.clone(), 0);
    }

    /// The application answers a message; whether that still means something.
    pub(crate) fn acknowledge(&mut self, number: u64, reason: ReasonCode) -> bool {
        let mut messages = self.kept.incoming.values_mut();
        let message = messages.find(|message| message.number == number && message.is_open());
        let is_open = message.map(|message| message.answer = Some(reason)).is_some();
        self.take_turns();
        is_open
    }

    /// The client sends a packet, which ends at this byte of the connection.
    pub(crate) fn sent(&mut self, mut packet: Packet, end: u64, now: Timestamp) {
        self.expire(now);
        let len = end - replace(&mut self.link.carried, end);
        // An alias may make a publish larger.
        let is_checked = !matches!(packet, Packet::Publish(_));
        assert!(is_checked || len <= self.max_packet_size(), "{packet:?} is too large");
        self.link.last_write = now;
        let theirs = self.link.connack.as_ref().and_then(|connack| connack.properties.topic_alias_maximum());
        let maximum = theirs.unwrap_or(0).min(self.config.max_outbound_aliases);
        resolve(&mut self.link.aliases[1], maximum, &mut packet).expect("the server knows the alias");
        let due = self.due(now);
        let Some(place) = due.iter().position(|(_, due)| *due == packet) else {
            assert!(
                packet == Packet::Pingreq && !self.keep_alive().is_zero(),
                "{packet:?} is not due: {due:?}"
            );
            return self.link.pings.push_back((None, now));
        };
        let (tag, is_last) = (due[place].0, packet.kind() == PacketKind::Disconnect);
        let is_before =
            |other: &&_| self.line(other) == self.line(&due[place]) || is_last && is_certain(other);
        assert_eq!(due[..place].iter().find(is_before), None, "{packet:?} overtakes");
        if let Some(wish) = tag.and_then(|tag| self.kept.wishes.get_mut(&tag)) {
            (wish.stage, wish.carried) = (Stage::Sent, Some(end));
        } else if let Some(place) = self.link.owed.iter().position(|(owed, _)| *owed == packet) {
            self.link.owed.remove(place);
        }
        if is_last {
            self.link.is_sealed = true;
            self.link.owed.clear();
        }
    }

    /// The session has done all that it can; whether the store has all, and how many bytes wait for the transport.
    pub(crate) fn settled(&mut self, has_all: bool, is_to_close: bool, waiting: usize, now: Timestamp) {
        self.expire(now);
        let is_complete = !self.config.durable || has_all && !self.link.is_sealed && self.has_room();
        let missing = self.due(now).into_iter().find(|due| is_complete || is_certain(due));
        assert_eq!(missing, None, "{self:?}");
        let is_over = |(_, at): &(_, _)| *at <= now || self.link.is_sealed && waiting == 0;
        assert_eq!(is_to_close, self.link.ending.as_ref().is_some_and(is_over), "{self:?}");
        let is_watched = self.phase() == Phase::Ready && !self.keep_alive().is_zero();
        assert!(!is_watched || now <= self.link.last_write + self.keep_alive(), "a ping is missing");
    }
}

/// What the server says.
impl Model {
    /// Takes a packet; what the client says if it breaks a rule.
    pub(crate) fn hear(&mut self, mut packet: Packet, now: Timestamp) -> Result<(), ReasonCode> {
        if self.is_out_of_place(&packet) {
            return Err(ReasonCode::ProtocolError);
        }
        resolve(&mut self.link.aliases[0], self.config.topic_alias_maximum, &mut packet)?;
        match packet {
            Packet::Connack(connack) if connack.reason.is_error() => {
                self.tell(News::Refused);
                self.cut(DisconnectCause::Refused, now);
            }
            Packet::Connack(connack) => self.accepted(connack),
            Packet::Auth(auth) => {
                self.link.is_our_turn = (auth.reason != ReasonCode::Success).then_some(true);
                self.tell(News::Auth(auth));
            }
            Packet::Publish(publish) => self.message(publish)?,
            Packet::Ack(Ack { kind: AckKind::Pubrel, packet_id, .. }) => {
                let message = self.kept.incoming.remove(&packet_id);
                let is_known = message.is_some_and(|message| message.recorded);
                self.owe(self.ack(AckKind::Pubcomp, packet_id, is_known), self.count);
                self.take_turns();
            }
            Packet::Ack(ack) => self.acknowledged(ack),
            Packet::Suback(_) | Packet::Unsuback(_) => {
                let is_asked = |(_, wish): &(&Tag, &Wish)| wish.awaits(&packet);
                let tag = self.kept.wishes.iter().find(is_asked).map(|(tag, _)| *tag);
                tag.map(|tag| self.kept.wishes.remove(&tag));
                self.tell(News::Answered { tag });
            }
            Packet::Pingresp => {
                let ping = self.link.pings.pop_front();
                ping.into_iter().for_each(|(tag, _)| self.tell(News::Answered { tag }));
            }
            Packet::Disconnect(disconnect) => self.cut(DisconnectCause::ByPeer(disconnect), now),
            _ => {}
        }
        Ok(())
    }

    /// The server has broken a rule: it is told so, if there are words for it.
    pub(crate) fn fail(&mut self, error: ProtocolError, now: Timestamp) {
        let complaint = Disconnect::new(error.reason_code());
        let cause = DisconnectCause::ProtocolError(error);
        if self.config.version == Version::V311 || self.link.connack.is_none() {
            return self.cut(cause, now);
        }
        self.owe(complaint, 0);
        self.seal(cause, now + CLOSE_TIMEOUT);
    }

    fn accepted(&mut self, connack: Connack) {
        let session_present = connack.session_present;
        let is_resumed = session_present && self.kept.sessions > 0;
        (self.link.connack, self.link.is_our_turn) = (Some(connack), None);
        let mut flows = Vec::from_iter(self.kept.wishes.clone());
        flows.sort_by_key(|(_, flow)| flow.received.filter(|_| is_resumed).map(|(number, _)| number));
        for (tag, flow) in flows {
            match flow.stage {
                stage if !is_resumed => self.end(tag, End::Lost(stage)),
                Stage::Received => self.release(tag),
                _ if self.takes(&flow.packet) => {}
                stage => {
                    let is_held = stage == Stage::Sent && flow.qos() == Some(ExactlyOnce);
                    self.kept.barred.extend(flow.packet.packet_id().filter(|_| is_held));
                    self.end(tag, End::Forbidden);
                }
            }
        }
        if !is_resumed {
            self.kept.sessions += 1;
            self.kept.barred.clear();
            self.kept.incoming.clear();
        }
        self.tell(News::Connected { session_present });
    }

    /// PUBACK, PUBREC or PUBCOMP.
    fn acknowledged(&mut self, Ack { kind, packet_id, reason, .. }: Ack) {
        let is_received = kind == AckKind::Pubrec && !reason.is_error();
        let mut flows = self.kept.wishes.iter_mut().filter(|(_, wish)| wish.is_flow());
        match flows.find(|(_, flow)| flow.packet.packet_id() == Some(packet_id)) {
            None if is_received => self.owe(self.ack(AckKind::Pubrel, packet_id, false), 0),
            None => {}
            Some((&tag, flow)) if is_received => {
                flow.stage = Stage::Received;
                flow.received.get_or_insert((self.count, reason));
                self.count += 1;
                self.release(tag);
            }
            Some((&tag, flow)) => {
                let received = flow.received.filter(|_| kind == AckKind::Pubcomp);
                let end = End::with(received.map_or(reason, |(_, reason)| reason));
                self.end(tag, end);
            }
        }
    }

    /// PUBREL is due.
    fn release(&mut self, tag: Tag) {
        let Some(flow) = self.kept.wishes.get_mut(&tag) else { return };
        flow.carried.get_or_insert(0);
        let id = flow.packet.packet_id();
        id.into_iter().for_each(|id| self.owe(Ack::new(AckKind::Pubrel, id), tag));
    }

    fn message(&mut self, publish: Publish) -> Result<(), ReasonCode> {
        let Some(id) = publish.packet_id else {
            self.tell(News::Message(publish));
            return Ok(());
        };
        let is_repetition = publish.dup || publish.qos == ExactlyOnce;
        let known = self.kept.incoming.get(&id);
        let is_shown = known.is_some_and(|known| known.shown);
        let is_known = known.is_some_and(|known| known.qos == publish.qos && (is_shown || is_repetition));
        let shown = self.kept.incoming.values().filter(|message| message.shown).count();
        if is_shown && !is_known {
            return Err(ReasonCode::ProtocolError);
        } else if !is_shown && shown >= self.config.max_inbound.max(1).into() {
            return Err(ReasonCode::ReceiveMaximumExceeded);
        } else if !is_known {
            self.kept.incoming.remove(&id);
        }
        self.count += 1;
        let new = Incoming { qos: publish.qos, number: self.count, ..Incoming::default() };
        let message = self.kept.incoming.entry(id).or_insert(new);
        let (number, was_told) = (Some(message.number), replace(&mut message.told, true));
        message.shown = true;
        message.turn.get_or_insert(self.count);
        let waits = publish.qos == ExactlyOnce && !(self.untold.is_empty() && self.stored().has(number));
        let news = if waits { &mut self.untold } else { &mut self.news };
        news.extend((!was_told).then(|| (News::Message(publish), number)));
        self.take_turns();
        Ok(())
    }
}

/// What follows, and looks.
impl Model {
    /// The acknowledgements whose turn it is are due.
    fn take_turns(&mut self) {
        for (qos, kind) in [(AtLeastOnce, AckKind::Puback), (ExactlyOnce, AckKind::Pubrec)] {
            while let Some((id, reason)) = self.next_answer(qos) {
                let ack = self.ack(kind, id, true);
                self.owe(if self.config.version == Version::V5 { ack.with_reason(reason) } else { ack }, 0);
                match self.kept.incoming.get_mut(&id) {
                    Some(message) if qos == ExactlyOnce && !reason.is_error() => {
                        (message.recorded, message.recorded_here, message.turn) = (true, true, None);
                    }
                    _ => _ = self.kept.incoming.remove(&id),
                }
            }
        }
    }

    /// What was never sent ends when it is its turn and its time is over.
    fn expire(&mut self, now: Timestamp) {
        let next = self.waiting().find(|(tag, wish)| self.may_leave(**tag, wish));
        let is_over = |wish: &Wish| wish.stage == Stage::Unsent && wish.expires.is_some_and(|at| at < now);
        if let Some(tag) = next.filter(|(_, wish)| is_over(wish)).map(|(tag, _)| *tag) {
            self.end(tag, End::Expired);
            self.expire(now);
        }
    }

    fn owe(&mut self, packet: impl Into<Packet>, relies_on: u64) {
        self.link.owed.push((packet.into(), relies_on));
    }

    fn end(&mut self, tag: Tag, end: End) {
        self.kept.wishes.remove(&tag);
        self.tell(News::Ended { tag, end });
    }

    fn tell(&mut self, news: News) {
        self.news.push_back((news, None));
    }

    /// Nothing is sent any more.
    fn cut(&mut self, cause: DisconnectCause, now: Timestamp) {
        self.link.owed.clear();
        self.seal(cause, now);
    }

    /// Nothing more becomes due. What happened first is the cause; the earliest deadline holds.
    fn seal(&mut self, cause: DisconnectCause, at: Timestamp) {
        self.link.is_sealed = true;
        let (_, deadline) = self.link.ending.get_or_insert((cause, at));
        *deadline = at.min(*deadline);
    }
}
