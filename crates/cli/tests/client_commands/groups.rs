//! `millstream group`.

use serde_json::{Value as Json, json};

use crate::on_all_servers;
use crate::place::Place;
use crate::shown::{shown, shown_json};

on_all_servers!(
    groups_are_made_and_listed,
    a_group_is_shown,
    a_group_is_moved,
    a_group_is_destroyed_on_demand,
    a_group_does_what_its_policy_says,
    a_group_is_paused,
);

fn five_orders(place: &Place) {
    for id in 1..=5 {
        place.redis(&format!("XADD orders {id}-1 order_id {id}"));
    }
}

fn groups_are_made_and_listed(place: &Place) {
    let missing = place.run("group create orders billing").failure(1);
    let expected = format!(
        "millstream: there is no stream orders at {}\n  next: --mkstream makes it\n",
        place.url()
    );
    assert_eq!(missing, expected);
    place.run("group ls orders").failure(1);
    let made = "group billing of stream orders was made\n";
    assert_eq!(place.run("group create orders billing --mkstream").success(), made);
    let there = "group billing of stream orders was there already, and stays as it is\n";
    assert_eq!(place.run("group create orders billing").success(), there);
    assert_eq!(
        place.run("group create orders billing --json").json(),
        json!({"stream": "orders", "group": "billing", "is_new": false})
    );
    let again = place.run("group create orders billing --fail-if-exists").failure(1);
    assert!(again.contains("has a group billing already\n  next: "), "{again}");
    place.redis("XADD orders 1-1 n 1");
    place.redis("XADD orders 2-1 n 2");
    place.run("group create orders late --start $").success();
    place.run("group create orders middle --start 1-1").success();
    place.run_words(&[b"group", b"create", b"orders", b"\xffodd\n"]).success();
    let text = "GROUP  CONSUMERS  PENDING  LAG  LAST DELIVERED  BLOCKED BY\n\
                billing  0  0  2  0-0  -\n\
                late  0  0  0  2-1  -\n\
                middle  0  0  1  1-1  -\n\
                \\xffodd\\n  0  0  2  0-0  -\n";
    let listed = place.run("group ls orders").success();
    // What a server can tell of a group that begins in the middle is its own affair.
    let listed = shown(&listed).replace("middle  0  0  -", "middle  0  0  1");
    assert_eq!(listed, text);
    let listed = place.run("group ls orders --json").json();
    let groups = listed["groups"].as_array().expect("a list");
    assert_eq!(groups.len(), 4);
    assert_eq!(
        groups[1],
        json!({
            "group": "late", "consumers": 0, "pending": 0, "lag": 0,
            "entries_read": groups[1]["entries_read"], "last_delivered_id": "2-1",
            "managed": null,
        })
    );
    assert_eq!(groups[3]["group"], json!({"b64": "/29kZAo="}));
    place.redis("XADD bare 1-1 n 1");
    let none = place.run("group ls bare");
    assert_eq!(none.stderr, "millstream: the stream bare has no groups\n");
    assert_eq!(place.run("group ls bare --json").json(), json!({"groups": []}));
    for wrong in ["--start now", "--start -1", "--start 1-"] {
        place.run(&format!("group create orders g {wrong}")).failure(2);
    }
}

fn a_group_is_shown(place: &Place) {
    five_orders(place);
    place.run("group create orders billing").success();
    place.redis("XREADGROUP GROUP billing ada COUNT 2 STREAMS orders >");
    place.redis("XREADGROUP GROUP billing bob COUNT 1 STREAMS orders >");
    place.redis("XACK orders billing 1-1");
    let text = "stream  orders\n\
                group  billing\n\
                last delivered  3-1\n\
                not delivered (lag)  2\n\
                pending  2, the first 2-1, TIME ago\n\
                consumers  2\n\
                \n\
                CONSUMER  PENDING  IDLE  INACTIVE\n\
                ada  1  TIME  TIME\n\
                bob  1  TIME  TIME\n";
    assert_eq!(shown(&place.run("group info orders billing").success()), text);
    let document = json!({
        "stream": "orders", "group": "billing", "consumers": 2, "pending": 2, "lag": 2,
        "entries_read": 3, "last_delivered_id": "3-1", "managed": null, "first_pending_id": "2-1",
        "last_pending_id": "3-1", "oldest_pending_age_ms": "N",
        "consumer_list": [
            {"consumer": "ada", "pending": 1, "idle_ms": "N", "inactive_ms": "N"},
            {"consumer": "bob", "pending": 1, "idle_ms": "N", "inactive_ms": "N"},
        ],
    });
    assert_eq!(shown_json(place.run("group info orders billing --json").json()), document);
    let none = place.run("group info orders none").failure(1);
    assert!(none.contains("has no group none\n  next: `millstream group ls`"), "{none}");
    place.run("group info none billing").failure(1);
}

fn a_group_is_moved(place: &Place) {
    five_orders(place);
    place.redis("XDEL orders 2-1");
    place.run("group create orders billing --start 3-1").success();
    let would = |to: &str| place.run(&format!("group set-id orders billing {to} --dry-run"));
    let text = |to: &str, what: &str| {
        format!("group billing of stream orders would move from 3-1 to {to}: {what}\n")
    };
    let again = "2 entries would be delivered again";
    assert_eq!(would("0").success(), text("0-0", again));
    let one = "1 entry would be delivered again";
    assert_eq!(would("1-1").success(), text("1-1", one));
    assert_eq!(would("$").success(), text("5-1", "2 entries would be skipped"));
    assert_eq!(would("9-9").success(), text("9-9", "2 entries would be skipped"));
    assert_eq!(would("3-1").success(), text("3-1", "nothing would change"));
    let document = |to: &str, again: Json, skipped: Json, is_dry_run: bool| {
        json!({
            "stream": "orders", "group": "billing", "from_id": "3-1", "to_id": to,
            "delivered_again": again, "skipped": skipped, "is_dry_run": is_dry_run,
        })
    };
    let dry = place.run("group set-id orders billing 1-1 --dry-run --json").json();
    assert_eq!(dry, document("1-1", 1.into(), 0.into(), true));
    let listed = place.run("group ls orders --json").json();
    assert_eq!(listed["groups"][0]["last_delivered_id"], "3-1", "nothing was done yet");
    let done = place.run("group set-id orders billing $ --json").json();
    assert_eq!(done, document("5-1", Json::Null, Json::Null, false));
    let done = "group billing of stream orders was moved from 5-1 to 0-0\n";
    assert_eq!(place.run("group set-id orders billing 0").success(), done);
    let listed = place.run("group ls orders --json").json();
    assert_eq!(listed["groups"][0]["last_delivered_id"], "0-0");
    place.run("group set-id orders none 0").failure(1);
    place.run("group set-id none billing 0 --dry-run").failure(1);
    place.run("group set-id orders billing").failure(2);
}

fn a_group_is_destroyed_on_demand(place: &Place) {
    five_orders(place);
    place.run("group create orders billing").success();
    place.redis("XREADGROUP GROUP billing ada COUNT 2 STREAMS orders >");
    let asked = place.run("group destroy orders billing");
    let text = |how: &str| {
        format!(
            "group billing of stream orders {how} destroyed, with 1 consumer, 2 pending; not \
             delivered yet: 3\n"
        )
    };
    assert_eq!(asked.stdout, text("would be"));
    assert_eq!(asked.stderr, "millstream: nothing was destroyed; --yes does it\n");
    assert_eq!(asked.code, Some(2));
    assert_eq!(place.run("group ls orders --json").json()["groups"][0]["pending"], 2);
    assert_eq!(place.run("group destroy orders billing --yes").success(), text("was"));
    place.run("group destroy orders billing --yes").failure(1);
    place.run("group create orders billing").success();
    assert_eq!(
        place.run("group destroy orders billing --yes --json").json(),
        json!({
            "stream": "orders", "group": "billing", "consumers": 0, "pending": 0, "lag": 5,
            "is_destroyed": true,
        })
    );
}

fn a_group_does_what_its_policy_says(place: &Place) {
    five_orders(place);
    place.run("group create orders billing").success();
    let policy = |options: &[&str]| {
        let mut words = vec!["group", "policy", "orders", "billing"];
        words.extend(options);
        place.run_words(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>())
    };
    if !place.is_millstream() {
        let said = policy(&["--visibility", "30s"]).failure(1);
        assert!(said.starts_with(&format!("millstream: {} ", place.called())), "{said}");
        assert!(said.contains(" has no group policies\n  next: "), "{said}");
        return;
    }
    let text = |visibility, backoff, jitter, dead_letters| {
        format!(
            "visibility  {visibility}\nmax deliveries  -\ndead letters  {dead_letters}\n\
             backoff  {backoff}\njitter  {jitter}\nmax in flight  -\norder by  -\n\
             consumer ttl  -\non deletion of a consumer  -\npaused  no\n"
        )
    };
    assert_eq!(shown(&policy(&[]).success()), text("-", "-", "-", "-"));
    let set = policy(&["--visibility", "30s", "--backoff", "1s 2 60s", "--jitter", "20"]).success();
    let backoff = "1s, times 2, 1m at most";
    assert_eq!(shown(&set), text("TIME", backoff, "20 %", "-"));
    // What is not named stays.
    let more = policy(&["--dead-letters", "late orders", "--visibility", "none"]).success();
    assert_eq!(shown(&more), text("-", backoff, "20 %", "late orders"));
    let all = policy(&[
        "--visibility=1m",
        "--max-deliveries=5",
        "--dead-letters=none",
        "--max-in-flight=7",
        "--order-by=order_id",
        "--consumer-ttl=1h",
        "--consumer-deletion=drop",
        "--json",
    ]);
    assert_eq!(
        all.json(),
        json!({
            "stream": "orders", "group": "billing",
            "policy": {
                "visibility_ms": 60_000, "max_deliveries": 5, "dead_letters": null,
                "backoff": {"base_ms": 1000, "factor": 2.0, "max_ms": 60_000, "jitter_percent": 20},
                "max_in_flight": 7, "order_by": "order_id", "consumer_ttl_ms": 3_600_000,
                "consumer_deletion": "drop", "is_paused": false,
            },
        })
    );
    place.redis("XREADGROUP GROUP billing ada COUNT 2 STREAMS orders >");
    let info = shown_json(place.run("group info orders billing --json").json());
    let managed = &info["managed"];
    assert_eq!((&managed["in_flight"], &managed["delivered"]), (&json!(2), &json!(2)));
    assert_eq!(managed["policy"]["max_in_flight"], 7);
    assert_eq!(managed["oldest_pending_ms"], "N");
    let info = shown(&place.run("group info orders billing").success());
    for line in ["in flight  2\n", "delivered  2\n", "max in flight  7\n", "blocked by  -\n"] {
        assert!(info.contains(line), "{line}: {info}");
    }
    for wrong in [
        "--visibility=0s",
        "--max-deliveries=0",
        "--backoff=1s 2",
        "--backoff=1s 0.5 60s",
        "--jitter=101",
        "--consumer-deletion=keep",
        "--order-by=",
    ] {
        assert!(!policy(&[wrong]).failure(2).is_empty(), "{wrong}");
    }
    place.run("group policy orders none --visibility 1s").failure(1);
}

fn a_group_is_paused(place: &Place) {
    five_orders(place);
    place.run("group create orders billing").success();
    if !place.is_millstream() {
        for verb in ["pause", "resume"] {
            let said = place.run(&format!("group {verb} orders billing")).failure(1);
            assert!(said.contains(" has no group policies\n  next: stop its workers"), "{said}");
        }
        return;
    }
    let paused = "group billing of stream orders is paused: nothing is handed out\n";
    assert_eq!(place.run("group pause orders billing").success(), paused);
    let row = "billing  0  0  5  0-0  paused\n";
    let listed = shown(&place.run("group ls orders").success());
    assert!(listed.ends_with(row), "{listed}");
    assert_eq!(
        place.run("group resume orders billing --json").json(),
        json!({"stream": "orders", "group": "billing", "is_paused": false})
    );
    assert_eq!(
        shown(&place.run("group resume orders billing").success()),
        "group billing of stream orders goes on\n"
    );
    place.run("group pause orders none").failure(1);
    place.run("group resume none billing").failure(1);
}
