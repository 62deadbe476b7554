//! What only whoever has the backend itself can see: reads that wait, answers, disks that fail.

mod hooked_storage;
mod trouble;

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use millstream_command::{encode, run};
use millstream_log::memory_storage::Operation;
use millstream_log::{MemoryStorage, Storage};
use millstream_resp::Protocol;
use redis::{cmd, pipe};

use super::*;
use crate::Abilities;

const READ: &str = "XREADGROUP GROUP g c BLOCK 60000 STREAMS s >";

fn command(line: &str) -> Cmd {
    let mut words = line.split(' ');
    let mut command = cmd(words.next().expect("a command"));
    words.for_each(|word| _ = command.arg(word));
    command
}

async fn ask(backend: &EmbeddedBackend, line: &str) -> Result<Value, Error> {
    backend.run(&command(line)).await
}

fn by_hand() -> (EmbeddedBackend, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    (EmbeddedBackend::for_tests(EngineClock::Manual(Arc::clone(&clock))), clock)
}

/// Goes as far as it can at once.
fn poll<T>(promise: &mut Promise<'_, T>) -> Poll<Result<T, Error>> {
    promise.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

async fn with_group() -> (EmbeddedBackend, Arc<ManualClock>) {
    let (backend, clock) = by_hand();
    ask(&backend, "XGROUP CREATE s g $ MKSTREAM").await.expect("a group");
    (backend, clock)
}

async fn pending(backend: &EmbeddedBackend) -> Value {
    let Ok(Value::Array(parts)) = ask(backend, "XPENDING s g").await else { panic!("no answer") };
    parts[0].clone()
}

#[tokio::test]
async fn a_read_waits_for_an_entry_and_for_the_end_of_its_time() {
    let (backend, clock) = with_group().await;
    let mut reader = backend.reader(b"s").await.expect("a reader");
    let read = command(READ);
    let mut reading = reader.read(&read, Duration::ZERO);
    assert!(poll(&mut reading).is_pending());
    ask(&backend, "XADD s 1-1 f v").await.expect("an id");
    let Poll::Ready(Ok(Value::Array(streams))) = poll(&mut reading) else { panic!("no entry") };
    assert_eq!(streams.len(), 1);
    drop(reading);
    let mut reading = reader.read(&read, Duration::ZERO);
    assert!(poll(&mut reading).is_pending());
    assert!(!backend.advance(&clock, 59_999).await);
    assert!(poll(&mut reading).is_pending());
    assert!(backend.advance(&clock, 70_000).await);
    assert!(matches!(poll(&mut reading), Poll::Ready(Ok(Value::Nil))));
}

#[tokio::test]
async fn a_read_that_is_dropped_gets_nothing_any_more() {
    let (backend, _) = with_group().await;
    let mut reader = backend.reader(b"s").await.expect("a reader");
    let read = command(READ);
    let mut reading = reader.read(&read, Duration::ZERO);
    assert!(poll(&mut reading).is_pending());
    drop(reading);
    ask(&backend, "XADD s 1-1 f v").await.expect("an id");
    assert_eq!(pending(&backend).await, Value::Int(0));
    let answer = reader.read(&read, Duration::ZERO).await.expect("an answer");
    assert_ne!(answer, Value::Nil);
    assert_eq!(pending(&backend).await, Value::Int(1));
}

#[tokio::test]
async fn a_wait_is_ended_by_its_number_even_before_it_begins() {
    let (backend, _) = with_group().await;
    let mut reader = backend.reader(b"s").await.expect("a reader");
    let read = command(READ);
    for is_before in [false, true, false] {
        let unblock = reader.unblock();
        if is_before {
            unblock.await.expect("nothing can fail");
            let answer = reader.read(&read, Duration::ZERO).await;
            assert!(matches!(answer, Ok(Value::Nil)));
            continue;
        }
        let mut reading = reader.read(&read, Duration::ZERO);
        assert!(poll(&mut reading).is_pending());
        unblock.await.expect("nothing can fail");
        assert!(matches!(poll(&mut reading), Poll::Ready(Ok(Value::Nil))));
    }
}

#[tokio::test]
async fn closing_ends_waits_and_everything_else() {
    let (backend, _) = with_group().await;
    let mut reader = backend.reader(b"s").await.expect("a reader");
    let read = command(READ);
    let mut reading = reader.read(&read, Duration::ZERO);
    assert!(poll(&mut reading).is_pending());
    // Whoever stops to wait for it does not stop it.
    drop(backend.close());
    tokio::task::yield_now().await;
    assert!(matches!(poll(&mut reading), Poll::Ready(Ok(Value::Nil))));
    drop(reading);
    backend.close().await.expect("it is closed");
    assert!(matches!(ask(&backend, "PING").await, Err(Error::Store(_))));
    assert!(matches!(reader.read(&read, Duration::ZERO).await, Err(Error::Store(_))));
}

#[tokio::test]
async fn a_transaction_is_done_as_a_whole_or_not_at_all() {
    let (backend, _) = by_hand();
    let mut two = pipe();
    two.atomic().add_command(command("XADD s 1-1 f v")).add_command(command("XLEN s"));
    let answers = backend.run_all(&two).await.expect("answers");
    assert_eq!(answers, [Value::BulkString(b"1-1".into()), Value::Int(1)]);
    let mut wrong = pipe();
    wrong.atomic().add_command(command("XADD s 2-1 f v")).add_command(command("NONSENSE"));
    let refused = backend.run_all(&wrong).await.expect_err("there is no such command");
    assert!(matches!(refused, Error::Refused { code, .. } if code == "ERR"));
    let mut own = pipe();
    own.atomic().add_command(command("XADD s 2-1 f v")).add_command(command("PING"));
    backend.run_all(&own).await.expect_err("PING is not about data");
    assert_eq!(ask(&backend, "XLEN s").await.expect("a length"), Value::Int(1));
}

/// Each reply as a value, and as what a client reads from a server.
#[test]
fn answers_are_those_of_a_server() {
    let engine = Engine::in_memory(&Options::default(), Clock::start().now());
    let lines = "\
XADD s 1-1 f v
XADD s 2-1 f v g w
XADD s 1-0 f v
XLEN s
XRANGE s - +
XREVRANGE s + - COUNT 1
XGROUP CREATE s g 0
XGROUP CREATE s g 0
XREADGROUP GROUP g c COUNT 1 STREAMS s >
XREADGROUP GROUP g c STREAMS s 0
XREADGROUP GROUP g d CLAIM 0 STREAMS s >
XREADGROUP GROUP nobody d STREAMS s >
XPENDING s g
XPENDING s g - + 10
XDEL s 1-1
XREADGROUP GROUP g d STREAMS s 0
XCLAIM s g e 0 2-1
XAUTOCLAIM s g f 0 0
XINFO STREAM s
XINFO STREAM s FULL
XINFO GROUPS s
XINFO CONSUMERS s g
XGROUP CFGSET s g VISIBILITY 1000
XREADGROUP GROUP g d STREAMS s >
XREAD STREAMS s 0
XREAD STREAMS t 0
KEYS *
SCAN 0
SET k v
GET k
GET x
MGET k x
INCR k
TYPE s
XLEN k
DEL k s";
    for line in lines.lines() {
        let command = command(line);
        let request = Request::new(&command).unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut txn = engine.lock(Clock::start().now());
        txn.begin();
        let answer = run(request.spec, &request.args, 0, false, &mut txn);
        txn.finish();
        let millstream_command::Answer::Reply(reply) = answer else { panic!("{line}: no reply") };
        let mut encoded = Vec::new();
        encode(&reply, Protocol::Resp2, &mut encoded);
        let read = redis::parse_redis_value(&encoded).and_then(Value::extract_error);
        match (value::value(reply), read.map_err(Error::from)) {
            (Ok(ours), Ok(theirs)) => assert_eq!(ours, theirs, "{line}"),
            (Err(ours), Err(theirs)) => assert_eq!(ours.to_string(), theirs.to_string(), "{line}"),
            (ours, theirs) => panic!("{line}: {ours:?} {theirs:?}"),
        }
    }
}

#[tokio::test]
async fn it_can_what_it_says_that_it_can() {
    let (backend, _) = by_hand();
    let found = Abilities::find_out(&backend).await.expect("answers");
    assert_eq!(found, Abilities::embedded());
}

#[tokio::test]
async fn after_a_sync_that_failed_every_call_says_so_and_what_was_confirmed_is_there() {
    let disk = MemoryStorage::new();
    let options = |disk: &MemoryStorage| StoreOptions {
        engine: Options::default(),
        directory: "".into(),
        storage: Some(Arc::new(disk.clone())),
        sync: SyncMode::Always,
        is_in_memory: false,
    };
    let backend = EmbeddedBackend::open(options(&disk)).expect("it opens");
    ask(&backend, "XADD s 1-1 f v").await.expect("an id");
    // More than one: the thread that prepares space may meet the first, which is no end.
    (0..64).for_each(|_| disk.fail(Operation::Sync, 0, io::ErrorKind::Other));
    let unknown = ask(&backend, "XADD s 2-1 f v").await.expect_err("the disk failed");
    assert!(unknown.to_string().contains("unknown"), "{unknown}");
    let mut reader = backend.reader(b"s");
    assert!(matches!(pin!(&mut reader).await, Err(Error::Store(_))));
    for line in ["XADD s 3-1 f v", "XLEN s", "PING"] {
        let refused = ask(&backend, line).await.expect_err("it is over");
        assert!(matches!(&refused, Error::Store(_)), "{line}: {refused}");
        assert!(!refused.is_temporary());
    }
    assert!(matches!(backend.close().await, Err(Error::Store(_))));
    let disk = disk.crash(millstream_log::memory_storage::Crash::LoseAll);
    let backend = EmbeddedBackend::open(options(&disk)).expect("it opens again");
    assert_eq!(
        ask(&backend, "XRANGE s 1-1 1-1").await.ok().map(|it| it == Value::Nil),
        Some(false)
    );
    let Ok(Value::Int(length)) = ask(&backend, "XLEN s").await else { panic!("no length") };
    assert!((1..=2).contains(&length), "{length}");
    backend.close().await.expect("it closes");
}
