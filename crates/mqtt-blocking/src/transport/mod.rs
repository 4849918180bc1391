//! The way to a broker: one connection, over whatever socket its endpoint names, without blocking the driver.

mod dial;
mod own;
mod socket;
mod tcp;

use std::io::{self, IoSlice, Read, Write};

use bytes::BytesMut;
use mqtt_client_core::session::Output;

pub(crate) use dial::{DialError, Dialing};
pub use own::Stream;
pub(crate) use own::{Connector, connector};
use socket::Socket;

/// Bytes that one read takes at most.
const READ: usize = 64 * 1024;
/// Slices that one write gathers at most.
const SLICES: usize = 64;

/// An open connection, as the driver needs it. No call blocks: what can't go on now fails with
/// [`WouldBlock`](io::ErrorKind::WouldBlock).
pub(crate) struct Connection {
    socket: Socket,
    /// Where a read puts its bytes.
    chunk: Vec<u8>,
}

impl Connection {
    fn new(socket: Socket) -> Self {
        Connection { socket, chunk: vec![0; READ] }
    }

    /// One read, which many packets can share. 0: the peer has closed.
    pub(crate) fn read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        let count = self.socket.read(&mut self.chunk)?;
        input.extend_from_slice(&self.chunk[..count]);
        Ok(count)
    }

    /// One write, which gathers many packets. How much of the output is gone.
    pub(crate) fn write(&mut self, output: &Output) -> io::Result<usize> {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, chunk) in slices.iter_mut().zip(output.chunks()) {
            *slice = IoSlice::new(chunk);
            count += 1;
        }
        self.socket.write_vectored(&slices[..count])
    }

    /// Has the system confirm at once what it has received, as far as the socket knows of such things.
    pub(crate) fn confirm(&self) {
        if let Socket::Tcp(stream) = &self.socket {
            tcp::confirm(stream);
        }
    }

    /// Says that nothing follows. What the peer still sends is to be read until it has closed too: a socket that is closed with
    /// unread input resets the connection, and the reset can overtake the last packet.
    pub(crate) fn close(&mut self) -> io::Result<()> {
        self.socket.close()
    }
}
