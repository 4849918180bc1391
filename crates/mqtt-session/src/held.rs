//! [`HeldPublishes`]: every publish from its submission until the application has been told of its end.
//!
//! A publish is written to its place once, and read from there once. What concerns it meanwhile (the order of sending,
//! its flow, the news of its end) names the place, so that nothing large moves from one queue to the next.

use mqtt_codec::Publish;
use slab::Slab;

use crate::Tag;

/// A publish, and whose it is.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) tag: Tag,
    pub(crate) publish: Publish,
}

/// The place of a publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

/// The publishes of a session, of any QoS and at any stage. A place is good until its publish is
/// [given back](Self::give_back), which happens once: where the last news of it is told.
#[derive(Debug)]
pub(crate) struct HeldPublishes {
    places: Slab<Held>,
}

impl HeldPublishes {
    pub(crate) const fn new() -> Self {
        Self { places: Slab::new() }
    }

    #[inline]
    pub(crate) fn hold(&mut self, held: Held) -> Place {
        Place(self.places.insert(held))
    }

    #[inline]
    pub(crate) fn get(&self, place: Place) -> &Publish {
        &self.places[place.0].publish
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, place: Place) -> &mut Publish {
        &mut self.places[place.0].publish
    }

    #[inline]
    pub(crate) fn give_back(&mut self, place: Place) -> Held {
        self.places.remove(place.0)
    }
}
