//! A sync beside further writes covers what was written before it was begun, and no more.

use std::io::ErrorKind;

use millstream_log::AppendError;
use millstream_log::memory_storage::{Crash, Operation};

use crate::harness::Log;

#[test]
fn what_was_written_before_survives_and_what_came_after_is_not_called_durable() {
    let mut log = Log::with(&[b"acknowledged"]);
    log.append(b"before");
    log.write();
    let before = log.records.clone();
    let end_before = log.opened.committer.written();
    let sync = log.opened.committer.begin_sync().expect("something is not durable");
    log.append(b"meanwhile");
    log.write();
    let synced = sync.run().expect("the disk is fine");
    assert_eq!(log.opened.committer.end_sync(synced), end_before);
    assert!(log.opened.committer.durable() < log.opened.committer.written());
    log.reopen(log.storage.crash(Crash::LoseAll));
    assert!(log.records.starts_with(&before), "what was called durable is there");
}

#[test]
fn it_may_end_after_the_segment_it_belongs_to() {
    let mut log = Log::with(&[b"acknowledged"]);
    log.append(b"before");
    log.write();
    let sync = log.opened.committer.begin_sync().expect("something is not durable");
    for _ in 0..40 {
        log.append(&[7; 900]);
        log.write();
    }
    let durable = log.opened.committer.durable();
    let synced = sync.run().expect("the disk is fine");
    assert_eq!(log.opened.committer.end_sync(synced), durable, "rotation had synced it before");
    log.opened.committer.sync().expect("the disk is fine");
    let expected = log.records.clone();
    log.reopen(log.storage.crash(Crash::LoseAll));
    assert_eq!(log.records, expected);
}

#[test]
fn its_failure_poisons_the_committer() {
    let mut log = Log::with(&[b"acknowledged"]);
    log.append(b"in doubt");
    log.write();
    let sync = log.opened.committer.begin_sync().expect("something is not durable");
    log.storage.fail(Operation::Sync, 0, ErrorKind::Other);
    assert!(matches!(sync.run(), Err(AppendError::Io { .. })));
    assert!(matches!(log.opened.committer.sync(), Err(AppendError::Poisoned { .. })));
}
