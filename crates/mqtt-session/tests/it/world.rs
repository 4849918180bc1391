//! [`World`]: a session and an honest [`Server`], with a link between them that can be cut anywhere, and an
//! application that takes notes.

use std::collections::VecDeque;
use std::time::Duration;

use mqtt_session::codec::bytes::BytesMut;
use mqtt_session::codec::{QoS, ReasonCode, Version};
use mqtt_session::{
    Command, Config, Duty, Event, Output, Phase, PublishEnd, Session, Stage, Timestamp, Token,
};

use crate::server::Server;
use crate::support::{connect, message};

pub(crate) struct World {
    pub(crate) session: Session,
    pub(crate) server: Server,
    version: Version,
    now: Timestamp,
    output: Output,
    input: BytesMut,
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// After how many more bytes in either direction the link is cut.
    pub(crate) server_hears: Option<usize>,
    pub(crate) client_hears: Option<usize>,
    /// The messages that the application got, in order.
    pub(crate) delivered: Vec<(u64, QoS)>,
    pub(crate) tokens: VecDeque<Token>,
    /// How the publishes ended.
    pub(crate) ended: Vec<(u64, End)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Acknowledged,
    Written,
    Lost(Stage),
}

impl World {
    pub(crate) fn new(version: Version, window: u16, inbound_window: u16) -> Self {
        let config =
            Config { version, max_in_flight: window, max_inbound: inbound_window, ..Config::default() };
        Self {
            session: Session::new(config),
            server: Server::new(version, window, inbound_window),
            version,
            now: Timestamp::ZERO,
            output: Output::new(),
            input: BytesMut::new(),
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            server_hears: None,
            client_hears: None,
            delivered: Vec::new(),
            tokens: VecDeque::new(),
            ended: Vec::new(),
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.session.phase() != Phase::Closed
    }

    pub(crate) fn open(&mut self) {
        self.session.handle_opened(self.now, connect(self.version)).expect("CONNECT is right");
        self.server.open();
    }

    pub(crate) fn cut(&mut self) {
        self.session.handle_closed(self.now);
        self.server.close();
        self.output.clear();
        self.input.clear();
        self.to_server.clear();
        self.to_client.clear();
        self.server_hears = None;
        self.client_hears = None;
        self.take_notes();
    }

    /// Publishes if there is room.
    pub(crate) fn publish(&mut self, tag: u64, qos: QoS) -> bool {
        self.session.submit(Command::Publish { tag, publish: message(tag, qos) }).is_ok()
    }

    pub(crate) fn acknowledge(&mut self, place: usize) {
        if let Some(token) = self.tokens.remove(place) {
            self.session.acknowledge(token, ReasonCode::Success);
        }
    }

    /// The client's output goes onto the link.
    pub(crate) fn flush(&mut self) -> bool {
        let duty = self.session.poll_io(self.now, &mut self.output);
        assert!(matches!(duty, Duty::Wait(_)), "nobody breaks a rule here");
        let length = self.output.len();
        self.to_server.extend(self.output.chunks().flatten());
        self.output.advance(length);
        self.session.handle_written(self.now, length);
        self.take_notes();
        length > 0
    }

    /// At most so many bytes arrive at the server.
    pub(crate) fn hear_at_server(&mut self, bytes: usize) -> bool {
        let count = bytes.min(self.to_server.len()).min(self.server_hears.unwrap_or(usize::MAX));
        let heard: Vec<u8> = self.to_server.drain(..count).collect();
        self.server.input(&heard);
        spend(&mut self.server_hears, count);
        count > 0
    }

    /// At most so many bytes arrive at the client.
    pub(crate) fn hear_at_client(&mut self, bytes: usize) -> bool {
        self.to_client.extend(self.server.output());
        let count = bytes.min(self.to_client.len()).min(self.client_hears.unwrap_or(usize::MAX));
        self.input.extend(self.to_client.drain(..count));
        while self.session.handle_input(self.now, &mut self.input).expect("the server is honest") > 0 {}
        spend(&mut self.client_hears, count);
        self.take_notes();
        count > 0
    }

    /// Lets everything run until nobody has anything to say, or the link is cut.
    pub(crate) fn run(&mut self, acknowledge: bool) {
        loop {
            let mut busy = self.flush();
            busy |= self.hear_at_server(usize::MAX);
            while self.server.step() {
                busy = true;
            }
            busy |= self.hear_at_client(usize::MAX);
            while acknowledge && !self.tokens.is_empty() {
                self.acknowledge(0);
                busy = true;
            }
            if self.server_hears == Some(0) || self.client_hears == Some(0) {
                self.cut();
                return;
            }
            if !busy {
                return;
            }
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.session.handle_timeout(self.now);
    }

    fn take_notes(&mut self) {
        while let Some(event) = self.session.poll_event() {
            match event {
                Event::Message(inbound) => {
                    let n = std::str::from_utf8(&inbound.publish.payload).expect("a number");
                    self.delivered.push((n.parse().expect("a number"), inbound.publish.qos));
                    self.tokens.extend(inbound.token);
                }
                Event::Published { tag, result: PublishEnd::Acknowledged(_), .. } => {
                    self.ended.push((tag, End::Acknowledged));
                }
                Event::Published { tag, result: PublishEnd::Written, .. } => {
                    self.ended.push((tag, End::Written));
                }
                Event::PublishLost { tag, stage, .. } => self.ended.push((tag, End::Lost(stage))),
                Event::Connected(_) | Event::Disconnected(_) => {}
                other => panic!("not expected: {other:?}"),
            }
        }
    }
}

fn spend(budget: &mut Option<usize>, bytes: usize) {
    if let Some(budget) = budget {
        *budget -= bytes;
    }
}
