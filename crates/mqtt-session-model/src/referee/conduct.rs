//! [`Conduct`]: who has the word, and why a connection ends: handshake, authentication, DISCONNECT.

use std::mem::take;
use std::time::Duration;

use mqtt_session::codec::{
    Auth, Connack, Connect, Disconnect, Packet, PacketKind, ReasonCode, TextRef, Version,
};
use mqtt_session::{DisconnectCause, Phase, ProtocolError, Tag, Timestamp};

use super::{Due, Referee, Told};
use crate::news::News;

/// How long the last output may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// How one connection stands.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conduct {
    /// Whether there are words for what the server does wrong.
    is_v5: bool,
    connect: Option<Connect>,
    is_accepted: bool,
    /// Whether the client has the next word of an authentication, while there is one.
    is_our_turn: Option<bool>,
    /// CONNECT, AUTH and DISCONNECT, which has its turn if the application submits it after the handshake.
    owed: Vec<Due>,
    /// Whether nothing more becomes due, and whether nothing is sent any more [MQTT-3.14.4-1].
    is_sealed: bool,
    is_over: bool,
    /// Why it ends, and when at the latest.
    ending: Option<(DisconnectCause, Timestamp)>,
    news: Vec<Told>,
}

impl Referee for Conduct {
    fn opened(&mut self, connect: &Connect, _: Timestamp) {
        self.is_our_turn = connect.properties.authentication_method().map(|_| false);
        self.owed.push((None, connect.clone().into()));
        self.connect = Some(connect.clone());
    }

    fn closed(&mut self) {
        let cause = self.ending.take().map_or(DisconnectCause::LinkClosed, |(cause, _)| cause);
        let news = self.connect.iter().map(|_| (News::Disconnected(cause.clone()), None)).collect();
        *self = Self { is_v5: self.is_v5, news, ..Self::default() };
    }

    fn accepted(&mut self, connack: &Connack) {
        (self.is_accepted, self.is_our_turn) = (true, None);
        self.tell(News::Connected { session_present: connack.session_present });
    }

    fn grants(&self, packet: &Packet) -> bool {
        let (turn, has_method) = (self.is_our_turn, self.method().is_some());
        let is_early = matches!(self.phase(), Phase::AwaitConnack | Phase::AwaitAnswer);
        let is_ready = self.phase() == Phase::Ready;
        match packet {
            Packet::Disconnect(_) => is_ready || is_early && has_method,
            Packet::Auth(auth) if auth.reason == ReasonCode::ReAuthenticate => {
                is_ready && has_method && turn.is_none()
            }
            Packet::Auth(_) => (is_ready || is_early) && turn == Some(true),
            _ => is_ready,
        }
    }

    fn submitted(&mut self, tag: Tag, packet: &Packet, now: Timestamp) {
        let is_early = !self.is_accepted;
        match packet {
            Packet::Auth(_) => self.is_our_turn = Some(false),
            Packet::Disconnect(_) => {
                self.is_sealed = is_early;
                self.ending = Some((DisconnectCause::ByUs, now + CLOSE_TIMEOUT));
            }
            _ => return,
        }
        let has_turn = !is_early && packet.kind() == PacketKind::Disconnect;
        self.owed.push((has_turn.then_some(tag), packet.clone()));
    }

    fn due(&self) -> Vec<Due> {
        self.owed.iter().filter(|(tag, _)| tag.is_none() || !self.is_sealed).cloned().collect()
    }

    fn sent(&mut self, due: &Due, _: u64, _: Timestamp) {
        if let Some(place) = self.owed.iter().position(|owed| owed == due) {
            self.owed.remove(place);
        }
        let (_, packet) = due;
        if packet.kind() == PacketKind::Disconnect {
            (self.is_sealed, self.is_over) = (true, true);
        }
    }

    fn hear(&mut self, packet: &mut Packet, now: Timestamp) -> Result<(), ReasonCode> {
        if self.is_out_of_place(packet) {
            return Err(ReasonCode::ProtocolError);
        }
        match packet {
            Packet::Connack(connack) if connack.reason.is_error() => {
                self.tell(News::Refused);
                self.cut(DisconnectCause::Refused, now);
            }
            Packet::Auth(auth) => {
                self.is_our_turn = (auth.reason != ReasonCode::Success).then_some(true);
                self.tell(News::Auth(auth.clone()));
            }
            Packet::Disconnect(disconnect) => self.cut(DisconnectCause::ByPeer(disconnect.clone()), now),
            _ => {}
        }
        Ok(())
    }

    fn news(&mut self) -> Vec<Told> {
        take(&mut self.news)
    }
}

impl Conduct {
    pub(crate) fn new(version: Version) -> Self {
        Self { is_v5: version == Version::V5, ..Self::default() }
    }

    /// The server has broken a rule: it is told so, if there are words for it.
    pub(crate) fn fail(&mut self, error: ProtocolError, now: Timestamp) {
        let complaint = Disconnect::new(error.reason_code());
        let cause = DisconnectCause::ProtocolError(error);
        if !self.is_v5 || !self.is_accepted {
            return self.cut(cause, now);
        }
        self.owed.push((None, complaint.into()));
        self.seal(cause, now + CLOSE_TIMEOUT);
    }

    /// Nothing is sent any more.
    pub(crate) fn cut(&mut self, cause: DisconnectCause, now: Timestamp) {
        self.is_over = true;
        self.seal(cause, now);
    }

    /// The session has done all that it can, and so many bytes wait for the transport.
    pub(crate) fn settled(&self, is_to_close: bool, waiting: usize, now: Timestamp) {
        let is_over = |(_, at): &(_, _)| *at <= now || self.is_sealed && waiting == 0;
        assert_eq!(is_to_close, self.ending.as_ref().is_some_and(is_over), "{self:?}");
    }

    /// What the client waits for.
    pub(crate) fn phase(&self) -> Phase {
        match self {
            Self { connect: None, .. } => Phase::Closed,
            Self { ending: Some(_), .. } => Phase::Closing,
            Self { is_accepted: true, .. } => Phase::Ready,
            Self { is_our_turn: Some(true), .. } => Phase::AwaitAnswer,
            _ => Phase::AwaitConnack,
        }
    }

    /// Whether nothing more becomes due.
    pub(crate) fn is_sealed(&self) -> bool {
        self.is_sealed
    }

    /// Whether nothing is sent any more.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Who wants to be authenticated names a method.
    pub(crate) fn method(&self) -> Option<TextRef<'_>> {
        self.connect.as_ref().and_then(|connect| connect.properties.authentication_method())
    }

    /// Whether the server may not send this kind of packet now [MQTT-3.2.0-1] [MQTT-3.2.0-2], or not with these properties
    /// [MQTT-3.1.2-29] [MQTT-4.12.0-5] [MQTT-4.12.0-6].
    fn is_out_of_place(&self, packet: &Packet) -> bool {
        let Some(connect) = &self.connect else { return false };
        let is_first = !self.is_accepted;
        let is_terse = connect.properties.request_problem_information() == Some(false);
        let is_ours = |method| method == connect.properties.authentication_method();
        match packet {
            Packet::Connack(_) if !is_first => true,
            Packet::Connack(Connack { reason, .. }) if reason.is_error() => false,
            Packet::Connack(Connack { session_present, properties, .. }) => {
                *session_present && connect.clean_start || !is_ours(properties.authentication_method())
            }
            Packet::Auth(Auth { reason, properties }) => {
                let is_last = *reason == ReasonCode::Success;
                let is_named =
                    is_ours(properties.authentication_method()) || is_last && properties.is_empty();
                self.is_our_turn != Some(false) || is_first && is_last || !is_named
            }
            Packet::Ack(ack) => is_first || is_terse && !ack.properties.is_empty(),
            _ => is_first,
        }
    }

    /// Nothing more becomes due. What happened first is the cause; the earliest deadline holds.
    fn seal(&mut self, cause: DisconnectCause, at: Timestamp) {
        self.is_sealed = true;
        let (_, deadline) = self.ending.get_or_insert((cause, at));
        *deadline = at.min(*deadline);
    }

    fn tell(&mut self, news: News) {
        self.news.push((news, None));
    }
}
