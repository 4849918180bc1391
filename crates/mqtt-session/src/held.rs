//! [`HeldPublishes`]: every publish from its submission until the application has been told of its end.
//!
//! A publish is written to its place once, and read from there once. What concerns it meanwhile (the order of sending,
//! its flow, the news of its end) names the place, so that nothing large moves from one queue to the next.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use mqtt_codec::Publish;

use crate::lifetimes::Lifetimes;
use crate::{Tag, Timestamp};

/// The place of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(u32);

/// What is at a place.
#[derive(Debug)]
struct Held {
    tag: Tag,
    publish: Option<Publish>,
}

/// How many empty places are kept for reuse when nothing is held.
const KEPT_PLACES: usize = 1024;

impl Place {
    #[inline]
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// Whoever gave a publish back has forgotten its place.
const GOOD: &str = "a place is good until its publish is given back";

/// The publishes of a session, of any QoS and at any stage. A place is good until its publish is
/// [given back](Self::give_back), which happens once: where the last news of it is told.
#[derive(Debug)]
pub(crate) struct HeldPublishes {
    places: Vec<Held>,
    /// The places that hold nothing; the latest to become free is the first to be used again.
    free: Vec<Place>,
    lifetimes: Lifetimes,
}

impl HeldPublishes {
    pub(crate) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new(), lifetimes: Lifetimes::new() }
    }

    #[inline(always)]
    pub(crate) fn hold(&mut self, tag: Tag, publish: Publish) -> (Place, &mut Publish) {
        if self.places.len() > KEPT_PLACES && self.free.len() == self.places.len() {
            *self = Self::new();
        }
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(Held { tag, publish: None });
            // No memory holds 2^32 publishes.
            Place(self.places.len() as u32 - 1)
        });
        let held = &mut self.places[place.index()];
        held.tag = tag;
        (place, held.publish.insert(publish))
    }

    #[inline]
    pub(crate) fn get(&self, place: Place) -> &Publish {
        self.places[place.index()].publish.as_ref().expect(GOOD)
    }

    /// All of them, in no order that means anything.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Tag, &Publish)> {
        self.places.iter().filter_map(|held| Some((held.tag, held.publish.as_ref()?)))
    }

    /// Whose publish it is.
    #[inline]
    pub(crate) fn tag(&self, place: Place) -> Tag {
        self.places[place.index()].tag
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, place: Place) -> &mut Publish {
        self.places[place.index()].publish.as_mut().expect(GOOD)
    }

    #[inline(always)]
    pub(crate) fn give_back(&mut self, place: Place) -> (Tag, Publish) {
        self.lifetimes.remove(place);
        self.free.push(place);
        let Held { tag, publish } = &mut self.places[place.index()];
        (*tag, publish.take().expect(GOOD))
    }

    /// A publish that expires has been taken.
    pub(crate) fn begin_to_age(&mut self, place: Place, seconds: u32) {
        self.lifetimes.add(place, seconds);
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

    /// When the Message Expiry Interval of a publish is over; one that does not count yet begins now.
    pub(crate) fn expires(&self, place: Place, now: Timestamp) -> Option<Timestamp> {
        self.lifetimes.expires(place, now)
    }

    /// The Message Expiry Interval of a publish is over at that moment.
    pub(crate) fn restore_expiry(&mut self, place: Place, at: Timestamp) {
        self.lifetimes.restore(place, at);
    }

    /// Sends a publish as it is now: with what is left of its Message Expiry Interval, and a second if nothing is, for 0
    /// means "never" to some servers (mosquitto 2.0.11).
    #[inline]
    pub(crate) fn aged<T>(&self, place: Place, now: Timestamp, send: impl FnOnce(&Publish) -> T) -> T {
        let publish = self.get(place);
        match self.lifetimes.left(place, now) {
            None => send(publish),
            Some(left) => send(&with_expiry(publish, left.max(1))),
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

    fn publish() -> Publish {
        Publish::new(TopicName::from_static("t").unwrap(), "")
    }

    #[test]
    fn places_are_used_again() {
        let mut publishes = HeldPublishes::new();
        let [one, two] = [1, 2].map(|tag| publishes.hold(tag, publish()).0);
        assert_eq!(publishes.give_back(one).0, 1);
        assert_eq!(publishes.hold(3, publish()).0, one);
        assert_eq!(publishes.give_back(two).0, 2);
        assert_eq!(publishes.give_back(one).0, 3);
    }

    #[test]
    fn all_that_is_held_is_found_with_its_tag() {
        let mut publishes = HeldPublishes::new();
        let places = [1, 2, 3].map(|tag| publishes.hold(tag, publish()).0);
        publishes.give_back(places[1]);
        let tags = |publishes: &HeldPublishes| publishes.iter().map(|(tag, _)| tag).collect::<Vec<_>>();
        assert_eq!(tags(&publishes), [1, 3]);
        publishes.give_back(places[0]);
        publishes.give_back(places[2]);
        assert_eq!(tags(&publishes), []);
    }

    #[test]
    fn the_memory_of_many_is_given_back_with_the_next_one() {
        let mut publishes = HeldPublishes::new();
        let places: Vec<_> = (0..=KEPT_PLACES as Tag).map(|tag| publishes.hold(tag, publish()).0).collect();
        for place in places {
            publishes.give_back(place);
        }
        assert!(publishes.places.capacity() > KEPT_PLACES);
        publishes.hold(0, publish());
        assert!(publishes.places.capacity() < KEPT_PLACES);
    }
}
