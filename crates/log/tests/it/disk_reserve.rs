//! Space for checkpoints on a full disk, over a disk of a few pages.

use std::sync::Arc;

use millstream_log::memory_storage::Operation;
use millstream_log::{
    DiskReserve, LogOptions, LogPosition, MemoryStorage, Opened, Prepared, Storage, open,
};

const RESERVE: u64 = 16 << 10;

fn shared(storage: &MemoryStorage) -> Arc<dyn Storage> {
    Arc::new(storage.clone())
}

fn open_log(storage: &MemoryStorage) -> Opened {
    let mut options = LogOptions::default();
    options.segment_bytes = 64 << 10;
    options.batch_bytes = 1 << 10;
    options.head_bytes = 0;
    options.zero_ahead_bytes = 32 << 10;
    options.zero_step_bytes = 8 << 10;
    options.reserve_bytes = 1 << 10;
    open(shared(storage), options, LogPosition::ZERO, &mut |_| Ok(()), &mut |_| ())
        .expect("an empty log opens")
}

fn begin(storage: &MemoryStorage, opened: &Opened) -> DiskReserve {
    let reserve = DiskReserve::new(shared(storage), RESERVE);
    reserve.begin(opened.room.clone()).expect("the storage works");
    reserve
}

fn has_file(storage: &MemoryStorage) -> bool {
    storage.names().iter().any(|name| name == "reserve")
}

/// Lets the preparer do all that it can.
fn prepare(opened: &mut Opened) -> Prepared {
    loop {
        match opened.preparer.step().expect("nothing but space is missing") {
            Prepared::Grew => {}
            other => return other,
        }
    }
}

/// Fills the disk with the log, until the preparer finds no more.
fn fill(opened: &mut Opened) {
    for _ in 0..1000 {
        prepare(opened);
        if !opened.room.admits(opened.buffer.end(), 600) {
            return;
        }
        let mut record = opened.buffer.record();
        record.put_slice(&[7; 500]);
        record.finish();
        let mut batch = opened.buffer.take().expect("a record was put in");
        opened.committer.write(&mut batch).expect("there is room");
        opened.committer.sync().expect("syncs");
        opened.buffer.give_back(batch);
    }
    panic!("the disk has an end");
}

#[test]
fn a_write_on_a_full_disk_takes_the_reserve_and_the_log_gets_nothing_of_it() {
    let storage = MemoryStorage::new();
    storage.set_capacity_bytes(Some(100 << 10));
    let mut opened = open_log(&storage);
    let reserve = begin(&storage, &opened);
    assert_eq!(reserve.bytes(), RESERVE);
    fill(&mut opened);
    assert!(opened.room.is_disk_full());
    assert!(reserve.is_whole(), "the log leaves the reserve alone");

    let other = reserve.storage();
    let file = other.create_new("draft").expect("a name takes no space here");
    file.write_at(0, &[1; 10 << 10]).expect("the reserve has space for it");
    assert!(!reserve.is_whole());
    assert_eq!(reserve.bytes(), 0);
    assert!(!has_file(&storage));
    assert_eq!(opened.preparer.step().expect("nothing else failed"), Prepared::DiskFull);
    // Not there as long as the draft is, and not for the log either once that is gone.
    assert!(!reserve.keep().expect("the storage works"));
    other.remove("draft").expect("it is there");
    assert_eq!(opened.preparer.step().expect("nothing else failed"), Prepared::DiskFull);
    assert!(reserve.keep().expect("the storage works"));
    assert!(reserve.is_whole() && has_file(&storage));
}

#[test]
fn what_is_larger_than_the_reserve_finds_no_space() {
    let storage = MemoryStorage::new();
    storage.set_capacity_bytes(Some(60 << 10));
    let mut opened = open_log(&storage);
    let reserve = begin(&storage, &opened);
    fill(&mut opened);
    let file = reserve.storage().create_new("draft").expect("creates");
    let error = file.write_at(0, &[1; 60 << 10]).expect_err("more than there is");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    // It was given up for nothing, and comes back with the space.
    assert!(!reserve.is_whole());
    storage.remove("draft").expect("it is there");
    assert!(reserve.keep().expect("the storage works"));
}

#[test]
fn a_disk_too_small_for_the_reserve_refuses_growth_until_there_is_space() {
    let storage = MemoryStorage::new();
    let mut opened = open_log(&storage);
    storage.set_capacity_bytes(Some(10 << 10));
    let reserve = begin(&storage, &opened);
    assert!(!reserve.is_whole() && !has_file(&storage));
    assert_eq!(prepare(&mut opened), Prepared::DiskFull);
    assert!(opened.room.bytes() < 12 << 10, "no more than what frees space needs");
    assert!(opened.room.is_disk_full());
    storage.set_capacity_bytes(None);
    assert!(reserve.keep().expect("the storage works"));
    assert_eq!(opened.preparer.step().expect("there is space"), Prepared::Grew);
    assert!(!opened.room.is_disk_full());
}

#[test]
fn a_reserve_of_another_size_is_made_to_fit() {
    let storage = MemoryStorage::new();
    let opened = open_log(&storage);
    for before in [3 << 10, 40 << 10] {
        storage.set_contents("reserve", vec![0; before]);
        let reserve = begin(&storage, &opened);
        assert!(reserve.is_whole());
        let file = storage.contents("reserve").expect("it is there");
        assert_eq!(file.len() as u64, RESERVE);
    }
}

#[test]
fn another_failure_of_the_disk_is_told_and_holds_the_log_too() {
    let storage = MemoryStorage::new();
    let mut opened = open_log(&storage);
    let before = opened.room.bytes();
    let reserve = DiskReserve::new(shared(&storage), RESERVE);
    storage.fail(Operation::Create, 0, std::io::ErrorKind::PermissionDenied);
    reserve.begin(opened.room.clone()).expect_err("it cannot be created");
    prepare(&mut opened);
    assert!(opened.room.bytes() - before < 12 << 10, "no more than what frees space needs");
    assert!(reserve.keep().expect("the storage works again"));
    assert_eq!(opened.preparer.step().expect("there is space"), Prepared::Grew);
}

#[test]
fn no_reserve_wanted_none_kept() {
    let storage = MemoryStorage::new();
    let mut opened = open_log(&storage);
    storage.set_capacity_bytes(Some(200 << 10));
    let reserve = DiskReserve::new(shared(&storage), 0);
    reserve.begin(opened.room.clone()).expect("nothing is to be done");
    assert!(!has_file(&storage));
    fill(&mut opened);
    let file = reserve.storage().create_new("draft").expect("creates");
    file.write_at(0, &[1; 200 << 10]).expect_err("the disk is full");
    assert!(reserve.is_whole() && opened.room.is_disk_full());
}

#[test]
fn what_frees_space_is_logged_on_a_disk_that_others_filled() {
    let storage = MemoryStorage::new();
    let mut opened = open_log(&storage);
    let reserve = begin(&storage, &opened);
    opened.preparer.set_disk_reserve(reserve.clone());
    assert!(opened.room.bytes() < 100, "nothing is prepared yet");
    storage.set_capacity_bytes(Some(RESERVE + (5 << 10)));
    prepare(&mut opened);
    assert!(!reserve.is_whole(), "the log has nothing to log a trim in");
    let (end, log_reserve) = (opened.buffer.end(), 1 << 10);
    assert!(opened.room.admits_from_reserve(end, log_reserve - 100));
    // It takes no more than that, and the rest is there for a checkpoint.
    let file = reserve.storage().create_new("draft").expect("creates");
    file.write_at(0, &[1; 8 << 10]).expect("there is space");
}
