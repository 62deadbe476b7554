//! What a thread that serves may write: little, and nothing that has to wait for a sync.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use millstream_engine::{Engine, LogPosition, Options, StringExpiry};
use millstream_log::memory_storage::{Crash, MemoryStorage, Operation};

use crate::dump::dump;
use crate::store::{Store, at, run, small};

/// Returns where the log ends then.
fn set(engine: &Engine, key: &[u8], bytes: usize) -> LogPosition {
    let value = Bytes::from(vec![b'v'; bytes]);
    run(engine, at(0), |txn| txn.set_string(0, key, value, StringExpiry::None)).1
}

#[test]
fn little_is_written_at_once_and_much_is_left() {
    let storage = Arc::new(MemoryStorage::new());
    let opened = Engine::open(storage, Options::default(), at(0), &mut |_| {}).expect("it opens");
    let (engine, mut commit, mut preparer) = (opened.engine, opened.commit, opened.preparer);
    preparer.step().expect("the disk is well");
    let end = set(&engine, b"k", 100);
    assert!(commit.small_write_step().expect("the disk is well"));
    assert!(!engine.has_records());
    assert_eq!(engine.written(), end);
    assert!(commit.small_write_step().expect("nothing to do"));

    let much = set(&engine, b"k", 300 << 10);
    assert!(!commit.small_write_step().expect("the disk is well"));
    assert_eq!(engine.written(), end, "all of it is left");
    assert!(commit.write_step().expect("the disk is well"));
    assert_eq!(engine.written(), much);
}

#[test]
fn what_has_to_wait_for_a_sync_is_left() {
    let disk = MemoryStorage::new();
    let mut options = small();
    options.log.segment_bytes = 32 << 10;
    options.log.zero_ahead_bytes = 8 << 10;
    let opened = Engine::open(Arc::new(disk.clone()), options, at(0), &mut |_| {});
    let opened = opened.expect("it opens");
    let (engine, mut commit, mut preparer) = (opened.engine, opened.commit, opened.preparer);
    let mut left = 0;
    for round in 0..400 {
        set(&engine, format!("k{round}").as_bytes(), 200);
        (0..64).for_each(|_| disk.fail(Operation::Sync, 0, ErrorKind::Other));
        let is_all = commit.small_write_step().expect("it needs no sync");
        disk.fail_no_more();
        assert_eq!(is_all, !engine.has_records());
        if !is_all {
            left += 1;
            assert!(commit.write_step().expect("the disk is well"));
        }
        preparer.step().expect("the disk is well");
    }
    assert!((2..40).contains(&left), "{left} of 400 were left");
    commit.sync_step().expect("the disk is well");
    let again = Store::open(disk.crash(Crash::LoseAll), at(0));
    assert_eq!(dump(again.engine()), dump(&engine));
}

/// Much is the commit thread's, so it wakes up although it was left to others.
#[test]
fn the_commit_thread_is_woken_for_what_is_much() {
    let storage = Arc::new(MemoryStorage::new());
    let opened = Engine::open(storage, Options::default(), at(0), &mut |_| {}).expect("it opens");
    let (engine, mut commit) = (opened.engine, opened.commit);
    commit.write_step().expect("the first record of the store");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| engine.wait_records(Duration::from_secs(3600)));
        let mut transaction = engine.lock(at(0));
        transaction.leave_commit();
        transaction.begin();
        let value = Bytes::from(vec![b'v'; 300 << 10]);
        transaction.set_string(0, b"k", value, StringExpiry::None);
        transaction.finish();
        drop(transaction);
        assert!(waiting.join().expect("it does not panic"));
    });
}
