//! [`Connection`]: everything that ends with the connection, and the rules that tie its rooms together.

use core::time::Duration;

use mqtt_codec::{
    AckKind, Auth, Connack, Connect, Decoder, Disconnect, Packet, QoS, ReasonCode, Side, Text, Version,
};

use crate::auth::Authentication;
use crate::handshake::Terms;
use crate::inbound::{AckOrder, InboundFlows};
use crate::inbound_aliases::InboundAliases;
use crate::keep_alive::{Due, KeepAlive};
use crate::news::News;
use crate::outbound::{Epoch, Outbound};
use crate::requests::Requests;
use crate::round_trip::Probe;
use crate::send_queue::SendQueue;
use crate::store::{Batch, Key};
use crate::wire::Wire;
use crate::{
    Config, Connected, Deadline, DisconnectCause, Duty, Event, Limits, Output, Phase, ProtocolError, Tag,
    Timer, Timestamp, Violation,
};

/// How long the last output may take to be written before the transport is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What outlives a connection, and would be stored to survive the process.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) outbound: Outbound,
    pub(crate) inbound: InboundFlows,
    /// Whose session this is on the server.
    pub(crate) client_id: Option<Text>,
    /// What says so in the store: on later connections too, nothing new is asked of that session before.
    began: Batch,
    /// The number of the latest connection.
    pub(crate) epoch: Epoch,
    /// By how many microseconds the session's clock, which goes on from one process to the next, is ahead of the
    /// driver's, wrapping round.
    pub(crate) clock_ahead: u64,
}

impl Kept {
    pub(crate) const fn new() -> Self {
        Self {
            outbound: Outbound::new(),
            inbound: InboundFlows::new(),
            client_id: None,
            began: 0,
            epoch: 0,
            clock_ahead: 0,
        }
    }
}

/// One connection, from the open transport to its close.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) terms: Terms,
    pub(crate) authentication: Authentication,
    max_in_flight: usize,
    max_outbound_aliases: u16,
    write_timeout: Duration,
    pub(crate) decoder: Decoder,
    /// There once the server has accepted.
    pub(crate) limits: Option<Limits>,
    pub(crate) wire: Wire,
    pub(crate) send_queue: SendQueue,
    pub(crate) requests: Requests,
    pub(crate) ack_order: AckOrder,
    pub(crate) aliases: InboundAliases,
    pub(crate) keep_alive: KeepAlive,
    probe: Probe,
    pub(crate) epoch: Epoch,
    ending: Option<Ending>,
}

/// The connection is over but for its last output.
#[derive(Debug)]
struct Ending {
    cause: DisconnectCause,
    /// When the transport is closed even if output is left.
    deadline: Timestamp,
}

impl Connection {
    /// The transport is open, and CONNECT the first packet on it [MQTT-3.1.0-1].
    pub(crate) fn open(config: &Config, connect: Connect, epoch: Epoch, news: &mut News) -> Self {
        let now = news.now();
        let terms = Terms::of(&connect);
        let method = connect.properties.authentication_method().map(|method| method.to_text());
        let mut wire = Wire::new(config.version, now);
        wire.stage(&connect.into(), news);
        Self {
            terms,
            authentication: Authentication::new(method),
            max_in_flight: config.max_in_flight.max(1).into(),
            max_outbound_aliases: config.max_outbound_aliases,
            write_timeout: config.write_timeout,
            decoder: Decoder::new(config.version, Side::Server).with_max_packet_size(config.max_packet_size),
            limits: None,
            wire,
            send_queue: SendQueue::new(epoch),
            requests: Requests::default(),
            ack_order: AckOrder::new(epoch, config),
            aliases: InboundAliases::new(config.topic_alias_maximum),
            keep_alive: KeepAlive::new(config, now),
            probe: Probe::default(),
            epoch,
            ending: None,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match (&self.ending, &self.limits) {
            (Some(_), _) => Phase::Closing,
            (None, None) if self.authentication.awaits_answer() => Phase::AwaitAnswer,
            (None, None) => Phase::AwaitConnack,
            (None, Some(_)) => Phase::Ready,
        }
    }

    /// Whether no more wishes are taken.
    #[inline]
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// Whether nothing that comes in matters any more, because nothing can be said in return.
    pub(crate) fn is_deaf(&self) -> bool {
        self.wire.is_sealed()
    }

    /// Bytes came in.
    pub(crate) fn read(&mut self, now: Timestamp) {
        self.keep_alive.read(now);
    }

    /// The packets among them have been dealt with.
    #[inline]
    pub(crate) fn has_read(&mut self, outbound: &Outbound, news: &mut News) {
        if let Some(round_trip) = self.probe.read(outbound, news.now()) {
            news.round_trip = Some(round_trip);
        }
    }

    /// The transport took bytes.
    #[inline]
    pub(crate) fn wrote(&mut self, bytes: usize, news: &mut News) {
        if bytes > 0 {
            self.wire.wrote(bytes, news.now());
            self.keep_alive.wrote(self.wire.written(), news.now());
            self.probe.wrote(self.wire.written(), news.now());
            self.send_queue.wrote(self.wire.written(), news);
        }
    }

    /// The peer broke a rule: it is told in 5.0, once it has accepted the connection, and cut off. An earlier
    /// version has no words for it.
    pub(crate) fn fail(&mut self, error: &ProtocolError, news: &mut News) {
        let cause = DisconnectCause::ProtocolError(error.clone());
        if self.terms.version == Version::V311 || self.limits.is_none() {
            return self.cut(cause, news);
        }
        self.wire.stage(&Disconnect::new(error.reason_code()).into(), news);
        self.wire.seal();
        self.end(cause, news.now() + CLOSE_TIMEOUT);
    }

    /// The application disconnects; publishes of QoS 0 and requests that it submitted before still go out.
    pub(crate) fn bid_farewell(&mut self, disconnect: Disconnect, news: &mut News) {
        if self.limits.is_some() {
            self.send_queue.push_farewell(Packet::Disconnect(disconnect), news);
        } else {
            self.wire.stage(&disconnect.into(), news);
            self.wire.seal();
        }
        self.end(DisconnectCause::ByUs, news.now() + CLOSE_TIMEOUT);
    }

    /// Sends a PINGREQ.
    pub(crate) fn ping(&mut self, tag: Option<Tag>, news: &mut News) {
        self.wire.stage(&Packet::Pingreq, news);
        self.keep_alive.pinged(tag, self.wire.staged_end(), news.now());
    }

    pub(crate) fn accepts_ping(&self) -> bool {
        self.keep_alive.accepts_ping()
    }

    /// Does what has become due.
    pub(crate) fn handle_timeout(&mut self, news: &mut News) {
        let now = news.now();
        if self.wire.deadline(self.write_timeout).is_some_and(|at| at <= now) {
            self.cut(DisconnectCause::WriteTimeout, news);
        } else if self.phase() == Phase::Ready {
            match self.keep_alive.due(now) {
                Due::Nothing => {}
                Due::Ping => self.ping(None, news),
                Due::Dead => self.cut(DisconnectCause::PingTimeout, news),
            }
        }
    }

    /// Appends what may be sent, and says what to do next.
    #[inline]
    pub(crate) fn transmit(&mut self, outbound: &mut Outbound, out: &mut Output, news: &mut News) -> Duty {
        let now = news.now();
        outbound.held.look(now);
        self.wire.flush(out, now);
        if self.wire.is_flushed() {
            outbound.hand_out();
        }
        if self.limits.is_some() {
            let sent = self.send_queue.fill(outbound, &mut self.wire, out, news);
            if self.wire.is_flushed() {
                self.probe.handed_out(sent, outbound, self.epoch, self.wire.appended());
            }
        }
        match &self.ending {
            Some(ending) if ending.deadline <= now => Duty::Close,
            Some(_) if self.wire.is_sealed() && self.wire.waiting() == 0 => Duty::Close,
            _ => Duty::Wait(self.next_deadline()),
        }
    }

    /// The store has a batch: what relied on it goes on.
    pub(crate) fn handle_stored(&mut self, inbound: &mut InboundFlows, news: &mut News) {
        self.wire.stage_stored(news);
        self.send_queue.release_stored(news);
        inbound.answer_in_turn(QoS::ExactlyOnce, &mut self.ack_order, &mut self.wire, news);
    }

    /// The transport is gone: tells what became of everything that belonged to the connection.
    pub(crate) fn close(self, news: &mut News) {
        self.send_queue.abort(news);
        self.requests.abort(news);
        for tag in self.keep_alive.into_pings().filter_map(|ping| ping.tag) {
            news.tell(Event::PingAborted { tag });
        }
        let cause = self.ending.map_or(DisconnectCause::LinkClosed, |ending| ending.cause);
        news.tell(Event::Disconnected(cause));
    }

    fn next_deadline(&self) -> Option<Deadline> {
        let write = self.wire.deadline(self.write_timeout).map(|at| Deadline { at, timer: Timer::Write });
        let close = self.ending.as_ref().map(|ending| Deadline { at: ending.deadline, timer: Timer::Close });
        let [ping, response] = match self.phase() {
            Phase::Ready => self.keep_alive.deadlines(),
            _ => [None; 2],
        };
        [write, close, ping, response].into_iter().flatten().min_by_key(|deadline| deadline.at)
    }

    /// The first packet, which has to be the answer to CONNECT.
    pub(crate) fn open_with(
        &mut self,
        packet: Packet,
        kept: &mut Kept,
        news: &mut News,
    ) -> Result<(), ProtocolError> {
        match packet {
            Packet::Connack(connack) => self.connack(connack, kept, news),
            Packet::Auth(auth) => self.auth(auth, news),
            packet => Err(ProtocolError::new(Violation::ExpectedConnack, packet.kind())),
        }
    }

    /// The answer to CONNECT.
    fn connack(&mut self, connack: Connack, kept: &mut Kept, news: &mut News) -> Result<(), ProtocolError> {
        if connack.reason.is_error() {
            self.refused(connack, news);
            return Ok(());
        }
        self.terms.check(&connack)?;
        self.authentication.accepted(&connack)?;
        let limits = Limits::agreed(&self.terms, &connack);
        self.keep_alive.start(limits.keep_alive);
        self.wire.allow_aliases(self.max_outbound_aliases, &limits);
        self.send_queue.open_window(self.max_in_flight.min(limits.receive_maximum.into()));
        // State is the server's and ours together, under one client identifier [MQTT-3.1.3-2].
        if connack.session_present && kept.client_id.as_ref() == Some(&self.terms.client_id) {
            self.resume(kept, &limits, news);
        } else {
            kept.outbound.lose(news);
            kept.inbound.clear(news);
            kept.began = news.journal.touch(Key::Session);
        }
        // What the server does in its new session, it does not do before the store has lost the old one.
        self.send_queue.hold_requests(kept.began);
        kept.client_id =
            Some(limits.assigned_client_identifier.as_ref().unwrap_or(&self.terms.client_id).clone());
        self.limits = Some(limits.clone());
        let session_present = connack.session_present;
        news.tell(Event::Connected(Connected { session_present, connack, limits }));
        Ok(())
    }

    fn resume(&mut self, kept: &mut Kept, limits: &Limits, news: &mut News) {
        let allowed = |publish: &_| limits.check_publish(publish).map(drop);
        let resumption = kept.outbound.resume(self.epoch, allowed, news);
        for (packet_id, batch) in &resumption.releases {
            self.wire.stage_ack_when_stored(*batch, AckKind::Pubrel, *packet_id, ReasonCode::Success, news);
        }
        self.send_queue.resume(resumption);
    }

    /// A step of an enhanced authentication.
    pub(crate) fn auth(&mut self, auth: Auth, news: &mut News) -> Result<(), ProtocolError> {
        let event = self.authentication.received(auth, self.limits.is_some())?;
        news.tell(event);
        Ok(())
    }

    /// The server said no to CONNECT.
    pub(crate) fn refused(&mut self, connack: Connack, news: &mut News) {
        news.tell(Event::Refused(connack));
        self.cut(DisconnectCause::Refused, news);
    }

    /// Ends the connection without another word.
    pub(crate) fn cut(&mut self, cause: DisconnectCause, news: &News) {
        self.wire.cut();
        self.end(cause, news.now());
    }

    /// What happened first is the cause; the earliest deadline holds.
    fn end(&mut self, cause: DisconnectCause, deadline: Timestamp) {
        match &mut self.ending {
            Some(ending) => ending.deadline = ending.deadline.min(deadline),
            None => self.ending = Some(Ending { cause, deadline }),
        }
    }
}
