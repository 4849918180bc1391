//! [`OpenFile`]: a file that a client has open, and commits to.

use std::io;

use mqtt_client_core::{Change, Changes, Owner, Store, StoreError};
use redb::{Database, StorageBackend};

use crate::inspect::{
    ABOUT, CLIENT_ID, ENDPOINT, FORMAT, FORMAT_KEY, RECORDS, WRITTEN, open, store_error, wall_clock,
};

/// Below this size a file is left as it is.
const SMALL: u64 = 2 << 20;
/// A larger one may be so many times as large as what is in it.
const SLACK: u64 = 4;

/// What a file lies on.
pub(crate) trait Medium: Send {
    /// What the database reads and writes.
    type Backend: StorageBackend;

    /// For one database at a time.
    fn backend(&self) -> Result<Self::Backend, StoreError>;

    /// The present size, in bytes.
    fn size(&self) -> io::Result<u64>;
}

/// Writes what a client stores. The database is opened with the first commit: until then the file is as it was found.
pub(crate) struct OpenFile<M> {
    medium: M,
    database: Option<Database>,
    /// The bytes of all keys and values.
    stored: u64,
    /// How large the file was when it had been made as small as it gets.
    dense: u64,
}

impl<M: Medium> OpenFile<M> {
    /// `stored`: how many bytes of keys and values are in it.
    pub(crate) fn new(medium: M, stored: u64) -> Self {
        OpenFile { medium, database: None, stored, dense: 0 }
    }

    /// Gives space back that nothing needs any more.
    fn shrink(&mut self) -> Result<(), StoreError> {
        let size = self.medium.size()?;
        if size > SMALL.max(self.stored.saturating_mul(SLACK)).max(self.dense.saturating_mul(2))
            && let Some(database) = &mut self.database
        {
            database.compact().map_err(|error| store_error(error.into()))?;
            self.dense = self.medium.size()?;
        }
        Ok(())
    }
}

impl<M: Medium> Store for OpenFile<M> {
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open(self.medium.backend()?)?,
        };
        self.stored = write(self.database.insert(database), changes, self.stored).map_err(store_error)?;
        self.shrink()
    }
}

/// Makes a new store of an empty file.
pub(crate) fn initialize(backend: impl StorageBackend, owner: &Owner) -> Result<(), StoreError> {
    let begin = |database: &Database| -> Result<(), redb::Error> {
        let write = database.begin_write()?;
        write.open_table(RECORDS)?;
        let mut about = write.open_table(ABOUT)?;
        about.insert(FORMAT_KEY, FORMAT.to_be_bytes().as_slice())?;
        about.insert(CLIENT_ID, owner.client_id.as_bytes())?;
        about.insert(ENDPOINT, owner.endpoint.as_bytes())?;
        about.insert(WRITTEN, wall_clock().to_be_bytes().as_slice())?;
        drop(about);
        Ok(write.commit()?)
    };
    begin(&open(backend)?).map_err(store_error)
}

/// Carries out all changes. Takes and returns how many bytes are stored.
fn write(database: &Database, changes: &Changes, mut stored: u64) -> Result<u64, redb::Error> {
    let write = database.begin_write()?;
    let mut records = write.open_table(RECORDS)?;
    for change in changes.iter() {
        let (key, replaced) = match change {
            Change::Put { key, value } => {
                stored += (key.len() + value.len()) as u64;
                (key, records.insert(key, value)?)
            }
            Change::Delete { key } => (key, records.remove(key)?),
        };
        stored = stored.saturating_sub(replaced.map_or(0, |value| key.len() + value.value().len()) as u64);
    }
    drop(records);
    write.open_table(ABOUT)?.insert(WRITTEN, wall_clock().to_be_bytes().as_slice())?;
    write.commit()?;
    Ok(stored)
}
