//! [`run`]: a session lives through a story beside its `Model`, and does what that expects: each packet, each piece of news,
//! each refusal, each complaint about a peer.

use std::collections::{BTreeMap, BTreeSet};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use mqtt_session::codec::bytes::BytesMut;
use mqtt_session::codec::{
    Auth, AuthProperties, Connack, Decoder, Disconnect, Packet, PacketKind, Publish, QoS, ReasonCode, Side,
    Subscribe, SubscribeFilter, TopicFilter, Unsubscribe, Version,
};
use mqtt_session::{Command, Config, Duty, Event, Key, Output, Phase, Refusal, Session, Timestamp, Token};

use crate::messages::{connect, message, number};
use crate::news::News;
use crate::panel::Panel;
use crate::peer;
use crate::step::{Act, STEP_BYTES, Step};
use crate::store::Store;

/// What a story has come by, in a word or two each: news, refusals, packets and rules that were broken.
pub type Seen = BTreeSet<String>;

/// The bytes before the first [`Step`].
pub const HEAD: usize = 2;

/// Lives through the story that the bytes tell: the first two say what the session and the peer are like, each
/// [`STEP_BYTES`] that follow are a [`Step`].
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
    let config = Config {
        version,
        max_in_flight: small(first >> 1),
        max_inbound: small(*second) + 1,
        max_unreleased: if first & 0x80 == 0 { u16::MAX } else { small(first >> 5) },
        topic_alias_maximum: small(second >> 2),
        max_outbound_aliases: small(first >> 3),
        max_packet_size: if second & 0x40 == 0 { Config::default().max_packet_size } else { 30 },
        durable: second & 0x20 != 0,
        trace: second & 0x10 != 0,
        ..Config::default()
    };
    let mut lockstep = Lockstep::new(config, *second >= 0x80);
    for step in steps.as_chunks::<STEP_BYTES>().0 {
        let step = Step::read(*step, lockstep.session.phase());
        told(&step);
        lockstep.step(step);
    }
    lockstep.close();
    lockstep.listen();
    lockstep.check_kept();
    lockstep.seen
}

/// A server of 3.1.1 refuses 5.0.
const ONLY_V311: [u8; 4] = [0x20, 2, 0, 1];

struct Lockstep {
    session: Session,
    panel: Panel,
    /// Whether the peer means harm, and now and then sends what it may not.
    is_hostile: bool,
    config: Config,
    now: Timestamp,
    store: Store,
    has_store_failed: bool,
    /// Whether the store had all when it was last asked.
    is_all_stored: bool,
    output: Output,
    /// The end of what the model has seen of the output, and of what the transport has taken, counted in bytes of the
    /// connection.
    shown: u64,
    written: u64,
    /// Whether the server was heard since the driver asked for output.
    has_heard: bool,
    /// On the way to the session; arrived at the session and, for the model, not yet a whole packet.
    wire: Vec<u8>,
    input: BytesMut,
    arrived: BytesMut,
    /// Publishes and requests, and messages of the server, so far.
    tags: u64,
    messages: u64,
    /// What the application has yet to acknowledge, with its number in the model.
    tokens: Vec<(Token, u64)>,
    /// Publishes of QoS 0 that were sent at once, and the byte of the connection with which each is to end.
    immediate: BTreeMap<u64, u64>,
    /// The delivery ids of QoS 2 messages, by that number.
    deliveries: BTreeMap<u64, u64>,
    seen: Seen,
}

impl Lockstep {
    fn new(config: Config, is_hostile: bool) -> Self {
        Self {
            session: Session::new(config.clone()),
            panel: Panel::new(config.clone()),
            is_hostile,
            config,
            now: Timestamp::ZERO,
            store: Store::default(),
            has_store_failed: false,
            is_all_stored: false,
            output: Output::new(),
            shown: 0,
            written: 0,
            has_heard: false,
            wire: Vec::new(),
            input: BytesMut::new(),
            arrived: BytesMut::new(),
            tags: 0,
            messages: 0,
            tokens: Vec::new(),
            immediate: BTreeMap::new(),
            deliveries: BTreeMap::new(),
            seen: Seen::new(),
        }
    }

    fn step(&mut self, step: Step) {
        self.is_all_stored = false;
        self.act(step.act, self.is_hostile && step.rude);
        self.hear(step.heard.unwrap_or(usize::MAX));
        if step.stores {
            self.serve_store(step.commits);
        }
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
        assert_eq!(self.session.phase(), self.panel.phase());
        let counts = (self.session.in_flight(), self.session.inbound_unacknowledged());
        assert_eq!(counts, self.panel.model.counts());
    }

    fn act(&mut self, act: Act, is_rude: bool) {
        let packet_id = self.panel.free_id();
        let is_v5 = self.config.version == Version::V5;
        match act {
            Act::Open { .. } if self.session.phase() == Phase::Closed || is_rude => self.open(&act),
            Act::Cut => self.close(),
            Act::Restart { written } => self.restart(written),
            Act::FailStore if self.config.durable => {
                self.session.handle_store_failed(self.now);
                self.store.crash(false);
                self.panel.fail_store();
                self.has_store_failed = true;
            }
            Act::Publish { qos, topic, expiry } => {
                let packet_id = (qos != QoS::AtMostOnce).then_some(packet_id);
                let name = peer::topic(topic);
                let mut publish = Publish { packet_id, topic: name, ..message(self.tags + 1, qos) };
                if let Some(expiry) = expiry.filter(|_| is_v5) {
                    publish.properties.set_message_expiry_interval(expiry);
                }
                self.submit(publish.into());
                // An interval counts from the driver's next look, at the store or at the output.
                let looks_at_store =
                    self.config.durable && !self.has_store_failed && !self.store.is_at_work();
                if expiry.is_some() && looks_at_store {
                    self.serve_store(false);
                    // What no output has taken yet may be late for it.
                    self.sleep(Duration::from_secs(topic.into()));
                } else if expiry.is_some() {
                    self.poll();
                }
            }
            Act::Send { topic } => {
                let topic = peer::topic(topic);
                self.send(&Publish { topic, ..message(self.tags + 1, QoS::AtMostOnce) });
            }
            Act::Subscribe(count) => {
                let filters = vec![SubscribeFilter::new(filter(), QoS::ExactlyOnce); count];
                self.submit(Subscribe { packet_id, filters, properties: Default::default() }.into());
            }
            Act::Unsubscribe(count) => {
                let filters = vec![filter(); count];
                self.submit(Unsubscribe { packet_id, filters, properties: Default::default() }.into());
            }
            Act::Ping => self.submit(Packet::Pingreq),
            Act::Authenticate { anew } => {
                let reason =
                    if anew { ReasonCode::ReAuthenticate } else { ReasonCode::ContinueAuthentication };
                let properties = AuthProperties::new().with_authentication_method(&peer::method(false));
                self.submit(Auth::new(reason, properties).into());
            }
            Act::Disconnect => self.submit(Disconnect::default().into()),
            Act::Acknowledge { which, reason } if !self.tokens.is_empty() => {
                let (token, number) = self.tokens.swap_remove(which % self.tokens.len());
                let is_sayable = is_v5 && reason.allowed_in(PacketKind::Puback, Side::Client);
                let said = if is_sayable { reason } else { ReasonCode::Success };
                let expected = self.panel.acknowledge(number, said);
                assert_eq!(self.session.acknowledge(token, reason), expected);
                assert!(!self.session.acknowledge(token, reason), "a token answers once");
            }
            Act::Pass { millis, asleep: true } => self.sleep(Duration::from_millis(millis)),
            Act::Pass { millis, .. } => self.pass(Duration::from_millis(millis)),
            from_peer => {
                self.messages += 1;
                let bytes = peer::says(&from_peer, self.config.version, &self.panel, self.messages);
                if is_rude || self.is_right(&bytes) {
                    self.wire.extend(bytes);
                }
            }
        }
    }

    fn open(&mut self, act: &Act) {
        let Act::Open { clean, keep_alive, authenticates, terse } = *act else { return };
        let mut connect = connect(self.config.version);
        (connect.clean_start, connect.keep_alive) = (clean, keep_alive);
        if self.config.version == Version::V5 {
            let properties = &mut connect.properties;
            // What the session announces.
            let maximum = NonZeroU16::new(self.config.max_inbound).expect("at least one");
            properties.set_receive_maximum(maximum);
            let maximum = NonZeroU32::new(self.config.max_packet_size).expect("some bytes");
            properties.set_maximum_packet_size(maximum);
            if self.config.topic_alias_maximum > 0 {
                properties.set_topic_alias_maximum(self.config.topic_alias_maximum);
            }
            if authenticates {
                properties.set_authentication_method(&peer::method(false));
            }
            if terse {
                properties.set_request_problem_information(false);
            }
        }
        self.panel.open(&connect, self.now);
        self.session.handle_opened(self.now, connect).expect("nothing in it is to be refused");
        self.forget_bytes();
    }

    fn close(&mut self) {
        self.panel.close();
        self.session.handle_closed(self.now);
        self.forget_bytes();
    }

    fn restart(&mut self, written: bool) {
        if self.config.durable {
            self.store.crash(written);
        } else {
            self.store = Store::of(&self.session, self.now);
        }
        self.panel.restart(written);
        if written && !self.config.durable {
            self.store.rewind();
            self.panel.rewind();
        }
        self.session = self.store.restore(self.config.clone(), self.now);
        self.has_store_failed = false;
        self.tokens.clear();
        self.forget_bytes();
        self.check_kept();
    }

    /// The session keeps what the model keeps: nothing is lost, and no identifier stays in use.
    fn check_kept(&self) {
        let kept: BTreeSet<Key> = self.session.snapshot().map(|record| record.key()).collect();
        assert_eq!(kept, self.panel.keys());
    }

    fn forget_bytes(&mut self) {
        self.output.clear();
        self.wire.clear();
        self.input.clear();
        self.arrived.clear();
        (self.shown, self.written) = (0, 0);
    }

    fn submit(&mut self, packet: Packet) {
        self.tags += 1;
        let (tag, command) = (self.tags, command(self.tags, packet.clone()));
        let expected = self.panel.submit(tag, &packet, self.now);
        match self.session.submit(command.clone()) {
            Ok(()) => assert!(expected, "{command:?} was taken"),
            Err(rejected) => {
                self.note("refuses", &rejected.refusal);
                assert!(!expected, "{command:?} was refused: {}", rejected.refusal);
                assert_eq!(rejected.value, command, "a refused command comes back unharmed");
            }
        }
    }

    /// Publishes of QoS 0, at once.
    fn send(&mut self, publish: &Publish) {
        self.tags += 1;
        match self.session.send(publish) {
            Ok(end) => {
                self.note("sends", &"Immediately");
                self.panel.send(publish, self.now);
                self.immediate.insert(self.tags, end);
            }
            Err(Refusal::Busy) => {
                // A flow may have gone on before it was its turn, which it keeps until there is room, or have ended, and
                // keeps it until somebody asks for output.
                let is_kept = self.has_heard || self.session.in_flight() > 0;
                let is_before = is_kept || self.panel.is_waiting();
                assert!(is_before, "nothing is before {publish:?}");
            }
            Err(refusal) => {
                let is_ready = self.panel.phase() == Phase::Ready;
                assert!(!is_ready || !self.panel.takes(&publish.clone().into()), "{publish:?}: {refusal}");
            }
        }
    }

    /// Whether a server may send this now, as far as it can know.
    fn is_right(&self, bytes: &[u8]) -> bool {
        let mut panel = self.panel.clone();
        !panel.is_deaf() && foretell(&mut panel, &self.config, &mut BytesMut::from(bytes), self.now).is_ok()
    }

    /// Some of what is on the wire arrives.
    fn hear(&mut self, bytes: usize) {
        let count = bytes.min(self.wire.len());
        self.input.extend_from_slice(&self.wire[..count]);
        self.arrived.extend(self.wire.drain(..count));
        self.has_heard |= count > 0;
        let expected = foretell(&mut self.panel, &self.config, &mut self.arrived, self.now);
        let actual = loop {
            match self.session.handle_input(self.now, &mut self.input) {
                Ok(0) => break None,
                Ok(_) => {}
                Err(error) => break Some(error),
            }
        };
        match (expected, actual) {
            (Err(expected), Some(error)) => {
                self.note("blames", &error.violation);
                assert_eq!((error.packet, error.reason_code()), expected, "{error}");
                let again = self.session.handle_input(self.now, &mut BytesMut::from(&b"\xd0\x00"[..]));
                assert_eq!(again, Err(error.clone()), "an error is latched");
                self.panel.fail(error, self.now);
            }
            (Err(expected), None) => panic!("nobody is blamed for {expected:?}"),
            (Ok(()), Some(error)) => assert!(self.panel.is_deaf(), "an honest peer is blamed: {error}"),
            (Ok(()), None) => {}
        }
        if self.panel.is_deaf() {
            self.input.clear();
            self.arrived.clear();
        }
    }

    /// The store is given what it lacks; if it is to commit, until it has all.
    fn serve_store(&mut self, commits: bool) {
        if !self.config.durable || self.has_store_failed {
            return;
        }
        loop {
            if commits && self.store.commit(&mut self.session, self.now) {
                self.panel.commit();
            }
            if self.store.is_at_work() {
                return;
            }
            let is_something = self.store.begin(&mut self.session, self.now);
            self.is_all_stored = !is_something;
            if is_something {
                self.panel.hand_out();
            }
            if !is_something || !commits {
                return;
            }
        }
    }

    /// The driver asks for output until nothing is due any more.
    fn poll(&mut self) {
        let has_all = !self.config.durable || self.is_all_stored && !self.session.has_unstored();
        self.has_heard = false;
        loop {
            let duty = self.session.poll_io(self.now, &mut self.output);
            self.show_output();
            if let Duty::Wait(Some(deadline)) = duty
                && deadline.at <= self.now
            {
                self.panel.timeout(self.now);
                self.session.handle_timeout(self.now);
                continue;
            }
            let is_to_close = duty == Duty::Close;
            self.panel.settled(has_all, is_to_close, self.output.len(), self.now);
            if is_to_close {
                self.close();
            }
            return;
        }
    }

    /// Shows the model the packets that are new in the output.
    fn show_output(&mut self) {
        let known = usize::try_from(self.shown - self.written).expect("less than the output");
        let mut bytes: BytesMut = self.output.chunks().flatten().skip(known).copied().collect();
        let decoder = Decoder::new(self.config.version, Side::Client);
        loop {
            let before = bytes.len();
            let Some(packet) = decoder.decode_from(&mut bytes).expect("a legal packet") else { break };
            self.shown += (before - bytes.len()) as u64;
            self.note("sends", &packet.kind());
            if let Packet::Publish(publish) = &packet {
                if publish.properties.topic_alias().is_some() {
                    self.note("sends", &"Alias");
                }
                let end = self.immediate.remove(&number(&publish.payload));
                assert!(end.is_none_or(|end| end == self.shown), "{publish:?} does not end at {end:?}");
            }
            self.panel.sent(packet, self.shown, self.now);
        }
        assert!(bytes.is_empty(), "half a packet is sent");
    }

    /// The transport takes some of the output.
    fn write(&mut self, bytes: usize) {
        let count = bytes.min(self.output.len());
        if count > 0 {
            self.output.advance(count);
            self.written += count as u64;
            self.panel.written(self.written);
            self.session.handle_written(self.now, count);
        }
    }

    /// Time passes while the driver sleeps, unless it would miss a ping by that.
    fn sleep(&mut self, time: Duration) {
        if self.panel.is_pinging() {
            return self.pass(time);
        }
        self.write(usize::MAX);
        self.now += time;
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
            let news = News::of(&event);
            self.note("tells", &news);
            let (expected, number) = self.panel.news.pop_front().expect("there is something to tell");
            assert_eq!(news, expected);
            if let (Event::Message(inbound), Some(number)) = (event, number) {
                let token = inbound.token.expect("QoS 1 and 2 want an answer");
                self.tokens.push((token, number));
                if inbound.publish.qos() == QoS::ExactlyOnce {
                    let first = *self.deliveries.entry(number).or_insert(token.delivery_id());
                    assert_eq!(first, token.delivery_id(), "a message keeps its delivery id");
                }
            }
        }
        assert_eq!(self.panel.news, [], "not told");
        let ids: BTreeSet<_> = self.deliveries.values().collect();
        assert_eq!(ids.len(), self.deliveries.len(), "two messages have one delivery id");
    }

    /// Notes what has been seen, without its numbers.
    fn note(&mut self, does: &str, what: &dyn std::fmt::Debug) {
        let what = format!("{what:?}");
        let words =
            what.split(|c: char| !c.is_alphanumeric()).filter(|word| word.starts_with(char::is_uppercase));
        let words: Vec<_> = words.take(3).collect();
        self.seen.insert(format!("{does} {}", words.join(" ")));
    }
}

/// The panel takes whatever packets have arrived; the one that breaks a rule, and what the server is told.
fn foretell(
    panel: &mut Panel,
    config: &Config,
    arrived: &mut BytesMut,
    now: Timestamp,
) -> Result<(), (Option<PacketKind>, ReasonCode)> {
    let decoder = Decoder::new(config.version, Side::Server).with_max_packet_size(config.max_packet_size);
    while !panel.is_deaf() {
        let is_first = matches!(panel.phase(), Phase::AwaitConnack | Phase::AwaitAnswer);
        let packet = if config.version == Version::V5 && is_first && arrived.starts_with(&ONLY_V311) {
            arrived.clear();
            Connack::new(false, ReasonCode::UnsupportedProtocolVersion).into()
        } else {
            match decoder.decode_from(arrived) {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(error) => return Err((error.packet, error.reason_code())),
            }
        };
        let kind = packet.kind();
        panel.hear(packet, now).map_err(|reason| (Some(kind), reason))?;
    }
    Ok(())
}

fn filter() -> TopicFilter {
    TopicFilter::from_static("a/+").expect("a plain filter")
}

/// The wish that comes to this packet.
fn command(tag: u64, packet: Packet) -> Command {
    match packet {
        Packet::Publish(publish) => Command::Publish { tag, publish },
        Packet::Subscribe(Subscribe { filters, properties, .. }) => {
            Command::Subscribe { tag, filters, properties }
        }
        Packet::Unsubscribe(Unsubscribe { filters, properties, .. }) => {
            Command::Unsubscribe { tag, filters, properties }
        }
        Packet::Auth(auth) if auth.reason == ReasonCode::ReAuthenticate => {
            Command::Reauthenticate(auth.properties)
        }
        Packet::Auth(auth) => Command::AnswerChallenge(auth.properties),
        Packet::Disconnect(disconnect) => Command::Disconnect(disconnect),
        _ => Command::Ping { tag },
    }
}
