//! [`DeadEnd`]: an address where connecting comes to nothing, and nobody says so.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// Connections that fill the queue of a listener; how many it takes differs between systems.
const FILLERS: usize = 4;

/// An address that neither accepts nor refuses: nobody takes connections out of its listener's queue, and that is full. So are
/// hosts behind a firewall that drops packets, as a client sees them.
///
/// ```
/// use std::net::TcpStream;
/// use std::time::Duration;
///
/// let dead = mqtt_testkit::DeadEnd::new()?;
/// let error = TcpStream::connect_timeout(&dead.addr(), Duration::from_millis(50)).unwrap_err();
/// assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct DeadEnd {
    addr: SocketAddr,
    _sockets: Vec<Socket>,
}

impl DeadEnd {
    /// A new one, on a free port of the loopback interface.
    ///
    /// # Errors
    /// There are no sockets to be had.
    pub fn new() -> io::Result<Self> {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        listener.listen(0)?;
        let addr = listener.local_addr()?;
        let mut sockets = vec![listener];
        for _ in 0..FILLERS {
            let filler = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            filler.set_nonblocking(true)?;
            // Under way, or waiting for ever.
            let _ = filler.connect(&addr);
            sockets.push(filler);
        }
        let addr = addr.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(DeadEnd { addr, _sockets: sockets })
    }

    /// The address.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        format!("mqtt://{}", self.addr)
    }
}
