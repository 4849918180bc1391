//! What is in the file, who may have it, and how large it gets.

use std::fs;
use std::time::Duration;

use mqtt_client_core::{Durability, Storage, StoreError};
use mqtt_store::FileStore;

use crate::support::{Folder, changes, open, owner};

#[test]
fn what_was_committed_is_there_again() {
    for durability in
        [Durability::EachBatch, Durability::Interval(Duration::from_secs(1)), Durability::System]
    {
        let folder = Folder::new();
        let store = folder.store();
        let mut opened = store.open(&owner("me"), durability).unwrap();
        assert!(opened.records.is_empty());
        opened.store.commit(&changes(0..5, [])).unwrap();
        opened.store.commit(&changes([5], [1, 3, 77])).unwrap();
        drop(opened);
        let opened = open(&store).unwrap();
        let numbers: Vec<_> = opened.records.iter().map(|(key, _)| key[3]).collect();
        assert_eq!(numbers, [0, 2, 4, 5], "{durability:?}");
        assert!(opened.records.iter().all(|(key, value)| value[..] == [key[3]; 200]));
        assert!(opened.elapsed < Duration::from_secs(60));
    }
}

#[test]
fn a_store_that_is_not_ours_is_refused_and_left_alone() {
    let folder = Folder::new();
    let store = folder.store();
    open(&store).unwrap().store.commit(&changes(0..5, [])).unwrap();
    let before = fs::read(folder.path()).unwrap();
    let error = store.open(&owner("you"), Durability::EachBatch).unwrap_err();
    let expected = "the store is that of me at mqtt://here:1883, not of you at mqtt://here:1883";
    assert_eq!(error.to_string(), expected);
    let mut elsewhere = owner("me");
    elsewhere.endpoint = "mqtt://there:1883".into();
    let error = store.open(&elsewhere, Durability::EachBatch).unwrap_err();
    assert!(matches!(error, StoreError::Owner { .. }), "{error}");
    assert!(fs::read(folder.path()).unwrap() == before);
}

#[test]
fn a_store_in_use_is_locked() {
    let folder = Folder::new();
    let first = open(&folder.store()).unwrap();
    let error = open(&folder.store()).unwrap_err();
    assert!(matches!(error, StoreError::Locked), "{error}");
    drop(first);
    open(&folder.store()).unwrap();
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let folder = Folder::new();
    drop(open(&folder.store()).unwrap());
    let about = redb::TableDefinition::<&str, &[u8]>::new("about");
    let database = redb::Database::open(folder.path()).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(about).unwrap().insert("format", 2_u64.to_be_bytes().as_slice()).unwrap();
    write.commit().unwrap();
    drop(database);
    let before = fs::read(folder.path()).unwrap();
    let error = open(&folder.store()).unwrap_err();
    assert!(matches!(error, StoreError::Format(2)), "{error}");
    assert!(fs::read(folder.path()).unwrap() == before);
}

#[test]
fn what_is_no_store_is_refused_and_left_alone() {
    for content in [&b""[..], b"dear diary", &[0; 100_000], &[0xff; 8192]] {
        let folder = Folder::new();
        fs::write(folder.path(), content).unwrap();
        let error = open(&folder.store()).unwrap_err();
        assert!(matches!(error, StoreError::Damaged(_)), "{error}");
        assert!(fs::read(folder.path()).unwrap() == content);
    }
    let folder = Folder::new();
    for store in [FileStore::at(folder.path().parent().unwrap()), FileStore::at(folder.path().join("none"))] {
        let error = open(&store).unwrap_err();
        assert!(matches!(error, StoreError::Io(_)), "{error}");
    }
}

#[test]
fn half_of_a_new_store_is_begun_again() {
    let folder = Folder::new();
    fs::write(folder.path().with_extension("new"), [0; 100_000]).unwrap();
    open(&folder.store()).unwrap().store.commit(&changes(0..5, [])).unwrap();
    assert_eq!(open(&folder.store()).unwrap().records.len(), 5);
    assert!(!folder.path().with_extension("new").exists());
}

#[test]
fn a_million_messages_pass_through_a_small_file() {
    const BATCH: u32 = 1000;
    let folder = Folder::new();
    let mut opened = open(&folder.store()).unwrap();
    let mut largest = 0;
    for start in (0..1_000_000_u32).step_by(BATCH as usize) {
        let passed = start.saturating_sub(BATCH)..start;
        opened.store.commit(&changes(start..start + BATCH, passed)).unwrap();
        largest = largest.max(fs::metadata(folder.path()).unwrap().len());
    }
    assert!(largest <= 4 << 20, "{largest} bytes");
}

#[test]
fn space_is_given_back() {
    let folder = Folder::new();
    let mut opened = open(&folder.store()).unwrap();
    for start in (0..50_000).step_by(1000) {
        opened.store.commit(&changes(start..start + 1000, [])).unwrap();
    }
    let full = fs::metadata(folder.path()).unwrap().len();
    for start in (0..50_000).step_by(1000) {
        opened.store.commit(&changes([], start..start + 1000)).unwrap();
    }
    let empty = fs::metadata(folder.path()).unwrap().len();
    assert!(full > 10 << 20 && empty <= 4 << 20, "{full} bytes, then {empty}");
}
