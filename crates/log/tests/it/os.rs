//! A real directory.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use millstream_log::{LogOptions, LogPosition, OpenError, OsStorage, Prepared};

use crate::harness::recover_on;

const CHILD_DIRECTORY: &str = "MILLSTREAM_TEST_LOCKED_DIRECTORY";

#[test]
fn records_survive_on_a_real_disk() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut options = LogOptions::default();
    options.segment_bytes = 1 << 20;
    options.zero_ahead_bytes = 256 << 10;
    options.zero_step_bytes = 128 << 10;
    let mut logged = Vec::new();
    for start in 0..3u8 {
        let storage = Arc::new(OsStorage::open(directory.path()).expect("opens"));
        let (mut log, records) =
            recover_on(storage, options.clone(), LogPosition::ZERO).expect("recovers");
        assert!(records == logged);
        assert_eq!(log.report.created_new, start == 0);
        for number in 0..20u8 {
            let value = vec![number; 70_000 + usize::from(number)];
            let mut record = log.buffer.record();
            record.put_shared(Bytes::from(value.clone()));
            let end = record.finish();
            let mut batch = log.buffer.take().expect("a batch");
            log.committer.write(&mut batch).expect("writes");
            assert_eq!(log.committer.sync().expect("syncs"), end);
            log.buffer.give_back(batch);
            while log.preparer.step().expect("prepares") == Prepared::Grew {}
            let mut bytes = vec![value.len() as u8 | 0x80, (value.len() >> 7) as u8 | 0x80];
            bytes.push((value.len() >> 14) as u8);
            bytes.extend(value);
            logged.push((end, bytes));
        }
    }
    let storage = Arc::new(OsStorage::open(directory.path()).expect("opens"));
    let from = logged[50].0;
    let (mut log, records) = recover_on(storage, options, from).expect("recovers");
    assert!(records == logged[51..]);
    let removed = log.preparer.remove_before(from).expect("removes");
    assert!(removed.segments >= 2, "{removed:?}");
    assert_eq!(removed.recycled, 0, "segments of an earlier run may have holes");
}

/// The preparer zeroes the space that the committer is about to fill, on another thread.
#[test]
fn preparer_and_committer_do_not_get_in_each_others_way() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut options = LogOptions::default();
    options.segment_bytes = 256 << 10;
    options.head_bytes = 0;
    options.zero_ahead_bytes = 64 << 10;
    options.zero_step_bytes = 8 << 10;
    let open = || Arc::new(OsStorage::open(directory.path()).expect("opens"));
    let (mut log, _) = recover_on(open(), options.clone(), LogPosition::ZERO).expect("recovers");
    let mut logged = Vec::new();
    std::thread::scope(|scope| {
        let room = log.room.clone();
        let preparer = scope.spawn(|| {
            let mut steps = 0;
            let started = Instant::now();
            while log.room.limit().get() < 2_400_000 && started.elapsed().as_secs() < 60 {
                steps += usize::from(log.preparer.step().expect("prepares") == Prepared::Grew);
                std::thread::yield_now();
            }
            steps
        });
        for number in 0..1200u64 {
            let value = vec![number as u8; 2000];
            let mut record = log.buffer.record();
            record.put_slice(&value);
            logged.push((record.finish(), value));
            let mut batch = log.buffer.take().expect("a batch");
            log.committer.write(&mut batch).expect("writes");
            log.buffer.give_back(batch);
            if number % 16 == 0 {
                log.committer.sync().expect("syncs");
                // However the threads are scheduled, the preparer gets its turns while it runs.
                while room.bytes() < 8 << 10 && !preparer.is_finished() {
                    std::thread::yield_now();
                }
            }
        }
        assert!(preparer.join().expect("the preparer ends") > 10);
    });
    drop(log);
    let records = recover_on(open(), options, LogPosition::ZERO).expect("recovers").1;
    assert!(records == logged);
}

#[test]
fn a_directory_has_one_owner() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let owner = OsStorage::open(directory.path()).expect("opens");
    match OsStorage::open(directory.path()).expect_err("the same process") {
        OpenError::Locked { directory: locked, pid } => {
            assert_eq!(locked, owner.directory());
            assert_eq!(pid, Some(std::process::id()));
        }
        other => panic!("{other}"),
    }
    let child = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "os::a_second_process_is_refused", "--test-threads", "1"])
        .env(CHILD_DIRECTORY, directory.path())
        .output()
        .expect("starts");
    assert!(child.status.success(), "{child:?}");
    drop(owner);
    OsStorage::open(directory.path()).expect("opens once it is free");
}

/// The other half of the test above; alone it has nothing to do.
#[test]
fn a_second_process_is_refused() {
    let Some(directory) = std::env::var_os(CHILD_DIRECTORY) else { return };
    let error = OsStorage::open(directory).expect_err("the parent has it");
    assert!(matches!(error, OpenError::Locked { pid: Some(_), .. }), "{error}");
    assert!(error.to_string().contains("in use by process"), "{error}");
}
