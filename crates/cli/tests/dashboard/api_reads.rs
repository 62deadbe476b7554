//! What pages show over several streams, and of one entry, as JSON for programs.

use serde_json::{Value as Json, json};

use crate::api::{get, refused, send};
use crate::site::Site;

/// Streams with groups, delayed entries and dead letters, once the dashboard has seen them.
fn site(arguments: &[&str]) -> Site {
    let site = Site::start(arguments);
    for line in [
        "XGROUP CREATE orders billing 0 MKSTREAM CFG MAXDELIVERIES 5 DEADLETTER graveyard",
        "XGROUP CREATE orders audit 0",
        "XGROUP CREATE orders archive 0",
        "XADD orders 1-1 n 1",
        "XADD orders 2-1 n 2",
        "XADD orders 3-1 n 3",
        "XREADGROUP GROUP billing ada COUNT 2 STREAMS orders >",
        "XNACK orders billing FATAL IDS 1 1-1 ERROR card",
        "XNACK orders billing FAIL IDS 1 2-1 DELAY 3600000 ERROR later",
        "XREADGROUP GROUP audit bob COUNT 2 STREAMS orders >",
        "XACK orders audit 1-1",
        "XSCHEDULE ADD parcels DELAY 3600000 n 4",
        "XSCHEDULE ADD orders DELAY 3600000 n 4",
        "XADD letters:dlq 1-1 n 1",
    ] {
        site.redis(line);
    }
    let seen = ["orders", "graveyard", "letters:dlq"];
    site.until("/streams", |page| seen.iter().all(|name| page.words().contains(name)));
    site
}

fn row<'a>(all: &'a Json, name: &str, is: &str) -> &'a Json {
    let all = all.as_array().expect("rows");
    all.iter().find(|row| row[name] == is).unwrap_or_else(|| panic!("no {is} in {all:?}"))
}

#[test]
fn how_far_each_group_is_with_an_entry_is_told() {
    let site = site(&[]);
    let first = get(&site, "/api/v1/streams/orders/entries/1-1/groups");
    assert_eq!((&first["id"], &first["is_in_stream"]), (&json!("1-1"), &json!(true)));
    assert_eq!(row(&first["groups"], "group", "audit")["state"], "settled");
    assert_eq!(row(&first["groups"], "group", "archive")["state"], "not-delivered");
    let letter = row(&first["groups"], "group", "billing");
    assert_eq!(
        (&letter["state"], &letter["letter_stream"], &letter["error"], &letter["reason"]),
        (&json!("dead-letter"), &json!("graveyard"), &json!("card"), &json!("fatal"))
    );
    let id = letter["letter_id"].as_str().expect("an id");
    let one = get(&site, &format!("/api/v1/dead-letters/graveyard/{id}"));
    assert_eq!((&one["original_id"], &one["fields"]), (&json!("1-1"), &json!({"n": "1"})));
    assert_eq!(site.get("/api/v1/dead-letters/graveyard/9-9").status, 404);

    let second = get(&site, "/api/v1/streams/orders/entries/2-1/groups");
    let pending = row(&second["groups"], "group", "audit");
    assert_eq!(
        (&pending["state"], &pending["consumer"], &pending["deliveries"]),
        (&json!("pending"), &json!("bob"), &json!(1))
    );
    assert!(pending["idle_ms"].is_u64(), "{pending}");
    let failed = row(&second["groups"], "group", "billing");
    assert_eq!(
        (&failed["consumer"], &failed["error"], &failed["idle_ms"]),
        (&Json::Null, &json!("later"), &Json::Null)
    );

    let page = get(&site, "/api/v1/streams/orders/entries/2-1/groups?limit=2");
    assert_eq!((&page["groups"][1]["group"], &page["next"]), (&json!("audit"), &json!("audit")));
    let rest = get(&site, "/api/v1/streams/orders/entries/2-1/groups?limit=2&after=audit");
    assert_eq!((&rest["groups"][0]["group"], &rest["next"]), (&json!("billing"), &Json::Null));
    // Gone from the stream, and bob has it still.
    site.redis("XDEL orders 2-1");
    let gone = get(&site, "/api/v1/streams/orders/entries/2-1/groups");
    assert_eq!(gone["is_in_stream"], false);
    assert_eq!(row(&gone["groups"], "group", "audit")["state"], "pending");
    for missing in
        ["/api/v1/streams/orders/entries/7-1/groups", "/api/v1/streams/none/entries/1-1/groups"]
    {
        assert_eq!(site.get(missing).status, 404, "{missing}");
    }
    assert_eq!(site.get("/api/v1/streams/orders/entries/x/groups").status, 400);
}

#[test]
fn what_pages_show_over_all_streams_is_there_for_programs() {
    let site = site(&[]);
    let groups = get(&site, "/api/v1/overview/groups?limit=2");
    assert_eq!(groups["groups"].as_array().map(Vec::len), Some(2));
    let groups = get(&site, "/api/v1/overview/groups");
    let archive = row(&groups["groups"], "group", "archive");
    assert_eq!(
        (&archive["stream"], &archive["lag"], &archive["oldest_pending_ms"]),
        (&json!("orders"), &json!(3), &Json::Null)
    );
    assert!(archive["oldest_undelivered_ms"].as_u64() > Some(1_000_000_000_000), "{archive}");
    let hour = site.until("/api/v1/overview/history", |answer| answer.text.contains("age_ms"));
    let hour: Json = serde_json::from_str(&hour.text).expect("JSON");
    assert!(hour["points"][0]["lag"].is_f64(), "{hour}");

    let waiting = get(&site, "/api/v1/schedule?limit=1");
    assert_eq!(waiting["streams"], json!([{"stream": "orders", "scheduled": 1}]));
    let streams = get(&site, "/api/v1/streams");
    assert_eq!(row(&streams["streams"], "stream", "orders")["scheduled"], 1);

    let letters = get(&site, "/api/v1/dead-letters");
    let named = row(&letters["streams"], "letters", "graveyard");
    assert_eq!(named["groups"], json!([{"stream": "orders", "group": "billing"}]));
    assert_eq!(row(&letters["streams"], "letters", "letters:dlq")["length"], 1);
    let page = get(&site, "/api/v1/dead-letters?limit=1");
    assert_eq!(page["next"], "graveyard");
    let page = get(&site, "/api/v1/dead-letters?after=graveyard");
    assert_eq!(
        (&page["streams"][0]["letters"], &page["next"]),
        (&json!("letters:dlq"), &Json::Null)
    );
}

#[test]
fn groups_consumers_and_clients_come_a_page_at_a_time() {
    let site = Site::start(&[]);
    for name in ["a", "b", "c"] {
        site.redis(&format!("XGROUP CREATE orders {name} 0 MKSTREAM"));
        site.redis(&format!("XGROUP CREATECONSUMER orders a worker-{name}"));
    }
    for (path, key, name) in [
        ("/api/v1/streams/orders/groups", "groups", "group"),
        ("/api/v1/streams/orders/groups/a/consumers", "consumers", "consumer"),
    ] {
        let first = get(&site, &format!("{path}?limit=2"));
        assert_eq!(first[key].as_array().map(Vec::len), Some(2));
        let after = first["next"].as_str().expect("there is more");
        let second = get(&site, &format!("{path}?limit=2&after={after}"));
        assert_eq!(second[key].as_array().map(Vec::len), Some(1));
        assert!(second[key][0][name].as_str().expect("a name").ends_with('c'), "{second}");
        assert_eq!(second["next"], Json::Null);
        refused(&site, "GET", &format!("{path}?limit=0"), "", 400);
    }
    let _clients: Vec<_> = (0..3).map(|_| site.connect()).collect();
    let first = get(&site, "/api/v1/clients?limit=2");
    let number = |row: &Json| row["facts"]["id"].as_str().map(str::to_owned);
    let last = number(&first["clients"][1]).expect("a number");
    let after = first["next"].as_str().expect("there is more");
    assert!(after.starts_with(&format!("{last}@")), "{after}");
    let second = get(&site, &format!("/api/v1/clients?after={after}"));
    let numbers: Vec<_> = second["clients"].as_array().expect("rows").iter().map(number).collect();
    assert!(!numbers.is_empty() && !numbers.contains(&Some(last)), "{numbers:?}");
    refused(&site, "GET", "/api/v1/clients?after=nonsense", "", 400);
}

/// Symptom: whoever may only look was refused a count.
#[test]
fn a_dry_run_is_for_whoever_may_read() {
    let site = site(&[]);
    let pending = "/api/v1/streams/orders/groups/audit/pending";
    let dry = json!({"which": {"dry_run": true}});
    assert_eq!(send(&site, "POST", &format!("{pending}/ack-all"), &dry)["changed"], 1);
    let letters = "/api/v1/dead-letters/graveyard";
    let counted = send(&site, "POST", &format!("{letters}/purge-all"), &json!({"dry_run": true}));
    assert_eq!(counted["count"], 1);
    for (path, body) in [
        (format!("{pending}/ack-all"), json!({"which": {"until": "9-9"}})),
        (format!("{pending}/ack-all"), json!({"which": {}})),
        (format!("{letters}/purge-all"), json!({})),
        (format!("{letters}/requeue-all"), json!({})),
    ] {
        let said = refused(&site, "POST", &path, &body.to_string(), 403);
        assert!(said.contains("read-only"), "{said}");
    }
    assert_eq!(get(&site, pending)["pending"].as_array().map(Vec::len), Some(1));
}
