//! [`Layers`]: what lies between the bytes of a socket and those of MQTT. Nothing in here touches a socket.

use std::fmt;
use std::io;

use bytes::{Buf, BytesMut};
use zeroize::Zeroize as _;

use super::TransportOptions;
use super::proxy::{ProxyError, Tunnel};
#[cfg(feature = "tls")]
use super::tls::{Tls, TlsError};
#[cfg(feature = "websocket")]
use super::websocket::{self, WebSocket, WebSocketError};
use crate::session::Output;
use crate::{Endpoint, Scheme};

/// Fills a buffer with what nobody can foresee.
pub type Entropy = fn(&mut [u8]) -> io::Result<()>;

/// Bytes of MQTT that are sealed at once.
const PORTION: usize = 64 * 1024;

/// What lies between a socket and MQTT: the way through a proxy, TLS, WebSocket, in this order and as far as the endpoint and
/// the options ask for them. Bytes in, bytes out.
///
/// | the adapter | then |
/// | --- | --- |
/// | has read from the socket into [`received`](Self::received) | calls [`open`](Self::open) until that is true, later [`receive`](Self::receive) |
/// | has something to send | calls [`send`](Self::send), and writes [`sending`](Self::sending) |
/// | has written | calls [`written`](Self::written), which says how much of MQTT is gone with it |
/// | reads that the peer has closed before it was open | fails with [`hangup`](Self::hangup) |
/// | can't read before it was open | fails with [`unreadable`](Self::unreadable) |
pub struct Layers {
    endpoint: Endpoint,
    #[cfg(feature = "websocket")]
    entropy: Entropy,
    /// From the socket, and not looked at.
    received: BytesMut,
    /// Out of TLS, and not looked at.
    #[cfg(feature = "websocket")]
    framed: BytesMut,
    /// In frames, and not sealed.
    #[cfg(feature = "websocket")]
    unsealed: BytesMut,
    /// For the socket.
    sending: BytesMut,
    /// Nothing of MQTT has come yet: `sending` may hold the proxy's password, the WebSocket's headers or CONNECT, and is wiped
    /// as it is written.
    is_private: bool,
    /// Bytes of MQTT in `sending` whose writing has not been told.
    untold: usize,
    tunnel: Option<Tunnel>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    #[cfg(feature = "websocket")]
    websocket: Option<WebSocket>,
}

impl Layers {
    /// What a connection to the endpoint needs; `None`: the socket's bytes are MQTT's, as those of QUIC are, which seals them. TLS reads its files here, so this may
    /// block.
    ///
    /// # Errors
    /// A certificate or a key can't be used.
    pub fn new(
        endpoint: &Endpoint,
        options: &TransportOptions,
        entropy: Entropy,
    ) -> io::Result<Option<Self>> {
        #[cfg(not(feature = "websocket"))]
        let _ = entropy;
        let proxy = options.proxy(endpoint);
        let scheme = endpoint.scheme();
        let has_own = scheme == Scheme::Quic;
        if has_own || proxy.is_none() && !scheme.is_tls() && !scheme.is_websocket() {
            return Ok(None);
        }
        let mut sending = BytesMut::new();
        let tunnel = match proxy {
            Some(proxy) => Some(Tunnel::new(proxy.clone(), endpoint, &mut sending)?),
            None => None,
        };
        Ok(Some(Layers {
            endpoint: endpoint.clone(),
            #[cfg(feature = "websocket")]
            entropy,
            received: BytesMut::new(),
            #[cfg(feature = "websocket")]
            framed: BytesMut::new(),
            #[cfg(feature = "websocket")]
            unsealed: BytesMut::new(),
            sending,
            is_private: true,
            untold: 0,
            tunnel,
            #[cfg(feature = "tls")]
            tls: match scheme.is_tls() {
                true => Some(Tls::new(&options.tls(), &options.last_tls, endpoint.host())?),
                false => None,
            },
            #[cfg(feature = "websocket")]
            websocket: None,
        }))
    }

    /// Goes on with the handshakes; whether they are over. May leave something to be written either way, and on failure too:
    /// the peer may be told why.
    ///
    /// # Errors
    /// One of them failed: what was being done, and what went wrong, in the words of the layer:
    /// - [`ProxyError`](crate::ProxyError)
    #[cfg_attr(feature = "tls", doc = "- [`TlsError`](crate::TlsError)")]
    #[cfg_attr(feature = "websocket", doc = "- [`WebSocketError`](crate::WebSocketError)")]
    pub fn open(&mut self) -> Result<bool, (&'static str, io::Error)> {
        self.advance().map_err(|error| ("opening", error))
    }

    fn advance(&mut self) -> io::Result<bool> {
        if let Some(tunnel) = &mut self.tunnel {
            if !tunnel.advance(&mut self.received, &mut self.sending)? {
                return Ok(false);
            }
            self.tunnel = None;
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls
            && !tls.handshake(&mut self.received, &mut self.sending)?
        {
            return Ok(false);
        }
        #[cfg(feature = "websocket")]
        if self.endpoint.scheme().is_websocket() {
            if self.websocket.is_none() {
                self.websocket = Some(WebSocket::new(&self.endpoint, self.entropy, &mut self.unsealed)?);
                self.seal()?;
            }
            self.unseal()?;
            if let Some(websocket) = &mut self.websocket {
                return Ok(websocket.handshake(&mut self.framed)?);
            }
        }
        Ok(true)
    }

    /// Why there is no connection, if the peer closes before it is open.
    pub fn hangup(&self) -> (&'static str, io::Error) {
        let error = match () {
            () if self.tunnel.is_some() => ProxyError::Hangup.into(),
            #[cfg(feature = "websocket")]
            () if self.websocket.is_some() => WebSocketError::Hangup.into(),
            #[cfg(feature = "tls")]
            () if self.tls.is_some() => TlsError::Closed.into(),
            () => io::ErrorKind::UnexpectedEof.into(),
        };
        ("opening", error)
    }

    /// Why there is no connection, if it can't be read before it is open.
    pub fn unreadable(&self, error: io::Error) -> (&'static str, io::Error) {
        match error.kind() {
            // So hangs up who did not read what it was sent.
            io::ErrorKind::ConnectionReset => self.hangup(),
            _ => ("opening", error),
        }
    }

    /// Where bytes from the socket are put.
    pub fn received(&mut self) -> &mut BytesMut {
        &mut self.received
    }

    /// Takes what was received apart, and appends MQTT's bytes to `input`. False: the peer has said that nothing follows.
    ///
    /// # Errors
    /// What was received breaks TLS or WebSocket, or says why the peer goes.
    pub fn receive(&mut self, input: &mut BytesMut) -> io::Result<bool> {
        let more = self.unwrap(input)?;
        self.is_private &= input.is_empty();
        Ok(more)
    }

    fn unwrap(&mut self, input: &mut BytesMut) -> io::Result<bool> {
        #[cfg(feature = "websocket")]
        if self.websocket.is_some() {
            let more = self.unseal()?;
            let Some(websocket) = &mut self.websocket else { return Ok(more) };
            let result = websocket.receive(&mut self.framed, input, &mut self.unsealed);
            self.seal()?;
            return result.map(|open| open && more);
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.receive(&mut self.received, input, &mut self.sending);
        }
        input.unsplit(self.received.split());
        Ok(true)
    }

    /// Seals the next portion of the output, unless the last one still waits to be written. The output keeps it until
    /// [`written`](Self::written) says that it is gone.
    ///
    /// # Errors
    /// There is no entropy, or TLS has failed before.
    pub fn send(&mut self, output: &Output) -> io::Result<()> {
        if !self.sending.is_empty() || output.is_empty() {
            return Ok(());
        }
        self.untold = output.len().min(PORTION);
        let mut left = self.untold;
        let portion = output.chunks().map_while(|chunk| {
            let part = &chunk[..chunk.len().min(left)];
            left -= part.len();
            (!part.is_empty()).then_some(part)
        });
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &mut self.websocket {
            let mask = websocket.begin_frame(self.untold, &mut self.unsealed)?;
            let mut before = 0;
            for part in portion {
                websocket::put_masked(part, mask, before, &mut self.unsealed);
                before += part.len();
            }
            return self.seal();
        }
        for part in portion {
            #[cfg(feature = "tls")]
            if let Some(tls) = &mut self.tls {
                tls.send(part, &mut self.sending)?;
                continue;
            }
            self.sending.extend_from_slice(part);
        }
        Ok(())
    }

    /// What is to be written to the socket.
    pub fn sending(&self) -> &[u8] {
        &self.sending
    }

    /// The socket took so many bytes of [`sending`](Self::sending). Returns how many bytes of MQTT are certainly gone with them:
    /// what is left can't hold more of them than it has bytes.
    pub fn written(&mut self, bytes: usize) -> usize {
        if self.is_private {
            self.sending[..bytes].zeroize();
        }
        self.sending.advance(bytes);
        let gone = self.untold.saturating_sub(self.sending.len());
        self.untold -= gone;
        gone
    }

    /// Appends what tells the peer that nothing follows.
    pub fn close(&mut self) {
        // A layer that has failed can't say so; the socket's end will.
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &mut self.websocket {
            let _ = websocket.close(&mut self.unsealed);
            let _ = self.seal();
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            let _ = tls.close(&mut self.sending);
        }
    }

    /// From the socket to the frames. False: TLS has ended.
    #[cfg(feature = "websocket")]
    fn unseal(&mut self) -> io::Result<bool> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            return tls.receive(&mut self.received, &mut self.framed, &mut self.sending);
        }
        self.framed.unsplit(self.received.split());
        Ok(true)
    }

    /// From the frames to the socket.
    #[cfg(feature = "websocket")]
    fn seal(&mut self) -> io::Result<()> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            tls.send(&self.unsealed, &mut self.sending)?;
            if self.is_private {
                self.unsealed.zeroize();
            }
            self.unsealed.clear();
            return Ok(());
        }
        self.sending.unsplit(self.unsealed.split());
        Ok(())
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}
