//! MULTI, EXEC, DISCARD, WATCH.

use std::time::Duration;

use millstream_server::Config;

use crate::client::{Client, command, memory, show, start};

#[test]
fn exec_runs_what_was_queued_in_order() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    assert_eq!(client.shown("MULTI"), "OK");
    for line in
        ["XADD s 1-1 a b", "XLEN s", "SELECT 3", "XLEN s", "PING", "XREAD BLOCK 0 STREAMS x $"]
    {
        assert_eq!(client.shown(line), "QUEUED");
    }
    assert_eq!(client.shown("EXEC"), "[1-1, 1, OK, 0, PONG, nil]");
    assert_eq!(client.shown("EXEC"), "ERR EXEC without MULTI");
}

#[test]
fn an_error_while_running_does_not_stop_the_rest() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    for line in ["MULTI", "XADD s 5-1 a b", "XADD s 1-1 a b", "XLEN s"] {
        client.call(line);
    }
    let reply = client.call("EXEC");
    let items = reply.as_slice().expect("an array");
    assert!(items[1].is_error());
    assert_eq!(show(&items[2]), "1");
}

#[test]
fn a_refusal_while_queueing_discards_the_transaction() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    for wrong in ["NOSUCH", "XADD s", "SHUTDOWN"] {
        client.call("MULTI");
        client.call("XADD s 1-1 a b");
        assert!(client.call(wrong).is_error(), "{wrong}");
        assert_eq!(
            client.shown("EXEC"),
            "EXECABORT Transaction discarded because of previous errors."
        );
    }
    client.call("MULTI");
    assert_eq!(client.shown("MULTI"), "ERR MULTI calls can not be nested");
    assert_eq!(client.shown("WATCH s"), "ERR WATCH inside MULTI is not allowed");
    assert_eq!(client.shown("EXEC"), "[]");
    assert_eq!(client.shown("EXISTS s"), "0");
    assert_eq!(client.shown("DISCARD"), "ERR DISCARD without MULTI");
}

#[test]
fn a_watched_key_that_changed_stops_exec_once() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    let mut other = Client::connect(&server);
    for (change, reply) in [("XADD s * a b", "nil"), ("XLEN s", "[PONG]")] {
        client.call("WATCH s t");
        client.call("MULTI");
        client.call("PING");
        other.call(change);
        assert_eq!(client.shown("EXEC"), reply, "{change}");
    }
    client.call("WATCH s");
    other.call("XADD s * a b");
    client.call("UNWATCH");
    client.call("MULTI");
    assert_eq!(client.shown("EXEC"), "[]");
}

#[test]
fn entries_of_one_exec_have_one_time() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    client.send("MULTI");
    (0..3).for_each(|_| client.send("XADD s * a b"));
    client.send("EXEC");
    (0..4).for_each(|_| drop(client.read()));
    let ids = show(&client.read());
    let ids: Vec<&str> = ids.trim_matches(['[', ']']).split(", ").collect();
    let ms = |id: &str| id.split('-').next().map(str::to_owned);
    assert!(ids.len() == 3 && ids.iter().all(|id| ms(id) == ms(ids[0])), "{ids:?}");
}

/// Symptom: the answer to a wrong password came at once if HELLO stood before it.
#[test]
fn a_wrong_password_behind_hello_is_held_back() {
    let settings = vec![("auth-failure-delay", "60000".to_owned())];
    let server = start(Config { settings, ..memory() });
    let mut client = Client::connect(&server);
    for _ in 0..3 {
        assert!(client.shown("AUTH eve wrong").starts_with("WRONGPASS"));
    }
    let lines = ["PING", "MULTI", "HELLO 3", "AUTH eve wrong", "EXEC"];
    client.send_bytes(&lines.map(command).concat());
    for expected in ["PONG", "OK", "QUEUED", "QUEUED"] {
        assert_eq!(show(&client.read()), expected);
    }
    assert!(client.is_silent_for(Duration::from_millis(100)));
}
