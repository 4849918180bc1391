//! The way to a broker: one connection, over whatever socket its endpoint names, without blocking the driver.

mod dial;
mod own;
mod socket;
mod tcp;

use std::io::{self, IoSlice, Read, Write};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mio::event::Event;
use mqtt_client_core::session::Output;
use mqtt_client_core::{Confirming, Layers};

pub(crate) use dial::{DialError, Dialing, entropy};
pub use own::Stream;
pub(crate) use own::{Connector, connector};
use socket::Socket;

/// Bytes that one read takes at most.
const READ: usize = 128 * 1024;
/// Slices that one write gathers at most.
const SLICES: usize = 64;

/// An open connection, as the driver needs it. No call blocks but [`close`](Self::close).
pub(crate) struct Connection {
    socket: Socket,
    /// `None`: the socket's bytes are MQTT's.
    layers: Option<Box<Layers>>,
    /// Where a read puts its bytes.
    chunk: Vec<u8>,
    /// Readiness is told once, when it begins; it ends when a call would block.
    readable: bool,
    writable: bool,
    /// The peer has closed its side: a read will say so.
    hung_up: bool,
    confirming: Confirming,
}

impl Connection {
    fn new(socket: Socket, layers: Option<Box<Layers>>) -> Self {
        Connection {
            socket,
            layers,
            chunk: vec![0; READ],
            readable: true,
            writable: true,
            hung_up: false,
            confirming: Confirming::default(),
        }
    }

    /// The next steps of the layers' handshakes.
    fn poll_open(&mut self) -> Poll<Result<(), DialError>> {
        let Connection { socket, layers: Some(layers), chunk, .. } = self else { return Poll::Ready(Ok(())) };
        loop {
            let opened = layers.open();
            // A server that is refused is told why. If it takes nothing, what it has said last may say why.
            let _ = write_all(socket, layers);
            if opened? {
                return Poll::Ready(Ok(()));
            }
            match ready!(read_from(socket, chunk, layers.received())) {
                Ok(0) => return Poll::Ready(Err(layers.hangup())),
                Ok(_) => {}
                Err(error) => return Poll::Ready(Err(layers.unreadable(error))),
            }
        }
    }

    /// What the system has told of the socket.
    pub(crate) fn notice(&mut self, event: &Event) {
        self.hung_up |= event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || self.hung_up;
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// One read, which many packets can share. Ready with 0: the peer has closed.
    pub(crate) fn poll_read(&mut self, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        if !self.readable {
            return Poll::Pending;
        }
        let read = self.read(input);
        match read {
            Poll::Pending => self.readable = false,
            Poll::Ready(Ok(count)) => {
                self.confirming.read();
                self.readable = self.hung_up || self.may_have_more(count);
            }
            Poll::Ready(Err(_)) => {}
        }
        read
    }

    fn read(&mut self, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let Connection { socket, layers: Some(layers), chunk, .. } = self else {
            return read_from(&mut self.socket, &mut self.chunk, input);
        };
        let before = input.len();
        loop {
            let open = match layers.receive(input) {
                Ok(open) => open,
                Err(error) => {
                    // The peer is told why, as far as that goes without waiting for it.
                    let _ = socket.write(layers.sending());
                    return Poll::Ready(Err(error));
                }
            };
            if input.len() > before || !open {
                return Poll::Ready(Ok(input.len() - before));
            }
            if ready!(read_from(socket, chunk, layers.received()))? == 0 {
                return Poll::Ready(Ok(0));
            }
        }
    }

    /// Whether another read may find something without waiting for it, after one that took so many bytes. Linux says when there
    /// is more than a read that took less than it could.
    fn may_have_more(&self, count: usize) -> bool {
        let tells = cfg!(target_os = "linux") && !matches!(self.socket, Socket::Own(_));
        !tells || self.layers.is_some() || count == self.chunk.len()
    }

    /// One write, which gathers many packets. Ready with how much of the output is gone.
    pub(crate) fn poll_write(&mut self, output: &Output) -> Poll<io::Result<usize>> {
        let answers = self.layers.as_ref().is_some_and(|layers| !layers.sending().is_empty());
        if !self.writable || (output.is_empty() && !answers) {
            return Poll::Pending;
        }
        let written = self.write(output);
        match written {
            Poll::Pending => self.writable = false,
            Poll::Ready(Ok(_)) => self.confirming.wrote(),
            // What has arrived may say why.
            Poll::Ready(Err(_)) => self.readable = true,
        }
        written
    }

    fn write(&mut self, output: &Output) -> Poll<io::Result<usize>> {
        let Connection { socket, layers: Some(layers), .. } = self else {
            return write_output(&mut self.socket, output);
        };
        layers.send(output)?;
        if layers.sending().is_empty() {
            return Poll::Ready(Ok(0));
        }
        match ready!(when_ready(|| socket.write(layers.sending())))? {
            0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            count => Poll::Ready(Ok(layers.written(count))),
        }
    }

    /// How long something to send along is waited for before what was received is confirmed; `None`: all is.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.confirming.patience()
    }

    /// Has the system confirm at once what it has received, as far as the socket knows of such things.
    pub(crate) fn confirm(&mut self) {
        if self.confirming.confirm()
            && let Socket::Tcp(stream) = &self.socket
        {
            tcp::confirm(stream);
        }
    }

    /// Says that nothing follows, then reads until the peer has closed too, or it is time. `poll` is where the socket is registered.
    pub(crate) fn close(
        &mut self,
        poll: &mut mio::Poll,
        events: &mut mio::Events,
        end: Instant,
    ) -> io::Result<()> {
        if let Some(layers) = &mut self.layers {
            layers.close();
            // What does not leave at once is not worth waiting for.
            let _ = write_all(&mut self.socket, layers);
        }
        self.socket.close()?;
        let mut rest = BytesMut::new();
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.read(&mut rest) {
                Poll::Ready(Ok(0)) => break,
                Poll::Ready(read) => drop(read?),
                Poll::Pending => poll.poll(events, Some(left))?,
            }
            rest.clear();
        }
        Ok(())
    }
}

/// What would block is not ready, and what was interrupted is tried again.
fn when_ready<T>(mut call: impl FnMut() -> io::Result<T>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return Poll::Ready(done),
        }
    }
}

fn read_from(socket: &mut Socket, chunk: &mut [u8], buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
    let count = ready!(when_ready(|| socket.read(chunk)))?;
    buffer.extend_from_slice(&chunk[..count]);
    Poll::Ready(Ok(count))
}

fn write_output(socket: &mut Socket, output: &Output) -> Poll<io::Result<usize>> {
    let mut slices = [IoSlice::new(&[]); SLICES];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(output.chunks()) {
        *slice = IoSlice::new(chunk);
        count += 1;
    }
    when_ready(|| socket.write_vectored(&slices[..count]))
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
