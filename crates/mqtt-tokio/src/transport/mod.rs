//! The way to a broker: one connection, over whatever socket its endpoint names.

mod own;
mod socket;
mod tcp;
#[cfg(unix)]
mod unix;

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use mqtt_client_core::session::Output;
use mqtt_client_core::{Endpoint, Scheme, TransportOptions};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub use own::Stream;
pub(crate) use own::{Connector, connector};
use socket::Socket;

/// Room that is made for a read when little is left; the read takes what fits.
const READ: usize = 64 * 1024;
/// Slices that one write gathers at most.
const SLICES: usize = 64;

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
        let socket = match (connector, endpoint.scheme()) {
            (Some(connector), _) => {
                Socket::Own(connector(endpoint).await.map_err(|error| ("connecting", error))?)
            }
            #[cfg(unix)]
            (None, Scheme::Unix) => unix::connect(endpoint.path()).await?,
            (None, _) => tcp::connect(endpoint.host(), endpoint.port(), options.tcp()).await?,
        };
        Ok(Connection { socket })
    })
}

/// An open connection, as the driver needs it.
pub(crate) struct Connection {
    socket: Socket,
}

impl Connection {
    /// One read, which many packets can share. Ready with 0: the peer has closed.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        if input.capacity() - input.len() < READ / 4 {
            input.reserve(READ);
        }
        pin!(self.socket.read_buf(input)).poll(context)
    }

    /// One write, which gathers many packets. Ready with how much of the output is gone.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        output: &Output,
    ) -> Poll<io::Result<usize>> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(output.chunks()) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        Pin::new(&mut self.socket).poll_write_vectored(context, &slices[..count])
    }

    /// Has the system confirm at once what it has received, as far as the socket knows of such things.
    pub(crate) fn confirm(&self) {
        if let Socket::Tcp(stream) = &self.socket {
            tcp::confirm(stream);
        }
    }

    /// Ends the connection so that what has been written arrives: says that nothing follows, then reads until the peer has
    /// closed too. A socket that is closed with unread input resets the connection, and the reset can overtake the last packet.
    pub(crate) async fn close(&mut self) -> io::Result<()> {
        self.socket.shutdown().await?;
        let mut rest = BytesMut::with_capacity(READ);
        while self.socket.read_buf(&mut rest).await? > 0 {
            rest.clear();
        }
        Ok(())
    }
}
