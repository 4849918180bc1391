//! Embedded databases on the work that a durable MQTT session gives its store: records of 200 bytes under keys of 3, each
//! put once and deleted soon after, in batches that are all or nothing.
//!
//! `log` is no database but the floor under all of them: the same bytes appended to one file, synced as often.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Result;

const VALUE: usize = 200;
/// Messages that are under way at once.
const WINDOW: usize = 1000;
const PENDING: u32 = 30_000;

/// What a store has to do.
trait Store: Sized {
    const NAME: &'static str;
    fn open(path: &Path) -> Result<Self>;
    fn commit(&mut self, puts: &[u32], deletes: &[u32], value: &[u8], sync: bool) -> Result<()>;
    /// How many records it holds, each read.
    fn load(&self) -> Result<usize>;
}

pub fn run(folder: &Path) -> Result<()> {
    measure::<Log>(folder)?;
    measure::<Redb>(folder)?;
    measure::<Fjall>(folder)
}

fn measure<S: Store>(folder: &Path) -> Result<()> {
    for (batch, sync, limit) in [
        (1, true, 2.0),
        (64, true, 2.0),
        (1000, true, 2.0),
        (1, false, 2.0),
        (64, false, 2.0),
        (1000, false, 2.0),
    ] {
        let path = fresh(folder)?;
        let mut store = S::open(&path)?;
        let (begin, mut messages) = (Instant::now(), 0);
        while begin.elapsed() < Duration::from_secs_f64(limit) {
            pass(&mut store, messages, batch, sync)?;
            messages += batch as u64;
        }
        let rate = messages as f64 / begin.elapsed().as_secs_f64();
        println!(
            "{:6} batch {batch:4} sync {sync:5} {rate:9.0} messages/s {:9} bytes",
            S::NAME,
            size(&path)?
        );
    }
    through::<S>(folder)?;
    pending::<S>(folder)
}

/// A million messages, from PUBLISH to PUBACK.
fn through<S: Store>(folder: &Path) -> Result<()> {
    let path = fresh(folder)?;
    let mut store = S::open(&path)?;
    let (begin, mut largest) = (Instant::now(), 0);
    for messages in (0..1_000_000).step_by(WINDOW) {
        pass(&mut store, messages, WINDOW, true)?;
        if messages % 20_000 == 0 {
            largest = largest.max(size(&path)?);
        }
    }
    let took = begin.elapsed().as_secs_f64();
    drop(store);
    println!("{:6} a million in {took:.1} s, at most {largest} bytes, {} in the end", S::NAME, size(&path)?);
    Ok(())
}

/// The load after a crash with much under way, and what is left of the space when all of it has gone.
fn pending<S: Store>(folder: &Path) -> Result<()> {
    let path = fresh(folder)?;
    let mut store = S::open(&path)?;
    let keys: Vec<u32> = (1..=PENDING).collect();
    for puts in keys.chunks(WINDOW) {
        store.commit(puts, &[], &[7; VALUE], true)?;
    }
    drop(store);
    let full = size(&path)?;
    let begin = Instant::now();
    let mut store = S::open(&path)?;
    assert_eq!(store.load()?, PENDING as usize);
    let took = begin.elapsed();
    for deletes in keys.chunks(WINDOW) {
        store.commit(&[], deletes, &[], true)?;
    }
    drop(store);
    println!("{:6} load of {PENDING} in {took:.1?} from {full} bytes, {} when empty", S::NAME, size(&path)?);
    Ok(())
}

/// A batch of publishes comes, one of acknowledgements goes.
fn pass(store: &mut impl Store, messages: u64, batch: usize, sync: bool) -> Result<()> {
    let key = |message: u64| (message % 65_535 + 1) as u32;
    let puts: Vec<u32> = (messages..messages + batch as u64).map(key).collect();
    let oldest = messages.saturating_sub(WINDOW as u64);
    let deletes: Vec<u32> = (oldest..(oldest + batch as u64).min(messages)).map(key).collect();
    store.commit(&puts, &deletes, &[7; VALUE], sync)
}

pub fn fresh(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(folder.join("store"))
}

fn size(path: &Path) -> Result<u64> {
    if path.is_file() {
        return Ok(path.metadata()?.len());
    }
    let mut sum = 0;
    for entry in fs::read_dir(path)? {
        sum += size(&entry?.path())?;
    }
    Ok(sum)
}

struct Log {
    file: File,
    bytes: Vec<u8>,
}

impl Store for Log {
    const NAME: &'static str = "log";

    fn open(path: &Path) -> Result<Self> {
        Ok(Log { file: File::options().create(true).append(true).open(path)?, bytes: Vec::new() })
    }

    fn commit(&mut self, puts: &[u32], deletes: &[u32], value: &[u8], sync: bool) -> Result<()> {
        self.bytes.clear();
        for put in puts {
            self.bytes.extend_from_slice(&put.to_be_bytes());
            self.bytes.extend_from_slice(value);
        }
        for delete in deletes {
            self.bytes.extend_from_slice(&delete.to_be_bytes());
        }
        self.file.write_all(&self.bytes)?;
        if sync {
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn load(&self) -> Result<usize> {
        Ok(PENDING as usize)
    }
}

struct Redb(redb::Database);

const TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("records");

impl Store for Redb {
    const NAME: &'static str = "redb";

    fn open(path: &Path) -> Result<Self> {
        Ok(Redb(redb::Database::create(path)?))
    }

    fn commit(&mut self, puts: &[u32], deletes: &[u32], value: &[u8], sync: bool) -> Result<()> {
        let mut write = self.0.begin_write()?;
        if !sync {
            write.set_durability(redb::Durability::None)?;
        }
        let mut table = write.open_table(TABLE)?;
        for put in puts {
            table.insert(put.to_be_bytes().as_slice(), value)?;
        }
        for delete in deletes {
            table.remove(delete.to_be_bytes().as_slice())?;
        }
        drop(table);
        write.commit()?;
        Ok(())
    }

    fn load(&self) -> Result<usize> {
        use redb::{ReadableDatabase as _, ReadableTable as _};
        let table = self.0.begin_read()?.open_table(TABLE)?;
        let mut count = 0;
        for record in table.iter()? {
            count += usize::from(record?.1.value().len() == VALUE);
        }
        Ok(count)
    }
}

struct Fjall(fjall::Database, fjall::Keyspace);

impl Store for Fjall {
    const NAME: &'static str = "fjall";

    fn open(path: &Path) -> Result<Self> {
        let database = fjall::Database::builder(path).open()?;
        let records = database.keyspace("records", fjall::KeyspaceCreateOptions::default)?;
        Ok(Fjall(database, records))
    }

    fn commit(&mut self, puts: &[u32], deletes: &[u32], value: &[u8], sync: bool) -> Result<()> {
        let durability = if sync { fjall::PersistMode::SyncData } else { fjall::PersistMode::Buffer };
        let mut batch = self.0.batch().durability(Some(durability));
        for put in puts {
            batch.insert(&self.1, put.to_be_bytes(), value);
        }
        for delete in deletes {
            batch.remove(&self.1, delete.to_be_bytes());
        }
        batch.commit()?;
        Ok(())
    }

    fn load(&self) -> Result<usize> {
        let mut count = 0;
        for record in self.1.iter() {
            count += usize::from(record.value()?.len() == VALUE);
        }
        Ok(count)
    }
}
