//! [`Server`]: a [`Broker`] on a TCP port.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mqtt_session::Timestamp;

use crate::broker::{Broker, BrokerConfig, ConnDuty, ConnId};
use crate::threads::spawn;

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// A client that takes no byte for so long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long readers pause for a receiver that makes no progress, before they leave it behind.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long a closed connection is still read, so that a reset doesn't overtake the last packet to the client.
const LINGER: Duration = Duration::from_secs(1);
/// The same when the whole server stops.
const STOP_LINGER: Duration = Duration::from_millis(200);

/// A [`Broker`] that listens on a TCP port, for tests and demonstrations.
///
/// Two threads serve each connection, one more accepts and one keeps time. Senders are slowed down while a receiver
/// is behind, as long as it makes progress; one that doesn't is left behind, and what can't be queued for it is
/// dropped and counted. Dropping the server tells its clients, closes their connections and joins the threads.
///
/// ```
/// use mqtt_testkit::{BrokerConfig, Server};
///
/// let server = Server::bind("127.0.0.1:0", BrokerConfig::default())?;
/// assert!(server.url().starts_with("mqtt://127.0.0.1:"));
/// assert_eq!(server.with_broker(|broker| broker.session_count()), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    addr: SocketAddr,
    /// The accepting and the time-keeping thread; empty once stopped.
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// What the broker's clock said when the server started, and when that was.
    epoch: (Timestamp, Instant),
    /// An earlier deadline, or the end.
    timer: Condvar,
    /// Output was taken, or a connection went.
    relief: Condvar,
}

#[derive(Debug)]
struct State {
    /// `None` once it was taken back.
    broker: Option<Broker>,
    links: BTreeMap<ConnId, Link>,
    /// Threads of connections, ended ones included.
    threads: Vec<JoinHandle<()>>,
    /// What the time-keeping thread waits for.
    armed: Option<Timestamp>,
    stopping: bool,
}

/// What others need of a connection's threads.
#[derive(Debug)]
struct Link {
    stream: TcpStream,
    /// Output to write, or the reader's end.
    wake: Arc<Condvar>,
    /// It was waited for in vain.
    left_behind: bool,
}

impl Server {
    /// Starts a new broker. Port 0 takes any free one; see [`addr`](Self::addr).
    ///
    /// # Errors
    /// When the address can't be bound, or no thread be started.
    pub fn bind(addr: impl ToSocketAddrs, config: BrokerConfig) -> io::Result<Self> {
        Self::start(addr, Broker::new(config))
    }

    /// Starts with a broker that exists, sessions, retained messages and all: a restart that loses nothing.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn start(addr: impl ToSocketAddrs, broker: Broker) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            epoch: (broker.now(), Instant::now()),
            state: Mutex::new(State {
                broker: Some(broker),
                links: BTreeMap::new(),
                threads: Vec::new(),
                armed: None,
                stopping: false,
            }),
            timer: Condvar::new(),
            relief: Condvar::new(),
        });
        let mut server = Self { shared, addr, threads: Vec::new() };
        let shared = Arc::clone(&server.shared);
        server.threads.push(spawn("mqtt-broker-timer", move || shared.keep_time())?);
        let shared = Arc::clone(&server.shared);
        server.threads.push(spawn("mqtt-broker-accept", move || accept(&shared, &listener))?);
        Ok(server)
    }

    /// The address that clients connect to: the bound one, or loopback when all are bound.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        let mut addr = self.addr;
        if addr.ip().is_unspecified() {
            match addr {
                SocketAddr::V4(_) => addr.set_ip(Ipv4Addr::LOCALHOST.into()),
                SocketAddr::V6(_) => addr.set_ip(Ipv6Addr::LOCALHOST.into()),
            }
        }
        addr
    }

    /// The same as a URL: `mqtt://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.addr())
    }

    /// Looks at the broker, or disturbs it. All connections wait meanwhile.
    ///
    /// # Panics
    /// When called from inside itself's closure, through another handle: the broker is locked.
    pub fn with_broker<R>(&self, act: impl FnOnce(&mut Broker) -> R) -> R {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        let broker =
            state.broker.as_mut().expect("the broker is taken back only by `into_broker`, which ends self");
        broker.handle_timeout(now);
        let result = act(broker);
        self.shared.distribute(&mut state);
        result
    }

    /// Cuts all connections without a word, as a broken network does.
    pub fn drop_connections(&self) {
        self.with_broker(Broker::cut_all);
    }

    /// Stops, and gives the broker back with all that it holds.
    #[must_use]
    pub fn into_broker(mut self) -> Broker {
        self.stop();
        self.shared.lock().broker.take().expect("the broker is taken back once")
    }

    fn stop(&mut self) {
        if self.threads.is_empty() {
            return;
        }
        let connections = {
            let now = self.shared.now();
            let mut state = self.shared.lock();
            state.stopping = true;
            if let Some(broker) = &mut state.broker {
                broker.handle_timeout(now);
                broker.shut_down();
            }
            self.shared.distribute(&mut state);
            self.shared.timer.notify_all();
            // Those that take their last packet go by themselves; the others are closed.
            let deadline = Instant::now() + STOP_LINGER * 2;
            while !state.links.is_empty() && Instant::now() < deadline {
                state = self.shared.wait(&self.shared.relief, state, deadline);
            }
            for link in state.links.values() {
                let _ = link.stream.shutdown(Shutdown::Both);
                link.wake.notify_all();
            }
            core::mem::take(&mut state.threads)
        };
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect_timeout(&self.addr(), Duration::from_secs(1));
        for thread in connections.into_iter().chain(self.threads.drain(..)) {
            // A panic in one of them has been reported by its own thread.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// A panic under the lock is a bug of the broker's that its thread has reported; the others go on.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(
        &self,
        condition: &Condvar,
        state: MutexGuard<'a, State>,
        until: Instant,
    ) -> MutexGuard<'a, State> {
        let timeout = until.saturating_duration_since(Instant::now());
        condition.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0
    }

    fn now(&self) -> Timestamp {
        self.epoch.0 + self.epoch.1.elapsed()
    }

    /// Wakes whoever the broker has work for.
    fn distribute(&self, state: &mut State) {
        let Some(broker) = &mut state.broker else { return };
        while let Some(id) = broker.poll_ready() {
            if let Some(link) = state.links.get(&id) {
                link.wake.notify_all();
            }
        }
        let deadline = broker.poll_deadline();
        if deadline.is_some_and(|at| state.armed.is_none_or(|armed| at < armed)) {
            self.timer.notify_all();
        }
    }

    fn keep_time(&self) {
        let mut state = self.lock();
        while !state.stopping {
            let now = self.now();
            let Some(broker) = &mut state.broker else { return };
            broker.handle_timeout(now);
            let deadline = broker.poll_deadline();
            // Armed before others are woken, lest they notify this thread about the deadline it has just read.
            state.armed = deadline;
            self.distribute(&mut state);
            state = match deadline {
                Some(at) => self.wait(&self.timer, state, Instant::now() + at.saturating_since(now)),
                None => self.timer.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Reads for one connection until its end.
    fn read(&self, id: ConnId, mut stream: &TcpStream) {
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = match stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let mut state = self.lock();
            let Some(broker) = &mut state.broker else { break };
            broker.handle_input(self.now(), id, &mut BytesMut::from(&chunk[..count]));
            self.distribute(&mut state);
            self.wait_for_receivers(state);
        }
        let mut state = self.lock();
        if let Some(broker) = &mut state.broker {
            broker.handle_closed(self.now(), id);
        }
        if let Some(link) = state.links.remove(&id) {
            link.wake.notify_all();
        }
        self.distribute(&mut state);
        self.relief.notify_all();
    }

    /// Pauses a sender while receivers are behind that still make progress.
    fn wait_for_receivers(&self, mut state: MutexGuard<'_, State>) {
        let deadline = Instant::now() + PATIENCE;
        while state.is_anybody_behind() && !state.stopping {
            state = self.wait(&self.relief, state, deadline);
            if Instant::now() >= deadline {
                state.leave_behind();
                return;
            }
        }
    }

    /// Writes for one connection until its end.
    fn write(&self, id: ConnId, mut stream: &TcpStream, wake: &Condvar) {
        let mut out = Vec::new();
        loop {
            let mut state = self.lock();
            let duty = loop {
                let Some(broker) = &mut state.broker else { return };
                let duty = broker.poll_output(self.now(), id, &mut out);
                if !out.is_empty() || duty == ConnDuty::Close {
                    break duty;
                }
                state = wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            self.relief.notify_all();
            drop(state);
            let written = stream.write_all(&out);
            if written.is_err() || duty == ConnDuty::Close {
                break;
            }
            out.clear();
            out.shrink_to(1 << 20);
        }
        let mut state = self.lock();
        if let Some(broker) = &mut state.broker {
            broker.handle_closed(self.now(), id);
        }
        self.distribute(&mut state);
        let _ = stream.shutdown(Shutdown::Write);
        let deadline = Instant::now() + if state.stopping { STOP_LINGER } else { LINGER };
        while state.links.contains_key(&id) && Instant::now() < deadline {
            state = self.wait(wake, state, deadline);
        }
        drop(state);
        let _ = stream.shutdown(Shutdown::Both);
    }
}

impl State {
    /// Whether a receiver is behind that is not known to be stuck.
    fn is_anybody_behind(&mut self) -> bool {
        let Some(broker) = &self.broker else { return false };
        let mut behind = false;
        for (id, link) in &mut self.links {
            let congested = broker.is_congested(*id);
            link.left_behind &= congested;
            behind |= congested && !link.left_behind;
        }
        behind
    }

    fn leave_behind(&mut self) {
        let Some(broker) = &self.broker else { return };
        for (id, link) in &mut self.links {
            link.left_behind |= broker.is_congested(*id);
        }
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    for stream in listener.incoming() {
        if shared.lock().stopping {
            return;
        }
        // What can't be accepted or served is the client's loss; there is nobody else to tell.
        match stream {
            Ok(stream) => drop(serve(shared, stream)),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Starts the two threads of a connection.
fn serve(shared: &Arc<Shared>, stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
    let (for_reader, for_writer) = (stream.try_clone()?, stream.try_clone()?);
    let wake = Arc::new(Condvar::new());

    let mut state = shared.lock();
    let now = shared.now();
    let Some(broker) = &mut state.broker else { return Ok(()) };
    let id = broker.handle_opened(now);
    state.links.insert(id, Link { stream, wake: Arc::clone(&wake), left_behind: false });
    let reader = Arc::clone(shared);
    let reader = spawn("mqtt-broker-read", move || reader.read(id, &for_reader));
    let writer = Arc::clone(shared);
    let writer = spawn("mqtt-broker-write", move || writer.write(id, &for_writer, &wake));
    let result = match (&reader, &writer) {
        (Ok(_), Ok(_)) => Ok(()),
        _ => {
            // The one that did start finds its connection gone.
            if let Some(broker) = &mut state.broker {
                broker.handle_closed(now, id);
            }
            if let Some(link) = state.links.remove(&id) {
                let _ = link.stream.shutdown(Shutdown::Both);
            }
            Err(io::Error::other("no thread for the connection"))
        }
    };
    state.threads.retain(|thread| !thread.is_finished());
    state.threads.extend(reader.into_iter().chain(writer));
    shared.distribute(&mut state);
    result
}
