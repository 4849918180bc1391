//! What comes in: which packet it is, and whose business.
//!
//! The usual ones are dealt with where they lie, many in one go: [acknowledgements](Connection::receive_acks) and
//! [messages](Connection::receive_publishes).

use alloc::boxed::Box;
use alloc::sync::Arc;

use bytes::{Buf, BytesMut};
use mqtt_codec::{
    Ack, AckKind, AckProperties, Packet, PacketId, PacketKind, PublishShape, ReasonCode, Suback, TopicName,
    Unsuback,
};

use crate::connection::{Connection, Kept};
use crate::handshake;
use crate::inbound::Shown;
use crate::news::News;
use crate::outbound::{Epoch, Pubrec};
use crate::trace::PayloadStart;
use crate::{
    Direction, DisconnectCause, Event, Inbound, InboundPublish, PacketTrace, ProtocolError, Violation,
};

/// A message that was parsed and is still in the input.
struct Message {
    shape: PublishShape,
    /// What an alias stands for, where the packet does not say it.
    topic: Option<Arc<TopicName>>,
    shown: Shown,
}

impl Connection {
    /// Takes the first packet off the input, if all of it is there, or several of a kind up to about `limit` bytes; how many
    /// bytes that were.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        input: &mut BytesMut,
        limit: usize,
        kept: &mut Kept,
        news: &mut News,
    ) -> Result<usize, ProtocolError> {
        let Some(&first_byte) = input.first() else { return Ok(0) };
        let mut taken = 0;
        if self.limits.is_some() {
            taken = self.receive_acks(input, limit, kept, news)?;
            if taken == 0 {
                taken = self.receive_publishes(input, limit, kept, news)?;
            }
        }
        if taken == 0 {
            taken = self.receive_other(first_byte, input, kept, news)?;
        }
        if self.wire.is_clogged() {
            self.cut(DisconnectCause::PeerNotReading, news);
        }
        Ok(taken)
    }

    /// Takes the acknowledgements of the shortest form off the front of the input, but no more than `limit` bytes of them:
    /// how many bytes that were.
    #[inline]
    fn receive_acks(
        &mut self,
        input: &mut BytesMut,
        limit: usize,
        kept: &mut Kept,
        news: &mut News,
    ) -> Result<usize, ProtocolError> {
        let mut taken = 0;
        let mut handled = Ok(());
        while taken < limit
            && let Some((kind, packet_id)) = self.decoder.shortest_ack(&input[taken..])
        {
            record(kind.into(), input[taken], Ack::SHORTEST_LEN, Some(packet_id), |_| (None, None), news);
            taken += Ack::SHORTEST_LEN;
            handled = self.acknowledged(kind, packet_id, ReasonCode::Success, None, kept, news);
            if handled.is_err() {
                break;
            }
        }
        if taken > 0 {
            input.advance(taken);
        }
        handled.map(|()| taken)
    }

    /// Takes PUBLISHes off the front of the input: those that are simply to be told in one piece, and no more than one that
    /// is not. How many bytes that were, of no more than `limit` in front of the last one.
    #[inline]
    fn receive_publishes(
        &mut self,
        input: &mut BytesMut,
        limit: usize,
        kept: &mut Kept,
        news: &mut News,
    ) -> Result<usize, ProtocolError> {
        let mut run = 0;
        let last = loop {
            match self.message(&input[run..], kept, news) {
                Ok(Some(Message { shape, topic, shown: Shown::New(token) })) => {
                    news.add_to_run(shape, topic, token);
                    run += shape.packet_len();
                    if run >= limit {
                        break Ok(None);
                    }
                }
                last => break last,
            }
        };
        if run > 0 {
            news.tell_run(input.split_to(run).freeze());
        }
        let Some(Message { shape, topic, shown }) = last? else { return Ok(run) };
        let frame = shape.frame(input.split_to(shape.packet_len()).freeze());
        if let Shown::Unstored(token, batch) = shown {
            let publish = InboundPublish::new(frame, topic);
            kept.inbound.hold(Inbound { publish, token: Some(token) }, batch);
        }
        Ok(run + shape.packet_len())
    }

    /// The message at the front of the input, if all of it is there.
    #[inline(always)]
    fn message(
        &mut self,
        input: &[u8],
        kept: &mut Kept,
        news: &mut News,
    ) -> Result<Option<Message>, ProtocolError> {
        let Some((publish, shape)) = self.decoder.peek_publish(input)? else { return Ok(None) };
        let resolved = match publish.properties.topic_alias() {
            None => Ok(None),
            Some(alias) => self.aliases.resolve(&publish, alias),
        };
        let contents = |limit| {
            let topic = match &resolved {
                Ok(Some(topic)) => TopicName::clone(topic),
                _ => publish.to_topic(),
            };
            (Some(topic), PayloadStart::of(publish.payload.as_bytes(), limit))
        };
        record(PacketKind::Publish, input[0], shape.packet_len(), publish.packet_id, contents, news);
        let blame = |violation| ProtocolError::new(violation, PacketKind::Publish);
        let topic = resolved.map_err(blame)?;
        let shown = match publish.packet_id {
            None => Shown::New(None),
            Some(packet_id) => {
                let (qos, dup) = (publish.qos, publish.dup);
                let (order, wire) = (&mut self.ack_order, &mut self.wire);
                kept.inbound.publish(packet_id, qos, dup, order, wire, news).map_err(blame)?
            }
        };
        Ok(Some(Message { shape, topic, shown }))
    }

    /// Takes the first packet off the input, if all of it is there, in the long way that serves every kind: how many bytes
    /// that were.
    #[inline(never)]
    fn receive_other(
        &mut self,
        first_byte: u8,
        input: &mut BytesMut,
        kept: &mut Kept,
        news: &mut News,
    ) -> Result<usize, ProtocolError> {
        let start = input.len();
        if self.limits.is_none()
            && let Some(connack) = handshake::refused_by_v311_server(self.terms.version, input)
        {
            self.refused(connack, news);
            input.clear();
            return Ok(start);
        }
        let Some(packet) = self.decoder.decode_from(input)? else { return Ok(0) };
        let taken = start - input.len();
        record(packet.kind(), first_byte, taken, packet.packet_id(), |_| (None, None), news);
        self.check_explanation(&packet)?;
        if self.limits.is_some() {
            self.exchange(packet, kept, news)?;
        } else {
            self.open_with(packet, kept, news)?;
        }
        Ok(taken)
    }

    /// Any other packet of an accepted connection.
    fn exchange(&mut self, packet: Packet, kept: &mut Kept, news: &mut News) -> Result<(), ProtocolError> {
        match packet {
            Packet::Ack(Ack { kind, packet_id, reason, properties }) => {
                let properties = (!properties.is_empty()).then(|| Box::new(properties));
                self.acknowledged(kind, packet_id, reason, properties, kept, news)
            }
            Packet::Suback(Suback { packet_id, .. }) | Packet::Unsuback(Unsuback { packet_id, .. })
                if self.send_queue.has_unsent_request(packet_id) =>
            {
                Err(ProtocolError::new(Violation::UnknownRequest, packet.kind()))
            }
            Packet::Suback(suback) => self.requests.suback(suback, news),
            Packet::Unsuback(unsuback) => self.requests.unsuback(unsuback, self.terms.version, news),
            Packet::Pingresp => {
                // One that nobody asked for harms nobody.
                if let Some(ping) = self.keep_alive.answered() {
                    let round_trip = news.now().saturating_since(ping.written_at.unwrap_or(news.now()));
                    news.round_trip = Some(round_trip);
                    news.tell(Event::Pong { tag: ping.tag, round_trip });
                }
                Ok(())
            }
            Packet::Disconnect(disconnect) => {
                self.cut(DisconnectCause::ByPeer(disconnect), news);
                Ok(())
            }
            Packet::Auth(auth) => self.auth(auth, news),
            Packet::Connack(_) => Err(ProtocolError::new(Violation::SecondConnack, PacketKind::Connack)),
            // PUBLISHes are taken before, and the decoder lets none of the others pass from a server.
            Packet::Connect(_)
            | Packet::Publish(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::Pingreq => Err(ProtocolError::new(Violation::ExpectedConnack, packet.kind())),
        }
    }

    /// One of the four acknowledgements of QoS 1 and 2.
    #[inline(always)]
    fn acknowledged(
        &mut self,
        kind: AckKind,
        packet_id: PacketId,
        reason: ReasonCode,
        properties: Option<Box<AckProperties>>,
        kept: &mut Kept,
        news: &mut News,
    ) -> Result<(), ProtocolError> {
        let outbound = &mut kept.outbound;
        let handled = match kind {
            AckKind::Puback => {
                outbound.puback(packet_id, reason, properties, news).map(|ended| self.discharge(ended))
            }
            AckKind::Pubrec => {
                let received = outbound.pubrec(packet_id, reason, properties, self.epoch, news);
                received.map(|received| self.answer_pubrec(received, packet_id, reason, news))
            }
            AckKind::Pubrel => kept.inbound.pubrel(packet_id, &mut self.ack_order, &mut self.wire, news),
            AckKind::Pubcomp => {
                outbound.pubcomp(packet_id, properties, news).map(|ended| self.discharge(ended))
            }
        };
        handled.map_err(|violation| ProtocolError::new(violation, kind.into()))
    }

    /// Does what PUBREC leads to.
    #[inline]
    fn answer_pubrec(&mut self, received: Pubrec, packet_id: PacketId, reason: ReasonCode, news: &mut News) {
        match received {
            Pubrec::Ended(epoch) => self.send_queue.discharge(epoch),
            Pubrec::Release { first_seen, batch } => {
                if first_seen {
                    self.send_queue.charge();
                }
                self.wire.stage_ack_when_stored(batch, AckKind::Pubrel, packet_id, ReasonCode::Success, news);
            }
            Pubrec::Unknown if reason.is_error() => {}
            Pubrec::Unknown => {
                // In the order of PUBRECs, though it relies on nothing [MQTT-4.6.0-4].
                let reason = ReasonCode::PacketIdentifierNotFound;
                self.wire.stage_ack_when_stored(0, AckKind::Pubrel, packet_id, reason, news);
            }
        }
    }

    /// The flow that ended, if one did, makes room for another, if that connection carried it.
    #[inline]
    fn discharge(&mut self, ended: Option<Epoch>) {
        if let Some(epoch) = ended {
            self.send_queue.discharge(epoch);
        }
    }

    fn check_explanation(&self, packet: &Packet) -> Result<(), ProtocolError> {
        if !self.terms.problem_information && explains_itself(packet) {
            return Err(ProtocolError::new(Violation::UnwantedProblemInformation, packet.kind()));
        }
        Ok(())
    }
}

/// Whether a packet carries what Request Problem Information = 0 keeps out of it [MQTT-3.1.2-29].
fn explains_itself(packet: &Packet) -> bool {
    match packet {
        Packet::Ack(ack) => {
            ack.properties.reason_string().is_some() || ack.properties.user_properties().next().is_some()
        }
        Packet::Suback(suback) => {
            suback.properties.reason_string().is_some()
                || suback.properties.user_properties().next().is_some()
        }
        Packet::Unsuback(unsuback) => {
            unsuback.properties.reason_string().is_some()
                || unsuback.properties.user_properties().next().is_some()
        }
        Packet::Auth(auth) => {
            auth.properties.reason_string().is_some() || auth.properties.user_properties().next().is_some()
        }
        _ => false,
    }
}

#[inline(always)]
fn record(
    kind: PacketKind,
    first_byte: u8,
    len: usize,
    packet_id: Option<PacketId>,
    contents: impl FnOnce(usize) -> (Option<TopicName>, Option<PayloadStart>),
    news: &mut News,
) {
    let at = news.now();
    news.trace.push(|limit| {
        let (topic, payload) = contents(limit);
        PacketTrace {
            direction: Direction::Inbound,
            at,
            kind,
            len,
            flags: first_byte & 0x0f,
            packet_id,
            topic,
            payload,
        }
    });
}
