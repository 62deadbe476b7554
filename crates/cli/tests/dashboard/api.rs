//! The dashboard's JSON for programs.

use serde_json::{Value as Json, json};

use crate::site::Site;

const ORDERS: &str = "/api/v1/streams/orders";
const BILLING: &str = "/api/v1/streams/orders/groups/billing";

#[track_caller]
pub(crate) fn get(site: &Site, path: &str) -> Json {
    let answer = site.get(path);
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    serde_json::from_str(&answer.text).expect("JSON")
}

#[track_caller]
pub(crate) fn send(site: &Site, method: &str, path: &str, body: &Json) -> Json {
    let answer = site.send_json(method, path, &body.to_string());
    assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text);
    serde_json::from_str(&answer.text).expect("JSON")
}

#[track_caller]
pub(crate) fn refused(site: &Site, method: &str, path: &str, body: &str, status: u16) -> String {
    let answer = site.send_json(method, path, body);
    assert_eq!(answer.status, status, "{method} {path}: {}", answer.text);
    let document: Json = serde_json::from_str(&answer.text).expect("JSON");
    document["error"].as_str().expect("a reason").to_owned()
}

#[test]
fn a_group_lives_and_works_by_requests_alone() {
    let site = Site::start(&["--admin-write"]);
    for n in 1..=5 {
        let entry = json!({"fields": {"order_id": n}, "id": format!("{n}-1")});
        let added = send(&site, "POST", &format!("{ORDERS}/entries"), &entry);
        assert_eq!(added, json!({"id": format!("{n}-1"), "token": null}));
    }
    let group = json!({"group": "billing", "start": "0"});
    assert_eq!(send(&site, "POST", &format!("{ORDERS}/groups"), &group), json!({"changed": true}));
    assert_eq!(send(&site, "POST", &format!("{ORDERS}/groups"), &group), json!({"changed": false}));
    let policy = json!({"visibility_ms": 60_000, "max_deliveries": 1, "jitter_percent": null});
    let policy = send(&site, "PATCH", &format!("{BILLING}/policy"), &policy);
    assert_eq!((&policy["visibility_ms"], &policy["max_deliveries"]), (&json!(60_000), &json!(1)));
    site.redis("XREADGROUP GROUP billing ada COUNT 4 STREAMS orders >");

    let pending = get(&site, &format!("{BILLING}/pending?limit=3"));
    assert_eq!(pending["pending"].as_array().map(Vec::len), Some(3));
    assert_eq!(pending["next"], "3-1");
    let rest = get(&site, &format!("{BILLING}/pending?limit=3&after=3-1&consumer=ada"));
    assert_eq!((&rest["pending"][0]["id"], &rest["next"]), (&json!("4-1"), &Json::Null));
    let from = get(&site, &format!("{BILLING}/pending?from=3-1&limit=1"));
    assert_eq!((&from["pending"][0]["id"], &from["next"]), (&json!("3-1"), &json!("3-1")));
    let behind = get(&site, &format!("{BILLING}/pending?from=3-1&limit=1&after=3-1"));
    assert_eq!((&behind["pending"][0]["id"], &behind["next"]), (&json!("4-1"), &Json::Null));
    let ids = json!({"ids": ["1-1", "9-1"]});
    let acked = send(&site, "POST", &format!("{BILLING}/pending/ack"), &ids);
    assert_eq!(acked, json!({"changed": 1, "left_alone": 1}));
    let claim = json!({"ids": ["2-1"], "consumer": "bob"});
    let claimed = send(&site, "POST", &format!("{BILLING}/pending/claim"), &claim);
    assert_eq!(claimed["changed"], 1);
    let nack = json!({"ids": ["3-1"], "mode": "fatal", "error": "no such customer"});
    assert_eq!(send(&site, "POST", &format!("{BILLING}/pending/nack"), &nack)["changed"], 1);

    let letters = get(&site, "/api/v1/dead-letters/orders:dlq?error=customer");
    let letter = &letters["letters"][0];
    assert_eq!(
        (&letter["original_id"], &letter["fields"]),
        (&json!("3-1"), &json!({"order_id": "3"}))
    );
    let ids = json!({"ids": [letter["id"]]});
    let given = send(&site, "POST", "/api/v1/dead-letters/orders:dlq/requeue", &ids);
    assert_eq!((&given["changed"], &given["not_there"]), (&json!(1), &json!(0)));
    let again = send(&site, "POST", "/api/v1/dead-letters/orders:dlq/purge", &ids);
    assert_eq!((&again["changed"], &again["not_there"]), (&json!(0), &json!(1)));

    let paused = send(&site, "PUT", &format!("{BILLING}/paused"), &json!({"paused": true}));
    assert_eq!(paused, json!({"changed": true}));
    assert_eq!(get(&site, BILLING)["managed"]["blocked_by"], "paused");
    let moved = send(&site, "PUT", &format!("{BILLING}/position"), &json!({"id": "$"}));
    assert_eq!(moved["last_delivered_id"], "5-1");
    let consumers = get(&site, &format!("{BILLING}/consumers"));
    assert_eq!(consumers["consumers"].as_array().map(Vec::len), Some(2));
    let removal = format!("{BILLING}/consumers/bob/removal");
    refused(&site, "POST", &removal, "{}", 400);
    let removed = send(&site, "POST", &removal, &json!({"heir": "ada"}));
    assert_eq!(removed, json!({"pending": 1}));
    send(&site, "DELETE", BILLING, &Json::Null);
    assert_eq!(site.get(BILLING).status, 404);
}

#[test]
fn a_stream_is_filled_trimmed_and_deleted_by_requests_alone() {
    let site = Site::start(&["--admin-write"]);
    for n in 1..=9 {
        site.redis(&format!("XADD orders {n}-1 n {n}"));
    }
    let page = get(&site, &format!("{ORDERS}/entries?first=newest&limit=2"));
    assert_eq!((&page["entries"][0]["id"], &page["next"]), (&json!("9-1"), &json!("7-1")));
    let page = get(&site, &format!("{ORDERS}/entries?from=3&to=4-1"));
    assert_eq!(page["entries"].as_array().map(Vec::len), Some(2));
    let deleted = send(&site, "DELETE", &format!("{ORDERS}/entries/9-1"), &Json::Null);
    assert_eq!(deleted, json!({"changed": true}));
    let trim = format!("{ORDERS}/trim");
    let dry = send(&site, "POST", &trim, &json!({"before_id": "4-0", "dry_run": true}));
    assert_eq!(dry, json!({"entries": 3, "is_part": false}));
    assert_eq!(get(&site, ORDERS)["length"], 8);
    let trimmed = send(&site, "POST", &trim, &json!({"max_length": 4}));
    assert_eq!(trimmed, json!({"entries": 4, "is_part": false}));
    refused(&site, "POST", &trim, "{}", 400);
    refused(&site, "POST", &trim, r#"{"max_length":1,"before_id":"1-0"}"#, 400);
    let kept = json!({"max_length": 100, "retain": "unacked", "overflow": "reject"});
    let kept = send(&site, "PATCH", &format!("{ORDERS}/retention"), &kept);
    assert_eq!((&kept["max_length"], &kept["retain"]), (&json!(100), &json!("unacked")));

    let later = json!({"fields": [["n", {"b64": "/w=="}]], "after_ms": 3_600_000});
    let token = send(&site, "POST", &format!("{ORDERS}/schedule"), &later)["token"].clone();
    let waiting = get(&site, &format!("{ORDERS}/schedule"));
    assert_eq!(waiting["scheduled"][0]["fields"], json!([["n", {"b64": "/w=="}]]));
    let run = json!({"tokens": [token]});
    send(&site, "POST", &format!("{ORDERS}/schedule/run"), &run);
    assert_eq!(get(&site, ORDERS)["length"], 5);
    assert_eq!(send(&site, "DELETE", ORDERS, &Json::Null), json!({"entries": 5}));
    assert_eq!(site.get(ORDERS).status, 404);
}

#[test]
fn delayed_entries_that_are_run_in_part_are_told_of_as_done() {
    let site = Site::start(&["--admin-write"]);
    let later = json!({"fields": {"n": "1"}, "after_ms": 3_600_000});
    let token = send(&site, "POST", &format!("{ORDERS}/schedule"), &later)["token"].clone();
    let run = format!("{ORDERS}/schedule/run");
    let done = send(&site, "POST", &run, &json!({"tokens": [token, "x"]}));
    let said = done["outcome"].as_str().expect("words");
    assert!(said.starts_with("1 entry was appended. 1 wait on as before: x"), "{said}");
    refused(&site, "POST", &run, r#"{"tokens":["x"]}"#, 400);
}

#[test]
fn a_letter_is_changed_and_given_back_and_a_client_is_cut_off() {
    let site = Site::start(&["--admin-write", "--slowlog-log-slower-than", "0"]);
    site.redis("XADD orders 1-1 card none");
    site.redis("XGROUP CREATE orders billing 0 CFG MAXDELIVERIES 1");
    site.redis("XREADGROUP GROUP billing ada STREAMS orders >");
    site.redis("XNACK orders billing FATAL IDS 1 1-1");
    let letters = get(&site, "/api/v1/dead-letters/orders:dlq");
    let id = letters["letters"][0]["id"].as_str().expect("a letter").to_owned();
    let path = format!("/api/v1/dead-letters/orders:dlq/{id}/requeue");
    let given = send(&site, "POST", &path, &json!({"fields": {"card": "4711"}}));
    let added = get(&site, &format!("{ORDERS}/entries/{}", given["id"].as_str().expect("an id")));
    assert_eq!(added["fields"], json!({"card": "4711"}));
    refused(&site, "POST", &path, r#"{"fields":{"card":"4711"}}"#, 404);

    let mut client = site.connect();
    redis::cmd("CLIENT").arg(&["SETNAME", "victim"]).exec(&mut client).expect("it answers");
    let clients = get(&site, "/api/v1/clients");
    let all = clients["clients"].as_array().expect("clients");
    let victim = all.iter().find(|it| it["facts"]["name"] == "victim").expect("it is there");
    let number: u64 = victim["facts"]["id"].as_str().expect("a text").parse().expect("a number");
    send(&site, "POST", "/api/v1/clients/kill", &json!({"id": number}));
    redis::cmd("PING").exec(&mut client).expect_err("it is cut off");
    refused(&site, "POST", "/api/v1/clients/kill", &json!({"id": number}).to_string(), 404);

    let slow = get(&site, "/api/v1/slow-log");
    let slow = slow["commands"].as_array().expect("commands");
    assert!(slow.iter().any(|it| it["command"] == "CLIENT SETNAME victim"), "{slow:?}");
    send(&site, "DELETE", "/api/v1/slow-log", &Json::Null);
    let left = get(&site, "/api/v1/slow-log")["commands"].as_array().map(Vec::len);
    assert!(left.is_some_and(|left| left < slow.len()), "{left:?}");
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let site = Site::start(&["--admin-write"]);
    site.redis("XADD orders 1-1 n 1");
    let entries = format!("{ORDERS}/entries");
    for body in [
        "",
        "[]",
        r#"{"fields":{}}"#,
        r#"{"fields":{"a":"1"},"id":"0-0-0"}"#,
        r#"{"fields":{"a":"1"},"id":"2-1","delay_ms":5}"#,
        r#"{"fields":{"a":"1"},"more":1}"#,
        r#"{"fields":{"a":{"b64":"!"}}}"#,
    ] {
        refused(&site, "POST", &entries, body, 400);
    }
    let low = refused(&site, "POST", &entries, r#"{"fields":{"a":"1"},"id":"1-1"}"#, 409);
    assert!(low.contains("equal or smaller"), "{low}");
    let unknown = site.get("/api/v1/streams?colour=red");
    assert_eq!(unknown.status, 400, "{}", unknown.text);
    for missing in ["/api/v1/streams/none", "/api/v1/nothing", &format!("{ORDERS}/groups/none")] {
        assert_eq!(site.get(missing).status, 404, "{missing}");
    }
    // As a form of a page of others could send it.
    let form = site.post(&entries, &[("fields", "1")]);
    assert_eq!(form.status, 400, "{}", form.text);
    assert_eq!(get(&site, ORDERS)["length"], 1);
}

#[test]
fn nobody_changes_anything_without_leave() {
    let site = Site::start(&[]);
    site.redis("XADD orders 1-1 n 1");
    let reason = refused(&site, "DELETE", ORDERS, "null", 403);
    assert!(reason.contains("read-only"), "{reason}");
    refused(&site, "POST", &format!("{ORDERS}/entries"), r#"{"fields":{"a":"1"}}"#, 403);
    assert_eq!(get(&site, ORDERS)["length"], 1);
    let site = Site::start(&["--requirepass", "secret"]);
    let answer = site.get(ORDERS);
    assert_eq!((answer.status, answer.header("content-type")), (401, "application/json"));
    let known = site.get_with("/api/v1/servers", &[("authorization", "Basic OnNlY3JldA==")]);
    assert_eq!(known.status, 200);
    assert!(known.text.contains("millstream_version"), "{}", known.text);
    assert!(known.text.contains(r#""requirepass":true"#), "{}", known.text);
    assert!(!known.text.contains(r#""secret""#), "{}", known.text);
}
