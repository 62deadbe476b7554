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
    refused(&site, "GET", &format!("/api/v1/clients?sort=idle&after={after}"), "", 400);
    refused(&site, "GET", "/api/v1/clients?sort=colour", "", 400);
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

/// Symptom: only pages said what a move of a group, or giving letters back, would do.
#[test]
fn a_dry_run_says_what_a_page_says() {
    let site = site(&[]);
    let position = "/api/v1/streams/orders/groups/audit/position";
    for (to, id, again, skipped) in
        [("0", "0-0", 2, 0), ("$", "3-1", 0, 1), ("1-1", "1-1", 1, 0), ("2-1", "2-1", 0, 0)]
    {
        let dry = send(&site, "PUT", position, &json!({"id": to, "dry_run": true}));
        let would = json!({
            "last_delivered_id": "2-1", "delivered_again": again, "skipped": skipped,
            "is_part": false,
        });
        assert_eq!(dry, json!({"last_delivered_id": id, "would": would}), "{to}");
    }
    refused(&site, "PUT", position, r#"{"id":"0"}"#, 403);
    let none = "/api/v1/streams/orders/groups/none/position";
    refused(&site, "PUT", none, r#"{"id":"0","dry_run":true}"#, 404);

    site.redis("XREADGROUP GROUP billing ada STREAMS orders >");
    site.redis("XNACK orders billing FATAL IDS 1 3-1 ERROR card");
    site.redis("XDEL orders 1-1");
    let letters = "/api/v1/dead-letters/graveyard";
    let dry = send(&site, "POST", &format!("{letters}/requeue-all"), &json!({"dry_run": true}));
    let would = json!({
        "tried": 2, "given_back": 1, "added_anew": 1, "failed": 0, "why": null,
    });
    assert_eq!((&dry["count"], &dry["would"]), (&json!(2), &would));

    let newest = get(&site, &format!("{letters}?first=newest&limit=1"));
    assert_eq!(newest["letters"][0]["original_id"], "3-1");
    let next = newest["next"].as_str().expect("there is another");
    let older = get(&site, &format!("{letters}?first=newest&limit=1&after={next}"));
    assert_eq!((&older["letters"][0]["original_id"], &older["next"]), (&json!("1-1"), &Json::Null));
}

/// Symptom: of a group without a policy programs were not told how old what it has to do is.
#[test]
fn what_the_page_of_a_group_shows_is_there_for_programs() {
    let site = site(&[]);
    let path = "/api/v1/streams/orders/groups/audit";
    let seen = site.until(path, |answer| {
        let group: Json = serde_json::from_str(&answer.text).expect("JSON");
        group["oldest_pending_ms"].is_u64() && group["out_per_second"].is_f64()
    });
    let group: Json = serde_json::from_str(&seen.text).expect("JSON");
    assert_eq!((&group["group"], &group["pending"]), (&json!("audit"), &json!(1)));
    assert!(group["oldest_undelivered_ms"].as_u64() > Some(1_000_000_000_000), "{group}");
    assert_eq!(group["dead_letters"], 0);
    assert_eq!(get(&site, "/api/v1/streams/orders/groups/billing")["dead_letters"], 1);

    let summary = get(&site, &format!("{path}/pending/summary"));
    let entries = |name: &str| -> u64 {
        let spans = summary[name].as_array().expect("spans");
        spans.iter().map(|span| span["entries"].as_u64().expect("a number")).sum()
    };
    assert_eq!((&summary["pending"], &summary["sampled"]), (&json!(1), &json!(1)));
    assert_eq!((entries("by_age"), entries("by_deliveries")), (1, 1));
    assert_eq!(summary["by_deliveries"][1], json!({"from": 1, "below": 2, "entries": 1}));
    assert_eq!(summary["by_age"][1]["from_ms"], 1000);
    assert_eq!(summary["by_age"][5]["below_ms"], Json::Null);
    let failed = get(&site, "/api/v1/streams/orders/groups/billing/pending/summary");
    assert_eq!((&failed["sampled"], &failed["without_owner"]), (&json!(1), &json!(1)));
    refused(&site, "GET", "/api/v1/streams/orders/groups/none/pending/summary", "", 404);
}

#[test]
fn streams_come_in_several_orders_and_clients_are_found() {
    let site = site(&[]);
    let streams = get(&site, "/api/v1/streams?sort=length&limit=1");
    assert_eq!(streams["streams"][0]["stream"], "orders");
    assert!(streams["found"].as_u64() >= Some(3) && streams["next"].is_null(), "{streams}");
    let pending = get(&site, "/api/v1/streams?sort=pending&find=r");
    assert_eq!(pending["streams"][0]["stream"], "orders");
    assert!(pending["found"].as_u64() >= Some(3), "{pending}");
    let named = get(&site, "/api/v1/streams?find=letters");
    assert_eq!(
        (&named["streams"][0]["stream"], &named["found"]),
        (&json!("letters:dlq"), &json!(1))
    );
    refused(&site, "GET", "/api/v1/streams?sort=rate&after=orders", "", 400);
    refused(&site, "GET", "/api/v1/streams?sort=colour", "", 400);

    let mut client = site.connect();
    redis::cmd("CLIENT").arg(&["SETNAME", "Ada-Laptop"]).exec(&mut client).expect("it answers");
    let found = get(&site, "/api/v1/clients?find=ada-lap");
    assert_eq!(found["clients"].as_array().map(Vec::len), Some(1));
    assert_eq!(found["clients"][0]["facts"]["name"], "Ada-Laptop");
    assert_eq!((&found["found"], &found["next"]), (&json!(1), &Json::Null));
    for _ in 0..50 {
        redis::cmd("PING").exec(&mut client).expect("it answers");
    }
    let busiest = get(&site, "/api/v1/clients?sort=commands&limit=1");
    assert!(busiest["found"].as_u64() >= Some(2) && busiest["next"].is_null(), "{busiest}");
    let sent = |row: &Json| row["facts"]["tot-cmds"].as_str().and_then(|it| it.parse().ok());
    let most: u64 = sent(&busiest["clients"][0]).expect("a number");
    assert!(most >= 51, "{busiest}");
    let all = get(&site, "/api/v1/clients?sort=name");
    let names: Vec<_> = all["clients"].as_array().expect("rows").iter().collect();
    assert!(names.is_sorted_by_key(|row| row["facts"]["name"].as_str()), "{all}");
    let servers = get(&site, "/api/v1/servers");
    assert_eq!(servers["servers"][0]["server"], found["clients"][0]["server"]);
    assert!(servers["servers"][0]["settings"]["maxclients"].is_string(), "{servers}");
    assert_eq!(servers["servers"][0]["passwords"]["requirepass"], false);
}

#[test]
fn that_a_password_is_set_is_told_and_which_is_not() {
    let site = Site::start(&["--requirepass", "secret"]);
    let answer = site.get_with("/api/v1/servers", &[("authorization", "Basic OnNlY3JldA==")]);
    let servers: Json = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!(servers["servers"][0]["passwords"]["requirepass"], true, "{servers}");
    assert!(servers["servers"][0]["settings"]["requirepass"].is_null(), "{servers}");
    // Words of INFO and of settings, but not the password.
    assert!(!answer.text.contains("\"secret\""), "{servers}");
}

#[test]
fn who_asks_is_told_who_they_are() {
    let me = get(&Site::start(&[]), "/api/v1/me");
    assert_eq!((&me["user"], &me["can_write"]), (&Json::Null, &json!(false)));
    assert!(me["server"].as_str().is_some_and(|it| it.starts_with("Millstream ")), "{me}");
    let site = Site::start(&["--requirepass", "secret"]);
    assert_eq!(site.get("/api/v1/me").status, 401);
    let me = site.get_with("/api/v1/me", &[("authorization", "Basic OnNlY3JldA==")]);
    let me: Json = serde_json::from_str(&me.text).expect("JSON");
    assert_eq!((&me["user"], &me["can_write"]), (&json!("default"), &json!(true)));
}

/// Symptom: a method that there is not was refused with no reason, and what is not there was empty.
#[test]
fn what_is_not_there_is_told_in_json() {
    let site = site(&["--admin-write"]);
    for (method, path, status) in [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/nothing", 404),
        ("GET", "/api/v1/dead-letters/none", 404),
        ("GET", "/api/v1/streams/orders/groups/none/history", 404),
        ("GET", "/api/v1/streams/none/groups/none/history", 404),
        ("POST", "/api/v1/streams", 405),
        ("DELETE", "/api/v1/streams/orders/entries", 405),
        ("GET", "/api/v1/streams/orders/trim", 405),
    ] {
        refused(&site, method, path, "", status);
    }
    let quiet = get(&site, "/api/v1/streams/orders/groups/archive/history");
    assert!(quiet["points"].is_array(), "{quiet}");
}
