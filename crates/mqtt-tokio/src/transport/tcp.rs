//! TCP: the addresses of a name raced, and the socket's settings.

use std::io;
use std::net::SocketAddr;

use mqtt_client_core::{RACE_DELAY, TcpOptions, no_address, race_order};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::DialError;
use super::socket::Socket;

pub(super) async fn connect(target: (&str, u16), options: &TcpOptions) -> Result<Socket, DialError> {
    race(target, options.bind, |address| open(address, options.clone())).await
}

/// Tries the addresses of a name: the next one as soon as one has failed, or has made no progress for a while (RFC 8305). The
/// error is that of the last one to fail.
pub(super) async fn race<F>(
    target: (&str, u16),
    bind: Option<SocketAddr>,
    open: impl Fn(SocketAddr) -> F,
) -> Result<Socket, DialError>
where
    F: Future<Output = io::Result<Socket>> + Send + 'static,
{
    let addresses = lookup_host(target).await.map_err(|error| ("resolving", error))?;
    race_all(addresses.collect(), bind, open).await
}

async fn race_all<F>(
    addresses: Vec<SocketAddr>,
    bind: Option<SocketAddr>,
    open: impl Fn(SocketAddr) -> F,
) -> Result<Socket, DialError>
where
    F: Future<Output = io::Result<Socket>> + Send + 'static,
{
    let mut addresses = race_order(addresses, bind).into_iter();
    let mut failure = no_address();
    let mut attempts = JoinSet::new();
    loop {
        match addresses.next() {
            Some(address) => drop(attempts.spawn(open(address))),
            None if attempts.is_empty() => return Err(failure),
            None => {}
        }
        let ended = match addresses.len() {
            0 => attempts.join_next().await,
            _ => timeout(RACE_DELAY, attempts.join_next()).await.unwrap_or_default(),
        };
        match ended {
            Some(Ok(Ok(socket))) => return Ok(socket),
            Some(Ok(Err(error))) => failure = ("connecting", error),
            Some(Err(error)) => failure = ("connecting", error.into()),
            None => {}
        }
    }
}

async fn open(address: SocketAddr, options: TcpOptions) -> io::Result<Socket> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    if let Some(local) = options.bind {
        socket.bind(local)?;
    }
    if let Some(keep_alive) = options.keep_alive {
        let probes = TcpKeepalive::new().with_time(keep_alive.idle);
        #[cfg(not(any(target_os = "openbsd", target_os = "haiku")))]
        let probes = probes.with_interval(keep_alive.interval).with_retries(keep_alive.count);
        SockRef::from(&socket).set_tcp_keepalive(&probes)?;
    }
    let stream = socket.connect(address).await?;
    if options.no_delay {
        // A system that refuses this still has a link that works.
        let _ = stream.set_nodelay(true);
    }
    Ok(Socket::Tcp(stream))
}

/// Has the system confirm at once what it has received; why and when, [`Confirming`](mqtt_client_core::Confirming) says.
pub(super) fn confirm(stream: &TcpStream) {
    // A system that can't loses time, nothing else.
    #[cfg(target_os = "linux")]
    let _ = stream.set_quickack(true);
    #[cfg(not(target_os = "linux"))]
    let _ = stream;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, TcpListener};

    use mqtt_testkit::DeadEnd;
    use tokio::time::Instant;

    /// Where the race ends.
    async fn winner(addresses: Vec<SocketAddr>) -> Result<SocketAddr, DialError> {
        match race_all(addresses, None, |address| open(address, TcpOptions::default())).await? {
            Socket::Tcp(stream) => Ok(stream.peer_addr().unwrap()),
            _ => panic!("it is TCP"),
        }
    }

    #[tokio::test]
    async fn a_dead_address_holds_up_a_live_one_for_a_moment() {
        let dead = DeadEnd::new().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let live = listener.local_addr().unwrap();
        let began = Instant::now();
        assert_eq!(winner(vec![dead.addr(), live]).await.unwrap(), live);
        assert!(began.elapsed() >= RACE_DELAY, "the first one has a start");
    }

    #[tokio::test]
    async fn an_address_that_refuses_holds_up_nobody() {
        let refusing = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let live = listener.local_addr().unwrap();
        assert_eq!(winner(vec![refusing, live]).await.unwrap(), live);
        let (doing, error) = winner(vec![refusing]).await.unwrap_err();
        assert_eq!((doing, error.kind()), ("connecting", io::ErrorKind::ConnectionRefused));
    }
}
