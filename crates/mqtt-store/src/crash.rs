//! Tests: what is left in the file when the disk, the system or the process ends at any moment.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use mqtt_client_core::{Changes, Owner, Store, StoreError};
use redb::StorageBackend;

use crate::file::{Medium, OpenFile, initialize};
use crate::inspect::inspect;

const BATCHES: usize = 8;

/// A disk with a cache, on which an operation fails, and all after it.
#[derive(Clone, Debug, Default)]
struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// What a reader sees.
    seen: Vec<u8>,
    /// What would be there after a power cut.
    synced: Vec<u8>,
    /// What has happened since, in order.
    unsynced: Vec<Operation>,
    /// How many operations there have been.
    count: usize,
    fails_at: Option<usize>,
}

#[derive(Clone, Debug)]
enum Operation {
    Write(u64, Vec<u8>),
    Resize(u64),
}

impl Operation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Operation::Write(offset, data) => {
                let (start, end) = (*offset as usize, *offset as usize + data.len());
                bytes.resize(bytes.len().max(end), 0);
                bytes[start..end].copy_from_slice(data);
            }
            Operation::Resize(len) => bytes.resize(*len as usize, 0),
        }
    }

    /// The first half of it.
    fn torn(&self) -> Self {
        match self {
            Operation::Write(offset, data) => Operation::Write(*offset, data[..data.len() / 2].to_vec()),
            Operation::Resize(len) => Operation::Resize(*len),
        }
    }
}

impl SimulatedDisk {
    fn of(bytes: Vec<u8>) -> Self {
        let state = State { seen: bytes.clone(), synced: bytes, ..State::default() };
        SimulatedDisk(Arc::new(Mutex::new(state)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn operate(&self, operation: Option<Operation>) -> io::Result<()> {
        let mut state = self.state();
        state.count += 1;
        if state.fails_at.is_some_and(|at| at <= state.count) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        match operation {
            None => {
                state.synced = state.seen.clone();
                state.unsynced.clear();
            }
            Some(operation) => {
                operation.apply(&mut state.seen);
                state.unsynced.push(operation);
            }
        }
        Ok(())
    }

    /// What may be on the disk now, after a kill or a power cut.
    fn images(&self) -> Vec<(&'static str, Vec<u8>)> {
        let state = self.state();
        let keep = |which: &dyn Fn(usize) -> bool| {
            let mut bytes = state.synced.clone();
            let kept = state.unsynced.iter().enumerate().filter(|(at, _)| which(*at));
            kept.for_each(|(_, operation)| operation.apply(&mut bytes));
            bytes
        };
        let mut torn = keep(&|at| at + 1 < state.unsynced.len());
        if let Some(last) = state.unsynced.last() {
            last.torn().apply(&mut torn);
        }
        vec![
            ("nothing is lost", keep(&|_| true)),
            ("the last write is torn", torn),
            ("all that was not synced is lost", keep(&|_| false)),
            ("every other write is lost", keep(&|at| at % 2 == 0)),
            ("the others are lost", keep(&|at| at % 2 == 1)),
            ("only the last write is lost", keep(&|at| at + 1 < state.unsynced.len())),
            ("only the last write is there", keep(&|at| at + 1 == state.unsynced.len())),
        ]
    }
}

impl StorageBackend for SimulatedDisk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = offset as usize;
        let state = self.state();
        let bytes = state.seen.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.operate(Some(Operation::Resize(len)))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.operate(None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate(Some(Operation::Write(offset, data.to_vec())))
    }
}

impl Medium for SimulatedDisk {
    type Backend = Self;

    fn backend(&self) -> Result<Self, StoreError> {
        Ok(self.clone())
    }

    fn size(&self) -> io::Result<u64> {
        self.len()
    }
}

type Records = BTreeMap<Bytes, Bytes>;

fn owner() -> Owner {
    Owner { client_id: "me".into(), endpoint: "mqtt://here:1883".into() }
}

fn read(disk: &SimulatedDisk) -> Result<Records, StoreError> {
    inspect(disk.clone(), &owner()).map(|contents| contents.records.into_iter().collect())
}

/// Batches that put, replace and delete, and what has to be there after each.
fn work() -> Vec<(Changes, Records)> {
    let mut records = Records::new();
    let batch = |batch: usize| {
        let mut changes = Changes::default();
        for place in 0..20 {
            let key = Bytes::from(format!("{}", batch * 13 + place));
            let value = Bytes::from(vec![batch as u8; 200 + place]);
            changes.put(&key, |out| io::Write::write_all(out, &value)).unwrap();
            records.insert(key, value);
        }
        for place in 0..10 {
            let key = Bytes::from(format!("{}", (batch * 13).saturating_sub(place)));
            changes.delete(&key);
            records.remove(&key);
        }
        (changes, records.clone())
    };
    (0..BATCHES).map(batch).collect()
}

/// Commits until something fails. How many batches were reported as stored.
fn commit(disk: &SimulatedDisk, work: &[(Changes, Records)]) -> usize {
    let mut file = OpenFile::new(disk.clone(), 0);
    work.iter().take_while(|(changes, _)| file.commit(changes).is_ok()).count()
}

#[test]
fn whatever_fails_the_file_holds_what_was_reported_and_no_half_of_a_batch() {
    let work = work();
    let empty = SimulatedDisk::default();
    initialize(empty.clone(), &owner()).unwrap();
    let begin = empty.state().seen.clone();
    let (mut fails_at, mut images) = (1, 0);
    loop {
        let disk = SimulatedDisk::of(begin.clone());
        disk.state().fails_at = Some(fails_at);
        let stored = commit(&disk, &work);
        if disk.state().count < fails_at {
            break;
        }
        let before = stored.checked_sub(1).map_or(Records::new(), |last| work[last].1.clone());
        for (what, image) in disk.images() {
            let context = format!("operation {fails_at} fails in batch {stored}; {what}");
            let disk = SimulatedDisk::of(image.clone());
            let found = read(&disk).unwrap_or_else(|error| panic!("{context}: {error}"));
            assert!(disk.state().seen == image, "{context}: reading changes nothing");
            let after = work.get(stored).map(|(_, after)| after);
            assert!(found == before || Some(&found) == after, "{context}: {} records", found.len());
            if fails_at % 8 == 0 {
                assert_eq!(commit(&disk, &work[stored..]), BATCHES - stored, "{context}: it goes on");
                assert_eq!(read(&disk).unwrap(), work[BATCHES - 1].1, "{context}");
            }
            images += 1;
        }
        fails_at += 1;
    }
    assert!(images > 500, "{images} images");
}

#[test]
fn damage_is_found_and_left_alone() {
    let disk = SimulatedDisk::default();
    initialize(disk.clone(), &owner()).unwrap();
    let work = work();
    assert_eq!(commit(&disk, &work), BATCHES);
    let (good, last) = (disk.state().seen.clone(), &work[BATCHES - 1].1);
    let mut refused = 0;
    let mut check = |what: String, image: Vec<u8>| {
        let disk = SimulatedDisk::of(image.clone());
        match read(&disk) {
            // What nothing refers to may say anything.
            Ok(found) => assert_eq!(found, *last, "{what}"),
            Err(StoreError::Damaged(_) | StoreError::Format(_) | StoreError::Owner { .. }) => refused += 1,
            Err(error) => panic!("{what}: {error}"),
        }
        assert!(disk.state().seen == image, "{what}");
    };
    for at in (0..good.len()).step_by(397).chain(0..128) {
        let mut image = good.clone();
        image[at] ^= 0x55;
        check(format!("byte {at} is another"), image);
    }
    for len in (0..good.len()).step_by(16_001) {
        check(format!("only {len} bytes are left"), good[..len].to_vec());
    }
    for start in (0..good.len()).step_by(4096) {
        let mut image = good.clone();
        image[start..(start + 4096).min(good.len())].fill(0);
        check(format!("the page at {start} is empty"), image);
    }
    check("it is text".into(), b"not a store, but a letter".repeat(1000));
    assert!(refused > 100, "{refused} refused");
}
