//! Seeded numbers: the same seed gives the same faults.

use std::time::Duration;

/// SplitMix64: small, fast, and good enough to vary tests.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to `max`, both included.
    pub(crate) fn up_to(&mut self, max: u64) -> u64 {
        let number = self.next();
        max.checked_add(1).map_or(number, |count| number % count)
    }

    /// From nothing to `max`, in microseconds.
    pub(crate) fn duration(&mut self, max: Duration) -> Duration {
        Duration::from_micros(self.up_to(u64::try_from(max.as_micros()).unwrap_or(u64::MAX)))
    }
}
