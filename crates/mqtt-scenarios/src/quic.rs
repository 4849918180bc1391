//! A broker behind QUIC, which no broker here speaks by itself.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Connection, Endpoint, Incoming};
use rustls::ServerConfig;
use tokio::io::{copy_bidirectional, join};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};

/// Takes QUIC connections, and moves the bytes of one stream of each to and from a broker over TCP.
#[derive(Debug)]
pub struct QuicServer {
    endpoint: Endpoint,
    connections: Arc<Mutex<Vec<Connection>>>,
    _runtime: Runtime,
}

impl QuicServer {
    /// Starts one on a free port of 127.0.0.1, in front of the broker `behind`.
    ///
    /// # Panics
    /// When there is no port or thread to be had, or TLS 1.3 is not among what `tls` speaks.
    pub fn start(tls: Arc<ServerConfig>, behind: SocketAddr) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("the system gives a thread");
        let _context = runtime.enter();
        let crypto = QuicServerConfig::try_from(tls).expect("it speaks TLS 1.3");
        let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
        let endpoint = Endpoint::server(config, (Ipv4Addr::LOCALHOST, 0).into());
        let endpoint = endpoint.expect("a loopback port is free");
        let connections = Arc::<Mutex<Vec<Connection>>>::default();
        let (accepting, all) = (endpoint.clone(), Arc::clone(&connections));
        runtime.spawn(async move {
            while let Some(incoming) = accepting.accept().await {
                tokio::spawn(serve(incoming, behind, Arc::clone(&all)));
            }
        });
        QuicServer { endpoint, connections, _runtime: runtime }
    }

    /// Its port.
    ///
    /// # Panics
    /// Never: it is bound.
    pub fn port(&self) -> u16 {
        self.endpoint.local_addr().expect("it is bound").port()
    }

    /// Ends every connection that there is.
    pub fn cut(&self) {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in connections.drain(..) {
            connection.close(0_u8.into(), b"cut");
        }
    }
}

async fn serve(incoming: Incoming, behind: SocketAddr, all: Arc<Mutex<Vec<Connection>>>) -> io::Result<()> {
    let connection = incoming.await?;
    all.lock().unwrap_or_else(PoisonError::into_inner).push(connection.clone());
    let (send, receive) = connection.accept_bi().await?;
    let mut broker = TcpStream::connect(behind).await?;
    copy_bidirectional(&mut join(receive, send), &mut broker).await?;
    // What was sent last has to arrive: the client closes when it has it.
    connection.closed().await;
    Ok(())
}
