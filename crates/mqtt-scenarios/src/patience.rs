//! How long anything may take, and waiting for what nobody announces.

use std::thread;
use std::time::{Duration, Instant};

/// How long a scenario waits for anything that it has been promised. Far longer than it takes: two cores may be busy with
/// something else.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until something has come true.
///
/// # Panics
/// When it has not within [`PATIENCE`]; the message says what.
#[track_caller]
pub fn until(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(Duration::from_millis(1));
    }
}
