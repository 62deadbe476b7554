//! Streams with a retention in a server that is killed: what is there afterwards is what was there,
//! and goes on by itself.

#[path = "support/process.rs"]
mod process;

use std::path::Path;
use std::time::{Duration, Instant};

use process::Process;
use redis::{Client, Connection, cmd, pipe};

fn connect(server: &Process) -> Connection {
    let url = format!("redis://{}/", server.address);
    let client = Client::open(url).expect("a well-formed URL");
    client.get_connection_with_timeout(Duration::from_secs(60)).expect("the server accepts")
}

/// Checkpoints all the time, and little in memory: most of what is dropped is on disk.
fn serve(directory: &Path) -> (Process, Connection) {
    let server = Process::start(|command| {
        command.args(["--checkpoint-log-kb", "64", "--log-segment-kb", "256", "--cache-mb", "1"]);
        command.arg("--dir").arg(directory);
    });
    let connection = connect(&server);
    (server, connection)
}

fn ask<T: redis::FromRedisValue>(connection: &mut Connection, words: &[&str]) -> T {
    cmd(words[0]).arg(&words[1..]).query(connection).expect("the server answers")
}

fn produce(connection: &mut Connection, key: &str, numbers: std::ops::RangeInclusive<u64>) {
    let mut batch = pipe();
    for number in numbers {
        let filler = format!("{number:0>100}");
        batch.cmd("XADD").arg(key).arg(format!("{number}-0")).arg("f").arg(filler);
    }
    batch.exec(connection).expect("the server takes it");
}

/// Numbers of the first and of the last entry, and how many there are.
fn shape(connection: &mut Connection, key: &str) -> (u64, u64, u64) {
    let mut edge = |command: &str, from: &str, to: &str| -> u64 {
        let found: Vec<(String, Vec<String>)> =
            ask(connection, &[command, key, from, to, "COUNT", "1"]);
        let number = found.first().and_then(|(id, _)| id.split('-').next());
        number.map_or(0, |number| number.parse().expect("it was added so"))
    };
    let (first, last) = (edge("XRANGE", "-", "+"), edge("XREVRANGE", "+", "-"));
    (first, last, ask(connection, &["XLEN", key]))
}

fn becomes(connection: &mut Connection, key: &str, expected: (u64, u64, u64)) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = shape(connection, key);
        if found == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{key} has {found:?}, not {expected:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_server_drops_what_it_had_dropped_and_goes_on() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let (mut server, mut connection) = serve(directory.path());
    for key in ["limited", "queue"] {
        let _: String = ask(&mut connection, &["XGROUP", "CREATE", key, "g", "0", "MKSTREAM"]);
    }
    // 500 entries of 101 bytes.
    let limit = ["XCFGSET", "limited", "MAXBYTES", "50500"];
    let _: String = ask(&mut connection, &limit);
    let _: String = ask(&mut connection, &["XCFGSET", "queue", "RETAIN", "UNACKED"]);
    let mut added = 0;
    for round in 1..=3 {
        produce(&mut connection, "limited", added + 1..=added + 3000);
        produce(&mut connection, "queue", added + 1..=added + 3000);
        added += 3000;
        let read: redis::Value =
            ask(&mut connection, &["XREADGROUP", "GROUP", "g", "c", "STREAMS", "queue", ">"]);
        assert!(matches!(read, redis::Value::Array(_)), "there is something to read");
        let mut ack = cmd("XACK");
        ack.arg("queue").arg("g");
        // In the middle of a block; those at the end of the round stay pending.
        (added - 2999..=added - 333).for_each(|number| _ = ack.arg(format!("{number}-0")));
        ack.exec(&mut connection).expect("they are pending");
        if round > 1 {
            let rest = (added - 3332..=added - 3000).map(|number| format!("{number}-0"));
            let mut ack = cmd("XACK");
            ack.arg("queue").arg("g").arg(rest.collect::<Vec<_>>());
            ack.exec(&mut connection).expect("they are pending");
        }
        assert_eq!(shape(&mut connection, "limited"), (added - 499, added, 500));
        drop((server, connection));
        (server, connection) = serve(directory.path());
        assert_eq!(shape(&mut connection, "limited"), (added - 499, added, 500));
        becomes(&mut connection, "queue", (added - 332, added, 333));
        let pending: (u64, String, String, redis::Value) =
            ask(&mut connection, &["XPENDING", "queue", "g"]);
        assert_eq!((pending.0, pending.1), (333, format!("{}-0", added - 332)));
    }
    // What is there by then is too old, and nobody is connected when it goes.
    let _: String = ask(&mut connection, &["XCFGSET", "limited", "MAXAGE", "600"]);
    drop(connection);
    std::thread::sleep(Duration::from_millis(500));
    let mut connection = connect(&server);
    assert_eq!(ask::<u64>(&mut connection, &["XLEN", "limited"]), 0);
    let _: String = ask(&mut connection, &["XADD", "limited", "*", "f", "v"]);
    drop((server, connection));
    std::thread::sleep(Duration::from_millis(700));
    let (_server, mut connection) = serve(directory.path());
    becomes(&mut connection, "limited", (0, 0, 0));
}
