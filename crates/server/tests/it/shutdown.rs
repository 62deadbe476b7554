//! Stopping, and what is there at the next start.

use millstream_server::{Config, SyncMode};

use crate::client::{Client, memory, start};

fn stored(directory: &tempfile::TempDir, sync: SyncMode) -> Config {
    Config { memory: false, directory: directory.path().to_path_buf(), sync, ..memory() }
}

#[test]
fn what_was_confirmed_is_there_after_a_restart_in_every_mode() {
    for sync in [SyncMode::Always, SyncMode::Everysec, SyncMode::No] {
        let directory = tempfile::tempdir().expect("a directory");
        let server = start(stored(&directory, sync));
        let mut client = Client::connect(&server);
        for id in 1..=100 {
            assert_eq!(client.shown(&format!("XADD s {id}-1 a b")), format!("{id}-1"));
        }
        server.shutdown().expect("an orderly end");
        let server = start(stored(&directory, sync));
        assert_eq!(Client::connect(&server).shown("XLEN s"), "100", "{sync}");
    }
}

#[test]
fn blocked_readers_are_let_go_and_replies_still_arrive() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(stored(&directory, SyncMode::Always));
    let mut blocked = Client::connect(&server);
    blocked.send("XREAD BLOCK 0 STREAMS s $");
    let mut client = Client::connect(&server);
    client.await_info("blocked_clients", "1");
    let handle = server.shutdown_handle();
    handle.shutdown();
    server.wait().expect("an orderly end");
    assert!(blocked.read_to_end().is_empty());
    assert!(client.read_to_end().is_empty());
}

#[test]
fn a_client_can_stop_the_server() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("SHUTDOWN ABORT"), "ERR No shutdown in progress.");
    assert_eq!(client.shown("SHUTDOWN LATER"), "ERR syntax error");
    client.send("SHUTDOWN NOSAVE");
    assert!(client.read_to_end().is_empty());
    server.wait().expect("an orderly end");
}

#[test]
fn a_directory_has_one_server() {
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(stored(&directory, SyncMode::Always));
    let second = millstream_server::Server::start(stored(&directory, SyncMode::Always));
    assert!(matches!(second, Err(millstream_server::StartError::Open(_))));
    drop(server);
    drop(start(stored(&directory, SyncMode::Always)));
}
