//! From an endpoint to a connected socket.

use std::io;
use std::pin::Pin;

use mqtt_client_core::Endpoint;
use tokio::net::{TcpStream, lookup_host};

/// What was being done, and why it failed.
pub(crate) type DialError = (&'static str, io::Error);

/// An attempt under way. Dropping it abandons the attempt; a look-up that hangs is left to its own helper thread.
pub(crate) type Dialing = Pin<Box<dyn Future<Output = Result<TcpStream, DialError>> + Send>>;

/// Tries the addresses of the endpoint's name one after the other. The error is that of the last one.
pub(crate) fn dial(endpoint: Endpoint) -> Dialing {
    Box::pin(async move {
        let addresses =
            lookup_host((endpoint.host(), endpoint.port())).await.map_err(|error| ("resolving", error))?;
        let mut failure = ("resolving", io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Packets are gathered before they are written, so waiting for more would only add delay. A system that
                    // refuses this still has a link that works.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => failure = ("connecting", error),
            }
        }
        Err(failure)
    })
}
