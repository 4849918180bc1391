//! A session's whole state as records, and back.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::iter;
use core::time::Duration;

use mqtt_codec::Version;

use super::{Batch, Fault, Journal, Key, Operation, Record, RestoreError};
use crate::Timestamp;
use crate::connection::Kept;
use crate::news::News;

/// What a record says besides the state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: Timestamp,
    /// By how many microseconds the session's clock is ahead of the driver's, wrapping round.
    clock_ahead: u64,
    /// The last batch that the store was given: it may rely on all that is in there.
    pub(crate) handed_out: Batch,
}

impl Moment {
    /// A moment of the driver's on the session's clock.
    pub(crate) fn on_clock(self, at: Timestamp) -> Timestamp {
        Timestamp::from_micros(at.as_micros().wrapping_add(self.clock_ahead))
    }
}

impl Kept {
    /// The present state.
    pub(crate) fn records(&self, version: Version, news: &News) -> impl Iterator<Item = Record> + '_ {
        let moment = self.moment(news.now(), &news.journal);
        iter::once(self.session_record(version, moment))
            .chain(self.outbound.records(moment))
            .chain(self.inbound.records())
    }

    /// Appends what a store has to do next, if it has done all before: the number of this batch.
    pub(crate) fn operations(
        &self,
        version: Version,
        news: &mut News,
        operations: &mut Vec<Operation>,
    ) -> Option<Batch> {
        let now = news.now();
        let batch = news.journal.next_batch()?;
        let moment = self.moment(now, &news.journal);
        // Its numbers have changed, whatever else has.
        operations.push(Operation::Put(self.session_record(version, moment)));
        operations.extend(news.journal.take_touched().filter_map(|key| {
            let record = match key {
                Key::Session => return None,
                Key::Publish(packet_id) => self.outbound.publish_record(packet_id, moment),
                Key::Release(packet_id) => self.outbound.release_record(packet_id),
                Key::Barred(packet_id) => self.outbound.barred_record(packet_id),
                Key::Received(packet_id) => self.inbound.record(packet_id),
            };
            Some(record.map_or(Operation::Delete(key), Operation::Put))
        }));
        Some(batch)
    }

    /// The state of which records were made, `elapsed` ago.
    pub(crate) fn restore(
        version: Version,
        records: impl IntoIterator<Item = Record>,
        now: Timestamp,
        elapsed: Duration,
    ) -> Result<Self, RestoreError> {
        // In the order of their keys, each record finds what it refers to.
        let mut by_key = BTreeMap::new();
        for record in records {
            let key = record.key();
            if by_key.insert(key, record).is_some() {
                return Err(RestoreError::new(key, Fault::Repeated));
            }
        }
        if !by_key.is_empty() && !by_key.contains_key(&Key::Session) {
            return Err(RestoreError::new(Key::Session, Fault::Missing));
        }
        let mut kept = Self::new();
        for (key, record) in by_key {
            let restored = kept.restore_record(record, version, now, elapsed);
            restored.map_err(|fault| RestoreError::new(key, fault))?;
        }
        Ok(kept)
    }

    fn moment(&self, now: Timestamp, journal: &Journal) -> Moment {
        Moment { now, clock_ahead: self.clock_ahead, handed_out: journal.handed_out() }
    }

    fn session_record(&self, version: Version, moment: Moment) -> Record {
        Record::Session {
            version,
            clock: moment.on_clock(moment.now),
            client_id: self.client_id.clone(),
            next_packet_id: self.outbound.next_id(),
            next_delivery_id: self.inbound.next_serial(),
        }
    }

    fn restore_record(
        &mut self,
        record: Record,
        expected: Version,
        now: Timestamp,
        elapsed: Duration,
    ) -> Result<(), Fault> {
        match record {
            Record::Session { version, .. } if version != expected => Err(Fault::Version(version)),
            Record::Session { clock, client_id, next_packet_id, next_delivery_id, .. } => {
                self.clock_ahead = (clock + elapsed).as_micros().wrapping_sub(now.as_micros());
                self.client_id = client_id;
                self.outbound.restore_next_id(next_packet_id);
                self.inbound.restore_serial(next_delivery_id)
            }
            Record::Publish { packet_id, tag, order, transmitted, expires, publish } => {
                if expected == Version::V311 && !publish.properties.is_empty() {
                    return Err(Fault::Contradiction("it has properties, which MQTT 3.1.1 does not know"));
                }
                let clock = Timestamp::from_micros(now.as_micros().wrapping_add(self.clock_ahead));
                let expires = expires.map(|at| now + at.saturating_since(clock));
                self.outbound.restore_publish(packet_id, tag, order, transmitted, expires, publish)
            }
            Record::Release { packet_id, order, reason } => {
                self.outbound.restore_release(packet_id, order, reason)
            }
            Record::Barred { packet_id } => self.outbound.restore_barred(packet_id),
            Record::Received { packet_id, delivery_id, answered } => {
                self.inbound.restore_received(packet_id, delivery_id, answered)
            }
        }
    }
}
