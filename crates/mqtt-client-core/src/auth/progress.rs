//! [`Authentication`]: how far the exchange of an attempt, or of a connection, has come.
//!
//! ```text
//!   attempt                 Begin    then dial, CONNECT with its data
//!   AUTH 0x18               Answer   then AUTH 0x18 with its data
//!   CONNACK, Success        Finish   then the session hears of the CONNACK
//!
//!   reauthenticate          Begin    then AUTH 0x19 with its data
//!   AUTH 0x18               Answer   then AUTH 0x18 with its data
//!   AUTH 0x00               Finish   then the caller is told
//! ```
//!
//! Begin, Answer and Finish are steps of the application's, which the driver has taken elsewhere, one at a time.

use bytes::{Bytes, BytesMut};

use super::renewal::Renewals;
use super::step::{Done, SharedExchange, Work};
use super::{AuthError, AuthFailure, AuthOutcome, AuthStep};
use crate::codec::{
    Auth, AuthProperties, Binary, ConnectProperties, Decoder, Packet, PacketKind, ReasonCode, Side, Version,
};
use crate::core::Core;
use crate::link::Link;
use crate::session::{Command, Refusal};
use crate::{Event, Failure, ReauthenticateError};

/// The exchange of the attempt, or of the connection that came of it; idle without a method.
#[derive(Debug, Default)]
pub(crate) struct Authentication {
    exchange: Exchange,
    /// For the driver to have taken.
    step: Option<AuthStep>,
    /// The number of the step that is being taken, or is to be.
    at_work: Option<u64>,
    /// Steps so far.
    steps: u64,
    /// CONNECT can go out.
    begun: bool,
    /// What goes out with it.
    initial: Option<Binary>,
    /// The client is convinced of the server, too.
    proven: bool,
    pub(super) renewals: Renewals,
}

/// One that can stand in a `Debug` struct.
#[derive(Default)]
struct Exchange(Option<SharedExchange>);

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Exchange").field(&self.0.is_some()).finish()
    }
}

impl Authentication {
    /// The next step, if one is to be taken.
    pub(crate) fn take_step(&mut self) -> Option<AuthStep> {
        self.step.take()
    }

    /// Has the CONNECT of the attempt name the method.
    pub(super) fn introduce(&mut self, method: &super::Method, properties: &mut ConnectProperties) {
        properties.set_authentication_method(&method.name);
        if let Some(data) = self.initial.take() {
            properties.set_authentication_data(&data);
        }
    }

    pub(super) fn ask(&mut self, work: Work) {
        self.steps += 1;
        self.at_work = Some(self.steps);
        self.step = Some(AuthStep { number: self.steps, work });
    }

    /// The outcome is of no interest any more.
    pub(super) fn forget_step(&mut self) {
        (self.step, self.at_work) = (None, None);
    }
}

impl Core {
    /// Before an attempt: whether the exchange has to begin first, which is then asked for.
    pub(crate) fn has_to_begin_authentication(&mut self) -> bool {
        let Some(method) = self.options.authenticator.clone().filter(|_| !self.authentication.begun) else {
            return false;
        };
        let endpoint = self.destinations.current();
        self.authentication.ask(Work::Begin { method, endpoint, renewal: false });
        true
    }

    /// Adds to CONNECT what the method has to say.
    pub(crate) fn introduce(&mut self, properties: &mut ConnectProperties) {
        if let Some(method) = &self.options.authenticator {
            self.authentication.introduce(method, properties);
        }
    }

    /// A step has come to its end; `None`: to no result.
    pub(crate) fn authenticated(&mut self, outcome: Option<AuthOutcome>) {
        let (number, result) = match outcome {
            Some(AuthOutcome { number, result }) => (Some(number), result),
            None => (self.authentication.at_work, Err(AuthError::NoResult)),
        };
        if number.is_none() || number != self.authentication.at_work {
            // It was given up meanwhile.
            if let Ok(Done::Begun(exchange, _)) = result {
                self.effects.retire(exchange);
            }
            return;
        }
        self.authentication.at_work = None;
        match result {
            Ok(Done::Begun(exchange, initial)) => self.begun(exchange, initial),
            Ok(Done::Answered(data)) => self.answered(data.as_ref()),
            Ok(Done::Finished) => self.finished(),
            Err(error) => self.authentication_failed(error),
        }
    }

    /// The server wants to know more.
    pub(crate) fn challenged(&mut self, auth: &Auth) {
        let challenge = kept(auth.properties.authentication_data());
        self.go_on(|exchange| Work::Answer { exchange, challenge });
    }

    /// The server is convinced anew.
    pub(crate) fn reauthenticated(&mut self, auth: &Auth) {
        let last = kept(auth.properties.authentication_data());
        self.go_on(|exchange| Work::Finish { exchange, last });
    }

    /// Whether input has to wait: what comes next may be the server's consent, which is worth nothing before a step is over.
    pub(crate) fn holds_handshake(&self) -> bool {
        matches!(self.link, Link::Handshake { .. }) && self.authentication.at_work.is_some()
    }

    /// Hands input to the session; while an exchange is under way packet by packet, and the server's consent only when the
    /// method has found its last word good. Before that nobody hears of it, and nothing is sent.
    pub(crate) fn take_input(&mut self, input: &mut BytesMut) -> usize {
        let handshake = matches!(self.link, Link::Handshake { .. });
        let Some(method) = self.options.authenticator.as_ref().filter(|_| handshake) else {
            return self.session.handle_input(self.now, input).unwrap_or(0);
        };
        if self.authentication.at_work.is_some() {
            self.withheld = true;
            return 0;
        }
        let limit = self.options.session.max_packet_size;
        let decoder = Decoder::new(Version::V5, Side::Server).with_max_packet_size(limit);
        let Ok(Some(len)) = decoder.delimit(input) else {
            // More has to come, or it is no packet, which the session knows how to answer.
            return self.session.handle_input(self.now, input).unwrap_or(0);
        };
        if !self.authentication.proven
            && input.first().is_some_and(|first| first >> 4 == PacketKind::Connack as u8)
            && let Ok(Packet::Connack(connack)) = decoder.decode(&Bytes::copy_from_slice(&input[..len]))
            && connack.reason == ReasonCode::Success
            // The session takes no other method for consent.
            && connack.properties.authentication_method() == Some(method.name.view())
        {
            let last = kept(connack.properties.authentication_data());
            self.go_on(|exchange| Work::Finish { exchange, last });
            self.withheld = true;
            return 0;
        }
        let mut packet = input.split_to(len);
        self.session.handle_input(self.now, &mut packet).unwrap_or(0)
    }

    /// The attempt, or the connection, is over, and with it its authentication. Without a failure it was left.
    pub(crate) fn end_authentication(&mut self, failure: Option<&Failure>) {
        let authentication = &mut self.authentication;
        authentication.forget_step();
        (authentication.begun, authentication.initial, authentication.proven) = (false, None, false);
        if let Some(exchange) = authentication.exchange.0.take() {
            self.effects.retire(exchange);
        }
        let error =
            failure.map_or(ReauthenticateError::Left, |failure| ReauthenticateError::Failed(failure.clone()));
        authentication.renewals.end(Err(error), &mut self.effects);
    }

    pub(super) fn authentication_failed(&mut self, error: AuthError) {
        let Some(method) = &self.options.authenticator else { return };
        let failure = AuthFailure { method: method.name.as_str().to_owned(), error };
        if self.authentication.renewals.is_unsent() {
            // The server knows of nothing: the connection goes on.
            self.authentication.forget_step();
            let error = ReauthenticateError::NotBegun(failure);
            return self.authentication.renewals.end(Err(error), &mut self.effects);
        }
        self.link_ended(Failure::Authentication(Box::new(failure)));
        self.attend();
    }

    /// The step that a packet of the server's asks for.
    fn go_on(&mut self, work: impl FnOnce(SharedExchange) -> Work) {
        match self.authentication.exchange.0.clone() {
            Some(exchange) => {
                self.authentication.ask(work(exchange));
                self.attend();
            }
            None => self.authentication_failed(AuthError::NoResult),
        }
    }

    fn begun(&mut self, exchange: SharedExchange, initial: Option<Binary>) {
        if let Some(last) = self.authentication.exchange.0.replace(exchange) {
            self.effects.retire(last);
        }
        match self.link {
            Link::Authenticating { deadline } => {
                self.transport = false;
                (self.authentication.begun, self.authentication.initial) = (true, initial);
                self.link = Link::Prepared { deadline };
            }
            _ => {
                let properties = with_data(initial.as_ref());
                let sent = self.session.submit(Command::Reauthenticate(properties));
                match sent.map_err(|rejected| rejected.refusal) {
                    Ok(()) => self.authentication.renewals.sent(),
                    Err(refusal) => self.authentication_failed(AuthError::permanent(refusal)),
                }
            }
        }
    }

    fn answered(&mut self, data: Option<&Binary>) {
        let sent = self.session.submit(Command::AnswerChallenge(with_data(data)));
        match sent.map_err(|rejected| rejected.refusal) {
            // A connection that is about to end needs no answer.
            Ok(()) | Err(Refusal::NotReady) => {}
            Err(refusal) => self.authentication_failed(AuthError::permanent(refusal)),
        }
    }

    fn finished(&mut self) {
        match self.link {
            Link::Handshake { .. } => self.authentication.proven = true,
            _ => {
                self.authentication.renewals.end(Ok(()), &mut self.effects);
                self.tell(Event::Reauthenticated);
            }
        }
    }
}

/// What the server said, without the buffer that it came in.
fn kept(data: Option<&[u8]>) -> Option<Binary> {
    data.and_then(|data| Binary::try_from(data).ok())
}

fn with_data(data: Option<&Binary>) -> AuthProperties {
    let mut properties = AuthProperties::default();
    if let Some(data) = data {
        properties.set_authentication_data(data);
    }
    properties
}
