//! CONNECT and DISCONNECT: who is let in, which session it gets, and what becomes of the session and its will.

use core::num::NonZeroU32;
use std::time::Duration;

use mqtt_codec::{
    Connack, Connect, DecodeError, DecodeErrorKind, Disconnect, Packet, ReasonCode, Text, Version, Will,
};
use mqtt_session::Timestamp;

use super::connection::{Connection, Phase};
use super::instruments::Instruments;
use super::message::Message;
use super::session::SessionId;
use super::{Broker, ConnId, Offence};

impl Broker {
    /// Handles the CONNECT of a new connection.
    pub(super) fn connect(&mut self, now: Timestamp, id: ConnId, connect: Connect) {
        let admitted = self.admit(&connect);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if self.config.versions.contains(&connect.version) {
            connection.set_version(connect.version, &self.config);
        }
        if let Some(limit) = connect.properties.maximum_packet_size() {
            connection.max_packet_size = limit.get();
        }
        let max_aliases = connect.properties.topic_alias_maximum().unwrap_or(0);
        connection.aliases.allow(max_aliases.min(self.config.max_sent_aliases));
        if let Err(Offence { reason, text }) = admitted {
            refuse(now, connection, reason, &text, &mut self.inst);
            return;
        }
        match self.authenticates_by(&connect) {
            Some(method) => self.begin_authentication(now, id, connect, &*method),
            None => self.welcome(now, id, connect),
        }
    }

    /// Lets a client in.
    pub(super) fn welcome(&mut self, now: Timestamp, id: ConnId, mut connect: Connect) {
        let assigned = connect.client_id.is_empty().then(|| self.assign_client_id());
        if let Some(client_id) = &assigned {
            connect.client_id = client_id.clone();
        }
        let (session, present) = self.open_session(now, &connect);
        self.attach(now, id, session, present, assigned, connect);
    }

    /// The connection's first packet can't be read.
    pub(super) fn refuse_unreadable(&mut self, now: Timestamp, id: ConnId, error: &DecodeError) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let wrong_version =
            matches!(error.kind, DecodeErrorKind::ProtocolVersion(_) | DecodeErrorKind::ProtocolName);
        match connection.offered_level {
            // [5.0 MQTT-3.1.2-2], [5.0 MQTT-3.1.4-1]: a CONNACK may say why.
            Some(5..) if self.config.versions.contains(&Version::V5) => {
                connection.set_version(Version::V5, &self.config);
                refuse(now, connection, error.reason_code(), &error.to_string(), &mut self.inst);
            }
            // [3.1.1 MQTT-3.1.2-2]
            Some(_) if wrong_version => {
                refuse(now, connection, ReasonCode::UnsupportedProtocolVersion, "", &mut self.inst);
            }
            // [3.1.1 MQTT-3.1.4-1]: anything else is closed without a CONNACK.
            _ => connection.close(&mut self.inst),
        }
    }

    /// Handles a client's goodbye: the will goes, unless the client asks for it.
    pub(super) fn handle_disconnect(
        &mut self,
        id: ConnId,
        session: SessionId,
        disconnect: &Disconnect,
    ) -> Result<(), Offence> {
        let Some(session) = self.sessions.get_mut(session) else { return Ok(()) };
        if let Some(expiry) = disconnect.properties.session_expiry_interval() {
            if session.expiry == 0 && expiry > 0 {
                return Err(Offence::protocol_error("DISCONNECT sets a session expiry that CONNECT did not"));
            }
            session.expiry = expiry.min(self.config.session_expiry_cap);
        }
        // [3.1.1 MQTT-3.14.4-3] [5.0 MQTT-3.14.4-3]
        if disconnect.reason == ReasonCode::Success {
            session.will = None;
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.close(&mut self.inst);
        }
        Ok(())
    }

    /// The session has lost its connection: its will and its end are due now, later or never.
    pub(super) fn detach(&mut self, now: Timestamp, id: ConnId, session_id: SessionId) {
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        if session.connection != Some(id) {
            return;
        }
        session.connection = None;
        if session.expiry == 0 {
            self.end_session(now, session_id);
            return;
        }
        let ends_at = (session.expiry < u32::MAX).then(|| now + seconds(session.expiry));
        let will_delay = session.will.as_ref().map(|will| will.properties.will_delay_interval().unwrap_or(0));
        // [5.0 MQTT-3.1.2-8]: after the delay or with the session, whatever comes first; the latter is
        // `end_session`'s.
        let will_due = will_delay.map(|delay| now + seconds(delay));
        if will_due == Some(now) {
            self.sessions.set_timers(session_id, None, ends_at);
            self.publish_will(now, session_id);
        } else {
            self.sessions.set_timers(session_id, will_due, ends_at);
        }
    }

    /// A session without connection has reached the end of its will's delay, or its own.
    pub(super) fn handle_session_timer(&mut self, now: Timestamp, session_id: SessionId) {
        let Some(session) = self.sessions.get(session_id) else { return };
        let ends_at = session.ends_at;
        if ends_at.is_some_and(|at| at <= now) {
            self.end_session(now, session_id); // [5.0 MQTT-4.1.0-2]
        } else {
            self.sessions.set_timers(session_id, None, ends_at);
            self.publish_will(now, session_id);
        }
    }

    /// Whether, and if not why, the client is turned away.
    fn admit(&self, connect: &Connect) -> Result<(), Offence> {
        let config = &self.config;
        let no = |reason, text: &str| Err(Offence::new(reason, text));
        if !config.versions.contains(&connect.version) {
            return no(ReasonCode::UnsupportedProtocolVersion, "the protocol version is not spoken here");
        }
        let by_method = connect.properties.authentication_method().is_some();
        if by_method && self.authenticates_by(connect).is_none() {
            return no(ReasonCode::BadAuthenticationMethod, "no such authentication here"); // [5.0 MQTT-4.12.0-1]
        }
        match &connect.username {
            _ if by_method => {}
            None if !config.allow_anonymous => {
                return no(ReasonCode::NotAuthorized, "a user name is required");
            }
            Some(name) if !config.users.is_empty() || !config.allow_anonymous => {
                let password = connect.password.as_ref().map_or(&b""[..], |password| password.as_bytes());
                if config.users.get(name.as_str()).is_none_or(|expected| expected != password) {
                    return no(ReasonCode::BadUserNameOrPassword, "wrong user name or password");
                }
            }
            _ => {}
        }
        if connect.client_id.is_empty() && connect.version == Version::V311 && !connect.clean_start {
            // [3.1.1 MQTT-3.1.3-8]
            return no(
                ReasonCode::ClientIdentifierNotValid,
                "a persistent session needs a client identifier",
            );
        }
        if let Some(will) = &connect.will {
            if will.qos > config.maximum_qos {
                return no(ReasonCode::QoSNotSupported, "the will's QoS is not supported"); // [5.0 MQTT-3.2.2-12]
            }
            if will.retain && !config.retain_available {
                return no(ReasonCode::RetainNotSupported, "a retained will is not supported"); // [5.0 MQTT-3.2.2-13]
            }
            if config.deny_publish.iter().any(|filter| filter.matches(&will.topic)) {
                return no(ReasonCode::NotAuthorized, "the will's topic is forbidden");
            }
        }
        if self.sessions.len() >= config.max_sessions && self.sessions.find(&connect.client_id).is_none() {
            return no(ReasonCode::QuotaExceeded, "too many sessions");
        }
        Ok(())
    }

    /// An identifier that no session has [5.0 MQTT-3.1.3-6].
    fn assign_client_id(&mut self) -> Text {
        loop {
            self.assigned += 1;
            let id = Text::new(format!("assigned-{}", self.assigned)).unwrap_or_default();
            if self.sessions.find(&id).is_none() {
                return id;
            }
        }
    }

    /// Throws out an earlier connection of the client, then finds or begins the session. Says whether it was found.
    fn open_session(&mut self, now: Timestamp, connect: &Connect) -> (SessionId, bool) {
        let client_id = &connect.client_id;
        let earlier =
            self.sessions.find(client_id).and_then(|session| self.sessions.get(session)?.connection);
        if let Some(earlier) = earlier.and_then(|id| self.connections.get_mut(&id)) {
            // [3.1.1 MQTT-3.1.4-2] [5.0 MQTT-3.1.4-3]
            let text = "another connection uses the client identifier";
            earlier.dismiss(now, ReasonCode::SessionTakenOver, text, &mut self.inst);
            self.settle(now);
        }
        match self.sessions.find(client_id) {
            Some(session) if connect.clean_start => self.end_session(now, session), // [MQTT-3.1.2-6], [5.0 MQTT-3.1.2-4]
            Some(session) => return (session, true),
            None => {}
        }
        (self.sessions.create(client_id.clone()), false)
    }

    /// Joins session and connection, accepts the CONNECT, and goes on where the session stopped.
    fn attach(
        &mut self,
        now: Timestamp,
        id: ConnId,
        session_id: SessionId,
        present: bool,
        assigned: Option<Text>,
        connect: Connect,
    ) {
        // A will that waited for its delay is not published [5.0 MQTT-3.1.3-9].
        self.sessions.set_timers(session_id, None, None);
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        let wanted = match connect.version {
            Version::V311 if connect.clean_start => 0,
            Version::V311 => u32::MAX,
            Version::V5 => connect.properties.session_expiry_interval().unwrap_or(0),
        };
        session.connection = Some(id);
        session.expiry =
            if connect.version == Version::V5 { wanted.min(self.config.session_expiry_cap) } else { wanted };
        session.will = connect.will;

        connection.phase = Phase::Ready(session_id);
        connection.client_id = connect.client_id;
        connection.began_session = !present;
        let peer_maximum = connect.properties.receive_maximum().map_or(u16::MAX, |maximum| maximum.get());
        connection.send_quota = peer_maximum.min(self.config.max_in_flight.get()); // [5.0 MQTT-4.9.0-1]
        let server_keep_alive = self.config.server_keep_alive.filter(|_| connect.version == Version::V5);
        let keep_alive = server_keep_alive.unwrap_or(connect.keep_alive);
        connection.silence_limit = (keep_alive > 0).then(|| seconds(keep_alive.into()) * 3 / 2);

        let mut connack = Connack::new(present, ReasonCode::Success);
        if connect.version == Version::V5 {
            let properties = &mut connack.properties;
            if session.expiry != wanted {
                properties.set_session_expiry_interval(session.expiry);
            }
            if let Some(client_id) = assigned {
                properties.set_assigned_client_identifier(&client_id); // [5.0 MQTT-3.1.3-7]
            }
            let asked = connect.properties.request_response_information() == Some(true);
            let information = self.config.response_information.as_ref().filter(|_| asked);
            if let Some(Ok(information)) = information.map(|text| Text::new(text.as_str())) {
                properties.set_response_information(&information);
            }
            self.config.announce(properties);
            if let Some(authentication) = &connection.authentication {
                authentication.sign(&mut connack); // [5.0 MQTT-4.12.0-5]
            }
        }
        let connack = Packet::from(connack);
        if !connection.fits(&connack) {
            // A client that takes no CONNACK can't be accepted: [5.0 MQTT-3.1.2-24].
            connection.close(&mut self.inst);
            return;
        }
        connection.send(now, connack, &mut self.inst);
        session.outbound.resume(now, connection, &mut self.inst);
        session.outbound.pump(now, connection, &mut self.inst);
    }

    /// The session is over: whatever it held is gone, and a will that still waits is published.
    fn end_session(&mut self, now: Timestamp, session_id: SessionId) {
        let Some(session) = self.sessions.remove(session_id) else { return };
        for filter in &session.filters {
            self.subscriptions.remove(session_id, filter);
        }
        if let Some(will) = session.will {
            self.route_will(now, session.client_id, will);
        }
    }

    fn publish_will(&mut self, now: Timestamp, session_id: SessionId) {
        let Some(session) = self.sessions.get_mut(session_id) else { return };
        // [3.1.1 MQTT-3.1.2-10] [5.0 MQTT-3.1.2-10]: taken, so that it is published once.
        if let Some(will) = session.will.take() {
            let client_id = session.client_id.clone();
            self.route_will(now, client_id, will);
        }
    }

    fn route_will(&mut self, now: Timestamp, client_id: Text, will: Will) {
        let message = Message::from_will(now, client_id, will);
        self.inst.stats.count_received(&message.topic);
        self.route(now, &message);
    }
}

impl super::BrokerConfig {
    /// Sets the properties of a CONNACK that tell the client this broker's limits.
    fn announce(&self, properties: &mut mqtt_codec::ConnackProperties) {
        if self.receive_maximum.get() < u16::MAX {
            properties.set_receive_maximum(self.receive_maximum);
        }
        properties.set_maximum_qos(self.maximum_qos); // [5.0 MQTT-3.2.2-9]
        if let Some(limit) = NonZeroU32::new(self.max_packet_size) {
            properties.set_maximum_packet_size(limit);
        }
        if self.topic_alias_maximum > 0 {
            properties.set_topic_alias_maximum(self.topic_alias_maximum);
        }
        if let Some(keep_alive) = self.server_keep_alive {
            properties.set_server_keep_alive(keep_alive);
        }
        if !self.retain_available {
            properties.set_retain_available(false);
        }
        if !self.wildcard_available {
            properties.set_wildcard_subscription_available(false);
        }
        if !self.subscription_identifiers_available {
            properties.set_subscription_identifiers_available(false);
        }
        if !self.shared_available {
            properties.set_shared_subscription_available(false);
        }
    }
}

/// Answers a CONNECT with a refusal and closes; whatever the client sent behind it is ignored [MQTT-3.1.4-5].
/// 3.1.1 has few codes: what it has no word for is closed without one [3.1.1 MQTT-3.2.2-6].
pub(super) fn refuse(
    now: Timestamp,
    connection: &mut Connection,
    reason: ReasonCode,
    text: &str,
    inst: &mut Instruments,
) {
    let reason = match (connection.version, reason) {
        (Version::V311, ReasonCode::QuotaExceeded) => ReasonCode::ServerUnavailable,
        _ => reason,
    };
    let mut connack = Connack::new(false, reason);
    if connection.version == Version::V5
        && let Ok(text) = Text::new(text)
    {
        connack.properties.set_reason_string(&text);
    }
    if !connection.fits(&Packet::from(connack.clone())) {
        connack = Connack::new(false, reason);
    }
    connection.send(now, connack, inst);
    connection.close(inst);
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}
