//! How bytes reach the broker, as far as both adapters would otherwise write it twice. They bring a socket.

mod confirming;
mod layers;
mod proxy;
mod tcp;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "websocket")]
mod websocket;

use bytes::BytesMut;

use crate::base64::base64;
use crate::{Endpoint, InvalidOptions};

pub use confirming::Confirming;
pub use layers::{Entropy, Layers};
pub(crate) use proxy::Environment;
pub use proxy::{Proxy, ProxyError};
pub use tcp::{LINGER, RACE_DELAY, TcpKeepAlive, TcpOptions, literal, no_address, race_order};
#[cfg(feature = "tls")]
pub(crate) use tls::LastTls;
#[cfg(feature = "tls")]
pub use tls::{TlsError, TlsOptions, TlsVersion};

/// The configuration of TLS that a QUIC connection is made with.
#[cfg(feature = "quic")]
pub type QuicTls = std::sync::Arc<rustls::ClientConfig>;
#[cfg(feature = "websocket")]
pub use websocket::WebSocketError;

/// What an adapter has to know about the way to a broker; see [`Driver::transport`](crate::Driver::transport).
#[derive(Clone, Debug, Default)]
pub struct TransportOptions {
    pub(crate) tcp: TcpOptions,
    pub(crate) proxy: Option<Proxy>,
    pub(crate) environment: Environment,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<TlsOptions>,
    #[cfg(feature = "tls")]
    pub(crate) last_tls: LastTls,
}

impl TransportOptions {
    /// How TCP sockets are set up.
    pub fn tcp(&self) -> &TcpOptions {
        &self.tcp
    }

    /// Where the socket goes: host and port of the proxy, if there is one, else of the endpoint.
    pub fn target<'a>(&'a self, endpoint: &'a Endpoint) -> (&'a str, u16) {
        match self.proxy(endpoint) {
            Some(proxy) => (proxy.host(), proxy.port()),
            None => (endpoint.host(), endpoint.port()),
        }
    }

    fn proxy(&self, endpoint: &Endpoint) -> Option<&Proxy> {
        if !endpoint.scheme().takes_proxy() {
            return None;
        }
        self.proxy.as_ref().or_else(|| self.environment.proxy(endpoint))
    }

    #[cfg(feature = "tls")]
    fn tls(&self) -> TlsOptions {
        self.tls.clone().unwrap_or_default()
    }

    /// What seals a QUIC connection to the endpoint, and the name that its certificate has to be made out to. The application
    /// protocol is `mqtt`, unless the options name another one. Reads the options' files, so it may block.
    ///
    /// # Errors
    /// A certificate or a key can't be used.
    #[cfg(feature = "quic")]
    pub fn quic(&self, endpoint: &Endpoint) -> Result<(QuicTls, String), TlsError> {
        self.tls().quic(&self.last_tls, endpoint.host())
    }

    /// Refuses what would have no effect at the endpoint, or less than it says: before anything is sent.
    pub(crate) fn check(&self, endpoint: &Endpoint) -> Result<(), InvalidOptions> {
        let fault = |option, problem| Err(InvalidOptions::Option { option, problem });
        let scheme = endpoint.scheme();
        if let Some(problem) = self.tcp.problem() {
            return fault("tcp", problem.to_owned());
        }
        if let Some(problem) = endpoint.problem() {
            return fault("endpoint", format!("{endpoint}: {problem}"));
        }
        if self.proxy.is_some() && !scheme.takes_proxy() {
            return fault("proxy", format!("no proxy leads to {endpoint}"));
        }
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            if !scheme.is_tls() {
                return fault("tls", format!("{endpoint} is not encrypted; use mqtts:// or wss://"));
            }
            if let Some(problem) = tls.problem() {
                return fault("tls", problem.to_owned());
            }
        }
        Ok(())
    }
}

/// The longest head of an HTTP answer.
const HTTP_HEAD: usize = 16 * 1024;

/// Splits off the head of an HTTP answer, once it is complete.
fn http_head(received: &mut BytesMut) -> Result<Option<BytesMut>, &'static str> {
    let window = &received[..received.len().min(HTTP_HEAD)];
    match window.windows(4).position(|end| end == b"\r\n\r\n") {
        Some(at) => Ok(Some(received.split_to(at + 4))),
        None if received.len() >= HTTP_HEAD => Err("its head is longer than 16 KiB"),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_the_empty_line_and_is_bounded() {
        let mut received = BytesMut::from(&b"HTTP/1.1 200\r\n\r"[..]);
        assert_eq!(http_head(&mut received), Ok(None));
        received.extend_from_slice(b"\nrest");
        assert_eq!(http_head(&mut received).unwrap().unwrap(), b"HTTP/1.1 200\r\n\r\n"[..]);
        assert_eq!(received, b"rest"[..]);
        assert!(http_head(&mut BytesMut::from(&[b'x'; HTTP_HEAD][..])).is_err());
    }
}
