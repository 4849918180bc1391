//! What may happen: which packets a server may send, which may leave, and what a model knows of its session without being
//! changed by that.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::Duration;

use mqtt_session::codec::QoS::{AtLeastOnce, AtMostOnce, ExactlyOnce};
use mqtt_session::codec::{
    Ack, AckKind, Auth, Connack, Packet, PacketId, PacketKind, Publish, QoS, ReasonCode, TextRef, TopicName,
    Version,
};
use mqtt_session::{Key, Phase, Stage, Tag, Timestamp};

use super::{Due, Incoming, Kept, Link, Model, Wish};

/// What the application may wish, and the server may say.
impl Model {
    /// Whether the application may have this sent now.
    pub(super) fn grants(&self, packet: &Packet) -> bool {
        let (phase, turn, has_method) = (self.phase(), self.link.is_our_turn, self.method().is_some());
        let is_early = matches!(phase, Phase::AwaitConnack | Phase::AwaitAnswer);
        let is_ready = phase == Phase::Ready;
        let may = match packet {
            Packet::Disconnect(_) => is_ready || is_early && has_method,
            Packet::Auth(auth) if auth.reason == ReasonCode::ReAuthenticate => {
                is_ready && has_method && turn.is_none()
            }
            Packet::Auth(_) => (is_ready || is_early) && turn == Some(true),
            Packet::Pingreq => is_ready && self.link.pings.len() < 16,
            Packet::Publish(Publish { packet_id: Some(_), .. }) => {
                is_ready && !self.has_failed && self.counts().0 < self.window()
            }
            _ => is_ready,
        };
        may && self.takes(packet)
    }

    /// Whether a packet breaks a rule. What is wrong with the alias or the identifier of a PUBLISH is found out later.
    pub(super) fn is_out_of_place(&self, packet: &Packet) -> bool {
        let Link { connect: Some(connect), connack, is_our_turn, .. } = &self.link else { return false };
        let is_first = connack.is_none();
        let is_terse = connect.properties.request_problem_information() == Some(false);
        let is_ours = |method| method == connect.properties.authentication_method();
        let wish = self.kept.wishes.values().find(|wish| wish.packet.packet_id() == packet.packet_id());
        match packet {
            Packet::Connack(_) if !is_first => true,
            Packet::Connack(Connack { reason, .. }) if reason.is_error() => false,
            Packet::Connack(Connack { session_present, properties, .. }) => {
                *session_present && connect.clean_start || !is_ours(properties.authentication_method())
            }
            Packet::Auth(Auth { reason, properties }) => {
                let is_last = *reason == ReasonCode::Success;
                let is_named =
                    is_ours(properties.authentication_method()) || is_last && properties.is_empty();
                *is_our_turn != Some(false) || is_first && is_last || !is_named
            }
            Packet::Ack(ack) if is_terse && !ack.properties.is_empty() => true,
            Packet::Ack(Ack { kind: AckKind::Pubrel, packet_id, .. }) => {
                let message = self.kept.incoming.get(packet_id);
                is_first || message.is_some_and(|message| message.shown && !message.recorded)
            }
            Packet::Ack(_) => is_first || wish.is_some_and(|wish| wish.is_flow() && !wish.awaits(packet)),
            Packet::Suback(_) | Packet::Unsuback(_) => !wish.is_some_and(|wish| wish.awaits(packet)),
            _ => is_first,
        }
    }

    /// The next message to be acknowledged, if it may be now.
    pub(super) fn next_answer(&self, qos: QoS) -> Option<(PacketId, ReasonCode)> {
        let messages = || self.kept.incoming.iter().filter(|(_, message)| message.qos == qos);
        let waiting = messages().filter(|(_, message)| message.turn.is_some());
        let (id, message) = waiting.min_by_key(|(_, message)| message.turn)?;
        let reason = message.answer.filter(|_| !self.link.is_sealed)?;
        let stored = self.stored().incoming.get(id).filter(|stored| stored.number == message.number);
        let unreleased = messages().filter(|(_, message)| message.recorded_here).count();
        let has_room = unreleased < self.config.max_unreleased.max(1).into();
        let may_record = reason.is_error() || message.recorded_here || has_room;
        let may_answer = may_record && stored.is_some_and(|stored| stored.answer.is_some());
        (qos == AtLeastOnce || may_answer).then_some((*id, reason))
    }
}

/// What may leave.
impl Model {
    /// What may leave, as it looks then.
    pub(super) fn due(&self, now: Timestamp) -> Vec<Due> {
        let owed = self.link.owed.iter().filter(|(packet, relies_on)| self.is_stored(packet, *relies_on));
        let wishes = self.waiting().filter(|(tag, wish)| self.may_leave(**tag, wish));
        let owed = owed.map(|(packet, _)| (None, packet.clone()));
        owed.chain(wishes.map(|(tag, wish)| (Some(*tag), wish.looks(now)))).collect()
    }

    /// Packets of one line keep their order. What waits for the store may follow what does not.
    pub(super) fn line(&self, (tag, packet): &Due) -> (bool, Option<(PacketKind, bool)>) {
        let is_sorted = tag.is_none() || self.config.durable;
        (tag.is_some(), is_sorted.then(|| (packet.kind(), packet.packet_id().is_some())))
    }

    /// What the application has submitted and is yet to be sent on this connection.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&Tag, &Wish)> {
        let is_open = self.link.connack.is_some() && !self.link.is_sealed;
        self.kept.wishes.iter().filter(move |(_, wish)| is_open && wish.carried.is_none())
    }

    /// Whether the store has the step before this acknowledgement.
    pub(super) fn is_stored(&self, packet: &Packet, relies_on: u64) -> bool {
        let Packet::Ack(Ack { kind, packet_id, .. }) = packet else { return true };
        let is_old = |message: &Incoming| message.is_stored() && message.number <= relies_on;
        let is_there = |kept: &Kept| kept.incoming.get(packet_id).is_some_and(is_old);
        match kind {
            AckKind::Pubrel => {
                self.stored().wishes.get(&relies_on).is_none_or(|flow| flow.stage == Stage::Received)
            }
            AckKind::Pubcomp => !is_there(self.stored()) && !self.writing.as_ref().is_some_and(is_there),
            _ => true,
        }
    }

    /// Whether there is room for it, and the store has what it relies on.
    pub(super) fn may_leave(&self, tag: Tag, wish: &Wish) -> bool {
        let waits = |(other, wish): (&Tag, &Wish)| *other != tag && (!wish.is_flow() || self.has_room());
        match wish.packet {
            Packet::Publish(_) if wish.is_flow() => {
                self.has_room() && self.stored().wishes.contains_key(&tag)
            }
            Packet::Publish(_) => true,
            // It follows all that there is room for, if that can be stored.
            Packet::Disconnect(_) => self.has_failed || !self.waiting().any(waits),
            _ => self.stored().sessions == self.kept.sessions,
        }
    }

    /// Whether the server is able to take it.
    pub(crate) fn takes(&self, packet: &Packet) -> bool {
        let maximum = self.link.connack.as_ref().and_then(|connack| connack.properties.maximum_qos());
        let is_small = |len| len as u64 <= self.max_packet_size();
        packet.encoded_len(self.config.version).is_ok_and(is_small)
            && !matches!(packet, Packet::Publish(publish) if publish.qos > maximum.unwrap_or(ExactlyOnce))
    }

    pub(super) fn max_packet_size(&self) -> u64 {
        let connack = self.link.connack.as_ref();
        let maximum = connack.and_then(|connack| connack.properties.maximum_packet_size());
        maximum.map_or(u64::MAX, |maximum| maximum.get().into())
    }

    pub(super) fn has_room(&self) -> bool {
        self.flows().filter(|flow| flow.carried.is_some()).count() < self.window()
    }

    pub(super) fn window(&self) -> usize {
        let maximum = self.link.connack.as_ref().and_then(|connack| connack.properties.receive_maximum());
        self.config.max_in_flight.max(1).min(maximum.map_or(u16::MAX, NonZeroU16::get)).into()
    }

    pub(super) fn flows(&self) -> impl Iterator<Item = &Wish> {
        self.kept.wishes.values().filter(|wish| wish.is_flow())
    }

    pub(super) fn keep_alive(&self) -> Duration {
        Duration::from_secs(self.link.connect.as_ref().map_or(0, |connect| connect.keep_alive.into()))
    }

    /// Who wants to be authenticated names a method.
    pub(crate) fn method(&self) -> Option<TextRef<'_>> {
        self.link.connect.as_ref().and_then(|connect| connect.properties.authentication_method())
    }

    /// What the store has; without one it is as if it had all.
    pub(super) fn stored(&self) -> &Kept {
        if self.config.durable { &self.stored } else { &self.kept }
    }

    pub(super) fn ack(&self, kind: AckKind, id: PacketId, is_known: bool) -> Ack {
        let has_reason = !is_known && self.config.version == Version::V5;
        let reason = if has_reason { ReasonCode::PacketIdentifierNotFound } else { ReasonCode::Success };
        Ack::new(kind, id).with_reason(reason)
    }

    /// What the client waits for.
    pub(crate) fn phase(&self) -> Phase {
        match self.link {
            Link { connect: None, .. } => Phase::Closed,
            Link { ending: Some(_), .. } => Phase::Closing,
            Link { connack: Some(_), .. } => Phase::Ready,
            Link { is_our_turn: Some(true), .. } => Phase::AwaitAnswer,
            _ => Phase::AwaitConnack,
        }
    }

    /// Whether nothing that comes in matters any more.
    pub(crate) fn is_deaf(&self) -> bool {
        self.link.is_sealed || self.phase() == Phase::Closed
    }

    /// How many flows are under way, and how many messages wait for the application.
    pub(crate) fn counts(&self) -> (usize, usize) {
        (self.flows().count(), self.kept.incoming.values().filter(|message| message.is_open()).count())
    }

    /// The next packet identifier that is not in use.
    pub(crate) fn free_id(&self) -> PacketId {
        let is_used = |id| self.kept.wishes.values().any(|wish| wish.packet.packet_id() == Some(id));
        let mut ids = (self.kept.last_id..=u16::MAX).skip(1).chain(1..).filter_map(PacketId::new);
        ids.find(|id| !is_used(*id) && !self.kept.barred.contains(id)).expect("more identifiers than packets")
    }

    /// Whether the driver has pings to send, or to wait for.
    pub(crate) fn is_pressed(&self) -> bool {
        !self.keep_alive().is_zero() || !self.link.pings.is_empty()
    }
}

impl Kept {
    /// The keys of what is to be stored.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        let flows = || self.wishes.values().filter(|wish| wish.is_flow());
        let ids = flows().filter_map(|flow| flow.packet.packet_id());
        let released =
            flows().filter(|flow| flow.received.is_some()).filter_map(|flow| flow.packet.packet_id());
        let messages = self.incoming.iter().filter(|(_, message)| message.is_stored());
        let messages = messages.map(|(id, _)| Key::Received(*id));
        let barred = self.barred.iter().copied().map(Key::Barred);
        let flows = ids.map(Key::Publish).chain(released.map(Key::Release));
        [Key::Session].into_iter().chain(flows).chain(messages).chain(barred).collect()
    }

    pub(super) fn has(&self, number: Option<u64>) -> bool {
        self.incoming.values().any(|message| Some(message.number) == number && message.is_stored())
    }
}

impl Wish {
    pub(crate) fn qos(&self) -> Option<QoS> {
        match &self.packet {
            Packet::Publish(publish) => Some(publish.qos),
            _ => None,
        }
    }

    pub(crate) fn is_flow(&self) -> bool {
        self.qos() > Some(AtMostOnce)
    }

    /// Whether this packet answers it.
    pub(super) fn awaits(&self, packet: &Packet) -> bool {
        if packet.packet_id() != self.packet.packet_id() {
            return false;
        }
        let (is_sent, is_received) = (self.stage != Stage::Unsent, self.stage == Stage::Received);
        match (&self.packet, packet) {
            (Packet::Publish(publish), Packet::Ack(ack)) => match ack.kind {
                AckKind::Puback => is_sent && publish.qos == AtLeastOnce,
                AckKind::Pubrec => is_sent && publish.qos == ExactlyOnce,
                _ => is_received,
            },
            (Packet::Subscribe(it), Packet::Suback(answer)) => {
                is_sent && it.filters.len() == answer.reasons.len()
            }
            // UNSUBACK of 3.1.1 has no reasons.
            (Packet::Unsubscribe(it), Packet::Unsuback(answer)) => {
                is_sent && (answer.reasons.is_empty() || it.filters.len() == answer.reasons.len())
            }
            _ => false,
        }
    }

    /// With DUP if it was sent before, and what is left of its interval: a begun second counts, and there is at least one.
    pub(super) fn looks(&self, now: Timestamp) -> Packet {
        let Packet::Publish(publish) = &self.packet else { return self.packet.clone() };
        let mut publish = Publish { dup: self.stage == Stage::Sent, ..publish.clone() };
        if let Some(at) = self.expires
            && let Some(interval) = publish.properties.message_expiry_interval()
        {
            let seconds = at.saturating_since(now).as_micros().div_ceil(1_000_000).max(1);
            publish.properties.set_message_expiry_interval(interval.min(seconds as u32));
        }
        publish.into()
    }
}

impl Incoming {
    /// A message that was refused is forgotten before PUBREC says so.
    pub(super) fn is_stored(&self) -> bool {
        self.qos == ExactlyOnce && !self.answer.is_some_and(ReasonCode::is_error)
    }

    /// Whether the application was told, and has not answered.
    pub(super) fn is_open(&self) -> bool {
        self.told && self.answer.is_none()
    }
}

/// Whether it leaves whatever becomes of the store.
pub(super) fn is_certain((tag, packet): &Due) -> bool {
    tag.is_none() && !matches!(packet.kind(), PacketKind::Pubrel | PacketKind::Pubcomp)
}

/// Puts the topic in an alias's place, or learns what it stands for.
pub(super) fn resolve(
    aliases: &mut BTreeMap<u16, TopicName>,
    maximum: u16,
    packet: &mut Packet,
) -> Result<(), ReasonCode> {
    let Packet::Publish(publish) = packet else { return Ok(()) };
    let Some(alias) = publish.properties.topic_alias().map(NonZeroU16::get) else { return Ok(()) };
    if alias > maximum {
        return Err(ReasonCode::TopicAliasInvalid);
    } else if !publish.topic.is_empty() {
        aliases.insert(alias, publish.topic.clone());
    }
    publish.topic = aliases.get(&alias).ok_or(ReasonCode::ProtocolError)?.clone();
    publish.properties.clear_topic_alias();
    Ok(())
}
