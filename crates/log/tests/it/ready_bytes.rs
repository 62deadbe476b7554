//! What is ready is written without a sync, and no more is called ready.

use std::io::ErrorKind;

use millstream_log::memory_storage::Operation;

use crate::harness::Log;

/// Every sync fails from now on.
fn fail_syncs(log: &Log) {
    for operation in [Operation::Sync, Operation::SyncDir] {
        (0..64).for_each(|_| log.storage.fail(operation, 0, ErrorKind::Other));
    }
}

#[test]
fn what_is_ready_needs_no_sync_and_a_full_segment_is_not_ready() {
    let mut log = Log::with(&[b"acknowledged"]);
    log.prepare();
    fail_syncs(&log);
    let mut written = 0;
    let mut batch = loop {
        log.append(&[7; 300]);
        let mut batch = log.opened.buffer.take().expect("a batch");
        let ready = log.opened.committer.ready_bytes();
        if batch.bytes() as u64 > ready {
            break batch;
        }
        log.opened.committer.write(&mut batch).expect("it is ready");
        assert_eq!(log.opened.committer.ready_bytes(), ready - batch.bytes() as u64);
        written += 1;
    };
    assert!(written > 5, "only {written} batches were ready");
    // Up to the end of what was prepared it needed none; from there on it may.
    log.storage.fail_no_more();
    log.opened.committer.write(&mut batch).expect("the disk is well again");
}

#[test]
fn the_next_segment_is_not_ready_before_it_was_begun() {
    let mut log = Log::with(&[b"acknowledged"]);
    log.prepare();
    // Room is prepared in the next segment already.
    while log.opened.committer.ready_bytes() > 400 {
        log.append(&[7; 300]);
        log.write();
        log.prepare();
    }
    let names = log.storage.names();
    fail_syncs(&log);
    log.append(&[7; 600]);
    let mut batch = log.opened.buffer.take().expect("a batch");
    assert!(batch.bytes() as u64 > log.opened.committer.ready_bytes());
    log.opened.committer.write(&mut batch).expect_err("a new segment needs syncs");
    assert_eq!(log.storage.names(), names);
}
