//! [`run`]: a session and its [`Reference`] live through the same story, and must not differ.

use std::collections::BTreeSet;
use std::time::Duration;

use mqtt_session::codec::bytes::BytesMut;
use mqtt_session::codec::{
    Ack, AckKind, Connack, Decoder, Disconnect, Packet, QoS, ReasonCode, Side, Suback, SubscribeFilter,
    TopicFilter, Unsuback, Version,
};
use mqtt_session::{Command, Config, Duty, Event, Output, Phase, Session, Timestamp, Token};

use crate::messages::{connect, id, message};
use crate::news::News;
use crate::reference::Reference;
use crate::step::{Act, STEP_BYTES, Step};
use crate::store::Store;

/// What a story has come by, in a word or two each: news, refusals, packets and rules that were broken.
pub type Seen = BTreeSet<String>;

/// The bytes before the first [`Step`].
pub const HEAD: usize = 2;

/// Lives through the story that the bytes tell: the first two say what the session and the peer are like, each four
/// that follow are a [`Step`].
///
/// # Panics
///
/// If session and model differ.
pub fn run(story: &[u8]) -> Seen {
    tell(story, &mut |_| {})
}

/// The same, and each step is told before it happens.
///
/// # Panics
///
/// As [`run`] does.
pub fn tell(story: &[u8], told: &mut dyn FnMut(&Step)) -> Seen {
    let [first, second, steps @ ..] = story else { return Seen::new() };
    let version = if first & 1 == 0 { Version::V311 } else { Version::V5 };
    let small = |byte: u8| u16::from(byte % 4);
    let max_unreleased = if first & 0x80 == 0 { u16::MAX } else { small(first >> 5) };
    let config = Config {
        version,
        max_in_flight: small(first >> 1),
        max_inbound: small(*second) + 1,
        max_unreleased,
        trace: second & 0x10 != 0,
        ..Config::default()
    };
    let mut lockstep = Lockstep::new(config, *second >= 0x40);
    for step in steps.as_chunks::<STEP_BYTES>().0 {
        let step = Step::read(*step, lockstep.session.phase());
        told(&step);
        lockstep.step(step);
    }
    lockstep.close();
    lockstep.listen();
    lockstep.seen
}

struct Lockstep {
    session: Session,
    reference: Reference,
    version: Version,
    /// Whether the peer means harm, and now and then sends what it may not.
    is_hostile: bool,
    config: Config,
    now: Timestamp,
    output: Output,
    /// The end of what the model has seen of the output, and of what the transport has taken, counted in bytes of the
    /// connection.
    shown: u64,
    written: u64,
    /// On the way to the session; arrived at the session and, for the model, not yet a whole packet.
    wire: Vec<u8>,
    input: BytesMut,
    arrived: BytesMut,
    /// Publishes and requests, and messages of the server, so far.
    tags: u64,
    messages: u64,
    tokens: Vec<(Token, u64)>,
    seen: Seen,
}

impl Lockstep {
    fn new(config: Config, is_hostile: bool) -> Self {
        Self {
            version: config.version,
            is_hostile,
            reference: Reference::new(config.clone()),
            session: Session::new(config.clone()),
            config,
            now: Timestamp::ZERO,
            output: Output::new(),
            shown: 0,
            written: 0,
            wire: Vec::new(),
            input: BytesMut::new(),
            arrived: BytesMut::new(),
            tags: 0,
            messages: 0,
            tokens: Vec::new(),
            seen: Seen::new(),
        }
    }

    fn step(&mut self, step: Step) {
        self.act(step.act, self.is_hostile && step.rude);
        self.hear(step.heard.unwrap_or(usize::MAX));
        if step.polls {
            self.poll();
        }
        self.write(step.written.unwrap_or(usize::MAX));
        if step.polls {
            self.poll();
        }
        if step.listens {
            self.listen();
        }
        assert_eq!(self.session.phase(), self.reference.phase());
        let counts = (self.session.in_flight(), self.session.inbound_unacknowledged());
        assert_eq!(counts, self.reference.counts());
    }

    fn act(&mut self, act: Act, is_rude: bool) {
        match act {
            Act::Open { clean, keep_alive } if self.session.phase() == Phase::Closed || is_rude => {
                self.open(clean, keep_alive);
            }
            Act::Cut => self.close(),
            Act::Restart => self.restart(),
            Act::Publish(qos) => {
                let tag = self.tag();
                self.submit(Command::Publish { tag, publish: message(tag, qos) });
            }
            Act::Subscribe(count) => {
                let filters = vec![SubscribeFilter::new(filter(), QoS::ExactlyOnce); count];
                let tag = self.tag();
                self.submit(Command::Subscribe { tag, filters, properties: Default::default() });
            }
            Act::Unsubscribe(count) => {
                let (tag, filters) = (self.tag(), vec![filter(); count]);
                self.submit(Command::Unsubscribe { tag, filters, properties: Default::default() });
            }
            Act::Ping => {
                let tag = self.tag();
                self.submit(Command::Ping { tag });
            }
            Act::Disconnect => self.submit(Command::Disconnect(Disconnect::default())),
            Act::Acknowledge { which, reason } if !self.tokens.is_empty() => {
                let (token, n) = self.tokens.swap_remove(which % self.tokens.len());
                let expected = self.reference.acknowledge(n, reason);
                assert_eq!(self.session.acknowledge(token, reason), expected);
                assert!(!self.session.acknowledge(token, reason), "a token answers once");
            }
            Act::Acknowledge { .. } => {}
            Act::Pass(millis) => self.pass(Duration::from_millis(millis)),
            Act::Garbage(bytes) if is_rude => self.wire.extend(bytes),
            from_peer => {
                let packet = self.packet(from_peer).filter(|packet| is_rude || self.is_right(packet));
                packet.iter().for_each(|packet| {
                    packet.encode(self.version, &mut self.wire).expect("a packet of the server");
                });
            }
        }
    }

    /// What the server sends; nothing if there is nothing to refer to.
    fn packet(&mut self, act: Act) -> Option<Packet> {
        let is_v5 = self.version == Version::V5;
        let in_words = |ack: Ack| if is_v5 { ack } else { ack.with_reason(ReasonCode::Success) };
        Some(match act {
            Act::Accept { present, window, without_qos2 } => {
                let mut connack = Connack::new(present, ReasonCode::Success);
                if let Some(window) = window.try_into().ok().filter(|_| is_v5) {
                    connack.properties.set_receive_maximum(window);
                }
                if is_v5 && without_qos2 {
                    connack.properties.set_maximum_qos(QoS::AtLeastOnce);
                }
                connack.into()
            }
            Act::Refuse => Connack::new(false, ReasonCode::ServerUnavailable).into(),
            Act::Answer { which, reason } => {
                let ack = pick(self.reference.honest_acks(), which)?;
                let reason = allowed(ack.kind, reason);
                in_words(ack.with_reason(reason)).into()
            }
            Act::AnswerRequest { which, extra, confused } => {
                let (packet_id, is_subscribe, filters) = pick(self.reference.requests().collect(), which)?;
                let reasons = |count: usize| vec![ReasonCode::Success; count + extra];
                match is_subscribe != confused {
                    true => Suback::new(id(packet_id), reasons(filters)).into(),
                    false => {
                        Unsuback::new(id(packet_id), if is_v5 { reasons(filters) } else { vec![] }).into()
                    }
                }
            }
            Act::Release { which } => {
                let packet_id = pick(self.reference.recorded().collect(), which)?;
                Ack::new(AckKind::Pubrel, id(packet_id)).into()
            }
            Act::Message { id: packet_id, qos, dup } => {
                self.messages += 1;
                let mut publish = message(self.messages, qos);
                if qos != QoS::AtMostOnce {
                    (publish.packet_id, publish.dup) = (Some(id(packet_id)), dup);
                }
                publish.into()
            }
            Act::Ack(kind, packet_id, reason) => {
                let ids = self.reference.packet_ids();
                let ack = Ack::new(kind, id(pick(ids, packet_id.into()).unwrap_or(packet_id)));
                in_words(ack.with_reason(allowed(kind, reason))).into()
            }
            Act::Pong => Packet::Pingresp,
            Act::Goodbye if is_v5 => Disconnect::new(ReasonCode::ServerShuttingDown).into(),
            _ => return None,
        })
    }

    /// Whether a server may send this now, as far as it can know.
    fn is_right(&self, packet: &Packet) -> bool {
        !self.reference.is_deaf() && self.reference.clone().hear(packet, self.now).is_ok()
    }

    fn open(&mut self, clean: bool, keep_alive: u16) {
        let mut connect = connect(self.version);
        (connect.clean_start, connect.keep_alive) = (clean, keep_alive);
        self.reference.open(&connect, self.now);
        self.session.handle_opened(self.now, connect).expect("nothing in it is to be refused");
        self.forget_bytes();
    }

    fn close(&mut self) {
        self.reference.close();
        self.session.handle_closed(self.now);
        self.forget_bytes();
    }

    fn restart(&mut self) {
        self.reference.restart();
        self.session = Store::of(&self.session).restore(self.config.clone(), self.now);
        self.tokens.clear();
        self.forget_bytes();
    }

    fn forget_bytes(&mut self) {
        self.output.clear();
        self.wire.clear();
        self.input.clear();
        self.arrived.clear();
        (self.shown, self.written) = (0, 0);
    }

    fn submit(&mut self, command: Command) {
        let expected = self.reference.submit(&command, self.now);
        match self.session.submit(command.clone()) {
            Ok(()) => assert_eq!(expected, Ok(()), "{command:?} was taken"),
            Err(rejected) => {
                self.note("refuses", &rejected.refusal);
                assert_eq!(rejected.value, command, "a refused command comes back unharmed");
                assert_eq!(expected, Err(rejected.refusal), "{command:?}");
            }
        }
    }

    /// Some of what is on the wire arrives.
    fn hear(&mut self, bytes: usize) {
        let count = bytes.min(self.wire.len());
        self.input.extend_from_slice(&self.wire[..count]);
        self.arrived.extend(self.wire.drain(..count));
        let decoder =
            Decoder::new(self.version, Side::Server).with_max_packet_size(self.config.max_packet_size);
        let mut expected = None;
        while expected.is_none() && !self.reference.is_deaf() {
            if self.version == Version::V5
                && self.reference.phase() == Phase::AwaitConnack
                && self.arrived.starts_with(&[0x20, 2, 0, 1])
            {
                let _ = self.arrived.split_to(4);
                let refusal = Connack::new(false, ReasonCode::UnsupportedProtocolVersion);
                expected = self.reference.hear(&refusal.into(), self.now).err();
                continue;
            }
            match decoder.decode_from(&mut self.arrived) {
                Ok(Some(packet)) => expected = self.reference.hear(&packet, self.now).err(),
                Ok(None) => break,
                Err(error) => {
                    self.reference.malformed(error, self.now);
                    expected = Some(mqtt_session::Violation::Packet(error));
                }
            }
        }
        let actual = loop {
            match self.session.handle_input(self.now, &mut self.input) {
                Ok(0) => break None,
                Ok(_) => {}
                Err(error) => break Some(error),
            }
        };
        if let Some(expected) = expected {
            self.note("blames", &expected);
            let actual = actual.expect("the peer broke a rule");
            assert_eq!(actual.violation, expected);
            let again = self.session.handle_input(self.now, &mut BytesMut::from(&b"\xd0\x00"[..]));
            assert_eq!(again, Err(actual), "an error is latched");
        } else if !self.reference.is_deaf() {
            assert_eq!(actual, None, "an honest peer is blamed");
        }
        if self.reference.is_deaf() {
            self.input.clear();
            self.arrived.clear();
        }
    }

    /// The driver asks for output until nothing is due any more.
    fn poll(&mut self) {
        loop {
            let duty = self.session.poll_io(self.now, &mut self.output);
            self.show_output();
            let waiting = self.output.len();
            match duty {
                Duty::Wait(Some(deadline)) if deadline.at <= self.now => {
                    self.reference.timeout(self.now);
                    self.session.handle_timeout(self.now);
                }
                Duty::Wait(_) => return self.reference.settled(waiting, false, self.now),
                Duty::Close => {
                    self.reference.settled(waiting, true, self.now);
                    return self.close();
                }
            }
        }
    }

    /// Shows the model the packets that are new in the output.
    fn show_output(&mut self) {
        let known = usize::try_from(self.shown - self.written).expect("less than the output");
        let mut bytes: BytesMut = self.output.chunks().flatten().skip(known).copied().collect();
        let decoder = Decoder::new(self.version, Side::Client);
        loop {
            let before = bytes.len();
            let Some(packet) = decoder.decode_from(&mut bytes).expect("a legal packet") else { break };
            self.shown += (before - bytes.len()) as u64;
            self.note("sends", &packet.kind());
            self.reference.sent(&packet, self.shown, self.now);
        }
        assert!(bytes.is_empty(), "half a packet is sent");
    }

    /// The transport takes some of the output.
    fn write(&mut self, bytes: usize) {
        let count = bytes.min(self.output.len());
        if count > 0 {
            self.output.advance(count);
            self.written += count as u64;
            self.reference.written(self.written, self.now);
            self.session.handle_written(self.now, count);
        }
    }

    /// Time passes, and the driver keeps the deadlines.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.poll();
            self.write(usize::MAX);
            self.poll();
            match self.session.poll_io(self.now, &mut self.output) {
                Duty::Wait(Some(deadline)) if deadline.at <= until => self.now = deadline.at,
                _ => break,
            }
        }
        self.now = until;
    }

    /// The application takes its news.
    fn listen(&mut self) {
        while let Some(event) = self.session.poll_event() {
            if let Event::Message(inbound) = &event {
                let number = crate::messages::number(inbound.publish.payload());
                self.tokens.extend(inbound.token.map(|token| (token, number)));
            }
            let news = News::of(&event);
            self.note("tells", &news);
            assert_eq!(Some(news), self.reference.news.pop_front());
        }
        assert_eq!(self.reference.news, [], "not told");
    }

    /// Notes what has been seen, without its numbers.
    fn note(&mut self, does: &str, what: &dyn std::fmt::Debug) {
        let what = format!("{what:?}");
        let words =
            what.split(|c: char| !c.is_alphanumeric()).filter(|word| word.starts_with(char::is_uppercase));
        let words: Vec<_> = words.take(3).collect();
        self.seen.insert(format!("{does} {}", words.join(" ")));
    }

    fn tag(&mut self) -> u64 {
        self.tags += 1;
        self.tags
    }
}

fn filter() -> TopicFilter {
    TopicFilter::from_static("a/+").expect("a plain filter")
}

fn pick<T>(mut all: Vec<T>, which: usize) -> Option<T> {
    (!all.is_empty()).then(|| all.swap_remove(which % all.len()))
}

/// A reason that the packet may carry.
fn allowed(kind: AckKind, reason: ReasonCode) -> ReasonCode {
    if reason.allowed_in(kind.into(), Side::Server) { reason } else { ReasonCode::Success }
}
