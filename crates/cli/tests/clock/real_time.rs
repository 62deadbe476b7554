//! What has to do with work goes by real time: waiting, idle times, the policies of groups.

use std::time::Instant;

use redis::Connection;
use redis::streams::{StreamInfoConsumersReply, StreamInfoGroupsReply};

use crate::client::{HOUR_MS, LIMIT, ask, claimable, count, handed_out, idle_ms, in_work, read};
use crate::command_line::connect;
use crate::moved_clock::{BEFORE_1970, DAY, HOUR, MovedClock, TO_2100};
use crate::raw::{Raw, command};

const NIL: &str = "*-1\r\n";

#[test]
fn blocked_reads_end_in_real_time() {
    let Some(mut server) = MovedClock::start(0, &[]) else { return };
    let mut observer = Raw::connect(server.address());
    observer.call(&["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"]);
    let blocked = |block_ms: &str| -> [Raw; 2] {
        let alone = ["XREAD", "BLOCK", block_ms, "STREAMS", "s", "$"];
        let grouped = ["XREADGROUP", "GROUP", "g", "c", "BLOCK", block_ms, "STREAMS", "s", ">"];
        [&alone[..], &grouped].map(|words| {
            let mut reader = Raw::connect(server.address());
            reader.send(&command(words));
            reader
        })
    };
    // As long as it may take to be seen there.
    for offset_s in [-DAY, BEFORE_1970] {
        let readers = blocked("2000");
        observer.await_info("blocked_clients", "2", LIMIT);
        server.jump(offset_s);
        assert_eq!(observer.call(&["PING"]), "+PONG\r\n");
        readers.into_iter().for_each(|mut reader| assert_eq!(reader.reply(), NIL));
    }
    let patient = blocked("3600000");
    observer.await_info("blocked_clients", "2", LIMIT);
    for offset_s in [DAY, 0, TO_2100, -DAY] {
        server.jump(offset_s);
        // Those that end say that the timer has looked since.
        blocked("100").into_iter().for_each(|mut reader| assert_eq!(reader.reply(), NIL));
        assert_eq!(observer.info("blocked_clients"), "2", "they wait on, at {offset_s}");
    }
    let added = observer.call(&["XADD", "s", "*", "f", "v"]);
    let added = added.split("\r\n").nth(1).expect("a bulk string");
    patient.into_iter().for_each(|mut reader| assert!(reader.reply().contains(added)));
    server.stop();
}

#[test]
fn what_is_pending_ages_in_real_time() {
    let Some(mut server) = MovedClock::start(0, &[]) else { return };
    let mut client = connect(server.address());
    let entry = in_work(&mut client, "s", &[]);
    for offset_s in [-HOUR, -DAY, DAY, TO_2100, BEFORE_1970, 0] {
        server.jump(offset_s);
        let idle_ms = idle_ms(&mut client, "s");
        assert!(idle_ms < HOUR_MS, "idle for {idle_ms} ms, at {offset_s}");
        let found: StreamInfoConsumersReply = ask(&mut client, &["XINFO", "CONSUMERS", "s", "g"]);
        assert!(found.consumers.iter().all(|it| (it.idle as u64) < HOUR_MS), "{found:?}");
        assert!(claimable(&mut client, "s", "3600000").is_empty(), "at {offset_s}");
        assert!(count(&mut client, &["OBJECT", "IDLETIME", "s"]) < 3600);
    }
    // It goes on growing, however far the clock was set back.
    server.jump(-DAY);
    let deadline = Instant::now() + LIMIT;
    while claimable(&mut client, "s", "300") != [&*entry] {
        assert!(Instant::now() < deadline, "idle for {} ms", idle_ms(&mut client, "s"));
    }
    server.jump(-2 * DAY);
    let words = ["XREADGROUP", "GROUP", "g", "bob", "BLOCK", "20000", "CLAIM", "300", "STREAMS"];
    let claimed = Raw::connect(server.address()).call(&[&words[..], &["s", ">"]].concat());
    assert!(claimed.contains(&entry), "{claimed}");
    server.stop();
}

#[test]
fn policies_of_groups_go_by_real_time() {
    let Some(mut server) = MovedClock::start(0, &[]) else { return };
    let mut client = connect(server.address());
    let fail = |client: &mut Connection, key: &str, entry: &str| {
        assert_eq!(count(client, &["XNACK", key, "g", "FAIL", "IDS", "1", entry]), 1);
    };
    let short = in_work(&mut client, "short time", &["VISIBILITY", "300"]);
    let backoff = in_work(&mut client, "short backoff", &["BACKOFF", "300", "1", "300"]);
    fail(&mut client, "short backoff", &backoff);
    server.jump(-DAY);
    assert_eq!(handed_out(&mut client, "short time", "20000"), [&*short]);
    assert_eq!(handed_out(&mut client, "short backoff", "20000"), [&*backoff]);

    in_work(&mut client, "long time", &["VISIBILITY", "3600000"]);
    let entry = in_work(&mut client, "long backoff", &["BACKOFF", "3600000", "1", "3600000"]);
    fail(&mut client, "long backoff", &entry);
    let consumers = |client: &mut Connection, key: &str| {
        let groups: StreamInfoGroupsReply = ask(client, &["XINFO", "GROUPS", key]);
        groups.groups[0].consumers
    };
    let ttl = |client: &mut Connection, key: &str, ttl_ms: &str| {
        let create = ["XGROUP", "CREATE", key, "g", "0", "MKSTREAM", "CFG", "CONSUMERTTL", ttl_ms];
        let () = ask(client, &create);
        assert_eq!(count(client, &["XGROUP", "CREATECONSUMER", key, "g", "c"]), 1);
    };
    ttl(&mut client, "long life", "3600000");
    for offset_s in [DAY, -DAY, TO_2100, 0] {
        server.jump(offset_s);
        assert!(handed_out(&mut client, "long time", "100").is_empty(), "at {offset_s}");
        assert!(handed_out(&mut client, "long backoff", "100").is_empty(), "at {offset_s}");
        assert_eq!(consumers(&mut client, "long life"), 1, "at {offset_s}");
    }
    ttl(&mut client, "short life", "300");
    server.jump(-DAY);
    let deadline = Instant::now() + LIMIT;
    while consumers(&mut client, "short life") > 0 {
        assert!(Instant::now() < deadline, "the consumer stays");
    }
    server.stop();
}

#[test]
fn idle_connections_are_closed_in_real_time() {
    let Some(mut server) = MovedClock::start(0, &[]) else { return };
    let mut idle = Raw::connect(server.address());
    assert_eq!(idle.call(&["CONFIG", "SET", "timeout", "3600"]), "+OK\r\n");
    let mut client = connect(server.address());
    server.jump(DAY);
    // Longer than between two looks for idle ones.
    assert!(read(&mut client, &["XREAD", "BLOCK", "2500", "STREAMS", "s", "$"]).is_empty());
    assert_eq!(idle.call(&["PING"]), "+PONG\r\n");
    assert_eq!(idle.call(&["CONFIG", "SET", "timeout", "1"]), "+OK\r\n");
    server.jump(-DAY);
    assert!(idle.is_closed_by_server());
    server.stop();
}

#[test]
fn syncs_and_checkpoints_go_on() {
    let arguments = ["--sync", "everysec", "--checkpoint-log-kb", "64", "--log-segment-kb", "256"];
    let Some(mut server) = MovedClock::start(0, &arguments) else { return };
    let mut client = Raw::connect(server.address());
    let value = "v".repeat(1000);
    for offset_s in [-DAY, BEFORE_1970, TO_2100, 0] {
        server.jump(offset_s);
        // Too little for a checkpoint, which would bring it to disk, too.
        client.call(&["SET", "k", "v"]);
        client.await_info("rdb_changes_since_last_save", "0", LIMIT);
        let before = client.number("millstream_checkpoints");
        for _ in 0..200 {
            client.call(&["XADD", "s", "*", "f", &value]);
        }
        let deadline = Instant::now() + LIMIT;
        while client.number("millstream_checkpoints") == before {
            assert!(Instant::now() < deadline, "no checkpoint is made, at {offset_s}");
        }
    }
    server.stop();
}
