//! CLIENT PAUSE and UNPAUSE.

use std::time::{Duration, Instant};

use millstream_server::Config;

use crate::client::{Client, memory, show, start};

const MOMENT: Duration = Duration::from_millis(30);

#[test]
fn writes_wait_until_the_pause_is_ended() {
    let server = start(memory());
    let mut admin = Client::connect(&server);
    let mut client = Client::connect(&server);
    let mut other = Client::connect(&server);
    assert_eq!(admin.shown("CLIENT PAUSE 100000 WRITE"), "OK");
    assert_eq!(client.shown("XLEN s"), "0");
    client.send("XADD s 1-1 a b");
    client.send("PING");
    admin.await_info("blocked_clients", "1");
    assert!(client.is_silent_for(MOMENT), "what comes behind waits, too");
    assert_eq!(other.shown("PING"), "PONG");
    assert_eq!(admin.shown("XLEN s"), "0");
    assert_eq!(admin.info("paused_actions"), "write");
    let id = admin.shown("CLIENT LIST").lines().nth(1).expect("the second").to_owned();
    assert!(id.contains(" flags=b ") && id.contains(" cmd=xadd "), "{id}");
    assert_eq!(admin.shown("CLIENT UNBLOCK 2"), "0", "no wait of that kind");
    assert_eq!(admin.shown("CLIENT UNPAUSE"), "OK");
    assert_eq!(show(&client.read()), "1-1");
    assert_eq!(show(&client.read()), "PONG");
    assert_eq!(admin.info("paused_reason"), "none");
    assert_eq!(admin.info("blocked_clients"), "0");
}

#[test]
fn a_pause_of_all_ends_by_itself_for_all_at_once() {
    let server = start(memory());
    let mut clients: Vec<_> = (0..20).map(|_| Client::connect(&server)).collect();
    let began = Instant::now();
    assert_eq!(clients[0].shown("CLIENT PAUSE 150"), "OK");
    clients.iter_mut().for_each(|client| client.send("INCR n"));
    let mut numbers: Vec<_> = clients.iter_mut().map(|client| show(&client.read())).collect();
    assert!(began.elapsed() >= Duration::from_millis(150));
    numbers.sort_by_key(|number| number.parse::<u32>().expect("a number"));
    assert_eq!(numbers, (1..=20).map(|number| number.to_string()).collect::<Vec<_>>());
}

#[test]
fn who_came_first_is_served_first() {
    // One worker: several are on no common order.
    let server = start(Config { threads: Some(1), ..memory() });
    let mut admin = Client::connect(&server);
    let mut clients: Vec<_> = (0..5).map(|_| Client::connect(&server)).collect();
    let ids: Vec<_> = clients.iter_mut().map(Client::id).collect();
    assert!(ids.is_sorted());
    admin.call("CLIENT PAUSE 100000 WRITE");
    for (count, client) in clients.iter_mut().rev().enumerate() {
        client.send("INCR n");
        admin.await_info("blocked_clients", &(count + 1).to_string());
    }
    admin.call("CLIENT UNPAUSE");
    let numbers: Vec<_> = clients.iter_mut().rev().map(|client| show(&client.read())).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5"]);
}

#[test]
fn what_is_wrong_is_told_at_once() {
    let server = start(memory());
    let mut admin = Client::connect(&server);
    let mut client = Client::connect(&server);
    admin.call("CLIENT PAUSE 200");
    assert_eq!(client.shown("NOSUCH"), "ERR unknown command 'NOSUCH'");
    assert_eq!(client.shown("GET"), "ERR wrong number of arguments for 'get' command");
}

#[test]
fn a_transaction_waits_where_it_would_write() {
    let server = start(memory());
    let mut admin = Client::connect(&server);
    let mut client = Client::connect(&server);
    client.call("MULTI");
    client.call("SET k v");
    let mut reader = Client::connect(&server);
    reader.call("MULTI");
    admin.call("CLIENT PAUSE 100000 WRITE");
    client.send("EXEC");
    admin.await_info("blocked_clients", "1");
    assert_eq!(reader.shown("GET k"), "QUEUED");
    assert_eq!(reader.shown("EXEC"), "[nil]");
    admin.call("CLIENT UNPAUSE");
    assert_eq!(show(&client.read()), "[OK]");
}

#[test]
fn no_key_expires_actively_meanwhile() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    client.call("CLIENT PAUSE 100000 WRITE");
    client.call("CLIENT UNPAUSE");
    client.call("SET k v PX 20");
    client.call("CLIENT PAUSE 100000 WRITE");
    let began = Instant::now();
    while client.shown("EXISTS k") == "1" {
        assert!(began.elapsed() < crate::client::LIMIT);
    }
    std::thread::sleep(MOMENT);
    assert_eq!(client.info("expired_keys"), "0");
    client.call("CLIENT UNPAUSE");
    client.await_info("expired_keys", "1");
}

#[test]
fn a_paused_connection_that_goes_away_runs_nothing() {
    let server = start(memory());
    let mut admin = Client::connect(&server);
    let mut client = Client::connect(&server);
    client.id();
    admin.call("CLIENT PAUSE 100000 WRITE");
    client.send("SET k v");
    admin.await_info("blocked_clients", "1");
    drop(client);
    admin.await_info("connected_clients", "1");
    admin.call("CLIENT UNPAUSE");
    assert_eq!(admin.shown("EXISTS k"), "0");
}

#[test]
fn a_pause_only_grows_until_it_is_ended() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    client.call("CLIENT PAUSE 100000 WRITE");
    client.call("CLIENT PAUSE 1 WRITE");
    let left: u64 = client.info("paused_timeout_milliseconds").parse().expect("a number");
    assert!(left > 50_000, "{left}");
    client.call("CLIENT UNPAUSE");
    for (line, error) in [
        ("CLIENT PAUSE x", "ERR timeout is not an integer or out of range"),
        ("CLIENT PAUSE -1", "ERR timeout is negative"),
        ("CLIENT PAUSE 9223372036854775807", "ERR timeout is out of range"),
        ("CLIENT PAUSE 1 FOO", "ERR CLIENT PAUSE mode must be WRITE or ALL"),
    ] {
        assert_eq!(client.shown(line), error);
    }
    assert_eq!(client.info("paused_reason"), "none");
}

#[test]
fn within_exec_pauses_begin_and_end() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    for line in ["MULTI", "CLIENT PAUSE 100000 WRITE", "SET k v", "CLIENT UNPAUSE"] {
        client.call(line);
    }
    assert_eq!(client.shown("EXEC"), "[OK, OK, OK]");
    assert_eq!(client.shown("SET k v"), "OK");
}

#[test]
fn stopping_does_not_wait_for_the_end_of_a_pause() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    client.call("CLIENT PAUSE 100000");
    client.send("PING");
    server.shutdown().expect("an orderly end");
    assert!(client.read_to_end().is_empty());
}
