//! [`Destinations`]: which broker the next attempt goes to.

use std::net::Ipv6Addr;

use crate::Endpoint;

/// The endpoints that may be tried, in order of preference, and where a server has sent the client instead.
#[derive(Debug)]
pub(crate) struct Destinations {
    /// Never empty.
    list: Vec<Endpoint>,
    at: usize,
    /// How many of the list have failed in this round, which begins with a wait, with a link that was stable or when the
    /// client is opened, or with the first connection after that.
    failed: usize,
    /// Whether one of them has accepted a connection in this round.
    worked: bool,
    /// Where a server sent the client for now ("use another server").
    elsewhere: Option<Endpoint>,
    /// Where the application has sent this attempt.
    provided: Option<Endpoint>,
    /// Redirects in a row: since the client was opened, or the link was last stable.
    hops: u32,
    max_hops: u32,
}

impl Destinations {
    pub(crate) fn new(list: Vec<Endpoint>, max_hops: u32) -> Self {
        Destinations {
            list,
            at: 0,
            failed: 0,
            worked: false,
            elsewhere: None,
            provided: None,
            hops: 0,
            max_hops,
        }
    }

    /// Where the next attempt goes, or the present one has gone.
    pub(crate) fn current(&self) -> Endpoint {
        let chosen = self.provided.as_ref().or(self.elsewhere.as_ref());
        chosen.or(self.list.get(self.at)).cloned().unwrap_or_default()
    }

    /// The application has chosen where the present attempt goes.
    pub(crate) fn provide(&mut self, endpoint: Endpoint) {
        if endpoint != self.current() {
            self.provided = Some(endpoint);
        }
    }

    /// The present attempt, or the connection that came of it, is over: what was provided for it is void. Returns whether
    /// anything was.
    pub(crate) fn over(&mut self) -> bool {
        self.provided.take().is_some()
    }

    /// A connection was accepted: all of the list may be tried when it is lost. A second one in the same round gives no such
    /// leave, or brokers that cut off whom they have just let in would be dialed again and again without any waiting.
    pub(crate) fn worked(&mut self) {
        if !self.worked {
            (self.failed, self.worked) = (0, true);
        }
    }

    /// The link was stable, or the client is opened again: a new round, and redirects count anew.
    pub(crate) fn start_over(&mut self) {
        (self.failed, self.worked, self.hops) = (0, false, 0);
    }

    /// The current one failed; on to the next. Whether there is one that may be tried at once: all of the list are, before
    /// any waiting.
    pub(crate) fn failed(&mut self) -> bool {
        // What a server said for the time being has been tried.
        if self.elsewhere.take().is_some() {
            return true;
        }
        self.at = (self.at + 1) % self.list.len().max(1);
        self.failed += 1;
        let next = self.failed < self.list.len();
        if !next {
            (self.failed, self.worked) = (0, false);
        }
        next
    }

    /// A server says that another one is to be used. False if that leads nowhere: redirects are not followed, or too many
    /// have been, or there is no address in `reference`.
    ///
    /// `for_good`: the server has moved, so that the new address takes the place of the old one.
    pub(crate) fn redirect(&mut self, reference: &str, for_good: bool) -> bool {
        let current = self.current();
        let target = reference.split_ascii_whitespace().find_map(|text| address(text, &current));
        let Some(target) = target.filter(|_| self.hops < self.max_hops) else { return false };
        self.hops += 1;
        self.elsewhere = None;
        match self.list.get_mut(self.at) {
            Some(place) if for_good && self.provided.is_none() => *place = target,
            _ => self.elsewhere = Some(target),
        }
        true
    }
}

/// A Server Reference: host and port, such as `broker.example`, `10.0.0.1:8883` or `[fe80::1]:1883` (5.0 section 4.11). It
/// is reached as the server that gave it is: no server can send a client from an encrypted connection to a plain one.
fn address(text: &str, from: &Endpoint) -> Option<Endpoint> {
    let (host, port) = match text.rsplit_once(':') {
        // An IPv6 address may stand without brackets where no port follows.
        _ if text.parse::<Ipv6Addr>().is_ok() => (text, None),
        Some((host, port)) if !text.ends_with(']') => {
            (host, Some(port.parse().ok().filter(|port| *port > 0)?))
        }
        _ => (text, None),
    };
    let host = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|host| host.parse::<Ipv6Addr>().is_ok())?,
        None => host,
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let is_address = host.parse::<Ipv6Addr>().is_ok() || host.bytes().all(fits);
    (is_address && !host.is_empty()).then(|| from.moved(host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DEFAULT_PORT;

    fn endpoint(host: &str) -> Endpoint {
        Endpoint::tcp(host, DEFAULT_PORT)
    }

    fn destinations(hosts: &[&str], max_hops: u32) -> Destinations {
        Destinations::new(hosts.iter().map(|host| endpoint(host)).collect(), max_hops)
    }

    #[test]
    fn each_is_tried_before_any_waiting_and_the_one_that_worked_starts_a_new_round() {
        let mut destinations = destinations(&["a", "b", "c"], 0);
        let mut fail = |expected: &str, at_once: bool| {
            assert_eq!(destinations.current(), endpoint(expected));
            assert_eq!(destinations.failed(), at_once, "after {expected}");
        };
        fail("a", true);
        fail("b", true);
        fail("c", false);
        fail("a", true);
        destinations.worked();
        assert_eq!(destinations.current(), endpoint("b"));
    }

    #[test]
    fn only_the_first_that_works_gives_leave_to_try_all_until_there_is_a_wait_or_a_stable_link() {
        let mut destinations = destinations(&["a", "b", "c"], 0);
        let mut fail = |steps: &[(&str, bool)]| {
            for (step, at_once) in steps {
                match *step {
                    "worked" => destinations.worked(),
                    "stable" => destinations.start_over(),
                    _ => {}
                }
                assert_eq!(destinations.failed(), *at_once, "{step} in {steps:?}");
            }
        };
        let (dead, worked, stable) = ("dead", "worked", "stable");
        fail(&[(worked, true), (worked, true), (worked, false)]);
        fail(&[(dead, true), (dead, true), (worked, true), (worked, true), (worked, false)]);
        fail(&[
            (worked, true),
            (worked, true),
            (stable, true),
            (worked, true),
            (worked, true),
            (dead, false),
        ]);
    }

    #[test]
    fn a_redirect_is_followed_for_now_or_for_good_and_not_for_ever() {
        let mut destinations = destinations(&["a", "b"], 2);
        assert!(destinations.redirect("x", false));
        assert_eq!(destinations.current(), endpoint("x"));
        assert!(destinations.failed(), "back to the list at once");
        assert_eq!(destinations.current(), endpoint("a"));
        assert!(destinations.redirect("y:99", true));
        assert_eq!(destinations.current(), Endpoint::tcp("y", 99));
        assert!(!destinations.redirect("z", false), "two hops");
        destinations.start_over();
        assert!(destinations.redirect("z", false));
        destinations.failed();
        assert_eq!(destinations.current(), Endpoint::tcp("y", 99), "moved for good");
    }

    #[test]
    fn what_is_provided_counts_for_one_attempt() {
        let mut destinations = destinations(&["a", "b"], 1);
        destinations.provide(endpoint("a"));
        assert!(!destinations.over(), "it is the list's own");
        destinations.provide(endpoint("x"));
        assert_eq!(destinations.current(), endpoint("x"));
        assert!(destinations.redirect("y", true), "for good, but it was not the list's");
        assert!(destinations.over());
        assert_eq!(destinations.current(), endpoint("y"));
        destinations.failed();
        assert_eq!(destinations.current(), endpoint("a"));
    }

    #[test]
    fn a_reference_is_one_or_more_addresses() {
        let check = |reference, expected: Option<Endpoint>| {
            let mut destinations = destinations(&["a"], 1);
            assert_eq!(destinations.redirect(reference, false), expected.is_some(), "{reference:?}");
            assert_eq!(destinations.current(), expected.unwrap_or(endpoint("a")), "{reference:?}");
        };
        check("broker.example", Some(endpoint("broker.example")));
        check("10.0.0.1:8883 other", Some(Endpoint::tcp("10.0.0.1", 8883)));
        check("[fe80::1]:1884", Some(Endpoint::tcp("fe80::1", 1884)));
        check("fe80::1", Some(endpoint("fe80::1")));
        check("::: other", Some(endpoint("other")));
        check("", None);
        check("a/b", None);
        check("a:0", None);
        check("a:b", None);
        check("[a]", None);
        check("user@", None);
    }

    #[cfg(feature = "tls")]
    #[test]
    fn a_redirect_never_leads_from_an_encrypted_connection_to_a_plain_one() {
        let mut destinations = Destinations::new(vec![Endpoint::tls("a", 8883)], 2);
        assert!(destinations.redirect("b", false));
        assert_eq!(destinations.current(), Endpoint::tls("b", 8883));
        assert!(destinations.redirect("c:443", true));
        assert_eq!(destinations.current(), Endpoint::tls("c", 443));
    }

    #[test]
    fn a_redirect_is_not_followed_unless_allowed() {
        assert!(!destinations(&["a"], 0).redirect("b", true));
    }
}
