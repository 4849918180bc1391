//! TCP: the addresses of a name raced, and the socket's settings.

use std::io;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Instant;
use std::vec;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use mqtt_client_core::{RACE_DELAY, TcpOptions, no_address, race_order};
#[cfg(target_os = "linux")]
use socket2::SockRef;
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::DialError;

/// Attempts at the addresses of a name: the next one as soon as one has failed, or has made no progress for a while (RFC
/// 8305). The first to succeed is taken. The error is that of the last one to fail.
pub(super) struct Race {
    /// Addresses that have not been tried.
    addresses: vec::IntoIter<SocketAddr>,
    attempts: Vec<TcpStream>,
    options: TcpOptions,
    /// When the next address is tried beside the others.
    next: Option<Instant>,
    failure: Option<io::Error>,
}

impl Race {
    pub(super) fn new(addresses: Vec<SocketAddr>, options: &TcpOptions) -> Self {
        let addresses = race_order(addresses, options.bind).into_iter();
        Race { addresses, attempts: Vec::new(), options: options.clone(), next: None, failure: None }
    }

    /// When time alone lets it go on.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next.filter(|_| self.addresses.len() > 0)
    }

    /// Goes as far as it can without waiting; each socket is registered under `token`.
    pub(super) fn poll(
        &mut self,
        now: Instant,
        registry: &Registry,
        token: Token,
    ) -> Poll<Result<TcpStream, DialError>> {
        let mut at = 0;
        while let Some(stream) = self.attempts.get(at) {
            match is_connected(stream) {
                Ok(true) => return Poll::Ready(Ok(self.attempts.swap_remove(at))),
                Ok(false) => at += 1,
                Err(error) => {
                    self.failure = Some(error);
                    self.attempts.remove(at);
                    self.next = None;
                }
            }
        }
        while self.next.is_none_or(|next| next <= now) {
            let Some(address) = self.addresses.next() else { break };
            match connect(address, &self.options, registry, token) {
                Ok(stream) => {
                    self.attempts.push(stream);
                    self.next = Some(now + RACE_DELAY);
                }
                Err(error) => self.failure = Some(error),
            }
        }
        if !self.attempts.is_empty() {
            return Poll::Pending;
        }
        Poll::Ready(Err(match self.failure.take() {
            Some(error) => ("connecting", error),
            None => no_address(),
        }))
    }
}

fn connect(
    address: SocketAddr,
    options: &TcpOptions,
    registry: &Registry,
    token: Token,
) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if options.no_delay {
        // A system that refuses this still has a link that works.
        let _ = socket.set_tcp_nodelay(true);
    }
    if let Some(keep_alive) = options.keep_alive {
        let probes = TcpKeepalive::new().with_time(keep_alive.idle);
        #[cfg(not(any(target_os = "openbsd", target_os = "haiku")))]
        let probes = probes.with_interval(keep_alive.interval).with_retries(keep_alive.count);
        socket.set_tcp_keepalive(&probes)?;
    }
    if let Some(local) = options.bind {
        socket.bind(&local.into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if !is_under_way(&error) => return Err(error),
        _ => {}
    }
    let mut stream = TcpStream::from_std(socket.into());
    registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

/// Not an error, but how a socket that does not block says that connecting takes time.
fn is_under_way(error: &io::Error) -> bool {
    #[cfg(unix)]
    let in_progress = error.raw_os_error() == Some(libc::EINPROGRESS);
    #[cfg(not(unix))]
    let in_progress = false;
    in_progress || error.kind() == io::ErrorKind::WouldBlock
}

fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// Has the system confirm at once what it has received; why and when, [`Confirming`](mqtt_client_core::Confirming) says.
pub(super) fn confirm(stream: &TcpStream) {
    // A system that can't loses time, nothing else.
    #[cfg(target_os = "linux")]
    let _ = SockRef::from(stream).set_tcp_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    use mio::{Events, Poll as Selector};
    use mqtt_testkit::DeadEnd;

    /// Races as the driver does: looks when something happened, or when it is time.
    fn race(addresses: Vec<SocketAddr>) -> Result<TcpStream, DialError> {
        let mut selector = Selector::new().unwrap();
        let mut events = Events::with_capacity(8);
        let mut race = Race::new(addresses, &TcpOptions::default());
        loop {
            if let Poll::Ready(result) = race.poll(Instant::now(), selector.registry(), Token(0)) {
                return result;
            }
            let wait = race.deadline().map(|at| at.saturating_duration_since(Instant::now()));
            selector.poll(&mut events, wait).unwrap();
        }
    }

    #[test]
    fn a_dead_address_holds_up_a_live_one_for_a_moment() {
        let dead = DeadEnd::new().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let live = listener.local_addr().unwrap();
        let began = Instant::now();
        let stream = race(vec![dead.addr(), live]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), live);
        assert!(began.elapsed() >= RACE_DELAY, "the first one has a start");
    }

    #[test]
    fn an_address_that_refuses_holds_up_nobody() {
        let refusing = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let live = listener.local_addr().unwrap();
        assert_eq!(race(vec![refusing, live]).unwrap().peer_addr().unwrap(), live);
        let (doing, error) = race(vec![refusing]).unwrap_err();
        assert_eq!((doing, error.kind()), ("connecting", io::ErrorKind::ConnectionRefused));
    }
}
