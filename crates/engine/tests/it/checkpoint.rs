//! Checkpoints: what they hold, what they let go, and what happens when they fail.

use std::io::ErrorKind;
use std::sync::Arc;

use millstream_engine::{
    AddRequest, CheckpointError, CheckpointStep, Engine, GroupPosition, LogPosition, NewId,
    OpenError, Storage, StringExpiry,
};
use millstream_log::memory_storage::{Crash, MemoryStorage, Operation};
use millstream_model::{EntryId, References, Rejection, TrimBy, TrimOptions};

use crate::dump::dump;
use crate::store::{Store, at, id, now, run, small};

fn add(store: &Store, key: &[u8], ms: std::ops::RangeInclusive<u64>) {
    for ms in ms {
        let request = AddRequest {
            id: NewId::Exactly(id(ms, 0)),
            no_create: false,
            trim: None,
            production: None,
        };
        let value = vec![b'v'; 40];
        now(store.engine(), |txn| txn.add(0, key, &request, &[b"f", &value])).expect("adds");
    }
}

fn trim_to(store: &Store, key: &[u8], length: u64) {
    let by = TrimBy::MaxLen(length);
    let options = TrimOptions { by, approximate: false, limit: None, references: References::Keep };
    now(store.engine(), |txn| txn.trim(0, key, &options)).expect("trims");
}

fn names(store: &Store, folder: &str) -> Vec<String> {
    store.disk.names().into_iter().filter(|name| name.starts_with(folder)).collect()
}

#[test]
fn after_a_checkpoint_nothing_is_replayed_and_the_log_is_short() {
    let mut store = Store::new();
    add(&store, b"s", 1..=400);
    now(store.engine(), |txn| txn.create_group(0, b"s", b"g", GroupPosition::End, false, None))
        .expect("creates");
    store.sync();
    assert!(names(&store, "log/").len() > 3);
    store.checkpoint();
    store.opened.checkpointer.check();
    let logs = names(&store, "log/").into_iter().filter(|name| name.ends_with(".log")).count();
    assert_eq!(logs, 1, "{:?}", store.disk.names());
    let before = dump(store.engine());
    let again = store.crashed(Crash::LoseAll, at(1));
    assert_eq!(again.opened.report.records, 0);
    assert_eq!(dump(again.engine()), before);
    again.opened.checkpointer.check();
}

#[test]
fn what_a_checkpoint_has_within_itself_keeps_no_write_waiting_after_a_start() {
    let mut store = Store::new();
    // Blocks that still grow are in the checkpoint, all together more than the cache.
    for key in 0..50_u8 {
        add(&store, &[key], 1..=1);
    }
    store.checkpoint();
    now(store.engine(), |_| ());
    assert!(!store.engine().is_memory_full());
    let mut again = store.crashed(Crash::LoseAll, at(1));
    now(again.engine(), |_| ());
    assert_eq!(again.checkpoint_step(true), CheckpointStep::Idle, "nothing changed");
    assert!(!again.engine().is_memory_full(), "no checkpoint would ever end that");
}

#[test]
fn a_small_change_makes_a_small_checkpoint() {
    let mut store = Store::new();
    for key in 0..200_u8 {
        add(&store, &[key], 1..=3);
    }
    store.checkpoint();
    let facts = || store.engine().storage_statistics();
    let full = facts().last_checkpoint_bytes;
    add(&store, b"\x05", 4..=4);
    now(store.engine(), |txn| txn.remove(0, b"\x06"));
    store.checkpoint();
    let delta = store.engine().storage_statistics().last_checkpoint_bytes;
    assert!(delta * 20 < full, "{delta} after {full}");
    assert_eq!(names(&store, "checkpoints/").len(), 2);
    let before = dump(store.engine());
    assert_eq!(dump(store.crashed(Crash::LoseAll, at(1)).engine()), before);
}

#[test]
fn a_checkpoint_shows_the_moment_it_was_begun_whatever_happens_meanwhile() {
    let mut store = Store::new();
    for key in [b"kept", b"gone", b"name", b"move", b"swap", b"grow"] {
        add(&store, key, 1..=30);
    }
    now(store.engine(), |txn| {
        txn.set_string(0, b"text", "one".into(), millstream_engine::StringExpiry::At(9_000_000));
    });
    store.sync();
    let before = dump(store.engine());
    assert_eq!(store.checkpoint_step(true), CheckpointStep::Working);
    now(store.engine(), |txn| {
        txn.remove(0, b"gone");
        txn.rename(0, b"name", b"other", false).expect("renames");
        txn.move_key(0, 3, b"move");
        txn.swap_databases(0, 5);
        txn.persist(5, b"text");
        txn.flush(Some(3));
    });
    now(store.engine(), |txn| txn.flush(Some(5)));
    while !matches!(store.checkpoint_step(false), CheckpointStep::Published(_)) {}
    // The log behind it was not written: a crash now leaves the checkpoint alone.
    let found = store.crashed(Crash::LoseAll, at(1));
    let records = found.opened.report.records;
    if records == 0 {
        assert_eq!(dump(found.engine()), before);
    }
    store.sync();
    let now_there = dump(store.engine());
    assert_eq!(dump(store.crashed(Crash::LoseAll, at(1)).engine()), now_there);
    store.checkpoint();
    store.opened.checkpointer.check();
    assert_eq!(dump(store.crashed(Crash::LoseAll, at(1)).engine()), now_there);
}

#[test]
fn trimming_gives_disk_space_back() {
    let mut store = Store::new();
    add(&store, b"s", 1..=2000);
    store.checkpoint();
    let full = names(&store, "blocks/").len();
    assert!(full > 10, "{full} files");
    trim_to(&store, b"s", 200);
    store.checkpoint();
    store.opened.checkpointer.check();
    let left = names(&store, "blocks/").len();
    assert!(left * 5 < full, "{left} of {full} files left");
    let before = dump(store.engine());
    assert_eq!(dump(store.crashed(Crash::LoseAll, at(1)).engine()), before);
}

#[test]
fn sparse_files_are_emptied_and_go() {
    let mut store = Store::new();
    // Blocks of two streams alternate in the files.
    for part in 0..100 {
        add(&store, b"kept", part * 4 + 1..=part * 4 + 4);
        add(&store, b"gone", part * 12 + 1..=part * 12 + 12);
        if part % 10 == 9 {
            store.checkpoint();
        }
    }
    store.checkpoint();
    let full = store.engine().storage_statistics().files;
    now(store.engine(), |txn| txn.remove(0, b"gone"));
    let _ = store.engine().run_due(at(1), 10);
    store.checkpoint();
    for _ in 0..10_000 {
        if store.checkpoint_step(false) == CheckpointStep::Idle {
            break;
        }
    }
    store.opened.checkpointer.check();
    let left = store.engine().storage_statistics().files;
    assert!(left.bytes * 2 < full.bytes, "{left:?} of {full:?}");
    assert!(left.bytes < left.live_bytes * 2 + 4096, "{left:?}");
    let before = dump(store.engine());
    assert_eq!(dump(store.crashed(Crash::LoseAll, at(1)).engine()), before);
}

#[test]
fn a_failed_checkpoint_loses_nothing_and_is_made_up_for() {
    use Operation::{Create, Remove, Rename, Sync, SyncDir, Write};
    for operation in [Create, Write, Sync, Rename, SyncDir, Remove] {
        for after in 0..4 {
            let mut store = Store::new();
            add(&store, b"s", 1..=100);
            store.checkpoint();
            add(&store, b"s", 101..=200);
            trim_to(&store, b"s", 120);
            store.sync();
            let before = dump(store.engine());
            store.disk.fail(operation, after, ErrorKind::StorageFull);
            let mut failed = false;
            for _ in 0..1000 {
                match store.opened.checkpointer.step(true) {
                    Ok(CheckpointStep::Published(_) | CheckpointStep::Idle) => break,
                    Ok(_) => {}
                    Err(error) => {
                        // Else it was published, and what it replaced could not be removed.
                        failed = matches!(error, CheckpointError::Write(_));
                        assert!(!error.to_string().is_empty());
                        break;
                    }
                }
            }
            store.disk.fail_no_more();
            let what = format!("{operation:?} {after}");
            for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Random(after)] {
                assert_eq!(dump(store.crashed(crash, at(1)).engine()), before, "{what} {crash:?}");
            }
            assert_eq!(dump(store.engine()), before, "{what}");
            assert_eq!(store.engine().storage_statistics().has_checkpoint_failed, failed, "{what}");
            add(&store, b"s", 201..=210);
            store = Store { disk: store.disk.clone(), ..store };
            store.checkpoint();
            store.opened.checkpointer.check();
            let before = dump(store.engine());
            assert_eq!(dump(store.crashed(Crash::LoseAll, at(1)).engine()), before, "{what}");
        }
    }
}

/// Bytes of all files.
fn used_bytes(disk: &MemoryStorage) -> u64 {
    let bytes_of = |name: &String| disk.contents(name).map_or(0, |contents| contents.len());
    let sectors = disk.names().iter().map(|name| bytes_of(name).div_ceil(512)).sum::<usize>();
    sectors as u64 * 512
}

/// Steps until a checkpoint is published or fails for want of space; whether it is published.
fn try_checkpoint(store: &mut Store) -> bool {
    for _ in 0..100_000 {
        match store.opened.checkpointer.step(true) {
            Ok(CheckpointStep::Published(_)) => return true,
            Ok(CheckpointStep::WaitsForLog(_)) => _ = store.sync(),
            Ok(_) => {}
            Err(error) => {
                assert!(error.is_disk_full(), "{error}");
                return false;
            }
        }
    }
    panic!("it has an end");
}

#[test]
fn checkpoints_that_find_no_space_leave_the_reserve_to_the_next() {
    const RESERVE: u64 = 6 << 20;
    let disk = MemoryStorage::new();
    let mut options = small();
    options.log.segment_bytes = 1 << 20;
    options.blocks.reserve_bytes = RESERVE;
    options.blocks.file_bytes = 1 << 20;
    let opened = Engine::open(Arc::new(disk.clone()), options, at(0), &mut |_| ()).expect("opens");
    let mut store = Store { disk, opened };
    // What does not compress.
    let mut noise = 1_u64;
    let mut next_byte = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise >> 32) as u8
    };
    for ms in 1..=500 {
        let request = AddRequest {
            id: NewId::Exactly(id(ms, 0)),
            no_create: false,
            trim: None,
            production: None,
        };
        let value: Vec<u8> = (0..20_000).map(|_| next_byte()).collect();
        now(store.engine(), |txn| txn.add(0, b"s", &request, &[b"f", &value])).expect("adds");
        store.sync();
    }
    // For less than a part of it.
    store.disk.set_capacity_bytes(Some(used_bytes(&store.disk) + (1 << 20)));
    for _ in 0..3 {
        assert!(!try_checkpoint(&mut store), "10 MB do not fit into 7");
        assert!(store.opened.checkpointer.keep_reserve().expect("the disk works"));
    }
    trim_to(&store, b"s", 200);
    assert!(try_checkpoint(&mut store), "4 MB fit");
    store.opened.checkpointer.check();
    let before = dump(store.engine());
    assert_eq!(dump(store.crashed(Crash::LoseAll, at(1)).engine()), before);
}

fn open_error(disk: MemoryStorage) -> OpenError {
    let storage: Arc<dyn Storage> = Arc::new(disk);
    match Engine::open(storage, small(), at(1), &mut |_| ()) {
        Ok(_) => panic!("it is damaged"),
        Err(error) => error,
    }
}

#[test]
fn damage_in_a_checkpoint_is_refused_by_file_and_byte() {
    let mut store = Store::new();
    add(&store, b"s", 1..=20);
    store.checkpoint();
    for name in names(&store, "checkpoints/") {
        let disk = store.disk.crash(Crash::LoseAll);
        assert!(disk.flip_bit(&name, 100, 3));
        let error = open_error(disk);
        let OpenError::Damaged { path, .. } = &error else { panic!("{error}") };
        assert!(path.ends_with(&name), "{error}");
    }
}

#[test]
fn a_missing_block_file_is_refused_and_a_damaged_block_is_told_to_whoever_needs_it() {
    let mut store = Store::new();
    add(&store, b"s", 1..=100);
    add(&store, b"other", 1..=2);
    store.checkpoint();
    let blocks = names(&store, "blocks/");
    let disk = store.disk.crash(Crash::LoseAll);
    assert!(disk.flip_bit(&blocks[0], 64 + 40, 3));
    let damaged = Store::open(disk, at(1));
    let all = (EntryId::MIN, EntryId::MAX, usize::MAX);
    let range = run(damaged.engine(), at(1), |txn| txn.load_value(0, b"s")).0;
    let Err(Rejection::BlockUnreadable { reason }) = range else { panic!("{range:?}") };
    assert!(reason.contains(&blocks[0]), "{reason}");
    let direction = millstream_model::Direction::Descending;
    let last = run(damaged.engine(), at(1), |txn| {
        let slice = txn.range(0, b"s", all.0, all.1, 2, direction);
        slice.expect("that block is intact").expect("the key is there").len()
    });
    assert_eq!(last.0, 2);
    let disk = store.disk.crash(Crash::LoseAll);
    Storage::remove(&disk, &blocks[0]).expect("removes");
    let error = open_error(disk);
    assert!(error.to_string().contains(&blocks[0]), "{error}");
}

#[test]
fn a_start_without_its_checkpoint_is_refused_and_takes_no_block_away() {
    let mut store = Store::new();
    add(&store, b"s", 1..=100);
    store.checkpoint();
    add(&store, b"s", 101..=200);
    store.checkpoint();
    let before = dump(store.engine());
    let checkpoints = names(&store, "checkpoints/");
    for missing in 1..=checkpoints.len() {
        let disk = store.disk.crash(Crash::LoseAll);
        let all = disk.names();
        // The newest ones, as after an incomplete copy from elsewhere.
        for name in &checkpoints[checkpoints.len() - missing..] {
            Storage::remove(&disk, name).expect("removes");
        }
        let error = open_error(disk.clone());
        assert!(matches!(error, OpenError::Missing { .. }), "{error}");
        for name in &checkpoints {
            disk.set_contents(name, store.disk.contents(name).expect("it is there"));
        }
        assert_eq!(disk.names(), all);
        assert_eq!(dump(Store::open(disk, at(1)).engine()), before);
    }
}

/// Logs and writes one string; returns where the log ends.
fn set(store: &mut Store, key: usize) -> LogPosition {
    let value = bytes::Bytes::from(vec![b'v'; 200]);
    let key = format!("k{key}").into_bytes();
    now(store.engine(), |txn| txn.set_string(0, &key, value, StringExpiry::None));
    store.write()
}

/// A full checkpoint was made of many strings.
fn with_large_checkpoint() -> Store {
    let mut store = Store::new();
    for key in 0..200 {
        set(&mut store, key);
    }
    store.checkpoint();
    store
}

/// Symptom: where a checkpoint was larger than what makes one due, each one hurried, and syncs of
/// the log stood behind its bytes.
#[test]
fn a_large_checkpoint_is_in_no_more_hurry_than_a_small_one() {
    let mut store = with_large_checkpoint();
    let begun = store.engine().checkpointed();
    let large = store.engine().storage_statistics().last_checkpoint_bytes;
    assert!(large > 10 * small().blocks.checkpoint_log_bytes, "{large} bytes");
    let mut key = 0;
    while set(&mut store, key).since(begun) <= large {
        assert!(!store.engine().is_log_long());
        key += 1;
    }
    // Due now, and it fails.
    store.disk.fail(Operation::Create, 0, ErrorKind::Other);
    store.opened.checkpointer.step(false).expect_err("it cannot be created");
    assert!(!store.engine().is_log_long());
    while set(&mut store, key).since(begun) <= 2 * large {
        assert_eq!(store.engine().overdue_checkpoints(), 1);
        key += 1;
    }
    assert!(store.engine().is_log_long());
    while set(&mut store, key).since(begun) < 4 * large {
        key += 1;
    }
    assert_eq!(store.engine().overdue_checkpoints(), 4);
    // The same after a start.
    let again = store.crashed(Crash::KeepAll, at(0));
    assert!(again.engine().is_log_long());
    store.checkpoint();
    assert!(!store.engine().is_log_long());
}

/// Symptom: after a small checkpoint a large one was in a hurry again, and its first failure was
/// the end of writes.
#[test]
fn a_large_checkpoint_after_a_small_one_is_in_no_hurry_either() {
    let mut store = with_large_checkpoint();
    let large = store.engine().storage_statistics().last_checkpoint_bytes;
    set(&mut store, 0);
    store.checkpoint();
    let small = store.engine().storage_statistics().last_checkpoint_bytes;
    assert!(small < large / 10, "{small} bytes are a delta, {large} a full one");
    // One that fails makes the next one full.
    let begun = store.engine().checkpointed();
    set(&mut store, 0);
    store.disk.fail(Operation::Create, 0, ErrorKind::Other);
    store.opened.checkpointer.step(true).expect_err("it cannot be created");
    while set(&mut store, 1).since(begun) <= 2 * large {
        assert!(!store.engine().is_log_long());
        assert!(store.engine().overdue_checkpoints() <= 2);
    }
    // What makes it due is as before: it is tried again at once.
    store.disk.fail(Operation::Create, 0, ErrorKind::Other);
    store.opened.checkpointer.step(false).expect_err("it cannot be created");
    store.checkpoint();
    assert_eq!(store.engine().overdue_checkpoints(), 0);
    assert!(!store.engine().is_log_long());
}
