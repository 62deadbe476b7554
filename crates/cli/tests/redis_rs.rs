//! Every stream command through redis-rs, as a Rust program would use it, in RESP2 and RESP3.
//!
//! The replies expected are the documented ones; `tests/support` says how to run the same tests
//! against a real Redis. Commands for which redis-rs has no method are sent by name.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use redis::streams::{
    StreamAddOptions, StreamAutoClaimOptions, StreamClaimOptions, StreamClaimReply,
    StreamConfigOptions, StreamDeletionPolicy, StreamId, StreamMaxlen, StreamNackMode,
    StreamNackOptions, StreamPendingReply, StreamReadOptions, StreamReadReply, StreamTrimOptions,
    StreamTrimStrategy, StreamTrimmingMode, XAckDelStatusCode, XDelExStatusCode,
};
use redis::{Commands, Connection, RedisResult, TypedCommands, Value, cmd, pipe};
use support::TestServer;

const GROUP: &str = "crew";

/// Runs a test once per protocol, on an empty key.
fn in_both_protocols(key: &str, test: impl Fn(&TestServer, &mut Connection, &str)) {
    let server = TestServer::start();
    for protocol in [2, 3] {
        let mut connection = server.connect(protocol);
        TypedCommands::del(&mut connection, key).expect("DEL");
        test(&server, &mut connection, key);
    }
}

fn fill(connection: &mut Connection, key: &str, ids: &[&str]) {
    for id in ids {
        let reply = TypedCommands::xadd(connection, key, *id, &[("n", *id)]).expect("XADD");
        assert_eq!(reply.as_deref(), Some(*id));
    }
}

/// Entries 1-0, 2-0, 3-0, of which consumer `ann` has read `count`.
fn group(connection: &mut Connection, key: &str, count: usize) {
    fill(connection, key, &["1-0", "2-0", "3-0"]);
    TypedCommands::xgroup_create(connection, key, GROUP, "0").expect("XGROUP CREATE");
    read(connection, key, ">", StreamReadOptions::default().group(GROUP, "ann").count(count));
}

/// The entries of one stream in a read's reply; none if there is nothing to read.
fn read(
    connection: &mut Connection,
    key: &str,
    id: &str,
    options: StreamReadOptions,
) -> Vec<StreamId> {
    let reply = TypedCommands::xread_options(connection, &[key], &[id], &options).expect("a read");
    let mut keys = reply.map_or_else(Vec::new, |reply: StreamReadReply| reply.keys);
    assert!(keys.len() <= 1, "one stream was asked for");
    keys.pop().map_or_else(Vec::new, |stream| stream.ids)
}

fn ids(entries: &[StreamId]) -> Vec<&str> {
    entries.iter().map(|entry| entry.id.as_str()).collect()
}

/// (ID, consumer, deliveries) of all pending entries.
fn pending(connection: &mut Connection, key: &str) -> Vec<(String, String, usize)> {
    let reply = TypedCommands::xpending_count(connection, key, GROUP, "-", "+", 100);
    let rows = reply.expect("XPENDING").ids;
    rows.into_iter().map(|row| (row.id, row.consumer, row.times_delivered)).collect()
}

fn refused<T: std::fmt::Debug>(reply: RedisResult<T>, text: &str) {
    let error = reply.expect_err("the call must be refused");
    assert!(error.to_string().contains(text), "refused with {error}, not with {text}");
}

fn row(id: &str, consumer: &str, deliveries: usize) -> (String, String, usize) {
    (id.to_owned(), consumer.to_owned(), deliveries)
}

#[test]
fn adding() {
    in_both_protocols("rs:adding", |_, connection, key| {
        let first = TypedCommands::xadd(connection, key, "*", &[("a", "1")]).expect("XADD");
        assert!(first.is_some_and(|id| id.ends_with("-0")));
        let options = StreamAddOptions::default().nomkstream();
        let nothing =
            TypedCommands::xadd_options(connection, "rs:none", "*", &[("a", "1")], &options);
        assert_eq!(nothing.expect("XADD NOMKSTREAM"), None);
        let keep_one = StreamTrimStrategy::maxlen(StreamTrimmingMode::Exact, 1);
        let options = StreamAddOptions::default().trim(keep_one);
        TypedCommands::xadd_options(connection, key, "*", &[("a", "2")], &options).expect("XADD");
        assert_eq!(TypedCommands::xlen(connection, key).expect("XLEN"), 1);
        TypedCommands::xadd_maxlen(connection, key, StreamMaxlen::Approx(9), "*", &[("a", "3")])
            .expect("XADD MAXLEN");
        refused(TypedCommands::xadd(connection, key, "1-0", &[("a", "1")]), "equal or smaller");
    });
}

#[test]
fn adding_once() {
    in_both_protocols("rs:once", |_, connection, key| {
        let once = StreamAddOptions::default().idmp("producer", "one");
        let mut add = |value: &str| {
            TypedCommands::xadd_options(connection, key, "*", &[("a", value)], &once)
                .expect("XADD IDMP")
                .expect("an ID")
        };
        let first = add("1");
        assert_eq!(add("2"), first);
        let auto = StreamAddOptions::default().idmpauto("producer");
        TypedCommands::xadd_options(connection, key, "*", &[("a", "3")], &auto).expect("IDMPAUTO");
        assert_eq!(TypedCommands::xlen(connection, key).expect("XLEN"), 2);
        let record = cmd("XIDMPRECORD").arg(key).arg("other").arg("one").arg(&first).to_owned();
        record.exec(connection).expect("XIDMPRECORD");
        let info = TypedCommands::xinfo_stream_with_idempotency(connection, key).expect("XINFO");
        assert_eq!((info.pids_tracked, info.iids_tracked, info.iids_duplicates), (2, 3, 1));
        let options = StreamConfigOptions::with_idempotency_maxsize(7).expect("within its range");
        TypedCommands::xcfgset(connection, key, &options).expect("XCFGSET");
        let info = TypedCommands::xinfo_stream_with_idempotency(connection, key).expect("XINFO");
        assert_eq!((info.idmp_maxsize, info.iids_tracked), (7, 0));
    });
}

#[test]
fn ranges_and_reads() {
    in_both_protocols("rs:ranges", |_, connection, key| {
        fill(connection, key, &["1-0", "2-0", "3-0"]);
        let all = TypedCommands::xrange_all(connection, key).expect("XRANGE");
        assert_eq!(ids(&all.ids), ["1-0", "2-0", "3-0"]);
        assert_eq!(all.ids[0].get::<String>("n").as_deref(), Some("1-0"));
        let some = TypedCommands::xrange_count(connection, key, "(1-0", "+", 1).expect("XRANGE");
        assert_eq!(ids(&some.ids), ["2-0"]);
        let back = TypedCommands::xrevrange(connection, key, "2-0", "-").expect("XREVRANGE");
        assert_eq!(ids(&back.ids), ["2-0", "1-0"]);
        let after = read(connection, key, "1-0", StreamReadOptions::default().count(1));
        assert_eq!(ids(&after), ["2-0"]);
        assert!(read(connection, key, "$", StreamReadOptions::default()).is_empty());
        let reply = TypedCommands::xread(connection, &[key, "rs:none"], &["2-0", "0"]);
        assert_eq!(reply.expect("XREAD").expect("one stream has data").keys.len(), 1);
    });
}

#[test]
fn deleting_and_trimming() {
    in_both_protocols("rs:deleting", |_, connection, key| {
        group(connection, key, 2);
        assert_eq!(TypedCommands::xdel(connection, key, &["1-0", "9-0"]).expect("XDEL"), 1);
        let reply = TypedCommands::xdel_ex(connection, key, &["2-0"], StreamDeletionPolicy::DelRef);
        assert_eq!(reply.expect("XDELEX"), [XDelExStatusCode::Deleted]);
        assert_eq!(pending(connection, key), [row("1-0", "ann", 1)]);
        let reply = TypedCommands::xdel_ex(connection, key, &["3-0"], StreamDeletionPolicy::Acked);
        let kept = XDelExStatusCode::NotDeletedUnacknowledgedOrStillReferenced;
        assert_eq!(reply.expect("XDELEX"), [kept]);
        let options = StreamTrimOptions::maxlen(StreamTrimmingMode::Exact, 0);
        assert_eq!(TypedCommands::xtrim_options(connection, key, &options).expect("XTRIM"), 1);
        let set_id = cmd("XSETID").arg(key).arg("20-0").to_owned();
        set_id.exec(connection).expect("XSETID");
        let info = TypedCommands::xinfo_stream(connection, key).expect("XINFO STREAM");
        assert_eq!((info.length, info.last_generated_id.as_str()), (0, "20-0"));
    });
}

#[test]
fn groups() {
    in_both_protocols("rs:groups", |_, connection, key| {
        refused(TypedCommands::xgroup_create(connection, key, GROUP, "$"), "key to exist");
        TypedCommands::xgroup_create_mkstream(connection, key, GROUP, "$").expect("XGROUP CREATE");
        refused(TypedCommands::xgroup_create(connection, key, GROUP, "$"), "BUSYGROUP");
        let new = TypedCommands::xgroup_createconsumer(connection, key, GROUP, "ann");
        assert!(new.expect("XGROUP CREATECONSUMER"));
        fill(connection, key, &["1-0", "2-0"]);
        TypedCommands::xgroup_setid(connection, key, GROUP, "0").expect("XGROUP SETID");
        let info = TypedCommands::xinfo_groups(connection, key).expect("XINFO GROUPS");
        assert_eq!((info.groups[0].name.as_str(), info.groups[0].lag), (GROUP, Some(2)));
        read(connection, key, ">", StreamReadOptions::default().group(GROUP, "ann"));
        let info = TypedCommands::xinfo_consumers(connection, key, GROUP).expect("CONSUMERS");
        assert_eq!((info.consumers[0].name.as_str(), info.consumers[0].pending), ("ann", 2));
        let dropped = TypedCommands::xgroup_delconsumer(connection, key, GROUP, "ann");
        assert_eq!(dropped.expect("XGROUP DELCONSUMER"), 2);
        assert!(TypedCommands::xgroup_destroy(connection, key, GROUP).expect("XGROUP DESTROY"));
        let options = StreamReadOptions::default().group(GROUP, "ann");
        refused(TypedCommands::xread_options(connection, &[key], &[">"], &options), "NOGROUP");
    });
}

#[test]
fn consuming() {
    in_both_protocols("rs:consuming", |_, connection, key| {
        group(connection, key, 2);
        let own = read(connection, key, "0", StreamReadOptions::default().group(GROUP, "ann"));
        assert_eq!(ids(&own), ["1-0", "2-0"]);
        assert_eq!(pending(connection, key), [row("1-0", "ann", 2), row("2-0", "ann", 2)]);
        let summary = TypedCommands::xpending(connection, key, GROUP).expect("XPENDING");
        let StreamPendingReply::Data(data) = summary else { panic!("two entries are pending") };
        assert_eq!((data.count, data.start_id.as_str(), data.end_id.as_str()), (2, "1-0", "2-0"));
        let options = StreamReadOptions::default().group(GROUP, "bob").noack();
        assert_eq!(ids(&read(connection, key, ">", options)), ["3-0"]);
        let acked = TypedCommands::xack(connection, key, GROUP, &["1-0", "3-0"]);
        assert_eq!(acked.expect("XACK"), 1);
        let keep = StreamDeletionPolicy::KeepRef;
        let reply = TypedCommands::xack_del(connection, key, GROUP, &["2-0", "9-0"], keep);
        let expected = [XAckDelStatusCode::AcknowledgedAndDeleted, XAckDelStatusCode::IdNotFound];
        assert_eq!(reply.expect("XACKDEL"), expected);
        let empty = TypedCommands::xpending(connection, key, GROUP).expect("XPENDING");
        assert_eq!(empty.count(), 0);
    });
}

#[test]
fn claiming() {
    in_both_protocols("rs:claiming", |_, connection, key| {
        group(connection, key, 2);
        let got = TypedCommands::xclaim(connection, key, GROUP, "bob", 0, &["1-0"]);
        assert_eq!(ids(&got.expect("XCLAIM").ids), ["1-0"]);
        let options = StreamClaimOptions::default().retry(7).with_justid();
        let got: Vec<String> =
            Commands::xclaim_options(connection, key, GROUP, "bob", 0, &["2-0"], options)
                .expect("XCLAIM JUSTID");
        assert_eq!(got, ["2-0"]);
        let options = StreamClaimOptions::default().with_force().idle(5000).with_lastid("3-0");
        let got: StreamClaimReply =
            Commands::xclaim_options(connection, key, GROUP, "cem", 0, &["3-0"], options)
                .expect("XCLAIM FORCE");
        assert_eq!(ids(&got.ids), ["3-0"]);
        let bobs = [row("1-0", "bob", 2), row("2-0", "bob", 7)];
        assert_eq!(pending(connection, key)[..2], bobs);
        TypedCommands::xdel(connection, key, &["1-0"]).expect("XDEL");
        let options = StreamAutoClaimOptions::default().count(2);
        let got =
            TypedCommands::xautoclaim_options(connection, key, GROUP, "dan", 0, "0-0", options)
                .expect("XAUTOCLAIM");
        assert_eq!((ids(&got.claimed), got.next_stream_id.as_str()), (vec!["2-0"], "3-0"));
        assert_eq!(got.deleted_ids, ["1-0"]);
        let options = StreamReadOptions::default().group(GROUP, "eve").claim(0);
        let got = read(connection, key, ">", options);
        assert_eq!(got.len(), 2);
        assert!(got.iter().all(|entry| entry.delivered_count.is_some()), "CLAIM tells counts");
    });
}

#[test]
fn giving_back() {
    in_both_protocols("rs:giving-back", |server, connection, key| {
        if server.is_redis() {
            return;
        }
        group(connection, key, 2);
        let options = StreamNackOptions::new(StreamNackMode::Fail);
        let given = TypedCommands::xnack(connection, key, GROUP, &["1-0", "9-0"], &options);
        assert_eq!(given.expect("XNACK"), 1);
        // redis-rs has no type for an idle time of -1, so the reply is read as it comes.
        let row = cmd("XPENDING").arg(key).arg(GROUP).arg("1-0").arg("1-0").arg(1).to_owned();
        let rows: Vec<(String, String, i64, i64)> = row.query(connection).expect("XPENDING");
        assert_eq!(rows, [("1-0".to_owned(), String::new(), -1, 1)]);
        let options = StreamReadOptions::default().group(GROUP, "bob").claim(600_000);
        assert_eq!(ids(&read(connection, key, ">", options)), ["1-0", "3-0"]);
    });
}

#[test]
fn reading_with_a_budget() {
    in_both_protocols("rs:budget", |server, connection, key| {
        if server.is_redis() {
            return;
        }
        fill(connection, key, &["1-0", "2-0", "3-0"]);
        let mut read = cmd("XREAD");
        read.arg("COUNT").arg(1).arg("MAXCOUNT").arg(1).arg("MAXSIZE").arg(1);
        let reply: StreamReadReply =
            read.arg("STREAMS").arg(key).arg("0").query(connection).expect("XREAD MAXCOUNT");
        assert_eq!(ids(&reply.keys[0].ids), ["1-0"]);
    });
}

#[test]
fn waiting() {
    in_both_protocols("rs:waiting", |server, connection, key| {
        TypedCommands::xgroup_create_mkstream(connection, key, GROUP, "$").expect("XGROUP CREATE");
        let mut reader = server.connect(2);
        let own_key = key.to_owned();
        let waiting = thread::spawn(move || {
            let options = StreamReadOptions::default().group(GROUP, "ann").block(5000);
            read(&mut reader, &own_key, ">", options)
        });
        until_somebody_waits(connection);
        fill(connection, key, &["1-0"]);
        let got = waiting.join().expect("the reader does not panic");
        assert_eq!(ids(&got), ["1-0"]);
        let begin = Instant::now();
        let options = StreamReadOptions::default().block(150);
        assert!(read(connection, key, "$", options).is_empty());
        assert!(begin.elapsed() >= Duration::from_millis(150), "it waited");
    });
}

/// Returns when INFO says that a client is blocked.
fn until_somebody_waits(connection: &mut Connection) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let info: redis::InfoDict = cmd("INFO").arg("clients").query(connection).expect("INFO");
        if info.get::<u64>("blocked_clients").is_some_and(|count| count > 0) {
            return;
        }
        assert!(Instant::now() < deadline, "nobody ever waited");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn transactions() {
    in_both_protocols("rs:transactions", |server, connection, key| {
        let (id, length): (String, usize) = pipe()
            .atomic()
            .xadd(key, "1-0", &[("a", "1")])
            .xlen(key)
            .query(connection)
            .expect("EXEC");
        assert_eq!((id.as_str(), length), ("1-0", 1));
        cmd("WATCH").arg(key).exec(connection).expect("WATCH");
        fill(&mut server.connect(2), key, &["2-0"]);
        let aborted: Option<(String,)> =
            pipe().atomic().xadd(key, "3-0", &[("a", "1")]).query(connection).expect("EXEC");
        assert_eq!(aborted, None);
    });
}

#[test]
fn help_and_unknown_commands() {
    in_both_protocols("rs:help", |_, connection, _| {
        for name in ["XGROUP", "XINFO"] {
            let lines: Vec<String> = cmd(name).arg("HELP").query(connection).expect("HELP");
            assert!(lines.len() > 5, "{name} HELP has {} lines", lines.len());
        }
        refused(cmd("XNOSUCH").arg("x").query::<Value>(connection), "unknown command");
    });
}
