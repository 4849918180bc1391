//! [`Outbound`]: the publishes of QoS 1 and 2 that are ours to see through, from submission to the last
//! acknowledgement. This belongs to the session and outlives connections.
//!
//! ```text
//!            submit          encoded                  PUBACK (any reason), PUBREC >= 0x80
//!   (none) ----------> Unsent ------> Sent ----------------------------------------------> ended
//!                                      | PUBREC < 0x80: PUBREL
//!                                      v
//!                                   Released --------------------------------------------> ended
//!                                      PUBCOMP, PUBREC >= 0x80
//! ```
//!
//! A publish whose turn it is when it is submitted is encoded at once. Until that is handed out it counts as Unsent all the
//! same: for an acknowledgement, which would be wrong, for the store, and when the connection ends.

mod records;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;

use mqtt_codec::{AckKind, AckProperties, PacketId, Publish, QoS, ReasonCode};

use crate::held::{HeldPublishes, Place};
use crate::ids::IdTable;
use crate::news::News;
use crate::store::{Batch, Key};
use crate::{LastAck, PublishEnd, Refusal, Stage, Violation};

/// The number of a connection; counts up from 1.
pub(crate) type Epoch = u64;

/// All outgoing flows, and the allocator of packet identifiers.
#[derive(Debug)]
pub(crate) struct Outbound {
    /// The publishes of these flows, and all others that were submitted.
    pub(crate) held: HeldPublishes,
    flows: IdTable<Flow>,
    next_id: PacketId,
    /// Identifiers of QoS 2 flows that were given up between PUBLISH and PUBREC. The server may hold them for
    /// received, and would take a new message for a repetition: they stay out of use as long as the session lives.
    barred: BTreeSet<PacketId>,
    /// Counts submissions and PUBRECs: the two orders that resending has to keep.
    next_order: u64,
    /// What was submitted from here on may be encoded, but nothing of it has been handed out: it is as good as unsent.
    handed_out: u64,
}

/// One publish.
#[derive(Debug)]
struct Flow {
    place: Place,
    qos: QoS,
    order: u64,
    progress: Progress,
    /// The connection that last carried it; 0 = none.
    epoch: Epoch,
    /// What its next packet relies on.
    batch: Batch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Not encoded yet.
    Unsent,
    /// PUBLISH was encoded; PUBACK or PUBREC is awaited.
    Sent,
    /// PUBREC came, PUBCOMP is awaited.
    Released {
        /// PUBRELs follow the order of PUBRECs [MQTT-4.6.0-4].
        order: u64,
        /// What PUBREC said.
        reason: ReasonCode,
    },
}

/// A place in the order of sending. It names the submission besides the identifier, which may have been given to
/// another publish meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) packet_id: PacketId,
    order: u64,
}

/// What a PUBREC leads to.
#[derive(Debug)]
pub(crate) enum Pubrec {
    /// PUBREL is to be sent.
    Release {
        /// The flow had not been on this connection yet.
        first_seen: bool,
        /// What PUBREL relies on.
        batch: Batch,
    },
    /// The flow is over; the connection that last carried it.
    Ended(Epoch),
    /// There is no such flow.
    Unknown,
}

/// What to send on a new connection to the old session.
#[derive(Debug, Default)]
pub(crate) struct Resumption {
    /// PUBRELs, in order of their PUBRECs, and what they rely on.
    pub(crate) releases: Vec<(PacketId, Batch)>,
    /// PUBLISHes, in their original order [MQTT-4.6.0-1].
    pub(crate) publishes: VecDeque<Turn>,
    /// Those that follow, and that the store has yet to keep.
    pub(crate) unstored: Vec<(Turn, Batch)>,
}

impl Outbound {
    pub(crate) const fn new() -> Self {
        Self {
            held: HeldPublishes::new(),
            flows: IdTable::new(),
            next_id: PacketId::MIN,
            barred: BTreeSet::new(),
            next_order: 0,
            handed_out: 0,
        }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.flows.len()
    }

    /// A count that goes up with each submission.
    #[inline]
    pub(crate) fn submitted(&self) -> u64 {
        self.next_order
    }

    /// The latest publish, if it was submitted after the count was `since`, and is encoded and unanswered on this connection.
    #[inline]
    pub(crate) fn latest_sent(&self, epoch: Epoch, since: u64) -> Option<Turn> {
        if since == self.next_order {
            return None;
        }
        let packet_id = preceding(self.next_id);
        let flow = self.flows.get(packet_id)?;
        (flow.order >= since && flow.epoch == epoch).then_some(Turn { packet_id, order: flow.order })
    }

    /// Whether a publish was sent, and neither PUBACK nor PUBREC has come.
    #[inline]
    pub(crate) fn awaits_answer(&self, turn: Turn) -> bool {
        let flow = self.flows.get(turn.packet_id);
        flow.is_some_and(|flow| flow.order == turn.order && flow.progress == Progress::Sent)
    }

    /// The identifier for the next publish or request: one that neither has [MQTT-2.2.1-3].
    #[inline]
    pub(crate) fn free_id(&self, held_by_request: impl Fn(PacketId) -> bool) -> Option<PacketId> {
        let first = self.flows.next_free(self.next_id)?;
        if held_by_request(first) || self.is_barred(first) {
            return self.next_id_behind(first, held_by_request);
        }
        Some(first)
    }

    /// The same behind one that is not free, once round.
    #[cold]
    fn next_id_behind(
        &self,
        first: PacketId,
        held_by_request: impl Fn(PacketId) -> bool,
    ) -> Option<PacketId> {
        let mut id = first;
        while held_by_request(id) || self.is_barred(id) {
            id = self.flows.next_free(following(id))?;
            if id == first {
                return None;
            }
        }
        Some(id)
    }

    /// The identifier is in use from now on.
    #[inline]
    pub(crate) fn take_id(&mut self, id: PacketId) {
        self.next_id = following(id);
    }

    /// Begins a flow, whose publish carries its packet identifier; and what the store has to keep before it is sent.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        packet_id: PacketId,
        qos: QoS,
        place: Place,
        news: &mut News,
    ) -> (Turn, Batch) {
        self.take_id(packet_id);
        let batch = news.journal.touch(Key::Publish(packet_id));
        let order = self.count();
        let flow = Flow { place, qos, order, progress: Progress::Unsent, epoch: 0, batch };
        self.flows.insert_if_free(packet_id, || flow);
        (Turn { packet_id, order }, batch)
    }

    /// Begins a flow whose publish is encoded at once, to be handed out on this connection.
    #[inline]
    pub(crate) fn begin_sent(&mut self, packet_id: PacketId, qos: QoS, place: Place, epoch: Epoch) {
        self.take_id(packet_id);
        let order = self.count();
        let flow = Flow { place, qos, order, progress: Progress::Sent, epoch, batch: 0 };
        self.flows.insert_if_free(packet_id, || flow);
    }

    /// All that is encoded has been handed out.
    #[inline]
    pub(crate) fn hand_out(&mut self) {
        self.handed_out = self.next_order;
    }

    /// The connection is gone: what was not handed out is unsent.
    pub(crate) fn take_back(&mut self) {
        if self.handed_out == self.next_order {
            return;
        }
        let ids: Vec<_> = self.flows.iter().map(|(packet_id, _)| packet_id).collect();
        for packet_id in ids {
            if let Some(flow) = self.flows.get_mut(packet_id).filter(|flow| flow.is_unsent(self.handed_out)) {
                (flow.progress, flow.epoch) = (Progress::Unsent, 0);
            }
        }
        self.hand_out();
    }

    /// The publish whose turn it is, marked as sent on this connection, and as a repetition if it is one
    /// [MQTT-3.3.1-1]. `None` if its flow has ended, or gone on on this connection, since; and if it ends now, because it
    /// was never sent and has expired. What was sent is seen through [MQTT-4.3.3-7].
    #[inline]
    pub(crate) fn send(&mut self, turn: Turn, epoch: Epoch, news: &mut News) -> Option<Place> {
        let flow = self.flows.get_mut(turn.packet_id)?;
        if flow.order != turn.order || flow.epoch == epoch {
            return None;
        }
        let place = flow.place;
        if flow.progress == Progress::Unsent && self.held.has_expired(place, news.now()) {
            self.end(turn.packet_id, PublishEnd::Expired, news);
            return None;
        }
        let publish = self.held.get_mut(flow.place);
        publish.dup = flow.progress == Progress::Sent;
        flow.progress = Progress::Sent;
        flow.epoch = epoch;
        Some(place)
    }

    /// PUBACK ends a flow of QoS 1, whatever its reason: the connection that last carried it. `None`: there is no
    /// such flow, which is not an error.
    #[inline(always)]
    pub(crate) fn puback(
        &mut self,
        packet_id: PacketId,
        reason: ReasonCode,
        properties: Option<Box<AckProperties>>,
        news: &mut News,
    ) -> Result<Option<Epoch>, Violation> {
        let sent = |flow: &Flow| {
            flow.expect_sent(QoS::AtLeastOnce, self.handed_out).map(|()| (flow.place, flow.epoch))
        };
        let Some((place, epoch)) = self.flows.end_if(packet_id, sent)? else { return Ok(None) };
        news.journal.touch(Key::Publish(packet_id));
        news.tell_acknowledged(place, LastAck { kind: AckKind::Puback, packet_id, reason, properties });
        Ok(Some(epoch))
    }

    /// PUBREC ends a flow of QoS 2 with an error [MQTT-4.4.0-2], or takes it on to PUBREL [MQTT-4.3.3-4].
    #[inline]
    pub(crate) fn pubrec(
        &mut self,
        packet_id: PacketId,
        reason: ReasonCode,
        properties: Option<Box<AckProperties>>,
        epoch: Epoch,
        news: &mut News,
    ) -> Result<Pubrec, Violation> {
        let order = self.next_order;
        let Some(flow) = self.flows.get_mut(packet_id) else { return Ok(Pubrec::Unknown) };
        flow.expect_sent(QoS::ExactlyOnce, self.handed_out)?;
        if reason.is_error() {
            let (place, epoch) = (flow.place, flow.epoch);
            self.remove(packet_id, news);
            news.tell_acknowledged(place, LastAck { kind: AckKind::Pubrec, packet_id, reason, properties });
            return Ok(Pubrec::Ended(epoch));
        }
        let first_seen = flow.epoch != epoch;
        flow.epoch = epoch;
        if flow.progress == Progress::Sent {
            flow.progress = Progress::Released { order, reason };
            flow.batch = news.journal.touch(Key::Release(packet_id));
            self.next_order += 1;
        }
        Ok(Pubrec::Release { first_seen, batch: flow.batch })
    }

    /// PUBCOMP ends a flow of QoS 2: the connection that last carried it. `None`: there is no such flow, which is
    /// not an error.
    ///
    /// Its one error, 0x92, says that the server has forgotten a message which it had confirmed by PUBREC: it is
    /// delivered nevertheless.
    #[inline]
    pub(crate) fn pubcomp(
        &mut self,
        packet_id: PacketId,
        properties: Option<Box<AckProperties>>,
        news: &mut News,
    ) -> Result<Option<Epoch>, Violation> {
        let released = |flow: &Flow| {
            flow.expect_released(self.handed_out).map(|reason| (flow.place, flow.epoch, reason))
        };
        let Some((place, epoch, reason)) = self.flows.end_if(packet_id, released)? else { return Ok(None) };
        news.journal.touch(Key::Publish(packet_id));
        news.journal.touch(Key::Release(packet_id));
        news.tell_acknowledged(place, LastAck { kind: AckKind::Pubcomp, packet_id, reason, properties });
        Ok(Some(epoch))
    }

    /// The server has kept the session: what to send again, in which order. What is not `allowed` any more has
    /// come to its end.
    pub(crate) fn resume(
        &mut self,
        epoch: Epoch,
        allowed: impl Fn(&Publish) -> Result<(), Refusal>,
        news: &mut News,
    ) -> Resumption {
        let mut releases = Vec::new();
        let mut publishes = Vec::new();
        let mut forbidden = Vec::new();
        for (packet_id, flow) in self.flows.iter() {
            let turn = Turn { packet_id, order: flow.order };
            if let Progress::Released { order, .. } = flow.progress {
                releases.push((order, packet_id, flow.batch));
            } else if let Err(refusal) = allowed(self.held.get(flow.place)) {
                forbidden.push((turn, refusal));
            } else {
                publishes.push((turn, flow.batch));
            }
        }
        releases.sort_unstable_by_key(|(order, ..)| *order);
        publishes.sort_unstable_by_key(|(turn, _)| turn.order);
        forbidden.sort_unstable_by_key(|(turn, _)| turn.order);
        for (_, packet_id, _) in &releases {
            if let Some(flow) = self.flows.get_mut(*packet_id) {
                flow.epoch = epoch;
            }
        }
        for (turn, refusal) in forbidden {
            self.forbid(turn.packet_id, refusal, news);
        }
        let releases = releases.into_iter().map(|(_, packet_id, batch)| (packet_id, batch)).collect();
        // Publishes are stored in the order in which they were submitted.
        let stored = publishes.partition_point(|(_, batch)| news.journal.is_stored(*batch));
        let unstored = publishes.split_off(stored);
        Resumption { releases, publishes: publishes.into_iter().map(|(turn, _)| turn).collect(), unstored }
    }

    /// Ends a flow that can't be carried on.
    pub(crate) fn forbid(&mut self, packet_id: PacketId, refusal: Refusal, news: &mut News) {
        let flow = self.flows.get(packet_id);
        if flow.is_some_and(|flow| flow.progress == Progress::Sent && flow.qos == QoS::ExactlyOnce) {
            self.barred.insert(packet_id);
            news.journal.touch(Key::Barred(packet_id));
        }
        self.end(packet_id, PublishEnd::Forbidden(refusal), news);
    }

    /// The server has no session: all flows are lost, and told in the order in which they were submitted.
    pub(crate) fn lose(&mut self, news: &mut News) {
        for packet_id in core::mem::take(&mut self.barred) {
            news.journal.touch(Key::Barred(packet_id));
        }
        let ids: Vec<_> = self.flows.iter().map(|(packet_id, _)| packet_id).collect();
        let mut flows: Vec<_> =
            ids.into_iter().filter_map(|packet_id| self.remove(packet_id, news)).collect();
        flows.sort_unstable_by_key(|flow| flow.order);
        for flow in flows {
            news.tell_lost(flow.place, flow.stage());
        }
    }

    /// Ends a flow without a word of the server's.
    fn end(&mut self, packet_id: PacketId, result: PublishEnd, news: &mut News) -> Option<Epoch> {
        let Flow { place, epoch, .. } = self.remove(packet_id, news)?;
        news.tell_end(place, result);
        Some(epoch)
    }

    #[inline]
    fn remove(&mut self, packet_id: PacketId, news: &mut News) -> Option<Flow> {
        let flow = self.flows.remove(packet_id)?;
        news.journal.touch(Key::Publish(packet_id));
        if let Progress::Released { .. } = flow.progress {
            news.journal.touch(Key::Release(packet_id));
        }
        Some(flow)
    }

    #[inline]
    fn is_barred(&self, id: PacketId) -> bool {
        !self.barred.is_empty() && self.barred.contains(&id)
    }

    fn count(&mut self) -> u64 {
        let order = self.next_order;
        self.next_order += 1;
        order
    }
}

impl Flow {
    fn stage(&self) -> Stage {
        match self.progress {
            Progress::Unsent => Stage::Unsent,
            Progress::Sent => Stage::Sent,
            Progress::Released { .. } => Stage::Received,
        }
    }

    /// PUBCOMP fits only a publish of QoS 2 after PUBREC, whose reason it was.
    #[inline]
    fn expect_released(&self, handed_out: u64) -> Result<ReasonCode, Violation> {
        match self.progress {
            Progress::Released { reason, .. } => Ok(reason),
            _ if self.qos != QoS::ExactlyOnce || !self.is_unsent(handed_out) => {
                Err(Violation::WrongAcknowledgement)
            }
            Progress::Unsent | Progress::Sent => Err(Violation::UnsentAcknowledged),
        }
    }

    /// An acknowledgement fits only a publish of its QoS that has been sent.
    #[inline]
    fn expect_sent(&self, qos: QoS, handed_out: u64) -> Result<(), Violation> {
        if self.qos != qos {
            Err(Violation::WrongAcknowledgement)
        } else if self.is_unsent(handed_out) {
            Err(Violation::UnsentAcknowledged)
        } else {
            Ok(())
        }
    }

    /// Whether nothing of it has been handed out, encoded or not.
    #[inline]
    fn is_unsent(&self, handed_out: u64) -> bool {
        match self.progress {
            Progress::Unsent => true,
            Progress::Sent => self.order >= handed_out,
            Progress::Released { .. } => false,
        }
    }
}

fn following(id: PacketId) -> PacketId {
    PacketId::new(id.get().wrapping_add(1)).unwrap_or(PacketId::MIN)
}

fn preceding(id: PacketId) -> PacketId {
    PacketId::new(id.get() - 1).unwrap_or(PacketId::MAX)
}

#[cfg(test)]
mod tests {
    use mqtt_codec::TopicName;

    use super::*;
    use crate::Config;

    fn id(number: u16) -> PacketId {
        PacketId::new(number).unwrap()
    }

    fn publish(packet_id: u16) -> Publish {
        let topic = TopicName::from_static("t").unwrap();
        Publish { qos: QoS::ExactlyOnce, packet_id: Some(id(packet_id)), ..Publish::new(topic, "") }
    }

    fn begin(outbound: &mut Outbound, packet_id: u16, news: &mut News) -> Turn {
        let (place, _) = outbound.held.hold(0, publish(packet_id));
        outbound.begin(id(packet_id), QoS::ExactlyOnce, place, news).0
    }

    #[test]
    fn a_turn_is_void_when_its_identifier_was_given_to_another_publish() {
        let (mut outbound, mut news) = (Outbound::new(), News::new(&Config::default()));
        let old = begin(&mut outbound, 1, &mut news);
        outbound.end(id(1), PublishEnd::Written, &mut news);
        let new = begin(&mut outbound, 1, &mut news);
        assert_eq!(outbound.send(old, 1, &mut news), None);
        let place = outbound.send(new, 1, &mut news).unwrap();
        assert_eq!(outbound.held.get(place), &publish(1));
        assert_eq!(outbound.send(new, 1, &mut news), None, "once on each connection");
        assert_eq!(outbound.send(new, 2, &mut news), Some(place));
        assert_eq!(outbound.held.get(place), &Publish { dup: true, ..publish(1) });
    }

    #[test]
    fn an_identifier_is_barred_until_the_server_loses_the_session() {
        let (mut outbound, mut news) = (Outbound::new(), News::new(&Config::default()));
        let turn = begin(&mut outbound, 1, &mut news);
        begin(&mut outbound, 2, &mut news);
        outbound.send(turn, 1, &mut news);
        outbound.forbid(id(1), Refusal::RetainNotSupported, &mut news);
        outbound.forbid(id(2), Refusal::RetainNotSupported, &mut news);
        let first_free = |outbound: &mut Outbound| {
            outbound.next_id = PacketId::MIN;
            outbound.free_id(|_| false)
        };
        assert_eq!(
            first_free(&mut outbound),
            Some(id(2)),
            "what was never sent is no secret of the server's"
        );
        outbound.lose(&mut news);
        assert_eq!(first_free(&mut outbound), Some(id(1)));
    }

    #[test]
    fn the_search_for_an_identifier_ends_when_there_is_none() {
        let outbound = Outbound::new();
        assert_eq!(outbound.free_id(|_| true), None);
        assert_eq!(outbound.free_id(|candidate| candidate != id(65_535)), Some(id(65_535)));
    }
}
