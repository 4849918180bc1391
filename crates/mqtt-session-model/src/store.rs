//! [`Store`]: keys and bytes, which is all that a store of a session has to know.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_session::codec::bytes::Bytes;
use mqtt_session::{Config, Key, Record, Session, Timestamp};

/// A store in memory.
#[derive(Debug, Default)]
pub struct Store(BTreeMap<[u8; Key::LEN], Vec<u8>>);

impl Store {
    /// A store that holds all that a session would leave behind now.
    ///
    /// # Panics
    ///
    /// If a record can't be encoded.
    #[must_use]
    pub fn of(session: &Session) -> Self {
        let mut store = Self::default();
        for record in session.snapshot() {
            let mut bytes = Vec::new();
            record.encode(&mut bytes).expect("a session holds what can be encoded");
            store.0.insert(record.key().to_bytes(), bytes);
        }
        store
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
        Session::restore(config, self.0.iter().map(record), now, Duration::ZERO).expect("it was a session")
    }
}
