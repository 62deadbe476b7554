//! `millstream dlq`.

use serde_json::{Value as Json, json};

use crate::on_all_servers;
use crate::place::{Outcome, Place};
use crate::shown::{shown, shown_json};

on_all_servers!(
    dead_letters_are_listed_and_shown,
    dead_letters_are_given_back,
    what_cannot_be_given_back_is_listed_and_stays,
    dead_letters_are_deleted,
    a_stream_of_letters_may_be_shared,
    thousands_of_letters_are_listed_and_changed,
);

/// A letter of the entry `2-1` of `orders`, whose id is the one given.
fn letter(place: &Place, id: &str, group: &str, reason: &str) {
    place.redis(&format!(
        "XADD orders:dlq {id} original_id 2-1 original_data {{\"order_id\":\"2\"}} failed_at \
         1764129600.5 consumer ada stream orders group {group} delivery_count 3 reason {reason} \
         error no-way"
    ));
}

/// Letters 10-1 to 12-1, and something else between them.
fn three_letters(place: &Place) {
    for id in 1..=3 {
        place.redis(&format!("XADD orders {id}-1 order_id {id}"));
    }
    place.redis("XGROUP CREATE orders billing $");
    letter(place, "10-1", "billing", "max-deliveries");
    place.redis("XADD orders:dlq 10-5 no letter");
    letter(place, "11-1", "audit", "fatal");
    letter(place, "12-1", "billing", "fatal");
}

fn ids(place: &Place, options: &str) -> Vec<String> {
    let listed = place.run(&format!("dlq ls orders --json{options}")).json();
    let letters = listed["letters"].as_array().expect("a list");
    letters.iter().map(|it| it["id"].as_str().expect("a text").to_owned()).collect()
}

/// What a command says that would change something and was not told to.
#[track_caller]
fn asks(outcome: Outcome, stdout: &str, stderr: &str) {
    let Outcome { code, stdout: said, stderr: complained } = outcome;
    assert_eq!((code, &*said, &*complained), (Some(2), stdout, stderr));
}

fn dead_letters_are_listed_and_shown(place: &Place) {
    let missing = place.run("dlq ls orders").failure(1);
    assert!(missing.contains("there is no stream orders at "), "{missing}");
    place.redis("XADD orders 1-1 n 1");
    let none = place.run("dlq ls orders");
    let text = "millstream: there are no dead letters in orders:dlq\n";
    assert_eq!((none.code, &*none.stdout, &*none.stderr), (Some(0), "", text));
    place.redis("DEL orders");

    three_letters(place);
    let text = "LETTER  ENTRY  GROUP  DELIVERIES  REASON  AGE  ERROR\n\
                10-1  2-1  billing  3  max-deliveries  TIME  no-way\n\
                11-1  2-1  audit  3  fatal  TIME  no-way\n\
                12-1  2-1  billing  3  fatal  TIME  no-way\n";
    assert_eq!(shown(&place.run("dlq ls orders").success()), text);
    let expected = json!({
        "id": "10-1", "original_id": "2-1", "stream": "orders", "group": "billing",
        "consumer": "ada", "deliveries": 3, "reason": "max-deliveries", "error": "no-way",
        "failed_at_ms": "N", "fields": {"order_id": "2"},
    });
    assert_eq!(
        shown_json(place.run("dlq list orders --limit 1 --json").json()),
        json!({"letters": [expected], "is_limited": true})
    );
    assert_eq!(ids(place, " --group billing"), ["10-1", "12-1"]);
    assert_eq!(ids(place, " --group billing --reason fatal"), ["12-1"]);
    assert_eq!(ids(place, " --older-than 1d").len(), 3);
    assert_eq!(ids(place, " --older-than 99999d"), Vec::<String>::new());
    assert_eq!(ids(place, " --limit 3").len(), 3);
    let limited = place.run("dlq ls orders --limit 2");
    assert_eq!(limited.stderr, "millstream: there are more than 2 letters: see --limit\n");
    assert_eq!(ids(place, " --consumer ada --error way --limit 2"), ["10-1", "11-1"]);
    let none = place.run("dlq ls orders --error elsewhere");
    let text = "millstream: there are no dead letters of that kind in orders:dlq\n";
    assert_eq!((none.code, &*none.stdout, &*none.stderr), (Some(0), "", text));

    let text = "letter  10-1 in orders:dlq, TIME ago\nentry  2-1\nstream  orders\ngroup  billing\n\
                consumer  ada\ndeliveries  3\nreason  max-deliveries\n\
                failed at  2025-11-26T04:00:00.5Z\nerror  no-way\n\norder_id=2\n";
    assert_eq!(shown(&place.run("dlq show orders 10-1").success()), text);
    assert_eq!(shown_json(place.run("dlq show orders 10-1 --json").json()), expected);
    for other in ["10-5", "9-9"] {
        let said = place.run(&format!("dlq show orders {other}")).failure(1);
        let text = format!(
            "millstream: there is no dead letter {other} of stream orders in orders:dlq at "
        );
        assert!(said.starts_with(&text) && said.contains("\n  next: "), "{said}");
    }
    place.run("dlq show orders").failure(2);

    // What a letter says plays no tricks, and its names are any bytes.
    let data = b"[[\"\\u001b[2J\",{\"b64\":\"/w==\"}]]";
    place.redis_words(&[
        b"XADD",
        b"o\xff:dlq",
        b"5-1",
        b"original_id",
        b"1-1",
        b"original_data",
        data,
        b"group",
        b"g\xfe",
        b"stream",
        b"o\xff",
        b"error",
        b"\x1b[2J",
    ]);
    let listed = place.run_words(&[b"dlq", b"ls", b"o\xff", b"--group", b"g\xfe"]).success();
    assert!(shown(&listed).contains("5-1  1-1  g\\xfe  0  -  TIME  \\u{1b}[2J\n"), "{listed}");
    let shown_letter = place.run_words(&[b"dlq", b"show", b"o\xff", b"5"]);
    let missing = shown_letter.failure(1);
    assert!(missing.contains("no dead letter 5-0 of stream o\\xff in o\\xff:dlq"), "{missing}");
    let text = place.run_words(&[b"dlq", b"show", b"o\xff", b"5-1"]).success();
    assert!(text.ends_with("\n\\u{1b}[2J=\\xff\n"), "{text}");
}

fn dead_letters_are_given_back(place: &Place) {
    three_letters(place);
    let requeue = |options: &str| place.run(&format!("dlq requeue orders {options}"));
    let no = "millstream: nothing was given back; --yes does it\n";
    asks(requeue("--group billing"), "2 letters of orders:dlq would be given back\n", no);
    assert_eq!(ids(place, "").len(), 3);
    let text = "1 letter of orders:dlq was given back\n\
                2 letters were left alone, as not there: 9-9 10-5\n";
    assert_eq!(requeue("10-1 9-9 10-5 10-1").success(), text);
    let pending = place.run("pending ls orders billing --json").json();
    let pending = pending["pending"].as_array().expect("a list");
    assert_eq!(
        (pending.len(), &pending[0]["id"], &pending[0]["deliveries"]),
        (1, &json!("2-1"), &json!(0))
    );
    assert_eq!(ids(place, ""), ["11-1", "12-1"]);
    // Its entry is gone by now.
    place.redis("XDEL orders 2-1");
    let text =
        "1 letter of orders:dlq would be given back, 1 of them as a new entry for all groups\n";
    asks(requeue("--group billing"), text, no);
    assert_eq!(
        requeue("--group billing --yes --json").json(),
        json!({
            "stream": "orders", "letters": "orders:dlq", "requeued": 1, "added_anew": 1,
            "left_alone": 0, "left_alone_ids": [], "failed": 0, "failures": [],
            "is_dry_run": false,
        })
    );
    let newest = place.run("stream tail orders --count 1 --json").success();
    assert!(newest.contains("\"fields\":{\"order_id\":\"2\"}"), "{newest}");
    for wrong in ["", "x", "10-1 --all", "10-1 --yes", "--all --group g", "--all --rate 0"] {
        requeue(wrong.trim()).failure(2);
    }
    assert_eq!(ids(place, ""), ["11-1"]);

    for id in 20..=24 {
        letter(place, &format!("{id}-1"), "billing", "fatal");
    }
    let text = "5 letters of orders:dlq were given back, 5 of them as new entries for all groups\n";
    assert_eq!(requeue("--group billing --yes --rate 1000").success(), text);
}

fn what_cannot_be_given_back_is_listed_and_stays(place: &Place) {
    three_letters(place);
    place.redis("DEL orders");
    place.redis("SET orders precious");
    place.redis("XADD orders:dlq 13-1 original_id 2-1 original_data {}");
    let all = ["10-1", "11-1", "12-1", "13-1"];
    let requeue = |options: &str| place.run(&format!("dlq requeue orders {options}"));
    let dry = requeue("--all --json");
    let document: Json = serde_json::from_str(&dry.stdout).expect("it is JSON");
    assert_eq!((document["requeued"].as_u64(), document["failed"].as_u64()), (Some(0), Some(4)));
    assert_eq!((dry.code, document["is_dry_run"].as_bool()), (Some(2), Some(true)));

    let outcome = requeue("--all --yes --json");
    let document: Json = serde_json::from_str(&outcome.stdout).expect("it is JSON");
    assert_eq!((document["requeued"].as_u64(), document["failed"].as_u64()), (Some(0), Some(4)));
    let failures = document["failures"].as_array().expect("a list");
    assert!(failures.iter().map(|it| it["id"].as_str().expect("a text")).eq(all), "{document}");
    let said = "the letter does not say which stream and group it comes from";
    assert_eq!(failures[3]["error"], said);
    let text = "millstream: 4 letters could not be given back; they stay as before\n";
    assert_eq!((outcome.code, &*outcome.stderr), (Some(1), text));

    let outcome = requeue("10-1 9-9");
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines[0], "0 letters of orders:dlq were given back");
    assert_eq!(lines[1], "1 letter was left alone, as not there: 9-9");
    assert!(lines[2].starts_with("10-1: the server says: WRONGTYPE "), "{outcome:?}");
    let text = "millstream: 1 letter could not be given back; it stays as before\n";
    assert_eq!((outcome.code, &*outcome.stderr), (Some(1), text));
    assert_eq!(ids(place, ""), all);

    // A group that is gone: Millstream adds the entry anew, elsewhere it is an error.
    place.redis("DEL orders");
    place.redis("XADD orders 2-1 order_id 2");
    let outcome = requeue("10-1");
    if place.is_millstream() {
        let text =
            "1 letter of orders:dlq was given back, 1 of them as a new entry for all groups\n";
        assert_eq!(outcome.success(), text);
    } else {
        assert_eq!(outcome.code, Some(1));
        assert!(outcome.stdout.contains("\n10-1: No such key"), "{outcome:?}");
    }
}

/// Letters of several streams may be in one, as a policy says.
fn a_stream_of_letters_may_be_shared(place: &Place) {
    three_letters(place);
    place.redis("RENAME orders:dlq failed");
    let data = "original_data {\"a\":\"b\"}";
    place.redis(&format!("XADD failed 13-1 original_id 1-1 {data} stream other group g"));
    let shared = " --letters failed";
    assert_eq!(ids(place, shared), ["10-1", "11-1", "12-1"]);
    place.run("dlq show orders 13-1 --letters failed").failure(1);
    place.run("dlq show other 13-1 --letters failed").success();
    let text = "1 letter of failed was deleted\n1 letter was left alone, as not there: 13-1\n";
    assert_eq!(place.run("dlq purge orders 10-1 13-1 --letters failed").success(), text);
    let text = "2 letters of failed were deleted\n";
    assert_eq!(place.run("dlq purge orders --all --yes --letters failed").success(), text);
    let missing = place.run("dlq ls orders --letters none").failure(1);
    assert!(missing.contains("there is no stream none at "), "{missing}");
    if place.is_millstream() {
        place.redis("XGROUP CFGSET orders billing DEADLETTER failed");
        let outcome = place.run("dlq ls orders");
        let text = "millstream: there are no dead letters in orders:dlq\n\
                    millstream: group billing has its dead letters in failed: see --letters\n";
        assert_eq!((outcome.code, &*outcome.stderr), (Some(0), text));
    }
}

fn dead_letters_are_deleted(place: &Place) {
    three_letters(place);
    let purge = |options: &str| place.run(&format!("dlq purge orders {options}"));
    let no = "millstream: nothing was deleted; --yes does it\n";
    asks(purge("--all"), "3 letters of orders:dlq would be deleted\n", no);
    asks(purge("--all --limit 2"), "2 letters of orders:dlq would be deleted\n", no);
    let text = "1 letter of orders:dlq was deleted\n\
                1 letter was left alone, as not there: 10-5\n";
    assert_eq!(purge("12-1 10-5").success(), text);
    assert_eq!(ids(place, ""), ["10-1", "11-1"]);
    assert_eq!(purge("--reason fatal --yes --json").json()["purged"], 1);
    assert_eq!(purge("--all --yes").success(), "1 letter of orders:dlq was deleted\n");
    assert_eq!(place.run("stream info orders:dlq --json").json()["length"], 1, "no letter stays");
    assert_eq!(purge("--all --yes").success(), "0 letters of orders:dlq were deleted\n");
    for wrong in ["", "x", "10-1 --all", "10-1 --yes", "--all --group g", "--all --rate 0"] {
        purge(wrong.trim()).failure(2);
    }
}

fn thousands_of_letters_are_listed_and_changed(place: &Place) {
    const COUNT: usize = 1234;
    place.redis("XADD orders 2-1 order_id 2");
    place.feed((1..=COUNT).map(|id| {
        format!(
            "XADD orders:dlq {id}-1 original_id 2-1 original_data {{}} stream orders group g{} \
             reason fatal",
            id % 2
        )
    }));
    let all: Vec<String> = (1..=COUNT).map(|id| format!("{id}-1")).collect();
    assert_eq!(ids(place, " --limit 0"), all);
    assert_eq!(ids(place, ""), all[..1000]);
    assert_eq!(ids(place, " --group g0 --limit 0").len(), COUNT / 2);
    let text = "617 letters of orders:dlq were deleted\n";
    assert_eq!(place.run("dlq purge orders --group g0 --yes").success(), text);
    assert_eq!(ids(place, "").len(), COUNT - 617);
    place.redis("XGROUP CREATE orders g1 $");
    let text = "617 letters of orders:dlq were given back\n";
    assert_eq!(place.run("dlq requeue orders --all --yes").success(), text);
    assert_eq!(ids(place, ""), Vec::<String>::new());
}
