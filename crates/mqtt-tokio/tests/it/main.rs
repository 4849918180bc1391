//! What is this adapter's own: its task, its sockets, its futures. What both adapters promise, `mqtt-scenarios` tests.

mod cancelling;
mod ending;
mod examples;
mod futures;
mod transport;

use std::time::Duration;

use tokio::time::timeout;

/// Whatever is waited for has come by then, or a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

async fn soon<F: IntoFuture>(what: &str, future: F) -> F::Output {
    match timeout(PATIENCE, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}
