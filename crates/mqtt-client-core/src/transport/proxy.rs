//! [`Proxy`]: a way through somebody else's machine, and how to ask for it (HTTP CONNECT, SOCKS5 of RFC 1928 and 1929).

use std::fmt;
use std::io;
use std::str::FromStr;
use std::sync::Arc;

use bytes::{Buf, BytesMut};

use super::{base64, http_head};
use crate::error_texts::error_texts;
use crate::secret::Secret;
use crate::url::Url;
use crate::{Endpoint, InvalidUrl};

/// A proxy that connections go through. It resolves the broker's name.
///
/// ```
/// use mqtt_client_core::{Options, Proxy};
///
/// let proxy: Proxy = "http://ann:secret@proxy.example:3128".parse()?;
/// let options = Options::builder().url("mqtt://broker.example").proxy(proxy.clone()).build()?;
/// assert_eq!(proxy.to_string(), "http://proxy.example:3128");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    host: String,
    port: u16,
    credentials: Option<Arc<Credentials>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Http,
    Socks5,
}

#[derive(PartialEq, Eq)]
struct Credentials {
    username: Secret,
    password: Secret,
}

impl Proxy {
    /// The proxy's host name or address; IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The proxy's port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for Proxy {
    type Err = InvalidUrl;

    /// `http://` or `socks5://` (also `socks5h://`, which is the same here), credentials as in the URL of a broker. Default
    /// ports: 80, 1080.
    fn from_str(url: &str) -> Result<Self, InvalidUrl> {
        let url = Url::parse(url)?;
        let (kind, default_port) = match url.scheme.as_str() {
            "http" => (Kind::Http, 80),
            "socks5" | "socks5h" => (Kind::Socks5, 1080),
            _ => return Err(InvalidUrl::NoProxy { scheme: url.scheme }),
        };
        let authority = url.authority()?;
        let (host, port) = (authority.host()?, authority.port()?.unwrap_or(default_port));
        if host.is_empty() {
            return Err(InvalidUrl::NoHost);
        }
        let credentials = authority.credentials().map(|(username, password)| {
            Arc::new(Credentials { username: Secret::new(username), password: password.unwrap_or_default() })
        });
        if kind == Kind::Socks5
            && credentials.as_ref().is_some_and(|it| it.username.len() > 255 || it.password.len() > 255)
        {
            return Err(InvalidUrl::BadUserName);
        }
        Ok(Proxy { kind, host, port, credentials })
    }
}

impl fmt::Display for Proxy {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Socks5 => "socks5",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// Why the proxy made no way to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProxyError {
    /// It wants other credentials than it got, or some at all.
    Credentials,
    /// The HTTP proxy answered with this status.
    Status(u16),
    /// The SOCKS proxy answered with this code, whose meaning is in RFC 1928.
    Socks(u8),
    /// The broker's host name is longer than 255 bytes, which SOCKS5 can't say.
    HostTooLong,
    /// What it answered is not what a proxy of its kind answers.
    Protocol(&'static str),
    /// It hung up before it had answered.
    Hangup,
}

error_texts!(ProxyError {
    Self::Credentials => "the proxy wants a user name and a password, or others";
    Self::Status(status) => "the proxy answered with HTTP status {status}";
    Self::Socks(code) => "the proxy could not connect: {}", socks_text(*code);
    Self::HostTooLong => "the broker's host name is too long for SOCKS5";
    Self::Protocol(problem) => "what answers is no such proxy: {problem}";
    Self::Hangup => "the proxy closed the connection before it had answered";
});

impl From<ProxyError> for io::Error {
    fn from(error: ProxyError) -> Self {
        io::Error::new(io::ErrorKind::ConnectionRefused, error)
    }
}

fn socks_text(code: u8) -> &'static str {
    match code {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown code",
    }
}

/// A way that is being asked for.
pub(super) struct Tunnel {
    proxy: Proxy,
    host: String,
    port: u16,
    awaits: Awaits,
}

/// What the proxy has to say next.
enum Awaits {
    HttpAnswer,
    SocksMethod,
    SocksPermission,
    SocksAnswer,
}

impl Tunnel {
    /// Begins: appends the first request.
    pub(super) fn new(proxy: Proxy, endpoint: &Endpoint, sending: &mut BytesMut) -> Result<Self, ProxyError> {
        let (host, port) = (endpoint.host().to_owned(), endpoint.port());
        let awaits = match proxy.kind {
            Kind::Http => {
                let target = match host.contains(':') {
                    true => format!("[{host}]:{port}"),
                    false => format!("{host}:{port}"),
                };
                sending
                    .extend_from_slice(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").as_bytes());
                if let Some(credentials) = &proxy.credentials {
                    let pair =
                        Secret::new([&credentials.username, &b":"[..], &credentials.password].concat());
                    let encoded = Secret::new(base64(&pair).into_bytes());
                    sending.reserve(encoded.len() + 64); // No copy stays behind where it was too small.
                    sending.extend_from_slice(b"Proxy-Authorization: Basic ");
                    sending.extend_from_slice(&encoded);
                    sending.extend_from_slice(b"\r\n");
                }
                sending.extend_from_slice(b"\r\n");
                Awaits::HttpAnswer
            }
            Kind::Socks5 if host.len() > 255 => return Err(ProxyError::HostTooLong),
            Kind::Socks5 => {
                let methods: &[u8] = if proxy.credentials.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
                sending.extend_from_slice(methods);
                Awaits::SocksMethod
            }
        };
        Ok(Tunnel { proxy, host, port, awaits })
    }

    /// Reads answers and appends requests; whether the way is open.
    pub(super) fn advance(
        &mut self,
        received: &mut BytesMut,
        sending: &mut BytesMut,
    ) -> Result<bool, ProxyError> {
        loop {
            match (&self.awaits, &received[..]) {
                (Awaits::HttpAnswer, _) => return http_answer(received),
                (Awaits::SocksMethod, [5, method, ..]) => {
                    match (*method, &self.proxy.credentials) {
                        (0, _) => self.request(sending),
                        (2, Some(credentials)) => {
                            let Credentials { username, password } = &**credentials;
                            sending.reserve(username.len() + password.len() + 3); // As above.
                            sending.extend_from_slice(&[1, username.len() as u8]);
                            sending.extend_from_slice(username);
                            sending.extend_from_slice(&[password.len() as u8]);
                            sending.extend_from_slice(password);
                            self.awaits = Awaits::SocksPermission;
                        }
                        _ => return Err(ProxyError::Credentials),
                    }
                    received.advance(2);
                }
                (Awaits::SocksPermission, [_, 0, ..]) => {
                    self.request(sending);
                    received.advance(2);
                }
                (Awaits::SocksPermission, [_, _, ..]) => return Err(ProxyError::Credentials),
                (Awaits::SocksAnswer, [5, 0, _, kind, length, ..]) => {
                    // The address that it connects from, which nobody needs.
                    let address = match kind {
                        1 => 4,
                        3 => 1 + usize::from(*length),
                        4 => 16,
                        _ => return Err(ProxyError::Protocol("an unknown kind of address")),
                    };
                    let end = 4 + address + 2;
                    if received.len() < end {
                        return Ok(false);
                    }
                    received.advance(end);
                    return Ok(true);
                }
                (Awaits::SocksAnswer, [5, code, ..]) if *code != 0 => return Err(ProxyError::Socks(*code)),
                (_, [] | [5] | [5, 0, ..]) => return Ok(false),
                (Awaits::SocksPermission, [_]) => return Ok(false),
                _ => return Err(ProxyError::Protocol("not SOCKS5")),
            }
        }
    }

    fn request(&mut self, sending: &mut BytesMut) {
        // A name, whatever it is: an address in its textual form is one too, to every proxy.
        sending.extend_from_slice(&[5, 1, 0]);
        match self.host.parse() {
            Ok(std::net::IpAddr::V4(address)) => {
                sending.extend_from_slice(&[1]);
                sending.extend_from_slice(&address.octets());
            }
            Ok(std::net::IpAddr::V6(address)) => {
                sending.extend_from_slice(&[4]);
                sending.extend_from_slice(&address.octets());
            }
            Err(_) => {
                sending.extend_from_slice(&[3, self.host.len() as u8]);
                sending.extend_from_slice(self.host.as_bytes());
            }
        }
        sending.extend_from_slice(&self.port.to_be_bytes());
        self.awaits = Awaits::SocksAnswer;
    }
}

fn http_answer(received: &mut BytesMut) -> Result<bool, ProxyError> {
    let Some(head) = http_head(received).map_err(ProxyError::Protocol)? else { return Ok(false) };
    let status = head.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..5));
    let status = status.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    match status {
        Some(200..=299) => Ok(true),
        Some(407) => Err(ProxyError::Credentials),
        Some(status) => Err(ProxyError::Status(status)),
        None => Err(ProxyError::Protocol("not HTTP")),
    }
}

/// What the environment says about proxies, as many programs read it.
#[derive(Clone, Default)]
pub(crate) struct Environment {
    http: Option<Proxy>,
    https: Option<Proxy>,
    all: Option<Proxy>,
    exceptions: Vec<String>,
}

impl Environment {
    /// `variable` looks one up. Names are tried in lower case first, as curl does.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidUrl> {
        let look = |name: &str| {
            let value = variable(name).or_else(|| variable(&name.to_ascii_uppercase()));
            value.filter(|value| !value.is_empty())
        };
        let proxy = |name: &str| look(name).map(|url| url.parse::<Proxy>()).transpose();
        let exceptions = look("no_proxy").unwrap_or_default();
        let exceptions = exceptions.split(',').map(|part| part.trim().trim_start_matches('.'));
        Ok(Environment {
            http: proxy("http_proxy")?,
            https: proxy("https_proxy")?,
            all: proxy("all_proxy")?,
            exceptions: exceptions.filter(|part| !part.is_empty()).map(str::to_ascii_lowercase).collect(),
        })
    }

    /// The proxy for an endpoint: `http_proxy` for `ws://`, `https_proxy` for `wss://`, `all_proxy` for the rest and in their
    /// place.
    pub(super) fn proxy(&self, endpoint: &Endpoint) -> Option<&Proxy> {
        let host = endpoint.host().to_ascii_lowercase();
        let excepted = |part: &String| {
            part == "*"
                || host.strip_suffix(part.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if self.exceptions.iter().any(excepted) {
            return None;
        }
        let own = match endpoint.scheme() {
            crate::Scheme::Ws => self.http.as_ref(),
            crate::Scheme::Wss => self.https.as_ref(),
            _ => None,
        };
        own.or(self.all.as_ref())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries([&self.http, &self.https, &self.all].into_iter().flatten()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays a proxy that answers byte for byte: what it is asked each time, and the outcome.
    #[track_caller]
    fn check(url: &str, endpoint: &str, play: &[(&[u8], &[u8])], expected: Result<bool, ProxyError>) {
        let (proxy, endpoint): (Proxy, Endpoint) = (url.parse().unwrap(), endpoint.parse().unwrap());
        let (mut received, mut sending) = (BytesMut::new(), BytesMut::new());
        let mut tunnel = Tunnel::new(proxy, &endpoint, &mut sending).unwrap();
        let mut outcome = Ok(false);
        for (asked, answer) in play {
            assert_eq!(sending.split()[..], **asked, "{url}");
            for byte in *answer {
                assert_eq!(outcome, Ok(false), "too early");
                received.extend_from_slice(&[*byte]);
                outcome = tunnel.advance(&mut received, &mut sending);
            }
        }
        assert_eq!(outcome, expected, "{url}");
    }

    #[test]
    fn an_http_proxy_is_asked_by_connect() {
        let asked = b"CONNECT broker:1883 HTTP/1.1\r\nHost: broker:1883\r\n\r\n";
        let check = |answer: &str, expected| {
            check("http://p", "mqtt://broker", &[(asked, answer.as_bytes())], expected);
        };
        check("HTTP/1.1 200 OK\r\nVia: p\r\n\r\n", Ok(true));
        check("HTTP/1.0 200\r\n\r\n", Ok(true));
        check("HTTP/1.1 407 No\r\n\r\n", Err(ProxyError::Credentials));
        check("HTTP/1.1 503 No\r\n\r\n", Err(ProxyError::Status(503)));
        check("SSH-2.0\r\n\r\n", Err(ProxyError::Protocol("not HTTP")));
    }

    #[test]
    fn an_http_proxy_is_told_credentials_and_an_ipv6_address() {
        let asked = b"CONNECT [::1]:1883 HTTP/1.1\r\nHost: [::1]:1883\r\n\
                      Proxy-Authorization: Basic YW5uOnNlOmNyZXQ=\r\n\r\n";
        check("http://ann:se%3Acret@p", "mqtt://[::1]", &[(asked, b"HTTP/1.1 200 OK\r\n\r\n")], Ok(true));
    }

    #[test]
    fn a_socks_proxy_resolves_the_name_itself() {
        let request = b"\x05\x01\0\x03\x06broker\x07\x5b";
        let check = |answer: &[u8], expected| {
            let play: [(&[u8], &[u8]); 2] = [(b"\x05\x01\0", b"\x05\0"), (request, answer)];
            check("socks5h://p", "mqtt://broker", &play, expected);
        };
        check(b"\x05\0\0\x01\x7f\0\0\x01\x07\x5b", Ok(true));
        check(b"\x05\0\0\x03\x02ab\x07\x5b", Ok(true));
        check(b"\x05\x05", Err(ProxyError::Socks(5)));
        check(b"\x05\0\0\x09\0", Err(ProxyError::Protocol("an unknown kind of address")));
        check(b"\x04", Err(ProxyError::Protocol("not SOCKS5")));
    }

    #[test]
    fn a_socks_proxy_may_want_credentials() {
        let greeting: &[u8] = b"\x05\x02\0\x02";
        let named: &[u8] = b"\x01\x03ann\x06secret";
        let request: &[u8] = b"\x05\x01\0\x01\x7f\0\0\x01\x07\x5b";
        let granted: &[u8] = b"\x05\0\0\x01\0\0\0\0\0\0";
        let with = "socks5://ann:secret@p";
        let play = [(greeting, &b"\x05\x02"[..]), (named, b"\x01\0"), (request, granted)];
        check(with, "mqtt://127.0.0.1", &play, Ok(true));
        let play = [(greeting, &b"\x05\x02"[..]), (named, b"\x01\x01")];
        check(with, "mqtt://127.0.0.1", &play, Err(ProxyError::Credentials));
        check("socks5://p", "mqtt://h", &[(b"\x05\x01\0", b"\x05\xff")], Err(ProxyError::Credentials));
    }

    #[test]
    fn a_url_says_kind_place_and_credentials_and_shows_none() {
        let shown = |url: &str| url.parse::<Proxy>().map(|proxy| format!("{proxy:?}"));
        assert_eq!(shown("HTTP://ann:secret@p").unwrap(), "Proxy(http://p:80)");
        assert_eq!(shown("socks5://[::1]").unwrap(), "Proxy(socks5://[::1]:1080)");
        assert_eq!(shown("https://p").unwrap_err(), InvalidUrl::NoProxy { scheme: "https".into() });
        assert_eq!(shown("http://").unwrap_err(), InvalidUrl::NoHost);
        assert_eq!(shown("http://p:0").unwrap_err(), InvalidUrl::BadPort);
    }

    #[test]
    fn the_environment_names_proxies_and_exceptions() {
        let environment = Environment::read(|name| match name {
            "all_proxy" => Some("socks5://all".into()),
            "NO_PROXY" => Some("localhost, .example.org,10.0.0.1".into()),
            _ => None,
        });
        let environment = environment.unwrap();
        let proxy = |url: &str| environment.proxy(&url.parse().unwrap()).map(Proxy::host);
        assert_eq!(proxy("mqtt://broker"), Some("all"));
        assert_eq!(proxy("mqtt://LOCALHOST"), None);
        assert_eq!(proxy("mqtt://a.example.org"), None);
        assert_eq!(proxy("mqtt://example.org"), None);
        assert_eq!(proxy("mqtt://badexample.org"), Some("all"));
        assert_eq!(proxy("mqtt://10.0.0.1"), None);
        assert!(Environment::read(|_| Some("ftp://p".into())).is_err());
    }

    #[cfg(feature = "websocket")]
    #[test]
    fn the_environment_has_a_proxy_of_its_own_for_websockets() {
        let environment = Environment::read(|name| Some(format!("http://{name}")));
        let environment = environment.unwrap();
        assert_eq!(environment.proxy(&"ws://h".parse().unwrap()).map(Proxy::host), Some("http_proxy"));
        assert_eq!(environment.proxy(&"mqtt://h".parse().unwrap()).map(Proxy::host), Some("all_proxy"));
    }
}
