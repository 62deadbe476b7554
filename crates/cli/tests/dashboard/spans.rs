//! `--otlp-endpoint`: what a collector is sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::site::Site;

/// Longer than anything takes: spans are sent every five seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// One request to a collector: its first line and its body.
fn request(mut stream: &TcpStream) -> (String, Vec<u8>) {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    let head = loop {
        let length = stream.read(&mut buffer).expect("it sends");
        assert!(length > 0, "it ended early");
        received.extend_from_slice(&buffer[..length]);
        if let Some(end) = received.windows(4).position(|part| part == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&received[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.expect("it says how much").trim().parse().expect("a number");
    while received.len() < head + length {
        let read = stream.read(&mut buffer).expect("it sends");
        received.extend_from_slice(&buffer[..read]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("it reads");
    (text.lines().next().unwrap_or_default().to_owned(), received.split_off(head))
}

/// The spans of a request, and what it says of who sends them.
fn spans(body: &[u8]) -> (Vec<Json>, Json) {
    let document: Json = serde_json::from_slice(body).expect("JSON");
    let of = &document["resourceSpans"][0];
    let spans = of["scopeSpans"][0]["spans"].as_array().expect("spans").clone();
    (spans, of["resource"]["attributes"].clone())
}

/// The value of an attribute.
fn attribute(all: &Json, name: &str) -> Json {
    let all = all.as_array().expect("attributes");
    let found = all.iter().find(|it| it["key"] == name).expect("it is there");
    found["value"].clone()
}

#[test]
fn a_collector_is_sent_spans_of_commands() {
    let collector = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}/", collector.local_addr().expect("its address"));
    let site = Site::start(&["--otlp-endpoint", &endpoint, "--otlp-sample", "1"]);
    site.redis("XADD orders:\u{1b}7 1-1 secret value");
    let (stream, _) = collector.accept().expect("it connects");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit above zero");
    let (span, service) = loop {
        let (line, body) = request(&stream);
        assert_eq!(line, "post /v1/traces http/1.1");
        let has = |text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!has("secret"), "what entries say is not told");
        let (spans, service) = spans(&body);
        if let Some(span) = spans.iter().find(|it| it["name"] == "XADD orders:\\u{1b}7") {
            break (span.clone(), service);
        }
    };
    assert_eq!(attribute(&service, "service.name"), json!({"stringValue": "millstream"}));
    let of = |name: &str| attribute(&span["attributes"], name);
    assert_eq!(of("db.operation.name"), json!({"stringValue": "XADD"}));
    assert_eq!(of("messaging.destination.name"), json!({"stringValue": "orders:\\u{1b}7"}));
    assert_eq!(of("millstream.slow"), json!({"boolValue": false}));
    assert_eq!(span["kind"], 2);
    let id = |name: &str| span[name].as_str().expect("a text").to_owned();
    for (name, length) in [("traceId", 32), ("spanId", 16)] {
        let id = id(name);
        assert!(id.len() == length && id.chars().all(|c| c.is_ascii_hexdigit()), "{name} {id}");
    }
    let time = |name: &str| id(name).parse::<u64>().expect("nanoseconds");
    let (start, end) = (time("startTimeUnixNano"), time("endTimeUnixNano"));
    assert!(start <= end && end - start < 30_000_000_000, "{start} {end}");
}

#[test]
fn what_waits_is_sent_when_the_server_ends_and_a_collector_that_is_away_is_told_of() {
    let collector = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", collector.local_addr().expect("its address"));
    let site = Site::start(&["--otlp-endpoint", &endpoint, "--otlp-sample", "1"]);
    site.redis("SET before 1");
    let end = std::thread::spawn(move || {
        let (stream, _) = collector.accept().expect("it connects");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit above zero");
        spans(&request(&stream).1)
            .0
            .iter()
            .any(|it| it["name"] == "SHUTDOWN" || it["name"] == "SET before")
    });
    _ = redis::cmd("SHUTDOWN").exec(&mut site.connect());
    assert!(end.join().expect("it was sent something"));

    let closed = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
    let closed = format!("http://{}", closed.expect("a port"));
    let site = Site::start(&["--otlp-endpoint", &closed, "--otlp-sample", "1"]);
    site.redis("SET after 1");
    site.log_says(&["spans are not sent, and lost", &closed]);
    site.redis("SET after 2");
}

/// Symptom: `otlp-endpoint` in the file was an unknown field.
#[test]
fn a_collector_that_the_file_names_is_sent_spans() {
    let collector = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", collector.local_addr().expect("its address"));
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("m.toml");
    let settings = format!("otlp-endpoint = \"{endpoint}\"\notlp-sample = 1\n");
    std::fs::write(&path, &settings).expect("write the file");
    let site = Site::start(&["--config", path.to_str().expect("temporary paths are UTF-8")]);
    site.redis("SET before 1");
    let (stream, _) = collector.accept().expect("it connects");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit above zero");
    while !spans(&request(&stream).1).0.iter().any(|it| it["name"] == "SET before") {}
    site.redis("CONFIG REWRITE");
    let rewritten = std::fs::read_to_string(&path).expect("it is there");
    assert!(rewritten.starts_with(&settings), "{rewritten}");
}

#[test]
fn an_endpoint_that_is_none_is_refused_before_anything_starts() {
    for wrong in ["127.0.0.1:4318", "https://127.0.0.1:4318", "http://", "http://a?b", ""] {
        let done = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args(["serve", "--memory", "--port", "0", "--check-config", "--otlp-endpoint", wrong])
            .output()
            .expect("it starts");
        assert_eq!(done.status.code(), Some(2), "{wrong}");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(said.contains("is not like http://127.0.0.1:4318"), "{wrong}: {said}");
    }
}
