//! Where a broker is: the URL a user writes, taken apart and checked before anything is sent.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use zeroize::Zeroize as _;

use crate::error_texts::error_texts;
use crate::secret::Secret;
use crate::url::{Url, percent_decoded};

/// The port of plain MQTT, used when a URL names none.
pub const DEFAULT_PORT: u16 = 1883;

/// How a broker is reached. The URL's scheme decides, and with it whether the connection is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Scheme {
    /// `mqtt://`: TCP, not encrypted.
    Mqtt,
    /// `mqtts://`: TLS.
    Mqtts,
    /// `ws://`: WebSocket, not encrypted.
    Ws,
    /// `wss://`: WebSocket over TLS.
    Wss,
    /// `unix://`: a Unix socket.
    Unix,
    /// `quic://`: one stream of a QUIC connection, which is always encrypted. `mqtt-tokio` has it.
    Quic,
}

impl Scheme {
    const ALL: [Scheme; 6] =
        [Scheme::Mqtt, Scheme::Mqtts, Scheme::Ws, Scheme::Wss, Scheme::Unix, Scheme::Quic];

    /// The scheme's name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Scheme::Mqtt => "mqtt",
            Scheme::Mqtts => "mqtts",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
            Scheme::Unix => "unix",
            Scheme::Quic => "quic",
        }
    }

    /// 1883, 8883, 80 or 443; for QUIC 14567, as EMQX has it, since nobody has registered one. A Unix socket has none: 0.
    pub fn default_port(self) -> u16 {
        match self {
            Scheme::Mqtt => DEFAULT_PORT,
            Scheme::Mqtts => 8883,
            Scheme::Ws => 80,
            Scheme::Wss => 443,
            Scheme::Unix => 0,
            Scheme::Quic => 14567,
        }
    }

    /// Whether the connection is encrypted.
    pub fn is_tls(self) -> bool {
        matches!(self, Scheme::Mqtts | Scheme::Wss | Scheme::Quic)
    }

    /// Whether MQTT goes in WebSocket frames.
    pub fn is_websocket(self) -> bool {
        matches!(self, Scheme::Ws | Scheme::Wss)
    }

    /// Whether a proxy can lead there: those known here carry streams of TCP.
    pub(crate) fn takes_proxy(self) -> bool {
        !matches!(self, Scheme::Unix | Scheme::Quic)
    }

    /// Whether this build has what the scheme needs: the features `tls`, `websocket` and `quic`, or a system with Unix sockets.
    pub fn is_available(self) -> bool {
        (cfg!(feature = "tls") || !self.is_tls())
            && (cfg!(feature = "websocket") || !self.is_websocket())
            && (cfg!(unix) || self != Scheme::Unix)
            && (cfg!(feature = "quic") || self != Scheme::Quic)
    }
}

/// A broker's address: how it is reached, host name or IP address, and port; the path of a WebSocket, or of a Unix socket.
///
/// ```
/// use mqtt_client_core::{Endpoint, Scheme};
///
/// let endpoint: Endpoint = "mqtt://broker.example:2883".parse()?;
/// assert_eq!((endpoint.host(), endpoint.port()), ("broker.example", 2883));
/// assert_eq!("mqtt://[::1]".parse::<Endpoint>()?.to_string(), "mqtt://[::1]:1883");
/// # #[cfg(unix)]
/// assert_eq!("unix:///run/broker.sock".parse::<Endpoint>()?.scheme(), Scheme::Unix);
/// # Ok::<(), mqtt_client_core::InvalidUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    host: String,
    port: u16,
    /// Apart, so that an endpoint stays small: it is part of errors.
    more: Arc<More>,
}

/// What few endpoints have.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
struct More {
    path: String,
    headers: Vec<(String, String)>,
}

impl Drop for More {
    /// A query and a header may hold a token.
    fn drop(&mut self) {
        self.path.zeroize();
        self.headers.iter_mut().for_each(|(_, value)| value.zeroize());
    }
}

impl Endpoint {
    /// An endpoint reached over TCP. The host is a name, an IPv4 address, or an IPv6 address without brackets.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Endpoint { scheme: Scheme::Mqtt, host: host.into(), port, more: Arc::default() }
    }

    /// An endpoint reached over TLS. The host as in [`tcp`](Self::tcp); its certificate has to be made out to it.
    #[cfg(feature = "tls")]
    pub fn tls(host: impl Into<String>, port: u16) -> Self {
        Endpoint { scheme: Scheme::Mqtts, ..Endpoint::tcp(host, port) }
    }

    /// A WebSocket, with its path and query such as `/mqtt`. The host as in [`tcp`](Self::tcp).
    #[cfg(feature = "websocket")]
    pub fn websocket(host: impl Into<String>, port: u16, path: impl Into<String>) -> Self {
        Endpoint { scheme: Scheme::Ws, ..Endpoint::tcp(host, port) }.with_path(path.into())
    }

    /// The same over TLS.
    #[cfg(all(feature = "tls", feature = "websocket"))]
    pub fn secure_websocket(host: impl Into<String>, port: u16, path: impl Into<String>) -> Self {
        Endpoint { scheme: Scheme::Wss, ..Endpoint::websocket(host, port, path) }
    }

    /// A Unix socket.
    #[cfg(unix)]
    pub fn unix(path: impl Into<String>) -> Self {
        Endpoint { scheme: Scheme::Unix, ..Endpoint::tcp("", 0) }.with_path(path.into())
    }

    /// An endpoint reached over QUIC. The host as in [`tls`](Self::tls).
    #[cfg(feature = "quic")]
    pub fn quic(host: impl Into<String>, port: u16) -> Self {
        Endpoint { scheme: Scheme::Quic, ..Endpoint::tcp(host, port) }
    }

    /// The same with one more HTTP header in the request for a WebSocket, such as `Authorization`. For another value before
    /// each attempt see [`before_attempt`](crate::OptionsBuilder::before_attempt).
    ///
    /// A header may hold a secret, so [`Display`](fmt::Display) and `Debug` leave it out.
    #[cfg(feature = "websocket")]
    #[must_use]
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.more).headers.push((name.into(), value.into()));
        self
    }

    /// How it is reached.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host name or address; IPv6 without brackets. Empty for a Unix socket.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port; 0 for a Unix socket.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query of a WebSocket, such as `/mqtt?token=secret`, or the file of a Unix socket; else empty.
    ///
    /// A query may hold a secret, so [`Display`](fmt::Display) and `Debug` leave it out.
    pub fn path(&self) -> &str {
        &self.more.path
    }

    #[cfg(feature = "websocket")]
    pub(crate) fn headers(&self) -> &[(String, String)] {
        &self.more.headers
    }

    fn with_path(self, path: String) -> Self {
        Endpoint { more: Arc::new(More { path, headers: Vec::new() }), ..self }
    }

    /// Host and port as a URL writes them; without the port if it is the scheme's own.
    #[cfg(feature = "websocket")]
    pub(crate) fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }

    /// What could not be sent as it stands, or would mean something else.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let Endpoint { scheme, host, more, .. } = self;
        let More { path, headers } = &**more;
        let is_value = |byte: u8| byte == b'\t' || byte >= b' ' && byte != 0x7f;
        if !scheme.is_available() {
            return Some("this is not available in this build");
        }
        if host.bytes().any(|byte| byte <= b' ' || b"/@\x7f".contains(&byte)) {
            return Some("the host is neither a name nor an address");
        }
        if scheme.is_websocket()
            && !(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Some("the path of a WebSocket begins with / and is percent-encoded");
        }
        if !headers.is_empty() && !scheme.is_websocket() {
            return Some("only a WebSocket takes HTTP headers");
        }
        for (name, value) in headers {
            let reserved = ["host", "connection", "upgrade"].iter().any(|it| name.eq_ignore_ascii_case(it))
                || name.to_ascii_lowercase().starts_with("sec-websocket-");
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            if reserved || name.is_empty() || !is_name || !value.bytes().all(is_value) {
                return Some("an HTTP header that can't be set");
            }
        }
        None
    }

    /// Another host that is reached in the same way: encrypted if this one is. Its port is the scheme's, if there is none.
    pub(crate) fn moved(&self, host: String, port: Option<u16>) -> Self {
        Endpoint { host, port: port.unwrap_or(self.scheme.default_port()), ..self.clone() }
    }
}

impl Default for Endpoint {
    /// `mqtt://localhost:1883`
    fn default() -> Self {
        Endpoint::tcp("localhost", DEFAULT_PORT)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Endpoint { scheme, host, port, more } = self;
        let path = more.path.split('?').next().unwrap_or_default();
        match scheme {
            Scheme::Unix => write!(f, "unix://{path}"),
            _ if host.contains(':') => write!(f, "{}://[{host}]:{port}{path}", scheme.name()),
            _ => write!(f, "{}://{host}:{port}{path}", scheme.name()),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl FromStr for Endpoint {
    type Err = InvalidUrl;

    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        BrokerUrl::parse(url).map(|url| url.endpoint)
    }
}

/// A URL's parts: the endpoint, and the credentials that its user-info part may hold (percent-decoded).
pub(crate) struct BrokerUrl {
    pub(crate) endpoint: Endpoint,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
}

impl BrokerUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let url = Url::parse(url)?;
        let Some(scheme) = Scheme::ALL.into_iter().find(|scheme| scheme.name() == url.scheme) else {
            return Err(InvalidUrl::UnknownScheme { scheme: url.scheme });
        };
        if !scheme.is_available() {
            return Err(InvalidUrl::NotAvailable { scheme });
        }
        let authority = url.authority()?;
        let (host, port) = (authority.host()?, authority.port()?);
        let Url { path, query, .. } = url;
        if url.has_fragment || query.is_some() && !scheme.is_websocket() {
            return Err(InvalidUrl::PathNotAllowed { scheme });
        }
        let endpoint = match scheme {
            Scheme::Unix if !host.is_empty() || port.is_some() || path.len() < 2 => {
                return Err(InvalidUrl::NoSocket);
            }
            Scheme::Unix => {
                let path = percent_decoded(path).ok_or(InvalidUrl::NoSocket)?;
                Endpoint { scheme, ..Endpoint::tcp(host, 0) }.with_path(path)
            }
            _ if host.is_empty() => return Err(InvalidUrl::NoHost),
            _ => {
                let port = port.unwrap_or(scheme.default_port());
                let path = match (scheme.is_websocket(), path) {
                    (true, path) => {
                        let path = if path.is_empty() { "/" } else { path };
                        query.map_or(path.to_owned(), |query| format!("{path}?{query}"))
                    }
                    (false, "" | "/") => String::new(),
                    (false, _) => return Err(InvalidUrl::PathNotAllowed { scheme }),
                };
                Endpoint { scheme, ..Endpoint::tcp(host, port) }.with_path(path)
            }
        };
        let (username, password) = authority.credentials().unzip();
        let username = username.map(String::from_utf8).transpose().map_err(|_| InvalidUrl::BadUserName)?;
        let password = password.flatten();
        Ok(BrokerUrl { endpoint, username, password })
    }
}

/// A URL that names no broker. It never repeats the URL itself, which may hold a password.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// Not a URL at all.
    Syntax {
        /// Where it stops being one.
        at: usize,
    },
    /// A scheme whose transport this build does not have: see [`Scheme::is_available`].
    NotAvailable {
        /// The scheme.
        scheme: Scheme,
    },
    /// A scheme that is not one of MQTT's.
    UnknownScheme {
        /// The scheme.
        scheme: String,
    },
    /// The host is missing.
    NoHost,
    /// The host is neither a name nor an address: percent-encoded it holds what no host can, or there is something else than
    /// an IPv6 address between brackets. An address with a zone is not taken.
    BadHost,
    /// The port is 0 or above 65,535.
    BadPort,
    /// The user name does not decode to UTF-8.
    BadUserName,
    /// A path, query or fragment, which mean nothing there.
    PathNotAllowed {
        /// The scheme.
        scheme: Scheme,
    },
    /// Not the URL of a proxy.
    NoProxy {
        /// The scheme.
        scheme: String,
    },
    /// `unix://` without the absolute path of a socket, or with a host or a port.
    NoSocket,
}

error_texts!(InvalidUrl {
    Self::Syntax { at } => "not a URL (at byte {at}); expected scheme://[user[:password]@]host[:port]";
    Self::NotAvailable { scheme } =>
        "{}:// is not available in this build: its feature is off, or the system lacks it", scheme.name();
    Self::UnknownScheme { scheme } => "unknown scheme {scheme}://; expected mqtt, mqtts, ws, wss, unix or quic";
    Self::NoHost => "the URL names no host";
    Self::BadHost => "the URL's host is neither a name nor an address";
    Self::BadPort => "the URL's port is not between 1 and 65535";
    Self::BadUserName => "the URL's user name is not UTF-8";
    Self::PathNotAllowed { scheme } => "{}:// takes no such path, query or fragment", scheme.name();
    Self::NoProxy { scheme } => "{scheme}:// is no proxy; expected http or socks5";
    Self::NoSocket => "expected unix:///path/of/the/socket";
});

#[cfg(test)]
mod tests {
    use super::*;

    /// Host, port, user name, password.
    type Parts<'a> = (&'a str, u16, Option<&'a str>, Option<&'a [u8]>);

    #[track_caller]
    fn check(url: &str, expected: Result<Parts<'_>, InvalidUrl>) {
        let parts = BrokerUrl::parse(url);
        let parts = parts.as_ref().map(|url| {
            (url.endpoint.host(), url.endpoint.port(), url.username.as_deref(), url.password.as_deref())
        });
        assert_eq!(parts, expected.as_ref().map(|parts| *parts), "{url}");
    }

    #[test]
    fn a_url_gives_host_port_and_decoded_credentials() {
        check("mqtt://localhost", Ok(("localhost", 1883, None, None)));
        check("MQTT://broker.example:2883/", Ok(("broker.example", 2883, None, None)));
        check("mqtt://[::1]:1884", Ok(("::1", 1884, None, None)));
        check("mqtt://127.0.0.1", Ok(("127.0.0.1", 1883, None, None)));
        check("mqtt://ann@h", Ok(("h", 1883, Some("ann"), None)));
        check("mqtt://ann:@h", Ok(("h", 1883, Some("ann"), Some(b""))));
        check("mqtt://a%40n:p%3a%ff:x@h", Ok(("h", 1883, Some("a@n"), Some(b"p:\xff:x"))));
    }

    #[test]
    fn a_wrong_url_is_told_apart() {
        check("localhost:1883", Err(InvalidUrl::UnknownScheme { scheme: "localhost".into() }));
        check("localhost", Err(InvalidUrl::Syntax { at: 9 }));
        check("http://h", Err(InvalidUrl::UnknownScheme { scheme: "http".into() }));
        #[cfg(not(feature = "tls"))]
        check("mqtts://h", Err(InvalidUrl::NotAvailable { scheme: Scheme::Mqtts }));
        #[cfg(not(feature = "websocket"))]
        check("ws://h", Err(InvalidUrl::NotAvailable { scheme: Scheme::Ws }));
        #[cfg(unix)]
        for url in ["unix://h/a", "unix://", "unix:///", "unix://:1/a", "unix:///%ff"] {
            check(url, Err(InvalidUrl::NoSocket));
        }
        check("mqtt://", Err(InvalidUrl::NoHost));
        check("mqtt:h", Err(InvalidUrl::NoHost));
        check("mqtt://h:0", Err(InvalidUrl::BadPort));
        check("mqtt://h:70000", Err(InvalidUrl::BadPort));
        check("mqtt://h/path", Err(InvalidUrl::PathNotAllowed { scheme: Scheme::Mqtt }));
        check("mqtt://h?a", Err(InvalidUrl::PathNotAllowed { scheme: Scheme::Mqtt }));
        check("mqtt://%ff@h", Err(InvalidUrl::BadUserName));
    }

    #[test]
    fn each_scheme_has_its_port_and_its_path() {
        #[track_caller]
        fn check(url: &str, parts: (Scheme, u16, &str), shown: &str) {
            let endpoint: Endpoint = url.parse().unwrap();
            assert_eq!((endpoint.scheme(), endpoint.port(), endpoint.path()), parts, "{url}");
            assert_eq!(endpoint.to_string(), shown);
            assert!(!format!("{endpoint:?}").contains("secret"));
        }
        check("mqtt://h", (Scheme::Mqtt, 1883, ""), "mqtt://h:1883");
        #[cfg(feature = "tls")]
        check("mqtts://h", (Scheme::Mqtts, 8883, ""), "mqtts://h:8883");
        #[cfg(feature = "websocket")]
        {
            check("ws://h", (Scheme::Ws, 80, "/"), "ws://h:80/");
            check("ws://[::1]:9001/mqtt", (Scheme::Ws, 9001, "/mqtt"), "ws://[::1]:9001/mqtt");
        }
        #[cfg(all(feature = "tls", feature = "websocket"))]
        check("wss://h/a%20b?t=secret", (Scheme::Wss, 443, "/a%20b?t=secret"), "wss://h:443/a%20b");
        #[cfg(unix)]
        check("unix:///run/a%20b.sock", (Scheme::Unix, 0, "/run/a b.sock"), "unix:///run/a b.sock");
    }

    #[test]
    fn an_error_never_repeats_the_url() {
        let error = BrokerUrl::parse("mqtt://ann:se cret@h").err().map(|error| error.to_string());
        assert!(error.is_some_and(|text| !text.contains("cret")));
    }
}
