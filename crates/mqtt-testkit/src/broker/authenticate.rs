//! Enhanced authentication (5.0 section 4.12), as the broker has it: a method, its dialogues, and whose turn it is.

use core::fmt;
use std::sync::Arc;

use mqtt_codec::{Auth, AuthProperties, Binary, Connack, Connect, ReasonCode, Text};
use mqtt_session::Timestamp;

use super::connection::Phase;
use super::{Broker, ConnId, Offence, connect};

/// A method of enhanced authentication, the server's side; see [`BrokerConfig`](crate::BrokerConfig).
pub trait AuthMethod: fmt::Debug + Send + Sync {
    /// The Authentication Method.
    fn name(&self) -> &str;

    /// A new exchange.
    fn begin(&self) -> Box<dyn AuthDialogue>;
}

/// The server's side of one exchange.
pub trait AuthDialogue: fmt::Debug + Send {
    /// What the client said, and what is to be done about it.
    fn next(&mut self, data: &[u8]) -> AuthReply;
}

/// What a server makes of a client's word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthReply {
    /// It asks on, with AUTH 0x18 and this data.
    Challenge(Vec<u8>),
    /// It is convinced, and says so with this data.
    Accept(Vec<u8>),
    /// It is not convinced.
    Refuse(ReasonCode),
    /// It does not answer.
    Silence,
}

/// Of a connection whose CONNECT named the method.
#[derive(Debug)]
pub(super) struct Authentication {
    method: Text,
    dialogue: Option<Box<dyn AuthDialogue>>,
    /// Kept until the client is let in.
    connect: Option<Box<Connect>>,
    /// What was said last.
    last: Vec<u8>,
}

impl Authentication {
    fn auth(&self, reason: ReasonCode, data: Vec<u8>) -> Auth {
        let mut properties = AuthProperties::default().with_authentication_method(&self.method);
        if let Ok(data) = Binary::new(data)
            && !data.is_empty()
        {
            properties.set_authentication_data(&data);
        }
        Auth::new(reason, properties)
    }

    /// Adds to a CONNACK by which method, and with which last words, the client was let in.
    pub(super) fn sign(&self, connack: &mut Connack) {
        connack.properties.set_authentication_method(&self.method);
        if let Ok(last) = Binary::new(self.last.clone())
            && !last.is_empty()
        {
            connack.properties.set_authentication_data(&last);
        }
    }
}

impl Broker {
    /// The method that a CONNECT names, if there is one of that name here.
    pub(super) fn authenticates_by(&self, connect: &Connect) -> Option<Arc<dyn AuthMethod>> {
        let named = connect.properties.authentication_method()?;
        self.config.authentication.clone().filter(|method| method.name() == named.as_str())
    }

    /// Begins the exchange, before the client is let in.
    pub(super) fn begin_authentication(
        &mut self,
        now: Timestamp,
        id: ConnId,
        connect: Connect,
        method: &dyn AuthMethod,
    ) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let mut dialogue = method.begin();
        let reply = dialogue.next(connect.properties.authentication_data().unwrap_or_default());
        if let Phase::AwaitConnect { deadline } = connection.phase {
            connection.phase = Phase::Authenticating { deadline };
        }
        connection.authentication = Some(Authentication {
            method: Text::new(method.name()).unwrap_or_default(),
            dialogue: Some(dialogue),
            connect: Some(Box::new(connect)),
            last: Vec::new(),
        });
        self.reply(now, id, reply);
    }

    /// Handles an AUTH, of a client that waits to be let in, or of one that is in.
    pub(super) fn authenticate(&mut self, now: Timestamp, id: ConnId, auth: &Auth) -> Result<(), Offence> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Some(authentication) = &mut connection.authentication else {
            // [5.0 MQTT-4.12.0-7]
            return Err(Offence::protocol_error("AUTH without an authentication method"));
        };
        // [5.0 MQTT-4.12.0-5], [5.0 MQTT-4.12.1-1]
        if auth.properties.authentication_method() != Some(authentication.method.view()) {
            return Err(Offence::protocol_error("AUTH with another authentication method"));
        }
        let begins = auth.reason == ReasonCode::ReAuthenticate;
        if begins {
            if authentication.dialogue.is_some() {
                return Err(Offence::protocol_error("AUTH 0x19 before the end of another exchange"));
            }
            authentication.dialogue = self.config.authentication.as_ref().map(|method| method.begin());
        }
        let Some(dialogue) = &mut authentication.dialogue else {
            return Err(Offence::protocol_error("AUTH that was not asked for"));
        };
        let reply = dialogue.next(auth.properties.authentication_data().unwrap_or_default());
        self.reply(now, id, reply);
        Ok(())
    }

    fn reply(&mut self, now: Timestamp, id: ConnId, reply: AuthReply) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        let Some(authentication) = &mut connection.authentication else { return };
        match reply {
            AuthReply::Silence => {}
            AuthReply::Challenge(data) => {
                let challenge = authentication.auth(ReasonCode::ContinueAuthentication, data); // [5.0 MQTT-4.12.0-2]
                connection.send(now, challenge, &mut self.inst);
            }
            AuthReply::Accept(last) => {
                authentication.dialogue = None;
                match authentication.connect.take() {
                    Some(connect) => {
                        authentication.last = last;
                        self.welcome(now, id, *connect);
                    }
                    None => {
                        let success = authentication.auth(ReasonCode::Success, last);
                        connection.send(now, success, &mut self.inst);
                    }
                }
            }
            AuthReply::Refuse(reason) => match authentication.connect {
                Some(_) => connect::refuse(now, connection, reason, "not convinced", &mut self.inst), // [5.0 MQTT-4.12.0-4]
                None => connection.dismiss(now, reason, "not convinced", &mut self.inst), // [5.0 MQTT-4.12.1-2]
            },
        }
    }
}
