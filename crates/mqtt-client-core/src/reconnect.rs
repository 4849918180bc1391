//! When to try again, and when not to.

use std::time::Duration;

/// What happens after a connection, or an attempt at one, failed.
///
/// Failures come in classes. The network comes and goes, and is tried again. What trying does not change (wrong
/// credentials, a missing permission, a peer that does not speak MQTT) ends the client with the error. A client that was
/// pushed out by another with the same client id waits long, so that the two do not fight; in 3.1.1, where the broker does not
/// say so, its waits grow as after any link that did not last.
///
/// ```
/// use std::time::Duration;
/// use mqtt_client_core::Reconnect;
///
/// let patient = Reconnect { retry_initial: true, max_wait: Duration::from_secs(120), ..Reconnect::default() };
/// assert_eq!(Reconnect::never().max_retries, Some(0));
/// # let _ = patient;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reconnect {
    /// Ceiling of the first wait; each further one doubles it. Waits are drawn evenly between zero and the ceiling (full
    /// jitter). Default: 500 ms.
    pub first_wait: Duration,
    /// The greatest ceiling. Default: 30 s.
    pub max_wait: Duration,
    /// Failed attempts in a row before the client gives up; `None`: it never does. Default: `None`.
    pub max_retries: Option<u32>,
    /// How long a link has to last before its loss counts as a first failure again. Default: 5 s.
    pub stable_after: Duration,
    /// Whether the first connection is tried again too. Default: no, so that a wrong address shows at once.
    pub retry_initial: bool,
    /// Whether failures that trying does not change are tried again all the same. Default: no.
    pub retry_permanent: bool,
}

impl Reconnect {
    /// One attempt; whatever ends the connection ends the client.
    pub fn never() -> Self {
        Reconnect { max_retries: Some(0), ..Reconnect::default() }
    }
}

impl Default for Reconnect {
    fn default() -> Self {
        Reconnect {
            first_wait: Duration::from_millis(500),
            max_wait: Duration::from_secs(30),
            max_retries: None,
            stable_after: Duration::from_secs(5),
            retry_initial: false,
            retry_permanent: false,
        }
    }
}
