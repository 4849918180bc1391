//! Unix sockets.

use tokio::net::UnixStream;

use super::DialError;
use super::socket::Socket;

pub(super) async fn connect(path: &str) -> Result<Socket, DialError> {
    let stream = UnixStream::connect(path).await.map_err(|error| ("connecting", error))?;
    Ok(Socket::Unix(stream))
}
