//! [`Expiry`]: whose time is over, and what is left of an interval.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_session::codec::Packet;
use mqtt_session::{Tag, Timestamp};

use super::{Due, Referee};

/// When publishes expire. An interval goes on over a restart, so that nothing is forgotten here.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expiry {
    ends: BTreeMap<Tag, Timestamp>,
}

impl Referee for Expiry {
    fn submitted(&mut self, tag: Tag, packet: &Packet, now: Timestamp) {
        if let Packet::Publish(publish) = packet
            && let Some(seconds) = publish.properties.message_expiry_interval()
        {
            self.ends.insert(tag, now + Duration::from_secs(seconds.into()));
        }
    }
}

impl Expiry {
    /// Whether its time is over; not if it was sent before [MQTT-4.3.3-7].
    pub(crate) fn is_over(&self, (tag, packet): &Due, now: Timestamp) -> bool {
        let is_new = matches!(packet, Packet::Publish(publish) if !publish.dup);
        is_new && tag.and_then(|tag| self.ends.get(&tag)).is_some_and(|end| *end < now)
    }

    /// Leaves what is left of the interval: a begun second counts, and there is at least one.
    pub(crate) fn count_down(&self, (tag, packet): &mut Due, now: Timestamp) {
        if let Packet::Publish(publish) = packet
            && let Some(end) = tag.and_then(|tag| self.ends.get(&tag))
            && let Some(interval) = publish.properties.message_expiry_interval()
        {
            let seconds = end.saturating_since(now).as_micros().div_ceil(1_000_000).max(1);
            publish.properties.set_message_expiry_interval(interval.min(seconds as u32));
        }
    }
}
