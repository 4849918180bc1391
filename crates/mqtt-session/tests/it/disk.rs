//! [`Disk`]: a store for tests, which knows keys and bytes alone, and a session that is kept on it.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_session::codec::Version;
use mqtt_session::codec::bytes::Bytes;
use mqtt_session::{Config, Key, Operation, Record};

use crate::support::{Rig, connack};

/// What would be there after a crash, and the batch that is being written.
#[derive(Default)]
pub(crate) struct Disk {
    kept: BTreeMap<[u8; Key::LEN], Vec<u8>>,
    writing: Option<(u64, Vec<Operation>)>,
}

impl Disk {
    pub(crate) fn records(&self) -> Vec<Record> {
        let record = |(key, value): (&[u8; Key::LEN], &Vec<u8>)| {
            let key = Key::from_bytes(key).expect("a key that was written");
            Record::decode(key, &Bytes::copy_from_slice(value)).expect("a record that was written")
        };
        self.kept.iter().map(record).collect()
    }

    fn write(&mut self, operations: &[Operation]) {
        for operation in operations {
            match operation {
                Operation::Put(record) => {
                    let mut value = Vec::new();
                    record.encode(&mut value).expect("what a session keeps can be stored");
                    self.kept.insert(record.key().to_bytes(), value);
                }
                Operation::Delete(key) => {
                    self.kept.remove(&key.to_bytes());
                }
            }
        }
    }
}

/// A durable session on a disk.
pub(crate) struct Durable {
    pub(crate) rig: Rig,
    pub(crate) disk: Disk,
}

impl Durable {
    pub(crate) fn new(version: Version) -> Self {
        Self::with_config(Config { version, durable: true, ..Config::default() })
    }

    pub(crate) fn with_config(config: Config) -> Self {
        Self { rig: Rig::with_config(config), disk: Disk::default() }
    }

    /// One whose server has accepted it, and whose store has that.
    pub(crate) fn ready(version: Version) -> Self {
        let mut durable = Self::new(version);
        durable.rig.accept(connack());
        assert_eq!(durable.store(), [], "besides the session");
        durable
    }

    /// The store begins to write, if there is anything: what, besides the session's record.
    pub(crate) fn begin(&mut self) -> Vec<Operation> {
        let mut operations = Vec::new();
        let Some(batch) = self.rig.session.poll_store(self.rig.now, &mut operations) else {
            assert_eq!(operations, []);
            return operations;
        };
        assert!(self.disk.writing.is_none(), "one batch at a time");
        self.disk.writing = Some((batch, operations.clone()));
        assert!(matches!(operations.remove(0), Operation::Put(Record::Session { .. })));
        operations
    }

    /// What is being written is on the disk, and the session hears of it. False if nothing is.
    pub(crate) fn commit(&mut self) -> bool {
        let Some((batch, operations)) = self.disk.writing.take() else { return false };
        self.disk.write(&operations);
        self.rig.session.handle_stored(self.rig.now, batch);
        true
    }

    /// Writes all there is at once: what that was.
    pub(crate) fn store(&mut self) -> Vec<Operation> {
        let operations = self.begin();
        self.commit();
        operations
    }

    /// The process ends; what was being written is on the disk, or not. Another process goes on.
    pub(crate) fn crash(&mut self, written: bool) {
        if let Some((_, operations)) = self.disk.writing.take().filter(|_| written) {
            self.disk.write(&operations);
        }
        let records = self.disk.records();
        self.rig.go_on_from(records, Duration::ZERO);
    }
}
