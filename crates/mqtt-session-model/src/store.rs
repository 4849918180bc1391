//! [`Store`]: keys and bytes, which is all that a store of a session has to know, and a batch on its way there.

use std::collections::BTreeMap;

use mqtt_session::codec::PacketId;
use mqtt_session::codec::bytes::Bytes;
use mqtt_session::{Config, Key, Operation, Record, Session, Timestamp};

/// A store in memory.
#[derive(Debug, Default)]
pub struct Store {
    kept: BTreeMap<[u8; Key::LEN], Vec<u8>>,
    /// When that was handed out.
    since: Timestamp,
    /// What would be lost in a crash, or not.
    writing: Option<Writing>,
}

#[derive(Debug)]
struct Writing {
    batch: u64,
    operations: Vec<Operation>,
    since: Timestamp,
}

impl Store {
    /// A store that holds all that a session would leave behind now.
    ///
    /// # Panics
    ///
    /// If a record can't be encoded.
    #[must_use]
    pub fn of(session: &Session, now: Timestamp) -> Self {
        let mut store = Self { since: now, ..Self::default() };
        session.snapshot().for_each(|record| store.put(&record));
        store
    }

    /// The next packet identifier is the first one, as it is after all others.
    pub fn rewind(&mut self) {
        let session = self.kept.remove(&Key::Session.to_bytes());
        let record = session.and_then(|bytes| Record::decode(Key::Session, &bytes.into()).ok());
        if let Some(Record::Session { version, clock, client_id, next_delivery_id, .. }) = record {
            let next_packet_id = PacketId::MIN;
            self.put(&Record::Session { version, clock, client_id, next_packet_id, next_delivery_id });
        }
    }

    /// Begins to write what the session hands out; false if it hands out nothing.
    pub fn begin(&mut self, session: &mut Session, now: Timestamp) -> bool {
        let mut operations = Vec::new();
        let batch = session.poll_store(now, &mut operations);
        self.writing = batch.map(|batch| Writing { batch, operations, since: now }).or(self.writing.take());
        batch.is_some()
    }

    /// Whether something is being written.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        self.writing.is_some()
    }

    /// What is being written is there, and the session hears of it. False if nothing is.
    pub fn commit(&mut self, session: &mut Session, now: Timestamp) -> bool {
        let Some(writing) = self.writing.take() else { return false };
        let batch = writing.batch;
        self.write(writing);
        session.handle_stored(now, batch);
        true
    }

    /// The process dies, or the store fails; what was being written is there, or it is not.
    pub fn crash(&mut self, written: bool) {
        if let Some(writing) = self.writing.take().filter(|_| written) {
            self.write(writing);
        }
    }

    /// The session that goes on from what is stored.
    ///
    /// # Panics
    ///
    /// If the records are not whole.
    #[must_use]
    pub fn restore(&self, config: Config, now: Timestamp) -> Session {
        let record = |(key, bytes): (&[u8; Key::LEN], &Vec<u8>)| {
            let key = Key::from_bytes(key).expect("it was a key");
            Record::decode(key, &Bytes::copy_from_slice(bytes)).expect("it was a record")
        };
        let elapsed = now.saturating_since(self.since);
        Session::restore(config, self.kept.iter().map(record), now, elapsed).expect("it was a session")
    }

    fn write(&mut self, writing: Writing) {
        self.since = writing.since;
        for operation in writing.operations {
            match operation {
                Operation::Put(record) => self.put(&record),
                Operation::Delete(key) => _ = self.kept.remove(&key.to_bytes()),
            }
        }
    }

    fn put(&mut self, record: &Record) {
        let mut bytes = Vec::new();
        record.encode(&mut bytes).expect("a session holds what can be encoded");
        self.kept.insert(record.key().to_bytes(), bytes);
    }
}
