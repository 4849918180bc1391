//! What is this adapter's own: its thread, its sockets, its ways to wait. What both adapters promise, `mqtt-scenarios` tests.

mod ending;
mod examples;
mod transport;
mod waiting;

use std::time::Duration;

use mqtt_blocking::Wait;

/// Whatever is waited for has come by then, or a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

#[track_caller]
fn soon<F: IntoFuture>(what: &str, future: F) -> F::Output {
    match future.wait_timeout(PATIENCE) {
        Ok(output) => output,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}
