//! `import` and `export`: what a copy has, on the way to Millstream and back.

use millstream_conformance::{Server, Value};

use crate::full::{assert_equal, full};
use crate::place::{Outcome, Place, millstream, own_program};
use crate::shown::{shown, shown_json};

/// More than a page and a piece have. `cargo xtask long import` has a million.
const ENTRIES: u64 = 5000;

fn entries() -> u64 {
    match std::env::var("MILLSTREAM_IMPORT_ENTRIES") {
        Ok(count) => count.parse().expect("MILLSTREAM_IMPORT_ENTRIES is a number"),
        Err(_) => ENTRIES,
    }
}

/// Copies by `import`, run at the target.
pub(crate) fn import(source: &Place, target: &Place, words: &[&[u8]]) -> Outcome {
    let url = source.url();
    let mut all: Vec<&[u8]> = vec![b"import", b"--from", url.as_bytes()];
    all.extend(words);
    normalised(target.run_words(&all), source, target)
}

/// Copies by `export`, run at the source.
pub(crate) fn export(source: &Place, target: &Place, words: &[&[u8]]) -> Outcome {
    let url = target.url();
    let mut all: Vec<&[u8]> = vec![b"export", b"--to", url.as_bytes()];
    all.extend(words);
    normalised(source.run_words(&all), source, target)
}

/// With names in place of addresses.
fn normalised(outcome: Outcome, source: &Place, target: &Place) -> Outcome {
    let named =
        |text: String| text.replace(&source.url(), "SOURCE").replace(&target.url(), "TARGET");
    Outcome { code: outcome.code, stdout: named(outcome.stdout), stderr: named(outcome.stderr) }
}

/// Three groups that have a tenth of the entries pending, in all forms in which that can be.
fn seed(place: &Place, count: u64) {
    let text = "x".repeat(60);
    let add = (1..=count).map(|n| format!("XADD s {n}-{} order {n} text {text}", n % 3));
    place.feed(add);
    let group = |name: &str, read: u64, consumers: u64| {
        let mut lines = vec![format!("XGROUP CREATE s {name} 0")];
        // What is read together has one time and one owner.
        let batch = (read / 50).max(1);
        lines.extend((0..read / batch).map(|number| {
            let consumer = number % consumers;
            format!("XREADGROUP GROUP {name} c{consumer} COUNT {batch} STREAMS s >")
        }));
        lines
    };
    let mut lines = group("a", count / 20, 7);
    lines.extend(group("b", count * 4 / 100, 1));
    lines.extend(group("c", count / 50, 20));
    // A part of b is acknowledged: holes in the list.
    lines.extend((1..=count / 100).map(|n| format!("XACK s b {}-{}", 4 * n, (4 * n) % 3)));
    lines.push("XGROUP CREATECONSUMER s b nothing-to-do".to_owned());
    lines.push("XGROUP CREATE s unread $".to_owned());
    // Other owners, counts and times; entries that are gone at the beginning and in the middle.
    for n in (1..=count / 100).map(|n| n * 2) {
        let id = format!("{n}-{}", n % 3);
        lines.push(format!("XCLAIM s a other 0 {id} TIME {} RETRYCOUNT {}", 1_000_000 + n, n % 9));
        if n % 10 == 0 {
            lines.push(format!("XDEL s {id}"));
        }
    }
    lines.push(format!("XTRIM s MINID = {}-0", count / 500));
    lines.push(format!("XSETID s {}-7 ENTRIESADDED {}", count + 5, count + 17));
    lines.push("PEXPIREAT s 9999999999999".to_owned());
    place.feed(lines.into_iter());
}

fn round_trip(peer: &str) {
    let Some(first) = Place::start(peer) else { return };
    let middle = Place::start("millstream").expect("it is there");
    let last = Place::start(peer).expect("it is there");
    seed(&first, entries());
    let here = import(&first, &middle, &[b"s", b"--json"]).json();
    let back = export(&middle, &last, &[b"s", b"--json"]).json();
    for document in [&here, &back] {
        let stream = &document["streams"][0];
        assert_eq!(stream["outcome"], "verified", "{document}");
        assert_eq!(stream["notes"], serde_json::json!([]), "{document}");
        println!("{peer}: {document}");
    }
    assert_eq!(here["streams"][0]["digest"], back["streams"][0]["digest"]);
    let (first_full, last_full) = (full(&first, b"s"), full(&last, b"s"));
    assert_equal(&first_full, &last_full);
    let middle_full = full(&middle, b"s");
    assert_equal(&first_full, &middle_full.as_far_as(&first_full));
    // It is what it is said to be.
    let pending: i64 =
        first_full.list("groups").iter().map(|group| group.number("pel-count")).sum();
    assert_eq!(here["streams"][0]["pending"], pending);
    assert_eq!(pending, i64::try_from(entries() / 10).expect("small"));
    let gone = here["streams"][0]["pending_without_entry"].as_u64().expect("a number");
    assert!(gone > 0, "{here}");
    for place in [&middle, &last] {
        assert_eq!(place.redis("PEXPIRETIME s"), first.redis("PEXPIRETIME s"));
        assert_eq!(place.redis("DBSIZE"), Value::Int(1));
    }
}

#[test]
fn a_stream_of_redis_goes_to_millstream_and_back_unchanged() {
    round_trip("redis-8.2");
}

#[test]
fn a_stream_of_valkey_goes_to_millstream_and_back_unchanged() {
    round_trip("valkey-9.1");
}

/// Names, fields and shapes of which each has been somebody's bug.
fn seed_tricky(place: &Place) -> [&'static [u8]; 6] {
    let large = vec![0xff; 3 << 20];
    let words = |words: &[&[u8]]| _ = place.redis_words(words);
    for n in 1..=20_u64 {
        let id = format!("{}-{}", u64::MAX - 30 + n, u64::MAX - n);
        words(&[b"XADD", b"a\xff}\n{", id.as_bytes(), b"", b"", b"\0", b"\xfe\xff", b"", b"again"]);
    }
    words(&[b"XGROUP", b"CREATE", b"a\xff}\n{", b"g\0\xff", b"0"]);
    words(&[
        b"XREADGROUP",
        b"GROUP",
        b"g\0\xff",
        b"",
        b"COUNT",
        b"9",
        b"STREAMS",
        b"a\xff}\n{",
        b">",
    ]);
    words(&[
        b"XREADGROUP",
        b"GROUP",
        b"g\0\xff",
        b"\xff",
        b"COUNT",
        b"2",
        b"STREAMS",
        b"a\xff}\n{",
        b">",
    ]);
    for id in ["1-1", "2-1", "3-1"] {
        words(&[b"XADD", b"large", id.as_bytes(), b"value", &large, b"n", id.as_bytes()]);
    }
    // Nothing in it but what was, and what a group still has of that.
    words(&[b"XGROUP", b"CREATE", b"empty", b"g", b"0", b"MKSTREAM"]);
    words(&[b"XADD", b"emptied", b"5-5", b"f", b"v"]);
    words(&[b"XADD", b"emptied", b"6-5", b"f", b"v"]);
    words(&[b"XGROUP", b"CREATE", b"emptied", b"g", b"0"]);
    words(&[b"XREADGROUP", b"GROUP", b"g", b"c", b"STREAMS", b"emptied", b">"]);
    words(&[b"XTRIM", b"emptied", b"MAXLEN", b"0"]);
    words(&[b"XADD", b"deleted", b"5-5", b"f", b"v"]);
    words(&[b"XDEL", b"deleted", b"5-5"]);
    // A group that was moved back, and one ahead of everything.
    for id in ["1-1", "2-1", "3-1", "4-1"] {
        words(&[b"XADD", b"{tag}moved", id.as_bytes(), b"f", b"v"]);
    }
    words(&[b"XGROUP", b"CREATE", b"{tag}moved", b"back", b"0"]);
    words(&[b"XREADGROUP", b"GROUP", b"back", b"c", b"STREAMS", b"{tag}moved", b">"]);
    words(&[b"XGROUP", b"SETID", b"{tag}moved", b"back", b"2-1"]);
    words(&[b"XGROUP", b"CREATE", b"{tag}moved", b"ahead", b"9-9", b"ENTRIESREAD", b"3"]);
    words(&[b"XDEL", b"{tag}moved", b"3-1"]);
    [b"a\xff}\n{", b"deleted", b"emptied", b"empty", b"large", b"{tag}moved"]
}

/// From each server to each, through Millstream.
fn tricky(from: &str) {
    let Some(source) = Place::start(from) else { return };
    let keys = seed_tricky(&source);
    for to in ["millstream", "redis-8.2", "valkey-9.1"] {
        let Some(target) = Place::start(to) else { continue };
        let document = import(&source, &target, &[b"--all", b"--json"]).json();
        let streams = document["streams"].as_array().expect("a list");
        assert_eq!(streams.len(), keys.len(), "{document}");
        for stream in streams {
            assert_eq!(stream["outcome"], "verified", "{document}");
        }
        for key in keys {
            let (a, b) = (full(&source, key), full(&target, key));
            assert_equal(&a.as_far_as(&b), &b.as_far_as(&a));
        }
        // Nothing else is there, nor left.
        let count = Value::Int(keys.len() as i64);
        assert_eq!((target.redis("DBSIZE"), source.redis("DBSIZE")), (count.clone(), count));
    }
}

#[test]
fn tricky_streams_of_millstream_go_everywhere() {
    tricky("millstream");
}

#[test]
fn tricky_streams_of_redis_go_everywhere() {
    tricky("redis-8.2");
}

#[test]
fn tricky_streams_of_valkey_go_everywhere() {
    tricky("valkey-9.1");
}

/// A stream with everything that only Millstream has.
fn seed_managed(place: &Place) {
    for id in 1..=9 {
        place.redis(&format!("XADD s {id}-1 customer {} n {id}", id % 2));
    }
    place.redis("XGROUP CREATE s g 0 CFG VISIBILITY 3600000 MAXDELIVERIES 9 BACKOFF 1000 2 60000");
    place.redis("XGROUP CREATE s ordered 0 CFG ORDERBY customer DEADLETTER bin MAXINFLIGHT 7");
    place.redis("XGROUP CREATE s plain 0");
    for group in ["g", "ordered", "plain"] {
        place.redis(&format!("XREADGROUP GROUP {group} ada COUNT 4 STREAMS s >"));
    }
    place.redis("XNACK s g FAIL IDS 2 1-1 2-1 RETRYCOUNT 3");
    place.redis("XNACK s plain SILENT IDS 1 3-1");
    place.redis("XCFGSET s MAXLEN 100 RETAIN UNACKED IDMP-DURATION 77");
    place.redis("XSCHEDULE ADD s AT 9999999999999 n 10");
}

#[test]
fn policies_retention_and_what_nobody_has_go_from_millstream_to_millstream() {
    let [source, target] = [(); 2].map(|()| Place::start("millstream").expect("it is there"));
    seed_managed(&source);
    let said = import(&source, &target, &[b"s"]).success();
    assert_eq!(
        shown(&said),
        "STREAM  ENTRIES  GROUPS  PENDING  SIZE  TIME  OUTCOME\n\
         s  9  3  10  SIZE  TIME  verified\n\
         s: 1 delayed entry stays behind: else it would be sent twice\n\
         s: 2 pending entries of group g had a delay, and are available at once\n\
         9 entries  SIZE  TIME  RATE\n"
    );
    for (command, group) in
        [("XCFGGET s", ""), ("XGROUP CFGGET s ", "g"), ("XGROUP CFGGET s ", "ordered")]
    {
        let command = format!("{command}{group}");
        assert_eq!(target.redis(&command), source.redis(&command), "{command}");
    }
    let pending = |place: &Place, group: &str| {
        let rows = place.run(&format!("pending ls s {group} --json")).json();
        shown_json(rows)
    };
    for group in ["g", "ordered", "plain"] {
        assert_eq!(pending(&target, group), pending(&source, group), "{group}");
    }
    // A group without a policy has none.
    let plain = target.run("group info s plain --json").json();
    assert_eq!(plain["managed"], serde_json::Value::Null);
}

#[test]
fn the_policy_of_new_groups_does_nothing_to_a_copy() {
    let source = Place::start("millstream").expect("it is there");
    source.redis("XADD s 1-1 n 1");
    source.redis("XGROUP CREATE s g 0");
    source.redis("XREADGROUP GROUP g c STREAMS s >");
    let policy = "* * VISIBILITY 1 MAXDELIVERIES 1 DEADLETTER bin";
    let server = Server::start_with(&own_program(), &["--memory", "--group-policy", policy]);
    let target = Place { server: server.expect("it starts") };
    target.redis("XGROUP CREATE other g 0 MKSTREAM");
    assert!(target.run("group info other g --json").json()["managed"]["policy"].is_object());
    import(&source, &target, &[b"s"]).success();
    let group = target.run("group info s g --json").json();
    assert_eq!((&group["managed"], &group["pending"]), (&serde_json::Value::Null, &1.into()));
    assert_eq!(target.redis("EXISTS bin"), Value::Int(0));
}

fn what_only_millstream_has_is_noted(peer: &str) {
    let Some(target) = Place::start(peer) else { return };
    let source = Place::start("millstream").expect("it is there");
    seed_managed(&source);
    let said = export(&source, &target, &[b"s", b"--as", b"t"]).success();
    assert_eq!(
        shown(&said),
        "STREAM  ENTRIES  GROUPS  PENDING  SIZE  TIME  OUTCOME\n\
         s as t  9  3  10  SIZE  TIME  verified\n\
         s: the retention stays behind: there is none there\n\
         s: 1 delayed entry stays behind: else it would be sent twice\n\
         s: the policy of group g stays behind: no policies there\n\
         s: 2 pending entries of group g had a delay, and are available at once\n\
         s: 2 pending entries of group g had no owner; there they are millstream-nobody's, idle \
         since 1970\n\
         s: the policy of group ordered stays behind: no policies there\n\
         s: 1 pending entry of group plain had no owner; there it is millstream-nobody's, idle \
         since 1970\n\
         9 entries  SIZE  TIME  RATE\n"
    );
    // Whoever claims what is idle gets it.
    let claimed = target.redis("XAUTOCLAIM t g bob 99999999 0 JUSTID");
    let Value::Array(claimed) = claimed else { panic!("{claimed:?}") };
    let ids = ["1-1", "2-1"].map(|id| Value::Bulk(id.into())).to_vec();
    assert_eq!(claimed[1], Value::Array(ids));
}

#[test]
fn what_only_millstream_has_is_noted_by_redis_and_valkey() {
    what_only_millstream_has_is_noted("redis-8.2");
    what_only_millstream_has_is_noted("valkey-9.1");
}

#[test]
fn the_document_has_all_that_became_of_a_stream() {
    let [source, target] = [(); 2].map(|()| Place::start("millstream").expect("it is there"));
    source.redis("XADD s 1-1 n 1");
    source.redis("XGROUP CREATE s g 0");
    source.redis("XREADGROUP GROUP g c STREAMS s >");
    source.redis("XADD s 2-1 n 2");
    let mut document = import(&source, &target, &[b"s", b"--json"]).json();
    let digest = document["streams"][0]["digest"].take();
    assert_eq!(digest.as_str().map(str::len), Some(32), "{digest}");
    assert_eq!(
        shown_json(document),
        serde_json::json!({
            "streams": [{
                "stream": "s", "to_stream": "s", "outcome": "verified", "entries": 2, "groups": 1,
                "consumers": 1, "pending": 1, "pending_without_entry": 0, "bytes": 4,
                "digest": null, "cut_id": "2-1", "added_meanwhile": 0, "elapsed_ms": "N",
                "notes": [], "differences": []
            }],
            "from": "SOURCE", "to": "TARGET", "entries": 2, "bytes": 4, "elapsed_ms": "N",
            "is_dry_run": false
        })
    );
    let dry = import(&source, &target, &[b"s", b"--dry-run", b"--json"]).json();
    let row = &dry["streams"][0];
    assert_eq!(
        (&row["outcome"], &row["pending"]),
        (&"is there already".into(), &1.into()),
        "{dry}"
    );
    assert_eq!(dry["is_dry_run"], true);
    // Servers are named without what lets one in.
    let from = format!("redis://:hunter2@127.0.0.1:{}", target.server.port());
    let said = millstream().args(["import", "--from", &from, "s", "--url", &from]).output();
    let said = Outcome::of(said.expect("it starts"));
    assert!(!said.stderr.contains("hunter2") && said.code != Some(0), "{said:?}");
}
