//! Disks that are full or slow, panics in the middle of work, futures that are dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use millstream_log::memory_storage::Crash;
use parking_lot::Mutex;

use super::hooked_storage::HookedStorage;
use super::*;

fn options(storage: Arc<dyn Storage>) -> StoreOptions {
    let mut engine = Options::default();
    engine.log.segment_bytes = 4 << 20;
    engine.log.zero_ahead_bytes = 1 << 20;
    engine.log.zero_step_bytes = 64 << 10;
    engine.log.head_bytes = 512 << 10;
    engine.log.reserve_bytes = 128 << 10;
    engine.blocks.reserve_bytes = 1 << 20;
    StoreOptions {
        engine,
        directory: "".into(),
        storage: Some(storage),
        sync: SyncMode::Always,
        is_in_memory: false,
    }
}

fn open_on(disk: &MemoryStorage) -> EmbeddedBackend {
    EmbeddedBackend::open(options(Arc::new(disk.clone()))).expect("it opens")
}

async fn engine_of(backend: &EmbeddedBackend) -> Engine {
    backend.host().await.expect("it is open").store.engine.clone()
}

fn is_store_error<T: std::fmt::Debug>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Store(_)))
}

/// Half of a change is made, and then there is a panic.
async fn panic_in_the_middle(backend: &EmbeddedBackend) {
    let engine = engine_of(backend).await;
    let command = command("XADD s 2-1 f v");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let request = Request::new(&command).expect("a command");
        let mut txn = engine.lock(Clock::start().now());
        txn.begin();
        _ = run(request.spec, &request.args, 0, false, &mut txn);
        panic!("on order");
    }));
    panicked.expect_err("it panicked");
}

#[tokio::test]
async fn after_a_panic_in_the_engine_all_calls_fail_and_nothing_of_it_is_kept() {
    let disk = MemoryStorage::new();
    let backend = open_on(&disk);
    ask(&backend, "XGROUP CREATE s g $ MKSTREAM").await.expect("a group");
    ask(&backend, "XADD s 1-1 f v").await.expect("an id");
    ask(&backend, "XREADGROUP GROUP g c STREAMS s >").await.expect("the entry");
    let mut reader = backend.reader(b"s").await.expect("a reader");
    let read = command("XREADGROUP GROUP g c BLOCK 86400000 STREAMS s >");
    let mut reading = reader.read(&read, Duration::ZERO);
    assert!(poll(&mut reading).is_pending());
    panic_in_the_middle(&backend).await;
    let waited = reading.await;
    assert!(is_store_error(&waited), "who waits is told: {waited:?}");
    for line in ["XADD s 3-1 f v", "XLEN s", "PING"] {
        let refused = ask(&backend, line).await.expect_err("it is over");
        assert!(matches!(&refused, Error::Store(_)), "{line}: {refused}");
        assert!(refused.to_string().contains("panic"), "{refused}");
    }
    let mut two = pipe();
    two.atomic().add_command(command("XADD s 4-1 f v"));
    assert!(is_store_error(&backend.run_all(&two).await));
    assert!(is_store_error(&reader.read(&read, Duration::ZERO).await));
    assert!(is_store_error(&backend.close().await));
    // No checkpoint of what was half done.
    let backend = open_on(&disk.crash(Crash::KeepAll));
    assert_eq!(ask(&backend, "XLEN s").await.expect("a length"), Value::Int(1));
    assert_eq!(pending(&backend).await, Value::Int(1));
    backend.close().await.expect("it closes");
}

/// Symptom: the guard of somebody's own panic used the store, and the store was lost with it.
#[tokio::test]
async fn a_panic_of_somebody_else_leaves_the_engine_usable() {
    struct Adds(Engine);
    impl Drop for Adds {
        fn drop(&mut self) {
            let mut txn = self.0.lock(Clock::start().now());
            txn.begin();
            txn.finish();
        }
    }
    let (backend, _) = by_hand();
    let adds = Adds(engine_of(&backend).await);
    catch_unwind(AssertUnwindSafe(|| {
        let _adds = adds;
        panic!("on order");
    }))
    .expect_err("it panicked");
    ask(&backend, "XADD s 1-1 f v").await.expect("an id");
}

/// Symptom: a panic on a thread of the store, and whoever waited for the log waited for ever.
#[tokio::test]
async fn a_thread_of_the_store_that_panics_leaves_nobody_waiting() {
    for name in ["millstream-commit", "millstream-preparer"] {
        let disk = MemoryStorage::new();
        let storage = HookedStorage::new(&disk, move |operation| {
            let is_it = thread::current().name() == Some(name);
            assert!(!(is_it && operation == Operation::Sync), "on order");
        });
        let backend = EmbeddedBackend::open(options(storage)).expect("it opens");
        // Some may find the room that there is at the start; one that is under way when it ends may
        // be refused in the words of the server.
        while backend.host().await.is_ok() {
            _ = ask(&backend, "XADD s * f v").await;
        }
        assert!(is_store_error(&ask(&backend, "XADD s * f v").await));
        assert!(is_store_error(&ask(&backend, "XLEN s").await));
        assert!(is_store_error(&backend.close().await));
    }
}

/// Symptom: a consumer that blocks for an hour heard of the failed disk an hour later.
#[tokio::test]
async fn who_waits_for_an_entry_is_told_when_the_log_fails() {
    let disk = MemoryStorage::new();
    let backend = open_on(&disk);
    ask(&backend, "XGROUP CREATE s g $ MKSTREAM").await.expect("a group");
    let mut reader = backend.reader(b"s").await.expect("a reader");
    let read = command("XREADGROUP GROUP g c BLOCK 86400000 STREAMS s >");
    let mut reading = reader.read(&read, Duration::ZERO);
    assert!(poll(&mut reading).is_pending());
    // A sync that fails may be the preparer's, which is no end.
    while backend.host().await.is_ok() {
        disk.fail(Operation::Sync, 0, io::ErrorKind::Other);
        _ = ask(&backend, "XADD t * f v").await;
    }
    assert!(is_store_error(&ask(&backend, "XADD t * f v").await));
    assert!(is_store_error(&reading.await));
}

#[tokio::test]
async fn on_a_full_disk_only_what_frees_space_runs_until_there_is_room() {
    let disk = MemoryStorage::new();
    let backend = open_on(&disk);
    ask(&backend, "XGROUP CREATE s g $ MKSTREAM").await.expect("a group");
    ask(&backend, "XADD s 1-1 f v").await.expect("an id");
    ask(&backend, "XREADGROUP GROUP g c STREAMS s >").await.expect("the entry");
    disk.set_capacity_bytes(Some(0));
    let value = "v".repeat(30_000);
    let mut written = 1;
    let refusal = loop {
        match ask(&backend, &format!("XADD s {}-1 f {value}", written + 1)).await {
            Ok(_) => written += 1,
            Err(refusal) => break refusal,
        }
        assert!(written < 2000, "the disk is never full");
    };
    assert!(refusal.to_string().contains("the disk is full"), "{refusal}");
    let mut two = pipe();
    two.atomic().add_command(command(&format!("XADD s * f {value}")));
    backend.run_all(&two).await.expect_err("it is full");
    assert_eq!(ask(&backend, "XLEN s").await.expect("a length"), Value::Int(written));
    assert_eq!(ask(&backend, "XACK s g 1-1").await.expect("a count"), Value::Int(1));
    disk.set_capacity_bytes(None);
    while let Err(full) = ask(&backend, "XADD s 9999-1 f v").await {
        assert!(matches!(&full, Error::Refused { code, .. } if code == "MISCONF"), "{full}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // It may be closed while it is full, and what was confirmed is there.
    disk.set_capacity_bytes(Some(0));
    backend.close().await.expect("it closes");
    disk.set_capacity_bytes(None);
    let backend = open_on(&disk.crash(Crash::LoseAll));
    assert_eq!(ask(&backend, "XLEN s").await.expect("a length"), Value::Int(written + 1));
    assert_eq!(pending(&backend).await, Value::Int(0));
}

/// Symptom: a command that needs more room than is prepared waited for ever where none could be.
#[tokio::test]
async fn a_command_for_which_no_room_can_be_prepared_is_refused() {
    let disk = MemoryStorage::new();
    let backend = open_on(&disk);
    ask(&backend, &format!("SET large {}", "v".repeat(700 << 10))).await.expect("it is set");
    // No file can be made any more, and not since the disk is full.
    (0..10_000).for_each(|_| disk.fail(Operation::Create, 0, io::ErrorKind::Other));
    for copy in 0.. {
        match ask(&backend, &format!("COPY large copy{copy}")).await {
            Ok(_) => assert!(copy < 100, "it is never refused"),
            Err(refused) => {
                assert!(matches!(refused, Error::Refused { .. }), "{refused}");
                break;
            }
        }
    }
    disk.fail_no_more();
}

/// A store whose entries are on disk only, where each read of them waits for the gate.
async fn with_gate(disk: &MemoryStorage) -> (EmbeddedBackend, Arc<HookedStorage>, Gate) {
    let backend = open_on(disk);
    for id in 1..=200 {
        ask(&backend, &format!("XADD s {id}-1 f {}", "v".repeat(4000))).await.expect("an id");
    }
    backend.close().await.expect("it closes");
    let (reach, reached) = mpsc::channel();
    let (open, opened) = mpsc::channel::<()>();
    let (reach, opened) = (Mutex::new(reach), Mutex::new(opened));
    let is_armed = Arc::new(AtomicBool::new(false));
    let armed = Arc::clone(&is_armed);
    let storage = HookedStorage::new(disk, move |operation| {
        if operation == Operation::Read && armed.load(Ordering::Acquire) {
            _ = reach.lock().send(());
            // Ends once the gate is dropped.
            _ = opened.lock().recv();
        }
    });
    let backend = EmbeddedBackend::open(options(storage.clone())).expect("it opens");
    is_armed.store(true, Ordering::Release);
    (backend, storage, Gate { reached, _open: open })
}

/// Open once it is dropped.
struct Gate {
    reached: mpsc::Receiver<()>,
    _open: mpsc::Sender<()>,
}

/// Symptom: a store that was closed could not be opened again, as if it were in use, since a read
/// that nobody waited for any more still had it.
#[tokio::test]
async fn a_read_that_was_dropped_does_not_keep_a_closed_store() {
    for closes in [true, false] {
        let disk = MemoryStorage::new();
        let (backend, storage, gate) = with_gate(&disk).await;
        let range = command("XRANGE s - +");
        let mut reading = backend.run(&range);
        assert!(poll(&mut reading).is_pending());
        gate.reached.recv().expect("it reads");
        drop(reading);
        // What does not wait is over by then.
        let opener = thread::spawn(move || {
            thread::sleep(Duration::from_millis(50));
            drop(gate);
        });
        if closes {
            backend.close().await.expect("it closes");
        }
        drop(backend);
        assert_eq!(Arc::strong_count(&storage), 1, "nobody has it any more");
        opener.join().expect("it opens the gate");
    }
}
