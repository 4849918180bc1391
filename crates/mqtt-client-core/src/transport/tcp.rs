//! [`TcpOptions`], and the order in which the addresses of a name are tried.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long an attempt at one address goes on alone before the next address is tried beside it (RFC 8305, section 5).
pub const RACE_DELAY: Duration = Duration::from_millis(250);

/// How long a connection that was closed is read for the peer's own end. A socket that is closed with unread input resets the
/// connection, and the reset can overtake the last packet.
pub const LINGER: Duration = Duration::from_millis(500);

/// How TCP sockets are set up.
///
/// ```
/// use std::time::Duration;
/// use mqtt_client_core::{Options, TcpKeepAlive, TcpOptions};
///
/// let keep_alive = TcpKeepAlive { idle: Duration::from_secs(120), ..TcpKeepAlive::default() };
/// let tcp = TcpOptions { keep_alive: Some(keep_alive), ..TcpOptions::default() };
/// let options = Options::builder().url("mqtt://localhost").tcp(tcp).build()?;
/// # Ok::<(), mqtt_client_core::InvalidOptions>(())
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpOptions {
    /// Whether packets leave at once instead of waiting for more (`TCP_NODELAY`). Default: yes; what is gathered is gathered
    /// before it is written.
    pub no_delay: bool,
    /// Probes that the system sends while nothing else is. Default: none; MQTT's own keep alive notices more.
    pub keep_alive: Option<TcpKeepAlive>,
    /// The local address to connect from; port 0 takes any. Addresses of the broker that are of the other family are not
    /// tried. Default: the system chooses.
    pub bind: Option<SocketAddr>,
}

/// The probes of TCP.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpKeepAlive {
    /// Silence before the first probe. Default: 60 s.
    pub idle: Duration,
    /// The time between two probes. Default: 10 s.
    pub interval: Duration,
    /// Unanswered probes before the connection counts as lost, at least 1. Default: 3.
    pub count: u32,
}

impl Default for TcpOptions {
    fn default() -> Self {
        TcpOptions { no_delay: true, keep_alive: None, bind: None }
    }
}

impl Default for TcpKeepAlive {
    fn default() -> Self {
        TcpKeepAlive { idle: Duration::from_secs(60), interval: Duration::from_secs(10), count: 3 }
    }
}

impl TcpOptions {
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let whole_seconds = |time: Duration| time.as_secs() >= 1;
        match self.keep_alive {
            Some(TcpKeepAlive { count: 0, .. }) => Some("TCP keep-alive needs at least one probe"),
            Some(TcpKeepAlive { idle, interval, .. }) if !whole_seconds(idle) || !whole_seconds(interval) => {
                Some("TCP keep-alive counts in seconds: at least one")
            }
            _ => None,
        }
    }
}

/// The order in which the addresses of a name are tried: the two families by turns, beginning with that of the first one,
/// which the system prefers (RFC 8305, section 4). Those that can't be reached from the address to `bind` are left out.
pub fn race_order(addresses: Vec<SocketAddr>, bind: Option<SocketAddr>) -> Vec<SocketAddr> {
    let usable = |address: &SocketAddr| bind.is_none_or(|bind| bind.is_ipv6() == address.is_ipv6());
    let addresses: Vec<SocketAddr> = addresses.into_iter().filter(usable).collect();
    let preferred = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.iter().partition(|address: &&SocketAddr| address.is_ipv6() == preferred);
    let longer = first.len().max(second.len());
    (0..longer).flat_map(|at| [first.get(at), second.get(at)]).flatten().copied().collect()
}

/// What is told of a name that leads nowhere: what was being done, and why it failed.
pub fn no_address() -> (&'static str, io::Error) {
    ("resolving", io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}

/// The address that stands in place of a host name, if one does.
pub fn literal(host: &str, port: u16) -> Option<SocketAddr> {
    host.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_the_first_one_leads() {
        let check = |addresses: &[&str], bind: Option<&str>, expected: &[&str]| {
            let parse = |text: &&str| SocketAddr::new(text.parse().unwrap(), 1883);
            let addresses = addresses.iter().map(parse).collect();
            let expected: Vec<SocketAddr> = expected.iter().map(parse).collect();
            assert_eq!(race_order(addresses, bind.as_ref().map(parse)), expected);
        };
        check(&[], None, &[]);
        check(&["::1", "::2", "1.1.1.1", "::3"], None, &["::1", "1.1.1.1", "::2", "::3"]);
        check(&["1.1.1.1", "2.2.2.2", "::1"], None, &["1.1.1.1", "::1", "2.2.2.2"]);
        check(&["::1", "1.1.1.1", "::2"], Some("0.0.0.0"), &["1.1.1.1"]);
        check(&["::1"], Some("127.0.0.1"), &[]);
    }

    #[test]
    fn keep_alive_that_probes_never_or_always_is_refused() {
        let check = |keep_alive, fine: bool| {
            let options = TcpOptions { keep_alive: Some(keep_alive), ..TcpOptions::default() };
            assert_eq!(options.problem().is_none(), fine, "{keep_alive:?}");
        };
        check(TcpKeepAlive::default(), true);
        check(TcpKeepAlive { count: 0, ..TcpKeepAlive::default() }, false);
        check(TcpKeepAlive { idle: Duration::from_millis(999), ..TcpKeepAlive::default() }, false);
        check(TcpKeepAlive { interval: Duration::ZERO, ..TcpKeepAlive::default() }, false);
    }
}
