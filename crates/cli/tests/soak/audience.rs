//! Who is there beside producers and workers: a reader of events that settles nothing, and whoever
//! clears away consumers that died.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redis::{Connection, Value, cmd};

use crate::ledger::{GROUPS, Ledger, STREAMS, work_stream};

/// A consumer that was not seen for so long has died.
const GONE_MS: i64 = 10_000;

pub(crate) fn start(ledger: &Arc<Ledger>) -> Vec<JoinHandle<()>> {
    [follow_events, clear_consumers]
        .map(|what| {
            let ledger = Arc::clone(ledger);
            thread::spawn(move || {
                let mut connection = ledger.connect();
                while ledger.is_working() {
                    what(&ledger, &mut connection);
                }
            })
        })
        .into()
}

/// Reads what is new, without a pending list.
fn follow_events(_: &Ledger, connection: &mut Connection) {
    let mut read = cmd("XREADGROUP");
    read.arg("GROUP").arg("tail").arg("reader").arg("COUNT").arg(512).arg("BLOCK").arg(200);
    let read = read.arg("NOACK").arg("STREAMS").arg("events").arg(">");
    let _: Value = read.query(connection).expect("events are read");
}

/// In a group as in Redis that is somebody's work.
fn clear_consumers(ledger: &Ledger, connection: &mut Connection) {
    for stream in 0..STREAMS {
        let key = work_stream(stream);
        let mut list = cmd("XINFO");
        let list = list.arg("CONSUMERS").arg(&key).arg(GROUPS[1]);
        let consumers: Vec<redis::Value> = list.query(connection).expect("a list");
        for consumer in consumers {
            let facts: std::collections::HashMap<String, Value> =
                redis::from_redis_value(consumer).expect("names and values");
            let Value::BulkString(name) = &facts["name"] else { panic!("{facts:?}") };
            let name = String::from_utf8(name.clone()).expect("it is ASCII");
            let (pending, idle) = (&facts["pending"], &facts["idle"]);
            let is_gone = matches!(idle, Value::Int(idle) if *idle > GONE_MS);
            if *pending == Value::Int(0) && is_gone && !ledger.is_alive(&name) {
                let mut delete = cmd("XGROUP");
                let delete = delete.arg("DELCONSUMER").arg(&key).arg(GROUPS[1]).arg(&name);
                let had: i64 = delete.query(connection).expect("it is deleted");
                assert_eq!(had, 0, "{name} had nothing pending");
            }
        }
    }
    thread::sleep(Duration::from_secs(1));
}
