//! `millstream stream`.

use std::io::{BufRead as _, BufReader, Read as _};

use millstream_conformance::Value;
use serde_json::json;

use crate::on_all_servers;
use crate::place::{Outcome, Place, signal};
use crate::shown::{shown, shown_json};

on_all_servers!(
    streams_are_listed,
    a_stream_is_shown,
    entries_are_printed,
    new_entries_are_followed,
    the_oldest_entries_go,
    a_stream_keeps_what_its_policy_says,
    a_stream_is_deleted_on_demand,
    streams_that_a_user_may_not_see_do_not_hide_the_others,
    the_delayed_entries_of_a_stream_go_with_it_and_are_told,
);

/// Not UTF-8, with a line break, and something that would clear the screen.
const ODD: &[u8] = b"odd\xff\n\x1b[2J";

fn three_orders(place: &Place) {
    for id in 1..=3 {
        place.redis(&format!("XADD orders {id}-1 order_id {id}"));
    }
}

fn streams_are_listed(place: &Place) {
    let none = place.run("stream ls");
    assert_eq!(none.stderr, format!("millstream: no streams at {}\n", place.url()));
    assert_eq!((none.code, &*none.stdout), (Some(0), ""));
    let none = json!({"streams": [], "is_limited": false, "not_permitted": 0});
    assert_eq!(place.run("stream ls --json").json(), none);

    three_orders(place);
    place.redis("SET string x");
    place.redis("XGROUP CREATE empty group $ MKSTREAM");
    place.redis_words(&[b"XADD", ODD, b"4-1", b"f", b"v"]);
    let rows = "odd\\xff\\n\\u{1b}[2J  1  0  4-1  4-1  TIME  SIZE\n\
                orders  3  0  1-1  3-1  TIME  SIZE\n";
    let header = "STREAM  LENGTH  GROUPS  FIRST  LAST  AGE  MEMORY\n";
    let all = format!("{header}empty  0  1  -  -  -  SIZE\n{rows}");
    assert_eq!(shown(&place.run("stream ls").success()), all);
    assert_eq!(shown(&place.run("stream ls o*").success()), format!("{header}{rows}"));
    let orders = json!({
        "stream": "orders", "length": 3, "groups": 0, "first_id": "1-1", "last_id": "3-1",
        "age_ms": "N", "memory_bytes": "N",
    });
    let odd = json!({
        "stream": {"b64": "b2Rk/wobWzJK"}, "length": 1, "groups": 0, "first_id": "4-1",
        "last_id": "4-1", "age_ms": "N", "memory_bytes": "N",
    });
    assert_eq!(
        shown_json(place.run("stream ls o* --json").json()),
        json!({"streams": [odd, orders.clone()], "is_limited": false, "not_permitted": 0})
    );
    // The same without an order.
    let unsorted = shown_json(place.run("stream ls orders --limit 0 --json").json());
    assert_eq!(unsorted, json!({"streams": [orders], "is_limited": false, "not_permitted": 0}));

    let one = place.run("stream ls --limit 1");
    assert_eq!((one.code, one.stdout.lines().count()), (Some(0), 2), "{one:?}");
    assert_eq!(one.stderr, "millstream: there are more than 1 streams: see --limit\n");
    let one = place.run("stream ls --limit 1 --json").json();
    assert_eq!(one["streams"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["is_limited"], true);
    assert_eq!(place.run("stream ls --limit 3 --json").json()["is_limited"], false);
}

fn a_stream_is_shown(place: &Place) {
    three_orders(place);
    place.redis("XDEL orders 2-1");
    place.redis("XGROUP CREATE orders billing 1-1");
    let (is_told, disk) = (place.is_millstream(), place.is_millstream().then_some(0));
    let disk_line = if is_told { "disk  SIZE\n" } else { "" };
    let text = format!(
        "stream  orders\n\
                length  2\n\
                first entry  1-1, TIME ago\n\
                last entry  3-1, TIME ago\n\
                last generated id  3-1\n\
                highest deleted id  2-1\n\
                entries ever added  3\n\
                memory  SIZE\n\
                {disk_line}groups  1\n\
                \n\
                GROUP  CONSUMERS  PENDING  LAG  LAST DELIVERED  BLOCKED BY\n\
                billing  0  0  -  1-1  -\n"
    );
    assert_eq!(shown(&place.run("stream info orders").success()), text);
    assert_eq!(
        shown_json(place.run("stream info orders --json").json()),
        json!({
            "stream": "orders", "length": 2, "first_id": "1-1", "last_id": "3-1", "age_ms": "N",
            "last_age_ms": "N", "last_generated_id": "3-1", "max_deleted_id": "2-1",
            "entries_added": 3, "memory_bytes": "N", "disk_bytes": disk, "payload_bytes": null,
            "scheduled": null, "retention": null, "groups": 1,
            "group_list": [{
                "group": "billing", "consumers": 0, "pending": 0, "lag": null,
                "entries_read": null, "last_delivered_id": "1-1", "managed": null,
            }],
        })
    );
    let none = place.run("stream info none").failure(1);
    let expected = format!(
        "millstream: there is no stream none at {}\n  next: `millstream stream ls` shows those \
         that there are\n",
        place.url()
    );
    assert_eq!(none, expected);
}

fn entries_are_printed(place: &Place) {
    // Several reads' worth.
    place.feed((1..=250).map(|id| format!("XADD s {id}-1 n {id}")));
    let lines = |ids: std::ops::RangeInclusive<u32>| -> String {
        ids.map(|id| format!("{id}-1  n={id}\n")).collect()
    };
    let tail = |options: &str| place.run(&format!("stream tail s{options}")).success();
    assert_eq!(tail(""), lines(241..=250));
    assert_eq!(tail(" -n 2"), lines(249..=250));
    assert_eq!(tail(" --count 0"), "");
    assert_eq!(tail(" --count 240"), lines(11..=250));
    assert_eq!(tail(" --count 100000"), lines(1..=250));
    assert_eq!(tail(" --from 20-2"), lines(21..=250));
    assert_eq!(tail(" --from 20 --count 3"), lines(20..=22));
    assert_eq!(tail(" --from 251"), "");
    assert_eq!(
        tail(" -n 2 --json"),
        "{\"id\":\"249-1\",\"fields\":{\"n\":\"249\"}}\n\
         {\"id\":\"250-1\",\"fields\":{\"n\":\"250\"}}\n"
    );

    place.redis_words(&[b"XADD", ODD, b"1-1", b"text", b" a\\b ", b"\x1b[2J", b"\xfe"]);
    let shown = "1-1  text=\\x20a\\\\b\\x20  \\u{1b}[2J=\\xfe\n";
    assert_eq!(place.run_words(&[b"stream", b"tail", ODD]).success(), shown);
    let escaped = b"odd\\xff\\n\\u{1b}[2J";
    assert_eq!(place.run_words(&[b"stream", b"tail", escaped, b"--escapes"]).success(), shown);
    assert_eq!(
        place.run_words(&[b"stream", b"tail", ODD, b"--json"]).success(),
        "{\"id\":\"1-1\",\"fields\":[[\"text\",\" a\\\\b \"],[\"\\u001b[2J\",{\"b64\":\"/g==\"}]]}\n"
    );
    place.run("stream tail none").failure(1);
}

fn new_entries_are_followed(place: &Place) {
    let mut child = place.begin("stream tail orders --follow");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line more").expect("it can be read");
    // It may not wait yet: then it finds the entry there.
    place.redis("XADD orders 1-1 n 1");
    assert_eq!(next(), "1-1  n=1");
    place.redis("XADD orders 2-1 n 2");
    assert_eq!(next(), "2-1  n=2");
    signal(&child, "-INT");
    let mut stderr = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("it can be read");
    let status = child.wait().expect("it ends");
    assert_eq!((status.code(), &*stderr), (Some(0), ""), "Ctrl-C is how it ends");

    let mut child = place.begin("stream tail orders --from 2 --follow --json");
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut next = || lines.next().expect("a line more").expect("it can be read");
    assert_eq!(next(), "{\"id\":\"2-1\",\"fields\":{\"n\":\"2\"}}");
    place.redis("XADD orders 3-1 n 3");
    assert_eq!(next(), "{\"id\":\"3-1\",\"fields\":{\"n\":\"3\"}}");
    signal(&child, "-INT");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

fn the_oldest_entries_go(place: &Place) {
    place.feed((1..=2500).map(|id| format!("XADD s {id}-1 n {id}")));
    let trim = |options: &str| place.run(&format!("stream trim s {options}"));
    let would = |options: &str| trim(&format!("{options} --dry-run")).success();
    assert_eq!(would("--maxlen 2000"), "500 entries of s would go, 2000 left\n");
    assert_eq!(would("--maxlen 9999"), "0 entries of s would go, 2500 left\n");
    assert_eq!(would("--minid 2200"), "2199 entries of s would go, 301 left\n");
    assert_eq!(would("--minid 2200-2"), "2200 entries of s would go, 300 left\n");
    assert_eq!(would("--maxage 1d"), "2500 entries of s would go, 0 left\n");
    let document = |trimmed, length, is_dry_run| {
        json!({
            "stream": "s", "trimmed": trimmed, "length": length, "is_dry_run": is_dry_run,
        })
    };
    assert_eq!(trim("--maxlen 1 --dry-run --json").json(), document(2499, 2500, true));
    assert_eq!(trim("--minid 500").success(), "499 entries of s went, 2001 left\n");
    assert_eq!(trim("--maxlen 2000 --json").json(), document(1, 2000, false));
    place.redis("XADD s * n new");
    assert_eq!(trim("--maxage 1h").success(), "2000 entries of s went, 1 left\n");
    place.run("stream trim none --maxlen 1").failure(1);
    for wrong in
        ["", "--maxlen 1 --minid 1", "--maxlen -1", "--minid $", "--maxage 5", "--maxage 0s"]
    {
        assert!(!trim(wrong).failure(2).is_empty(), "{wrong}");
    }
}

fn a_stream_keeps_what_its_policy_says(place: &Place) {
    three_orders(place);
    let policy = |options: &str| place.run(&format!("stream policy orders{options}"));
    if !place.is_millstream() {
        for options in ["", " --maxlen 2"] {
            let said = policy(options).failure(1);
            assert!(said.starts_with(&format!("millstream: {} ", place.called())), "{said}");
            let end = format!(
                " at {} has no retention of streams\n  next: trim with `millstream stream trim`, \
                 or with MAXLEN or MINID of each XADD\n",
                place.url()
            );
            assert!(said.ends_with(&end), "{said}");
        }
        return;
    }
    let text = |maxlen, maxbytes, retain, overflow| {
        format!(
            "maxlen  {maxlen}\nmaxage  -\nmaxbytes  {maxbytes}\nretain  {retain}\noverflow  \
             {overflow}\n"
        )
    };
    assert_eq!(shown(&policy("").success()), text("-", "-", "all", "drop"));
    let set = policy(" --maxlen 2 --maxbytes 1mb").success();
    assert_eq!(shown(&set), text("2", "SIZE", "all", "drop"));
    let unacked = policy(" --maxbytes none --retain unacked").success();
    assert_eq!(shown(&unacked), text("2", "-", "unacked", "reject"));
    assert_eq!(
        policy(" --maxage 7d --json").json(),
        json!({
            "stream": "orders",
            "retention": {
                "max_length": 2, "max_age_ms": 604_800_000, "max_bytes": null,
                "retain": "unacked", "overflow": "reject",
            },
        })
    );
    let info = place.run("stream info orders").success();
    assert!(shown(&info).contains("maxlen  2\nmaxage  TIME\nmaxbytes  -\n"), "{info}");
    let refused = policy(" --maxage none --overflow drop").failure(1);
    assert!(refused.contains("OVERFLOW DROP contradicts RETAIN UNACKED"), "{refused}");
    let unchanged = policy(" --json").json();
    assert_eq!(unchanged["retention"]["max_age_ms"], 604_800_000, "all items or none");
    for wrong in [" --maxlen 0", " --maxage 5", " --maxbytes 1.5mb", " --retain some"] {
        assert!(!policy(wrong).failure(2).is_empty(), "{wrong}");
    }
    place.run("stream policy none").failure(1);
    place.run("stream policy none --maxlen 5").failure(1);
}

fn a_stream_is_deleted_on_demand(place: &Place) {
    three_orders(place);
    place.redis("XGROUP CREATE orders billing 0");
    place.redis("XREADGROUP GROUP billing c COUNT 2 STREAMS orders >");
    let asked = place.run("stream delete orders");
    assert_eq!(
        asked.stdout,
        "stream orders would be deleted, with 3 entries, 1 group, 2 pending\n"
    );
    assert_eq!(asked.stderr, "millstream: nothing was deleted; --yes does it\n");
    assert_eq!(asked.code, Some(2));
    let Outcome { code, stdout, .. } = place.run("stream delete orders --json");
    let document: serde_json::Value = serde_json::from_str(&stdout).expect("it is JSON");
    let expected = |is_deleted: bool| {
        json!({
            "stream": "orders", "length": 3, "groups": 1, "pending": 2, "scheduled": 0,
            "is_deleted": is_deleted,
        })
    };
    assert_eq!((code, document), (Some(2), expected(false)));
    assert_eq!(place.run("stream delete orders --yes --json").json(), expected(true));
    place.run("stream delete orders --yes").failure(1);
    place.redis("SET orders precious");
    let other = place.run("stream delete orders --yes").failure(1);
    assert!(other.contains("WRONGTYPE"), "{other}");
    place.redis("GET orders");
    place.redis("XADD more 1-1 n 1");
    let text = "stream more was deleted, with 1 entry, 0 groups, 0 pending\n";
    assert_eq!(place.run("stream delete more -y").success(), text);
}

/// Symptom: `stream ls` of a user who may not see one of the streams failed, and listed none.
fn streams_that_a_user_may_not_see_do_not_hide_the_others(place: &Place) {
    three_orders(place);
    place.redis("XADD secret 1-1 n 1");
    place.redis("ACL SETUSER auditor on >pw ~orders* +@all");
    let at = place.url().replace("redis://", "redis://auditor@");
    let ls = |options: &str| {
        let url = place.url().replace("redis://", "redis://auditor:pw@");
        place.run(&format!("stream ls{options} --url {url}"))
    };
    let Outcome { code, stdout, stderr } = ls("");
    let text = format!("millstream: 1 stream at {at} is not for this user (ACL)\n");
    assert_eq!((code, &stderr), (Some(0), &text));
    let header = "STREAM  LENGTH  GROUPS  FIRST  LAST  AGE  MEMORY\n";
    assert_eq!(shown(&stdout), format!("{header}orders  3  0  1-1  3-1  TIME  SIZE\n"));
    let document = ls(" --json").json();
    assert_eq!(document["streams"].as_array().map(Vec::len), Some(1));
    assert_eq!((&document["is_limited"], &document["not_permitted"]), (&json!(false), &json!(1)));
    let Outcome { code, stdout, stderr } = ls(" s*");
    assert_eq!((code, &*stdout, &stderr), (Some(0), "", &text));
    // Who may look at no stream at all is told so.
    place.redis("ACL SETUSER auditor -xinfo");
    let said = ls("").failure(1);
    assert!(said.contains("NOPERM") && said.contains("xinfo"), "{said}");
}

/// Symptom: on Redis and Valkey `stream delete` said nothing of delayed entries and left them, and
/// workers appended them to the stream that was gone.
fn the_delayed_entries_of_a_stream_go_with_it_and_are_told(place: &Place) {
    three_orders(place);
    for n in 1..=2 {
        place.run(&format!("schedule add orders --in 1h n={n} --json")).json();
    }
    let asked = place.run("stream delete orders");
    let text = "with 3 entries, 0 groups, 0 pending, 2 delayed\n";
    assert_eq!(asked.stdout, format!("stream orders would be deleted, {text}"));
    assert_eq!(asked.code, Some(2));
    let listed = place.run("schedule ls orders --json").json();
    assert_eq!(listed["scheduled"].as_array().map(Vec::len), Some(2), "they are there still");
    let deleted = place.run("stream delete orders --yes").success();
    assert_eq!(deleted, format!("stream orders was deleted, {text}"));
    place.run("schedule ls orders").failure(1);
    assert_eq!(place.redis("DBSIZE"), Value::Int(0), "nothing is left beside it");
    place.redis("XADD again 1-1 n 1");
    place.run("schedule add again --in 1h n=1 --json").json();
    assert_eq!(place.run("stream delete again --yes --json").json()["scheduled"], 1);
    if !place.is_millstream() {
        // What looks like it and is somebody else's stays.
        place.redis("XADD other 1-1 n 1");
        place.redis("ZADD {other}:delayed 1 mine");
        let text = "stream other was deleted, with 1 entry, 0 groups, 0 pending\n";
        assert_eq!(place.run("stream delete other --yes").success(), text);
        assert_eq!(place.redis("ZCARD {other}:delayed"), Value::Int(1));
    }
}
