//! A client, its driver and a broker in one thread, with a clock that jumps.
//!
//! Nearer to the driver than the testkit's `World`: no time passes on the way, the transport can be jammed to the byte, bytes
//! that no broker sends can be slipped in, and what is not sent yet can be seen.

use std::fmt::Debug;
use std::future::IntoFuture;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use mqtt_client_core::codec::{Connect, PacketId, Publish, QoS, Text, TopicName, Version};
use mqtt_client_core::session::{Output, Timestamp};
use mqtt_client_core::{
    AuthStep, Client, Driver, Duty, Endpoint, Event, Events, Message, Options, OptionsBuilder, Preparing,
    PublishError, PublishFailure, Subscription,
};
use mqtt_testkit::{Broker, BrokerConfig, ConnDuty, ConnId};

/// However long a wait is in virtual time, a test that needs more than this has a fault.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct Rig {
    pub(crate) now: Timestamp,
    pub(crate) broker: Broker,
    pub(crate) client: Client,
    /// What a dial meets instead of the broker.
    pub(crate) dial: Dial,
    pub(crate) dials: Vec<Timestamp>,
    /// Where they went.
    pub(crate) dialed: Vec<Endpoint>,
    /// Hosts that can't be reached at all.
    pub(crate) down: Vec<&'static str>,
    /// How many bytes the transport takes at once.
    pub(crate) mtu: usize,
    pub(crate) stopped: bool,
    /// How much further the wall clock has come, if the driver looks at it.
    slept: Option<Duration>,
    driver: Driver,
    calls: Arc<Calls>,
    gathered: usize,
    /// How often the driver was to let others begin before it writes.
    pub(crate) gave_way: usize,
    output: Output,
    input: BytesMut,
    preparing: Option<Preparing>,
    /// Whether the steps of an authentication are taken, or hang.
    pub(crate) authenticates: bool,
    /// The one that hangs.
    pub(crate) step: Option<AuthStep>,
    connection: Option<ConnId>,
    /// Of another client, which only publishes.
    elsewhere: Option<ConnId>,
    deadline: Option<Timestamp>,
    read: bool,
}

/// How often the driver was woken.
#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Dial {
    Reaches,
    Fails,
    Hangs,
}

impl Rig {
    pub(crate) fn new(options: OptionsBuilder) -> Rig {
        Rig::with_broker(options, BrokerConfig::default())
    }

    pub(crate) fn with_broker(options: OptionsBuilder, config: BrokerConfig) -> Rig {
        let options: Options = options.build().expect("valid options");
        let calls = Arc::new(Calls::default());
        let waker = Waker::from(Arc::clone(&calls));
        let (client, driver) = Driver::new(options, 42, waker).expect("there is no store");
        Rig {
            now: Timestamp::ZERO,
            broker: Broker::new(config),
            client,
            dial: Dial::Reaches,
            dials: Vec::new(),
            dialed: Vec::new(),
            down: Vec::new(),
            mtu: usize::MAX,
            stopped: false,
            slept: None,
            driver,
            calls,
            gathered: 0,
            gave_way: 0,
            output: Output::new(),
            input: BytesMut::new(),
            preparing: None,
            authenticates: true,
            step: None,
            connection: None,
            elsewhere: None,
            deadline: None,
            read: true,
        }
    }

    /// A client that is connected.
    pub(crate) fn connected(options: OptionsBuilder) -> Rig {
        let mut rig = Rig::new(options);
        let client = rig.client.clone();
        rig.run(client.connect()).expect("the broker accepts");
        rig
    }

    /// Lets time pass until the future is ready.
    #[track_caller]
    pub(crate) fn run<F: IntoFuture>(&mut self, future: F) -> F::Output {
        let end = self.now + PATIENCE;
        let mut future = pin!(future.into_future());
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context()) {
                self.settle();
                return output;
            }
            assert!(self.now < end, "nothing came of it in {PATIENCE:?}");
            if !self.settle() {
                self.jump(end);
            }
        }
    }

    /// Whether the future is ready without any time passing.
    pub(crate) fn poll<F: Future + Unpin>(&mut self, future: &mut F) -> Option<F::Output> {
        self.settle();
        match std::pin::Pin::new(future).poll(&mut context()) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            if !self.settle() {
                self.jump(end);
            }
        }
        self.settle();
    }

    /// The next message within a (virtual) minute.
    #[track_caller]
    pub(crate) fn next(&mut self, stream: &mut Subscription) -> Option<Message> {
        let end = self.now + Duration::from_secs(60);
        loop {
            if let Poll::Ready(message) = stream.poll_next(&mut context()) {
                self.settle();
                return message;
            }
            assert!(self.now < end, "no message");
            if !self.settle() {
                self.jump(end);
            }
        }
    }

    /// A message that is there without waiting.
    pub(crate) fn ready(&mut self, stream: &mut Subscription) -> Option<Message> {
        self.settle();
        match stream.poll_next(&mut context()) {
            Poll::Ready(message) => message,
            Poll::Pending => None,
        }
    }

    pub(crate) fn subscribe(&mut self, filter: &str) -> Subscription {
        let client = self.client.clone();
        self.run(client.subscribe(filter)).expect("granted")
    }

    /// Publishes and waits for the outcome.
    #[track_caller]
    pub(crate) fn publish(&mut self, topic: &str, payload: impl Into<Vec<u8>>, qos: QoS) {
        let client = self.client.clone();
        self.run(client.publish(topic, payload.into()).qos(qos)).expect("delivered");
    }

    /// Another client publishes, at QoS 0 or 1.
    pub(crate) fn publish_elsewhere(&mut self, topic: &str, payload: impl Into<Bytes>, qos: QoS) {
        let mut bytes = Vec::new();
        let connection = *self.elsewhere.get_or_insert_with(|| {
            let client_id = Text::from_static("elsewhere").expect("text");
            let connect = Connect { keep_alive: 0, ..Connect::new(Version::V5, client_id) };
            connect.encode(&mut bytes).expect("a legal packet");
            self.broker.handle_opened(self.now)
        });
        let packet_id = (qos != QoS::AtMostOnce).then_some(PacketId::MIN);
        let topic = TopicName::new(topic).expect("a topic");
        let publish = Publish { qos, packet_id, ..Publish::new(topic, payload) };
        publish.encode(Version::V5, &mut bytes).expect("a legal packet");
        self.broker.handle_input(self.now, connection, &mut BytesMut::from(&bytes[..]));
        self.broker.poll_output(self.now, connection, &mut Vec::new());
    }

    /// The link breaks without a word.
    pub(crate) fn cut(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.broker.handle_closed(self.now, connection);
            self.drop_link();
        }
    }

    /// The machine sleeps: only the wall clock goes on.
    pub(crate) fn suspend(&mut self, time: Duration) {
        let slept = *self.slept.get_or_insert(Duration::ZERO);
        self.look_at_wall_clock();
        self.slept = Some(slept + time);
        self.settle();
    }

    fn look_at_wall_clock(&mut self) {
        if let Some(slept) = self.slept {
            let wall = SystemTime::UNIX_EPOCH + self.now.saturating_since(Timestamp::ZERO) + slept;
            self.driver.handle_wall_clock(self.now, wall);
        }
    }

    /// Bytes that no broker of ours would send.
    pub(crate) fn inject(&mut self, bytes: &[u8]) {
        self.settle();
        self.input.extend_from_slice(bytes);
        while self.driver.handle_input(self.now, &mut self.input) > 0 {}
        self.settle();
    }

    /// What the driver has not been able to send yet.
    pub(crate) fn unsent(&self) -> Vec<u8> {
        self.output.chunks().flatten().copied().collect()
    }

    /// Whether the driver is to read.
    pub(crate) fn reads(&self) -> bool {
        self.read
    }

    /// How often the driver was woken up to now.
    pub(crate) fn calls(&self) -> usize {
        self.calls.0.load(Ordering::Relaxed)
    }

    /// How often the driver was to look once more before it writes, up to now.
    pub(crate) fn gathered(&self) -> usize {
        self.gathered
    }

    /// When the driver wants to be woken.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    fn drop_link(&mut self) {
        self.input.clear();
        self.output.clear();
        self.driver.handle_closed(self.now, None);
    }

    /// Does all that needs no time. Returns whether anything happened.
    pub(crate) fn settle(&mut self) -> bool {
        let mut happened = false;
        while self.step() {
            happened = true;
        }
        happened
    }

    /// The next thing that needs no time. Returns whether there was any.
    pub(crate) fn step(&mut self) -> bool {
        match self.driver.poll_io(self.now, &mut self.output) {
            Duty::Prepare(preparation) => {
                self.preparing = Some(preparation.into_future());
                true
            }
            Duty::Authenticate(step) if self.authenticates => {
                self.driver.handle_authenticated(self.now, Some(step.run(no_chance)));
                true
            }
            Duty::Authenticate(step) => {
                self.step = Some(step);
                true
            }
            Duty::Dial(endpoint) => {
                self.dials.push(self.now);
                let down = self.down.contains(&endpoint.host());
                self.dialed.push(endpoint);
                match self.dial {
                    _ if down => self.fail_dial(),
                    Dial::Reaches => {
                        self.connection = Some(self.broker.handle_opened(self.now));
                        self.driver.handle_dialed(self.now);
                    }
                    Dial::Fails => self.fail_dial(),
                    Dial::Hangs => {}
                }
                true
            }
            Duty::Close => {
                self.preparing = None;
                if let Some(connection) = self.connection.take() {
                    self.carry_up(connection);
                    self.broker.handle_closed(self.now, connection);
                }
                self.drop_link();
                true
            }
            Duty::Gather => {
                self.gathered += 1;
                true
            }
            Duty::GiveWay => {
                self.gave_way += 1;
                true
            }
            Duty::Resume => {
                while self.driver.handle_input(self.now, &mut self.input) > 0 {}
                true
            }
            Duty::Stop => {
                (self.stopped, self.deadline) = (true, None);
                false
            }
            Duty::Wait { deadline, read, .. } => {
                (self.deadline, self.read) = (deadline, read);
                if let Some(preparing) = &mut self.preparing
                    && let Poll::Ready(answer) = preparing.as_mut().poll(&mut context())
                {
                    self.preparing = None;
                    self.driver.handle_prepared(self.now, Some(answer));
                    return true;
                }
                self.connection.is_some_and(|connection| self.carry(connection))
            }
        }
    }

    /// What hung comes to its end: well, or without any result.
    pub(crate) fn take_step(&mut self, well: bool) {
        let step = self.step.take().expect("a step hangs");
        let outcome = well.then(|| step.run(no_chance));
        self.driver.handle_authenticated(self.now, outcome);
        self.settle();
    }

    fn fail_dial(&mut self) {
        let error = io::Error::from(io::ErrorKind::ConnectionRefused);
        self.driver.handle_dial_failed(self.now, "connecting", error);
    }

    fn carry(&mut self, connection: ConnId) -> bool {
        let mut moved = self.carry_up(connection);
        if !self.read {
            return moved;
        }
        let mut bytes = Vec::new();
        let duty = self.broker.poll_output(self.now, connection, &mut bytes);
        if !bytes.is_empty() {
            self.input.extend_from_slice(&bytes);
            while self.driver.handle_input(self.now, &mut self.input) > 0 {}
            moved = true;
        }
        if duty == ConnDuty::Close {
            self.connection = None;
            self.broker.handle_closed(self.now, connection);
            self.drop_link();
            return true;
        }
        moved
    }

    fn carry_up(&mut self, connection: ConnId) -> bool {
        let mut bytes: BytesMut = self.output.chunks().flatten().copied().take(self.mtu).collect();
        let taken = bytes.len();
        if taken > 0 {
            self.output.advance(taken);
            self.driver.handle_written(self.now, taken);
            self.broker.handle_input(self.now, connection, &mut bytes);
        }
        taken > 0
    }

    fn jump(&mut self, end: Timestamp) {
        let next = [self.deadline, self.broker.poll_deadline()].into_iter().flatten().min();
        self.now = next.map_or(end, |next| next.min(end)).max(self.now);
        self.driver.handle_timeout(self.now);
        self.look_at_wall_clock();
        self.broker.handle_timeout(self.now);
    }
}

/// Whatever a test is about: the broker has seen nothing that a client may not do.
impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.broker.violations(), []);
        }
    }
}

/// Of randomness there is none.
fn no_chance(bytes: &mut [u8]) -> io::Result<()> {
    bytes.fill(7);
    Ok(())
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// What became of a message that came to nothing. The error's text names the topic, once.
#[track_caller]
pub(crate) fn failure<'a, T: Debug>(topic: &str, outcome: &'a Result<T, PublishError>) -> &'a PublishFailure {
    let error = outcome.as_ref().expect_err("it comes to nothing");
    let named = format!("{topic:?}");
    assert!(error.topic() == topic && error.to_string().matches(&named).count() == 1, "{error:?}: {error}");
    error.failure()
}

/// What a listener has not read yet.
pub(crate) fn drain(events: &mut Events) -> Vec<Event> {
    std::iter::from_fn(|| match events.poll_next(&mut context()) {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    })
    .collect()
}

/// Packets whose length takes one byte.
pub(crate) fn packets(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let len = usize::from(*bytes.get(1)?) + 2;
        let (packet, rest) = bytes.split_at(len);
        bytes = rest;
        Some(packet)
    })
}
