//! `millstream pending`.

use serde_json::{Value as Json, json};

use crate::on_all_servers;
use crate::place::{Outcome, Place};
use crate::shown::{shown, shown_json};

on_all_servers!(
    pending_entries_are_listed,
    pending_entries_go_to_another_consumer,
    pending_entries_are_acknowledged,
    pending_entries_are_given_back,
    thousands_are_listed_and_changed,
    names_of_any_bytes_have_pending_entries,
);

/// Ada has 1-1 to 3-1, bob 4-1 and 5-1; of those 4-1 was delivered seven times, the last time an
/// hour ago.
fn five_pending(place: &Place) {
    for id in 1..=5 {
        place.redis(&format!("XADD orders {id}-1 order_id {id}"));
    }
    place.redis("XGROUP CREATE orders billing 0");
    place.redis("XREADGROUP GROUP billing ada COUNT 3 STREAMS orders >");
    place.redis("XREADGROUP GROUP billing bob COUNT 2 STREAMS orders >");
    place.redis("XCLAIM orders billing bob 0 4-1 IDLE 3600000 RETRYCOUNT 7 JUSTID");
}

/// Ids, owners and counts of all that is pending.
fn pending(place: &Place, filter: &str) -> Vec<(String, Json, u64)> {
    let listed = place.run(&format!("pending ls orders billing --json{filter}")).json();
    let rows = listed["pending"].as_array().expect("a list");
    let row = |row: &Json| {
        let id = row["id"].as_str().expect("a text").to_owned();
        (id, row["consumer"].clone(), row["deliveries"].as_u64().expect("a number"))
    };
    rows.iter().map(row).collect()
}

fn ids(place: &Place, filter: &str) -> Vec<String> {
    pending(place, filter).into_iter().map(|(id, ..)| id).collect()
}

fn owners(place: &Place) -> Vec<Json> {
    pending(place, "").into_iter().map(|(_, owner, _)| owner).collect()
}

/// What a command says that would change something and was not told to.
#[track_caller]
fn asks(outcome: Outcome, stdout: &str, stderr: &str) {
    let Outcome { code, stdout: said, stderr: complained } = outcome;
    assert_eq!((code, &*said, &*complained), (Some(2), stdout, stderr));
}

fn pending_entries_are_listed(place: &Place) {
    five_pending(place);
    let text = "ID  CONSUMER  IDLE  DELIVERIES\n\
                1-1  ada  TIME  1\n2-1  ada  TIME  1\n3-1  ada  TIME  1\n\
                4-1  bob  TIME  7\n5-1  bob  TIME  1\n";
    assert_eq!(shown(&place.run("pending ls orders billing").success()), text);
    assert_eq!(
        shown_json(place.run("pending list orders billing --idle 30m --json").json()),
        json!({
            "pending": [{"id": "4-1", "consumer": "bob", "idle_ms": "N", "deliveries": 7,
                "error": null}],
            "is_limited": false,
        })
    );
    assert_eq!(ids(place, " --deliveries 7"), ["4-1"]);
    assert_eq!(ids(place, " --deliveries 8"), Vec::<String>::new());
    assert_eq!(ids(place, " --consumer ada"), ["1-1", "2-1", "3-1"]);
    assert_eq!(ids(place, " --consumer ada --idle 30m"), Vec::<String>::new());
    assert_eq!(ids(place, " --limit 0").len(), 5);
    assert_eq!(ids(place, " --limit 5").len(), 5);
    assert_eq!(ids(place, " --deliveries 2 --limit 1"), ["4-1"]);

    let limited = place.run("pending ls orders billing --limit 4");
    assert_eq!(limited.stderr, "millstream: there are more than 4 entries: see --limit\n");
    assert_eq!((limited.code, limited.stdout.lines().count()), (Some(0), 5));
    assert_eq!(place.run("pending ls orders billing --limit 4 --json").json()["is_limited"], true);
    assert_eq!(place.run("pending ls orders billing --limit 5 --json").json()["is_limited"], false);
    let none = place.run("pending ls orders billing --consumer nobody");
    let text = "millstream: nothing of that kind is pending in group billing of stream orders\n";
    assert_eq!((none.code, &*none.stdout, &*none.stderr), (Some(0), "", text));
    place.redis("XGROUP CREATE orders idle 0");
    let none = place.run("pending ls orders idle");
    assert_eq!(none.stderr, "millstream: nothing is pending in group idle of stream orders\n");

    let missing = place.run("pending ls orders none").failure(1);
    assert!(missing.contains("has no group none\n  next: "), "{missing}");
    let missing = place.run("pending ls none billing").failure(1);
    assert!(missing.contains("there is no stream none at "), "{missing}");
    for wrong in ["--idle 5", "--deliveries -1", "--deliveries x", "--limit -1"] {
        place.run(&format!("pending ls orders billing {wrong}")).failure(2);
    }
}

fn pending_entries_go_to_another_consumer(place: &Place) {
    five_pending(place);
    let claim = |options: &str| place.run(&format!("pending claim orders billing {options}"));
    let text = "2 entries of group billing were claimed for cid\n\
                2 entries were left alone, as not pending or delivered just now: 8-1 9-0\n";
    assert_eq!(claim("5-1 1-1 9 8-1 1-1 --to cid").success(), text);
    assert_eq!(owners(place), ["cid", "ada", "ada", "bob", "cid"]);
    let counts: Vec<_> = pending(place, "").into_iter().map(|(.., count)| count).collect();
    assert_eq!(counts, [1, 1, 1, 7, 1], "no delivery is counted");
    assert_eq!(
        claim("1-1 7-7 --to bob --json").json(),
        json!({
            "stream": "orders", "group": "billing", "to": "bob", "claimed": 1,
            "left_alone": 1, "left_alone_ids": ["7-7"], "is_dry_run": false,
        })
    );

    let no = "millstream: nothing was claimed; --yes does it\n";
    asks(
        claim("--consumer ada --to dot"),
        "2 entries of group billing would be claimed for dot\n",
        no,
    );
    asks(
        claim("--consumer ada --to dot --limit 1 --json"),
        "{\"stream\":\"orders\",\"group\":\"billing\",\"to\":\"dot\",\"claimed\":1,\
         \"left_alone\":0,\"left_alone_ids\":[],\"is_dry_run\":true}\n",
        no,
    );
    assert_eq!(owners(place), ["bob", "ada", "ada", "bob", "cid"]);
    let one = "1 entry of group billing was claimed for dot\n";
    assert_eq!(claim("--consumer ada --to dot --limit 1 --yes").success(), one);
    assert_eq!(owners(place), ["bob", "dot", "ada", "bob", "cid"]);
    assert_eq!(claim("--idle 30m --to dot -y").success(), one);
    assert_eq!(owners(place), ["bob", "dot", "ada", "dot", "cid"]);
    assert_eq!(ids(place, " --idle 30m"), Vec::<String>::new(), "their idle time begins anew");
    // An entry that is gone takes its record with it.
    place.redis("XDEL orders 3-1");
    let text = "4 entries of group billing were claimed for eve\n\
                1 entry was left alone, as not pending or delivered just now: 3-1\n";
    assert_eq!(claim("--all --to eve --yes").success(), text);
    assert_eq!(owners(place), ["eve"; 4]);

    for wrong in [
        "1-1",
        "--to bob",
        "x --to bob",
        "1-1 --to bob --yes",
        "1-1 --to bob --all",
        "1-1 --to bob --idle 1s",
        "--all --consumer ada --to bob",
        "--all --yes",
    ] {
        assert!(!claim(wrong).failure(2).is_empty(), "{wrong}");
    }
    let said = claim("--to bob").failure(2);
    let text = "millstream: which entries? name ids, a filter (--idle, --deliveries, --consumer), \
                or --all\n";
    assert_eq!(said, text);
    assert_eq!(owners(place), ["eve"; 4], "nothing is half done");
    let missing = place.run("pending claim orders none 1-1 --to bob").failure(1);
    assert!(missing.contains("has no group none\n  next: "), "{missing}");
}

fn pending_entries_are_acknowledged(place: &Place) {
    five_pending(place);
    let ack = |options: &str| place.run(&format!("pending ack orders billing {options}"));
    let text = "2 entries of group billing were acknowledged\n\
                1 entry was left alone, as not pending or delivered just now: 9-9\n";
    assert_eq!(ack("1-1 2-1 9-9").success(), text);
    assert_eq!(ids(place, ""), ["3-1", "4-1", "5-1"]);
    asks(
        ack("--deliveries 7"),
        "1 entry of group billing would be acknowledged\n",
        "millstream: nothing was acknowledged; --yes does it\n",
    );
    assert_eq!(ids(place, ""), ["3-1", "4-1", "5-1"]);
    assert_eq!(
        ack("--deliveries 7 --yes --json").json(),
        json!({
            "stream": "orders", "group": "billing", "acked": 1, "left_alone": 0,
            "left_alone_ids": [], "is_dry_run": false,
        })
    );
    assert_eq!(ids(place, ""), ["3-1", "5-1"]);
    // Its record is all that is left of it.
    place.redis("XDEL orders 5-1");
    let text = "2 entries of group billing were acknowledged\n";
    assert_eq!(ack("--all --yes").success(), text);
    assert_eq!(ids(place, ""), Vec::<String>::new());
    let text = "0 entries of group billing were acknowledged\n";
    assert_eq!(ack("--all --yes").success(), text);
    assert_eq!(place.run("stream info orders --json").json()["length"], 4);
}

fn pending_entries_are_given_back(place: &Place) {
    five_pending(place);
    let nack = |options: &str| place.run(&format!("pending nack orders billing {options}"));
    let text = "1 entry of group billing was given back\n";
    assert_eq!(nack("1-1").success(), text);
    assert_eq!(nack("4-1 --mode silent").success(), text);
    asks(
        nack("--consumer ada"),
        match place.is_millstream() {
            true => "2 entries of group billing would be given back\n",
            false => "3 entries of group billing would be given back\n",
        },
        "millstream: nothing was given back; --yes does it\n",
    );
    let rows = pending(place, "");
    let has = |owner: &str| if place.is_millstream() { Json::Null } else { owner.into() };
    assert_eq!(rows[0], ("1-1".to_owned(), has("ada"), 1));
    assert_eq!(rows[3], ("4-1".to_owned(), has("bob"), 6));
    // Whoever takes what is idle gets both, and nothing else.
    assert_eq!(ids(place, " --idle 10h"), ["1-1", "4-1"]);
    place.redis("XAUTOCLAIM orders billing cid 36000000 0");
    assert_eq!(owners(place), ["cid", "ada", "ada", "cid", "bob"]);

    assert_eq!(nack("--consumer cid --yes --json").json()["nacked"], 2);
    let delayed = nack("2-1 --delay 1h --error closed");
    let fatal = nack("3-1 --mode fatal");
    nack("2-1 --delay 1h --mode fatal").failure(2);
    nack("2-1 --mode never").failure(2);
    if !place.is_millstream() {
        let said = delayed.failure(1);
        let text = format!(
            "millstream: cannot give back what is pending in group billing of stream orders at {}: \
             {} ",
            place.url(),
            place.called()
        );
        assert!(said.starts_with(&text), "{said}");
        assert!(said.contains(" has no delays of pending entries\n  next: "), "{said}");
        let said = fatal.failure(1);
        assert!(said.contains(" has no XNACK, which alone "), "{said}");
        // The same without --yes.
        assert!(nack("--all --delay 1h").failure(1).contains(" has no delays "));
        assert_eq!(owners(place), ["cid", "ada", "ada", "cid", "bob"]);
        return;
    }
    let said = delayed.failure(1);
    assert!(said.contains("DELAY and ERROR need a managed group"), "{said}");
    assert!(said.ends_with("next: `millstream group policy` gives the group a policy\n"), "{said}");
    assert_eq!(fatal.success(), text);
    assert_eq!(pending(place, "")[2], ("3-1".to_owned(), Json::Null, i64::MAX.unsigned_abs()));

    place.redis("XGROUP CFGSET orders billing DEADLETTER letters");
    assert_eq!(nack("2-1 --delay 1h --error closed").success(), text);
    let listed = shown(&place.run("pending ls orders billing").success());
    assert!(listed.starts_with("ID  CONSUMER  IDLE  DELIVERIES  ERROR\n"), "{listed}");
    assert!(listed.contains("2-1  -  -  1  closed\n"), "{listed}");
    let listed = place.run("pending ls orders billing --json").json();
    let error = |id: &str| {
        let rows = listed["pending"].as_array().expect("a list");
        rows.iter().find(|row| row["id"] == id).expect("it is pending")["error"].clone()
    };
    assert_eq!((error("2-1"), error("5-1")), (json!("closed"), Json::Null));
    assert_eq!(nack("5-1 --mode fatal --error hopeless").success(), text);
    assert_eq!(ids(place, "").len(), 4);
    let letter = place.run("stream tail letters --json").success();
    let text = "\"reason\":\"fatal\",\"error\":\"hopeless\"";
    assert_eq!((letter.contains(text), letter.lines().count()), (true, 1), "{letter}");
}

fn thousands_are_listed_and_changed(place: &Place) {
    // No multiple of what is done at once.
    const COUNT: usize = 2501;
    place.feed((1..=COUNT).map(|id| format!("XADD orders {id}-1 n {id}")));
    place.redis("XGROUP CREATE orders billing 0");
    place.redis("XREADGROUP GROUP billing ada COUNT 1500 STREAMS orders >");
    place.redis("XREADGROUP GROUP billing bob STREAMS orders >");
    let all: Vec<String> = (1..=COUNT).map(|id| format!("{id}-1")).collect();
    assert_eq!(ids(place, " --limit 0"), all);
    assert_eq!(ids(place, ""), all[..1000]);
    assert_eq!(ids(place, " --limit 1999"), all[..1999]);
    assert_eq!(ids(place, " --limit 0 --deliveries 1 --consumer bob"), all[1500..]);
    // One in the second thousand is found behind many that are not meant.
    place.redis("XCLAIM orders billing bob 0 2222-1 RETRYCOUNT 5 JUSTID");
    assert_eq!(ids(place, " --deliveries 5"), ["2222-1"]);
    let run = |line: &str| place.run(&format!("pending {line}")).success();
    assert_eq!(
        run("claim orders billing --consumer ada --to cid --limit 1100 --yes"),
        "1100 entries of group billing were claimed for cid\n"
    );
    assert_eq!(ids(place, " --limit 0 --consumer cid"), all[..1100]);
    // What has no owner is among those that have one.
    assert_eq!(
        run("nack orders billing --consumer bob --limit 700 --yes"),
        "700 entries of group billing were given back\n"
    );
    assert_eq!(ids(place, " --limit 0 --idle 10h"), all[1500..2200]);
    let text = "2501 entries of group billing were acknowledged\n";
    assert_eq!(run("ack orders billing --all --yes"), text);
    assert_eq!(ids(place, ""), Vec::<String>::new());
}

fn names_of_any_bytes_have_pending_entries(place: &Place) {
    let (key, group, consumer): (&[u8], &[u8], &[u8]) = (b"o \xff\n", b"g\xfe", b" c\xfd\x1b");
    place.redis_words(&[b"XADD", key, b"1-1", b"f", b"v"]);
    place.redis_words(&[b"XADD", key, b"2-1", b"f", b"v"]);
    place.redis_words(&[b"XGROUP", b"CREATE", key, group, b"0"]);
    place.redis_words(&[b"XREADGROUP", b"GROUP", group, consumer, b"STREAMS", key, b">"]);
    let run = |verb: &[u8], rest: &[&[u8]]| {
        place.run_words(&[&[&b"pending"[..], verb, key, group], rest].concat())
    };
    let listed = run(b"ls", &[b"--consumer", consumer]).success();
    let row = "1-1  \\x20c\\xfd\\u{1b}  TIME  1\n";
    assert!(shown(&listed).contains(row), "{listed}");
    let listed = run(b"ls", &[b"--json"]).json();
    assert_eq!(listed["pending"][0]["consumer"], json!({"b64": "IGP9Gw=="}));
    assert_eq!(run(b"nack", &[b"1-1"]).success(), "1 entry of group g\\xfe was given back\n");
    assert_eq!(
        run(b"claim", &[b"--all", b"--yes", b"--to", b"d\xff"]).success(),
        "2 entries of group g\\xfe were claimed for d\\xff\n"
    );
    let text = "2 entries of group g\\xfe were acknowledged\n";
    assert_eq!(run(b"ack", &[b"--consumer", b"d\xff", b"--yes"]).success(), text);
}
