//! Outgoing flows as the records of a store, and back.

use mqtt_codec::{PacketId, Publish, QoS, ReasonCode};

use super::{Flow, Outbound, Progress};
use crate::Tag;
use crate::store::{Fault, Record};

impl Outbound {
    /// The identifier at which the search for a free one goes on.
    pub(crate) fn next_id(&self) -> PacketId {
        self.next_id
    }

    /// All that is kept.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        let publishes = self.flows.iter().map(|(packet_id, flow)| self.publish_record(packet_id, flow));
        let releases = self.flows.iter().filter_map(|(packet_id, flow)| flow.release_record(packet_id));
        let barred = self.barred.iter().map(|&packet_id| Record::Barred { packet_id });
        publishes.chain(releases).chain(barred)
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
        publish: Publish,
    ) -> Result<(), Fault> {
        if publish.qos == QoS::AtMostOnce {
            return Err(Fault::Field("QoS"));
        }
        self.follow(order)?;
        let qos = publish.qos;
        let publish = Publish { packet_id: Some(packet_id), dup: false, ..publish };
        let (place, _) = self.held.hold(tag, publish);
        let progress = if transmitted { Progress::Sent } else { Progress::Unsent };
        self.flows.insert(packet_id, Flow { place, qos, order, progress, epoch: 0 });
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

    /// The identifier stays out of use.
    pub(crate) fn restore_barred(&mut self, packet_id: PacketId) -> Result<(), Fault> {
        if self.flows.get(packet_id).is_some() {
            return Err(Fault::Contradiction("a publish has this identifier"));
        }
        self.barred.insert(packet_id);
        Ok(())
    }

    fn publish_record(&self, packet_id: PacketId, flow: &Flow) -> Record {
        let (tag, publish) = (self.held.tag(flow.place), self.held.get(flow.place));
        Record::Publish {
            packet_id,
            tag,
            order: flow.order,
            transmitted: flow.progress != Progress::Unsent,
            publish: Publish { dup: false, ..publish.clone() },
        }
    }

    /// What is counted from now on comes after `order`.
    fn follow(&mut self, order: u64) -> Result<(), Fault> {
        if order > Record::MAX_COUNT {
            return Err(Fault::Field("order"));
        }
        self.next_order = self.next_order.max(order + 1);
        Ok(())
    }
}

impl Flow {
    fn release_record(&self, packet_id: PacketId) -> Option<Record> {
        match self.progress {
            Progress::Released { order, reason } => Some(Record::Release { packet_id, order, reason }),
            Progress::Unsent | Progress::Sent => None,
        }
    }
}
