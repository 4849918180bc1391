//! Streams of the user's own, in place of a socket.

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::event::Source;
use mqtt_client_core::Endpoint;

/// What a connection can be made of: anything that carries bytes in order, and whose readiness `mio` can tell. See
/// [`Client::with_connector`](crate::Client::with_connector).
///
/// No call may block. Reading and writing fail with [`WouldBlock`](io::ErrorKind::WouldBlock) when nothing can be read or
/// taken now, and from then on the [`Source`] has to tell, once, when that has changed: as `mio`'s sockets do. A stream over
/// one of these, that adds something to it, hands registration on to it. Reading 0 bytes means that the peer has closed.
pub trait Stream: Read + Write + Source + Send {
    /// Tells the peer that nothing follows, if the stream can; the client reads on until the peer closes. By default does
    /// nothing: the stream's drop ends it.
    ///
    /// # Errors
    /// The stream is broken.
    fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for mio::net::TcpStream {
    fn close(&mut self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }
}

#[cfg(unix)]
impl Stream for mio::net::UnixStream {
    fn close(&mut self) -> io::Result<()> {
        self.shutdown(std::net::Shutdown::Write)
    }
}

/// Opens a stream for each attempt.
pub(crate) type Connector = Arc<dyn Fn(&Endpoint) -> io::Result<Box<dyn Stream>> + Send + Sync>;

/// Forgets which function and which stream they are.
pub(crate) fn connector<C, S>(open: C) -> Connector
where
    C: Fn(&Endpoint) -> io::Result<S> + Send + Sync + 'static,
    S: Stream + 'static,
{
    Arc::new(move |endpoint| Ok(Box::new(open(endpoint)?)))
}
