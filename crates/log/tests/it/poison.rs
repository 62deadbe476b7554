//! After the first failure nothing is written any more, and a restart trusts no page of a failed
//! sync.

use std::io::ErrorKind;

use millstream_log::memory_storage::{Crash, Operation};
use millstream_log::{AppendError, MemoryStorage, PrepareError};

use crate::harness::{Log, small};

fn assert_poisoned(log: &mut Log) {
    assert!(matches!(log.opened.committer.sync(), Err(AppendError::Poisoned { .. })));
    let idle = log.opened.committer.write_idle_header();
    assert!(matches!(idle, Err(AppendError::Poisoned { .. })));
    log.append(b"refused");
    let mut batch = log.opened.buffer.take().expect("a batch");
    let error = log.opened.committer.write(&mut batch).expect_err("refused");
    assert!(error.to_string().contains("until restart"), "{error}");
    assert!(matches!(log.opened.preparer.step(), Err(PrepareError::Poisoned { .. })));
    assert!(log.opened.room.poison_reason().is_some());
    log.records.pop();
}

#[test]
fn a_failed_sync_poisons_and_a_restart_writes_its_pages_again() {
    let mut log = Log::with(&[b"acknowledged"]);
    log.append(b"in doubt");
    log.write();
    log.storage.fail(Operation::Sync, 0, ErrorKind::Other);
    assert!(matches!(log.opened.committer.sync(), Err(AppendError::Io { .. })));
    assert_poisoned(&mut log);
    // The next process still sees the bytes. Having replayed them, it must not lose them in a power
    // cut.
    let expected = log.records.clone();
    log.reopen(log.storage.crash(Crash::KeepAll));
    assert_eq!(log.records, expected);
    log.reopen(log.storage.crash(Crash::LoseAll));
    assert_eq!(log.records, expected);
}

#[test]
fn a_failed_write_poisons() {
    for kind in [ErrorKind::Other, ErrorKind::StorageFull] {
        let mut log = Log::with(&[b"acknowledged"]);
        let expected = log.records.clone();
        log.storage.fail(Operation::Write, 0, kind);
        log.append(b"half written");
        let mut batch = log.opened.buffer.take().expect("a batch");
        let error = log.opened.committer.write(&mut batch).expect_err("fails");
        assert!(matches!(error, AppendError::Io { ref source, .. } if source.kind() == kind));
        assert_poisoned(&mut log);
        log.reopen(log.storage.crash(Crash::KeepAll));
        assert_eq!(log.records, expected);
    }
}

#[test]
fn a_failure_while_a_segment_is_begun_poisons_and_loses_nothing() {
    for operation in [Operation::Create, Operation::Rename, Operation::SyncDir, Operation::Sync] {
        let mut log = Log::with(&[&[1; 900][..]; 8]);
        let expected = log.records.clone();
        log.storage.fail(operation, 0, ErrorKind::Other);
        log.append(&[2; 900]);
        let mut batch = log.opened.buffer.take().expect("a batch");
        let error = log.opened.committer.write(&mut batch).expect_err("fails");
        assert!(matches!(error, AppendError::Io { .. }), "{operation:?}");
        assert_poisoned(&mut log);
        log.records.pop();
        for crash in [Crash::KeepAll, Crash::LoseAll, Crash::Random(1), Crash::Random(2)] {
            log.reopen(log.storage.crash(crash));
            assert_eq!(log.records, expected, "{operation:?} {crash:?}");
        }
    }
}

#[test]
fn a_failed_sync_of_the_preparer_poisons_only_the_current_segment() {
    let mut log = Log::new(&MemoryStorage::new(), small());
    log.storage.fail(Operation::Sync, 0, ErrorKind::Other);
    assert!(matches!(log.opened.preparer.step(), Err(PrepareError::Poisoned { .. })));
    assert_poisoned(&mut log);

    let mut log = Log::with(&[&[1; 900][..]; 6]);
    let spares = |log: &Log| log.storage.names().iter().filter(|n| n.ends_with(".spare")).count();
    while spares(&log) == 0 {
        log.opened.preparer.step().expect("prepares");
    }
    log.append(&[1; 700]);
    log.sync();
    log.opened.room.want(8 << 10);
    log.storage.fail(Operation::Sync, 0, ErrorKind::Other);
    assert!(matches!(log.opened.preparer.step(), Err(PrepareError::Io { .. })));
    assert_eq!(spares(&log), 0, "a spare whose pages are in doubt is thrown away");
    log.prepare();
    log.append(b"goes on");
    log.sync();
}

#[test]
fn a_recycled_segment_waits_for_its_directory_sync() {
    let mut log = Log::with(&[&[1; 900][..]; 12]);
    let durable = log.sync();
    log.storage.fail(Operation::SyncDir, 0, ErrorKind::Other);
    assert!(log.opened.preparer.remove_before(durable).is_err());
    let spare = log.storage.names().into_iter().find(|name| name.ends_with(".spare"));
    let spare = spare.expect("renamed, but perhaps not on disk");
    for _ in 0..12 {
        log.append(&[2; 900]);
        log.sync();
    }
    assert!(log.storage.names().contains(&spare), "used before its name was certain");
    log.checkpoint(durable);
    for _ in 0..12 {
        log.append(&[3; 900]);
        log.sync();
    }
    assert!(!log.storage.names().contains(&spare), "never used again");
}
