//! SUBSCRIBE and UNSUBSCRIBE.

use mqtt_codec::{
    PacketId, PacketKind, ReasonCode, RetainHandling, Suback, Subscribe, SubscribeFilter, SubscriptionId,
    TopicFilter, Unsuback, Unsubscribe, Version,
};
use mqtt_session::Timestamp;

use super::connection::Connection;
use super::delivery::Delivery;
use super::instruments::{Instruments, Misdeed};
use super::session::SessionId;
use super::subscriptions::{MAX_LEVELS, Subscription};
use super::{Broker, ConnId, Offence};

impl Broker {
    /// Handles a SUBSCRIBE: its filters in order, as if each had come alone, and one SUBACK [MQTT-3.8.4-4],
    /// [5.0 MQTT-3.8.4-5]. Retained messages follow the SUBACK.
    pub(super) fn subscribe(
        &mut self,
        now: Timestamp,
        id: ConnId,
        session_id: SessionId,
        subscribe: Subscribe,
    ) -> Result<(), Offence> {
        let Some(connection) = self.connections.get(&id) else { return Ok(()) };
        let version = connection.version;
        note_id_in_use(now, connection, subscribe.packet_id, PacketKind::Subscribe, &mut self.inst);
        let identifier = subscribe.properties.subscription_identifier();
        if identifier.is_some() && !self.config.subscription_identifiers_available {
            return Err(Offence::new(
                ReasonCode::SubscriptionIdentifiersNotSupported,
                "subscription identifiers are not supported",
            ));
        }
        let mut reasons = Vec::with_capacity(subscribe.filters.len());
        let mut with_retained = Vec::new();
        for wanted in subscribe.filters {
            match self.check_filter(version, &wanted.filter)? {
                None => {
                    let (reason, send_retained) = self.grant(session_id, &wanted, identifier);
                    reasons.push(reason);
                    if send_retained {
                        with_retained.push(wanted);
                    }
                }
                Some(refused) => reasons.push(refused),
            }
        }
        let suback = Suback::new(subscribe.packet_id, reasons);
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.send(now, suback, &mut self.inst);
        }
        for wanted in with_retained {
            self.send_retained(now, session_id, &wanted, identifier);
        }
        Ok(())
    }

    /// Handles an UNSUBSCRIBE. Deliveries that have started, or are queued, are finished [MQTT-3.10.4-3].
    pub(super) fn unsubscribe(
        &mut self,
        now: Timestamp,
        id: ConnId,
        session_id: SessionId,
        unsubscribe: Unsubscribe,
    ) -> Result<(), Offence> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Some(session) = self.sessions.get_mut(session_id) else { return Ok(()) };
        note_id_in_use(now, connection, unsubscribe.packet_id, PacketKind::Unsubscribe, &mut self.inst);
        let reasons = unsubscribe.filters.iter().map(|filter| {
            // [MQTT-3.10.4-1]: compared character by character.
            session.filters.remove(filter);
            if self.subscriptions.remove(session_id, filter) {
                ReasonCode::Success
            } else {
                ReasonCode::NoSubscriptionExisted
            }
        });
        let unsuback = unsuback(connection.version, unsubscribe.packet_id, reasons.collect());
        connection.send(now, unsuback, &mut self.inst);
        Ok(())
    }

    /// What speaks against a filter: nothing, a code for the SUBACK, or the end of the connection, since in 5.0 a
    /// client may not ask for what the CONNACK ruled out.
    fn check_filter(&self, version: Version, filter: &TopicFilter) -> Result<Option<ReasonCode>, Offence> {
        let config = &self.config;
        let ruled_out = if filter.is_shared() && !config.shared_available {
            Some(ReasonCode::SharedSubscriptionsNotSupported)
        } else if filter.has_wildcards() && !config.wildcard_available {
            Some(ReasonCode::WildcardSubscriptionsNotSupported)
        } else {
            None
        };
        let refused = if config.deny_subscribe.contains(filter) {
            Some(ReasonCode::NotAuthorized)
        } else if filter.levels().count() > MAX_LEVELS {
            Some(ReasonCode::TopicFilterInvalid)
        } else {
            None
        };
        match (version, ruled_out.or(refused)) {
            (Version::V5, _) if let Some(reason) = ruled_out => {
                Err(Offence::new(reason, format!("{filter} asks for what is not supported")))
            }
            (Version::V311, Some(_)) => Ok(Some(ReasonCode::UnspecifiedError)),
            (_, refused) => Ok(refused),
        }
    }

    /// Enters a subscription. Returns the granted QoS, and whether retained messages are due.
    fn grant(
        &mut self,
        session_id: SessionId,
        wanted: &SubscribeFilter,
        identifier: Option<SubscriptionId>,
    ) -> (ReasonCode, bool) {
        let SubscribeFilter { filter, options } = wanted;
        let mut options = *options;
        options.qos = options.qos.min(self.config.maximum_qos);
        if let Some(session) = self.sessions.get_mut(session_id) {
            session.filters.insert(filter.clone());
        }
        let replaced = self.subscriptions.insert(session_id, filter, Subscription { options, identifier });
        let send_retained = match options.retain_handling {
            RetainHandling::SendAtSubscribe => true,
            RetainHandling::SendIfNew => replaced.is_none(),
            RetainHandling::DoNotSend => false,
        };
        (options.qos.into(), send_retained && !filter.is_shared())
    }

    /// Sends what is retained to a subscription that was just made.
    fn send_retained(
        &mut self,
        now: Timestamp,
        session_id: SessionId,
        wanted: &SubscribeFilter,
        identifier: Option<SubscriptionId>,
    ) {
        let granted = wanted.options.qos.min(self.config.maximum_qos);
        let deliveries: Vec<Delivery> = self
            .retained
            .matching(now, &wanted.filter)
            .map(|message| Delivery {
                message: message.clone(),
                qos: message.qos.min(granted),
                retain: true, // [MQTT-3.3.1-8]
                identifiers: identifier.into_iter().collect(),
            })
            .collect();
        for delivery in deliveries {
            self.deliver(now, session_id, delivery);
        }
    }
}

/// Refuses all filters of a SUBSCRIBE by script.
pub(super) fn refuse(
    now: Timestamp,
    connection: &mut Connection,
    subscribe: &Subscribe,
    reason: ReasonCode,
    inst: &mut Instruments,
) {
    let reason = if connection.version == Version::V5 { reason } else { ReasonCode::UnspecifiedError };
    let reasons = vec![reason; subscribe.filters.len()];
    connection.send(now, Suback::new(subscribe.packet_id, reasons), inst);
}

/// Refuses all filters of an UNSUBSCRIBE by script; 3.1.1's UNSUBACK can't say so.
pub(super) fn refuse_unsubscribe(
    now: Timestamp,
    connection: &mut Connection,
    unsubscribe: &Unsubscribe,
    reason: ReasonCode,
    inst: &mut Instruments,
) {
    let reasons = vec![reason; unsubscribe.filters.len()];
    let unsuback = unsuback(connection.version, unsubscribe.packet_id, reasons);
    connection.send(now, unsuback, inst);
}

fn unsuback(version: Version, packet_id: PacketId, mut reasons: Vec<ReasonCode>) -> Unsuback {
    if version == Version::V311 {
        reasons.clear();
    }
    Unsuback::new(packet_id, reasons)
}

/// A client's PUBLISH, SUBSCRIBE and UNSUBSCRIBE draw on one set of packet identifiers.
fn note_id_in_use(
    now: Timestamp,
    connection: &Connection,
    packet_id: PacketId,
    packet: PacketKind,
    inst: &mut Instruments,
) {
    if connection.unacknowledged.contains(&packet_id) {
        connection.violation(now, packet, packet_id, Misdeed::PacketIdInUse, inst);
    }
}
