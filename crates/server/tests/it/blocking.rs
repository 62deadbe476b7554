//! Parked reads: served, timed out, unblocked, killed, gone.

use std::time::{Duration, Instant};

use crate::client::{Client, command, memory, show, start};

const READ: &str = "XREADGROUP GROUP g c BLOCK 0 STREAMS s >";

#[test]
fn a_parked_read_is_served_and_what_was_sent_behind_it_runs_afterwards() {
    let server = start(memory());
    let mut reader = Client::connect(&server);
    let mut writer = Client::connect(&server);
    reader.send("XREAD BLOCK 0 STREAMS s $");
    reader.send("XLEN s");
    writer.await_info("blocked_clients", "1");
    assert!(reader.is_silent_for(Duration::from_millis(20)));
    assert_eq!(writer.info("total_blocking_keys"), "1");
    writer.call("XADD s 1-1 a b");
    assert_eq!(show(&reader.read()), "[[s, [[1-1, [a, b]]]]]");
    assert_eq!(show(&reader.read()), "1");
    assert_eq!(writer.info("blocked_clients"), "0");
}

#[test]
fn a_parked_read_times_out() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    let started = Instant::now();
    assert_eq!(client.call("XREAD BLOCK 40 STREAMS s $").to_bytes(), b"*-1\r\n");
    assert!((40..1000).contains(&started.elapsed().as_millis()));
}

#[test]
fn a_timeout_never_comes_a_fraction_of_a_millisecond_early() {
    let server = start(memory());
    let mut client = Client::connect(&server);
    for _ in 0..20 {
        let started = Instant::now();
        assert_eq!(client.shown("XREAD BLOCK 5 STREAMS s $"), "nil");
        assert!(started.elapsed() >= Duration::from_millis(5), "{:?}", started.elapsed());
    }
}

#[test]
fn a_connection_can_wait_again_and_again() {
    let server = start(memory());
    let mut reader = Client::connect(&server);
    let mut writer = Client::connect(&server);
    for round in 1..=3 {
        assert_eq!(reader.shown("XREAD BLOCK 5 STREAMS s $"), "nil");
        reader.send("XREAD BLOCK 0 STREAMS s $");
        writer.await_info("blocked_clients", "1");
        writer.call(&format!("XADD s {round}-1 a b"));
        assert_eq!(show(&reader.read()), format!("[[s, [[{round}-1, [a, b]]]]]"));
    }
}

#[test]
fn a_reader_that_vanished_gets_nothing() {
    let server = start(memory());
    let mut other = Client::connect(&server);
    other.call("XGROUP CREATE s g $ MKSTREAM");
    let mut gone = Client::connect(&server);
    gone.send(READ);
    other.await_info("blocked_clients", "1");
    drop(gone);
    other.await_info("blocked_clients", "0");
    other.call("XADD s 1-1 a b");
    assert_eq!(other.shown("XPENDING s g"), "[0, nil, nil, nil]");
    assert_eq!(other.shown("XREADGROUP GROUP g d STREAMS s >"), "[[s, [[1-1, [a, b]]]]]");
}

#[test]
fn unblock_ends_a_wait_as_asked() {
    let server = start(memory());
    let mut other = Client::connect(&server);
    let mut reader = Client::connect(&server);
    let id = reader.id();
    for (word, reply) in [
        ("", "nil"),
        (" TIMEOUT", "nil"),
        (" ERROR", "UNBLOCKED client unblocked via CLIENT UNBLOCK"),
    ] {
        assert_eq!(other.shown(&format!("CLIENT UNBLOCK {id}")), "0");
        reader.send("XREAD BLOCK 0 STREAMS s $");
        other.await_info("blocked_clients", "1");
        assert_eq!(other.shown(&format!("CLIENT UNBLOCK {id}{word}")), "1");
        assert_eq!(show(&reader.read()), reply);
    }
    other.call("XADD s 1-1 a b");
    assert_eq!(reader.shown("XLEN s"), "1");
}

#[test]
fn a_killed_reader_leaves_its_place() {
    let server = start(memory());
    let mut other = Client::connect(&server);
    other.call("XGROUP CREATE s g $ MKSTREAM");
    let mut reader = Client::connect(&server);
    let id = reader.id();
    reader.send(READ);
    other.await_info("blocked_clients", "1");
    assert_eq!(other.shown(&format!("CLIENT KILL ID {id}")), "1");
    assert!(reader.read_to_end().is_empty());
    other.await_info("connected_clients", "1");
    other.call("XADD s 1-1 a b");
    assert_eq!(other.shown("XPENDING s g"), "[0, nil, nil, nil]");
}

#[test]
fn readers_of_a_group_that_goes_away_are_told() {
    let server = start(memory());
    let mut other = Client::connect(&server);
    other.call("XGROUP CREATE s g $ MKSTREAM");
    let mut reader = Client::connect(&server);
    reader.send(READ);
    other.await_info("blocked_clients", "1");
    other.call("DEL s");
    assert_eq!(
        show(&reader.read()),
        "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"
    );
}

#[test]
fn every_plain_reader_sees_what_one_writer_adds() {
    let server = start(memory());
    let mut writer = Client::connect(&server);
    let mut readers: Vec<_> = (0..50).map(|_| Client::connect(&server)).collect();
    readers.iter_mut().for_each(|reader| reader.send("XREAD BLOCK 0 STREAMS s $"));
    writer.await_info("blocked_clients", "50");
    writer.call("XADD s 1-1 a b");
    for reader in &mut readers {
        assert_eq!(show(&reader.read()), "[[s, [[1-1, [a, b]]]]]");
    }
}

#[test]
fn one_entry_goes_to_the_longest_waiting_reader_of_a_group() {
    let server = start(memory());
    let mut writer = Client::connect(&server);
    writer.call("XGROUP CREATE s g $ MKSTREAM");
    let mut readers: Vec<_> = (0..3).map(|_| Client::connect(&server)).collect();
    for (number, reader) in readers.iter_mut().enumerate() {
        reader.send(&format!("XREADGROUP GROUP g c{number} COUNT 1 BLOCK 0 STREAMS s >"));
        writer.await_info("blocked_clients", &(number + 1).to_string());
    }
    for (number, reader) in readers.iter_mut().enumerate() {
        writer.call(&format!("XADD s {}-1 a b", number + 1));
        assert_eq!(show(&reader.read()), format!("[[s, [[{}-1, [a, b]]]]]", number + 1));
    }
}

/// Symptom: UNBLOCK said that it had unblocked a client that got the entry.
#[test]
fn a_reader_that_was_just_served_is_not_unblocked() {
    let server = start(memory());
    let mut reader = Client::connect(&server);
    let mut writer = Client::connect(&server);
    let id = reader.id();
    reader.send("XREAD BLOCK 0 STREAMS s $");
    writer.await_info("blocked_clients", "1");
    // One batch: the reader's session cannot run between the two.
    let both = [command("XADD s 1-1 a b"), command(&format!("CLIENT UNBLOCK {id} ERROR"))];
    writer.send_bytes(&both.concat());
    assert_eq!((show(&writer.read()), show(&writer.read())), ("1-1".to_owned(), "0".to_owned()));
    assert_eq!(show(&reader.read()), "[[s, [[1-1, [a, b]]]]]");
}
