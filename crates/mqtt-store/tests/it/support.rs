//! What the tests have in common.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use mqtt_client_core::{Changes, Durability, Opened, Owner, Storage, StoreError};
use mqtt_store::FileStore;

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mqtt-store-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.join("session")
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    pub(crate) fn store(&self) -> FileStore {
        FileStore::at(self.path())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn owner(client_id: &str) -> Owner {
    Owner { client_id: client_id.into(), endpoint: "mqtt://here:1883".into() }
}

pub(crate) fn open(store: &FileStore) -> Result<Opened, StoreError> {
    store.open(&owner("me"), Durability::System)
}

/// Puts a record of 200 bytes under each of these numbers, and deletes those.
pub(crate) fn changes(
    puts: impl IntoIterator<Item = u32>,
    deletes: impl IntoIterator<Item = u32>,
) -> Changes {
    let mut changes = Changes::default();
    for put in puts {
        changes.put(&put.to_be_bytes(), |out| std::io::Write::write_all(out, &[put as u8; 200])).unwrap();
    }
    for delete in deletes {
        changes.delete(&delete.to_be_bytes());
    }
    changes
}
