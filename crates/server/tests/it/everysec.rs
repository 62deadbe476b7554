//! `everysec`: whoever serves writes, and is kept from serving by no sync.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use millstream_log::memory_storage::Operation;
use millstream_server::{Config, RunningServer, StopError, SyncMode};

use crate::client::{Client, LIMIT, show, start};
use crate::disk::{MOMENT, on};
use crate::gated_storage::{Done, GatedStorage};

const WORKER: &str = "millstream-worker";

fn is_by_worker(done: &Done) -> bool {
    done.thread == WORKER
}

/// A server with so many threads that serve, of which each client has the next one.
fn serve(storage: &GatedStorage, threads: usize) -> RunningServer {
    start(Config { threads: Some(threads), ..on(storage, SyncMode::Everysec) })
}

/// Sends one write after the other until one is not answered.
fn write_until_silent(client: &mut Client) {
    let value = "v".repeat(30_000);
    let deadline = Instant::now() + LIMIT;
    loop {
        client.send(&format!("SET k {value}"));
        if client.is_silent_for(MOMENT) {
            return;
        }
        assert_eq!(show(&client.read()), "OK");
        assert!(Instant::now() < deadline, "each write is answered");
    }
}

/// A sync that hangs keeps nobody from an answer: the write is with the system.
#[test]
fn a_slow_sync_each_second_holds_up_no_reply() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::Everysec));
    let mut client = Client::connect(&server);
    client.call("XADD s 1-1 a b");
    storage.close();
    // For longer than a second, so that a sync is under way.
    for id in 2..42 {
        assert!(client.is_silent_for(MOMENT));
        assert_eq!(client.shown(&format!("XADD s {id}-1 a b")), format!("{id}-1"));
    }
    storage.open_gate();
    server.shutdown().expect("everything is on disk");
}

#[test]
fn who_serves_writes_what_is_little_and_never_syncs() {
    let storage = GatedStorage::default();
    let server = serve(&storage, 2);
    let mut clients = [Client::connect(&server), Client::connect(&server)];
    storage.take_done();
    for round in 0..100 {
        let id = format!("{}-1", round + 1);
        assert_eq!(clients[round % 2].shown(&format!("XADD s {id} f v")), id);
    }
    assert!(storage.take_done().iter().any(is_by_worker));
    // Through several segments, with some values that are too large for it.
    for round in 0..200 {
        let value = "v".repeat(if round % 10 == 0 { 300_000 } else { 60_000 });
        assert_eq!(clients[round % 2].shown(&format!("SET k {value}")), "OK");
    }
    for done in storage.take_done().iter().filter(|done| is_by_worker(done)) {
        let written = done.written.as_ref().expect("a thread that serves has synced");
        assert!(written.len() <= 256 << 10, "{} bytes", written.len());
    }
    server.shutdown().expect("everything is on disk");
    let again = serve(&storage, 1);
    let mut client = Client::connect(&again);
    assert_eq!(client.shown("XLEN s"), "100");
    assert_eq!(client.shown("STRLEN k"), "60000");
}

/// Symptom: a full segment was synced by the thread that served, and nobody on it was answered.
#[test]
fn a_sync_that_a_full_segment_waits_for_keeps_nobody_else_from_an_answer() {
    let storage = GatedStorage::default();
    let server = serve(&storage, 1);
    let mut writer = Client::connect(&server);
    let mut other = Client::connect(&server);
    other.call("SET safe 1");
    // So that not much is left of the first segment, and the next one is prepared already.
    for _ in 0..110 {
        writer.call(&format!("SET k {}", "v".repeat(30_000)));
    }
    storage.close();
    write_until_silent(&mut writer);
    for _ in 0..20 {
        assert_eq!(other.shown("PING"), "PONG");
        assert_eq!(other.shown("GET safe"), "1");
    }
    storage.open_gate();
    assert_eq!(show(&writer.read()), "OK");
    server.shutdown().expect("everything is on disk");
}

#[test]
fn a_write_that_hangs_holds_up_the_clients_of_its_thread_alone() {
    let storage = GatedStorage::default();
    let server = serve(&storage, 2);
    let mut writer = Client::connect(&server);
    let mut other = Client::connect(&server);
    let mut waiting = Client::connect(&server);
    let mut stranger = Client::connect(&server);
    other.call("SET safe 1");
    // They share a thread: connections take turns.
    assert_eq!((writer.id() - waiting.id()) % 2, 0);
    storage.hold_writes_of(WORKER);
    write_until_silent(&mut writer);
    assert_eq!(other.shown("PING"), "PONG");
    other.send("SET k 2");
    assert!(other.is_silent_for(MOMENT), "it is not with the system");
    assert_eq!(stranger.shown("GET safe"), "1");
    waiting.send("PING");
    storage.hold_no_writes();
    assert_eq!(show(&writer.read()), "OK");
    assert_eq!(show(&other.read()), "OK");
    assert_eq!(show(&waiting.read()), "PONG");
    assert_eq!(stranger.shown("GET k"), "2");
}

/// What a first failed write leaves, in words.
fn words_after_a_failed_write(sync: SyncMode) -> Vec<String> {
    let storage = GatedStorage::default();
    let server = start(on(&storage, sync));
    let mut writer = Client::connect(&server);
    let mut other = Client::connect(&server);
    writer.call("XADD safe 1-1 a b");
    other.await_info("millstream_log_undurable_bytes", "0");
    (0..64).for_each(|_| storage.disk.fail(Operation::Write, 0, ErrorKind::Other));
    let mut words = vec![writer.shown("XADD s 1-1 a b"), writer.shown("PING")];
    other.await_info("millstream_poisoned", "1");
    words.push(other.info("millstream_poison_reason"));
    words.extend(["XADD safe 2-1 a b", "XLEN s", "XLEN safe"].map(|line| other.shown(line)));
    assert!(matches!(server.shutdown(), Err(StopError::Poisoned { .. })));
    words
}

#[test]
fn a_write_that_fails_is_told_as_by_the_commit_thread() {
    let words = words_after_a_failed_write(SyncMode::Everysec);
    assert!(words[0].starts_with("MISCONF the log cannot be written: the outcome"), "{words:?}");
    assert_eq!(words, words_after_a_failed_write(SyncMode::Always));
}

/// Nobody waits for a reply, and it is written as soon as if somebody did.
#[test]
fn what_is_not_answered_is_written_as_well() {
    let storage = GatedStorage::default();
    let server = serve(&storage, 1);
    let mut client = Client::connect(&server);
    client.send("CLIENT REPLY OFF");
    let mut writers = BTreeSet::new();
    // Now and then it is the turn of the thread that syncs each second.
    for round in 0..20 {
        let value = format!("unanswered-{round}-");
        storage.take_done();
        client.send(&format!("XADD s * f {value}"));
        let deadline = Instant::now() + LIMIT;
        let has_value = |done: &Done| {
            let written = done.written.as_deref().unwrap_or_default();
            written.windows(value.len()).any(|bytes| bytes == value.as_bytes())
        };
        loop {
            if let Some(done) = storage.take_done().into_iter().find(has_value) {
                writers.insert(done.thread);
                break;
            }
            assert!(Instant::now() < deadline, "it is not written");
            std::thread::sleep(Duration::from_micros(100));
        }
    }
    assert!(writers.contains(WORKER), "{writers:?}");
}

#[test]
fn a_reader_that_waits_on_another_thread_is_served() {
    let storage = GatedStorage::default();
    let server = serve(&storage, 2);
    let mut writer = Client::connect(&server);
    let mut reader = Client::connect(&server);
    writer.call("XGROUP CREATE s g $ MKSTREAM");
    for id in 1..=200 {
        reader.send("XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
        writer.await_info("blocked_clients", "1");
        writer.call(&format!("XADD s {id}-1 a b"));
        assert_eq!(show(&reader.read()), format!("[[s, [[{id}-1, [a, b]]]]]"));
    }
}

#[test]
fn what_is_saved_is_synced_whoever_has_written_it() {
    let storage = GatedStorage::default();
    let server = serve(&storage, 1);
    let mut client = Client::connect(&server);
    for id in 1..=50 {
        client.call(&format!("XADD s {id}-1 f v"));
        assert_eq!(client.shown("SAVE"), "OK");
        assert_eq!(client.info("millstream_log_undurable_bytes"), "0");
    }
    client.call("XADD s 51-1 f v");
    assert_eq!(client.shown("WAITAOF 1 0 0"), "[1, 0]");
    assert_eq!(client.info("millstream_log_undurable_bytes"), "0");
}

#[test]
fn many_writers_at_once_are_all_answered_and_nothing_is_lost() {
    const WRITERS: usize = 6;
    const EACH: usize = 400;
    let storage = GatedStorage::default();
    let server = serve(&storage, 2);
    let clients: Vec<Client> = (0..WRITERS).map(|_| Client::connect(&server)).collect();
    std::thread::scope(|scope| {
        for (writer, mut client) in clients.into_iter().enumerate() {
            scope.spawn(move || {
                for n in 0..EACH {
                    let value = "v".repeat(n * 131 % 3000);
                    let reply = client.shown(&format!("XADD s:{writer} {}-1 f {value}", n + 1));
                    assert_eq!(reply, format!("{}-1", n + 1));
                }
            });
        }
    });
    server.shutdown().expect("everything is on disk");
    let again = serve(&storage, 1);
    let mut client = Client::connect(&again);
    for writer in 0..WRITERS {
        assert_eq!(client.shown(&format!("XLEN s:{writer}")), EACH.to_string());
    }
}
