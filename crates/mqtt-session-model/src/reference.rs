//! [`Reference`]: what a correct session does, in plain maps and without a thought of speed.
//!
//! It is told everything that the session is told, and knows from that what the session owes: the packets of each kind
//! in their order, and the news. What really comes out is judged by that: each packet ([`Reference::sent`]), and that
//! nothing is missing once all that may leave has left ([`Reference::settled`]).

mod judge;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mqtt_session::codec::{
    Ack, AckKind, Connack, Connect, DecodeError, Packet, PacketKind, Publish, QoS, ReasonCode, Side, Version,
};
use mqtt_session::{
    Command, Config, DisconnectCause, Phase, ProtocolError, Refusal, Stage, Tag, Timestamp, Violation,
};

use crate::messages::number;
use crate::news::{End, News};

/// How long the last output may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The model of one session.
#[derive(Clone, Debug)]
pub struct Reference {
    config: Config,
    /// Whether a server has ever accepted us.
    has_session: bool,
    next_id: u16,
    /// Identifiers that a server may hold for one of our given-up messages.
    barred: BTreeSet<u16>,
    /// Outgoing QoS 1 and 2, by tag, which is the order of submission.
    flows: BTreeMap<Tag, Flow>,
    pubrecs: u64,
    /// Inbound QoS 1 and 2, by packet identifier.
    inbound: BTreeMap<u16, Inbound>,
    link: Option<Link>,
    /// What the application must be told, in this order.
    pub news: VecDeque<News>,
}

#[derive(Clone, Debug)]
struct Flow {
    id: u16,
    qos: QoS,
    stage: Stage,
    /// The order of its PUBREC, and what that said.
    received: (u64, ReasonCode),
    /// Whether this connection has carried it.
    carried: bool,
}

#[derive(Clone, Debug)]
struct Inbound {
    n: u64,
    qos: QoS,
    /// Whether the application that there is now knows it.
    told: bool,
    answer: Option<ReasonCode>,
    /// Whether PUBREC was ever sent.
    recorded: bool,
    /// Whether this connection has shown its PUBLISH, has sent PUBREC for it, and has it in its order.
    shown: bool,
    recorded_here: bool,
    queued: bool,
}

/// What ends with a connection.
#[derive(Clone, Debug, Default)]
struct Link {
    clean: bool,
    keep_alive: Duration,
    accepted: bool,
    window: usize,
    max_qos: Option<QoS>,
    ending: Option<Ending>,
    /// Nothing may follow.
    sealed: bool,
    owes_connect: bool,
    /// The acknowledgements that are due, by kind.
    acks: [VecDeque<(u16, ReasonCode)>; 4],
    /// The reason of the DISCONNECT that is due because of the peer.
    complaint: Option<ReasonCode>,
    resumed: VecDeque<Tag>,
    queue: VecDeque<Next>,
    /// QoS 0 that is encoded: tag, and where its last byte stands.
    qos0: VecDeque<(Tag, u64)>,
    requests: BTreeMap<u16, (Tag, PacketKind, usize)>,
    /// How many PINGREQs the application has asked for that are to be sent.
    owed_pings: usize,
    pings: VecDeque<Ping>,
    last_write: Timestamp,
    /// The order in which messages are to be acknowledged, QoS 1 and QoS 2, by packet identifier and number.
    order: [VecDeque<(u16, u64)>; 2],
}

#[derive(Clone, Debug, PartialEq)]
enum Next {
    Qos0(Tag),
    Flow(Tag),
    Request(u16),
    Farewell,
}

#[derive(Clone, Debug)]
struct Ending {
    cause: DisconnectCause,
    at: Timestamp,
}

/// A PINGREQ that waits for its answer.
#[derive(Clone, Debug, Default)]
struct Ping {
    tag: Option<Tag>,
    /// Where it ends, once it is sent; when the transport had taken it.
    end: Option<u64>,
    written_at: Option<Timestamp>,
}

/// What happens around the session.
impl Reference {
    /// A session that has never been connected.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            has_session: false,
            next_id: 1,
            barred: BTreeSet::new(),
            flows: BTreeMap::new(),
            pubrecs: 0,
            inbound: BTreeMap::new(),
            link: None,
            news: VecDeque::new(),
        }
    }

    /// A transport is open.
    pub fn open(&mut self, connect: &Connect, now: Timestamp) {
        self.close();
        self.link = Some(Link {
            clean: connect.clean_start,
            keep_alive: Duration::from_secs(connect.keep_alive.into()),
            last_write: now,
            owes_connect: true,
            ..Link::default()
        });
    }

    /// The transport is gone.
    pub fn close(&mut self) {
        let Some(link) = self.link.take() else { return };
        for (tag, _) in link.qos0 {
            self.end(tag, End::Lost(Stage::Sent));
        }
        for next in link.queue {
            if let Next::Qos0(tag) = next {
                self.end(tag, End::Lost(Stage::Unsent));
            }
        }
        let requests = link.requests.into_values().map(|(tag, ..)| tag);
        let aborted = requests.chain(link.pings.into_iter().filter_map(|ping| ping.tag));
        self.news.extend(aborted.map(|tag| News::Aborted { tag }));
        let cause = link.ending.map_or(DisconnectCause::LinkClosed, |ending| ending.cause);
        self.news.push_back(News::Disconnected(cause));
        self.flows.values_mut().for_each(|flow| flow.carried = false);
        for inbound in self.inbound.values_mut() {
            (inbound.shown, inbound.recorded_here, inbound.queued) = (false, false, false);
        }
    }

    /// The process dies, and another one goes on from what is stored.
    pub fn restart(&mut self) {
        self.close();
        self.news.clear();
        let is_refused = |inbound: &Inbound| inbound.answer.is_some_and(ReasonCode::is_error);
        self.inbound.retain(|_, inbound| inbound.qos == QoS::ExactlyOnce && !is_refused(inbound));
        for inbound in self.inbound.values_mut() {
            (inbound.told, inbound.recorded) = (inbound.answer.is_some(), inbound.answer.is_some());
            inbound.answer = inbound.answer.map(|_| ReasonCode::Success);
        }
    }

    /// The transport has taken so many bytes of this connection.
    pub fn written(&mut self, total: u64, now: Timestamp) {
        let Some(link) = &mut self.link else { return };
        link.last_write = now;
        for ping in link.pings.iter_mut().filter(|ping| ping.end.is_some_and(|end| end <= total)) {
            ping.written_at.get_or_insert(now);
        }
        while let Some((tag, _)) = link.qos0.pop_front_if(|(_, end)| *end <= total) {
            self.news.push_back(News::Ended { tag, end: End::Written });
        }
    }

    /// The deadline has come.
    pub fn timeout(&mut self, now: Timestamp) {
        let Some(link) = self.link.as_ref().filter(|_| self.phase() == Phase::Ready) else { return };
        let oldest = link.pings.front().and_then(|ping| ping.written_at);
        if oldest.is_some_and(|at| at + self.config.ping_timeout <= now) {
            self.cut(DisconnectCause::PingTimeout, now);
        }
    }

    /// A wish of the application.
    ///
    /// # Errors
    ///
    /// It is not to be had now.
    pub fn submit(&mut self, command: &Command, now: Timestamp) -> Result<(), Refusal> {
        let id = self.free_id();
        let in_flight = self.flows.len();
        let ready = self.phase() == Phase::Ready;
        let Some(link) = self.link.as_mut().filter(|_| ready) else { return Err(Refusal::NotReady) };
        match command {
            Command::Publish { publish, .. } if publish.qos > QoS::AtMostOnce && in_flight >= link.window => {
                return Err(Refusal::WindowFull);
            }
            Command::Publish { publish, .. } if !link.takes(publish.qos) => {
                let maximum = link.max_qos.unwrap_or(QoS::ExactlyOnce);
                return Err(Refusal::QosNotSupported { qos: publish.qos, maximum });
            }
            Command::Publish { tag, publish } if publish.qos == QoS::AtMostOnce => {
                link.queue.push_back(Next::Qos0(*tag));
                return Ok(());
            }
            Command::Publish { tag, publish } => {
                link.queue.push_back(Next::Flow(*tag));
                let (stage, received) = (Stage::Unsent, (0, ReasonCode::Success));
                self.flows.insert(*tag, Flow { id, qos: publish.qos, stage, received, carried: false });
            }
            Command::Subscribe { tag, filters, .. } => {
                link.requests.insert(id, (*tag, PacketKind::Suback, filters.len()));
                link.queue.push_back(Next::Request(id));
            }
            Command::Unsubscribe { tag, filters, .. } => {
                link.requests.insert(id, (*tag, PacketKind::Unsuback, filters.len()));
                link.queue.push_back(Next::Request(id));
            }
            Command::Ping { .. } if link.pings.len() >= 16 => return Err(Refusal::Busy),
            Command::Ping { tag } => {
                link.owed_pings += 1;
                link.pings.push_back(Ping { tag: Some(*tag), ..Ping::default() });
                link.last_write = now;
                return Ok(());
            }
            Command::AnswerChallenge(_) | Command::Reauthenticate(_) => panic!("no story does: {command:?}"),
            Command::Disconnect(_) => {
                link.queue.push_back(Next::Farewell);
                link.end(DisconnectCause::ByUs, now + CLOSE_TIMEOUT);
                return Ok(());
            }
        }
        self.next_id = id.checked_add(1).unwrap_or(1);
        Ok(())
    }

    /// The application answers the message `n`; whether that still means something.
    pub fn acknowledge(&mut self, n: u64, reason: ReasonCode) -> bool {
        let flow = self
            .inbound
            .values_mut()
            .find(|inbound| inbound.n == n && inbound.told && inbound.answer.is_none());
        let Some(flow) = flow else { return false };
        flow.answer = Some(match reason.is_error() {
            _ if self.config.version == Version::V311 => ReasonCode::Success,
            _ if reason.allowed_in(PacketKind::Puback, Side::Client) => reason,
            true => ReasonCode::UnspecifiedError,
            false => ReasonCode::Success,
        });
        self.take_turns();
        true
    }
}

/// What the peer sends.
impl Reference {
    /// Whether nothing that comes in matters any more.
    #[must_use]
    pub fn is_deaf(&self) -> bool {
        self.link.as_ref().is_none_or(|link| link.sealed || link.complaint.is_some())
    }

    /// A packet came in.
    ///
    /// # Errors
    ///
    /// The rule that the peer has broken.
    pub fn hear(&mut self, packet: &Packet, now: Timestamp) -> Result<(), Violation> {
        let accepted = self.link.as_ref().is_some_and(|link| link.accepted);
        let result = match packet {
            Packet::Auth(_) => Err(Violation::UnexpectedAuthentication),
            Packet::Connack(_) if accepted => Err(Violation::SecondConnack),
            Packet::Connack(connack) => self.connack(connack, now),
            _ if !accepted => Err(Violation::ExpectedConnack),
            Packet::Publish(publish) => self.publish(publish),
            Packet::Ack(ack) if ack.kind == AckKind::Pubrel => self.pubrel(ack),
            Packet::Ack(ack) => self.acknowledged(ack),
            Packet::Suback(suback) => self.answered(packet, suback.reasons.len()),
            Packet::Unsuback(unsuback) => self.answered(packet, unsuback.reasons.len()),
            Packet::Pingresp => {
                let ping = self.link.as_mut().and_then(|link| link.pings.pop_front());
                self.news.extend(ping.map(|ping| News::Answered { tag: ping.tag }));
                Ok(())
            }
            Packet::Disconnect(disconnect) => {
                self.cut(DisconnectCause::ByPeer(disconnect.clone()), now);
                Ok(())
            }
            other => panic!("the decoder lets no {other:?} pass"),
        };
        result.inspect_err(|violation| {
            self.fail(ProtocolError { violation: violation.clone(), packet: Some(packet.kind()) }, now);
        })
    }

    /// Something came in that is no packet.
    pub fn malformed(&mut self, error: DecodeError, now: Timestamp) {
        self.fail(error.into(), now);
    }

    fn connack(&mut self, connack: &Connack, now: Timestamp) -> Result<(), Violation> {
        let session_present = connack.session_present;
        let Some(link) = &mut self.link else { return Ok(()) };
        if connack.reason.is_error() {
            self.news.push_back(News::Refused);
            self.cut(DisconnectCause::Refused, now);
            return Ok(());
        }
        if session_present && link.clean {
            return Err(Violation::UnexpectedSession);
        }
        link.accepted = true;
        let receive_maximum = connack.properties.receive_maximum().map_or(u16::MAX, |maximum| maximum.get());
        link.window = self.config.max_in_flight.max(1).min(receive_maximum).into();
        link.max_qos = connack.properties.maximum_qos();
        if session_present && self.has_session {
            self.resume();
        } else {
            self.inbound.clear();
            self.barred.clear();
            for (tag, flow) in std::mem::take(&mut self.flows) {
                self.end(tag, End::Lost(flow.stage));
            }
        }
        self.has_session = true;
        self.news.push_back(News::Connected { session_present });
        Ok(())
    }

    fn resume(&mut self) {
        let Some(link) = &mut self.link else { return };
        let mut released = Vec::new();
        let mut forbidden = Vec::new();
        for (tag, flow) in &mut self.flows {
            if flow.stage == Stage::Received {
                flow.carried = true;
                released.push((flow.received.0, flow.id));
            } else if !link.takes(flow.qos) {
                forbidden.push(*tag);
            } else {
                link.resumed.push_back(*tag);
            }
        }
        released.sort_unstable();
        released.into_iter().for_each(|(_, id)| link.owe(AckKind::Pubrel, id, ReasonCode::Success));
        for tag in forbidden {
            let flow = self.flows.remove(&tag).expect("it was just there");
            if flow.stage == Stage::Sent && flow.qos == QoS::ExactlyOnce {
                self.barred.insert(flow.id);
            }
            self.end(tag, End::Forbidden);
        }
    }

    fn acknowledged(&mut self, ack: &Ack) -> Result<(), Violation> {
        let id = ack.packet_id.get();
        let version = self.config.version;
        let Some(link) = &mut self.link else { return Ok(()) };
        let Some((&tag, flow)) = self.flows.iter_mut().find(|(_, flow)| flow.id == id) else {
            if ack.kind == AckKind::Pubrec && !ack.reason.is_error() {
                link.owe(AckKind::Pubrel, id, in_words_of(version, ReasonCode::PacketIdentifierNotFound));
            }
            return Ok(());
        };
        let is_right = (ack.kind == AckKind::Puback) == (flow.qos == QoS::AtLeastOnce);
        let mut reason = ack.reason;
        match (ack.kind, flow.stage) {
            _ if !is_right => return Err(Violation::WrongAcknowledgement),
            (_, Stage::Unsent) => return Err(Violation::UnsentAcknowledged),
            (AckKind::Pubcomp, Stage::Sent) => return Err(Violation::WrongAcknowledgement),
            (AckKind::Pubcomp, _) => reason = flow.received.1,
            (AckKind::Pubrec, stage) if !reason.is_error() => {
                if stage == Stage::Sent {
                    (flow.stage, flow.received) = (Stage::Received, (self.pubrecs, reason));
                    self.pubrecs += 1;
                }
                flow.carried = true;
                link.resumed.retain(|resumed| *resumed != tag);
                link.owe(AckKind::Pubrel, id, ReasonCode::Success);
                return Ok(());
            }
            _ => {}
        }
        link.resumed.retain(|resumed| *resumed != tag);
        self.flows.remove(&tag);
        self.end(tag, if reason.is_error() { End::Refused(reason) } else { End::Acknowledged(reason) });
        Ok(())
    }

    fn publish(&mut self, publish: &Publish) -> Result<(), Violation> {
        let (n, qos) = (number(&publish.payload), publish.qos);
        let Some(id) = publish.packet_id.map(|id| id.get()) else {
            self.news.push_back(News::Message { n, qos });
            return Ok(());
        };
        let Some(link) = &mut self.link else { return Ok(()) };
        let order = &mut link.order[usize::from(qos == QoS::ExactlyOnce)];
        let shown = self.inbound.values().filter(|inbound| inbound.shown).count();
        let is_full = shown >= self.config.max_inbound.max(1).into();
        if let Some(inbound) = self.inbound.get_mut(&id) {
            if inbound.qos == qos && (inbound.shown || publish.dup || qos == QoS::ExactlyOnce) {
                if is_full && !inbound.shown {
                    return Err(Violation::ReceiveMaximumExceeded);
                }
                inbound.shown = true;
                if !std::mem::replace(&mut inbound.told, true) {
                    inbound.n = n;
                    self.news.push_back(News::Message { n, qos });
                }
                if !inbound.queued {
                    inbound.queued = true;
                    order.push_back((id, inbound.n));
                }
                self.take_turns();
                return Ok(());
            }
            if inbound.shown {
                return Err(Violation::PacketIdInUse);
            }
        }
        if is_full {
            return Err(Violation::ReceiveMaximumExceeded);
        }
        order.push_back((id, n));
        let (recorded, recorded_here) = (false, false);
        let new =
            Inbound { n, qos, told: true, answer: None, recorded, shown: true, recorded_here, queued: true };
        self.inbound.insert(id, new);
        self.news.push_back(News::Message { n, qos });
        Ok(())
    }

    fn pubrel(&mut self, ack: &Ack) -> Result<(), Violation> {
        let id = ack.packet_id.get();
        let reason = match self.inbound.get(&id) {
            Some(inbound) if inbound.recorded => ReasonCode::Success,
            Some(Inbound { shown: true, qos: QoS::ExactlyOnce, .. }) => {
                return Err(Violation::PubrelBeforePubrec);
            }
            Some(Inbound { shown: true, .. }) => return Err(Violation::WrongAcknowledgement),
            _ => ReasonCode::PacketIdentifierNotFound,
        };
        let reason = in_words_of(self.config.version, reason);
        if let Some(link) = &mut self.link {
            self.inbound.remove(&id);
            link.owe(AckKind::Pubcomp, id, reason);
        }
        self.take_turns();
        Ok(())
    }

    /// SUBACK or UNSUBACK.
    fn answered(&mut self, packet: &Packet, reasons: usize) -> Result<(), Violation> {
        let id = packet.packet_id().map_or(0, |id| id.get());
        let Some(link) = &mut self.link else { return Ok(()) };
        let says_nothing = self.config.version == Version::V311 && packet.kind() == PacketKind::Unsuback;
        match link.requests.get(&id) {
            Some((tag, kind, filters)) if *kind == packet.kind() => {
                if *filters != reasons && !says_nothing {
                    return Err(Violation::ReasonCount { expected: *filters, actual: reasons });
                }
                self.news.push_back(News::Answered { tag: Some(*tag) });
                link.requests.remove(&id);
                Ok(())
            }
            _ => Err(Violation::UnknownRequest),
        }
    }

    /// The acknowledgements whose turn it is become due.
    fn take_turns(&mut self) {
        let Some(link) = self.link.as_mut().filter(|link| !link.sealed && link.complaint.is_none()) else {
            return;
        };
        for (order, kind) in [(0, AckKind::Puback), (1, AckKind::Pubrec)] {
            while let Some((id, n)) = link.order[order].front().copied() {
                let unreleased = self.inbound.values().filter(|inbound| inbound.recorded_here).count();
                if let Some(inbound) = self.inbound.get_mut(&id).filter(|inbound| inbound.n == n) {
                    let Some(reason) = inbound.answer else { break };
                    if kind == AckKind::Puback || reason.is_error() {
                        self.inbound.remove(&id);
                    } else if inbound.recorded_here || unreleased < self.config.max_unreleased.max(1).into() {
                        (inbound.recorded, inbound.recorded_here, inbound.queued) = (true, true, false);
                    } else {
                        break;
                    }
                    link.owe(kind, id, reason);
                }
                link.order[order].pop_front();
            }
        }
    }
}

/// Looks, and what the others share.
impl Reference {
    /// What the session waits for.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.link {
            None => Phase::Closed,
            Some(Link { ending: Some(_), .. }) => Phase::Closing,
            Some(Link { accepted: false, .. }) => Phase::AwaitConnack,
            Some(_) => Phase::Ready,
        }
    }

    /// Identifiers are given out in sequence, past those in use.
    fn free_id(&self) -> u16 {
        let is_taken = |id: &u16| {
            let requested = self.link.as_ref().is_some_and(|link| link.requests.contains_key(id));
            requested || self.barred.contains(id) || self.flows.values().any(|flow| flow.id == *id)
        };
        let all = (self.next_id..=u16::MAX).chain(1..self.next_id);
        all.into_iter().find(|id| !is_taken(id)).expect("there are more identifiers than publishes")
    }

    fn end(&mut self, tag: Tag, end: End) {
        self.news.push_back(News::Ended { tag, end });
    }

    /// The peer broke a rule.
    fn fail(&mut self, error: ProtocolError, now: Timestamp) {
        let cause = DisconnectCause::ProtocolError(error.clone());
        match &mut self.link {
            Some(link) if link.accepted && self.config.version == Version::V5 => {
                link.complaint = Some(error.reason_code());
                link.end(cause, now + CLOSE_TIMEOUT);
            }
            _ => self.cut(cause, now),
        }
    }

    /// The connection ends without another word.
    fn cut(&mut self, cause: DisconnectCause, now: Timestamp) {
        let Some(link) = &mut self.link else { return };
        (link.sealed, link.owes_connect) = (true, false);
        link.acks = Default::default();
        link.owed_pings = 0;
        link.end(cause, now);
    }
}

impl Link {
    fn takes(&self, qos: QoS) -> bool {
        self.max_qos.is_none_or(|maximum| qos <= maximum)
    }

    fn owe(&mut self, kind: AckKind, id: u16, reason: ReasonCode) {
        self.acks[kind as usize].push_back((id, reason));
    }

    /// What happened first is the cause; the earliest deadline holds.
    fn end(&mut self, cause: DisconnectCause, at: Timestamp) {
        let ending = self.ending.get_or_insert(Ending { cause, at });
        ending.at = ending.at.min(at);
    }
}

/// 3.1.1 knows no reasons in acknowledgements.
fn in_words_of(version: Version, reason: ReasonCode) -> ReasonCode {
    if version == Version::V5 { reason } else { ReasonCode::Success }
}
