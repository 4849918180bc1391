//! [`Model`]: what becomes of messages of QoS 1 and 2, both ways, in plain maps and without a thought of speed.
//!
//! It is told all that the session is told and shown each packet that passes. It says which packets are due, what the
//! application hears, and which of the server's packets break a rule. All else that a session must do is known by the other
//! [referees](crate::referee); nothing here asks one of them.
//!
//! Its store is a copy of what it keeps.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem::{replace, take};
use std::num::NonZeroU16;

use mqtt_session::codec::QoS::{AtLeastOnce, ExactlyOnce};
use mqtt_session::codec::{
    Ack, AckKind, Connack, Packet, PacketId, PacketKind, Publish, QoS, ReasonCode, Version,
};
use mqtt_session::{Config, Stage, Tag, Timestamp};

use crate::durable::Durable;
use crate::news::{End, News};
use crate::referee::{Due, Referee, Told};

/// The model of one session's messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    config: Config,
    pub(crate) kept: Durable<Kept>,
    /// How many flows may be under way, while there is a connection on which more may become due.
    window: Option<usize>,
    /// What is sent at once. A PUBREL relies on its publish, a PUBCOMP on the latest message.
    owed: Vec<(Packet, u64)>,
    /// How many messages and PUBRECs came.
    count: u64,
    /// What the application must be told, messages with their numbers; and those that the store must have before.
    news: Vec<Told>,
    untold: VecDeque<Told>,
}

/// What outlives a connection, and a process if it is stored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// How many sessions there have been on the server.
    pub(crate) sessions: u64,
    /// What is published, until it has its last answer.
    pub(crate) flows: BTreeMap<Tag, Flow>,
    pub(crate) incoming: BTreeMap<PacketId, Incoming>,
}

/// A message of the application.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) publish: Publish,
    pub(crate) stage: Stage,
    /// Which PUBREC came for it, and what it said.
    pub(crate) received: Option<(u64, ReasonCode)>,
    /// Whether it has its place on this connection.
    pub(crate) is_carried: bool,
}

/// A message of the server.
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

impl Referee for Model {
    fn closed(&mut self) {
        (self.window, self.owed) = (None, Vec::new());
        self.kept.flows.values_mut().for_each(|flow| flow.is_carried = false);
        for message in self.kept.incoming.values_mut() {
            (message.shown, message.recorded_here, message.turn) = (false, false, None);
            message.told &= self.untold.iter().all(|(_, number)| *number != Some(message.number));
        }
        self.untold.clear();
    }

    fn accepted(&mut self, connack: &Connack) {
        let maximum = connack.properties.receive_maximum().map_or(u16::MAX, NonZeroU16::get);
        self.window = Some(self.config.max_in_flight.max(1).min(maximum).into());
        let kept = &mut self.kept;
        if connack.session_present && kept.sessions > 0 {
            // PUBRELs go in the order of the PUBRECs [MQTT-4.6.0-4].
            let received = kept.flows.iter().filter_map(|(tag, flow)| Some((flow.received?.0, *tag)));
            let received = BTreeMap::from_iter(received);
            received.into_values().for_each(|tag| self.release(tag));
        } else {
            let lost = Vec::from_iter(kept.flows.iter().map(|(tag, flow)| (*tag, flow.stage)));
            lost.into_iter().for_each(|(tag, stage)| self.end(tag, End::Lost(stage)));
            self.kept.sessions += 1;
            self.kept.incoming.clear();
        }
    }

    fn sealed(&mut self) {
        self.window = None;
    }

    fn grants(&self, packet: &Packet) -> bool {
        let is_flow = packet.kind() == PacketKind::Publish && packet.packet_id().is_some();
        !is_flow || !self.kept.has_failed() && Some(self.kept.flows.len()) < self.window
    }

    fn submitted(&mut self, tag: Tag, packet: &Packet, _: Timestamp) {
        if let Packet::Publish(publish) = packet
            && publish.packet_id.is_some()
        {
            let publish = publish.clone();
            let flow = Flow { publish, stage: Stage::Unsent, received: None, is_carried: false };
            self.kept.flows.insert(tag, flow);
        }
    }

    fn expired(&mut self, tag: Tag) {
        self.end(tag, End::Expired);
    }

    fn due(&self) -> Vec<Due> {
        let owed = self.owed.iter().filter(|(packet, relies_on)| self.is_stored(packet, *relies_on));
        let owed = owed.map(|(packet, _)| (None, packet.clone()));
        let flows = self.waiting().filter(|(tag, _)| self.kept.stored().flows.contains_key(tag));
        // With DUP if it was sent before [MQTT-3.3.1-1].
        let looks = |flow: &Flow| Publish { dup: flow.stage == Stage::Sent, ..flow.publish.clone() };
        owed.chain(flows.map(|(tag, flow)| (Some(*tag), looks(flow).into()))).collect()
    }

    fn sent(&mut self, (tag, packet): &Due, _: u64, _: Timestamp) {
        if let Some(flow) = tag.and_then(|tag| self.kept.flows.get_mut(&tag)) {
            (flow.stage, flow.is_carried) = (Stage::Sent, true);
        } else if let Some(place) = self.owed.iter().position(|(owed, _)| owed == packet) {
            self.owed.remove(place);
        }
    }

    fn hear(&mut self, packet: &mut Packet, _: Timestamp) -> Result<(), ReasonCode> {
        match packet {
            Packet::Publish(publish) => self.message(publish),
            Packet::Ack(ack) if ack.kind == AckKind::Pubrel => self.released(ack.packet_id),
            Packet::Ack(ack) => self.acknowledged(ack),
            _ => Ok(()),
        }
    }

    fn news(&mut self) -> Vec<Told> {
        take(&mut self.news)
    }
}

/// What the application and its store do.
impl Model {
    pub(crate) fn new(config: Config) -> Self {
        Self { kept: Durable::new(config.durable), config, ..Self::default() }
    }

    /// The application answers a message; whether that still means something.
    pub(crate) fn acknowledge(&mut self, number: u64, reason: ReasonCode) -> bool {
        let mut messages = self.kept.incoming.values_mut();
        let message = messages.find(|message| message.number == number && message.is_open());
        let is_open = message.map(|message| message.answer = Some(reason)).is_some();
        self.take_turns();
        is_open
    }

    /// The server that has accepted is not able to take it; the identifier, if it may hold that for it.
    pub(crate) fn forbid(&mut self, tag: Tag) -> Option<PacketId> {
        let flow = self.kept.flows.get(&tag)?;
        let is_held = flow.stage == Stage::Sent && flow.publish.qos == ExactlyOnce;
        let held = flow.publish.packet_id.filter(|_| is_held);
        self.end(tag, End::Forbidden);
        held
    }

    /// The process dies, and another one goes on from the store, with what was being `written` or without it; or from a
    /// snapshot, if there is no store.
    pub(crate) fn restart(&mut self, written: bool) {
        self.kept.restart(written);
        self.closed();
        if self.config.durable {
            // They may have been sent.
            self.kept.flows.values_mut().for_each(|flow| flow.stage = flow.stage.max(Stage::Sent));
        }
        self.kept.incoming.retain(|_, message| message.is_stored());
        for message in self.kept.incoming.values_mut() {
            (message.told, message.recorded) = (message.answer.is_some(), message.answer.is_some());
        }
    }

    /// The store has what it was given.
    pub(crate) fn commit(&mut self) {
        self.kept.commit();
        self.tell_stored();
        self.take_turns();
    }
}

/// What the server says.
impl Model {
    /// PUBACK, PUBREC or PUBCOMP.
    fn acknowledged(&mut self, Ack { kind, packet_id, reason, .. }: &Ack) -> Result<(), ReasonCode> {
        let is_received = *kind == AckKind::Pubrec && !reason.is_error();
        let mut flows = self.kept.flows.iter_mut();
        let Some((&tag, flow)) = flows.find(|(_, flow)| flow.publish.packet_id == Some(*packet_id)) else {
            if is_received {
                self.owe(AckKind::Pubrel, *packet_id, ReasonCode::PacketIdentifierNotFound, 0);
            }
            return Ok(());
        };
        let is_awaited = match kind {
            AckKind::Puback => flow.publish.qos == AtLeastOnce && flow.stage != Stage::Unsent,
            AckKind::Pubrec => flow.publish.qos == ExactlyOnce && flow.stage != Stage::Unsent,
            _ => flow.stage == Stage::Received,
        };
        if !is_awaited {
            return Err(ReasonCode::ProtocolError);
        } else if is_received {
            flow.stage = Stage::Received;
            flow.received.get_or_insert((self.count, *reason));
            self.count += 1;
            self.release(tag);
        } else {
            let received = flow.received.filter(|_| *kind == AckKind::Pubcomp);
            self.end(tag, End::with(received.map_or(*reason, |(_, reason)| reason)));
        }
        Ok(())
    }

    /// PUBREL.
    fn released(&mut self, id: PacketId) -> Result<(), ReasonCode> {
        let message = self.kept.incoming.get(&id);
        let is_known = message.is_some_and(|message| message.recorded);
        if message.is_some_and(|message| message.shown && !is_known) {
            return Err(ReasonCode::ProtocolError);
        }
        self.kept.incoming.remove(&id);
        let reason = if is_known { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
        self.owe(AckKind::Pubcomp, id, reason, self.count);
        self.take_turns();
        Ok(())
    }

    fn message(&mut self, publish: &Publish) -> Result<(), ReasonCode> {
        let Some(id) = publish.packet_id else { return Ok(()) };
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
        message.shown = true;
        message.turn.get_or_insert(self.count);
        if !replace(&mut message.told, true) {
            let told = (News::Message(publish.clone()), Some(message.number));
            if publish.qos == ExactlyOnce { self.untold.push_back(told) } else { self.news.push(told) }
        }
        self.tell_stored();
        self.take_turns();
        Ok(())
    }
}

/// What follows.
impl Model {
    /// A message of QoS 2 is told of when the store has its identifier, and those before it are told of.
    fn tell_stored(&mut self) {
        let stored = self.kept.stored().incoming.values().filter(|message| message.is_stored());
        let stored = BTreeSet::from_iter(stored.map(|message| Some(message.number)));
        while let Some(told) = self.untold.pop_front_if(|(_, number)| stored.contains(number)) {
            self.news.push(told);
        }
    }

    /// The acknowledgements whose turn it is are due [MQTT-4.6.0-2] [MQTT-4.6.0-3].
    fn take_turns(&mut self) {
        for (qos, kind) in [(AtLeastOnce, AckKind::Puback), (ExactlyOnce, AckKind::Pubrec)] {
            while let Some((id, reason)) = self.next_answer(qos) {
                self.owe(kind, id, reason, 0);
                match self.kept.incoming.get_mut(&id) {
                    Some(message) if qos == ExactlyOnce && !reason.is_error() => {
                        (message.recorded, message.recorded_here, message.turn) = (true, true, None);
                    }
                    _ => _ = self.kept.incoming.remove(&id),
                }
            }
        }
    }

    /// The next message to be acknowledged, if it may be now.
    fn next_answer(&self, qos: QoS) -> Option<(PacketId, ReasonCode)> {
        let messages = || self.kept.incoming.iter().filter(|(_, message)| message.qos == qos);
        let waiting = messages().filter(|(_, message)| message.turn.is_some());
        let (id, message) = waiting.min_by_key(|(_, message)| message.turn)?;
        let reason = message.answer.filter(|_| self.window.is_some())?;
        let stored = self.kept.stored().incoming.get(id).filter(|stored| stored.number == message.number);
        let unreleased = messages().filter(|(_, message)| message.recorded_here).count();
        let has_room = unreleased < self.config.max_unreleased.max(1).into();
        let may_record = reason.is_error() || message.recorded_here || has_room;
        let may_answer = may_record && stored.is_some_and(|stored| stored.answer.is_some());
        (qos == AtLeastOnce || may_answer).then_some((*id, reason))
    }

    /// PUBREL is due.
    fn release(&mut self, tag: Tag) {
        if let Some(flow) = self.kept.flows.get_mut(&tag)
            && let Some(id) = flow.publish.packet_id
        {
            flow.is_carried = true;
            self.owe(AckKind::Pubrel, id, ReasonCode::Success, tag);
        }
    }

    fn owe(&mut self, kind: AckKind, id: PacketId, reason: ReasonCode, relies_on: u64) {
        let has_words = self.config.version == Version::V5;
        let reason = if has_words { reason } else { ReasonCode::Success };
        self.owed.push((Ack::new(kind, id).with_reason(reason).into(), relies_on));
    }

    fn end(&mut self, tag: Tag, end: End) {
        if self.kept.flows.remove(&tag).is_some() {
            self.news.push((News::Ended { tag, end }, None));
        }
    }
}

/// What can be seen.
impl Model {
    /// The publishes that are yet to be sent on this connection.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&Tag, &Flow)> {
        self.kept.flows.iter().filter(|(_, flow)| self.window.is_some() && !flow.is_carried)
    }

    /// Whether one more publish may be under way [MQTT-4.9.0-2].
    pub(crate) fn has_room(&self) -> bool {
        let carried = self.kept.flows.values().filter(|flow| flow.is_carried).count();
        self.window.is_some_and(|window| carried < window)
    }

    /// How many flows are under way, and how many messages wait for the application.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.kept.flows.len(), self.kept.incoming.values().filter(|message| message.is_open()).count())
    }

    /// Whether the store has the step before this acknowledgement.
    fn is_stored(&self, ack: &Packet, relies_on: u64) -> bool {
        let is_old = |message: &Incoming| message.is_stored() && message.number <= relies_on;
        let is_there =
            |kept: &Kept| ack.packet_id().and_then(|id| kept.incoming.get(&id)).is_some_and(is_old);
        match ack.kind() {
            PacketKind::Pubrel => {
                self.kept.stored().flows.get(&relies_on).is_none_or(|flow| flow.stage == Stage::Received)
            }
            PacketKind::Pubcomp => {
                !is_there(self.kept.stored()) && !self.kept.writing().is_some_and(is_there)
            }
            _ => true,
        }
    }
}

impl Incoming {
    /// A message that was refused is forgotten before PUBREC says so.
    pub(crate) fn is_stored(&self) -> bool {
        self.qos == ExactlyOnce && !self.answer.is_some_and(ReasonCode::is_error)
    }

    /// Whether the application was told, and has not answered.
    fn is_open(&self) -> bool {
        self.told && self.answer.is_none()
    }
}
