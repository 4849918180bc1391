//! [`Reference`]: what a correct session does with messages, in plain maps and without a thought of speed.
//!
//! It is told all that the session is told, and knows from that what it owes: outcomes, messages and packets. What leaves
//! is judged by that (`judge`), and that nothing is missing once all that may leave has left. Its store is a copy of what it keeps: what relies on the store waits until it is in the copy.
//!
//! It knows whole packets with whole topics. What bytes mean, and what concerns one connection alone, is for the
//! [`Observer`](crate::observer::Observer) to know.

use std::collections::VecDeque;
use std::mem::{replace, take};
use std::time::Duration;

use mqtt_session::codec::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_session::codec::{Ack, AckKind, Connack, Packet, PacketId, Publish, QoS, ReasonCode, Version};
use mqtt_session::{Config, Stage, Tag, Timestamp, Violation};

use crate::kept::{Incoming, Kept, Outgoing};
use crate::news::{End, News};

/// The model of one session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reference {
    pub(crate) config: Config,
    pub(crate) kept: Kept,
    pub(crate) link: Link,
    /// What the store has, what is being written, and whether it has failed.
    stored: Kept,
    writing: Option<Kept>,
    pub(crate) failed: bool,
    /// How many messages of QoS 1 and 2 came. Each is known by its number.
    messages: u64,
    /// What the application must be told, in this order; and messages that the store must have before.
    pub(crate) news: VecDeque<(News, Option<u64>)>,
    untold: VecDeque<(News, Option<u64>)>,
}

/// What ends with a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Link {
    /// How many flows there may be at once, if the server has accepted, and their highest QoS.
    window: usize,
    maximum_qos: Option<QoS>,
    /// Whether nothing more becomes due.
    pub(crate) is_sealed: bool,
    /// What is sent at once, and what in its turn.
    pub(crate) at_once: VecDeque<Due>,
    pub(crate) queue: VecDeque<Due>,
    /// In which messages are to be acknowledged, for QoS 1 and QoS 2.
    order: [VecDeque<(PacketId, u64)>; 2],
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Due {
    Publish(Tag),
    Packet(Packet),
    /// PUBREL of a publish.
    Release(Ack, Tag),
    /// PUBCOMP, and the message that the store must have forgotten.
    Complete(Ack, Option<u64>),
}

/// What happens around the session.
impl Reference {
    /// A session that has never been connected.
    pub(crate) fn new(config: Config) -> Self {
        Self { config, ..Self::default() }
    }

    /// The transport is gone.
    pub(crate) fn close(&mut self) {
        for (tag, outgoing) in self.kept.outgoing.clone() {
            if outgoing.publish.qos == AtMostOnce {
                self.end(tag, End::Lost(outgoing.stage));
            }
        }
        self.kept.outgoing.values_mut().for_each(|outgoing| outgoing.carried = None);
        for message in self.kept.incoming.values_mut() {
            (message.shown, message.recorded_here) = (false, false);
            message.told &= self.untold.iter().all(|(_, number)| *number != Some(message.number));
        }
        self.untold.clear();
        self.link = Link::default();
    }

    /// The process dies, and another one goes on from the store, with what was being `written` or without it; or from a
    /// snapshot, if there is no store.
    pub(crate) fn restart(&mut self, written: bool) {
        if self.config.durable {
            let written = self.writing.take().filter(|_| written);
            self.kept = written.unwrap_or_else(|| take(&mut self.stored));
            // They may have been sent.
            let outgoing = self.kept.outgoing.values_mut();
            outgoing.for_each(|outgoing| outgoing.stage = outgoing.stage.max(Stage::Sent));
        }
        self.close();
        self.news.clear();
        self.kept.incoming.retain(|_, message| message.is_stored());
        for message in self.kept.incoming.values_mut() {
            (message.told, message.recorded) = (message.answer.is_some(), message.answer.is_some());
        }
        (self.stored, self.failed) = (self.kept.clone(), false);
    }

    /// The store is given what has changed; or there is nothing that it does not have.
    pub(crate) fn hand_out(&mut self, is_something: bool) {
        match is_something {
            true => self.writing = Some(self.kept.clone()),
            false => self.stored = Kept { last_id: self.stored.last_id, ..self.kept.clone() },
        }
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
        (self.writing, self.failed) = (None, true);
    }

    /// The transport has taken so many bytes of this connection.
    pub(crate) fn written(&mut self, total: u64) {
        for (tag, outgoing) in self.kept.outgoing.clone() {
            if outgoing.publish.qos == AtMostOnce && outgoing.carried.is_some_and(|end| end <= total) {
                self.end(tag, End::Written);
            }
        }
    }

    /// The application publishes, with the [next identifier](Self::free_id). False if it may not.
    pub(crate) fn publish(&mut self, tag: Tag, publish: &Publish, now: Timestamp) -> bool {
        let is_flow = publish.qos > AtMostOnce;
        let is_forbidden = self.failed || self.counts().0 >= self.link.window || !self.link.takes(publish);
        if is_flow && is_forbidden {
            return false;
        }
        self.kept.last_id = publish.packet_id.map_or(self.kept.last_id, PacketId::get);
        let seconds = publish.properties.message_expiry_interval();
        let expires = seconds.map(|seconds| now + Duration::from_secs(seconds.into()));
        let (publish, stage, reason) = (publish.clone(), Stage::Unsent, ReasonCode::Success);
        self.kept.outgoing.insert(tag, Outgoing { publish, stage, reason, expires, carried: None });
        self.link.queue.push_back(Due::Publish(tag));
        true
    }

    /// A packet that no message depends on is due: at once, or in its turn.
    pub(crate) fn owe(&mut self, packet: Packet, at_once: bool) {
        self.kept.last_id = packet.packet_id().filter(|_| !at_once).map_or(self.kept.last_id, PacketId::get);
        let queue = if at_once { &mut self.link.at_once } else { &mut self.link.queue };
        queue.push_back(Due::Packet(packet));
    }

    /// Nothing follows what is due at once; a link that is `cut` does not even take that.
    pub(crate) fn seal(&mut self, is_cut: bool) {
        self.link.is_sealed = true;
        if is_cut {
            self.link.at_once.clear();
        }
    }

    /// The application answers a message; whether that still means something.
    pub(crate) fn acknowledge(&mut self, number: u64, reason: ReasonCode) -> bool {
        let mut open = self.kept.incoming.values_mut().filter(|message| message.is_open());
        let message = open.find(|message| message.number == number);
        let is_open = message.map(|message| message.answer = Some(reason)).is_some();
        self.take_turns();
        is_open
    }
}

/// What the server says.
impl Reference {
    /// It accepts the connection.
    pub(crate) fn accepted(&mut self, connack: &Connack) {
        let window = connack.properties.receive_maximum().map_or(u16::MAX, |maximum| maximum.get());
        self.link.window = self.config.max_in_flight.max(1).min(window).into();
        self.link.maximum_qos = connack.properties.maximum_qos();
        let is_resumed = connack.session_present && self.kept.sessions > 0;
        if is_resumed {
            self.kept.released.clone().into_iter().for_each(|tag| self.release(tag));
        } else {
            self.kept.sessions += 1;
            self.kept.barred.clear();
            self.kept.incoming.clear();
        }
        for (tag, Outgoing { publish, stage, .. }) in self.kept.outgoing.clone() {
            if !is_resumed {
                self.end(tag, End::Lost(stage));
            } else if !self.link.takes(&publish) && stage < Stage::Received {
                let is_held = publish.qos == ExactlyOnce && stage == Stage::Sent;
                self.kept.barred.extend(publish.packet_id.filter(|_| is_held));
                self.end(tag, End::Forbidden);
            } else if stage < Stage::Received {
                self.link.queue.push_back(Due::Publish(tag));
            }
        }
    }

    /// PUBACK, PUBREC or PUBCOMP.
    pub(crate) fn acknowledged(&mut self, ack: &Ack) -> Result<(), Violation> {
        let has_id = |outgoing: &Outgoing| outgoing.publish.packet_id == Some(ack.packet_id);
        let Some((&tag, outgoing)) = self.kept.outgoing.iter_mut().find(|(_, outgoing)| has_id(outgoing))
        else {
            if ack.kind == AckKind::Pubrec && !ack.reason.is_error() {
                let unknown = self.ack(AckKind::Pubrel, ack.packet_id, ReasonCode::PacketIdentifierNotFound);
                self.link.at_once.push_back(Due::Complete(unknown, None));
            }
            return Ok(());
        };
        match (ack.kind, outgoing.stage) {
            (kind, _) if (kind == AckKind::Puback) != (outgoing.publish.qos == AtLeastOnce) => {
                return Err(Violation::WrongAcknowledgement);
            }
            (_, Stage::Unsent) => return Err(Violation::UnsentAcknowledged),
            (AckKind::Pubcomp, Stage::Sent) => return Err(Violation::WrongAcknowledgement),
            (AckKind::Pubcomp, _) => {
                let end = End::with(outgoing.reason);
                self.end(tag, end);
            }
            (AckKind::Pubrec, stage) if !ack.reason.is_error() => {
                if stage == Stage::Sent {
                    (outgoing.stage, outgoing.reason) = (Stage::Received, ack.reason);
                    self.kept.released.push(tag);
                }
                self.release(tag);
            }
            _ => self.end(tag, End::with(ack.reason)),
        }
        Ok(())
    }

    /// PUBLISH.
    pub(crate) fn message(&mut self, publish: Publish) -> Result<(), Violation> {
        let shown = self.kept.incoming.values().filter(|message| message.shown).count();
        let (qos, is_full) = (publish.qos, shown >= self.config.max_inbound.max(1).into());
        let Some(id) = publish.packet_id else {
            self.news.push_back((News::Message(publish), None));
            return Ok(());
        };
        let known = self.kept.incoming.get(&id);
        let is_here = known.is_some_and(|known| known.shown);
        let is_known =
            known.is_some_and(|known| known.qos == qos && (is_here || publish.dup || qos == ExactlyOnce));
        match is_here {
            true if !is_known => return Err(Violation::PacketIdInUse),
            false if is_full => return Err(Violation::ReceiveMaximumExceeded),
            _ => {}
        }
        if !is_known {
            self.messages += 1;
            let (number, told, answer, recorded) = (self.messages, false, None, false);
            let new = Incoming { qos, number, told, answer, recorded, recorded_here: false, shown: true };
            self.kept.incoming.insert(id, new);
        }
        let Some(message) = self.kept.incoming.get_mut(&id) else { return Ok(()) };
        let (number, was_told) = (message.number, replace(&mut message.told, true));
        message.shown = true;
        let order = &mut self.link.order[usize::from(qos == ExactlyOnce)];
        if !order.contains(&(id, number)) {
            order.push_back((id, number));
        }
        let may_tell = qos < ExactlyOnce || self.untold.is_empty() && self.stored().has(Some(number));
        if !was_told {
            let news = if may_tell { &mut self.news } else { &mut self.untold };
            news.push_back((News::Message(publish), Some(number)));
        }
        self.take_turns();
        Ok(())
    }

    /// PUBREL.
    pub(crate) fn released(&mut self, id: PacketId) -> Result<(), Violation> {
        let reason = match self.kept.incoming.get(&id) {
            Some(message) if message.recorded => ReasonCode::Success,
            Some(Incoming { shown: true, qos: ExactlyOnce, .. }) => {
                return Err(Violation::PubrelBeforePubrec);
            }
            Some(Incoming { shown: true, .. }) => return Err(Violation::WrongAcknowledgement),
            _ => ReasonCode::PacketIdentifierNotFound,
        };
        self.kept.incoming.remove(&id);
        let stored = self.stored().incoming.get(&id).filter(|message| message.is_stored());
        let due = Due::Complete(self.ack(AckKind::Pubcomp, id, reason), stored.map(|message| message.number));
        self.link.at_once.push_back(due);
        self.take_turns();
        Ok(())
    }

    /// PUBREL is due.
    fn release(&mut self, tag: Tag) {
        let Some(outgoing) = self.kept.outgoing.get_mut(&tag) else { return };
        outgoing.carried.get_or_insert(0);
        let release = outgoing.publish.packet_id.map(|id| Due::Release(Ack::new(AckKind::Pubrel, id), tag));
        self.link.queue.retain(|due| *due != Due::Publish(tag));
        self.link.at_once.extend(release);
    }

    /// The acknowledgements whose turn it is are due.
    fn take_turns(&mut self) {
        for (kind, place) in [(AckKind::Puback, 0), (AckKind::Pubrec, 1)] {
            while let Some((id, number)) =
                self.link.order[place].front().copied().filter(|_| !self.link.is_sealed)
            {
                let unreleased = self.kept.incoming.values().filter(|message| message.recorded_here).count();
                let is_answered = |stored: &Incoming| stored.number == number && stored.answer.is_some();
                let is_stored = self.stored().incoming.get(&id).is_some_and(is_answered);
                let message = self.kept.incoming.get_mut(&id).filter(|message| message.number == number);
                if let Some(message) = message {
                    let Some(reason) = message.answer else { break };
                    if kind == AckKind::Pubrec && !is_stored {
                        break;
                    } else if kind == AckKind::Puback || reason.is_error() {
                        self.kept.incoming.remove(&id);
                    } else if message.recorded_here || unreleased < self.config.max_unreleased.max(1).into() {
                        (message.recorded, message.recorded_here) = (true, true);
                    } else {
                        break;
                    }
                    let ack = self.ack(kind, id, reason);
                    self.link.at_once.push_back(Due::Packet(ack.into()));
                }
                self.link.order[place].pop_front();
            }
        }
    }
}

/// Looks, and what the others share.
impl Reference {
    /// How many flows are under way, and how many messages wait for the application.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let flows = self.kept.outgoing.values().filter(|outgoing| outgoing.publish.qos > AtMostOnce);
        (flows.count(), self.kept.incoming.values().filter(|message| message.is_open()).count())
    }

    /// The next packet identifier that neither a publish has nor a request.
    pub(crate) fn free_id(&self, is_requested: impl Fn(PacketId) -> bool) -> PacketId {
        let has_id = |id| self.kept.outgoing.values().any(|outgoing| outgoing.publish.packet_id == Some(id));
        let all = (self.kept.last_id..=u16::MAX).skip(1).chain(1..).filter_map(PacketId::new);
        let mut free = all.filter(|id| !is_requested(*id) && !has_id(*id) && !self.kept.barred.contains(id));
        free.next().expect("there are more identifiers than publishes")
    }

    /// What the store has; without one it is as if it had all.
    pub(crate) fn stored(&self) -> &Kept {
        if self.config.durable { &self.stored } else { &self.kept }
    }

    pub(crate) fn has_room(&self) -> bool {
        let carried = |outgoing: &&Outgoing| outgoing.publish.qos > AtMostOnce && outgoing.carried.is_some();
        self.kept.outgoing.values().filter(carried).count() < self.link.window
    }

    pub(crate) fn end(&mut self, tag: Tag, end: End) {
        self.kept.outgoing.remove(&tag);
        self.kept.released.retain(|released| *released != tag);
        self.link.queue.retain(|due| *due != Due::Publish(tag));
        self.news.push_back((News::Ended { tag, end }, None));
    }

    /// 3.1.1 knows no reasons in acknowledgements.
    fn ack(&self, kind: AckKind, id: PacketId, reason: ReasonCode) -> Ack {
        let is_v5 = self.config.version == Version::V5;
        Ack::new(kind, id).with_reason(if is_v5 { reason } else { ReasonCode::Success })
    }
}

impl Link {
    fn takes(&self, publish: &Publish) -> bool {
        self.maximum_qos.is_none_or(|maximum| publish.qos <= maximum)
    }
}
