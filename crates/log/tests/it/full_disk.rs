//! A full disk: the preparer stops, admitted writes do not fail.

use std::io::ErrorKind;

use millstream_log::memory_storage::{Crash, Operation};
use millstream_log::{LogPosition, MemoryStorage, Prepared, Storage as _};

use crate::harness::{FIRST, Log, recover, small};

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

/// A full disk under a log with a torn tail: a batch that was lost, and one behind it that was not.
fn full_disk_without_a_spare(seed: u64) -> (MemoryStorage, usize) {
    let mut log = Log::with(&[&[1; 700][..]; 6]);
    log.sync();
    let acknowledged = log.records.len();
    for round in 0..5 {
        log.append(&[2 + round; 700]);
        log.write();
    }
    let crashed = log.storage.crash(Crash::Random(seed));
    for name in crashed.names() {
        if name.ends_with(".spare") {
            crashed.remove(&name).expect("it is there");
        }
    }
    crashed.set_capacity_bytes(Some(0));
    (crashed, acknowledged)
}

#[test]
fn a_start_on_a_full_disk_works_without_a_spare() {
    for seed in 0..200 {
        let (disk, acknowledged) = full_disk_without_a_spare(seed);
        let (mut opened, records) =
            recover(&disk, small(), LogPosition::ZERO).expect("reading needs no space");
        assert!(records.len() >= acknowledged, "{} records", records.len());
        let _full_or_a_hole_is_filled = opened.preparer.step().expect("no poison");
        // Space comes back: the log goes on behind what was recovered, and nothing of the torn tail
        // shows up behind that.
        disk.set_capacity_bytes(None);
        let mut log = Log { storage: disk, opened, records, from: LogPosition::ZERO };
        log.prepare();
        assert!(!log.opened.room.is_disk_full());
        log.append(&[9; 700]);
        log.sync();
        log.reopen(log.storage.crash(Crash::KeepAll));
    }
}

#[test]
fn a_crash_at_any_operation_of_a_start_on_a_full_disk_loses_nothing() {
    let (disk, acknowledged) = full_disk_without_a_spare(5);
    let expected = recover(&disk.crash(Crash::LoseAll), small(), LogPosition::ZERO);
    let expected = expected.expect("opens").1;
    disk.keep_images();
    recover(&disk, small(), LogPosition::ZERO).expect("opens");
    let images = disk.take_images();
    assert!(images.len() > 4);
    for (index, image) in images.iter().enumerate() {
        for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Random(1), Crash::Random(2)] {
            let after = image.crash(crash);
            after.set_capacity_bytes(Some(0));
            let records = recover(&after, small(), LogPosition::ZERO).expect("opens").1;
            assert!(records.len() >= acknowledged, "image {index} {crash:?}");
            assert_eq!(records, expected[..records.len()], "image {index} {crash:?}");
        }
    }
}
