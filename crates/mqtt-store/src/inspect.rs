//! Reading a file whole before anything is written to it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mqtt_client_core::{Owner, StoreError};
use redb::{
    Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition,
};

use crate::backend::Overlay;

/// The format that this version writes, and the only one that it reads.
pub(crate) const FORMAT: u64 = 1;

/// What a client stores.
pub(crate) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
/// What is known of the file: see the names below.
pub(crate) const ABOUT: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("about");
/// The format: 8 bytes.
pub(crate) const FORMAT_KEY: &str = "format";
pub(crate) const CLIENT_ID: &str = "client id";
pub(crate) const ENDPOINT: &str = "endpoint";
/// When it was last written: microseconds of the Unix epoch, 8 bytes.
pub(crate) const WRITTEN: &str = "written";

/// Memory that the database may use to avoid reading a page twice.
const CACHE: usize = 4 << 20;

/// Everything that a file holds.
pub(crate) struct Contents {
    pub(crate) records: Vec<(Bytes, Bytes)>,
    pub(crate) elapsed: Duration,
}

/// Checks every page of a file, and reads it. It stays as it is.
pub(crate) fn inspect(file: impl StorageBackend, owner: &Owner) -> Result<Contents, StoreError> {
    let overlay = Overlay::new(file)?;
    // Some damage makes the database panic. Nothing that it could leave behind is used again.
    catch_unwind(AssertUnwindSafe(|| inspect_copy(overlay, owner)))
        .unwrap_or_else(|_| Err(StoreError::Damaged("the database can't read it".into())))
}

/// Opens a database, repairing what a killed process has left half done.
pub(crate) fn open(backend: impl StorageBackend) -> Result<Database, StoreError> {
    Builder::new()
        .set_cache_size(CACHE)
        .create_with_backend(backend)
        .map_err(|error| store_error(error.into()))
}

/// What a database's error means for the store.
pub(crate) fn store_error(error: redb::Error) -> StoreError {
    match error {
        // That is how it says that a file was none of its own.
        redb::Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            StoreError::Damaged(error.to_string())
        }
        redb::Error::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            StoreError::Damaged(error.to_string())
        }
        redb::Error::Io(error) => error.into(),
        redb::Error::DatabaseAlreadyOpen => StoreError::Locked,
        error => StoreError::Damaged(error.to_string()),
    }
}

/// The present, as it is written.
pub(crate) fn wall_clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn inspect_copy(overlay: impl StorageBackend, owner: &Owner) -> Result<Contents, StoreError> {
    if overlay.len()? == 0 {
        return Err(StoreError::Damaged("it is empty".into()));
    }
    let mut database = open(overlay)?;
    database.check_integrity().map_err(|error| store_error(error.into()))?;
    let read = database.begin_read().map_err(|error| store_error(error.into()))?;
    let contents = contents(&read, owner);
    contents.map_err(|refused| match refused {
        Refused::Store(error) => error,
        Refused::Database(error) => store_error(error),
    })
}

enum Refused {
    Store(StoreError),
    Database(redb::Error),
}

impl<E: Into<redb::Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Refused::Database(error.into())
    }
}

fn contents(read: &ReadTransaction, owner: &Owner) -> Result<Contents, Refused> {
    let about = read.open_table(ABOUT)?;
    let missing = |what| Refused::Store(StoreError::Damaged(format!("it does not say its {what}")));
    let number = |what| -> Result<u64, Refused> {
        let value = about.get(what)?;
        let bytes = value.and_then(|value| value.value().try_into().ok());
        bytes.map(u64::from_be_bytes).ok_or_else(|| missing(what))
    };
    let text = |what| -> Result<String, Refused> {
        let value = about.get(what)?;
        value.and_then(|value| String::from_utf8(value.value().to_vec()).ok()).ok_or_else(|| missing(what))
    };
    let format = number(FORMAT_KEY)?;
    if format != FORMAT {
        return Err(Refused::Store(StoreError::Format(format)));
    }
    let stored = Owner { client_id: text(CLIENT_ID)?, endpoint: text(ENDPOINT)? };
    if stored != *owner {
        let (stored, wanted) = (Box::new(stored), Box::new(owner.clone()));
        return Err(Refused::Store(StoreError::Owner { stored, wanted }));
    }
    let elapsed = Duration::from_micros(wall_clock().saturating_sub(number(WRITTEN)?));
    let mut records = Vec::new();
    for record in read.open_table(RECORDS)?.iter()? {
        let (key, value) = record?;
        records.push((Bytes::copy_from_slice(key.value()), Bytes::copy_from_slice(value.value())));
    }
    Ok(Contents { records, elapsed })
}
