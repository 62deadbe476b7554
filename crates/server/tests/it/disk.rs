//! A disk that is slow, broken, or full.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use millstream_log::memory_storage::Operation;
use millstream_server::{Config, StopError, SyncMode};

use crate::client::{Client, command, memory, show, start};
use crate::gated_storage::GatedStorage;

pub(crate) const MOMENT: Duration = Duration::from_millis(40);

pub(crate) fn on(storage: &GatedStorage, sync: SyncMode) -> Config {
    let mut config =
        Config { memory: false, storage: Some(Arc::new(storage.clone())), sync, ..memory() };
    config.log.segment_bytes = 4 << 20;
    config.log.zero_ahead_bytes = 1 << 20;
    config.log.zero_step_bytes = 64 << 10;
    config.log.head_bytes = 512 << 10;
    config.log.reserve_bytes = 128 << 10;
    config
}

#[test]
fn no_reply_leaves_before_what_it_reports_is_on_disk() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::Always));
    let mut writer = Client::connect(&server);
    let mut reader = Client::connect(&server);
    let mut stranger = Client::connect(&server);
    stranger.call("XADD other 1-1 a b");
    storage.close();
    // Over several batches: the session runs on while the first reply is held.
    writer.send("XADD s 1-1 a b");
    assert!(writer.is_silent_for(MOMENT));
    writer.send("XADD s 2-1 a b");
    writer.send("PING");
    assert!(writer.is_silent_for(MOMENT));
    // What is not on disk is not shown to others either, and does not keep them from the rest.
    reader.send("XLEN s");
    assert!(reader.is_silent_for(MOMENT));
    assert_eq!(stranger.shown("XLEN other"), "1");
    assert_eq!(stranger.shown("PING"), "PONG");
    storage.open_gate();
    assert_eq!(show(&writer.read()), "1-1");
    assert_eq!(show(&writer.read()), "2-1");
    assert_eq!(show(&writer.read()), "PONG");
    assert_eq!(show(&reader.read()), "2");
}

/// Symptom: a slow disk ended connections whose clients took every reply at once.
#[test]
fn replies_that_the_log_holds_are_not_counted_by_the_hard_limit_of_a_client() {
    let storage = GatedStorage::default();
    let settings = vec![("client-output-buffer-limit", "normal 1kb 0 0".to_owned())];
    let server = start(Config { settings, ..on(&storage, SyncMode::Always) });
    let mut client = Client::connect(&server);
    storage.close();
    client.send_bytes(&command("XADD s * f v").repeat(200));
    assert!(client.is_silent_for(MOMENT));
    storage.open_gate();
    (0..200).for_each(|_| drop(client.read()));
    assert_eq!(client.shown("XLEN s"), "200");
    assert_eq!(client.info("client_output_buffer_limit_disconnections"), "0");
}

/// Symptom: now and then a reply stayed behind for ever, when the sync ended just while its session
/// went to sleep. Entries of many sizes let syncs end at many moments, so this fails now and then
/// if that comes back; `outbox.rs` has the rule that prevents it under a test that always fails.
#[test]
fn each_of_many_single_writes_is_confirmed() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::Always));
    let mut client = Client::connect(&server);
    for id in 1..=2500 {
        let value = "v".repeat(id * 131 % 30_000);
        assert_eq!(client.shown(&format!("XADD s {id}-1 f {value}")), format!("{id}-1"));
    }
}

#[test]
fn without_sync_replies_do_not_wait_for_the_disk() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::No));
    storage.close();
    assert_eq!(Client::connect(&server).shown("XADD s 1-1 a b"), "1-1");
    storage.open_gate();
}

#[test]
fn a_blocked_reader_is_served_once_the_entry_is_on_disk() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::Always));
    let mut writer = Client::connect(&server);
    writer.call("XGROUP CREATE s g $ MKSTREAM");
    let mut reader = Client::connect(&server);
    reader.send("XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
    writer.await_info("blocked_clients", "1");
    storage.close();
    writer.send("XADD s 1-1 a b");
    assert!(reader.is_silent_for(MOMENT));
    storage.open_gate();
    assert_eq!(show(&reader.read()), "[[s, [[1-1, [a, b]]]]]");
}

#[test]
fn after_a_failed_sync_nothing_uncertain_is_confirmed_and_no_write_is_taken() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::Always));
    let mut writer = Client::connect(&server);
    let mut other = Client::connect(&server);
    writer.call("XADD safe 1-1 a b");
    other.await_info("millstream_log_undurable_bytes", "0");
    storage.close();
    writer.send("XADD s 1-1 a b");
    writer.send("PING");
    assert!(writer.is_silent_for(MOMENT));
    // All syncs from now on fail, the preparer's included.
    (0..64).for_each(|_| storage.disk.fail(Operation::Sync, 0, ErrorKind::Other));
    storage.open_gate();
    assert!(show(&writer.read()).starts_with("MISCONF the log cannot be written: the outcome"));
    assert_eq!(show(&writer.read()), "PONG");
    assert_eq!(other.info("millstream_poisoned"), "1");
    assert!(other.shown("XADD safe 2-1 a b").starts_with("MISCONF the log cannot be written"));
    assert!(other.shown("XLEN s").starts_with("MISCONF "), "not known to be on disk");
    assert_eq!(other.shown("XLEN safe"), "1");
    other.call("MULTI");
    other.call("XADD safe 2-1 a b");
    assert!(other.shown("EXEC").starts_with("EXECABORT Transaction discarded because of: MISCONF"));
    assert!(matches!(server.shutdown(), Err(StopError::Poisoned { .. })));
}

#[test]
fn on_a_full_disk_only_what_frees_space_runs() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::Always));
    let mut client = Client::connect(&server);
    client.call("XADD s 1-1 a b");
    storage.disk.set_capacity_bytes(Some(0));
    let value = "v".repeat(30_000);
    let mut written = 1;
    let refusal = loop {
        let reply = client.shown(&format!("XADD s {}-1 f {value}", written + 1));
        if reply.starts_with("MISCONF ") {
            break reply;
        }
        written += 1;
        assert!(written < 2000, "the disk is never full");
    };
    assert!(refusal.starts_with("MISCONF the disk is full"), "{refusal}");
    assert_eq!(client.shown("XLEN s"), written.to_string());
    assert_eq!(client.shown("XDEL s 1-1"), "1");
    assert!(client.shown("XDLQ PURGE s COUNT 1").starts_with("[0, "));
    assert_eq!(client.shown("XSCHEDULE CANCEL s 1-1"), "0");
    assert_eq!(client.info("millstream_disk_full"), "1");
    storage.disk.set_capacity_bytes(None);
    client.await_info("millstream_disk_full", "0");
    assert_eq!(client.shown("XADD s 9999-1 a b"), "9999-1");
}

/// Symptom: what the timer logged met the full disk, and the log was lost to all writes.
#[test]
fn a_full_disk_survives_the_expiry_of_its_keys() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::Always));
    let mut client = Client::connect(&server);
    let name = "k".repeat(900);
    for key in 0..1500 {
        client.send(&format!("SET {name}{key} v"));
    }
    (0..1500).for_each(|_| drop(client.read()));
    storage.disk.set_capacity_bytes(Some(0));
    let value = "v".repeat(30_000);
    while !client.shown(&format!("SET fill {value}")).starts_with("MISCONF the disk is full") {}
    let mut full = 0;
    for key in 0..1500 {
        full += usize::from(client.shown(&format!("PEXPIRE {name}{key} 1")) != "1");
    }
    assert!(full > 0, "the disk is full");
    assert_eq!(client.shown("XACK s g 1-1"), "0", "the reserve is not the timer's");
    assert_eq!(client.info("millstream_poisoned"), "0");
    storage.disk.set_capacity_bytes(None);
    client.await_info("millstream_disk_full", "0");
    assert_eq!(client.shown("PEXPIRE fill 1"), "1");
}

#[test]
fn a_copy_larger_than_the_prepared_log_waits_for_room() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::Always));
    let mut client = Client::connect(&server);
    let value = "v".repeat(3 << 20);
    assert_eq!(client.shown(&format!("SET large {value}")), "OK");
    for name in ["a", "b", "c"] {
        assert_eq!(client.shown(&format!("COPY large {name}")), "1");
        assert_eq!(client.shown(&format!("STRLEN {name}")), value.len().to_string());
    }
    // What comes behind it in one write keeps its order.
    client.send("COPY large d");
    client.send("STRLEN d");
    assert_eq!(show(&client.read()), "1");
    assert_eq!(show(&client.read()), value.len().to_string());
}

#[test]
fn on_a_full_disk_a_large_copy_is_refused_and_changes_nothing() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::Always));
    let mut client = Client::connect(&server);
    let value = "v".repeat(3 << 20);
    assert_eq!(client.shown(&format!("SET large {value}")), "OK");
    // Larger than what is prepared for one more of the size that a write came in.
    for times in 2..=4 {
        let length = client.shown(&format!("APPEND large {value}"));
        assert_eq!(length, (times * value.len()).to_string());
    }
    storage.disk.set_capacity_bytes(Some(0));
    let refusal = client.shown("COPY large a");
    assert!(refusal.starts_with("MISCONF the disk is full"), "{refusal}");
    assert_eq!(client.shown("EXISTS a"), "0");
    client.call("MULTI");
    client.call("COPY large a");
    let refusal = client.shown("EXEC");
    assert!(refusal.contains("MISCONF "), "{refusal}");
    assert_eq!(client.shown("EXISTS a"), "0");
    storage.disk.set_capacity_bytes(None);
    client.await_info("millstream_disk_full", "0");
    assert_eq!(client.shown("COPY large a"), "1");
    assert_eq!(client.info("millstream_poisoned"), "0");
}

/// Symptom: with no descriptor left for the log, writes were told that the disk is full.
#[test]
fn without_files_to_open_writes_are_not_told_of_a_full_disk() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::Always));
    let mut client = Client::connect(&server);
    storage.refuse_files(true);
    let value = "v".repeat(300_000);
    let refusal = loop {
        let reply = client.shown(&format!("XADD s * f {value}"));
        if reply.starts_with("MISCONF ") {
            break reply;
        }
    };
    assert!(refusal.starts_with("MISCONF too many open files"), "{refusal}");
    assert_eq!(client.info("millstream_log_prepare_status"), "too_many_open_files");
    assert_eq!(client.info("millstream_disk_full"), "0");
    assert!(client.shown("XTRIM s MAXLEN 0").parse::<u64>().is_ok());
    storage.refuse_files(false);
    client.await_info("millstream_log_prepare_status", "ok");
    assert_eq!(client.shown("XADD s 9999999999999-1 f v"), "9999999999999-1");
}
