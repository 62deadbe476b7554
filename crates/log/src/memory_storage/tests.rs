use std::io::ErrorKind;

use super::{Crash, MemoryStorage, Operation};
use crate::Storage;

fn durable_file(storage: &MemoryStorage, bytes: &[u8]) -> std::sync::Arc<dyn crate::StorageFile> {
    let file = storage.create_new("f").expect("create");
    file.write_at(0, bytes).expect("write");
    file.sync_data().expect("sync");
    storage.sync_dir("").expect("sync directory");
    file
}

#[test]
fn what_is_not_synced_is_lost() {
    let storage = MemoryStorage::new();
    let file = durable_file(&storage, b"old");
    file.write_at(0, b"new").expect("write");
    storage.create_new("g").expect("create");
    let after = storage.crash(Crash::LoseAll);
    assert_eq!(after.contents("f").as_deref(), Some(&b"old"[..]));
    assert_eq!(after.names(), ["f"]);
    let after = storage.crash(Crash::KeepAll);
    assert_eq!(after.contents("f").as_deref(), Some(&b"new"[..]));
    assert_eq!(after.names(), ["f", "g"]);
}

#[test]
fn a_random_crash_tears_and_reorders_sectors_and_repeats_by_seed() {
    let storage = MemoryStorage::new();
    let file = durable_file(&storage, &[1; 2048]);
    file.write_at(0, &[2; 2048]).expect("write");
    let (mut torn, mut reordered) = (false, false);
    for seed in 0..200 {
        let once = storage.crash(Crash::Random(seed)).contents("f").expect("f is durable");
        assert_eq!(storage.crash(Crash::Random(seed)).contents("f"), Some(once.clone()));
        torn |= once[..512].windows(2).any(|pair| pair == [2, 1]);
        reordered |= once[..512] == [1; 512] && once[512..1024] == [2; 512];
    }
    assert!(torn && reordered);
}

#[test]
fn a_failed_sync_loses_pages_that_still_read_well() {
    let storage = MemoryStorage::new();
    let file = durable_file(&storage, b"old");
    file.write_at(0, b"new").expect("write");
    storage.fail(Operation::Sync, 0, ErrorKind::Other);
    assert!(file.sync_data().is_err());
    assert!(file.sync_data().is_ok(), "the kernel reports a lost page once");
    assert_eq!(storage.contents("f").as_deref(), Some(&b"new"[..]));
    let restarted = storage.crash(Crash::KeepAll);
    assert_eq!(restarted.contents("f").as_deref(), Some(&b"new"[..]));
    assert_eq!(restarted.crash(Crash::LoseAll).contents("f").as_deref(), Some(&b"old"[..]));
}

#[test]
fn a_full_disk_takes_overwrites_only() {
    let storage = MemoryStorage::new();
    let file = durable_file(&storage, &[1; 1024]);
    storage.set_capacity_bytes(Some(1024));
    assert_eq!(file.write_at(1024, &[1]).map_err(|e| e.kind()), Err(ErrorKind::StorageFull));
    file.write_at(512, &[2; 512]).expect("overwriting takes no space");
    file.set_len(4096).expect("a hole takes no space");
}

#[test]
fn a_disk_that_becomes_full_takes_a_part() {
    let storage = MemoryStorage::new();
    let file = durable_file(&storage, &[1; 512]);
    storage.set_capacity_bytes(Some(1024));
    assert_eq!(file.write_at(512, &[2; 2048]).map_err(|e| e.kind()), Err(ErrorKind::StorageFull));
    assert_eq!(storage.contents("f"), Some([[1; 512], [2; 512]].concat()));
}
