//! What the application may ask of an accepted connection, and which limits stand in its way.

use alloc::vec::Vec;

use mqtt_codec::{
    Auth, AuthProperties, Disconnect, EncodeError, PacketId, Publish, QoS, Subscribe, SubscribeFilter,
    SubscribeProperties, TopicFilter, Unsubscribe, UnsubscribeProperties,
};

use crate::connection::Connection;
use crate::held::Place;
use crate::news::News;
use crate::outbound::Outbound;
use crate::requests::RequestKind;
use crate::wire::HIGH_WATER;
use crate::{Batch, BatchForm, Command, Limits, Refusal, Rejected, Tag};

/// Bytes that wait to be written when a publish of QoS 1 or 2 is encoded as it is submitted: those of a window of a thousand
/// small ones. It is held until it is acknowledged, so nothing of it is lost with the connection.
const MOST_AHEAD: usize = 2 * HIGH_WATER;

impl Connection {
    /// Takes a command, or gives it back.
    #[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
    #[inline]
    pub(crate) fn submit(
        &mut self,
        command: Command,
        outbound: &mut Outbound,
        news: &mut News,
    ) -> Result<(), Rejected<Command>> {
        match command {
            Command::Publish { tag, publish } => self.publish(tag, publish, outbound, news),
            command => self.submit_other(command, outbound, news),
        }
    }

    /// Takes a publish: encodes it if its turn is now and nothing about it needs a second look, else queues it.
    #[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
    #[inline]
    fn publish(
        &mut self,
        tag: Tag,
        publish: Publish,
        outbound: &mut Outbound,
        news: &mut News,
    ) -> Result<(), Rejected<Command>> {
        let Some(limits) = self.limits.as_ref().filter(|_| !self.is_ending()) else {
            return reject_publish(tag, publish, Refusal::NotReady);
        };
        let packet_id = match self.find_room(publish.qos, outbound, news) {
            Ok(packet_id) => packet_id,
            Err(refusal) => return reject_publish(tag, publish, refusal),
        };
        let turn_is_now = self.send_queue.has_turn_now() && self.wire.waiting() < MOST_AHEAD;
        let ahead = turn_is_now && !news.journal.is_durable() && limits.allow_plain(&publish);
        let (qos, original) = (publish.qos, (publish.packet_id, publish.dup));
        let (place, publish) = outbound.held.hold(tag, publish);
        (publish.packet_id, publish.dup) = (packet_id, false);
        match packet_id {
            Some(packet_id) if ahead => {
                let encoded = self.wire.encode_ahead(publish, news);
                debug_assert!(encoded.is_ok(), "a plain publish can be encoded: {encoded:?}");
                self.send_queue.charge();
                outbound.begin_sent(packet_id, qos, place, self.epoch);
                Ok(())
            }
            _ => self.queue_publish(place, original, outbound, news),
        }
    }

    /// Queues a publish that is held, or gives it back as it was.
    #[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
    #[inline(never)]
    fn queue_publish(
        &mut self,
        place: Place,
        original: (Option<PacketId>, bool),
        outbound: &mut Outbound,
        news: &mut News,
    ) -> Result<(), Rejected<Command>> {
        let publish = outbound.held.get(place);
        let (qos, packet_id) = (publish.qos, publish.packet_id);
        let size = match self
            .limits
            .as_ref()
            .ok_or(Refusal::NotReady)
            .and_then(|limits| limits.check_publish(publish))
        {
            Ok(size) => size,
            Err(refusal) => {
                let (tag, mut publish) = outbound.held.give_back(place);
                (publish.packet_id, publish.dup) = original;
                return reject_publish(tag, publish, refusal);
            }
        };
        if let Some(seconds) = publish.properties.message_expiry_interval() {
            outbound.held.begin_to_age(place, seconds);
        }
        match packet_id {
            None => self.send_queue.push_qos0(place, size),
            Some(packet_id) => {
                let begun = outbound.begin(packet_id, qos, place, news);
                self.send_queue.push_flow(begun, news);
            }
        }
        Ok(())
    }

    #[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
    #[inline(never)]
    fn submit_other(
        &mut self,
        command: Command,
        outbound: &mut Outbound,
        news: &mut News,
    ) -> Result<(), Rejected<Command>> {
        if self.limits.is_none() || self.is_ending() {
            return self.submit_early(command, news);
        }
        match command {
            Command::Publish { tag, publish } => self.publish(tag, publish, outbound, news),
            Command::Subscribe { tag, filters, properties } => {
                self.subscribe(tag, filters, properties, outbound, news)
            }
            Command::Unsubscribe { tag, filters, properties } => {
                self.unsubscribe(tag, filters, properties, outbound, news)
            }
            Command::Ping { tag } if self.has_room() && self.accepts_ping() => {
                self.ping(Some(tag), news);
                Ok(())
            }
            Command::Ping { .. } => Err(Rejected { value: command, refusal: Refusal::Busy }),
            Command::Reauthenticate(properties) => {
                let auth = self.authentication.anew(&properties);
                self.authenticate(auth, news)
                    .map_err(|refusal| Rejected { value: Command::Reauthenticate(properties), refusal })
            }
            Command::AnswerChallenge(properties) => self.answer_challenge(properties, news),
            Command::Disconnect(disconnect) => self.disconnect(disconnect, news),
        }
    }

    /// Encodes a publish of QoS 0 at once; the count of bytes of the connection at its end.
    #[inline]
    pub(crate) fn send(&mut self, publish: &Publish, news: &mut News) -> Result<u64, Refusal> {
        let Some(limits) = self.limits.as_ref().filter(|_| !self.is_ending()) else {
            return Err(Refusal::NotReady);
        };
        if !self.takes_plain() {
            return Err(Refusal::Busy);
        }
        limits.check_publish(publish)?;
        self.wire.stage_publish(publish, news)?;
        Ok(self.wire.staged_end())
    }

    /// Encodes a publish of QoS 0 for later.
    #[inline]
    pub(crate) fn encode(&self, publish: &Publish, batch: &mut Batch) -> Result<(), Refusal> {
        let Some(limits) = self.limits.as_ref().filter(|_| !self.is_ending()) else {
            return Err(Refusal::NotReady);
        };
        if self.wire.uses_aliases() || !batch.is_for(self.epoch) {
            return Err(Refusal::Busy);
        }
        if !limits.allow_plain(publish) {
            limits.check_publish(publish)?;
        }
        batch.append(self.epoch, limits.version, publish)?;
        Ok(())
    }

    /// How publishes of QoS 0 are encoded for later, if they can be.
    pub(crate) fn batch_form(&self) -> Option<BatchForm> {
        let limits = self.limits.as_ref().filter(|_| !self.is_ending() && !self.wire.uses_aliases())?;
        Some(BatchForm { epoch: self.epoch, limits: limits.plain() })
    }

    /// Sends what was encoded for this connection; the count of bytes of the connection at its end.
    pub(crate) fn send_batch(&mut self, batch: &mut Batch, news: &mut News) -> Result<u64, Refusal> {
        if self.limits.is_none() || self.is_ending() || !batch.is_for(self.epoch) {
            return Err(Refusal::NotReady);
        }
        if !self.takes_plain() {
            return Err(Refusal::Busy);
        }
        self.wire.stage_batch(batch.bytes(), news);
        Ok(self.wire.staged_end())
    }

    /// Takes a command before the server has accepted: of a client that authenticates by a method of its own, only AUTH
    /// and DISCONNECT [MQTT-3.1.2-30]; of any other, none.
    #[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
    fn submit_early(&mut self, command: Command, news: &mut News) -> Result<(), Rejected<Command>> {
        match command {
            Command::AnswerChallenge(properties) if !self.is_ending() => {
                self.answer_challenge(properties, news)
            }
            Command::Disconnect(disconnect) if !self.is_ending() && self.authentication.has_method() => {
                self.disconnect(disconnect, news)
            }
            _ => Err(Rejected { value: command, refusal: Refusal::NotReady }),
        }
    }

    /// Whether publishes of QoS 0, requests and pings are taken now.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.wire.waiting() + self.send_queue.queued_bytes() < HIGH_WATER
    }

    /// Whether there is room for publishes that are encoded as they come: what was submitted before goes first.
    #[inline]
    fn takes_plain(&self) -> bool {
        self.has_room() && self.send_queue.is_empty() && self.wire.has_none_ahead()
    }

    /// How many flows of QoS 1 and 2 may begin now.
    pub(crate) fn publish_room(&self, outbound: &Outbound) -> usize {
        self.send_queue.window().saturating_sub(outbound.len())
    }

    /// The packet identifier for a publish of this QoS, if there is room for one.
    #[inline]
    fn find_room(&self, qos: QoS, outbound: &Outbound, news: &News) -> Result<Option<PacketId>, Refusal> {
        match qos {
            QoS::AtMostOnce if self.has_room() => Ok(None),
            QoS::AtMostOnce => Err(Refusal::Busy),
            QoS::AtLeastOnce | QoS::ExactlyOnce if news.journal.has_failed() => Err(Refusal::StoreFailed),
            QoS::AtLeastOnce | QoS::ExactlyOnce if outbound.len() < self.send_queue.window() => {
                self.free_id(outbound).map(Some)
            }
            QoS::AtLeastOnce | QoS::ExactlyOnce => Err(Refusal::WindowFull),
        }
    }

    #[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
    fn subscribe(
        &mut self,
        tag: Tag,
        filters: Vec<SubscribeFilter>,
        properties: SubscribeProperties,
        outbound: &mut Outbound,
        news: &News,
    ) -> Result<(), Rejected<Command>> {
        let mut packet = Subscribe { packet_id: PacketId::MIN, properties, filters };
        let admitted = self.limits.as_ref().ok_or(Refusal::NotReady).and_then(|limits| {
            limits.check_subscribe(&packet.filters, &packet.properties)?;
            self.admit_request(limits, packet.encoded_len(limits.version), outbound)
        });
        match admitted {
            Ok((packet_id, size)) => {
                packet.packet_id = packet_id;
                self.requests.insert(packet_id, tag, RequestKind::Subscribe, packet.filters.len());
                outbound.take_id(packet_id);
                self.send_queue.push_request(packet.into(), size, news);
                Ok(())
            }
            Err(refusal) => {
                let Subscribe { filters, properties, .. } = packet;
                Err(Rejected { value: Command::Subscribe { tag, filters, properties }, refusal })
            }
        }
    }

    #[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
    fn unsubscribe(
        &mut self,
        tag: Tag,
        filters: Vec<TopicFilter>,
        properties: UnsubscribeProperties,
        outbound: &mut Outbound,
        news: &News,
    ) -> Result<(), Rejected<Command>> {
        let mut packet = Unsubscribe { packet_id: PacketId::MIN, properties, filters };
        let admitted = self
            .limits
            .as_ref()
            .ok_or(Refusal::NotReady)
            .and_then(|limits| self.admit_request(limits, packet.encoded_len(limits.version), outbound));
        match admitted {
            Ok((packet_id, size)) => {
                packet.packet_id = packet_id;
                self.requests.insert(packet_id, tag, RequestKind::Unsubscribe, packet.filters.len());
                outbound.take_id(packet_id);
                self.send_queue.push_request(packet.into(), size, news);
                Ok(())
            }
            Err(refusal) => {
                let Unsubscribe { filters, properties, .. } = packet;
                Err(Rejected { value: Command::Unsubscribe { tag, filters, properties }, refusal })
            }
        }
    }

    /// The packet identifier and the size of a request, whose length does not depend on the identifier.
    fn admit_request(
        &self,
        limits: &Limits,
        size: Result<usize, EncodeError>,
        outbound: &Outbound,
    ) -> Result<(PacketId, usize), Refusal> {
        if !self.has_room() {
            return Err(Refusal::Busy);
        }
        let size = limits.check_size(size)?;
        Ok((self.free_id(outbound)?, size))
    }

    #[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
    fn answer_challenge(
        &mut self,
        properties: AuthProperties,
        news: &mut News,
    ) -> Result<(), Rejected<Command>> {
        let auth = self.authentication.answer(&properties);
        self.authenticate(auth, news)
            .map_err(|refusal| Rejected { value: Command::AnswerChallenge(properties), refusal })
    }

    fn authenticate(&mut self, auth: Result<Auth, Refusal>, news: &mut News) -> Result<(), Refusal> {
        let auth = auth?;
        self.check_size(auth.encoded_len(self.terms.version))?;
        self.wire.stage(&auth.into(), news);
        self.authentication.sent();
        Ok(())
    }

    #[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
    fn disconnect(&mut self, disconnect: Disconnect, news: &mut News) -> Result<(), Rejected<Command>> {
        match self.admit_disconnect(&disconnect) {
            Ok(()) => {
                self.bid_farewell(disconnect, news);
                Ok(())
            }
            Err(refusal) => Err(Rejected { value: Command::Disconnect(disconnect), refusal }),
        }
    }

    fn admit_disconnect(&self, disconnect: &Disconnect) -> Result<(), Refusal> {
        let size = Command::check_disconnect(self.terms.version, self.terms.session_expiry, disconnect)?;
        self.check_size(Ok(size))
    }

    /// Whether a packet may be sent, as far as the server has said.
    fn check_size(&self, size: Result<usize, EncodeError>) -> Result<(), Refusal> {
        match &self.limits {
            Some(limits) => limits.check_size(size).map(drop),
            None => Ok(size.map(drop)?),
        }
    }

    #[inline]
    fn free_id(&self, outbound: &Outbound) -> Result<PacketId, Refusal> {
        outbound.free_id(|packet_id| self.requests.holds(packet_id)).ok_or(Refusal::NoPacketId)
    }
}

#[expect(clippy::result_large_err, reason = "what is refused comes back by value, without an allocation")]
#[cold]
#[inline(never)]
fn reject_publish(tag: Tag, publish: Publish, refusal: Refusal) -> Result<(), Rejected<Command>> {
    Err(Rejected { value: Command::Publish { tag, publish }, refusal })
}
