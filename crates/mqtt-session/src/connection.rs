//! [`Connection`]: everything that ends with the connection, and the rules that tie its rooms together.

use alloc::boxed::Box;
use core::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_codec::{
    Ack, AckKind, AckProperties, Auth, Connack, Connect, Decoder, Disconnect, Packet, PacketId, PacketKind,
    PublishFrame, QoS, ReasonCode, Received, Side, Suback, Text, TopicName, Unsuback, Version,
};

use crate::auth::Authentication;
use crate::handshake::{self, Terms};
use crate::inbound::{AckOrder, InboundFlows, Shown};
use crate::inbound_aliases::InboundAliases;
use crate::keep_alive::{Due, KeepAlive};
use crate::news::News;
use crate::outbound::{Epoch, Outbound, Pubrec};
use crate::requests::Requests;
use crate::send_queue::SendQueue;
use crate::store::{Batch, Key};
use crate::wire::Wire;
use crate::{
    Config, Connected, Deadline, Direction, DisconnectCause, Duty, Event, Inbound, InboundPublish, Limits,
    Output, PacketTrace, Phase, ProtocolError, Tag, Timer, Timestamp, Violation,
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
    aliases: InboundAliases,
    keep_alive: KeepAlive,
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

    /// The transport took bytes.
    #[inline]
    pub(crate) fn wrote(&mut self, bytes: usize, news: &mut News) {
        if bytes > 0 {
            self.wire.wrote(bytes, news.now());
            self.keep_alive.wrote(self.wire.written(), news.now());
            self.send_queue.wrote(self.wire.written(), news);
        }
    }

    /// Takes the first packet off the input, if all of it is there, or several acknowledgements of up to `limit` bytes; how
    /// many bytes that were.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        input: &mut BytesMut,
        limit: usize,
        kept: &mut Kept,
        news: &mut News,
    ) -> Result<usize, ProtocolError> {
        let (start, first_byte) = (input.len(), input.first().copied().unwrap_or(0));
        if self.limits.is_none() {
            self.receive_first(first_byte, input, kept, news)?;
        } else if self.receive_acks(input, limit, kept, news)? == 0 {
            match self.decoder.receive_from(input)? {
                Some(Received::Publish(frame)) => self.message(frame, kept, news)?,
                Some(Received::Other(packet)) => {
                    record(packet.kind(), first_byte, start - input.len(), packet.packet_id(), || None, news);
                    self.exchange(packet, kept, news)?;
                }
                None => {}
            }
        }
        if self.wire.is_clogged() {
            self.cut(DisconnectCause::PeerNotReading, news);
        }
        Ok(start - input.len())
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
            self.send_queue.fill(outbound, &mut self.wire, out, news);
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
    fn receive_first(
        &mut self,
        first_byte: u8,
        input: &mut BytesMut,
        kept: &mut Kept,
        news: &mut News,
    ) -> Result<(), ProtocolError> {
        if let Some(connack) = handshake::refused_by_v311_server(self.terms.version, input) {
            self.refused(connack, news);
            input.clear();
            return Ok(());
        }
        let start = input.len();
        let Some(packet) = self.decoder.decode_from(input)? else { return Ok(()) };
        record(packet.kind(), first_byte, start - input.len(), packet.packet_id(), || None, news);
        self.check_explanation(&packet)?;
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
            record(kind.into(), input[taken], Ack::SHORTEST_LEN, Some(packet_id), || None, news);
            taken += Ack::SHORTEST_LEN;
            handled = self.acknowledged(kind, packet_id, ReasonCode::Success, None, kept, news);
            if handled.is_err() || self.wire.is_clogged() {
                break;
            }
        }
        if taken > 0 {
            input.advance(taken);
        }
        handled.map(|()| taken)
    }

    /// A message.
    #[inline]
    fn message(
        &mut self,
        frame: PublishFrame,
        kept: &mut Kept,
        news: &mut News,
    ) -> Result<(), ProtocolError> {
        let (first_byte, len) = (frame.as_bytes()[0], frame.as_bytes().len());
        let resolved = match frame.properties().topic_alias() {
            None => Ok(None),
            Some(alias) => self.aliases.resolve(&frame, alias),
        };
        let topic = || match &resolved {
            Ok(Some(topic)) => Some(TopicName::clone(topic)),
            _ => Some(frame.to_topic()),
        };
        record(PacketKind::Publish, first_byte, len, frame.packet_id(), topic, news);
        let topic = resolved.map_err(|violation| ProtocolError::new(violation, PacketKind::Publish))?;
        match self.show(frame.packet_id(), frame.qos(), frame.dup(), kept, news)? {
            Shown::New(token) => news.tell_message(InboundPublish::new(frame, topic), token),
            Shown::Unstored(token, batch) => {
                let publish = InboundPublish::new(frame, topic);
                kept.inbound.hold(Inbound { publish, token: Some(token) }, batch);
            }
            Shown::Repeated => {}
        }
        Ok(())
    }

    /// Whether a message is to be told.
    #[inline]
    fn show(
        &mut self,
        packet_id: Option<PacketId>,
        qos: QoS,
        dup: bool,
        kept: &mut Kept,
        news: &mut News,
    ) -> Result<Shown, ProtocolError> {
        let Some(packet_id) = packet_id else { return Ok(Shown::New(None)) };
        let shown = kept.inbound.publish(packet_id, qos, dup, &mut self.ack_order, &mut self.wire, news);
        shown.map_err(|violation| ProtocolError::new(violation, PacketKind::Publish))
    }

    /// Any other packet of an accepted connection.
    fn exchange(&mut self, packet: Packet, kept: &mut Kept, news: &mut News) -> Result<(), ProtocolError> {
        self.check_explanation(&packet)?;
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
            // The decoder lets none of these pass from a server.
            Packet::Connect(_)
            | Packet::Publish(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::Pingreq => Err(ProtocolError::new(Violation::ExpectedConnack, packet.kind())),
        }
    }

    /// A step of an enhanced authentication.
    fn auth(&mut self, auth: Auth, news: &mut News) -> Result<(), ProtocolError> {
        let event = self.authentication.received(auth, self.limits.is_some())?;
        news.tell(event);
        Ok(())
    }

    fn check_explanation(&self, packet: &Packet) -> Result<(), ProtocolError> {
        if !self.terms.problem_information && explains_itself(packet) {
            return Err(ProtocolError::new(Violation::UnwantedProblemInformation, packet.kind()));
        }
        Ok(())
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

    /// The server said no to CONNECT.
    fn refused(&mut self, connack: Connack, news: &mut News) {
        news.tell(Event::Refused(connack));
        self.cut(DisconnectCause::Refused, news);
    }

    /// Ends the connection without another word.
    fn cut(&mut self, cause: DisconnectCause, news: &News) {
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
    topic: impl FnOnce() -> Option<TopicName>,
    news: &mut News,
) {
    let at = news.now();
    news.trace.push(|| PacketTrace {
        direction: Direction::Inbound,
        at,
        kind,
        len,
        flags: first_byte & 0x0f,
        packet_id,
        topic: topic(),
    });
}
