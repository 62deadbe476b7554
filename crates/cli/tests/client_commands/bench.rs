//! `millstream bench`: what it prints, that it is exact, and that nothing is left behind.

use std::io::Read as _;
use std::process::Child;
use std::time::{Duration, Instant};

use millstream_conformance::{Program, Server, Value};
use serde_json::{Value as Json, json};

use crate::on_all_servers;
use crate::place::{Outcome, Place, millstream, signal};

on_all_servers!(
    all_loads_are_measured,
    all_is_told_in_json,
    an_interrupted_run_leaves_nothing,
    an_entry_that_is_lost_is_found_out,
    an_entry_that_comes_again_is_found_out,
    an_entry_that_is_never_delivered_is_found_out,
);

/// Small, and of all five loads.
const SMALL: &str = "--messages 300 --connections 2 --pipeline 8 --workers 2 --count 10 --size 20 \
                     --fields 2 --rounds 1 --threads 1 --rate 2000 --duration 100ms";
/// Goes on for a minute, beginning with a second's warm-up.
const LONG: &str = "bench latency --rate 500 --messages 2500 --rounds 20 --connections 1";
const LIMIT: Duration = Duration::from_secs(60);

/// With `N` for numbers in columns, and one line for all of a histogram.
fn shown(text: &str) -> String {
    let is_number = |cell: &str| {
        cell.starts_with(|c: char| c.is_ascii_digit())
            && cell.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | '.'))
    };
    let line = |line: &str| {
        if line.starts_with("< ") {
            assert!(line.ends_with(" %"), "{line}");
            return "HISTOGRAM\n".to_owned();
        }
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        let cells: Vec<&str> = cells.map(|it| if is_number(it) { "N" } else { it }).collect();
        cells.join("  ") + "\n"
    };
    let mut lines: Vec<String> = text.lines().map(line).collect();
    lines.dedup_by(|line, before| line == "HISTOGRAM\n" && line == before);
    lines.concat()
}

fn durability(place: &Place) -> &'static str {
    if place.is_millstream() { "none: --memory" } else { "appendonly no, save \"\"" }
}

/// With their versions.
fn called(place: &Place) -> String {
    let Value::Bulk(info) = place.redis("INFO server") else { panic!("a text") };
    let info = String::from_utf8(info).expect("a text");
    let name = format!("{}_version:", place.called().to_lowercase());
    let version = info.lines().find_map(|line| line.strip_prefix(&name)).expect("a version");
    format!("{} {}", place.called(), version.trim())
}

#[track_caller]
fn assert_no_keys(place: &Place) {
    assert_eq!(place.redis("DBSIZE"), Value::Int(0));
}

/// Rows of percentiles, with these numbers in each.
fn percentiles(names: &[&str], numbers: &str) -> String {
    let all = ["p50", "p90", "p99", "p99.9", "max"];
    let row = |name: &&str| all.map(|it| format!("{name} {it}, us  {numbers}\n")).concat();
    names.iter().map(row).collect()
}

fn rows(times: &[&str], numbers: &str) -> String {
    let figures = [
        "messages/s",
        "MB/s of payload",
        "server CPU, us/message",
        "client CPU, us/message",
        "memory, bytes/entry",
    ];
    let rows: String = figures.iter().map(|it| format!("{it}  {numbers}\n")).collect();
    rows + &percentiles(times, numbers)
}

/// The tables of all loads, and histograms of so many servers.
fn tables(head: &str, numbers: &str, histograms: &str) -> String {
    let due = ["due until sent", "due until answered", "due until delivered"];
    [
        "\nproduce: 300 entries a round, by 2 connections with 8 XADD in flight each\n",
        &format!("{head}{}", rows(&["XADD"], numbers)),
        "\ndrain: 300 entries a round, read by 2 workers with COUNT 10\n",
        &format!("{head}{}", rows(&["XACK+XREADGROUP"], numbers)),
        "\ncycle: 300 entries a round, by 2 connections with 8 XADD in flight each, at most 10000 \
         ahead of 2 workers with COUNT 10\n",
        &format!("{head}{}", rows(&["XADD", "XACK+XREADGROUP"], numbers)),
        "\nclaim: 300 entries a round that a dead worker had, claimed by 2 workers with COUNT 10\n",
        &format!("{head}{}", rows(&["XACK+XAUTOCLAIM"], numbers)),
        "\nlatency: 200 entries a round, 2000 a second by 1 connection, read by 2 workers with \
         COUNT 10\n",
        &format!("{head}{}", rows(&due, numbers)),
        histograms,
    ]
    .concat()
}

fn all_loads_are_measured(place: &Place) {
    let said = place.run(&format!("bench all {SMALL}")).success();
    let (called, durability, url) = (called(place), durability(place), place.url());
    let expected = format!(
        "server  {called} at {url}\ndurability  {durability}\npayload  20 bytes in 2 fields\n\
         client  1 thread, 1 round\n{}",
        tables(
            "FIGURE  MEDIAN  LOWEST  HIGHEST\n",
            "N  N  N",
            "\ndue until answered, in us\nHISTOGRAM\n\ndue until delivered, in us\nHISTOGRAM\n"
        )
    );
    assert_eq!(shown(&said), expected);
    assert_no_keys(place);
}

#[test]
fn two_servers_are_shown_side_by_side() {
    let Some(peer) = Place::start("valkey-9.1") else { return };
    let ours = Place::start("millstream").expect("it is there");
    let line = format!("bench all {SMALL} --compare {}", peer.url());
    let said = ours.run(&line).success();
    let of = |place: &Place, label: &str| {
        let (called, durability, url) = (called(place), durability(place), place.url());
        format!("{label}  {called} at {url}\ndurability  {durability}\n")
    };
    let histograms = ["A", "B"].map(|label| {
        let of = |what| format!("\n{label}: due until {what}, in us\nHISTOGRAM\n");
        ["answered", "delivered"].map(of).concat()
    });
    let expected = format!(
        "{}{}payload  20 bytes in 2 fields\nclient  1 thread, 1 round\n{}",
        of(&ours, "A"),
        of(&peer, "B"),
        tables("FIGURE  A  B  A/B  LOWEST  HIGHEST\n", "N  N  N  N  N", &histograms.concat())
    );
    // Ten milliseconds are the least that is told of processor time: there may be no ratio.
    let dashed = "server CPU, us/message  N  N  -  -  -";
    assert_eq!(shown(&said).replace(dashed, "server CPU, us/message  N  N  N  N  N"), expected);
    assert_no_keys(&ours);
    assert_no_keys(&peer);
    let line = format!("bench produce -n 100 --rounds 2 --json --compare {}", peer.url());
    let document = ours.run(&line).json();
    assert_eq!(document["servers"][1]["address"], json!(peer.url()));
    let load = &document["loads"][0];
    let figure = |at: usize, round: usize| {
        let round = &load["results"][at]["rounds"][round];
        round["messages_per_second"].as_f64().expect("a number")
    };
    let ratios = [0, 1].map(|round| figure(0, round) / figure(1, round));
    let ratio = load["ratios"]["messages_per_second"].as_f64().expect("a number");
    assert!((ratio - f64::midpoint(ratios[0], ratios[1])).abs() < 0.01, "{load}");
    let medians = &load["results"][0]["medians"]["messages_per_second"];
    let median = medians.as_f64().expect("a number");
    assert!((median - f64::midpoint(figure(0, 0), figure(0, 1))).abs() < 0.01, "{load}");
}

/// Numbers become `"N"`.
fn hidden(value: &Json) -> Json {
    match value {
        Json::Number(_) => "N".into(),
        Json::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), hidden(value))).collect()
        }
        Json::Array(items) => items.iter().map(hidden).collect(),
        other => other.clone(),
    }
}

fn all_is_told_in_json(place: &Place) {
    let mut document = place.run(&format!("bench all {SMALL} --json")).json();
    let figures = |times: &[&str]| -> Json {
        let mut all: Vec<String> = [
            "messages_per_second",
            "payload_mb_per_second",
            "server_cpu_us_per_message",
            "client_cpu_us_per_message",
            "memory_bytes_per_entry",
        ]
        .map(str::to_owned)
        .into();
        for name in times {
            let percentiles = ["p50", "p90", "p99", "p99_9", "max"];
            all.extend(percentiles.map(|percentile| format!("{name}_{percentile}_us")));
        }
        all.into_iter().map(|name| (name, "N".into())).collect::<serde_json::Map<_, _>>().into()
    };
    for load in document["loads"].as_array_mut().expect("a list") {
        for steps in load["results"][0]["histograms"].as_object_mut().expect("some").values_mut() {
            *steps = hidden(&steps[0]);
        }
        load["results"] = hidden(&load["results"]);
    }
    let load = |name: &str, times: &[&str], options: [Json; 7]| {
        let [messages, connections, pipeline, workers, count, backlog, rate] = options;
        let figures = figures(times);
        let step = json!({ "below_us": "N", "count": "N" });
        let steps = times.iter().map(|name| ((*name).to_owned(), step.clone()));
        let steps: serde_json::Map<_, _> = steps.collect();
        json!({
            "load": name, "messages": messages, "payload_bytes": 20, "fields": 2, "threads": 1,
            "connections": connections, "pipeline": pipeline, "workers": workers, "count": count,
            "backlog": backlog, "rate": rate,
            "results": [{
                "server": "A", "medians": figures, "rounds": [figures], "histograms": steps,
            }],
            "ratios": null,
        })
    };
    let options = |all: [u64; 7]| all.map(|it| if it == 0 { Json::Null } else { it.into() });
    let durability = match place.is_millstream() {
        true => json!({ "sync": "memory", "appendonly": null, "appendfsync": null, "save": null }),
        false => json!({
            "sync": null, "appendonly": "no", "appendfsync": "everysec", "save": "",
        }),
    };
    let expected = json!({
        "servers": [{
            "name": "A",
            "server": called(place),
            "address": place.url(),
            "durability": durability,
        }],
        "loads": [
            load("produce", &["add"], options([300, 2, 8, 0, 0, 0, 0])),
            load("drain", &["read"], options([300, 0, 0, 2, 10, 0, 0])),
            load("cycle", &["add", "read"], options([300, 2, 8, 2, 10, 10_000, 0])),
            load("claim", &["claim"], options([300, 0, 0, 2, 10, 0, 0])),
            load(
                "latency",
                &["sent", "answered", "delivered"],
                options([200, 1, 0, 2, 10, 0, 2000])
            ),
        ],
    });
    assert_eq!(document, expected);
    assert_no_keys(place);
}

/// Asks until the answer is some.
#[track_caller]
fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "it takes too long");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The key that a run works on, once there are entries.
fn key_in_use(place: &Place) -> String {
    let key = until(|| match place.redis("KEYS *") {
        Value::Array(keys) => match &keys[..] {
            [Value::Bulk(key)] => Some(String::from_utf8(key.clone()).expect("a text")),
            [] => None,
            several => panic!("more than one key: {several:?}"),
        },
        other => panic!("{other:?}"),
    });
    assert!(key.starts_with("millstream-bench:"), "{key}");
    until(|| (place.redis(&format!("XLEN {key}")) != Value::Int(0)).then_some(()));
    key
}

fn ended(child: Child) -> Outcome {
    Outcome::of(child.wait_with_output().expect("it ends"))
}

fn an_interrupted_run_leaves_nothing(place: &Place) {
    for name in ["-INT", "-TERM"] {
        let child = place.begin(LONG);
        let key = key_in_use(place);
        let ttl = place.redis(&format!("TTL {key}"));
        assert!(matches!(ttl, Value::Int(86_000..=86_400)), "{ttl:?}");
        signal(&child, name);
        let Outcome { code, stderr, .. } = ended(child);
        let text = "millstream: interrupted: the figures so far are not complete\n";
        assert_eq!((code, &*stderr), (Some(1), text));
        assert_no_keys(place);
    }
}

#[test]
fn a_server_that_dies_is_told() {
    for name in ["millstream", "redis-8.2", "valkey-9.1"] {
        let Some(mut place) = Place::start(name) else { continue };
        let child = place.begin(LONG);
        let key = key_in_use(&place);
        let url = place.url();
        place.server.kill().expect("it ends");
        let Outcome { code, stderr, .. } = ended(child);
        assert_eq!(code, Some(1), "{stderr}");
        let left = format!(
            "millstream: the key {key} may be left at {url}, and goes by itself within a day: "
        );
        assert!(stderr.contains(&left), "{stderr}");
        let failed = format!("millstream: cannot measure latency at {url}: the server cannot be ");
        assert!(stderr.contains(&failed), "{stderr}");
        assert!(stderr.contains("\n  next: "), "{stderr}");
    }
}

/// What was not exact, without what to do about it.
#[track_caller]
fn not_exact(place: &Place, load: &str, child: Child) -> String {
    let Outcome { code, stderr, .. } = ended(child);
    assert_eq!(code, Some(1), "{stderr}");
    let begin = format!("millstream: {load} at {} was not exact: ", place.url());
    let (wrong, next) = stderr.split_once("\n  next: ").expect("something to do");
    assert!(next.starts_with("it lost or repeated entries"), "{next}");
    assert_no_keys(place);
    wrong.strip_prefix(&begin).unwrap_or_else(|| panic!("{stderr}")).to_owned()
}

/// Removes the first entry of a stream.
fn delete_first(place: &Place, key: &str) {
    let Value::Array(entries) = place.redis(&format!("XRANGE {key} - + COUNT 1")) else {
        panic!("entries")
    };
    let [Value::Array(entry)] = &entries[..] else { panic!("{entries:?}") };
    let Value::Bulk(id) = &entry[0] else { panic!("{entry:?}") };
    let id = String::from_utf8(id.clone()).expect("an id");
    assert_eq!(place.redis(&format!("XDEL {key} {id}")), Value::Int(1));
}

fn an_entry_that_is_lost_is_found_out(place: &Place) {
    let child = place.begin(LONG);
    let key = key_in_use(place);
    delete_first(place, &key);
    let wrong = not_exact(place, "latency", child);
    let text = "500 entries were added, and the stream has 499 at the end";
    assert!(wrong.ends_with(text), "{wrong}");
}

fn an_entry_that_comes_again_is_found_out(place: &Place) {
    let child = place.begin(LONG);
    let key = key_in_use(place);
    place.redis(&format!("XGROUP SETID {key} workers 0"));
    let wrong = not_exact(place, "latency", child);
    assert!(wrong.starts_with("entries were delivered again "), "{wrong}");
    assert!(wrong.contains(", for one number "), "{wrong}");
}

fn an_entry_that_is_never_delivered_is_found_out(place: &Place) {
    let child = place.begin("bench drain --messages 100000 --rounds 1");
    let key = key_in_use(place);
    // While it is still being filled.
    delete_first(place, &key);
    let wrong = not_exact(place, "drain", child);
    assert!(wrong.starts_with("1 of 20000 entries were never delivered, the first: "), "{wrong}");
    assert!(wrong.ends_with("20000 entries were added, and the stream has 19999 at the end"));
}

#[test]
fn no_rights_beyond_its_own_keys_are_needed() {
    for peer in ["redis-8.2", "valkey-9.1"] {
        let Some(place) = Place::start(peer) else { continue };
        place.redis(
            "ACL SETUSER bench on >hunter2 ~millstream-bench:* -@all +@stream +@connection \
             +unlink +expire +info",
        );
        place.redis("SET orders 7");
        let mut command = millstream();
        let url = place.url().replace("redis://", "redis://bench:hunter2@");
        command.args(["bench", "all", "--url", &url]).args(SMALL.split(' '));
        let said = Outcome::of(command.output().expect("it starts")).success();
        let durability = "\n  durability  appendonly no, save not told\n";
        assert!(said.contains(durability) && !said.contains("hunter2"), "{said}");
        assert!(shown(&said).contains("memory, bytes/entry  -  -  -\n"), "{said}");
        assert_eq!(place.redis("DBSIZE"), Value::Int(1));
    }
}

#[test]
fn the_other_server_has_a_password_of_its_own() {
    let place = Place::start("millstream").expect("it is there");
    let program = crate::place::own_program();
    let other = Server::start_with(&program, &["--requirepass", "hunter2"]).expect("it starts");
    let url = format!("redis://127.0.0.1:{}", other.port());
    let run = |password: &str| {
        let mut command = millstream();
        command.args("bench produce -n 100 --rounds 1 --json --compare".split(' ')).arg(&url);
        command.env("REDIS_URL", place.url()).env("MILLSTREAM_COMPARE_AUTH", password);
        Outcome::of(command.output().expect("it starts"))
    };
    run("hunter2").json();
    let said = run("wrong").failure(1);
    assert!(said.starts_with(&format!("millstream: cannot connect to {url}: ")), "{said}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Place::start("millstream").expect("it is there");
    for wrong in [
        "bench",
        "bench flood",
        "bench produce --messages 0",
        "bench produce --messages 1000000001",
        "bench produce --size 7",
        "bench produce --fields 10 --size 16",
        "bench produce --fields 0",
        "bench produce --connections 0",
        "bench produce --workers 1",
        "bench drain --pipeline 1",
        "bench cycle --backlog 10 --pipeline 11",
        "bench produce --pipeline 100000 --size 1mb",
        "bench latency --rate 0",
        "bench latency --rate 1000 --duration 30d",
        "bench latency --duration 1s --messages 7",
        "bench latency --duration 1",
        "bench all --rounds 0",
        "bench produce --url redis+cluster://127.0.0.1",
        "bench produce --compare redis+cluster://127.0.0.1",
        "bench produce --compare http://ada:hunter2@127.0.0.1",
    ] {
        let said = place.run(wrong).failure(2);
        assert!(!said.contains("hunter2") && !said.is_empty(), "{wrong}: {said}");
    }
    let said = place.run("bench produce --fields 10 --size 16").failure(2);
    let text = "millstream: --size 16 is too small: entries of 10 fields have 17 bytes at least, \
                so that each has its number\n";
    assert_eq!(said, text);
    assert_no_keys(&place);
}

#[test]
fn one_server_of_a_cluster_is_no_place_for_it() {
    let Some(program) = Program::peer("valkey-9.1").expect("a peer") else { return };
    let server = Server::start_with(&program, &["--cluster-enabled", "yes"]).expect("it starts");
    let url = format!("redis://127.0.0.1:{}", server.port());
    let mut command = millstream();
    command.args(["bench", "produce", "-n", "10", "--rounds", "1", "--url", &url]);
    let outcome = Outcome::of(command.output().expect("it starts"));
    assert_eq!(outcome.code, Some(1), "{outcome:?}");
    assert!(outcome.stderr.contains("CLUSTERDOWN"), "{outcome:?}");
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    let place = Place::start("millstream").expect("it is there");
    let mut child = place.begin(&format!("bench all {SMALL}"));
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("it can be read");
    assert_eq!((child.wait().expect("it ends").code(), &*stderr), (Some(0), ""));
    assert_no_keys(&place);
}
