//! What the session sends, held against what its [`Reference`] says is due.

use mqtt_session::codec::QoS::AtMostOnce;
use mqtt_session::codec::{Packet, Publish};
use mqtt_session::{Stage, Timestamp};

use crate::kept::{Kept, Outgoing};
use crate::messages::aged;
use crate::news::End;
use crate::reference::{Due, Reference};

impl Reference {
    /// A packet was sent; it ends at this byte of the connection.
    pub(crate) fn sent(&mut self, packet: &Packet, end: u64, now: Timestamp) {
        self.expire(now);
        let is_packet = |due: &Due| self.packet(due, now) == *packet;
        let at_once = self.link.at_once.iter().position(is_packet);
        let lane = if at_once.is_some() { &self.link.at_once } else { &self.link.queue };
        let place = at_once.or_else(|| lane.iter().position(is_packet));
        let place = place.unwrap_or_else(|| panic!("{packet:?} is not due: {:?}", self.link));
        assert!(self.may_leave(&lane[place]), "{packet:?} has to wait");
        // What waited for the store may follow what did not.
        let is_strict = at_once.is_none() && !self.config.durable;
        let sort = |packet: &Packet| (packet.kind(), packet.packet_id().is_some());
        let is_before = |due: &&Due| is_strict || sort(&self.packet(due, now)) == sort(packet);
        let overtaken = lane.range(..place).filter(is_before).find(|due| self.may_leave(due));
        assert_eq!(overtaken, None, "{packet:?} overtakes");
        let lane = if at_once.is_some() { &mut self.link.at_once } else { &mut self.link.queue };
        match lane.remove(place) {
            Some(Due::Publish(tag)) => {
                let outgoing = self.kept.outgoing.get_mut(&tag).expect("it is under way");
                (outgoing.stage, outgoing.carried) = (Stage::Sent, Some(end));
            }
            Some(Due::Packet(Packet::Disconnect(_))) => self.seal(false),
            _ => {}
        }
    }

    /// All that may leave has left, as far as the store is concerned only if that `has_all`.
    pub(crate) fn settled(&mut self, has_all: bool, now: Timestamp) {
        self.expire(now);
        let has_all = has_all && !(self.config.durable && self.link.is_sealed);
        let is_missing = |due: &&Due| (has_all || matches!(due, Due::Packet(_))) && self.may_leave(due);
        assert_eq!(self.link.at_once.iter().find(is_missing), None, "{self:?}");
        let is_open = has_all && !self.link.is_sealed && (self.has_room() || !self.config.durable);
        let mut queue = self.link.queue.iter().filter(|_| is_open);
        assert_eq!(queue.find(|due| self.may_leave(due)), None, "{self:?}");
    }

    /// What was never sent ends when it is its turn and its time is over.
    fn expire(&mut self, now: Timestamp) {
        while !self.link.is_sealed
            && let Some(Due::Publish(tag)) = self.link.queue.iter().find(|due| self.may_leave(due))
            && let outgoing = &self.kept.outgoing[tag]
            && outgoing.stage == Stage::Unsent
            && outgoing.expires.is_some_and(|at| at < now)
        {
            self.end(*tag, End::Expired);
        }
    }

    /// Whether there is room for it, and the store has what it relies on.
    fn may_leave(&self, due: &Due) -> bool {
        let Kept { sessions, outgoing, .. } = self.stored();
        match due {
            Due::Publish(tag) if self.kept.outgoing[tag].publish.qos == AtMostOnce => true,
            Due::Publish(tag) => self.has_room() && outgoing.contains_key(tag),
            // It follows all that there is room for, if that can be stored.
            Due::Packet(Packet::Disconnect(_)) if self.link.queue.contains(due) => {
                let waits = |other: &Due| !matches!(other, Due::Publish(_)) || self.has_room();
                self.failed || !self.link.queue.iter().any(|other| other != due && waits(other))
            }
            Due::Packet(Packet::Subscribe(_) | Packet::Unsubscribe(_)) => *sessions == self.kept.sessions,
            Due::Packet(_) => true,
            Due::Release(_, tag) => outgoing.get(tag).is_none_or(|flow| flow.stage == Stage::Received),
            Due::Complete(_, number) => number.is_none() || !self.stored().has(*number),
        }
    }

    /// How it looks now: with DUP if it was sent before, and what is left of its interval.
    fn packet(&self, due: &Due, now: Timestamp) -> Packet {
        let tag = match due {
            Due::Packet(packet) => return packet.clone(),
            Due::Release(ack, _) | Due::Complete(ack, _) => return ack.clone().into(),
            Due::Publish(tag) => tag,
        };
        let Outgoing { publish, stage, expires, .. } = &self.kept.outgoing[tag];
        let publish = Publish { dup: *stage == Stage::Sent, ..publish.clone() };
        aged(publish, expires.map(|at| at.saturating_since(now))).into()
    }
}
