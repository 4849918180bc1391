//! The way to a broker: one connection, over whatever socket its endpoint names.

mod own;
#[cfg(feature = "quic")]
mod quic;
mod socket;
mod tcp;
#[cfg(unix)]
mod unix;

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use mqtt_client_core::session::Output;
use mqtt_client_core::{Confirming, Endpoint, Layers, Scheme, TransportOptions};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

pub use own::Stream;
pub(crate) use own::{Connector, connector};
use socket::Socket;

/// Room that is made for a read when little is left; the read takes what fits.
const READ: usize = 128 * 1024;
/// Slices that one write gathers at most.
const SLICES: usize = 64;

/// Whom a read asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The runtime, which calls this task when there is something to read.
    Runtime,
    /// The system, on the spot. The runtime knows of input only once one of its workers has looked, and the one that sleeps
    /// until there is any has to be woken for that.
    System,
}

/// What was being done, and why it failed.
pub(crate) type DialError = (&'static str, io::Error);

/// An attempt under way. Dropping it abandons the attempt; a look-up that hangs is left to its own helper thread.
pub(crate) type Dialing = Pin<Box<dyn Future<Output = Result<Connection, DialError>> + Send>>;

/// Opens a connection to the endpoint: through `connector`, if the user brought one.
pub(crate) fn dial(
    endpoint: Endpoint,
    options: Arc<TransportOptions>,
    connector: Option<Connector>,
) -> Dialing {
    Box::pin(async move {
        let layers = layers(&endpoint, &options).await.map_err(|error| ("opening", error))?;
        let socket = match (connector, endpoint.scheme()) {
            (Some(connector), _) => {
                Socket::Own(connector(endpoint).await.map_err(|error| ("connecting", error))?)
            }
            #[cfg(unix)]
            (None, Scheme::Unix) => unix::connect(endpoint.path()).await?,
            #[cfg(feature = "quic")]
            (None, Scheme::Quic) => quic::connect(&endpoint, &options).await?,
            (None, _) => tcp::connect(options.target(&endpoint), options.tcp()).await?,
        };
        let mut connection = Connection {
            socket,
            layers,
            spot: Vec::new(),
            confirming: Confirming::default(),
            confirm_at: None,
        };
        connection.open().await?;
        Ok(connection)
    })
}

/// Files of TLS are read on the way, which may block.
async fn layers(endpoint: &Endpoint, options: &Arc<TransportOptions>) -> io::Result<Option<Box<Layers>>> {
    let (endpoint, options) = (endpoint.clone(), Arc::clone(options));
    let reads_files = endpoint.scheme().is_tls() && endpoint.scheme() != Scheme::Quic;
    let make = move || Ok(Layers::new(&endpoint, &options, entropy)?.map(Box::new));
    if reads_files { spawn_blocking(make).await? } else { make() }
}

/// Randomness, as the core wants it.
pub(crate) fn entropy(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(io::Error::from)
}

/// An open connection, as the driver needs it.
pub(crate) struct Connection {
    socket: Socket,
    /// `None`: the socket's bytes are MQTT's.
    layers: Option<Box<Layers>>,
    /// For reads [on the spot](Socket::read_now).
    spot: Vec<u8>,
    confirming: Confirming,
    confirm_at: Option<Instant>,
}

impl Connection {
    /// The handshakes of the layers.
    async fn open(&mut self) -> Result<(), DialError> {
        let Connection { socket, layers: Some(layers), .. } = self else { return Ok(()) };
        loop {
            let opened = layers.open();
            // A server that is refused is told why, as far as that goes without waiting for it.
            while !layers.sending().is_empty() {
                let written = match &opened {
                    Ok(_) => socket.write(layers.sending()).await,
                    Err(_) => poll_fn(|context| now(write_to(socket, context, layers.sending()))).await,
                };
                match written {
                    Ok(count @ 1..) => drop(layers.written(count)),
                    // What was received last may say why.
                    Ok(0) | Err(_) => break,
                }
            }
            if opened? {
                return Ok(());
            }
            match socket.read_buf(layers.received()).await {
                Ok(0) => return Err(layers.hangup()),
                Ok(_) => {}
                Err(error) => return Err(layers.unreadable(error)),
            }
        }
    }

    /// One read, which many packets can share. Ready with 0: the peer has closed.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        input: &mut BytesMut,
        ask: Ask,
    ) -> Poll<io::Result<usize>> {
        let read = ready!(self.read(context, input, ask));
        self.confirming.read();
        self.confirm_at = None;
        Poll::Ready(read)
    }

    fn read(&mut self, context: &mut Context<'_>, input: &mut BytesMut, ask: Ask) -> Poll<io::Result<usize>> {
        let Connection { socket, layers: Some(layers), spot, .. } = self else {
            return read_from(&mut self.socket, &mut self.spot, context, input, ask);
        };
        let before = input.len();
        loop {
            let open = match layers.receive(input) {
                Ok(open) => open,
                Err(error) => {
                    // The peer is told why, as far as that goes without waiting for it.
                    let _ = write_to(socket, context, layers.sending());
                    return Poll::Ready(Err(error));
                }
            };
            if input.len() > before || !open {
                return Poll::Ready(Ok(input.len() - before));
            }
            if ready!(read_from(socket, spot, context, layers.received(), ask))? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
    }

    /// One write, which gathers many packets. Ready with how much of the output is gone.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        output: &Output,
    ) -> Poll<io::Result<usize>> {
        let answers = self.layers.as_ref().is_some_and(|layers| !layers.sending().is_empty());
        if output.is_empty() && !answers {
            return Poll::Pending;
        }
        let written = ready!(self.write(context, output));
        self.confirming.wrote();
        self.confirm_at = None;
        Poll::Ready(written)
    }

    fn write(&mut self, context: &mut Context<'_>, output: &Output) -> Poll<io::Result<usize>> {
        let Connection { socket, layers: Some(layers), .. } = self else {
            return write_output(&mut self.socket, context, output);
        };
        loop {
            layers.send(output)?;
            if layers.sending().is_empty() {
                return Poll::Pending;
            }
            match ready!(write_to(socket, context, layers.sending()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => match layers.written(count) {
                    0 => {}
                    gone => return Poll::Ready(Ok(gone)),
                },
            }
        }
    }

    /// Nothing moves: has the system confirm what it has received, as far as the socket knows of such things, or says when to
    /// come back for that.
    pub(crate) fn confirm(&mut self) -> Option<Instant> {
        let patience = self.confirming.patience()?;
        let now = Instant::now();
        let at = *self.confirm_at.get_or_insert(now + patience);
        if now < at {
            return Some(at);
        }
        self.confirm_at = None;
        if self.confirming.confirm()
            && let Socket::Tcp(stream) = &self.socket
        {
            tcp::confirm(stream);
        }
        None
    }

    /// Says that nothing follows, then reads until the peer has closed too.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        if let Some(layers) = &mut self.layers {
            layers.close();
            self.socket.write_all(layers.sending()).await?;
        }
        self.socket.shutdown().await?;
        let mut rest = BytesMut::with_capacity(READ);
        while self.socket.read_buf(&mut rest).await? > 0 {
            rest.clear();
        }
        Ok(())
    }
}

fn read_from(
    socket: &mut Socket,
    spot: &mut Vec<u8>,
    context: &mut Context<'_>,
    buffer: &mut BytesMut,
    ask: Ask,
) -> Poll<io::Result<usize>> {
    if ask == Ask::System {
        return socket.read_now(spot, buffer);
    }
    if buffer.capacity() - buffer.len() < READ / 4 {
        buffer.reserve(READ);
    }
    pin!(socket.read_buf(buffer)).poll(context)
}

fn write_to(socket: &mut Socket, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(socket).poll_write(context, bytes)
}

fn write_output(socket: &mut Socket, context: &mut Context<'_>, output: &Output) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(output.chunks()) {
        *slice = IoSlice::new(chunk);
        count += 1;
    }
    Pin::new(socket).poll_write_vectored(context, &slices[..count])
}

/// What can't be done now counts as not done at all.
fn now(written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
    match written {
        Poll::Pending => Poll::Ready(Ok(0)),
        ready => ready,
    }
}
