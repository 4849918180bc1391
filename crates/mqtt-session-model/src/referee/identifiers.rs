//! [`Identifiers`]: which packet identifier is the next.

use std::collections::BTreeSet;

use mqtt_session::codec::{Connack, Packet, PacketId};
use mqtt_session::{Tag, Timestamp};

use super::Referee;
use crate::durable::Durable;

/// What is known of packet identifiers, besides which are in use.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identifiers {
    pub(crate) kept: Durable<Kept>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) last: u16,
    /// A server may hold them for one of our given-up messages.
    pub(crate) barred: BTreeSet<PacketId>,
}

impl Referee for Identifiers {
    fn accepted(&mut self, connack: &Connack) {
        if !connack.session_present {
            self.kept.barred.clear();
        }
    }

    fn submitted(&mut self, _: Tag, packet: &Packet, _: Timestamp) {
        self.kept.last = packet.packet_id().map_or(self.kept.last, PacketId::get);
    }
}

impl Identifiers {
    pub(crate) fn new(is_durable: bool) -> Self {
        Self { kept: Durable::new(is_durable) }
    }

    /// The next one that is not in use.
    pub(crate) fn next(&self, is_used: impl Fn(PacketId) -> bool) -> PacketId {
        let mut ids = (self.kept.last..=u16::MAX).skip(1).chain(1..).filter_map(PacketId::new);
        let is_free = |id: &PacketId| !is_used(*id) && !self.kept.barred.contains(id);
        ids.find(is_free).expect("more identifiers than packets")
    }
}
