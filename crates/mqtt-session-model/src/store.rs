//! [`Store`]: keys and bytes, which is all that a store of a session has to know, and a batch on its way there.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_session::codec::bytes::Bytes;
use mqtt_session::{Config, Key, Operation, Record, Session, Timestamp};

/// A store in memory.
#[derive(Debug, Default)]
pub struct Store {
    kept: BTreeMap<[u8; Key::LEN], Vec<u8>>,
    /// What would be lost in a crash, or not.
    writing: Option<(u64, Vec<Operation>)>,
}

impl Store {
    /// A store that holds all that a session would leave behind now.
    ///
    /// # Panics
    ///
    /// If a record can't be encoded.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let mut store = Self::default();
        session.snapshot().for_each(|record| store.put(&record));
        store
    }

    /// Begins to write what the session hands out, if it does and nothing is being written.
    pub fn begin(&mut self, session: &mut Session, now: Timestamp) {
        let mut operations = Vec::new();
        if let Some(batch) = session.poll_store(now, &mut operations) {
            self.writing = Some((batch, operations));
        }
    }

    /// What is being written is there, and the session hears of it. False if nothing is.
    pub fn commit(&mut self, session: &mut Session, now: Timestamp) -> bool {
        let Some((batch, operations)) = self.writing.take() else { return false };
        self.write(&operations);
        session.handle_stored(now, batch);
        true
    }

    /// The process dies; what was being written is there, or it is not.
    pub fn crash(&mut self, written: bool) {
        if let Some((_, operations)) = self.writing.take().filter(|_| written) {
            self.write(&operations);
        }
    }

    /// The session that goes on from what is stored, at once.
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
        Session::restore(config, self.kept.iter().map(record), now, Duration::ZERO).expect("it was a session")
    }

    fn write(&mut self, operations: &[Operation]) {
        for operation in operations {
            match operation {
                Operation::Put(record) => self.put(record),
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
