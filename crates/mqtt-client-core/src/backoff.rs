//! How long to wait before the next attempt: exponential, with full jitter.

use std::time::Duration;

/// The waiting times between attempts.
///
/// The n-th wait is drawn evenly from zero to `first × 2ⁿ`, capped at `greatest`: clients that lost their broker
/// together do not come back together. Seeded by the adapter, so that a simulation repeats bit for bit.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    first: Duration,
    greatest: Duration,
    failures: u32,
    random: SplitMix64,
}

impl Backoff {
    pub(crate) fn new(first: Duration, greatest: Duration, seed: u64) -> Self {
        Backoff { first: first.min(greatest), greatest, failures: 0, random: SplitMix64(seed) }
    }

    /// The wait after one more failure.
    pub(crate) fn next_wait(&mut self) -> Duration {
        let ceiling = self.first.saturating_mul(1 << self.failures.min(30)).min(self.greatest);
        self.failures = self.failures.saturating_add(1);
        let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(self.random.up_to(micros))
    }

    /// The longest wait at once: for a peer that has said that this client is not welcome now.
    pub(crate) fn next_hard_wait(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let micros = u64::try_from(self.greatest.as_micros()).unwrap_or(u64::MAX - 1);
        Duration::from_micros(micros / 2 + self.random.up_to(micros / 2))
    }

    /// Failures since the last reset.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The link was stable: the next failure starts from the first step.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Steele, Lea and Flood's generator: eight bytes of state, which is all that jitter and client ids need.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix64(pub(crate) u64);

impl SplitMix64 {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly from 0 to `greatest`, both included (multiply and shift: the bias is below 2⁻⁴⁰ for any wait).
    fn up_to(&mut self, greatest: u64) -> u64 {
        let range = u128::from(greatest) + 1;
        ((u128::from(self.next()) * range) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(100);
    const GREATEST: Duration = Duration::from_secs(30);

    #[test]
    fn waits_stay_under_a_doubling_ceiling_and_fill_it() {
        let mut fullest = [0.0f64; 12];
        for seed in 0..500 {
            let mut backoff = Backoff::new(FIRST, GREATEST, seed);
            for (failure, fullest) in fullest.iter_mut().enumerate() {
                let ceiling = (FIRST * (1 << failure)).min(GREATEST);
                let wait = backoff.next_wait();
                assert!(wait <= ceiling, "{wait:?} > {ceiling:?}");
                *fullest = fullest.max(wait.as_secs_f64() / ceiling.as_secs_f64());
            }
        }
        assert!(fullest.iter().all(|share| *share > 0.95), "full jitter uses the whole range: {fullest:?}");
    }

    #[test]
    fn a_stable_link_starts_over() {
        let mut backoff = Backoff::new(FIRST, GREATEST, 7);
        assert!((0..9).all(|_| backoff.next_wait() <= GREATEST));
        assert_eq!(backoff.failures(), 9);
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }

    #[test]
    fn a_hard_wait_is_at_least_half_the_greatest() {
        let mut backoff = Backoff::new(FIRST, GREATEST, 7);
        assert!((0..100).all(|_| (GREATEST / 2..=GREATEST).contains(&backoff.next_hard_wait())));
    }

    #[test]
    fn the_same_seed_gives_the_same_waits_and_any_number_of_failures_is_fine() {
        let waits = |seed| {
            let mut backoff = Backoff::new(FIRST, GREATEST, seed);
            (0..10_000).map(|_| backoff.next_wait()).collect::<Vec<_>>()
        };
        assert_eq!(waits(1), waits(1));
        assert_ne!(waits(1), waits(2));
    }
}
