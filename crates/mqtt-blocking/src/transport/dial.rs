//! From an endpoint to an open connection, step by step and without blocking the driver.

use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

#[cfg(unix)]
use mio::net::UnixStream;
use mio::{Registry, Token, Waker};
use mqtt_client_core::{Endpoint, Layers, Scheme, TransportOptions, literal};

use super::socket::Socket;
use super::tcp::Race;
use super::{Connection, Connector};
use crate::helper::Helper;

/// What was being done, and why it failed.
pub(crate) type DialError = (&'static str, io::Error);

/// An attempt under way. Dropping it abandons the attempt; what hangs in its helper thread is left to that.
pub(crate) struct Dialing {
    options: Arc<TransportOptions>,
    stage: Stage,
}

enum Stage {
    /// What blocks is under way on a thread of its own.
    Preparing(Helper<Result<Prepared, DialError>>),
    Racing(Race, Option<Box<Layers>>),
    Opening(Connection),
    Ended,
}

/// What could be had without the driver.
struct Prepared {
    way: Way,
    layers: Option<Box<Layers>>,
}

enum Way {
    /// Where to connect to.
    Addresses(Vec<SocketAddr>),
    /// A socket that is connected, and not registered.
    Socket(Socket),
}

impl Dialing {
    /// Begins. Name look-ups, the reading of certificates, and whatever a connector of the user's does, run on a thread of
    /// their own, whose end wakes `wake`.
    pub(crate) fn start(
        endpoint: Endpoint,
        options: &Arc<TransportOptions>,
        connector: Option<&Connector>,
        wake: &Arc<Waker>,
    ) -> io::Result<Self> {
        let connector = connector.cloned();
        let (host, port) = options.target(&endpoint);
        let stage = match literal(host, port) {
            Some(address) if connector.is_none() && !endpoint.scheme().is_tls() => {
                Stage::Racing(Race::new(vec![address], options.tcp()), layers(&endpoint, options)?)
            }
            _ => {
                let options = Arc::clone(options);
                let prepare = move || prepare(&endpoint, &options, connector);
                Stage::Preparing(Helper::start("mqtt-dial", wake, prepare)?)
            }
        };
        Ok(Dialing { options: Arc::clone(options), stage })
    }

    /// When time alone lets it go on.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Racing(race, _) => race.deadline(),
            _ => None,
        }
    }

    /// Goes as far as it can without waiting; sockets are registered under `token`.
    pub(crate) fn poll(&mut self, registry: &Registry, token: Token) -> Poll<Result<Connection, DialError>> {
        loop {
            self.stage = match mem::replace(&mut self.stage, Stage::Ended) {
                Stage::Preparing(helper) => match helper.poll() {
                    Poll::Ready(Some(prepared)) => self.prepared(prepared?, registry, token)?,
                    Poll::Ready(None) => return Poll::Ready(Err(helper_ended())),
                    Poll::Pending => {
                        self.stage = Stage::Preparing(helper);
                        return Poll::Pending;
                    }
                },
                Stage::Racing(mut race, layers) => match race.poll(Instant::now(), registry, token) {
                    Poll::Ready(stream) => Stage::Opening(Connection::new(Socket::Tcp(stream?), layers)),
                    Poll::Pending => {
                        self.stage = Stage::Racing(race, layers);
                        return Poll::Pending;
                    }
                },
                Stage::Opening(mut connection) => match connection.poll_open()? {
                    Poll::Ready(()) => return Poll::Ready(Ok(connection)),
                    Poll::Pending => {
                        self.stage = Stage::Opening(connection);
                        return Poll::Pending;
                    }
                },
                Stage::Ended => return Poll::Ready(Err(helper_ended())),
            };
        }
    }

    fn prepared(&self, prepared: Prepared, registry: &Registry, token: Token) -> Result<Stage, DialError> {
        let Prepared { way, layers } = prepared;
        match way {
            Way::Addresses(addresses) => Ok(Stage::Racing(Race::new(addresses, self.options.tcp()), layers)),
            Way::Socket(mut socket) => {
                socket.register(registry, token).map_err(|error| ("connecting", error))?;
                Ok(Stage::Opening(Connection::new(socket, layers)))
            }
        }
    }
}

/// What blocks.
fn prepare(
    endpoint: &Endpoint,
    options: &TransportOptions,
    connector: Option<Connector>,
) -> Result<Prepared, DialError> {
    let layers = layers(endpoint, options).map_err(|error| ("opening", error))?;
    Ok(Prepared { way: way(endpoint, options, connector)?, layers })
}

fn way(
    endpoint: &Endpoint,
    options: &TransportOptions,
    connector: Option<Connector>,
) -> Result<Way, DialError> {
    let connecting = |error| ("connecting", error);
    if let Some(open) = connector {
        return Ok(Way::Socket(Socket::Own(open(endpoint).map_err(connecting)?)));
    }
    #[cfg(unix)]
    if endpoint.scheme() == Scheme::Unix {
        let stream = UnixStream::connect(endpoint.path()).map_err(connecting)?;
        return Ok(Way::Socket(Socket::Unix(stream)));
    }
    if endpoint.scheme() == Scheme::Quic {
        return Err(connecting(io::Error::new(io::ErrorKind::Unsupported, "mqtt-blocking has no QUIC")));
    }
    match options.target(endpoint).to_socket_addrs() {
        Ok(addresses) => Ok(Way::Addresses(addresses.collect())),
        Err(error) => Err(("resolving", error)),
    }
}

fn layers(endpoint: &Endpoint, options: &TransportOptions) -> io::Result<Option<Box<Layers>>> {
    Ok(Layers::new(endpoint, options, entropy)?.map(Box::new))
}

/// Randomness, as the core wants it.
pub(crate) fn entropy(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(io::Error::from)
}

fn helper_ended() -> DialError {
    ("connecting", io::Error::other("the thread that was to do it has ended"))
}
