//! [`Restored`]: what a store held when it was opened, on its way back into a client.

use std::time::Duration;

use bytes::Bytes;

use super::records::Item;
use super::{Filter, Queued, StoreError};
use crate::Options;
use crate::backoff::SplitMix64;
use crate::codec::PacketId;
use crate::publishing::Publishing;
use crate::session::{Record, Session, Timestamp};

/// Everything that was stored, read and sorted.
#[derive(Debug, Default)]
pub(crate) struct Restored {
    session: Vec<Record>,
    /// The session's clock when the store was last written.
    clock: Timestamp,
    elapsed: Duration,
    /// In the order of their places.
    queued: Vec<Queued>,
    pub(crate) filters: Vec<Filter>,
}

impl Restored {
    /// Reads the records of a store.
    pub(crate) fn read(records: &[(Bytes, Bytes)], elapsed: Duration) -> Result<Self, StoreError> {
        let mut restored = Restored { elapsed, ..Restored::default() };
        for (key, value) in records {
            match Item::read(key, value)? {
                Item::Session(record) => restored.session.push(record),
                Item::Clock(clock) => restored.clock = clock,
                Item::Queued(queued) => restored.queued.push(queued),
                Item::Filter(filter) => restored.filters.push(filter),
            }
        }
        restored.queued.sort_by_key(|queued| queued.place);
        Ok(restored)
    }

    /// By how many microseconds the session's clock is ahead of a driver's that begins now, at zero.
    pub(crate) fn clock_ahead(&self) -> u64 {
        (self.clock + self.elapsed).as_micros()
    }

    /// Makes the session, with a place among the client's publishes for each message that is under way.
    pub(crate) fn resume(
        &mut self,
        options: &Options,
        random: &mut SplitMix64,
        publishing: &mut Publishing,
    ) -> Result<Session, StoreError> {
        let mut records = std::mem::take(&mut self.session);
        if records.is_empty() {
            records.push(Record::Session {
                version: options.version,
                clock: self.clock,
                client_id: None,
                next_packet_id: PacketId::MIN,
                // Ids of a store that was deleted don't come again: an application may have kept them.
                next_delivery_id: random.next() >> 2,
            });
        }
        records.sort_by_key(|record| match record {
            Record::Publish { order, .. } => *order,
            _ => 0,
        });
        let (version, ahead) = (options.version, self.clock_ahead());
        // Of a moment that has passed, it is enough to know that.
        let driver_time = |at: Timestamp| Timestamp::from_micros(at.as_micros().saturating_sub(ahead));
        let sent = records.iter().filter(|record| matches!(record, Record::Publish { .. })).count();
        publishing.restore_places(sent, &self.queued);
        for record in &mut records {
            match record {
                // The queue may have been stored later than the session.
                Record::Session { clock, .. } => *clock = self.clock,
                Record::Publish { tag, publish, expires, .. } => {
                    *tag = publishing.restore_sent(version, publish, expires.map(driver_time))?;
                }
                _ => {}
            }
        }
        let session = Session::restore(options.session.clone(), records, Timestamp::ZERO, self.elapsed)?;
        for queued in self.queued.drain(..) {
            let expires = queued.expires.map(driver_time);
            publishing.restore_queued(version, queued, expires)?;
        }
        Ok(session)
    }
}
