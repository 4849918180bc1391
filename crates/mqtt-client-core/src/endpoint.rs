//! Where a broker is: the URL a user writes, taken apart and checked before anything is sent.

use std::fmt;
use std::str::FromStr;

use fluent_uri::Uri;

/// The port of plain MQTT, used when a URL names none.
pub const DEFAULT_PORT: u16 = 1883;

/// A broker's address: host name or IP address, and port.
///
/// ```
/// use mqtt_client_core::Endpoint;
///
/// let endpoint: Endpoint = "mqtt://broker.example:2883".parse()?;
/// assert_eq!((endpoint.host(), endpoint.port()), ("broker.example", 2883));
/// assert_eq!("mqtt://[::1]".parse::<Endpoint>()?.to_string(), "mqtt://[::1]:1883");
/// # Ok::<(), mqtt_client_core::InvalidUrl>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// An endpoint reached over TCP. The host is a name, an IPv4 address, or an IPv6 address without brackets.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Endpoint { host: host.into(), port }
    }

    /// The host name or address; IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
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
        if self.host.contains(':') {
            write!(f, "mqtt://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "mqtt://{}:{}", self.host, self.port)
        }
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
    pub(crate) password: Option<Vec<u8>>,
}

impl BrokerUrl {
    pub(crate) fn parse(url: &str) -> Result<Self, InvalidUrl> {
        let uri = Uri::parse(url).map_err(|error| InvalidUrl::Syntax { at: error.index() })?;
        match uri.scheme().as_str().to_ascii_lowercase().as_str() {
            "mqtt" => {}
            scheme @ ("mqtts" | "ws" | "wss" | "unix") => {
                return Err(InvalidUrl::TransportNotBuilt { scheme: scheme.to_owned() });
            }
            scheme => return Err(InvalidUrl::UnknownScheme { scheme: scheme.to_owned() }),
        }
        let authority = uri.authority().ok_or(InvalidUrl::NoHost)?;
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let host = percent_decoded(host).ok_or(InvalidUrl::NoHost)?;
        if host.is_empty() {
            return Err(InvalidUrl::NoHost);
        }
        if !matches!(uri.path().as_str(), "" | "/") || uri.query().is_some() || uri.fragment().is_some() {
            return Err(InvalidUrl::PathNotAllowed);
        }
        let port = match authority.port_to_u16().map_err(|_| InvalidUrl::BadPort)? {
            Some(0) => return Err(InvalidUrl::BadPort),
            port => port.unwrap_or(DEFAULT_PORT),
        };
        let (username, password) = match authority.userinfo() {
            None => (None, None),
            Some(info) => {
                let (user, password) = match info.as_str().split_once(':') {
                    Some((user, password)) => (user, Some(percent_bytes(password))),
                    None => (info.as_str(), None),
                };
                (Some(percent_decoded(user).ok_or(InvalidUrl::BadUserName)?), password)
            }
        };
        Ok(BrokerUrl { endpoint: Endpoint { host, port }, username, password })
    }
}

/// A URL that names no broker. It never repeats the URL itself, which may hold a password.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidUrl {
    /// Not a URL at all.
    #[error("not a URL (at byte {at}); expected mqtt://[user[:password]@]host[:port]")]
    Syntax {
        /// Where it stops being one.
        at: usize,
    },
    /// A scheme of MQTT whose transport this version does not have.
    #[error("{scheme}:// is not available in this version; only mqtt:// (TCP, unencrypted) is")]
    TransportNotBuilt {
        /// The scheme.
        scheme: String,
    },
    /// A scheme that is not one of MQTT's.
    #[error("unknown scheme {scheme}://; expected mqtt://")]
    UnknownScheme {
        /// The scheme.
        scheme: String,
    },
    /// The host is missing.
    #[error("the URL names no host")]
    NoHost,
    /// The port is 0 or above 65,535.
    #[error("the URL's port is not between 1 and 65535")]
    BadPort,
    /// The user name does not decode to UTF-8.
    #[error("the URL's user name is not UTF-8")]
    BadUserName,
    /// A path, query or fragment, which mean nothing over TCP.
    #[error("mqtt:// takes no path, query or fragment")]
    PathNotAllowed,
}

fn percent_decoded(text: &str) -> Option<String> {
    String::from_utf8(percent_bytes(text)).ok()
}

/// The URL's grammar has been checked: each `%` is followed by two hexadecimal digits.
fn percent_bytes(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match (byte, bytes.get(at + 1).copied().and_then(digit), bytes.get(at + 2).copied().and_then(digit)) {
            (b'%', Some(high), Some(low)) => {
                decoded.push(high << 4 | low);
                at += 3;
            }
            _ => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

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
        check("mqtts://h", Err(InvalidUrl::TransportNotBuilt { scheme: "mqtts".into() }));
        check("mqtt://", Err(InvalidUrl::NoHost));
        check("mqtt:h", Err(InvalidUrl::NoHost));
        check("mqtt://h:0", Err(InvalidUrl::BadPort));
        check("mqtt://h:70000", Err(InvalidUrl::BadPort));
        check("mqtt://h/path", Err(InvalidUrl::PathNotAllowed));
        check("mqtt://%ff@h", Err(InvalidUrl::BadUserName));
    }

    #[test]
    fn an_error_never_repeats_the_url() {
        let error = BrokerUrl::parse("mqtt://ann:se cret@h").err().map(|error| error.to_string());
        assert!(error.is_some_and(|text| !text.contains("cret")));
    }
}
