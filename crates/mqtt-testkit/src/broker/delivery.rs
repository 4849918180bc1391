//! Messages on their way to one client: queued, in flight, acknowledged, and sent again after a reconnect.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use mqtt_codec::{
    Ack, AckKind, PacketId, Publish, PublishProperties, QoS, ReasonCode, SubscriptionId, Version,
};
use mqtt_session::Timestamp;

use super::connection::Connection;
use super::instruments::{Instruments, Misdeed};
use super::message::Message;

/// A message for one receiver.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) message: Arc<Message>,
    /// The smaller of what was published and what was granted.
    pub(super) qos: QoS,
    pub(super) retain: bool,
    /// Subscription identifiers of all the receiver's subscriptions that matched [5.0 MQTT-3.3.4-4].
    pub(super) identifiers: Vec<SubscriptionId>,
}

impl Delivery {
    /// The PUBLISH for a receiver of this version.
    fn packet(&self, now: Timestamp, version: Version, packet_id: Option<PacketId>, dup: bool) -> Publish {
        let Self { message, qos, retain, identifiers } = self;
        let properties = match version {
            Version::V311 => PublishProperties::default(),
            Version::V5 => {
                let mut properties = message.properties.clone();
                if let Some(seconds) = message.remaining_expiry(now) {
                    properties.set_message_expiry_interval(seconds);
                }
                for &identifier in identifiers {
                    properties.add_subscription_identifier(identifier);
                }
                properties
            }
        };
        Publish {
            dup,
            qos: *qos,
            retain: *retain,
            topic: message.topic.clone(),
            packet_id,
            properties,
            payload: message.payload.clone(),
        }
    }
}

/// What a message in flight waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Puback,
    Pubrec,
    Pubcomp,
}

/// A QoS 1 or 2 message that has been sent, and not acknowledged to its end.
#[derive(Debug)]
struct Flight {
    packet_id: PacketId,
    delivery: Delivery,
    stage: Stage,
    /// Whether its PUBLISH went out on the present connection, whose quota it holds.
    sent_here: bool,
}

/// One session's outgoing messages.
#[derive(Debug)]
pub(super) struct Outbound {
    /// QoS 1 and 2 messages that were never sent.
    queue: VecDeque<Delivery>,
    /// In the order in which they were first sent.
    flights: BTreeMap<u64, Flight>,
    by_packet_id: BTreeMap<PacketId, u64>,
    next_flight: u64,
    /// Flights from here on may have to be sent again on the present connection.
    resend_from: u64,
    last_packet_id: PacketId,
}

impl Default for Outbound {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            flights: BTreeMap::new(),
            by_packet_id: BTreeMap::new(),
            next_flight: 0,
            resend_from: 0,
            last_packet_id: PacketId::MAX,
        }
    }
}

/// A client's acknowledgement that fits no message in that stage: a protocol error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WrongAck;

impl Outbound {
    /// Messages that were never sent.
    pub(super) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Messages sent and not acknowledged to their end.
    pub(super) fn in_flight(&self) -> usize {
        self.flights.len()
    }

    pub(super) fn enqueue(&mut self, delivery: Delivery) {
        self.queue.push_back(delivery);
    }

    /// A connection resumes the session: what is in flight is sent again, the PUBRELs of what the client has
    /// received at once, the PUBLISHes in their order as the quota allows [MQTT-4.4.0-1], [MQTT-4.6.0-1].
    pub(super) fn resume(&mut self, now: Timestamp, connection: &mut Connection, inst: &mut Instruments) {
        self.resend_from = 0;
        for flight in self.flights.values_mut() {
            flight.sent_here = false;
            if flight.stage == Stage::Pubcomp {
                connection.send(now, Ack::new(AckKind::Pubrel, flight.packet_id), inst);
            }
        }
    }

    /// Sends what may be sent: first again what an earlier connection left, then what is queued.
    pub(super) fn pump(&mut self, now: Timestamp, connection: &mut Connection, inst: &mut Instruments) {
        while connection.send_quota > 0 && connection.has_room() {
            if !self.resend_next(now, connection, inst) && !self.send_next(now, connection, inst) {
                return;
            }
        }
    }

    /// Sends a QoS 0 message, which waits for nothing; when it can't go now, it is dropped.
    pub(super) fn send_now(
        now: Timestamp,
        delivery: &Delivery,
        connection: &mut Connection,
        max_output: usize,
        inst: &mut Instruments,
    ) {
        let publish = delivery.packet(now, connection.version, None, false).into();
        if connection.waiting() < max_output && connection.fits(&publish) {
            connection.send(now, publish, inst);
            inst.stats.count_delivered(&delivery.message.topic);
        } else {
            inst.stats.dropped += 1;
        }
    }

    /// Handles the client's PUBACK, PUBREC or PUBCOMP.
    pub(super) fn handle_ack(
        &mut self,
        now: Timestamp,
        ack: &Ack,
        connection: &mut Connection,
        inst: &mut Instruments,
    ) -> Result<(), WrongAck> {
        let flight = self.by_packet_id.get(&ack.packet_id).and_then(|seq| self.flights.get_mut(seq));
        let Some(flight) = flight else {
            // Whatever the client refers to has ended; only a PUBREC wants an answer.
            if ack.kind == AckKind::Pubrec && !ack.reason.is_error() {
                connection.send(now, unknown(AckKind::Pubrel, ack.packet_id, connection.version), inst);
            }
            return Ok(());
        };
        if !flight.sent_here && flight.stage != Stage::Pubcomp {
            connection.violation(now, ack.kind.into(), ack.packet_id, Misdeed::AcknowledgedUnseen, inst);
            return Ok(());
        }
        match (ack.kind, flight.stage) {
            (AckKind::Puback, Stage::Puback) | (AckKind::Pubcomp, Stage::Pubcomp) => {
                self.land(ack.packet_id, connection);
            }
            // The flow ends here, and the message counts as delivered [5.0 MQTT-4.4.0-2].
            (AckKind::Pubrec, Stage::Pubrec) if ack.reason.is_error() => {
                self.land(ack.packet_id, connection);
            }
            // A repeated PUBREC says that the PUBREL was not seen.
            (AckKind::Pubrec, Stage::Pubrec | Stage::Pubcomp) => {
                flight.stage = Stage::Pubcomp;
                connection.send(now, Ack::new(AckKind::Pubrel, ack.packet_id), inst);
            }
            _ => return Err(WrongAck),
        }
        Ok(())
    }

    /// Sends the next PUBLISH again that an earlier connection left. False when there is none.
    fn resend_next(&mut self, now: Timestamp, connection: &mut Connection, inst: &mut Instruments) -> bool {
        let unsent = |flight: &Flight| !flight.sent_here && flight.stage != Stage::Pubcomp;
        let next = self.flights.range_mut(self.resend_from..).find(|(_, flight)| unsent(flight));
        let Some((&seq, flight)) = next else {
            self.resend_from = self.next_flight;
            return false;
        };
        self.resend_from = seq + 1;
        let publish = flight.delivery.packet(now, connection.version, Some(flight.packet_id), true).into();
        if connection.fits(&publish) {
            flight.sent_here = true;
            connection.send_quota -= 1;
            connection.send(now, publish, inst);
            inst.stats.resent += 1;
        } else {
            // [5.0 MQTT-3.1.2-25]: as if it had been delivered.
            let packet_id = flight.packet_id;
            self.flights.remove(&seq);
            self.by_packet_id.remove(&packet_id);
            inst.stats.dropped += 1;
        }
        true
    }

    /// Sends the next queued message, or drops it if it can't be sent. False when the queue is empty.
    fn send_next(&mut self, now: Timestamp, connection: &mut Connection, inst: &mut Instruments) -> bool {
        let Some(delivery) = self.queue.pop_front() else { return false };
        let Some(packet_id) = self.free_packet_id() else {
            self.queue.push_front(delivery);
            return false;
        };
        let publish = delivery.packet(now, connection.version, Some(packet_id), false).into();
        // [5.0 MQTT-3.3.2-5] [5.0 MQTT-3.1.2-25]
        if delivery.message.is_expired(now) || !connection.fits(&publish) {
            inst.stats.dropped += 1;
            return true;
        }
        let stage = if delivery.qos == QoS::ExactlyOnce { Stage::Pubrec } else { Stage::Puback };
        inst.stats.count_delivered(&delivery.message.topic);
        self.by_packet_id.insert(packet_id, self.next_flight);
        self.flights.insert(self.next_flight, Flight { packet_id, delivery, stage, sent_here: true });
        self.next_flight += 1;
        self.resend_from = self.next_flight;
        self.last_packet_id = packet_id;
        connection.send_quota -= 1;
        connection.send(now, publish, inst);
        true
    }

    /// The message is delivered; its place in the quota is free again [5.0 MQTT-4.9.0-2].
    fn land(&mut self, packet_id: PacketId, connection: &mut Connection) {
        let flight = self.by_packet_id.remove(&packet_id).and_then(|seq| self.flights.remove(&seq));
        if flight.is_some_and(|flight| flight.sent_here) {
            connection.send_quota += 1;
        }
    }

    /// The next identifier that no flight holds [3.1.1 MQTT-2.3.1-4], [5.0 MQTT-2.2.1-4].
    fn free_packet_id(&self) -> Option<PacketId> {
        let after = (self.last_packet_id.get()..=u16::MAX).skip(1);
        let before = 1..=self.last_packet_id.get();
        after.chain(before).filter_map(PacketId::new).find(|id| !self.by_packet_id.contains_key(id))
    }
}

/// An acknowledgement of an identifier that nothing is known of; 3.1.1 can't say so.
pub(super) fn unknown(kind: AckKind, packet_id: PacketId, version: Version) -> Ack {
    let ack = Ack::new(kind, packet_id);
    match version {
        Version::V311 => ack,
        Version::V5 => ack.with_reason(ReasonCode::PacketIdentifierNotFound),
    }
}
