//! [`World`]: whole clients against a [`Broker`], over faulty links, in virtual time.

mod network;
mod station;
mod task;

use core::fmt;
use core::pin::pin;
use core::task::{Context, Poll};
use std::time::Duration;

use mqtt_client_core::{Client, Options, StoreError};
use mqtt_session::Timestamp;

use crate::broker::{Broker, BrokerConfig};
use crate::clock::Clock;
use crate::link::{Link, LinkConfig};

use network::Network;
use station::Station;
use task::{Flag, Task};

/// Steps at one moment that can only mean that somebody is busy with nothing.
const MAX_STEPS: usize = 1_000_000;
/// The virtual time after which a future that is still not ready never will be.
const PATIENCE: Duration = Duration::from_secs(30 * 24 * 3600);

/// A broker, any number of clients, and the links between them, in one thread and in virtual time: an hour of keep
/// alive passes in a millisecond, and the same seeds give the same run, to the byte.
///
/// A client is whole, reconnecting and queues included; only its sockets are simulated. Each connection goes over a
/// [`Link`] of its own, whose faults [`with_links`](Self::with_links) chooses. Futures and drivers are polled only when
/// they were woken, so a wake-up that is lost shows as a future that never ends.
///
/// Here the link is cut in the middle of a QoS 2 flow, and the message arrives once all the same:
///
/// ```
/// use std::time::Duration;
/// use mqtt_client_core::codec::{PacketKind, QoS};
/// use mqtt_client_core::{Options, Subscription};
/// use mqtt_testkit::{BrokerConfig, Fault, World};
///
/// let mut world = World::new(BrokerConfig::default());
/// let options = |id| {
///     let lasting = Options::builder().client_id(id).clean_start(false).session_expiry(Duration::from_secs(3600));
///     lasting.build()
/// };
/// let (from, to) = (world.add(options("from")?), world.add(options("to")?));
/// world.run(from.connect())?;
/// world.run(to.connect())?;
/// let mut messages: Subscription = world.run(to.subscribe("plant/#"))?;
///
/// world.broker_mut().inject(Fault::sent(PacketKind::Pubrec).cut_before());
/// world.run(from.publish("plant/3", "21 °C").qos(QoS::ExactlyOnce))?;
///
/// let message = world.run(std::future::poll_fn(|context| messages.poll_next(context)));
/// assert_eq!(message.map(|message| message.text().into_owned()).as_deref(), Some("21 °C"));
/// assert_eq!(from.stats().reconnects, 1);
/// assert_eq!(world.broker().stats().received, 1);
/// assert_eq!(world.broker().violations(), []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct World {
    clock: Clock,
    network: Network,
    stations: Vec<Station>,
    tasks: Vec<Task>,
}

impl World {
    /// A world without clients, whose links delay by a millisecond and do nothing else.
    #[must_use]
    pub fn new(config: BrokerConfig) -> Self {
        Self {
            clock: Clock::default(),
            network: Network::new(Broker::new(config)),
            stations: Vec::new(),
            tasks: Vec::new(),
        }
    }

    /// The same world with these links: `plan` is asked at each dial, and told its number, from 1.
    #[must_use]
    pub fn with_links(mut self, plan: impl FnMut(u64) -> LinkConfig + 'static) -> Self {
        self.network.plan = Box::new(plan);
        self
    }

    /// Adds a client. It does nothing until [`Client::connect`]; its endpoint is only a name here.
    ///
    /// # Panics
    /// When its store can't be opened: [`try_add`](Self::try_add) says why.
    pub fn add(&mut self, options: Options) -> Client {
        self.try_add(options).expect("the store can be opened")
    }

    /// Adds a client, if its store can be opened. A commit takes a millisecond.
    ///
    /// # Errors
    /// Why it can't.
    pub fn try_add(&mut self, options: Options) -> Result<Client, StoreError> {
        let seed = self.stations.len() as u64;
        let (client, station) = Station::new(options, seed)?;
        self.stations.push(station);
        Ok(client)
    }

    /// Ends a client as SIGKILL does: its connection breaks, and its store has what was committed. Its handles know only that
    /// their driver has ended.
    pub fn kill(&mut self, client: &Client) {
        let client_id = client.client_id();
        if let Some(at) = self.stations.iter().rposition(|station| station.client_id == client_id) {
            self.stations.remove(at).kill(&mut self.network);
        }
    }

    /// The present.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The broker, to look at.
    #[must_use]
    pub fn broker(&self) -> &Broker {
        &self.network.broker
    }

    /// The broker, to disturb.
    pub fn broker_mut(&mut self) -> &mut Broker {
        &mut self.network.broker
    }

    /// The links of all connections, to cut or stall.
    pub fn links_mut(&mut self) -> impl Iterator<Item = &mut Link> {
        self.network.links_mut()
    }

    /// Whether clients reach the broker; while they don't, dials fail. Open connections stay.
    pub fn set_reachable(&mut self, reachable: bool) {
        self.network.reachable = reachable;
    }

    /// When clients dialled.
    #[must_use]
    pub fn dials(&self) -> &[Timestamp] {
        &self.network.dials
    }

    /// Adds a part of the application, which runs along from the next step on.
    pub fn spawn(&mut self, future: impl Future<Output = ()> + 'static) {
        self.tasks.push(Task::new(future));
    }

    /// Lets time pass until the future is ready.
    ///
    /// # Panics
    /// When nothing will happen any more, or nothing has come of it within 30 virtual days.
    #[track_caller]
    pub fn run<F: IntoFuture>(&mut self, future: F) -> F::Output {
        let mut future = pin!(future.into_future());
        let (flag, waker) = Flag::raised();
        let end = self.now() + PATIENCE;
        loop {
            while flag.lower() {
                if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    self.settle();
                    return output;
                }
            }
            let goes_on = self.step();
            assert!(goes_on || flag.is_raised(), "at {} nothing will happen any more", self.now());
            assert!(self.now() < end, "at {} nothing has come of it", self.now());
        }
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now() + time;
        self.settle();
        while self.next_deadline().is_some_and(|at| at <= end) {
            self.step();
        }
        self.clock.advance_to(end);
        self.settle();
    }

    /// Does whatever there is to do now; if there is nothing, jumps to the next moment when there is. False when there
    /// is none.
    pub fn step(&mut self) -> bool {
        if self.settle() {
            return true;
        }
        let Some(at) = self.next_deadline() else { return false };
        self.clock.advance_to(at);
        self.settle();
        true
    }

    /// Does all that can be done without time passing. Returns whether there was anything.
    fn settle(&mut self) -> bool {
        for step in 0..MAX_STEPS {
            if !self.turn() {
                return step > 0;
            }
        }
        panic!("at {} somebody is busy with nothing", self.now());
    }

    /// Gives everybody one turn. Returns whether anybody used it.
    fn turn(&mut self) -> bool {
        let now = self.now();
        let mut used = self.network.turn(now);
        for station in &mut self.stations {
            used |= station.turn(now, &mut self.network);
        }
        self.tasks.retain_mut(|task| {
            let turn = task.turn();
            used |= turn.is_some();
            turn != Some(Poll::Ready(()))
        });
        used
    }

    /// The next moment at which there is something to do, later than now.
    fn next_deadline(&self) -> Option<Timestamp> {
        let now = self.now();
        let stations = self.stations.iter().flat_map(Station::deadlines);
        stations.chain(self.network.deadlines()).filter(|at| *at > now).min()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("now", &self.now())
            .field("clients", &self.stations.len())
            .finish_non_exhaustive()
    }
}
