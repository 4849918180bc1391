//! [`Authentication`]: whose turn it is in an exchange of AUTH packets (5.0 section 4.12).
//!
//! ```text
//!   CONNECT with a method                                  Reauthenticate: AUTH 0x19
//!             \                                                   |
//!              v      AUTH 0x18: Challenged                       v
//!           Server  --------------------------->  Client       Server ...the same again, until
//!              |    <---------------------------               AUTH 0x00: Reauthenticated
//!              |      AnswerChallenge: AUTH 0x18
//!              v
//!           Nobody: CONNACK, Success
//! ```

use mqtt_codec::{Auth, AuthProperties, Connack, PacketKind, ReasonCode, Text, TextRef};

use crate::{Event, ProtocolError, Refusal, Violation};

/// The authentication of one connection.
#[derive(Debug)]
pub(crate) struct Authentication {
    /// What CONNECT named, and every packet of the exchange has to name [MQTT-4.12.0-5].
    method: Option<Text>,
    turn: Turn,
}

/// Who has to say the next word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// No exchange is under way.
    Nobody,
    Server,
    Client,
}

impl Authentication {
    /// CONNECT is the first word if it names a method.
    pub(crate) fn new(method: Option<Text>) -> Self {
        let turn = if method.is_some() { Turn::Server } else { Turn::Nobody };
        Self { method, turn }
    }

    pub(crate) fn has_method(&self) -> bool {
        self.method.is_some()
    }

    /// Whether a challenge of the server has no answer yet.
    pub(crate) fn awaits_answer(&self) -> bool {
        self.turn == Turn::Client
    }

    /// AUTH came in, before the server has accepted the connection or after. What it means.
    pub(crate) fn received(&mut self, auth: Auth, accepted: bool) -> Result<Event, ProtocolError> {
        let wrong = |violation| Err(ProtocolError::new(violation, PacketKind::Auth));
        if self.method.is_none() {
            return wrong(Violation::UnexpectedAuthentication);
        }
        // Only the client begins anew, and only CONNACK ends what CONNECT has begun.
        let ends = auth.reason == ReasonCode::Success;
        if self.turn != Turn::Server || (ends && !accepted) {
            return wrong(Violation::AuthenticationOutOfTurn);
        }
        // The empty AUTH, which section 3.15.2.1 allows, names no other method.
        let is_empty = ends && auth.properties.is_empty();
        if !is_empty && !self.is_method(auth.properties.authentication_method()) {
            return wrong(Violation::AuthenticationMethod);
        }
        if ends {
            self.turn = Turn::Nobody;
            Ok(Event::Reauthenticated(auth))
        } else {
            self.turn = Turn::Client;
            Ok(Event::Challenged(auth))
        }
    }

    /// A CONNACK that accepts the connection came in: the exchange is over.
    pub(crate) fn accepted(&mut self, connack: &Connack) -> Result<(), ProtocolError> {
        let named = connack.properties.authentication_method();
        let violation = match (&self.method, named) {
            (None, Some(_)) => Violation::UnexpectedAuthentication,
            (Some(_), _) if !self.is_method(named) => Violation::AuthenticationMethod,
            _ => {
                self.turn = Turn::Nobody;
                return Ok(());
            }
        };
        Err(ProtocolError::new(violation, PacketKind::Connack))
    }

    /// The AUTH that answers the server's challenge [MQTT-4.12.0-3].
    pub(crate) fn answer(&self, properties: &AuthProperties) -> Result<Auth, Refusal> {
        let auth = self.auth(ReasonCode::ContinueAuthentication, properties)?;
        if self.turn == Turn::Client { Ok(auth) } else { Err(Refusal::NoChallenge) }
    }

    /// The AUTH that begins another exchange [MQTT-4.12.1-1].
    pub(crate) fn anew(&self, properties: &AuthProperties) -> Result<Auth, Refusal> {
        let auth = self.auth(ReasonCode::ReAuthenticate, properties)?;
        if self.turn == Turn::Nobody { Ok(auth) } else { Err(Refusal::AuthenticationUnderWay) }
    }

    /// One of these is sent.
    pub(crate) fn sent(&mut self) {
        self.turn = Turn::Server;
    }

    fn auth(&self, reason: ReasonCode, properties: &AuthProperties) -> Result<Auth, Refusal> {
        let method = self.method.as_ref().ok_or(Refusal::NoAuthenticationMethod)?;
        Ok(Auth::new(reason, properties.clone().with_authentication_method(method)))
    }

    fn is_method(&self, named: Option<TextRef<'_>>) -> bool {
        self.method.as_ref().map(Text::view) == named
    }
}
