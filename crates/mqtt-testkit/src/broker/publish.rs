//! Messages from clients, and their way to every session that subscribed.

use std::sync::Arc;

use mqtt_codec::{Ack, AckKind, PacketId, PacketKind, Publish, QoS, ReasonCode, SubscriptionId, Version};
use mqtt_session::Timestamp;

use super::connection::Connection;
use super::delivery::{Delivery, Outbound, WrongAck, unknown};
use super::instruments::{Instruments, Misdeed};
use super::message::Message;
use super::session::{Session, SessionId};
use super::subscriptions::Hit;
use super::{Broker, ConnId, Offence};

impl Broker {
    /// Handles a client's PUBLISH.
    pub(super) fn publish(
        &mut self,
        now: Timestamp,
        id: ConnId,
        session_id: SessionId,
        mut publish: Publish,
    ) -> Result<(), Offence> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Some(session) = self.sessions.get_mut(session_id) else { return Ok(()) };
        connection.aliases.resolve(&mut publish, self.config.topic_alias_maximum)?;
        if publish.qos > self.config.maximum_qos {
            return Err(Offence::new(
                ReasonCode::QoSNotSupported,
                format!("{} is not supported", publish.qos),
            ));
        }
        if publish.retain && !self.config.retain_available {
            return Err(Offence::new(ReasonCode::RetainNotSupported, "retained messages are not supported"));
        }
        if let Some(packet_id) = publish.packet_id {
            note_misdeeds(now, connection, session, &publish, packet_id, &mut self.inst);
            let held =
                connection.unacknowledged.len() - usize::from(connection.unacknowledged.contains(&packet_id));
            if connection.version == Version::V5 && held >= usize::from(self.config.receive_maximum.get()) {
                return Err(Offence::new(
                    ReasonCode::ReceiveMaximumExceeded,
                    format!("more than {} unacknowledged messages", self.config.receive_maximum),
                ));
            }
            connection.unacknowledged.insert(packet_id);
            // Until the PUBREL this is the same message again, whatever it looks like: [5.0 MQTT-4.3.3-10].
            if publish.qos == QoS::ExactlyOnce && session.unreleased.contains(&packet_id) {
                connection.send(now, Ack::new(AckKind::Pubrec, packet_id), &mut self.inst);
                return Ok(());
            }
        }

        let (qos, packet_id, version) = (publish.qos, publish.packet_id, connection.version);
        let publisher = session.client_id.clone();
        let reason = self.take_over(now, publisher, publish);
        let Some(packet_id) = packet_id else { return Ok(()) };
        // [3.1.1 MQTT-3.3.5-2]: 3.1.1 has no way to say no, so its answer is the usual one.
        let reason = if version == Version::V5 { reason } else { ReasonCode::Success };
        let kind = if qos == QoS::ExactlyOnce { AckKind::Pubrec } else { AckKind::Puback };
        if kind == AckKind::Pubrec
            && !reason.is_error()
            && let Some(session) = self.sessions.get_mut(session_id)
        {
            session.unreleased.insert(packet_id);
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.send(now, Ack::new(kind, packet_id).with_reason(reason), &mut self.inst);
        }
        Ok(())
    }

    /// Handles a client's PUBACK, PUBREC, PUBREL or PUBCOMP.
    pub(super) fn acknowledge(
        &mut self,
        now: Timestamp,
        id: ConnId,
        session_id: SessionId,
        ack: &Ack,
    ) -> Result<(), Offence> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Some(session) = self.sessions.get_mut(session_id) else { return Ok(()) };
        if ack.kind == AckKind::Pubrel {
            let pubcomp = if session.unreleased.remove(&ack.packet_id) {
                Ack::new(AckKind::Pubcomp, ack.packet_id)
            } else {
                unknown(AckKind::Pubcomp, ack.packet_id, connection.version)
            };
            connection.send(now, pubcomp, &mut self.inst);
            return Ok(());
        }
        session.outbound.handle_ack(now, ack, connection, &mut self.inst).map_err(|WrongAck| {
            Offence::protocol_error(format!(
                "{:?} {} is not what the message waits for",
                ack.kind, ack.packet_id
            ))
        })?;
        session.outbound.pump(now, connection, &mut self.inst);
        Ok(())
    }

    /// Hands a message to every session that subscribed to its topic, and keeps it if it is to be retained.
    /// Returns whether anybody had subscribed.
    pub(super) fn route(&mut self, now: Timestamp, message: &Arc<Message>) -> bool {
        if message.retain {
            if self.retained.has_room_for(now, message, self.config.max_retained) {
                self.retained.store(message);
            } else {
                self.inst.stats.dropped += 1;
            }
        }
        let mut hits = core::mem::take(&mut self.hits);
        let sessions = &self.sessions;
        self.subscriptions.matching(&message.topic, &|session| sessions.is_connected(session), &mut hits);
        // Each session gets one copy of what its own subscriptions match, and one of each share.
        hits.sort_by_key(|hit| (hit.session, hit.shared));
        for group in hits.chunk_by(|a, b| a.session == b.session && !b.shared) {
            self.deliver_matching(now, message, group);
        }
        let matched = !hits.is_empty();
        hits.clear();
        self.hits = hits;
        matched
    }

    /// Delivers one copy to a session for all these subscriptions of it.
    fn deliver_matching(&mut self, now: Timestamp, message: &Arc<Message>, hits: &[Hit]) {
        let Some(session) = hits.first().map(|hit| hit.session) else { return };
        let is_publisher = self.sessions.get(session).is_some_and(|s| s.client_id == message.publisher);
        // [5.0 MQTT-3.8.3-3]
        let heard =
            hits.iter().map(|hit| &hit.subscription).filter(|s| !(s.options.no_local && is_publisher));
        // [MQTT-3.3.5-1], [5.0 MQTT-3.3.4-2]: the highest granted QoS counts.
        let Some(granted) = heard.clone().map(|s| s.options.qos).max() else { return };
        let identifiers: Vec<SubscriptionId> = heard.clone().filter_map(|s| s.identifier).collect();
        let as_published = heard.clone().any(|s| s.options.retain_as_published);
        let delivery = Delivery {
            message: Arc::clone(message),
            qos: message.qos.min(granted),
            retain: message.retain && as_published,
            identifiers,
        };
        self.deliver(now, session, delivery);
    }

    /// Sends a message to a session, or queues it.
    pub(super) fn deliver(&mut self, now: Timestamp, session_id: SessionId, delivery: Delivery) {
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let connection = session.connection.and_then(|id| self.connections.get_mut(&id));
        if delivery.qos == QoS::AtMostOnce {
            if let Some(connection) = connection {
                Outbound::send_now(now, &delivery, connection, self.config.max_output, &mut self.inst);
            }
            return;
        }
        if session.outbound.queued() >= self.config.max_queued {
            self.inst.stats.dropped += 1;
            return;
        }
        session.outbound.enqueue(delivery);
        if let Some(connection) = connection {
            session.outbound.pump(now, connection, &mut self.inst);
        }
    }

    /// Takes responsibility for a message, or says why not.
    fn take_over(&mut self, now: Timestamp, publisher: mqtt_codec::Text, publish: Publish) -> ReasonCode {
        if self.config.deny_publish.iter().any(|filter| filter.matches(&publish.topic)) {
            return ReasonCode::NotAuthorized;
        }
        let message = Message::from_publish(now, publisher, publish);
        if message.retain
            && message.qos > QoS::AtMostOnce
            && !self.retained.has_room_for(now, &message, self.config.max_retained)
        {
            return ReasonCode::QuotaExceeded;
        }
        self.inst.stats.count_received(&message.topic);
        if self.route(now, &message) { ReasonCode::Success } else { ReasonCode::NoMatchingSubscribers }
    }
}

/// Refuses a PUBLISH of QoS 1 or 2 by script.
pub(super) fn refuse(
    now: Timestamp,
    connection: &mut Connection,
    publish: &Publish,
    reason: ReasonCode,
    inst: &mut Instruments,
) {
    if let Some(packet_id) = publish.packet_id {
        let kind = if publish.qos == QoS::ExactlyOnce { AckKind::Pubrec } else { AckKind::Puback };
        connection.send(now, Ack::new(kind, packet_id).with_reason(reason), inst);
    }
}

/// Notes what a well-behaved client never does with DUP and packet identifiers.
fn note_misdeeds(
    now: Timestamp,
    connection: &Connection,
    session: &Session,
    publish: &Publish,
    packet_id: PacketId,
    inst: &mut Instruments,
) {
    let held_here = connection.unacknowledged.contains(&packet_id);
    let held_before = publish.qos == QoS::ExactlyOnce && session.unreleased.contains(&packet_id);
    let misdeed = match (held_here, publish.dup) {
        (true, false) => Misdeed::PacketIdInUse,
        (true, true) if connection.version == Version::V5 => Misdeed::ResentOnLiveConnection,
        (false, false) if held_before => Misdeed::ResentWithoutDup,
        (false, true) if connection.began_session => Misdeed::DupOnFirstSend,
        _ => return,
    };
    connection.violation(now, PacketKind::Publish, packet_id, misdeed, inst);
}
