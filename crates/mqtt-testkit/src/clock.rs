//! [`Clock`]: time that passes when it is told to.

use std::time::Duration;

use mqtt_session::Timestamp;

/// A virtual clock. It starts at zero and never goes back.
///
/// ```
/// use std::time::Duration;
/// use mqtt_testkit::Clock;
///
/// let mut clock = Clock::default();
/// clock.advance(Duration::from_secs(90));
/// clock.advance_to(mqtt_session::Timestamp::from_micros(5)); // is past already
/// assert_eq!(clock.now().as_micros(), 90_000_000);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Clock {
    now: Timestamp,
}

impl Clock {
    /// The present.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets so much time pass.
    pub fn advance(&mut self, by: Duration) {
        self.now += by;
    }

    /// Lets time pass until `at`; does nothing when that is past.
    pub fn advance_to(&mut self, at: Timestamp) {
        self.now = self.now.max(at);
    }
}
