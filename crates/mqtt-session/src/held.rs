//! [`HeldPublishes`]: every publish from its submission until the application has been told of its end.
//!
//! A publish is written to its place once, and read from there once. What concerns it meanwhile (the order of sending,
//! its flow, the news of its end) names the place, so that nothing large moves from one queue to the next.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use mqtt_codec::Publish;

use crate::lifetimes::Lifetimes;
use crate::{Tag, Timestamp};

/// A publish, and whose it is.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) tag: Tag,
    pub(crate) publish: Publish,
}

/// The place of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(usize);

/// How many empty places are kept for reuse when nothing is held.
const KEPT_PLACES: usize = 1024;

/// Whoever gave a publish back has forgotten its place.
const GOOD: &str = "a place is good until its publish is given back";

/// The publishes of a session, of any QoS and at any stage. A place is good until its publish is
/// [given back](Self::give_back), which happens once: where the last news of it is told.
#[derive(Debug)]
pub(crate) struct HeldPublishes {
    places: Vec<Option<Held>>,
    /// The places that hold nothing; the latest to become free is the first to be used again.
    free: Vec<Place>,
    lifetimes: Lifetimes,
}

impl HeldPublishes {
    pub(crate) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new(), lifetimes: Lifetimes::new() }
    }

    #[inline]
    pub(crate) fn hold(&mut self, held: Held) -> Place {
        if let Some(place) = self.free.pop() {
            self.places[place.0] = Some(held);
            return place;
        }
        self.places.push(Some(held));
        Place(self.places.len() - 1)
    }

    #[inline]
    pub(crate) fn get(&self, place: Place) -> &Publish {
        &self.whole(place).publish
    }

    /// The publish, and whose it is.
    #[inline]
    pub(crate) fn whole(&self, place: Place) -> &Held {
        self.places[place.0].as_ref().expect(GOOD)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, place: Place) -> &mut Publish {
        &mut self.places[place.0].as_mut().expect(GOOD).publish
    }

    #[inline]
    pub(crate) fn give_back(&mut self, place: Place) -> Held {
        let held = self.places[place.0].take().expect(GOOD);
        self.lifetimes.remove(place);
        self.free.push(place);
        if self.free.len() == self.places.len() && self.places.len() > KEPT_PLACES {
            *self = Self::new();
        }
        held
    }

    /// A publish has been taken: if it expires, it ages.
    #[inline]
    pub(crate) fn begin_to_age(&mut self, place: Place) {
        if let Some(seconds) = self.get(place).properties.message_expiry_interval() {
            self.lifetimes.add(place, seconds);
        }
    }

    /// The driver looks: what has been taken since the last time ages from this moment.
    #[inline]
    pub(crate) fn look(&mut self, now: Timestamp) {
        self.lifetimes.start(now);
    }

    /// Whether the Message Expiry Interval of a publish is over.
    #[inline]
    pub(crate) fn has_expired(&self, place: Place, now: Timestamp) -> bool {
        self.lifetimes.is_over(place, now)
    }

    /// A publish as it goes out now: with what is left of its Message Expiry Interval, and a second if nothing is, for 0
    /// means "never" to some servers (mosquitto 2.0.11).
    #[inline]
    pub(crate) fn aged(&self, place: Place, now: Timestamp) -> Cow<'_, Publish> {
        let publish = self.get(place);
        match self.lifetimes.left(place, now) {
            None => Cow::Borrowed(publish),
            Some(left) => with_expiry(publish, left.max(1)),
        }
    }
}

/// The same publish with a shorter Message Expiry Interval.
fn with_expiry(publish: &Publish, seconds: u32) -> Cow<'_, Publish> {
    if publish.properties.message_expiry_interval().is_none_or(|interval| interval <= seconds) {
        return Cow::Borrowed(publish);
    }
    let mut aged = publish.clone();
    aged.properties.set_message_expiry_interval(seconds);
    Cow::Owned(aged)
}

#[cfg(test)]
mod tests {
    use mqtt_codec::TopicName;

    use super::*;

    fn held(tag: Tag) -> Held {
        Held { tag, publish: Publish::new(TopicName::from_static("t").unwrap(), "") }
    }

    #[test]
    fn places_are_used_again() {
        let mut publishes = HeldPublishes::new();
        let [one, two] = [1, 2].map(|tag| publishes.hold(held(tag)));
        assert_eq!(publishes.give_back(one).tag, 1);
        assert_eq!(publishes.hold(held(3)), one);
        assert_eq!(publishes.give_back(two).tag, 2);
        assert_eq!(publishes.give_back(one).tag, 3);
    }

    #[test]
    fn the_memory_of_many_is_given_back_with_the_last_of_them() {
        let mut publishes = HeldPublishes::new();
        let places: Vec<_> = (0..=KEPT_PLACES as Tag).map(|tag| publishes.hold(held(tag))).collect();
        for place in places {
            assert!(publishes.places.capacity() > KEPT_PLACES);
            publishes.give_back(place);
        }
        assert_eq!(publishes.places.capacity(), 0);
    }
}
