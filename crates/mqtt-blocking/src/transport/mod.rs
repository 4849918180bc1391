//! The way to a broker: one connection, over whatever socket its endpoint names, without blocking the driver.

mod dial;
mod own;
mod socket;
mod tcp;

use std::io::{self, IoSlice, Read, Write};

use bytes::BytesMut;
use mqtt_client_core::Layers;
use mqtt_client_core::session::Output;

pub(crate) use dial::{DialError, Dialing, entropy};
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
    /// `None`: the socket's bytes are MQTT's.
    layers: Option<Box<Layers>>,
    /// Where a read puts its bytes.
    chunk: Vec<u8>,
}

impl Connection {
    fn new(socket: Socket, layers: Option<Box<Layers>>) -> Self {
        Connection { socket, layers, chunk: vec![0; READ] }
    }

    /// The next steps of the layers' handshakes; whether they are over.
    fn open(&mut self) -> Result<bool, DialError> {
        let Connection { socket, layers: Some(layers), chunk } = self else { return Ok(true) };
        loop {
            let opened = layers.open();
            // A server that is refused is told why. If it takes nothing, what it has said last may say why.
            let _ = write_all(socket, layers);
            if opened? {
                return Ok(true);
            }
            match read_from(socket, chunk, layers.received()) {
                Ok(0) => return Err(layers.hangup()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // So hangs up who did not read what it was sent.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(layers.hangup()),
                Err(error) => return Err(("opening", error)),
            }
        }
    }

    /// One read, which many packets can share. 0: the peer has closed.
    pub(crate) fn read(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        let Connection { socket, layers: Some(layers), chunk } = self else {
            return read_from(&mut self.socket, &mut self.chunk, input);
        };
        let before = input.len();
        loop {
            let open = match layers.receive(input) {
                Ok(open) => open,
                Err(error) => {
                    // The peer is told why, as far as that goes without waiting for it.
                    let _ = socket.write(layers.sending());
                    return Err(error);
                }
            };
            if input.len() > before || !open {
                return Ok(input.len() - before);
            }
            if read_from(socket, chunk, layers.received())? == 0 {
                return Ok(0);
            }
        }
    }

    /// Whether another read may find something without waiting for it, after one that took so many bytes. Linux says when there
    /// is more than a read that took less than it could.
    pub(crate) fn may_have_more(&self, count: usize) -> bool {
        let tells = cfg!(target_os = "linux") && !matches!(self.socket, Socket::Own(_));
        !tells || self.layers.is_some() || count == self.chunk.len()
    }

    /// Whether something is to be written that is no output: an answer of a layer.
    pub(crate) fn wants_write(&self) -> bool {
        self.layers.as_ref().is_some_and(|layers| !layers.sending().is_empty())
    }

    /// One write, which gathers many packets. How much of the output is gone.
    pub(crate) fn write(&mut self, output: &Output) -> io::Result<usize> {
        let Connection { socket, layers: Some(layers), .. } = self else {
            return write_output(&mut self.socket, output);
        };
        layers.send(output)?;
        if layers.sending().is_empty() {
            return Ok(0);
        }
        match socket.write(layers.sending())? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            count => Ok(layers.written(count)),
        }
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
        if let Some(layers) = &mut self.layers {
            layers.close();
            // What does not leave at once is not worth waiting for.
            let _ = write_all(&mut self.socket, layers);
        }
        self.socket.close()
    }
}

fn read_from(socket: &mut Socket, chunk: &mut [u8], buffer: &mut BytesMut) -> io::Result<usize> {
    let count = socket.read(chunk)?;
    buffer.extend_from_slice(&chunk[..count]);
    Ok(count)
}

fn write_output(socket: &mut Socket, output: &Output) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(output.chunks()) {
        *slice = IoSlice::new(chunk);
        count += 1;
    }
    socket.write_vectored(&slices[..count])
}

/// Writes what the layers have to say, as far as the socket takes it now.
fn write_all(socket: &mut Socket, layers: &mut Layers) -> io::Result<()> {
    while !layers.sending().is_empty() {
        match socket.write(layers.sending())? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => drop(layers.written(count)),
        }
    }
    Ok(())
}
