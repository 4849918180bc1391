//! QUIC: one bidirectional stream of one connection, in place of a socket. Its encryption is part of it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mqtt_client_core::{Endpoint, TlsError, TransportOptions};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, ConnectionError, TransportConfig};
use tokio::io::join;
use tokio::task::spawn_blocking;

use super::DialError;
use super::socket::Socket;
use super::tcp::race;

/// How often an idle connection says that it is there: servers give one up after half a minute or so. Whether the server is there
/// still, MQTT's keep alive finds out.
const STILL_HERE: Duration = Duration::from_secs(10);

/// QUIC has 256 numbers of errors for TLS, one for each alert, from here on.
const ALERTS: u64 = 0x100;

pub(super) async fn connect(
    endpoint: &Endpoint,
    options: &Arc<TransportOptions>,
) -> Result<Socket, DialError> {
    let (ours, theirs) = (Arc::clone(options), endpoint.clone());
    // Certificates may be read from files.
    let (config, name) = spawn_blocking(move || ours.quic(&theirs))
        .await
        .map_err(io::Error::from)
        .and_then(|made| made.map_err(io::Error::from))
        .and_then(|(tls, name)| Ok((client_config(tls)?, name)))
        .map_err(|error| ("opening", error))?;
    let bind = options.tcp().bind;
    race((endpoint.host(), endpoint.port()), bind, |address| {
        open(address, bind, config.clone(), name.clone())
    })
    .await
}

fn client_config(tls: mqtt_client_core::QuicTls) -> io::Result<ClientConfig> {
    let tls = QuicClientConfig::try_from(tls).map_err(io::Error::other)?;
    let mut transport = TransportConfig::default();
    transport.max_idle_timeout(None).keep_alive_interval(Some(STILL_HERE));
    transport.max_concurrent_bidi_streams(0u8.into()).max_concurrent_uni_streams(0u8.into());
    let mut config = ClientConfig::new(Arc::new(tls));
    config.transport_config(Arc::new(transport));
    Ok(config)
}

/// The connection lives as long as its streams.
async fn open(
    address: SocketAddr,
    bind: Option<SocketAddr>,
    config: ClientConfig,
    name: String,
) -> io::Result<Socket> {
    let any = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let endpoint = quinn::Endpoint::client(bind.unwrap_or(any))?;
    let connecting = endpoint.connect_with(config, address, &name).map_err(io::Error::other)?;
    let connection = connecting.await.map_err(told)?;
    let (send, receive) = connection.open_bi().await.map_err(told)?;
    Ok(Socket::Own(Box::new(join(receive, send))))
}

/// What TLS has refused is told as it is over TCP.
fn told(error: ConnectionError) -> io::Error {
    let (code, words) = match &error {
        ConnectionError::TransportError(error) => (u64::from(error.code), error.reason.clone()),
        ConnectionError::ConnectionClosed(close) => (u64::from(close.error_code), close.to_string()),
        _ => return error.into(),
    };
    match code.checked_sub(ALERTS).map(u8::try_from) {
        Some(Ok(alert)) => TlsError::from_alert(alert, words).into(),
        _ => error.into(),
    }
}
