//! [`Timestamp`]: the session's only notion of time, handed in by the driver.

use core::fmt;
use core::ops::{Add, AddAssign};
use core::time::Duration;

/// A moment, in microseconds since an epoch of the driver's choice (usually the moment at which it was created).
///
/// The session never reads a clock: whoever drives it passes the present in. Should a clock be set back, the
/// session goes on with the latest moment that it has seen, so its time never runs backwards.
///
/// ```
/// use core::time::Duration;
/// use mqtt_session::Timestamp;
///
/// let start = Timestamp::from_micros(1_500);
/// let later = start + Duration::from_millis(2);
/// assert_eq!(later.as_micros(), 3_500);
/// assert_eq!(later.saturating_since(start), Duration::from_millis(2));
/// assert_eq!(start.saturating_since(later), Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The driver's epoch.
    pub const ZERO: Self = Self(0);

    /// The moment that lies `micros` microseconds after the epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// The time that has passed since `earlier`; zero when `earlier` is in fact later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Saturates at the end of time, 584,000 years after the epoch.
impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, delay: Duration) -> Self {
        let micros = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl AddAssign<Duration> for Timestamp {
    fn add_assign(&mut self, delay: Duration) {
        *self = *self + delay;
    }
}

/// Seconds with microseconds: `12.000345 s`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addition_saturates() {
        assert_eq!(Timestamp::from_micros(7) + Duration::MAX, Timestamp::from_micros(u64::MAX));
    }
}
