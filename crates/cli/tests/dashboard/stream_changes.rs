//! What is changed about streams, groups and consumers by forms.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use redis::Value;

use crate::site::{Answer, Site};

const PAGE: &str = "/streams/orders";
const GROUP: &str = "/streams/orders/groups/billing";

fn site() -> Site {
    let site = Site::start(&["--admin-write"]);
    for id in 1..=5 {
        site.redis(&format!("XADD orders {id}-1 n {id}"));
    }
    site.redis("XGROUP CREATE orders billing 0");
    site
}

#[track_caller]
fn says(answer: &Answer, text: &str) {
    let words = answer.words();
    assert!(words.contains(text), "{text:?} is not in: {words}");
}

/// Names and values of the newest entry.
fn newest(site: &Site) -> Vec<Vec<u8>> {
    let command = redis::cmd("XREVRANGE").arg(&["orders", "+", "-", "COUNT", "1"]).to_owned();
    let entries: Vec<(String, Vec<Vec<u8>>)> =
        command.query(&mut site.connect()).expect("the server answers");
    entries.into_iter().next().expect("there is one").1
}

#[test]
fn entries_are_added_by_rows_and_by_json() {
    let site = site();
    let add = |fields: &[(&str, &str)]| site.submit(PAGE, "/streams/orders/add", fields);
    for (fields, why) in [
        (&[][..], "an entry has at least one field"),
        (&[("name", ""), ("value", "x")], "a field has no name"),
        (&[("json", "{")], "the JSON is no entry: EOF"),
        (&[("json", "{\"a\":1}"), ("name", "a"), ("value", "b")], "not as both"),
        (&[("name", "a"), ("value", "\\y"), ("escapes", "yes")], "there is no escape"),
        (&[("name", "a"), ("value", "b"), ("id", "5-1")], "equal or smaller"),
        (&[("name", "a"), ("value", "b"), ("id", "x")], "x is no id"),
        (&[("name", "a"), ("value", "b"), ("delay", "soon")], "is no time"),
        (&[("name", "a"), ("value", "b"), ("id", "9-9"), ("delay", "1s")], "give one of both"),
    ] {
        says(&add(fields), why);
    }
    assert_eq!(site.redis("XLEN orders"), Value::Int(5), "nothing was added");

    let rows = [("name", "a"), ("value", "1\\n"), ("name", ""), ("value", ""), ("name", "a")];
    let done = add(&[&rows[..], &[("value", "two\r\nlines"), ("id", "6-2")]].concat());
    says(&done, "Entry 6-2 was added.");
    assert_eq!(newest(&site), [&b"a"[..], b"1\\n", b"a", b"two\nlines"]);
    add(&[("name", "\\xff"), ("value", "1\\n"), ("escapes", "yes")]);
    assert_eq!(newest(&site), [&b"\xff"[..], b"1\n"]);
    add(&[("json", r#"{"id": 7, "list": [1, "x"], "raw": {"b64": "/w=="}}"#)]);
    let raw = [&b"id"[..], b"7", b"list", br#"[1,"x"]"#, b"raw", b"\xff"];
    assert_eq!(newest(&site), raw);
    let huge = "<&".repeat(1 << 19);
    says(&add(&[("name", "huge"), ("value", &huge)]), "1.00 MiB");
    assert_eq!(newest(&site)[1].len(), 1 << 20);
    says(&add(&[("name", "later"), ("value", "1"), ("delay", "1h")]), "The entry waits");
    says(&site.get(PAGE), "Scheduled 1");
    site.log_says(&["added entry 6-2 to stream orders", "added delayed entry"]);
}

#[test]
fn what_a_stream_keeps_is_changed() {
    let site = site();
    let change = |changed: &[(&'static str, &'static str)]| {
        let now = [("maxlen", ""), ("maxage", ""), ("maxbytes", ""), ("retain", "all")];
        let all = [&now[..], &[("overflow", "")]].concat();
        let all: Vec<_> = all
            .into_iter()
            .map(|(name, value)| {
                (name, changed.iter().find(|(of, _)| *of == name).map_or(value, |(_, new)| *new))
            })
            .collect();
        site.submit(PAGE, "/streams/orders/retention", &all)
    };
    says(&change(&[("maxlen", "0")]), "\"0\" is no number");
    says(&change(&[("retain", "x")]), "all or unacked");
    says(&change(&[("overflow", "x")]), "drop or reject");
    says(&site.get(PAGE), "keeps everything");
    let done = change(&[("maxlen", "3"), ("maxbytes", "1mb"), ("overflow", "drop")]);
    says(&done, "What it keeps was changed.");
    says(&done, "maxlen 3 maxage - maxbytes 1.00 MiB retain all overflow drop");
    assert_eq!(site.redis("XLEN orders"), Value::Int(3));
    let same = change(&[("maxlen", "3"), ("maxbytes", "1048576"), ("overflow", "drop")]);
    says(&same, "Nothing was changed");
    let off = change(&[("maxage", "7d"), ("overflow", "drop")]);
    says(&off, "maxlen - maxage 7d maxbytes -");
}

#[test]
fn a_stream_is_trimmed_by_what_was_counted() {
    let site = site();
    let trim = format!("{PAGE}/trim");
    for (query, text) in [
        ("by=maxlen&value=3", "2 entries of orders would go"),
        ("by=maxlen&value=9", "0 entries of orders would go"),
        ("by=minid&value=4-1", "3 entries of orders would go"),
        ("by=minid&value=1970-01-01T00:00:00.002Z", "1 entry of orders would go"),
        ("by=maxage&value=1h", "5 entries of orders would go"),
    ] {
        says(&site.get(&format!("{trim}?{query}")), text);
    }
    for wrong in ["", "by=maxlen&value=", "by=maxlen&value=x", "by=minid&value=x", "by=x&value=1"] {
        assert_eq!(site.get(&format!("{trim}?{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(site.get("/streams/none/trim?by=maxlen&value=1").status, 404);
    // An age is asked for as the id that it led to.
    let aged = site.get(&format!("{trim}?by=maxage&value=1h")).text;
    assert!(aged.contains("name=\"by\" value=\"minid\""), "{aged}");
    assert_eq!(site.redis("XLEN orders"), Value::Int(5), "nothing was done yet");
    let done = site.submit(PAGE, &trim, &[("by", "minid"), ("value", "4-1")]);
    says(&done, "3 entries were removed.");
    assert_eq!(site.redis("XLEN orders"), Value::Int(2));
    site.log_says(&["trimmed stream orders by 3 entries"]);
}

#[test]
fn groups_are_created_moved_and_destroyed() {
    let site = site();
    let create = |group: &str, start: &str| {
        site.submit(PAGE, "/streams/orders/groups", &[("group", group), ("start", start)])
    };
    says(&create("", "0"), "the name of the group is missing");
    says(&create("a", "x"), "x is no id");
    says(&create("a\\xff b", "3-1"), "Group a\\xff b was created.");
    says(&create("billing", "$"), "There was a group billing already");
    says(&site.get(PAGE), "a\\xff b - 0 0 3-1");

    let set_id = format!("{GROUP}/set-id");
    site.redis("XREADGROUP GROUP billing ada COUNT 3 STREAMS orders >");
    for (to, text) in [
        ("0", "3 entries would be delivered again"),
        ("$", "2 entries would be skipped"),
        ("%24", "2 entries would be skipped"),
        ("4-1", "1 entry would be skipped"),
        ("3-1", "Nothing would change"),
    ] {
        says(&site.get(&format!("{set_id}?to={to}")), text);
    }
    assert_eq!(site.get(&format!("{set_id}?to=x")).status, 400);
    says(&site.get(GROUP), "Not delivered yet 2");
    let done = site.submit(GROUP, &set_id, &[("to", "1-1")]);
    says(&done, "The group was moved");
    says(&site.get(PAGE), "billing 4 3 1 1-1");

    let destroy = format!("{GROUP}/destroy");
    says(&site.submit(GROUP, &destroy, &[("typed", "Billing")]), "nothing was done: type the name");
    assert_eq!(site.get(GROUP).status, 200);
    let done = site.submit(GROUP, &destroy, &[("typed", "billing")]);
    says(&done, "Group billing was destroyed.");
    assert_eq!(site.get(GROUP).status, 404);
    let moved = "moved group billing of stream orders to 1-1";
    site.log_says(&["created group a\\xff b", moved, "destroyed group billing"]);
}

#[test]
fn a_consumer_is_deleted_and_what_it_has_goes_where_it_was_told() {
    let site = site();
    site.redis("XREADGROUP GROUP billing ada COUNT 2 STREAMS orders >");
    site.redis("XREADGROUP GROUP billing bob COUNT 1 STREAMS orders >");
    let ada = format!("{GROUP}/consumers/ada");
    let page = site.get(&ada);
    says(&page, "ada consumer Pending 2");
    assert!(page.text.contains("name=\"heir\" size=\"24\" value=\"bob\""), "{}", page.text);
    let missing = site.submit(&ada, &ada, &[("pending", "heir"), ("heir", "")]);
    says(&missing, "the name of the heir is missing");
    says(&site.submit(&ada, &ada, &[]), "say what becomes of what it has");
    says(&site.submit(&ada, &ada, &[("pending", "kept")]), "say what becomes of what it has");
    let own = site.submit(&ada, &ada, &[("pending", "heir"), ("heir", "ada")]);
    says(&own, "cannot inherit from itself");
    let done = site.submit(&ada, &ada, &[("pending", "heir"), ("heir", "bob")]);
    says(&done, "Consumer ada was deleted; 2 entries went to bob.");
    assert_eq!(site.get(&ada).status, 404);
    let bob = format!("{GROUP}/consumers/bob");
    says(&site.get(&bob), "Pending 3");
    let lost = site.submit(&bob, &bob, &[("pending", "nobody")]);
    says(&lost, "Consumer bob was deleted, and 3 entries with it.");
    // A managed group keeps what it had.
    site.redis("XGROUP CFGSET orders billing VISIBILITY 60000");
    site.redis("XREADGROUP GROUP billing carl COUNT 1 STREAMS orders >");
    let carl = format!("{GROUP}/consumers/carl");
    says(&site.get(&carl), "stays, without an owner");
    let kept = site.submit(&carl, &carl, &[("pending", "kept")]);
    says(&kept, "Consumer carl was deleted; anybody gets 1 entry now.");
    says(&site.get(&format!("{GROUP}/pending")), "4-1 nobody");
}

#[test]
fn a_stream_is_deleted_by_whoever_types_its_name() {
    let site = Site::start(&["--admin-write"]);
    for (name, path, shown) in [
        (&b"orders"[..], "/streams/orders", "orders"),
        (b"\xff b/", "/streams/%FF%20b%2F", "\\xff b/"),
        (b"", "/streams/~", "\"\""),
    ] {
        site.redis_words(&[b"XADD", name, b"1-1", b"a", b"b"]);
        let delete = format!("{path}/delete");
        let wrong = site.submit(path, &delete, &[("typed", "order")]);
        says(&wrong, &format!("type the name as it is shown, {shown}"));
        assert_eq!(site.get(path).status, 200, "{path}");
        let done = site.submit(path, &delete, &[("typed", shown)]);
        says(&done, &format!("Stream {shown} was deleted, with 1 entry."));
        assert_eq!(site.get(path).status, 404, "{path}");
    }
}

/// Symptom: the page of a group of a stream that is called `groups` was that of another group.
#[test]
fn streams_may_be_called_like_parts_of_a_path() {
    let site = Site::start(&[]);
    for name in ["groups", "entries", "streams", "pending"] {
        site.redis(&format!("XADD {name} 1-1 a b"));
        site.redis(&format!("XGROUP CREATE {name} billing 0"));
        says(&site.get(&format!("/streams/{name}/groups/billing")), "billing group");
        says(&site.get(&format!("/streams/{name}/entries/1-1")), "1-1 entry");
    }
}

/// Symptom: whoever hung up while their change was made left no line about it in the log.
#[test]
fn the_change_of_somebody_who_hangs_up_is_made_and_in_the_log() {
    let site = Site::start(&["--admin-write"]);
    site.redis("XADD orders 1-1 f v");
    site.redis("CLIENT PAUSE 600000 WRITE");
    let mut visitor = TcpStream::connect(&site.host).expect("it listens");
    let (host, body) = (&site.host, r#"{"max_length":0}"#);
    write!(
        visitor,
        "POST /api/v1/streams/orders/trim HTTP/1.1\r\nHost: {host}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("it reads");
    visitor.shutdown(Shutdown::Write).expect("it is open");
    let mut rest = Vec::new();
    visitor.read_to_end(&mut rest).expect("it is closed");
    assert_eq!(rest, b"", "nobody waits for an answer");
    site.redis("CLIENT UNPAUSE");
    site.log_says(&["trimmed stream orders by 1 entry"]);
}
