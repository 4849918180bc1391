//! A session's whole state as records, and back.

use alloc::collections::BTreeMap;
use core::iter;

use mqtt_codec::Version;

use super::{Fault, Key, Record, RestoreError};
use crate::connection::Kept;

impl Kept {
    /// The present state.
    pub(crate) fn records(&self, version: Version) -> impl Iterator<Item = Record> + '_ {
        iter::once(self.session_record(version)).chain(self.outbound.records()).chain(self.inbound.records())
    }

    /// The state of which [`records`](Self::records) were made.
    pub(crate) fn restore(
        version: Version,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, RestoreError> {
        let mut kept = Self::new();
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
        for (key, record) in by_key {
            kept.restore_record(version, record).map_err(|fault| RestoreError::new(key, fault))?;
        }
        Ok(kept)
    }

    fn session_record(&self, version: Version) -> Record {
        Record::Session {
            version,
            client_id: self.client_id.clone(),
            next_packet_id: self.outbound.next_id(),
            next_delivery_id: self.inbound.next_serial(),
        }
    }

    fn restore_record(&mut self, expected: Version, record: Record) -> Result<(), Fault> {
        match record {
            Record::Session { version, .. } if version != expected => Err(Fault::Version(version)),
            Record::Session { client_id, next_packet_id, next_delivery_id, .. } => {
                self.client_id = client_id;
                self.outbound.restore_next_id(next_packet_id);
                self.inbound.restore_serial(next_delivery_id)
            }
            Record::Publish { packet_id, tag, order, transmitted, publish } => {
                if expected == Version::V311 && !publish.properties.is_empty() {
                    return Err(Fault::Contradiction("it has properties, which MQTT 3.1.1 does not know"));
                }
                self.outbound.restore_publish(packet_id, tag, order, transmitted, publish)
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
