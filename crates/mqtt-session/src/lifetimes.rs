//! [`Lifetimes`]: how long publishes that wait are still worth sending (Message Expiry Interval, 5.0 section 3.3.2.3.3).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use crate::Timestamp;
use crate::held::Place;

/// When the publishes with a Message Expiry Interval expire. Those without one cost nothing.
///
/// The application has no clock: an interval counts from the first look that the driver has at the session afterwards.
#[derive(Debug)]
pub(crate) struct Lifetimes {
    ends: BTreeMap<Place, End>,
    /// Whose interval does not count yet, if they are still there.
    fresh: Vec<Place>,
}

#[derive(Debug)]
enum End {
    /// So long after the driver has looked.
    After(Duration),
    At(Timestamp),
}

impl Lifetimes {
    pub(crate) const fn new() -> Self {
        Self { ends: BTreeMap::new(), fresh: Vec::new() }
    }

    /// A publish may wait for `seconds` from now on.
    pub(crate) fn add(&mut self, place: Place, seconds: u32) {
        self.ends.insert(place, End::After(Duration::from_secs(seconds.into())));
        self.fresh.push(place);
    }

    /// The driver looks: those added since the last time count from now on.
    #[inline]
    pub(crate) fn start(&mut self, now: Timestamp) {
        for place in self.fresh.drain(..) {
            if let Some(end) = self.ends.get_mut(&place)
                && let End::After(interval) = *end
            {
                *end = End::At(now + interval);
            }
        }
    }

    /// The publish does not wait any more.
    #[inline]
    pub(crate) fn remove(&mut self, place: Place) {
        if !self.ends.is_empty() {
            self.ends.remove(&place);
        }
    }

    /// Whether a publish has expired.
    #[inline]
    pub(crate) fn is_over(&self, place: Place, now: Timestamp) -> bool {
        self.end(place).is_some_and(|end| end < now)
    }

    /// How many seconds are left, a begun one included; `None` for a publish that does not expire.
    #[inline]
    pub(crate) fn left(&self, place: Place, now: Timestamp) -> Option<u32> {
        let left = self.end(place)?.saturating_since(now);
        u32::try_from(left.as_micros().div_ceil(1_000_000)).ok()
    }

    /// When the publish expires, if it does; an interval that does not count yet begins now.
    pub(crate) fn expires(&self, place: Place, now: Timestamp) -> Option<Timestamp> {
        Some(match self.ends.get(&place)? {
            End::At(at) => *at,
            End::After(interval) => now + *interval,
        })
    }

    /// The publish expires at that moment.
    pub(crate) fn restore(&mut self, place: Place, at: Timestamp) {
        self.ends.insert(place, End::At(at));
    }

    #[inline]
    fn end(&self, place: Place) -> Option<Timestamp> {
        if self.ends.is_empty() {
            return None;
        }
        match self.ends.get(&place)? {
            End::At(at) => Some(*at),
            End::After(_) => None,
        }
    }
}
