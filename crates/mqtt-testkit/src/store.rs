//! [`MemoryStore`]: a store that outlives its clients, and fails when it is told to.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use mqtt_client_core::{Change, Changes, Durability, Opened, Owner, Storage, Store, StoreError};

/// A store in memory, for clients that come and go within one test. Clones are the same store.
///
/// ```
/// use mqtt_client_core::{Options, SESSION_NEVER_EXPIRES};
/// use mqtt_testkit::MemoryStore;
///
/// let store = MemoryStore::new();
/// let options = Options::builder()
///     .client_id("me")
///     .clean_start(false)
///     .session_expiry(SESSION_NEVER_EXPIRES)
///     .store(store.clone())
///     .build()?;
/// assert_eq!(store.commits(), 0);
/// # drop(options);
/// # Ok::<(), mqtt_client_core::InvalidOptions>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    owner: Option<Owner>,
    records: BTreeMap<Bytes, Bytes>,
    open: bool,
    commits: u64,
    fault: Option<(u64, StoreFault)>,
    elapsed: Duration,
}

/// What goes wrong with one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFault {
    /// It fails, and nothing of it is stored.
    Fails,
    /// It fails, and is stored all the same.
    FailsAfterwards,
}

impl MemoryStore {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many commits there have been, those that failed included.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// How many records it holds.
    #[must_use]
    pub fn records(&self) -> usize {
        self.lock().records.len()
    }

    /// Lets the commit with that number, from 1, go wrong.
    pub fn inject(&self, commit: u64, fault: StoreFault) {
        self.lock().fault = Some((commit, fault));
    }

    /// How much time the next client that opens it is told to have passed.
    pub fn set_elapsed(&self, elapsed: Duration) {
        self.lock().elapsed = elapsed;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { records, commits, open, .. } = &*self.lock();
        f.debug_struct("MemoryStore")
            .field("records", &records.len())
            .field("commits", commits)
            .field("open", open)
            .finish()
    }
}

impl Storage for MemoryStore {
    fn open(&self, owner: &Owner, _: Durability) -> Result<Opened, StoreError> {
        let mut inner = self.lock();
        if inner.open {
            return Err(StoreError::Locked);
        }
        let stored = inner.owner.get_or_insert_with(|| owner.clone());
        if stored != owner {
            let (stored, wanted) = (Box::new(stored.clone()), Box::new(owner.clone()));
            return Err(StoreError::Owner { stored, wanted });
        }
        inner.open = true;
        let records = inner.records.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(Opened { store: Box::new(OpenStore(self.clone())), records, elapsed: inner.elapsed })
    }
}

struct OpenStore(MemoryStore);

impl Store for OpenStore {
    fn commit(&mut self, changes: &Changes) -> Result<(), StoreError> {
        let mut inner = self.0.lock();
        inner.commits += 1;
        let number = inner.commits;
        let fault = inner.fault.filter(|(commit, _)| *commit == number).map(|(_, fault)| fault);
        if fault != Some(StoreFault::Fails) {
            for change in changes.iter() {
                match change {
                    Change::Put { key, value } => {
                        inner.records.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
                    }
                    Change::Delete { key } => {
                        inner.records.remove(key);
                    }
                }
            }
        }
        match fault {
            None => Ok(()),
            Some(_) => Err(std::io::Error::other("the disk is full").into()),
        }
    }
}

impl Drop for OpenStore {
    fn drop(&mut self) {
        self.0.lock().open = false;
    }
}
