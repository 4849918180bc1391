//! From an endpoint to a connected socket, step by step and without blocking the driver.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::task::Poll;
use std::{thread, vec};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token, Waker};
use mqtt_client_core::Endpoint;

/// What was being done, and why it failed.
pub(crate) type DialError = (&'static str, io::Error);

/// An attempt under way. Dropping it abandons the attempt; a look-up that hangs is left to its own thread.
pub(crate) struct Dialing {
    /// The answer of a name look-up, until it has come.
    lookup: Option<Receiver<io::Result<Vec<SocketAddr>>>>,
    /// Addresses that have not been tried.
    addresses: vec::IntoIter<SocketAddr>,
    attempt: Option<TcpStream>,
    /// How the last address failed.
    failure: Option<io::Error>,
}

impl Dialing {
    /// Starts a look-up on a thread of its own, unless the host is an address. `wake` is woken by its answer.
    pub(crate) fn start(endpoint: &Endpoint, wake: &Arc<Waker>) -> io::Result<Self> {
        let (host, port) = (endpoint.host().to_owned(), endpoint.port());
        let mut dialing =
            Dialing { lookup: None, addresses: Vec::new().into_iter(), attempt: None, failure: None };
        match host.parse::<IpAddr>() {
            Ok(address) => dialing.addresses = vec![SocketAddr::new(address, port)].into_iter(),
            Err(_) => {
                let (answer, lookup) = sync_channel(1);
                let wake = Arc::clone(wake);
                thread::Builder::new().name("mqtt-lookup".into()).spawn(move || {
                    let addresses = (host.as_str(), port).to_socket_addrs();
                    // Neither matters if the attempt was abandoned, and a driver that can't be woken finds it at the
                    // deadline.
                    let _ = answer.send(addresses.map(Iterator::collect));
                    let _ = wake.wake();
                })?;
                dialing.lookup = Some(lookup);
            }
        }
        Ok(dialing)
    }

    /// Goes as far as it can without waiting: tries the addresses one after the other, each registered under `token`. The
    /// error is that of the last one.
    pub(crate) fn poll(&mut self, registry: &Registry, token: Token) -> Poll<Result<TcpStream, DialError>> {
        if let Some(lookup) = &self.lookup {
            match lookup.try_recv() {
                Ok(Ok(addresses)) => self.addresses = addresses.into_iter(),
                Ok(Err(error)) => return Poll::Ready(Err(("resolving", error))),
                Err(TryRecvError::Empty) => return Poll::Pending,
                Err(TryRecvError::Disconnected) => {
                    return Poll::Ready(Err(("resolving", io::Error::other("the look-up gave no answer"))));
                }
            }
            self.lookup = None;
        }
        loop {
            if let Some(stream) = self.attempt.take() {
                match is_connected(&stream) {
                    Ok(true) => return Poll::Ready(Ok(stream)),
                    Ok(false) => {
                        self.attempt = Some(stream);
                        return Poll::Pending;
                    }
                    Err(error) => self.failure = Some(error),
                }
            }
            let Some(address) = self.addresses.next() else {
                return Poll::Ready(Err(match self.failure.take() {
                    Some(error) => ("connecting", error),
                    None => ("resolving", io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
                }));
            };
            match connect(address, registry, token) {
                Ok(stream) => self.attempt = Some(stream),
                Err(error) => self.failure = Some(error),
            }
        }
    }
}

fn connect(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
    // Packets are gathered before they are written, so waiting for more would only add delay. A system that refuses this
    // still has a link that works.
    let _ = stream.set_nodelay(true);
    Ok(stream)
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
