//! [`FileStore`]: a session's place on the disk.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use mqtt_client_core::{Durability, Opened, Owner, Storage, StoreError};

use crate::backend::Disk;
use crate::file::{Medium, OpenFile, initialize};
use crate::inspect::{Contents, inspect, store_error};

/// How long a file that is in use is waited for: a client that was dropped closes it once all is stored.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(5);

/// A session in one file, for [`OptionsBuilder::store`](mqtt_client_core::OptionsBuilder::store).
///
/// The file is made when a client is; its folder has to exist. While it is made it has `.new` behind its name.
///
/// Opening reads all that is in the file, and blocks meanwhile: 30,000 pending messages take about a tenth of a second. A file
/// that is in use is waited for, half a second at most, since a client that is dropped closes it a little later.
#[derive(Clone, Debug)]
pub struct FileStore {
    path: PathBuf,
}

impl FileStore {
    /// The file with this path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        FileStore { path: path.into() }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, locked; made, if it is not there.
    fn lock(&self, owner: &Owner) -> Result<File, StoreError> {
        match File::options().read(true).write(true).open(&self.path) {
            Ok(file) => locked(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.create(owner),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the file under another name first: a process that is killed meanwhile leaves no half of a store.
    fn create(&self, owner: &Owner) -> Result<File, StoreError> {
        let mut unfinished = self.path.clone().into_os_string();
        unfinished.push(".new");
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&unfinished)?;
        let file = locked(file)?;
        // Whoever was faster has the lock, or has given the file its name.
        if self.path.try_exists()? {
            return Err(StoreError::Locked);
        }
        file.set_len(0)?;
        let disk = Disk::new(&file, true).map_err(|error| store_error(error.into()))?;
        initialize(disk, owner)?;
        fs::rename(&unfinished, &self.path)?;
        sync_folder(&self.path)?;
        Ok(file)
    }
}

impl Storage for FileStore {
    fn open(&self, owner: &Owner, durability: Durability) -> Result<Opened, StoreError> {
        let file = self.lock(owner)?;
        let file = LockedFile { file, synced: durability != Durability::System };
        let Contents { records, elapsed } = inspect(file.backend()?, owner)?;
        let stored = records.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
        Ok(Opened { store: Box::new(OpenFile::new(file, stored)), records, elapsed })
    }
}

/// A file on the disk; closed, it is free for others.
struct LockedFile {
    file: File,
    synced: bool,
}

impl Medium for LockedFile {
    type Backend = Disk;

    fn backend(&self) -> Result<Disk, StoreError> {
        Disk::new(&self.file, self.synced).map_err(|error| store_error(error.into()))
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }
}

/// Waits for a client that is about to close.
fn locked(file: File) -> Result<File, StoreError> {
    let end = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

/// Waits until the disk has the file's name, where the system lets a folder be synced.
fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
