//! SAVE, BGSAVE, LASTSAVE: what is on disk, and bringing more there.

use std::io::ErrorKind;
use std::time::Duration;

use millstream_log::memory_storage::Operation;
use millstream_server::SyncMode;

use crate::client::{Client, memory, show, start};
use crate::disk::on;
use crate::gated_storage::GatedStorage;

const MOMENT: Duration = Duration::from_millis(40);

#[test]
fn save_answers_when_everything_is_on_disk_in_every_mode() {
    for sync in [SyncMode::Always, SyncMode::Everysec, SyncMode::No] {
        let storage = GatedStorage::default();
        let server = start(on(&storage, sync));
        let mut client = Client::connect(&server);
        assert_eq!(client.shown("SAVE"), "OK", "{sync}");
        storage.close();
        client.send("SET k v");
        client.send("SAVE");
        client.send("PING");
        if sync != SyncMode::Always {
            assert_eq!(show(&client.read()), "OK", "{sync}: SET waits for no sync");
        }
        assert!(client.is_silent_for(MOMENT), "{sync}");
        let mut other = Client::connect(&server);
        let id = other.shown("CLIENT LIST").lines().next().expect("a line").to_owned();
        assert!(id.contains(" flags=b ") || sync == SyncMode::Always, "{sync}: {id}");
        assert_eq!(other.shown("CLIENT UNBLOCK 1"), "0", "{sync}");
        storage.open_gate();
        if sync == SyncMode::Always {
            assert_eq!(show(&client.read()), "OK");
        }
        assert_eq!(show(&client.read()), "OK", "{sync}");
        assert_eq!(show(&client.read()), "PONG", "{sync}");
        assert_eq!(client.info("rdb_changes_since_last_save"), "0", "{sync}");
    }
}

#[test]
fn bgsave_is_in_progress_until_the_sync_ends() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::No));
    let mut client = Client::connect(&server);
    client.call("SAVE");
    let before: i64 = client.call("LASTSAVE").as_int().expect("a time");
    storage.close();
    client.call("SET k v");
    assert_eq!(client.info("rdb_changes_since_last_save"), "1");
    assert_eq!(client.shown("BGSAVE"), "Background saving started");
    assert_eq!(client.info("rdb_bgsave_in_progress"), "1");
    assert_eq!(client.shown("BGSAVE SCHEDULE"), "ERR Background save already in progress");
    storage.open_gate();
    client.await_info("rdb_bgsave_in_progress", "0");
    client.await_info("rdb_changes_since_last_save", "0");
    assert!(client.call("LASTSAVE").as_int().expect("a time") >= before);
    assert_eq!(client.shown("BGSAVE FOO"), "ERR syntax error");
}

#[test]
fn within_exec_bgsave_is_scheduled() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::No));
    let mut client = Client::connect(&server);
    for line in ["MULTI", "SET k v", "BGSAVE", "LASTSAVE"] {
        client.call(line);
    }
    let reply = client.shown("EXEC");
    assert!(reply.starts_with("[OK, Background saving scheduled, "), "{reply}");
    assert_eq!(client.shown("BGREWRITEAOF").split(' ').next(), Some("Nothing"));
    assert_eq!(client.shown("SAVE"), "OK");
}

#[test]
fn in_memory_there_is_nothing_to_save() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    for line in ["SAVE", "BGSAVE"] {
        assert!(client.shown(line).starts_with("ERR nothing is stored"), "{line}");
    }
    client.call("SET k v");
    assert_eq!(client.info("rdb_changes_since_last_save"), "1");
    assert_eq!(client.info("rdb_bgsave_in_progress"), "0");
}

#[test]
fn a_failing_disk_fails_save() {
    let storage = GatedStorage::default();
    let server = start(on(&storage, SyncMode::No));
    let mut client = Client::connect(&server);
    client.call("SET k v");
    // All syncs from now on fail, the preparer's included.
    (0..64).for_each(|_| storage.disk.fail(Operation::Sync, 0, ErrorKind::Other));
    assert!(client.shown("SAVE").starts_with("MISCONF "));
    assert!(client.shown("SAVE").starts_with("MISCONF "));
    assert!(server.shutdown().is_err());
}
