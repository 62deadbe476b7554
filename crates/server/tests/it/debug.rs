//! DEBUG, for those who allow it.

use std::time::{Duration, Instant};

use millstream_server::{Config, DebugAccess};

use crate::client::{Client, memory, show, start};

fn with_debug() -> Config {
    Config { debug: DebugAccess::Local, ..memory() }
}

#[test]
fn it_is_refused_unless_it_was_allowed() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    assert!(client.shown("DEBUG SLEEP 0").starts_with("ERR DEBUG command not allowed."));
    assert!(client.shown("FUNCTION FLUSH").starts_with("ERR unknown command"));
    client.call("MULTI");
    assert!(client.shown("DEBUG DIGEST").starts_with("ERR DEBUG command not allowed."));
    assert!(client.shown("EXEC").starts_with("EXECABORT"));
    let server = start(with_debug());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("DEBUG SLEEP 0"), "OK");
    assert_eq!(client.shown("FUNCTION FLUSH"), "OK");
    assert_eq!(client.shown("script flush sync"), "OK");
    assert!(client.shown("SCRIPT LOAD x").starts_with("ERR unknown command"));
    assert_eq!(client.shown("CONFIG GET enable-debug-command"), "[enable-debug-command, local]");
}

#[test]
fn sleep_holds_everybody_up() {
    let server = start(with_debug());
    let mut sleeper = Client::connect(&server);
    let mut client = Client::connect(&server);
    client.id();
    sleeper.send("DEBUG SLEEP 0.2");
    std::thread::sleep(Duration::from_millis(50));
    let asked = Instant::now();
    client.call("SET k v");
    assert!(asked.elapsed() > Duration::from_millis(100));
    assert_eq!(show(&sleeper.read()), "OK");
}

#[test]
fn expired_keys_stay_while_active_expiry_is_off() {
    let server = start(with_debug());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("DEBUG SET-ACTIVE-EXPIRE 0"), "OK");
    client.call("SET k v PX 10");
    let began = Instant::now();
    while client.shown("EXISTS k") == "1" {
        assert!(began.elapsed() < crate::client::LIMIT);
    }
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(client.info("expired_keys"), "0");
    client.call("DEBUG SET-ACTIVE-EXPIRE 1");
    client.await_info("expired_keys", "1");
}

#[test]
fn digests_are_those_of_the_content() {
    let server = start(with_debug());
    let mut client = Client::connect(&server);
    let nothing = "0".repeat(40);
    assert_eq!(client.shown("DEBUG DIGEST"), nothing);
    client.call("XADD s 1-1 a b");
    client.call("SET k v");
    let digest = client.shown("DEBUG DIGEST");
    assert!(digest.len() == 40 && digest != nothing);
    client.call("SELECT 1");
    assert_eq!(client.shown("DEBUG DIGEST"), digest, "it is that of all databases");
    client.call("SET k v");
    assert_ne!(client.shown("DEBUG DIGEST"), digest);
    let here = client.shown("DEBUG DIGEST-VALUE k none");
    client.call("SELECT 0");
    assert_eq!(client.shown("DEBUG DIGEST-VALUE k none"), here, "a value knows no database");
    assert!(here.ends_with(&format!(", {nothing}]")));
}

#[test]
fn a_reload_shows_what_is_on_disk_and_leaves_connections_and_waits_as_they_are() {
    let storage = crate::gated_storage::GatedStorage::default();
    let config = crate::disk::on(&storage, millstream_server::SyncMode::Always);
    let server = start(Config { debug: DebugAccess::Local, ..config });
    let mut client = Client::connect(&server);
    client.call("XGROUP CREATE s g 0 MKSTREAM");
    client.call("XADD s 1-1 f v");
    client.call("XREADGROUP GROUP g one STREAMS s >");
    client.call("SET counter 41 EX 1000");
    let mut reader = Client::connect(&server);
    reader.send("XREADGROUP GROUP g two BLOCK 0 STREAMS s >");
    client.await_info("blocked_clients", "1");
    client.call("SELECT 3");
    client.call("SET k v");
    let digest = client.shown("DEBUG DIGEST");
    assert_eq!(client.shown("DEBUG RELOAD"), "OK");
    assert_eq!(client.shown("DEBUG DIGEST"), digest);
    assert_eq!(client.shown("GET k"), "v", "still in its database");
    client.call("SELECT 0");
    assert_eq!(client.shown("INCR counter"), "42");
    assert_eq!(client.shown("XPENDING s g"), "[1, 1-1, 1-1, [[one, 1]]]");
    client.call("XADD s 2-1 f v");
    assert_eq!(show(&reader.read()), "[[s, [[2-1, [f, v]]]]]", "it has waited on");
    let server = start(with_debug());
    let mut memory = Client::connect(&server);
    assert!(memory.shown("DEBUG RELOAD").starts_with("ERR cannot reload: nothing is stored"));
}
