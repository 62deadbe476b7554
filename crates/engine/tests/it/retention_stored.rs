//! Streams with a retention on disk: after restarts and crashes, with blocks that are not in
//! memory, on a full disk.

use bytes::Bytes;
use millstream_engine::{Engine, Prepared, StringExpiry, Transaction};
use millstream_log::memory_storage::Crash;

use crate::dump::dump;
use crate::entries::{fill, length};
use crate::groups::create;
use crate::pending::{pending, read_all};
use crate::retention::{add_bytes, ids, set};
use crate::store::{START_MS, Store, at, id, now, run, run_due};

/// Else the timer waits for room in the log.
fn prepare(store: &mut Store) {
    store.sync();
    while store.opened.preparer.step().expect("no poison") == Prepared::Grew {}
}

/// The timer asks for room where it finds none.
fn run_due_with_room(store: &mut Store, ms: u64) {
    run_due(store.engine(), at(ms));
    prepare(store);
    run_due(store.engine(), at(ms));
}

#[test]
fn copies_and_renamed_streams_keep_their_retention_and_its_times() {
    let mut store = Store::new();
    let engine = store.engine();
    fill(engine, 1..=2);
    set(engine, |it| it.max_age_ms = START_MS);
    now(engine, |txn| {
        txn.copy_key((0, b"s"), (0, b"copy"), false).expect("copies");
        let image = txn.dump(0, b"s").expect("all is in memory").expect("it is there");
        txn.restore(3, b"restored", &image, None, false).expect("it is an image");
        txn.rename(0, b"s", b"renamed", false).expect("renames");
        txn.move_key(0, 5, b"renamed");
        txn.swap_databases(3, 4);
        txn.set_string(2, b"flushed", Bytes::new(), StringExpiry::None);
        txn.flush(Some(2));
    });
    let lengths = |engine: &Engine, ms: u64| {
        run_due(engine, at(ms));
        let keys: [(u8, &[u8]); 3] = [(0, b"copy"), (4, b"restored"), (5, b"renamed")];
        now(engine, |txn| {
            keys.map(|(db, key)| {
                let stream = txn.stream(db, key).expect("a stream").expect("it is there");
                assert_eq!(stream.retention().expect("it is set").max_age_ms, START_MS);
                stream.entries().len()
            })
        })
    };
    assert_eq!(lengths(engine, 0), [2, 2, 2]);
    assert_eq!(lengths(engine, 1), [1, 1, 1]);
    store.sync();
    let again = Store::open(store.disk.clone(), at(1));
    assert_eq!(lengths(again.engine(), 1), [1, 1, 1]);
    assert_eq!(lengths(again.engine(), 2), [0, 0, 0]);
    now(again.engine(), |txn| txn.flush(None));
    run_due(again.engine(), at(3));
}

#[test]
fn after_a_crash_everything_is_as_it_was_and_goes_on() {
    let mut store = Store::new();
    create(store.engine());
    for ms in 1..=100 {
        add_bytes(store.engine(), ms, 20).expect("there is no limit");
    }
    read_all(store.engine(), "a", 0);
    set(store.engine(), |it| {
        it.max_age_ms = START_MS;
        it.max_bytes = 2000;
    });
    for with_checkpoint in [false, true] {
        if with_checkpoint {
            store.checkpoint();
        }
        let from_ms = if with_checkpoint { 20 } else { 0 };
        // In the middle of blocks, which are on disk only after a checkpoint.
        for ms in (from_ms..from_ms + 15).step_by(3) {
            run_due_with_room(&mut store, ms);
            store.sync();
            let before = dump(store.engine());
            store = store.crashed(Crash::LoseAll, at(ms));
            assert_eq!(dump(store.engine()), before);
            let left: Vec<_> = (1..=100).filter(|id| *id > ms).collect();
            assert_eq!(ids(store.engine()), left);
            assert_eq!(pending(store.engine()).len(), left.len());
        }
    }
    store.opened.checkpointer.check();
}

#[test]
fn a_block_on_disk_that_is_cut_is_read_with_the_engine_free() {
    let mut store = Store::new();
    fill(store.engine(), 1..=400);
    store.checkpoint();
    set(store.engine(), |it| it.max_age_ms = START_MS);
    let before = store.engine().storage_statistics();
    run_due_with_room(&mut store, 390);
    assert_eq!(length(store.engine()), 10);
    let after = store.engine().storage_statistics();
    assert_eq!(after.blocks_read, before.blocks_read + 1, "the one that is cut");
    assert_eq!(after.blocks_read_held, before.blocks_read_held);
}

#[test]
fn a_block_that_cannot_be_read_is_left_until_all_of_it_may_go() {
    let mut store = Store::new();
    fill(store.engine(), 1..=40);
    store.checkpoint();
    set(store.engine(), |it| it.max_age_ms = START_MS);
    prepare(&mut store);
    let names = store.disk.names().into_iter().filter(|name| name.ends_with(".blk"));
    for name in names.collect::<Vec<_>>() {
        for byte in (64..1024).step_by(60) {
            store.disk.flip_bit(&name, byte, 3);
        }
    }
    run_due_with_room(&mut store, 10);
    assert_eq!(length(store.engine()), 32, "8 went with their blocks");
    let before = store.engine().storage_statistics().blocks_read;
    for ms in 11..500 {
        assert!(!store.engine().run_due(at(ms), 64).has_more);
    }
    assert_eq!(store.engine().storage_statistics().blocks_read, before, "not again so soon");
    run_due_with_room(&mut store, 60_011);
    assert_eq!(length(store.engine()), 0, "it takes no look into any of them");
}

#[test]
fn bytes_are_known_without_reading_after_a_restart() {
    let mut store = Store::new();
    for ms in 1..=50 {
        add_bytes(store.engine(), ms, 10).expect("there is no limit");
    }
    now(store.engine(), |txn| txn.delete(0, b"s", &[id(2, 0)])).expect("deletes");
    set(store.engine(), |it| it.max_bytes = 490);
    store.checkpoint();
    store.sync();
    store = store.crashed(Crash::LoseAll, at(0));
    let bytes = |store: &Store| {
        now(store.engine(), |txn| {
            txn.stream(0, b"s").expect("a stream").expect("it is there").entries().payload_bytes()
        })
    };
    assert_eq!(bytes(&store), Some(490));
    assert_eq!(store.engine().storage_statistics().blocks_read, 0);
    add_bytes(store.engine(), 51, 1).expect("the oldest gives way");
    assert_eq!(bytes(&store), Some(481));
}

#[test]
fn bytes_that_nobody_counted_are_counted_before_they_are_limited() {
    let mut store = Store::new();
    for ms in 1..=50 {
        add_bytes(store.engine(), ms, 10).expect("there is no limit");
    }
    store.checkpoint();
    let crashed = store.crashed(Crash::LoseAll, at(0));
    set(crashed.engine(), |it| it.max_bytes = 490);
    assert!(crashed.engine().storage_statistics().blocks_read >= 12);
    run_due(crashed.engine(), at(0));
    assert_eq!(length(crashed.engine()), 49);
    // The limit is in the log, the checkpoint before it has no bytes.
    set(store.engine(), |it| it.max_bytes = 490);
    store.sync();
    let crashed = store.crashed(Crash::LoseAll, at(0));
    run_due(crashed.engine(), at(0));
    assert_eq!(length(crashed.engine()), 49);
    let crashed = store.crashed(Crash::LoseAll, at(0));
    add_bytes(crashed.engine(), 51, 490).expect("all others give way");
    assert_eq!(ids(crashed.engine()), [51]);
}

#[test]
fn on_a_full_disk_old_entries_stay_until_there_is_room() {
    let mut store = Store::new();
    fill(store.engine(), 1..=3);
    set(store.engine(), |it| it.max_age_ms = START_MS);
    prepare(&mut store);
    store.disk.set_capacity_bytes(Some(0));
    let room = store.engine().room().expect("it has a disk").clone();
    let mut end = store.sync();
    while room.admits(end, 100) {
        let set = |txn: &mut Transaction<'_>| {
            txn.set_string(0, b"k", Bytes::from_static(b"v"), StringExpiry::None)
        };
        end = run(store.engine(), at(0), set).1;
    }
    run_due(store.engine(), at(10));
    assert_eq!(length(store.engine()), 3);
    store.sync();
    assert!(room.limit() >= store.engine().written(), "nothing goes beyond prepared space");
    store.disk.set_capacity_bytes(None);
    prepare(&mut store);
    run_due(store.engine(), at(10));
    assert_eq!(length(store.engine()), 0);
}
