//! Changes of many at a time, and statistics, by requests of programs.

use std::collections::BTreeSet;

use serde_json::{Value as Json, json};

use crate::api::{get, refused, send};
use crate::site::Site;

const PENDING: &str = "/api/v1/streams/orders/groups/billing/pending";
const LETTERS: &str = "/api/v1/dead-letters/orders:dlq";

/// Entries 1-1, 2-1 and so on, all of them ada's.
fn with_pending(count: u64, policy: &str) -> Site {
    let site = Site::start(&["--admin-write"]);
    let mut all = redis::pipe();
    for n in 1..=count {
        all.cmd("XADD").arg("orders").arg(format!("{n}-1")).arg("n").arg(n).ignore();
    }
    all.query::<()>(&mut site.connect()).expect("it adds them");
    site.redis(&format!("XGROUP CREATE orders billing 0{policy}"));
    site.redis(&format!("XREADGROUP GROUP billing ada COUNT {count} STREAMS orders >"));
    site
}

#[test]
fn all_that_fit_are_counted_and_then_settled_up_to_where_they_were_counted() {
    let site = with_pending(30, "");
    site.redis("XCLAIM orders billing bob 0 2-1 3-1 IDLE 3600000 RETRYCOUNT 4 JUSTID");
    let settle = |how: &str, body: &Json| send(&site, "POST", &format!("{PENDING}/{how}"), body);
    let which = |more: Json| {
        let mut which = json!({"consumer": "bob", "min_idle_ms": 60_000, "min_deliveries": 4});
        let (Some(which_map), Json::Object(more)) = (which.as_object_mut(), more) else {
            unreachable!("both are objects")
        };
        which_map.extend(more);
        which
    };
    let dry = json!({"which": which(json!({"dry_run": true})), "consumer": "cid"});
    let counted = settle("claim-all", &dry);
    let would = json!({
        "is_dry_run": true, "changed": 2, "left_alone": 0, "until": "30-1", "next": null,
    });
    assert_eq!(counted, would);
    let until = json!({"which": which(json!({"until": "2-1"})), "consumer": "cid"});
    let claimed = settle("claim-all", &until);
    assert_eq!((&claimed["changed"], &claimed["is_dry_run"]), (&json!(1), &json!(false)));
    let listed = get(&site, &format!("{PENDING}?consumer=cid"));
    assert_eq!(listed["pending"][0]["id"], "2-1");

    let after = json!({"which": {"after": "25-1", "until": "27-1"}, "mode": "silent"});
    assert_eq!(settle("nack-all", &after)["changed"], 2);
    let rest = json!({"which": {"dry_run": true}});
    let counted = settle("ack-all", &rest);
    assert_eq!(counted["changed"], 30);
    // What comes now was not counted, and is not meant.
    site.redis("XADD orders 31-1 n 31");
    site.redis("XREADGROUP GROUP billing ada STREAMS orders >");
    let all = json!({"which": {"until": counted["until"], "per_second": 10_000}});
    let done = settle("ack-all", &all);
    assert_eq!((&done["changed"], &done["next"]), (&json!(30), &Json::Null));
    assert_eq!(get(&site, PENDING)["pending"][0]["id"], "31-1");
    site.log_says(&["30 entries of group billing of stream orders acknowledged"]);

    let refuse = |how: &str, body: &Json, status: u16| {
        refused(&site, "POST", &format!("{PENDING}/{how}"), &body.to_string(), status)
    };
    let said = refuse("ack-all", &json!({"which": {}}), 400);
    assert!(said.contains("a dry run does"), "{said}");
    for wrong in [
        json!({"which": {"until": "x"}}),
        json!({"which": {"until": "9-9", "per_second": 0}}),
        json!({"which": {"until": "9-9", "colour": "red"}}),
        json!({}),
    ] {
        refuse("ack-all", &wrong, 400);
    }
    let delayed = json!({"which": {"until": "31-1"}, "mode": "fail", "delay_ms": 5});
    let said = refuse("nack-all", &delayed, 409);
    assert!(said.contains("managed group"), "{said}");
    let none = "/api/v1/streams/orders/groups/none/pending/ack-all";
    refused(&site, "POST", none, &rest.to_string(), 404);
    assert_eq!(get(&site, PENDING)["pending"].as_array().map(Vec::len), Some(1));
}

#[test]
fn one_request_settles_ten_thousand_and_says_where_to_go_on() {
    let site = with_pending(12_000, "");
    let path = format!("{PENDING}/ack-all");
    let first = json!({"which": {"until": "12000-1", "per_second": 10_000}});
    let done = send(&site, "POST", &path, &first);
    assert_eq!((&done["changed"], &done["next"]), (&json!(10_000), &json!("10000-1")));
    let rest = json!({"which": {"until": "12000-1", "per_second": 10_000, "after": "10000-1"}});
    let done = send(&site, "POST", &path, &rest);
    assert_eq!((&done["changed"], &done["next"]), (&json!(2000), &Json::Null));
}

#[test]
fn all_letters_of_a_kind_are_counted_and_then_changed_by_a_job() {
    let site = with_pending(6, " CFG MAXDELIVERIES 1");
    site.redis("XNACK orders billing FATAL IDS 4 1-1 2-1 3-1 4-1 ERROR card");
    site.redis("XNACK orders billing FATAL IDS 2 5-1 6-1 ERROR address");
    let counted = json!({"error": "card", "dry_run": true});
    let counted = send(&site, "POST", &format!("{LETTERS}/purge-all"), &counted);
    assert_eq!(counted, json!({"count": 4, "is_part": false, "would": null, "job": null}));
    let ended = |number: &Json| {
        let found = site.until(&format!("{LETTERS}/jobs"), |answer| {
            let jobs: Json = serde_json::from_str(&answer.text).expect("JSON");
            let all = jobs["jobs"].as_array().expect("jobs");
            all.iter().any(|job| job["number"] == *number && job["end"] != Json::Null)
        });
        let jobs: Json = serde_json::from_str(&found.text).expect("JSON");
        let all = jobs["jobs"].as_array().expect("jobs").clone();
        all.into_iter().find(|job| job["number"] == *number).expect("it is told of")
    };
    let some = json!({"error": "card", "most": 3, "per_second": 1000});
    let begun = send(&site, "POST", &format!("{LETTERS}/purge-all"), &some)["job"].clone();
    assert_eq!(
        (&begun["what"], &begun["which"]),
        (&json!("purge"), &json!("letters of the kind: error with card"))
    );
    let done = ended(&begun["number"]);
    assert_eq!(done["so_far"]["changed"], 3);
    assert_eq!(done["end"], "1 of that kind are left: go on.");
    let begun = send(&site, "POST", &format!("{LETTERS}/requeue-all"), &json!({}))["job"].clone();
    assert_eq!(ended(&begun["number"])["so_far"]["changed"], 3);
    assert_eq!(get(&site, LETTERS)["letters"], json!([]));
    assert_eq!(get(&site, PENDING)["pending"].as_array().map(Vec::len), Some(3));
    site.log_says(&["begins to purge dead letters in orders:dlq", "job 2 on dead letters"]);

    let refuse = |what: &str, body: &Json, status: u16| {
        refused(&site, "POST", &format!("{LETTERS}/{what}"), &body.to_string(), status)
    };
    refuse("jobs/stop", &json!({"job": 99}), 404);
    for wrong in [json!({"colour": "red"}), json!({"dry_run": true, "most": 0})] {
        refuse("purge-all", &wrong, 400);
    }
    refused(&site, "POST", "/api/v1/dead-letters/none/purge-all", "{}", 404);
}

#[test]
fn a_job_on_letters_is_stopped() {
    let site = with_pending(50, " CFG MAXDELIVERIES 1");
    let ids: Vec<String> = (1..=50).map(|n| format!("{n}-1")).collect();
    site.redis(&format!("XNACK orders billing FATAL IDS 50 {}", ids.join(" ")));
    let slow = json!({"per_second": 1});
    let path = format!("{LETTERS}/purge-all");
    let number = send(&site, "POST", &path, &slow)["job"]["number"].clone();
    let said = refused(&site, "POST", &path, &slow.to_string(), 400);
    assert!(said.contains("at work on these letters already"), "{said}");
    send(&site, "POST", &format!("{LETTERS}/jobs/stop"), &json!({"job": number}));
    site.until(&format!("{LETTERS}/jobs"), |answer| answer.text.contains("It was stopped."));
    let left = get(&site, LETTERS)["letters"].as_array().map(Vec::len);
    assert!(left.is_some_and(|left| left > 40), "{left:?}");
}

#[test]
fn what_commands_cost_and_what_held_up_the_server_is_told() {
    let site = Site::start(&["--enable-debug", "--latency-monitor-threshold", "1"]);
    site.redis("XADD orders 1-1 n 1");
    site.redis("XDEL orders 1-1");
    site.redis("DEBUG SLEEP 0.02");
    let commands = get(&site, "/api/v1/commands");
    let all = commands["servers"][0]["commands"].as_array().expect("commands");
    // Not XADD, which whoever connects tries.
    let delete = all.iter().find(|it| it["name"] == "xdel").expect("it was called");
    assert_eq!(
        (&delete["calls"], &delete["failed"], &delete["rejected"]),
        (&json!(1), &json!(0), &json!(0))
    );
    let names: BTreeSet<_> = all.iter().map(|it| it["name"].as_str()).collect();
    assert_eq!(names.len(), all.len(), "each stands there once");
    let latency = get(&site, "/api/v1/latency");
    let events = latency["events"].as_array().expect("events");
    let slept = events.iter().find(|it| it["event"] == "command").expect("it took long");
    assert!(slept["max_ms"].as_u64() >= Some(20), "{slept}");
    assert!(slept["history"][0]["took_ms"].as_u64() >= Some(20), "{slept}");
    assert!(slept["history"][0]["at_ms"].as_u64() > Some(1_700_000_000_000), "{slept}");
}
