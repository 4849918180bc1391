//! [`Url`]: the parts of a URL (RFC 3986), of a broker's as of a proxy's. Nothing that its grammar forbids gets through, and no
//! error repeats any of it: there may be a password in it.

use std::net::Ipv6Addr;

use crate::InvalidUrl;
use crate::secret::Secret;

/// A URL whose every part has been checked against the grammar.
pub(crate) struct Url<'a> {
    /// In lower case.
    pub(crate) scheme: String,
    /// Begins with `/` unless it is empty, where there is an authority.
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) has_fragment: bool,
    authority: Option<Authority<'a>>,
}

/// What stands between `//` and the path.
#[derive(Clone, Copy)]
pub(crate) struct Authority<'a> {
    userinfo: Option<&'a str>,
    /// With the brackets of an IPv6 address.
    host: &'a str,
    /// Digits, perhaps none.
    port: Option<&'a str>,
}

impl<'a> Url<'a> {
    pub(crate) fn parse(text: &'a str) -> Result<Self, InvalidUrl> {
        let mut rest = Rest { text, at: 0 };
        let scheme = rest.until(":");
        rest.token(":")?;
        let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
        if !scheme.text.starts_with(|first: char| first.is_ascii_alphabetic())
            || !scheme.text.bytes().all(is_scheme)
        {
            return Err(InvalidUrl::Syntax { at: 0 });
        }
        let authority = match rest.token("//") {
            Ok(()) => Some(Authority::parse(rest.until("/?#"))?),
            Err(_) => None,
        };
        let path = rest.until("?#").checked("/:@")?;
        let query = rest.token("?").is_ok().then(|| rest.until("#").checked("/?:@")).transpose()?;
        let has_fragment = rest.token("#").is_ok();
        rest.checked("/?:@")?;
        Ok(Url { scheme: scheme.text.to_ascii_lowercase(), path, query, has_fragment, authority })
    }

    pub(crate) fn authority(&self) -> Result<Authority<'a>, InvalidUrl> {
        self.authority.ok_or(InvalidUrl::NoHost)
    }
}

impl<'a> Authority<'a> {
    fn parse(mut rest: Rest<'a>) -> Result<Self, InvalidUrl> {
        let userinfo = match rest.text.find('@') {
            Some(_) => {
                let info = rest.until("@").checked(":")?;
                rest.token("@")?;
                Some(info)
            }
            None => None,
        };
        let host = if rest.text.starts_with('[') {
            let inside = rest.until("]");
            rest.token("]")?;
            let address = inside.text.get(1..).unwrap_or_default();
            if address.parse::<Ipv6Addr>().is_err() {
                return Err(InvalidUrl::BadHost);
            }
            inside.text
        } else {
            rest.until(":").checked("")?
        };
        let port = match rest.token(":") {
            Ok(()) => {
                let digits = rest.until("");
                let wrong = digits.text.bytes().position(|byte| !byte.is_ascii_digit());
                wrong.map_or(Ok(Some(digits.text)), |at| Err(InvalidUrl::Syntax { at: digits.at + at }))?
            }
            Err(_) if rest.text.is_empty() => None,
            Err(error) => return Err(error),
        };
        Ok(Authority { userinfo, host, port })
    }

    /// The name or address, decoded, without brackets; perhaps empty.
    pub(crate) fn host(&self) -> Result<String, InvalidUrl> {
        if let Some(address) = self.host.strip_prefix('[') {
            return Ok(address.to_owned());
        }
        let host = percent_decoded(self.host).ok_or(InvalidUrl::BadHost)?;
        // What percent encoding could smuggle in: the end of a line of HTTP, another host, a port.
        match host.bytes().all(|byte| is_plain(byte) || !byte.is_ascii()) {
            true => Ok(host),
            false => Err(InvalidUrl::BadHost),
        }
    }

    /// `None` if it is left out, or empty.
    pub(crate) fn port(&self) -> Result<Option<u16>, InvalidUrl> {
        match self.port {
            None | Some("") => Ok(None),
            Some(digits) => match digits.parse() {
                Ok(0) | Err(_) => Err(InvalidUrl::BadPort),
                Ok(port) => Ok(Some(port)),
            },
        }
    }

    /// User name and password, decoded.
    pub(crate) fn credentials(&self) -> Option<(Vec<u8>, Option<Secret>)> {
        let info = self.userinfo?;
        let (user, password) = match info.split_once(':') {
            Some((user, password)) => (user, Some(Secret::new(percent_bytes(password)))),
            None => (info, None),
        };
        Some((percent_bytes(user), password))
    }
}

/// What is still to be read of a URL, and at which byte of it that begins.
#[derive(Clone, Copy)]
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    /// Takes what comes before the first of `ends`, or everything.
    fn until(&mut self, ends: &str) -> Rest<'a> {
        let end = self.text.find(|found| ends.contains(found)).unwrap_or(self.text.len());
        let (taken, rest) = self.text.split_at(end);
        let part = Rest { text: taken, at: self.at };
        *self = Rest { text: rest, at: self.at + end };
        part
    }

    /// Takes what has to come next.
    fn token(&mut self, token: &str) -> Result<(), InvalidUrl> {
        let text = self.text.strip_prefix(token).ok_or(InvalidUrl::Syntax { at: self.at })?;
        *self = Rest { text, at: self.at + token.len() };
        Ok(())
    }

    /// The part itself, if it has only what any part may have, and `more`.
    fn checked(self, more: &str) -> Result<&'a str, InvalidUrl> {
        let mut bytes = self.text.bytes().enumerate();
        while let Some((at, byte)) = bytes.next() {
            let fine = match byte {
                b'%' => (0..2).all(|_| bytes.next().is_some_and(|(_, digit)| digit.is_ascii_hexdigit())),
                _ => is_plain(byte) || more.as_bytes().contains(&byte),
            };
            if !fine {
                return Err(InvalidUrl::Syntax { at: self.at + at });
            }
        }
        Ok(self.text)
    }
}

/// What means itself, wherever it stands (unreserved, sub-delims).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

/// `None`: that is not UTF-8.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    String::from_utf8(percent_bytes(text)).ok()
}

/// The grammar has been checked: each `%` is followed by two hexadecimal digits.
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
    use proptest::prelude::*;

    use super::*;
    use crate::{Endpoint, Proxy};

    type Credentials<'a> = Option<(&'a [u8], Option<&'a [u8]>)>;

    #[track_caller]
    fn check(authority: &str, expected: Result<(&str, Option<u16>, Credentials<'_>), InvalidUrl>) {
        let text = format!("x://{authority}/");
        let parts = || {
            let authority = Url::parse(&text)?.authority()?;
            Ok((authority.host()?, authority.port()?, authority.credentials()))
        };
        let expected = expected.map(|(host, port, credentials)| {
            let owned = credentials.map(|(user, password)| {
                (user.to_vec(), password.map(|password| Secret::new(password.to_vec())))
            });
            (host.to_owned(), port, owned)
        });
        assert_eq!(parts(), expected, "{text}");
    }

    #[test]
    fn an_authority_is_taken_apart() {
        check("h", Ok(("h", None, None)));
        check("", Ok(("", None, None)));
        check("h:", Ok(("h", None, None)));
        check("h:00080", Ok(("h", Some(80), None)));
        check("%61-b_c.%C3%A9", Ok(("a-b_c.é", None, None)));
        check("[::ffff:1.2.3.4]:1", Ok(("::ffff:1.2.3.4", Some(1), None)));
        check("u@h", Ok(("h", None, Some((b"u", None)))));
        check("u:@h", Ok(("h", None, Some((b"u", Some(b""))))));
        check("@h", Ok(("h", None, Some((b"", None)))));
        check(":@h", Ok(("h", None, Some((b"", Some(b""))))));
        check("u:p:q@h:9", Ok(("h", Some(9), Some((b"u", Some(b"p:q"))))));
        check("%3a%40:%2f%00%ff@h", Ok(("h", None, Some((b":@", Some(b"/\0\xff"))))));
    }

    #[test]
    fn a_hostile_authority_is_refused() {
        for (authority, at) in [
            ("u:p@q@h", 9),
            ("u:p ss@h", 7),
            ("u:pä@h", 7),
            ("h h", 5),
            ("h%", 5),
            ("h%4", 5),
            ("h%zz", 5),
            ("h%\u{20ac}", 5),
            ("bücher.example", 5),
            ("h\u{202e}", 5),
            ("h\\@evil", 5),
            ("h\r\nX: y", 5),
            ("h\0", 5),
            ("h:8x", 7),
            ("h:+8", 6),
            ("h:-1", 6),
            ("h:８０", 6),
            ("h:1:2", 7),
            ("::1", 5),
            ("[::1", 8),
            ("[::1]x", 9),
            ("[::1]]", 9),
            ("h[::1]", 5),
            ("]", 4),
        ] {
            check(authority, Err(InvalidUrl::Syntax { at }));
        }
        for host in [
            "[]",
            "[1.2.3.4]",
            "[::1%25eth0]",
            "[::1%eth0]",
            "[v1.x]",
            "[:::]",
            "[::1::]",
            "h%0d%0aX:",
            "h%00",
            "h%20",
            "h%2fpath",
            "h%25eth0",
            "h%40evil",
            "h%3a1883",
            "%5b::1%5d",
            "h%ff",
            "h%c0%af",
        ] {
            let refused = Url::parse(&format!("x://{host}/")).and_then(|url| url.authority()?.host());
            assert!(
                matches!(refused, Err(InvalidUrl::BadHost | InvalidUrl::Syntax { .. })),
                "{host}: {refused:?}"
            );
        }
        for port in ["0", "0000", "65536", "99999999999999999999999"] {
            check(&format!("h:{port}"), Err(InvalidUrl::BadPort));
        }
    }

    #[test]
    fn the_other_parts_have_their_grammar_too() {
        let parts = |text| Url::parse(text).map(|url| (url.scheme, url.path, url.query, url.has_fragment));
        let fine = |scheme: &str, path, query, fragment| Ok((scheme.to_owned(), path, query, fragment));
        assert_eq!(parts("A+b-1.://h/p/../q?a=/?&b#f"), fine("a+b-1.", "/p/../q", Some("a=/?&b"), true));
        assert_eq!(parts("x://h?"), fine("x", "", Some(""), false));
        assert_eq!(parts("x:p"), fine("x", "p", None, false));
        for (text, at) in [
            ("", 0),
            (":", 0),
            ("1x://h", 0),
            ("é://h", 0),
            (" x://h", 0),
            ("x", 1),
            ("x://h/ ", 6),
            ("x://h/%", 6),
            ("x://h/%c", 6),
            ("x://h/\u{7f}", 6),
            ("x://h/?\"", 7),
            ("x://h/#<", 7),
            ("x://h/##", 7),
        ] {
            assert_eq!(parts(text), Err(InvalidUrl::Syntax { at }), "{text}");
        }
    }

    /// Text made of what URLs are made of, and of what they must not hold.
    fn hostile() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("mqtt://"),
            Just("http://"),
            Just("unix://"),
            Just("secret"),
            Just(":"),
            Just("@"),
            Just("/"),
            Just("?"),
            Just("#"),
            Just("["),
            Just("]"),
            Just("::1"),
            Just("%"),
            Just("%0a"),
            Just("%25"),
            Just("%c3"),
            Just("é"),
            Just("\u{10ffff}"),
            Just("\0"),
            Just("65536"),
            Just("1883"),
            Just("h"),
        ]
        .prop_map(str::to_owned);
        proptest::collection::vec(prop_oneof![8 => piece, 1 => any::<char>().prop_map(String::from)], 0..12)
            .prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4096, ..ProptestConfig::default() })]

        #[test]
        fn nothing_makes_it_panic_and_what_it_takes_means_what_it_shows(
            scheme in prop_oneof![Just(""), Just("mqtt://"), Just("mqtt://h")], text in hostile()
        ) {
            let url = format!("{scheme}{text}");
            if let Err(InvalidUrl::Syntax { at }) = Url::parse(&url).map(|_| ()) {
                prop_assert!(url.is_char_boundary(at), "{} in {}", at, url);
            }
            let _ = url.parse::<Proxy>();
            if let Ok(endpoint) = url.parse::<Endpoint>()
                && endpoint.path().is_empty()
                && endpoint.host().is_ascii()
            {
                prop_assert_eq!(endpoint.to_string().parse::<Endpoint>(), Ok(endpoint), "{}", url);
            }
        }
    }
}
