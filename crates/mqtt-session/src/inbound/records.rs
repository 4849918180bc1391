//! Inbound flows as the records of a store, and back.

use mqtt_codec::{PacketId, QoS, ReasonCode};

use super::{Flow, InboundFlows, Progress};
use crate::store::{Fault, Record};

impl InboundFlows {
    /// The number of the next token.
    pub(crate) fn next_serial(&self) -> u64 {
        self.next_serial
    }

    /// All that is kept: QoS 2. A message of QoS 1 comes again from the server until it is acknowledged, and may be
    /// told again; so it is as if it had never come.
    pub(crate) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.flows.iter().filter_map(|(packet_id, flow)| flow.record(packet_id))
    }

    /// What is kept of one message, if anything is.
    pub(crate) fn record(&self, packet_id: PacketId) -> Option<Record> {
        self.flows.get(packet_id)?.record(packet_id)
    }

    /// Goes on counting tokens from there; to be called before any flow is restored.
    pub(crate) fn restore_serial(&mut self, next_serial: u64) -> Result<(), Fault> {
        if next_serial > Record::MAX_COUNT {
            return Err(Fault::Field("delivery id"));
        }
        self.next_serial = next_serial;
        Ok(())
    }

    /// Goes on with a message that no connection has shown yet in this life, and that the application has to be told
    /// again if it did not acknowledge it.
    pub(crate) fn restore_received(
        &mut self,
        packet_id: PacketId,
        serial: u64,
        answered: bool,
    ) -> Result<(), Fault> {
        if serial >= self.next_serial {
            return Err(Fault::Contradiction("its delivery id has not been given to a message yet"));
        }
        let flow = Flow {
            serial,
            qos: QoS::ExactlyOnce,
            progress: if answered { Progress::Answered(ReasonCode::Success) } else { Progress::Untold },
            // Whether PUBREC went out is not stored, so it may have: a PUBREL is its answer.
            recorded: answered.then_some(0),
            epoch: 0,
            queued: false,
            batch: 0,
        };
        self.flows.insert(packet_id, flow);
        Ok(())
    }
}

impl Flow {
    /// Whether it is stored. A message that the application refuses is forgotten before PUBREC says so, for the server
    /// ends it with that.
    pub(super) fn has_record(&self) -> bool {
        let refused = matches!(self.progress, Progress::Answered(reason) if reason.is_error());
        self.qos == QoS::ExactlyOnce && !refused
    }

    fn record(&self, packet_id: PacketId) -> Option<Record> {
        let answered = matches!(self.progress, Progress::Answered(_));
        self.has_record().then_some(Record::Received { packet_id, delivery_id: self.serial, answered })
    }
}
