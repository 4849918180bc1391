//! [`Tls`]: a connection's bytes sealed and opened, in memory.

use std::io::{self, BufRead, Write};

use bytes::{Buf, BufMut, BytesMut};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

use super::{LastTls, TlsError, TlsOptions};

pub(crate) struct Tls {
    connection: ClientConnection,
    /// The server has said that nothing follows.
    ended: bool,
}

impl Tls {
    /// Reads the options' files, so it may block.
    pub(crate) fn new(options: &TlsOptions, last: &LastTls, host: &str) -> Result<Self, TlsError> {
        let name = options.server_name.as_deref().unwrap_or(host).to_owned();
        let server = ServerName::try_from(name.clone()).map_err(|_| TlsError::ServerName(name))?;
        let mut connection = ClientConnection::new(options.config(last)?, server).map_err(TlsError::Other)?;
        // What is handed in is bounded by who hands it in.
        connection.set_buffer_limit(None);
        Ok(Tls { connection, ended: false })
    }

    /// The next steps of the handshake; whether it is over.
    pub(crate) fn handshake(&mut self, received: &mut BytesMut, sending: &mut BytesMut) -> io::Result<bool> {
        while self.connection.is_handshaking() && !received.is_empty() && !self.ended {
            self.feed(received, sending)?;
        }
        if self.ended {
            return Err(TlsError::Closed.into());
        }
        self.flush(sending)?;
        Ok(!self.connection.is_handshaking())
    }

    /// Opens what was received. False: the server has said that nothing follows.
    pub(crate) fn receive(
        &mut self,
        received: &mut BytesMut,
        plain: &mut BytesMut,
        sending: &mut BytesMut,
    ) -> io::Result<bool> {
        loop {
            self.take(plain)?;
            if received.is_empty() || self.ended {
                break;
            }
            self.feed(received, sending)?;
        }
        self.flush(sending)?;
        Ok(!self.ended)
    }

    /// Seals bytes.
    pub(crate) fn send(&mut self, bytes: &[u8], sending: &mut BytesMut) -> io::Result<()> {
        self.connection.writer().write_all(bytes)?;
        self.flush(sending)
    }

    /// Tells the server that nothing follows.
    pub(crate) fn close(&mut self, sending: &mut BytesMut) -> io::Result<()> {
        self.connection.send_close_notify();
        self.flush(sending)
    }

    fn feed(&mut self, received: &mut BytesMut, sending: &mut BytesMut) -> io::Result<()> {
        let count = self.connection.read_tls(&mut &received[..])?;
        received.advance(count);
        match self.connection.process_new_packets() {
            Ok(state) => {
                self.ended = state.peer_has_closed();
                Ok(())
            }
            Err(error) => {
                // The alert that tells the server why.
                self.flush(sending)?;
                let first = self.connection.protocol_version().is_none();
                Err(TlsError::from_rustls(error, first).into())
            }
        }
    }

    fn take(&mut self, plain: &mut BytesMut) -> io::Result<()> {
        let mut reader = self.connection.reader();
        loop {
            let count = match reader.fill_buf() {
                Ok([]) => return Ok(()),
                Ok(chunk) => {
                    plain.extend_from_slice(chunk);
                    chunk.len()
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            reader.consume(count);
        }
    }

    fn flush(&mut self, sending: &mut BytesMut) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(&mut sending.writer())?;
        }
        Ok(())
    }
}
