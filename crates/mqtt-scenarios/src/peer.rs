//! A server played by hand, for what no broker would do.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use bytes::BytesMut;
use mqtt_client_core::codec::{Connack, Decoder, Packet, ReasonCode, Side, Version};

use crate::{PATIENCE, until};

/// A listening socket.
#[derive(Debug)]
pub struct Peer {
    listener: TcpListener,
}

/// One connection to it, with the means to read packets and to write anything.
#[derive(Debug)]
pub struct PeerLink {
    stream: TcpStream,
    version: Version,
    buffer: BytesMut,
}

impl Peer {
    /// Listens on a free port. Until [`accept`](Self::accept), clients can connect, and hear nothing.
    ///
    /// # Panics
    /// When no port is free.
    pub fn listen() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port is free");
        listener.set_nonblocking(true).expect("a socket can be made not to block");
        Peer { listener }
    }

    /// Where it listens.
    ///
    /// # Panics
    /// Never: a bound socket has an address.
    pub fn addr(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound socket has an address")
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.addr())
    }

    /// The next connection, whose client speaks this version.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn accept(&self, version: Version) -> PeerLink {
        let mut accepted = None;
        until("a connection", || {
            accepted = self.listener.accept().ok();
            accepted.is_some()
        });
        let (stream, _) = accepted.expect("waited for until it was there");
        stream.set_nonblocking(false).expect("a socket can be made to block");
        stream.set_read_timeout(Some(PATIENCE)).expect("a time-out above zero is taken");
        PeerLink { stream, version, buffer: BytesMut::new() }
    }

    /// The next connection, whose CONNECT has been accepted.
    ///
    /// # Panics
    /// When none comes, or no CONNECT on it.
    #[track_caller]
    pub fn welcome(&self, version: Version) -> PeerLink {
        self.welcome_with(version, &Connack::new(false, ReasonCode::Success))
    }

    /// The same with a CONNACK of one's own.
    ///
    /// # Panics
    /// When no connection comes, or no CONNECT on it.
    #[track_caller]
    pub fn welcome_with(&self, version: Version, connack: &Connack) -> PeerLink {
        let mut link = self.accept(version);
        let packet = link.packet();
        assert!(matches!(packet, Packet::Connect(_)), "expected CONNECT: {packet:?}");
        link.send(&connack.clone().into());
        link
    }
}

impl PeerLink {
    /// Where the client has connected from.
    ///
    /// # Panics
    /// When the client has gone already.
    pub fn client_addr(&self) -> SocketAddr {
        self.stream.peer_addr().expect("a connected socket has a peer")
    }

    /// Where it has connected to.
    ///
    /// # Panics
    /// Never: a connected socket has an address.
    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    /// The client's next packet.
    ///
    /// # Panics
    /// When it is none, or none comes.
    #[track_caller]
    pub fn packet(&mut self) -> Packet {
        match self.next() {
            Some(packet) => packet,
            None => panic!("expected a packet, but the client has closed"),
        }
    }

    /// The client has to close the connection now, and nothing may come before that.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub fn closes(&mut self) {
        if let Some(packet) = self.next() {
            panic!("expected the end: {packet:?}");
        }
    }

    /// Sends any bytes.
    ///
    /// # Panics
    /// When the client has closed.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the client reads");
    }

    /// Sends any bytes, unless the client has closed.
    pub fn write_some(&mut self, bytes: &[u8]) {
        // Who has left does not miss them.
        let _ = self.stream.write_all(bytes);
    }

    /// Sends a packet.
    ///
    /// # Panics
    /// When it can't be encoded, or the client has closed.
    #[track_caller]
    pub fn send(&mut self, packet: &Packet) {
        let mut bytes = Vec::new();
        packet.encode(self.version, &mut bytes).expect("the scenario's packets are valid");
        self.write(&bytes);
    }

    #[track_caller]
    fn next(&mut self) -> Option<Packet> {
        let decoder = Decoder::new(self.version, Side::Client);
        loop {
            match decoder.decode_from(&mut self.buffer) {
                Ok(Some(packet)) => return Some(packet),
                Ok(None) => {}
                Err(error) => panic!("the client sent what is no packet: {error}"),
            }
            let mut chunk = [0; 4096];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("nothing from the client within {PATIENCE:?}: {error}"),
            }
        }
    }
}
