//! [`World`]: a session and an honest [`Server`], with a link between them that can be cut anywhere, and an
//! application that takes notes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use mqtt_session::codec::bytes::BytesMut;
use mqtt_session::codec::{Decoder, QoS, ReasonCode, Side, Version};
use mqtt_session::{Command, Config, Duty, Event, Inbound, Output, Phase, Record, Session, Timestamp, Token};

use crate::messages::{connect, message, number};
use crate::news::{End, News};
use crate::server::Server;
use crate::store::Store;

/// All who act, and what they have seen.
#[derive(Debug)]
pub struct World {
    /// The client's session.
    pub session: Session,
    /// Whom it talks to.
    pub server: Server,
    config: Config,
    keep_alive: u16,
    now: Timestamp,
    output: Output,
    input: BytesMut,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// Whether the link swallows whatever is sent, and neither side knows.
    pub is_silent: bool,
    store: Store,
    /// The tags of publishes of QoS 1 and 2 that have not ended.
    open: BTreeSet<u64>,
    /// How many more bytes arrive at the server on this connection.
    pub server_hears: usize,
    /// How many more bytes arrive at the client on this connection.
    pub client_hears: usize,
    /// The delivery ids of the QoS 2 messages that the application has made use of, which it stores.
    used: BTreeSet<u64>,
    /// The messages that the application has made use of, in order.
    pub delivered: Vec<(u64, QoS)>,
    /// What it has yet to acknowledge.
    pub tokens: VecDeque<Token>,
    /// How its publishes ended.
    pub ended: BTreeMap<u64, End>,
}

impl World {
    /// A client that has at most `window` publishes and `inbound_window` messages unacknowledged, and a server that
    /// insists on both.
    #[must_use]
    pub fn new(version: Version, window: u16, inbound_window: u16) -> Self {
        let config =
            Config { version, max_in_flight: window, max_inbound: inbound_window, ..Config::default() };
        Self {
            session: Session::new(config.clone()),
            server: Server::new(version, window, inbound_window),
            config,
            keep_alive: 0,
            now: Timestamp::ZERO,
            output: Output::new(),
            input: BytesMut::new(),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            is_silent: false,
            store: Store::default(),
            open: BTreeSet::new(),
            server_hears: usize::MAX,
            client_hears: usize::MAX,
            used: BTreeSet::new(),
            delivered: Vec::new(),
            tokens: VecDeque::new(),
            ended: BTreeMap::new(),
        }
    }

    /// The same with a keep alive, in seconds.
    #[must_use]
    pub fn with_keep_alive(mut self, keep_alive: u16) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// The same with a store that takes its time; without one, a process that dies leaves all behind that it knew.
    #[must_use]
    pub fn with_store(mut self) -> Self {
        self.config.durable = true;
        self.session = Session::new(self.config.clone());
        self
    }

    /// Whether a transport is open.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.session.phase() != Phase::Closed
    }

    /// Opens a transport.
    ///
    /// # Panics
    ///
    /// If the session refuses the CONNECT.
    pub fn open(&mut self) {
        let mut connect = connect(self.config.version);
        connect.keep_alive = self.keep_alive;
        self.session.handle_opened(self.now, connect).expect("CONNECT is right");
        self.server.open();
    }

    /// The link is cut; what was on the way is lost.
    pub fn cut(&mut self) {
        self.session.handle_closed(self.now);
        self.forget_link();
        self.take_notes();
    }

    /// The process dies, and another one goes on from what is stored, perhaps with what was being `written`; the
    /// application knows nothing but which messages it has made use of. The publishes that the store had not got.
    pub fn restart(&mut self, written: bool) -> Vec<u64> {
        if !self.config.durable {
            self.store = Store::of(&self.session, self.now);
        }
        self.store.crash(written);
        self.session = self.store.restore(self.config.clone(), self.now);
        self.tokens.clear();
        self.forget_link();
        let kept: BTreeSet<u64> = self.session.snapshot().filter_map(|record| tag(&record)).collect();
        let lost = self.open.difference(&kept).copied().collect();
        self.open = kept;
        lost
    }

    /// What is being written is stored. False if nothing is.
    pub fn commit(&mut self) -> bool {
        let committed = self.store.commit(&mut self.session, self.now);
        self.take_notes();
        committed
    }

    /// Publishes if there is room.
    pub fn publish(&mut self, tag: u64, qos: QoS) -> bool {
        let taken = self.session.submit(Command::Publish { tag, publish: message(tag, qos) }).is_ok();
        if taken && qos != QoS::AtMostOnce {
            self.open.insert(tag);
        }
        taken
    }

    /// The application acknowledges the message at this place of those that it has yet to acknowledge. False if there
    /// is none.
    pub fn acknowledge(&mut self, place: usize) -> bool {
        let token = self.tokens.remove(place);
        token.is_some_and(|token| self.session.acknowledge(token, ReasonCode::Success))
    }

    /// The client's output goes onto the link. The client closes it if it finds it silent.
    ///
    /// # Panics
    ///
    /// If the session wants to close for another reason: nobody breaks a rule here.
    pub fn flush(&mut self) -> bool {
        if self.session.poll_io(self.now, &mut self.output) == Duty::Close {
            assert!(self.is_silent, "nobody breaks a rule here");
            self.cut();
            return false;
        }
        let length = self.output.len();
        self.to_server.extend(self.output.chunks().flatten());
        self.output.advance(length);
        self.session.handle_written(self.now, length);
        self.store.begin(&mut self.session, self.now);
        self.take_notes();
        length > 0
    }

    /// At most so many bytes arrive at the server.
    pub fn hear_at_server(&mut self, bytes: usize) -> bool {
        let count = bytes.min(self.to_server.len()).min(self.server_hears);
        let heard: Vec<u8> = self.to_server.drain(..count).filter(|_| !self.is_silent).collect();
        self.server.input(&heard);
        self.server_hears -= count;
        count > 0
    }

    /// At most so many bytes arrive at the client.
    ///
    /// # Panics
    ///
    /// If the session finds fault with the server.
    pub fn hear_at_client(&mut self, bytes: usize) -> bool {
        self.to_client.extend(self.server.output());
        let count = bytes.min(self.to_client.len()).min(self.client_hears);
        self.input.extend(self.to_client.drain(..count).filter(|_| !self.is_silent));
        while self.session.handle_input(self.now, &mut self.input).expect("the server is honest") > 0 {}
        self.client_hears -= count;
        self.take_notes();
        count > 0
    }

    /// One packet arrives at the server, which handles it. False if none is on the way.
    pub fn packet_to_server(&mut self) -> bool {
        let packet = first_packet(self.config.version, Side::Client, &mut self.to_server);
        self.hear_at_server(packet) && self.server.step()
    }

    /// One packet arrives at the client. False if none is on the way.
    pub fn packet_to_client(&mut self) -> bool {
        self.to_client.extend(self.server.output());
        let packet = first_packet(self.config.version, Side::Server, &mut self.to_client);
        self.hear_at_client(packet)
    }

    /// Lets everything run until nobody has anything to say that could be heard.
    pub fn run(&mut self, acknowledge: bool) {
        loop {
            let mut busy = self.flush();
            busy |= self.hear_at_server(usize::MAX);
            while self.server.step() {
                busy = true;
            }
            busy |= self.hear_at_client(usize::MAX);
            while acknowledge && !self.tokens.is_empty() {
                // One that the server's loss has made void is nobody's any more.
                busy |= self.acknowledge(0);
            }
            // A link that is about to be cut finds the store at work.
            let is_used_up = self.server_hears == 0 || self.client_hears == 0;
            if !busy && (is_used_up || !self.commit()) {
                return;
            }
        }
    }

    /// How long this world has been there.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.now.saturating_since(Timestamp::ZERO)
    }

    /// Time passes, and the deadline is dealt with if it has come.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
    }

    /// Time passes while the driver keeps every deadline and everybody does what is to be done.
    pub fn live(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            self.run(true);
            match self.session.poll_io(self.now, &mut self.output) {
                Duty::Wait(Some(deadline)) if deadline.at <= until => {
                    self.pass(deadline.at.saturating_since(self.now));
                }
                _ => break,
            }
        }
        self.now = until;
    }

    /// Nobody waits for anybody any more.
    ///
    /// # Panics
    ///
    /// If something is left over.
    pub fn check_nothing_left(&self) {
        assert_eq!(self.session.in_flight(), 0);
        assert_eq!(self.session.publish_room(), self.config.max_in_flight.into());
        assert_eq!(self.session.inbound_unacknowledged(), 0);
        assert!(self.server.is_idle(), "{:?}", self.server);
    }

    fn forget_link(&mut self) {
        self.server.close();
        self.output.clear();
        self.input.clear();
        self.to_server.clear();
        self.to_client.clear();
        self.is_silent = false;
        self.server_hears = usize::MAX;
        self.client_hears = usize::MAX;
    }

    fn take_notes(&mut self) {
        while let Some(event) = self.session.poll_event() {
            if let Event::Message(Inbound { token: Some(token), publish }) = &event {
                self.tokens.push_back(*token);
                if publish.qos() == QoS::ExactlyOnce && !self.used.insert(token.delivery_id()) {
                    continue;
                }
            }
            match News::of(&event) {
                News::Message(publish) => self.delivered.push((number(&publish.payload), publish.qos)),
                // What the store had not got of an end is told again.
                News::Ended { tag, .. } if self.ended.contains_key(&tag) => {
                    assert!(self.config.durable && self.open.remove(&tag), "{tag} ended twice");
                }
                News::Ended { tag, end } => {
                    self.open.remove(&tag);
                    self.ended.insert(tag, end);
                }
                News::Connected { .. } | News::Disconnected(_) | News::Answered { tag: None } => {}
                other => panic!("not expected: {other:?}"),
            }
        }
    }
}

fn tag(record: &Record) -> Option<u64> {
    match record {
        Record::Publish { tag, .. } => Some(*tag),
        _ => None,
    }
}

/// How long the first packet on the link is; 0 if there is none.
fn first_packet(version: Version, sender: Side, link: &mut VecDeque<u8>) -> usize {
    let length = Decoder::new(version, sender).delimit(link.make_contiguous());
    length.expect("nobody breaks a rule here").unwrap_or(0)
}
