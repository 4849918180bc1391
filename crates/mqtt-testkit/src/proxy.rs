//! [`Proxy`]: a TCP proxy between clients and any broker, which breaks connections.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mqtt_codec::Side;

use crate::link::CutAfter;
use crate::rng::Rng;
use crate::threads::spawn;

/// How a [`Proxy`] treats connections.
#[derive(Debug, Clone, Default)]
pub struct ProxyConfig {
    /// Decides the lifetimes under `cut_every`.
    pub seed: u64,
    /// Each connection is cut after a time of half to one and a half times this.
    pub cut_every: Option<Duration>,
    /// Each connection is cut once so many bytes of one side have passed: exactly so many do.
    pub cut_after: CutAfter,
    /// Bytes pass a few at a time, with a pause after each few.
    pub dribble: Option<Dribble>,
}

/// Bytes that come in drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dribble {
    /// Bytes in a drop, at least 1.
    pub bytes: usize,
    /// The pause behind each.
    pub pause: Duration,
}

/// A faulty TCP proxy on a loopback port. Dropping it cuts everything and joins its threads.
///
/// ```
/// use mqtt_testkit::{BrokerConfig, Proxy, ProxyConfig, Server};
///
/// let server = Server::bind("127.0.0.1:0", BrokerConfig::default())?;
/// let proxy = Proxy::start(server.addr(), ProxyConfig::default())?;
/// // … run a client against `proxy.url()`, and in the middle of it:
/// proxy.cut();
/// assert_eq!(proxy.accepted(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    addr: SocketAddr,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    config: ProxyConfig,
    state: Mutex<State>,
    /// A stall ended, a connection came with its lifetime, or all is over.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    upstream: SocketAddr,
    pairs: BTreeMap<u64, Pair>,
    threads: Vec<JoinHandle<()>>,
    rng: Rng,
    accepted: u64,
    cuts: u64,
    refusing: bool,
    stalled: bool,
    stopping: bool,
}

/// A connection and its continuation.
#[derive(Debug)]
struct Pair {
    client: TcpStream,
    server: TcpStream,
    dies_at: Option<Instant>,
    /// Directions that have ended.
    ended: u8,
}

impl Proxy {
    /// Listens on a free loopback port and forwards to `upstream`.
    ///
    /// # Errors
    /// When no port can be bound, or no thread be started.
    pub fn start(upstream: SocketAddr, config: ProxyConfig) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let state = State {
            upstream,
            pairs: BTreeMap::new(),
            threads: Vec::new(),
            rng: Rng::new(config.seed),
            accepted: 0,
            cuts: 0,
            refusing: false,
            stalled: false,
            stopping: false,
        };
        let shared = Arc::new(Shared { config, state: Mutex::new(state), changed: Condvar::new() });
        let mut proxy = Self { shared, addr, threads: Vec::new() };
        let shared = Arc::clone(&proxy.shared);
        proxy.threads.push(spawn("mqtt-proxy-reaper", move || shared.reap())?);
        let shared = Arc::clone(&proxy.shared);
        proxy.threads.push(spawn("mqtt-proxy-accept", move || accept(&shared, &listener))?);
        Ok(proxy)
    }

    /// The address that clients connect to.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same as a URL: `mqtt://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.addr)
    }

    /// Connections accepted so far.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.shared.lock().accepted
    }

    /// Connections cut so far, by whatever reason.
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.shared.lock().cuts
    }

    /// Connections open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.shared.lock().pairs.len()
    }

    /// Cuts all connections.
    pub fn cut(&self) {
        let mut state = self.shared.lock();
        let all: Vec<u64> = state.pairs.keys().copied().collect();
        all.into_iter().for_each(|pair| state.cut(pair));
    }

    /// From now on, new connections are closed as soon as they are accepted, or forwarded again.
    pub fn refuse(&self, refuse: bool) {
        self.shared.lock().refusing = refuse;
    }

    /// From now on, no byte passes though connections stay open, or bytes pass again.
    pub fn stall(&self, stall: bool) {
        self.shared.lock().stalled = stall;
        self.shared.changed.notify_all();
    }

    /// New connections go here.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.shared.lock().upstream = upstream;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let threads = {
            let mut state = self.shared.lock();
            state.stopping = true;
            for pair in state.pairs.values() {
                pair.shut_down();
            }
            core::mem::take(&mut state.threads)
        };
        self.shared.changed.notify_all();
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect_timeout(&self.addr, Duration::from_secs(1));
        for thread in threads.into_iter().chain(self.threads.drain(..)) {
            // A panic in one of them has been reported by its own thread.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts connections whose time has come.
    fn reap(&self) {
        let mut state = self.lock();
        while !state.stopping {
            let now = Instant::now();
            let due = |pair: &Pair| pair.dies_at.is_some_and(|at| at <= now);
            let dead: Vec<u64> =
                state.pairs.iter().filter(|(_, pair)| due(pair)).map(|(id, _)| *id).collect();
            dead.into_iter().for_each(|id| state.cut(id));
            let next = state.pairs.values().filter_map(|pair| pair.dies_at).min();
            state = match next {
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Forwards what one side of a pair sends, until its end.
    fn forward(&self, id: u64, side: Side, mut from: &TcpStream, to: &TcpStream) {
        let mut budget = match self.config.cut_after {
            CutAfter::Bytes(cut_side, bytes) if cut_side == side => Some(bytes),
            _ => None,
        };
        let mut chunk = vec![0; 64 << 10];
        loop {
            let count = match from.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => break,
            };
            let mut passing = &chunk[..count];
            if let Some(budget) = &mut budget {
                passing = &passing[..count.min(usize::try_from(*budget).unwrap_or(usize::MAX))];
                *budget -= passing.len() as u64;
            }
            if !self.wait_while_stalled() || self.pass(to, passing).is_err() {
                break;
            }
            if budget == Some(0) {
                self.lock().cut(id);
            }
        }
        let _ = to.shutdown(Shutdown::Write);
        let _ = from.shutdown(Shutdown::Read);
        self.lock().end(id);
    }

    fn pass(&self, mut to: &TcpStream, bytes: &[u8]) -> io::Result<()> {
        let Some(Dribble { bytes: size, pause }) = self.config.dribble else { return to.write_all(bytes) };
        for drop in bytes.chunks(size.max(1)) {
            to.write_all(drop)?;
            thread::sleep(pause);
        }
        Ok(())
    }

    /// False when the proxy stops.
    fn wait_while_stalled(&self) -> bool {
        let mut state = self.lock();
        while state.stalled && !state.stopping {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        !state.stopping
    }
}

impl State {
    fn cut(&mut self, id: u64) {
        if let Some(pair) = self.pairs.get_mut(&id) {
            pair.dies_at = None;
            self.cuts += 1;
            pair.shut_down();
        }
    }

    /// One direction has ended; the pair goes with the second.
    fn end(&mut self, id: u64) {
        if let Some(pair) = self.pairs.get_mut(&id) {
            pair.ended += 1;
            if pair.ended == 2 {
                self.pairs.remove(&id);
            }
        }
    }
}

impl Pair {
    fn shut_down(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    for stream in listener.incoming() {
        let upstream = {
            let mut state = shared.lock();
            if state.stopping {
                return;
            }
            state.accepted += 1;
            (!state.refusing).then_some(state.upstream)
        };
        // Without an upstream, or a thread, the client sees its connection closed.
        if let (Some(upstream), Ok(client)) = (upstream, stream) {
            drop(join(shared, client, upstream));
        }
    }
}

/// Connects to the upstream and starts forwarding both ways.
fn join(shared: &Arc<Shared>, client: TcpStream, upstream: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect_timeout(&upstream, Duration::from_secs(5))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let up = (client.try_clone()?, server.try_clone()?);
    let down = (server.try_clone()?, client.try_clone()?);

    let mut state = shared.lock();
    let id = state.accepted;
    let lifetime = shared.config.cut_every.map(|every| every / 2 + state.rng.duration(every));
    let dies_at = lifetime.map(|lifetime| Instant::now() + lifetime);
    state.pairs.insert(id, Pair { client, server, dies_at, ended: 0 });
    let (reader, writer) = (Arc::clone(shared), Arc::clone(shared));
    let up = spawn("mqtt-proxy-up", move || reader.forward(id, Side::Client, &up.0, &up.1));
    let down = spawn("mqtt-proxy-down", move || writer.forward(id, Side::Server, &down.0, &down.1));
    let started = up.is_ok() && down.is_ok();
    state.threads.retain(|thread| !thread.is_finished());
    state.threads.extend(up.into_iter().chain(down));
    if !started && let Some(pair) = state.pairs.remove(&id) {
        pair.shut_down();
    }
    drop(state);
    shared.changed.notify_all();
    Ok(())
}
