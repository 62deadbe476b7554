//! A full disk: the preparer stops, admitted writes do not fail.

use std::io::ErrorKind;

use millstream_log::memory_storage::{Crash, Operation};
use millstream_log::{MemoryStorage, Prepared};

use crate::harness::{FIRST, Log, small};

#[test]
fn writes_that_found_room_never_meet_a_full_disk() {
    let mut log = Log::new(&MemoryStorage::new(), small());
    log.storage.set_capacity_bytes(Some(40 << 10));
    let mut written = 0;
    let mut was_full = false;
    for _ in 0..1000 {
        was_full |= log.opened.preparer.step().expect("no poison") == Prepared::DiskFull;
        if !log.opened.room.admits(log.opened.buffer.end(), 540) {
            if log.opened.room.is_disk_full() {
                break;
            }
            continue;
        }
        log.append(&[3; 500]);
        log.sync();
        written += 1;
    }
    assert!(was_full && written > 30, "{written} records");
    assert!(log.opened.room.bytes() >= small().reserve_bytes);
    // The reserve lets a trim through; dropping old segments makes room again.
    assert!(log.opened.room.admits_from_reserve(log.opened.buffer.end(), 40));
    log.append(b"");
    let durable = log.sync();
    log.checkpoint(durable);
    log.prepare();
    assert!(!log.opened.room.is_disk_full());
    assert!(log.opened.room.admits(log.opened.buffer.end(), 540));
    log.append(&[4; 500]);
    log.sync();
    log.reopen(log.storage.crash(Crash::LoseAll));
    assert_eq!(log.expected().len(), 1);
}

#[test]
fn a_start_on_a_full_disk_works_with_a_spare() {
    let mut log = Log::with(&[&[1; 900][..]; 20]);
    let durable = log.sync();
    log.checkpoint(durable);
    assert!(log.storage.names().iter().any(|name| name.ends_with(".spare")));
    let crashed = log.storage.crash(Crash::LoseAll);
    crashed.set_capacity_bytes(Some(0));
    log.reopen(crashed);
    assert!(log.opened.room.bytes() > 0);
}

#[test]
fn a_batch_larger_than_a_segment_asks_for_its_room() {
    let mut log = Log::new(&MemoryStorage::new(), small());
    log.prepare();
    let end = log.opened.buffer.end();
    assert!(!log.opened.room.admits(end, 100_040));
    log.opened.room.want(100_040);
    log.prepare();
    assert!(log.opened.room.admits(end, 100_040));
    let used = log.storage.names().len();
    log.storage.set_capacity_bytes(Some(0));
    log.append_shared(vec![5; 100_000 - 3]);
    log.sync();
    assert_eq!(log.storage.names().len(), used - 1, "it replaced the empty first segment");
    log.storage.set_capacity_bytes(None);
    log.reopen(log.storage.crash(Crash::LoseAll));
    assert_eq!(log.records.len(), 1);
}

#[test]
fn a_failed_zero_write_is_tried_again() {
    let mut log = Log::new(&MemoryStorage::new(), small());
    let before = log.opened.room.limit();
    log.storage.fail(Operation::Write, 0, ErrorKind::StorageFull);
    assert_eq!(log.opened.preparer.step().expect("no poison"), Prepared::DiskFull);
    assert_eq!(log.opened.room.limit(), before);
    log.storage.fail(Operation::Write, 0, ErrorKind::Other);
    assert!(log.opened.preparer.step().is_err());
    assert_eq!(log.opened.preparer.step().expect("prepares"), Prepared::Grew);
    assert!(log.opened.room.limit() > before);
}

#[test]
fn prepared_space_is_overwritten_not_extended() {
    let mut log = Log::new(&MemoryStorage::new(), small());
    for _ in 0..100 {
        log.prepare();
        // Everything that follows lands in space that takes no more disk.
        let room = log.opened.room.bytes();
        assert!(room >= small().zero_ahead_bytes);
        log.storage.set_capacity_bytes(Some(0));
        for _ in 0..4 {
            log.append(&[1; 900]);
            log.sync();
        }
        log.storage.set_capacity_bytes(None);
    }
}

#[test]
fn a_hole_never_counts_as_prepared() {
    let mut log = Log::new(&MemoryStorage::new(), small());
    log.prepare();
    log.append(b"its header states the longer file");
    log.sync();
    // Recovery extends the new file to that length by a hole.
    log.reopen(log.storage.crash(Crash::LoseAll));
    let segment = log.storage.contents(FIRST).expect("there").len() as u64;
    let position = log.opened.buffer.end().get();
    assert!(4096 + position + log.opened.room.bytes() < segment, "the hole is no room");
    for _ in 0..10 {
        log.append(&[1; 900]);
        log.sync();
    }
    let durable = log.sync();
    let removed = log.opened.preparer.remove_before(durable).expect("removes");
    assert_eq!((removed.segments, removed.recycled), (1, 0));
}
