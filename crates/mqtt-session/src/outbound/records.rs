//! Outgoing flows as the records of a store, and back.

use alloc::vec::Vec;

use mqtt_codec::{PacketId, Publish, QoS, ReasonCode};

use super::{Flow, Outbound, Progress};
use crate::news::News;
use crate::store::{Fault, Key, Moment, Record};
use crate::{Tag, Timestamp};

impl Outbound {
    /// The identifier at which the search for a free one goes on.
    pub(crate) fn next_id(&self) -> PacketId {
        self.next_id
    }

    /// All that is kept.
    pub(crate) fn records(&self, moment: Moment) -> impl Iterator<Item = Record> + '_ {
        let ids = || self.flows.iter().map(|(packet_id, _)| packet_id);
        let publishes = ids().filter_map(move |packet_id| self.publish_record(packet_id, moment));
        let releases = ids().filter_map(|packet_id| self.release_record(packet_id));
        let barred = self.barred.iter().filter_map(|&packet_id| self.barred_record(packet_id));
        publishes.chain(releases).chain(barred)
    }

    /// The publish with that identifier, if there is one.
    pub(crate) fn publish_record(&self, packet_id: PacketId, moment: Moment) -> Option<Record> {
        let flow = self.flows.get(packet_id)?;
        // Once the store has been told, it is sent without another word to the store.
        let handed_out = (1..=moment.handed_out).contains(&flow.batch);
        Some(Record::Publish {
            packet_id,
            tag: self.held.tag(flow.place),
            order: flow.order,
            transmitted: handed_out || !flow.is_unsent(self.handed_out),
            expires: self.held.expires(flow.place, moment.now).map(|at| moment.on_clock(at)),
            publish: Publish { dup: false, ..self.held.get(flow.place).clone() },
        })
    }

    /// The confirmation of the publish with that identifier, if it has come.
    pub(crate) fn release_record(&self, packet_id: PacketId) -> Option<Record> {
        match self.flows.get(packet_id)?.progress {
            Progress::Released { order, reason } => Some(Record::Release { packet_id, order, reason }),
            Progress::Unsent | Progress::Sent => None,
        }
    }

    /// The bar on that identifier, if there is one.
    pub(crate) fn barred_record(&self, packet_id: PacketId) -> Option<Record> {
        self.barred.contains(&packet_id).then_some(Record::Barred { packet_id })
    }

    /// Goes on searching from there.
    pub(crate) fn restore_next_id(&mut self, next_id: PacketId) {
        self.next_id = next_id;
    }

    /// Goes on with a flow that no connection has carried yet in this life.
    pub(crate) fn restore_publish(
        &mut self,
        packet_id: PacketId,
        tag: Tag,
        order: u64,
        transmitted: bool,
        expires: Option<Timestamp>,
        publish: Publish,
    ) -> Result<(), Fault> {
        if publish.qos == QoS::AtMostOnce {
            return Err(Fault::Field("QoS"));
        }
        self.follow(order)?;
        let qos = publish.qos;
        let publish = Publish { packet_id: Some(packet_id), dup: false, ..publish };
        let (place, _) = self.held.hold(tag, publish);
        if let Some(at) = expires {
            self.held.restore_expiry(place, at);
        }
        let progress = if transmitted { Progress::Sent } else { Progress::Unsent };
        self.flows.insert(packet_id, Flow { place, qos, order, progress, epoch: 0, batch: 0 });
        Ok(())
    }

    /// The restored flow with this identifier has come as far as PUBREC.
    pub(crate) fn restore_release(
        &mut self,
        packet_id: PacketId,
        order: u64,
        reason: ReasonCode,
    ) -> Result<(), Fault> {
        self.follow(order)?;
        match self.flows.get_mut(packet_id) {
            Some(Flow { qos: QoS::ExactlyOnce, progress, .. }) if *progress == Progress::Sent => {
                *progress = Progress::Released { order, reason };
                Ok(())
            }
            _ => Err(Fault::Contradiction("no publish of QoS 2 was transmitted with this identifier")),
        }
    }

    /// A store that was told of a publish before it was sent is told again: from now on it may be.
    pub(crate) fn store_unsent(&mut self, news: &mut News) {
        let ids: Vec<_> = self.flows.iter().map(|(packet_id, _)| packet_id).collect();
        for packet_id in ids {
            if let Some(flow) = self.flows.get_mut(packet_id).filter(|flow| flow.progress == Progress::Unsent)
            {
                flow.batch = news.journal.touch(Key::Publish(packet_id));
            }
        }
    }

    /// The identifier stays out of use.
    pub(crate) fn restore_barred(&mut self, packet_id: PacketId) -> Result<(), Fault> {
        if self.flows.get(packet_id).is_some() {
            return Err(Fault::Contradiction("a publish has this identifier"));
        }
        self.barred.insert(packet_id);
        Ok(())
    }

    /// What is counted from now on comes after `order`.
    fn follow(&mut self, order: u64) -> Result<(), Fault> {
        if order > Record::MAX_COUNT {
            return Err(Fault::Field("order"));
        }
        self.next_order = self.next_order.max(order + 1);
        self.hand_out();
        Ok(())
    }
}
