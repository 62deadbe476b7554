//! The programs in `examples/`, run as their readers would.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use millstream_conformance::Server;

/// An example hangs rather than takes so long.
const LIMIT: Duration = Duration::from_secs(60);

/// Examples are built with the tests, into the folder beside theirs.
fn path(example: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the running test");
    let profile = test.ancestors().nth(2).expect("target/debug");
    profile.join("examples").join(example)
}

fn start(example: &str, server: &Server) -> Child {
    Command::new(path(example))
        .env("REDIS_URL", format!("redis://127.0.0.1:{}", server.port()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("start {}: {error}", path(example).display()))
}

/// What it says until it ends, which must be in order.
fn said(mut child: Child) -> Vec<String> {
    let output = child.stdout.take().expect("its standard output");
    let (sender, receiver) = mpsc::channel();
    let reading = move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        sender.send(lines.collect::<Vec<_>>())
    };
    std::thread::spawn(reading);
    let said = receiver.recv_timeout(LIMIT).unwrap_or_else(|_| {
        child.kill().expect("end it");
        panic!("it does not end");
    });
    let status = child.wait().expect("look after it");
    assert!(status.success(), "{status}: {said:#?}");
    said
}

fn run(example: &str, arguments: &[&OsStr]) -> Vec<String> {
    let child = Command::new(path(example)).args(arguments).stdout(Stdio::piped()).spawn();
    said(child.unwrap_or_else(|error| panic!("start {}: {error}", path(example).display())))
}

fn on_each(example: &str, check: impl Fn(&[String])) {
    for name in ["millstream", "valkey-9.1"] {
        let Some(server) = crate::start(name) else { continue };
        check(&said(start(example, &server)));
    }
}

#[test]
fn first_worker() {
    on_each("first_worker", |said| {
        assert_eq!(said.len(), 6, "{said:#?}");
        assert_eq!(said[5], r#"order Some("3") of Some("Ada")"#);
    });
}

#[test]
fn retry_and_dead_letters() {
    on_each("retry_and_dead_letters", |said| {
        let tries = [1, 2, 3].map(|number| format!(r#"order Some("1"), try {number}"#));
        assert_eq!(said[..3], tries);
        assert_eq!(said[3], "dead after 3 tries: the payment service is down");
        assert_eq!(said[4..], tries[..1]);
    });
}

#[test]
fn cluster() {
    let lines = ["2 workers share 8 partitions", "400 orders of 20 customers", "0 out of order"];
    on_each("cluster", |said| assert_eq!(said, lines));
}

#[test]
fn several_workers() {
    on_each("several_workers", |said| {
        let lines = ["Pending messages: 0", "Active consumers: 3", "Not delivered yet: 0"];
        assert!(lines.iter().all(|line| said.iter().any(|it| it == line)), "{said:#?}");
    });
}

#[test]
fn priorities() {
    on_each("priorities", |said| {
        assert_eq!(said.len(), 180);
        let high = said[..90].iter().filter(|stream| *stream == "tasks:high").count();
        assert!((50..=60).contains(&high), "{high} of the first 90");
        assert!(said[..20].contains(&"tasks:low".to_owned()), "{said:#?}");
    });
}

#[test]
fn fan_out() {
    on_each("fan_out", |said| {
        let mut said = said.to_vec();
        said.sort();
        let of = |group: &str| {
            let line = |event: &str| format!("{group}: Some(\"order {event}\")");
            [line("paid"), line("placed")]
        };
        assert_eq!(said, [of("email"), of("statistics"), of("warehouse")].concat());
    });
}

#[test]
fn delayed() {
    on_each("delayed", |said| {
        let waits = |order: u32| format!("{{\"unpaid\": \"{order}\"}} waits");
        let last = "order Some(\"17\") is not paid yet".to_owned();
        assert_eq!(said, [waits(17), waits(18), last]);
    });
}

#[test]
fn batch() {
    on_each("batch", |said| {
        assert!(said.contains(&"100 orders in one statement".to_owned()), "{said:#?}");
        assert_eq!(said.iter().filter(|line| *line == "order 7 is refused").count(), 1);
        let counts = said.iter().filter_map(|line| line.strip_suffix(" orders in one statement"));
        let all: u64 = counts.map(|count| count.parse::<u64>().expect("a number")).sum();
        assert_eq!(all, 251, "{said:#?}");
    });
}

#[test]
fn pipeline() {
    on_each("pipeline", |said| {
        assert_eq!(said.last().map(String::as_str), Some("2 orders, 2 invoices"), "{said:#?}");
    });
}

#[test]
fn typed_payload() {
    on_each("typed_payload", |said| assert_eq!(said, ["order 17 of 2 pieces for 12.5"]));
}

#[test]
fn graceful_shutdown() {
    for name in ["millstream", "valkey-9.1"] {
        let Some(server) = crate::start(name) else { continue };
        let mut child = start("graceful_shutdown", &server);
        let mut output = BufReader::new(child.stdout.take().expect("its standard output"));
        let mut line = String::new();
        while !line.starts_with("done") {
            line.clear();
            assert!(output.read_line(&mut line).expect("reads") > 0, "it ended early");
        }
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        let rest: Vec<String> = output.lines().map_while(Result::ok).collect();
        assert!(child.wait().expect("it ends").success(), "{rest:#?}");
        let last = rest.last().expect("a last line");
        let counts: Vec<u64> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
        assert_eq!(counts.len(), 2, "{last}");
        assert_eq!(counts.iter().sum::<u64>(), 10, "{last}");
        assert!(counts[1] > 0, "{last}");
    }
}

#[test]
fn embedded() {
    let directory = tempfile::tempdir().expect("a directory");
    let arguments = [directory.path().as_os_str()];
    assert_eq!(run("embedded", &arguments), ["order 0", "order 1", "order 2"]);
    assert_eq!(run("embedded", &arguments), ["order 3", "order 4", "order 5"]);
    assert_eq!(run("embedded", &[]), ["order 0", "order 1", "order 2"]);
}

#[test]
fn testing() {
    let said = run("testing", &[]);
    let lines = ["by hand: dead after 3 tries and 3 h", "paused: dead after 3 tries and 3 h"];
    assert_eq!(said, lines);
}
