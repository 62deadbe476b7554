//! Panics in what the server cannot do without: they end the process where that was asked for, and
//! are known to everybody where it was not.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output};

use millstream_server::{Config, DebugAccess, StopError, SyncMode};

use crate::client::{Client, start};
use crate::disk::on;
use crate::gated_storage::GatedStorage;

/// Set where a test runs in a process that it may end.
const OWN_PROCESS: &str = "MILLSTREAM_TEST_OWN_PROCESS";
const ABORTED: i32 = 6;

/// Runs the test of this name once more, alone. `None`: that is what runs now.
fn in_own_process(test: &str) -> Option<Output> {
    if std::env::var_os(OWN_PROCESS).is_some() {
        return None;
    }
    let own = std::env::current_exe().expect("the path of this program");
    let mut command = Command::new(own);
    command.args(["--exact", test, "--nocapture"]).env(OWN_PROCESS, "1");
    Some(command.output().expect("it runs"))
}

fn assert_aborted(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.signal(), Some(ABORTED), "{}: {said}", output.status);
    assert_eq!(said.matches("panicked at").count(), 1, "one fault is one panic: {said}");
}

fn with_debug() -> Config {
    Config { debug: DebugAccess::Yes, ..on(&GatedStorage::default(), SyncMode::Always) }
}

/// Has this thread panic by a write, and waits for the end of the process.
fn write_until_the_end(sync: SyncMode, thread: &'static str) {
    let storage = GatedStorage::default();
    let server = start(Config { abort_on_panic: true, ..on(&storage, sync) });
    let mut client = Client::connect(&server);
    client.call("XADD s 1-1 a b");
    storage.panic_in(thread);
    client.send("XADD s 2-1 a b");
    client.read_to_end();
}

/// Symptom: reads were answered from memory that nobody vouched for any more.
#[test]
fn a_panic_of_the_commit_thread_ends_the_process() {
    match in_own_process("faults::a_panic_of_the_commit_thread_ends_the_process") {
        Some(output) => assert_aborted(&output),
        None => write_until_the_end(SyncMode::Always, "millstream-commit"),
    }
}

/// Symptom: see `no_write_is_taken_when_the_thread_that_syncs_is_gone`.
#[test]
fn a_panic_of_the_thread_that_syncs_ends_the_process() {
    match in_own_process("faults::a_panic_of_the_thread_that_syncs_ends_the_process") {
        Some(output) => assert_aborted(&output),
        None => write_until_the_end(SyncMode::Everysec, "millstream-sync"),
    }
}

/// Symptom: a task that panicked was gone, and the server went on without it.
#[test]
fn a_panic_of_a_task_of_the_server_ends_the_process() {
    let test = "faults::a_panic_of_a_task_of_the_server_ends_the_process";
    if let Some(output) = in_own_process(test) {
        return assert_aborted(&output);
    }
    let server = start(Config { abort_on_panic: true, ..with_debug() });
    let mut client = Client::connect(&server);
    client.send("DEBUG PANIC CONTROL");
    client.read_to_end();
}

/// Symptom: with `everysec` nothing was synced any more, and nobody was told.
#[test]
fn no_write_is_taken_when_the_thread_that_syncs_is_gone() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::Everysec));
    let mut client = Client::connect(&server);
    storage.panic_in("millstream-sync");
    assert_eq!(client.shown("XADD s 1-1 a b"), "1-1");
    client.await_info("millstream_poisoned", "1");
    assert_eq!(client.info("millstream_poison_reason"), "thread commit panicked");
    assert!(client.shown("XADD s 2-1 a b").starts_with("MISCONF "));
    assert!(matches!(server.shutdown(), Err(StopError::Poisoned { .. })));
}

#[test]
fn no_write_is_taken_when_a_task_of_the_server_is_gone() {
    let server = start(with_debug());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("DEBUG PANIC CONTROL"), "OK");
    client.await_info("millstream_poisoned", "1");
    assert_eq!(client.info("millstream_poison_reason"), "task debug panicked");
    assert!(client.shown("XADD s 1-1 a b").starts_with("MISCONF "));
}

#[test]
fn a_panic_of_a_connection_ends_that_connection_only() {
    let test = "faults::a_panic_of_a_connection_ends_that_connection_only";
    if let Some(output) = in_own_process(test) {
        let said = String::from_utf8_lossy(&output.stderr);
        return assert!(output.status.success(), "{said}");
    }
    let server = start(Config { abort_on_panic: true, ..with_debug() });
    let mut client = Client::connect(&server);
    client.send("DEBUG PANIC CONNECTION");
    assert!(client.read_to_end().is_empty());
    assert_eq!(Client::connect(&server).info("millstream_poisoned"), "0");
    server.shutdown().expect("it ends well");
}
