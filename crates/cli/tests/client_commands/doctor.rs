//! `millstream doctor`.

use std::collections::BTreeSet;

use millstream_conformance::Value;
use millstream_conformance::{Cluster, Program};
use serde_json::{Value as Json, json};

use crate::on_all_servers;
use crate::place::{Place, millstream, own_program, run_at};
use crate::shown::shown;

on_all_servers!(
    what_hurts_is_found_in_streams_groups_and_consumers,
    what_is_well_is_not_told,
    what_may_not_be_asked_is_told,
    a_look_has_limits,
    what_it_says_to_type_does_not_change_another_server,
);

/// What depends on the server and the machine.
const OF_SERVER: &str = "--ignore eviction,persistence,sync,memory,writes-stopped,replica,clock";

fn what_hurts_is_found_in_streams_groups_and_consumers(place: &Place) {
    for id in 1..=6 {
        place.redis(&format!("XADD trimmed {id}-1 n {id}"));
    }
    place.redis("XGROUP CREATE trimmed slow 0");
    place.redis("XREADGROUP GROUP slow ada COUNT 1 STREAMS trimmed >");
    place.redis("XTRIM trimmed MAXLEN = 3");
    place.redis("XADD edge 1-1 n 1");
    place.redis("XADD edge 2-1 n 2");
    place.redis("XADD edge 3-1 n 3");
    place.redis("XGROUP CREATE edge late 0");
    place.redis("XREADGROUP GROUP late eve COUNT 1 NOACK STREAMS edge >");
    place.redis("XTRIM edge MAXLEN = 2");
    place.redis("XADD poison 1-1 n 1");
    place.redis("XADD poison 2-1 n 1");
    place.redis("XGROUP CREATE poison work 0");
    place.redis("XREADGROUP GROUP work bob STREAMS poison >");
    place.redis("XCLAIM poison work bob 0 1-1 RETRYCOUNT 12 JUSTID");
    place.redis("XGROUP CREATECONSUMER poison work idler");
    place.redis("XDEL poison 2-1");
    place.redis("XADD alone 1-1 n 1");
    place.redis_words(&[b"XGROUP", b"CREATE", b"alone", b"no body", b"0"]);
    place.redis("XGROUP CREATE alone done 1-1");
    place.redis("XADD alone:dlq 1-1 n 1");
    let outcome = place.run(&format!("doctor {OF_SERVER} --idle 1ms"));
    assert_eq!(outcome.code, Some(1));
    assert_eq!(outcome.stderr, "millstream: 1 finding of severity error\n");
    let text = shown_findings(&outcome.stdout);
    let expected = "\
error: unread-trimmed: trimmed > slow: 2 entries went before the group got them, by a trim or \
deleted
  next: millstream stream info trimmed --url ADDRESS
warning: no-consumers: alone > no body: no consumers, lag 1, pending 0
  next: millstream group info alone 'no body' --url ADDRESS
warning: stuck-consumers: poison > work: 1 consumer idle for 1ms or more with 2 entries pending: bob
  next: millstream pending claim poison work --consumer bob --to CONSUMER --url ADDRESS
warning: stuck-consumers: trimmed > slow: 1 consumer idle for 1ms or more with 1 entry pending: ada
  next: millstream pending claim trimmed slow --consumer ada --to CONSUMER --url ADDRESS
warning: poison: poison > work: 1 entry delivered 10 times or more, 1-1 12 times
  next: millstream pending ls poison work --deliveries 10 --url ADDRESS
warning: trim-edge: edge > late: 2 entries in the stream, all still to be read, and it is trimmed
  next: millstream group info edge late --url ADDRESS
warning: pending-deleted: poison > work: 1 entry pending and gone from the stream, 2-1 for one
  next: millstream pending ack poison work 2-1 --url ADDRESS
warning: pending-deleted: trimmed > slow: 1 entry pending and gone from the stream, 1-1 for one
  next: millstream pending ack trimmed slow 1-1 --url ADDRESS
warning: dead-letters: alone:dlq: 1 dead letter, the oldest AGE old
  next: millstream dlq ls alone --url ADDRESS
note: no-consumers: alone > done: no consumers, and nothing to do
  next: millstream group destroy alone done --url ADDRESS
note: idle-consumers: edge > late: 1 of 1 consumer idle for 1ms or more, with nothing pending: eve
  next: millstream consumer delete edge late eve --url ADDRESS
note: idle-consumers: poison > work: 1 of 2 consumers idle for 1ms or more, with nothing pending: \
idler
  next: millstream consumer delete poison work idler --url ADDRESS
ADDRESS: 1 error, 8 warnings, 3 notes; looked at 5 streams, 5 groups, 4 consumers, 3 pending
";
    assert_eq!(text.replace(&place.url(), "ADDRESS"), expected);
    let found = place.run(&format!("doctor {OF_SERVER},poison,unread-trimmed --json")).json();
    assert_eq!((&found["errors"], &found["address"]), (&json!(0), &json!(place.url())));
    let findings = found["findings"].as_array().expect("a list");
    let gone = findings.iter().find(|it| it["check"] == "pending-deleted").expect("it is there");
    assert_eq!(
        *gone,
        json!({
            "severity": "warning", "check": "pending-deleted", "server": null,
            "stream": "poison", "group": "work",
            "what": "1 entry pending and gone from the stream, 2-1 for one",
            "why": gone["why"],
            "next": format!("millstream pending ack poison work 2-1 --url {}", place.url()),
        })
    );
    assert!(findings.iter().all(|it| it["check"] != "poison"), "{found}");
    // Each command that is named is one.
    for line in outcome.stdout.lines().filter_map(|line| line.strip_prefix("  next: millstream ")) {
        let line = line.replace("'no body'", "no").replace("--to CONSUMER", "--to x");
        let tried = place.run(&line);
        assert!(!tried.stderr.contains("Usage:"), "{line}: {tried:?}");
    }
}

/// Without the reasons, and without what no two runs have in common.
fn shown_findings(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once("the oldest ") {
        Some((before, _)) => format!("{before}the oldest AGE old\n"),
        None => format!("{line}\n"),
    };
    text.lines().filter(|it| !it.starts_with("  why: ")).map(line).collect()
}

fn what_is_well_is_not_told(place: &Place) {
    place.redis("XADD orders 1-1 n 1");
    place.redis("XGROUP CREATE orders billing 0");
    place.redis("XREADGROUP GROUP billing ada STREAMS orders >");
    let said = place.run(&format!("doctor {OF_SERVER}")).success();
    let said = said.strip_prefix(&format!("{}: ", place.url())).expect("where");
    let text =
        "0 errors, 0 warnings, 0 notes; looked at 1 stream, 1 group, 1 consumer, 1 pending\n";
    assert_eq!(said, text);
    // What runs for tests has nothing on disk.
    let all = place.run(&format!("doctor {} --json", place.url()));
    assert_eq!((all.code, &*all.stderr), (Some(1), "millstream: 1 finding of severity error\n"));
    let all: Json = serde_json::from_str(&all.stdout).expect("it is JSON");
    assert_eq!(all["findings"][0]["check"], "persistence");
    assert_eq!(all["not_looked_at"], json!([]));
    let looked_at = json!({"servers": 1, "streams": 1, "groups": 1, "consumers": 1, "pending": 1});
    assert_eq!((&all["looked_at"], &all["is_sampled"]), (&looked_at, &json!(false)));
    place.run("doctor --ignore beauty").failure(2);
    place.run("doctor --deliveries 1").failure(2);
    let away = place.run("doctor redis://127.0.0.1:1").failure(1);
    assert!(away.contains("cannot connect to redis://127.0.0.1:1"), "{away}");
    if !place.is_millstream() {
        place.redis("CONFIG SET maxmemory 100mb maxmemory-policy allkeys-lru");
        let found = place.run("doctor").stdout;
        assert!(
            found.contains("error: eviction: server: maxmemory-policy is allkeys-lru\n"),
            "{found}"
        );
        place.redis("CONFIG SET maxmemory 1 maxmemory-policy noeviction");
        let found = place.run("doctor").stdout;
        assert!(found.contains("error: memory: server: "), "{found}");
    }
}

fn what_may_not_be_asked_is_told(place: &Place) {
    place.redis("XADD orders 1-1 n 1");
    if place.is_millstream() {
        // It has one user, who may do everything.
        return;
    }
    place.redis("ACL SETUSER watcher on >secret ~* +@read +@connection -info -config -time");
    let url = place.url().replace("redis://", "redis://watcher:secret@");
    let said = place.run(&format!("doctor {url}")).success();
    for what in [
        "not looked at: what the server says of itself (INFO): ",
        "not looked at: settings of the server (CONFIG GET): ",
        "not looked at: the clock of the server (TIME): ",
        "0 errors, ",
        "looked at 1 stream",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert!(!said.contains("secret"), "{said}");
    place.redis("ACL SETUSER blind on >secret ~* +@connection");
    let url = place.url().replace("redis://", "redis://blind:secret@");
    let said = place.run(&format!("doctor {url}")).success();
    assert!(said.contains("not looked at: streams (SCAN): "), "{said}");
}

fn a_look_has_limits(place: &Place) {
    let lines = (0..60).flat_map(|number| {
        let add = format!("XADD s{number:02} 1-1 n 1");
        [add, format!("XGROUP CREATE s{number:02} g 0")]
    });
    place.feed(lines);
    let found = place.run(&format!("doctor {OF_SERVER} --json --limit 50")).json();
    assert_eq!(found["looked_at"]["streams"], 50);
    assert_eq!(found["is_sampled"], true);
    assert_eq!(found["findings"].as_array().map(Vec::len), Some(20));
    let more = json!([{"severity": "warning", "check": "no-consumers", "count": 30}]);
    assert_eq!((&found["more"], &found["warnings"]), (&more, &json!(50)));
    let said = place.run(&format!("doctor {OF_SERVER} --limit 50")).success();
    assert!(said.contains("\nwarning: no-consumers: and 30 more\n"), "{said}");
    assert!(said.ends_with("; there are more: see --limit\n"), "{said}");
    let some = place.run(&format!("doctor {OF_SERVER} --json --streams s1*")).json();
    assert_eq!(some["looked_at"]["streams"], 10);
    let all = place.run(&format!("doctor {OF_SERVER} --json --limit 0")).json();
    assert_eq!((&all["looked_at"]["streams"], &all["is_sampled"]), (&json!(60), &json!(false)));
}

/// Symptom: none of the commands that `doctor` named had the server in it, so that they changed the
/// one at port 6379 when they were pasted.
fn what_it_says_to_type_does_not_change_another_server(place: &Place) {
    place.redis("XADD orders 1-1 n 1");
    place.redis("XGROUP CREATE orders unused 1-1");
    let found = |url: &str| {
        let output = millstream().args(["doctor", url, "--json"]).output().expect("it starts");
        let found: Json = serde_json::from_slice(&output.stdout).expect("it is JSON");
        let findings = found["findings"].as_array().expect("a list").clone();
        move |check: &str| {
            let finding = findings.iter().find(|it| it["check"] == check).expect("it is found");
            finding["next"].as_str().expect("a text").to_owned()
        }
    };
    let destroy = |url: &str| format!("millstream group destroy orders unused --url {url}");
    let (url, next) = (place.url(), found(&place.url()));
    assert_eq!(next("no-consumers"), destroy(&url));
    if !place.is_millstream() {
        assert_eq!(next("persistence"), format!("redis-cli -u {url} CONFIG SET appendonly yes"));
    }
    // As that user, without the password, and quoted.
    place.redis("ACL SETUSER ada on >secret ~* +@all");
    let port = place.server.port();
    let next = found(&format!("redis://ada:secret@127.0.0.1:{port}/0?protocol=resp3"));
    let url = format!("'redis://ada@127.0.0.1:{port}/0?protocol=resp3'");
    assert_eq!(next("no-consumers"), destroy(&url));
    if !place.is_millstream() {
        let at = format!("redis-cli -u redis://127.0.0.1:{port} --user ada");
        assert_eq!(next("persistence"), format!("{at} CONFIG SET appendonly yes"));
    }
    // It does what it says.
    let command = destroy(&place.url()) + " --yes";
    let mut words = command.split(' ').skip(1);
    let output = millstream().args(&mut words).output().expect("it starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(place.redis("XINFO GROUPS orders"), Value::Array(Vec::new()));
}

/// What only Millstream has: groups that hold back what a stream keeps, and pauses.
#[test]
fn what_a_stream_keeps_for_its_groups_is_looked_at() {
    let place = Place::start("millstream").expect("it is there");
    assert_eq!(own_program().path, place.server.program().path);
    place.redis("XADD jobs 1-1 n 1");
    place.redis("XADD jobs 2-1 n 1");
    place.run("stream policy jobs --retain unacked").success();
    let found = place.run(&format!("doctor {OF_SERVER}")).success();
    let nobody = "warning: holds-back: jobs: it keeps 2 entries until groups acknowledge them, and there is none\n";
    assert!(shown(&found).contains(nobody), "{found}");
    place.run("group create jobs slow").success();
    place.redis("XREADGROUP GROUP slow ada COUNT 1 STREAMS jobs >");
    place.run("group pause jobs slow").success();
    let found = place.run(&format!("doctor {OF_SERVER}")).success();
    for what in
        ["warning: holds-back: jobs > slow: its first entry ", "warning: paused: jobs > slow"]
    {
        assert!(found.contains(what), "{what}: {found}");
    }
    for id in 1..=10 {
        place.redis(&format!("XADD feed {id}-1 n 1"));
    }
    place.run("group create feed late").success();
    place.run("stream policy feed --maxlen 12").success();
    let found = place.run(&format!("doctor {OF_SERVER} --streams feed")).success();
    let near =
        "warning: trim-edge: feed > late: it has 10 entries to read, and the stream keeps 12\n";
    assert!(found.contains(near), "{found}");
}

#[test]
fn all_servers_of_a_cluster_are_looked_at() {
    let Some(program) = Program::peer("valkey-9.1").expect("a peer") else { return };
    let cluster = Cluster::start(&program, 3).expect("start the Cluster");
    let url = format!("redis+cluster://{}", cluster.hosts());
    let run = |line: &str| run_at(&url, line);
    for number in 0..20 {
        run(&format!("group create s{number:02} g --mkstream")).success();
    }
    let found: Json = serde_json::from_str(&run("doctor --json").stdout).expect("it is JSON");
    let looked_at =
        json!({"servers": 3, "streams": 20, "groups": 20, "consumers": 0, "pending": 0});
    assert_eq!((&found["looked_at"], &found["not_looked_at"]), (&looked_at, &json!([])));
    let findings = found["findings"].as_array().expect("a list");
    let of_servers = findings.iter().filter(|it| it["stream"].is_null());
    let servers: BTreeSet<_> = of_servers.filter_map(|it| it["server"].as_str()).collect();
    assert_eq!(servers.len(), 3, "{found}");
    assert!(servers.iter().all(|it| it.starts_with("server with port ")), "{found}");
    // Each server has settings of its own, groups are somewhere in all of them.
    for finding in findings {
        let (server, next) = (finding["server"].as_str(), finding["next"].as_str());
        let next = next.expect("a text");
        match (server.and_then(|it| it.strip_prefix("server with port ")), next) {
            (Some(port), next) if next.starts_with("redis-cli ") => {
                let at = format!("redis-cli -u redis://127.0.0.1:{port} CONFIG SET ");
                assert!(next.starts_with(&at), "{next}");
            }
            (_, next) => assert!(next.ends_with(&format!(" --url {url}")), "{next}"),
        }
    }
    let seen = run("top --once --interval 100ms --json").json();
    assert_eq!(seen["groups"].as_array().map(Vec::len), Some(20));
}
