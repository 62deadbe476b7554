//! `--otlp-endpoint`: what a collector is sent.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::site::Site;

/// Longer than anything takes: spans are sent every five seconds.
const LIMIT: Duration = Duration::from_secs(30);

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

#[test]
fn a_collector_is_sent_spans_of_commands() {
    let collector = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", collector.local_addr().expect("its address"));
    let site = Site::start(&["--otlp-endpoint", &endpoint, "--otlp-sample", "1"]);
    site.redis("XADD orders:\u{1b}7 1-1 secret value");
    let (stream, _) = collector.accept().expect("it connects");
    stream.set_read_timeout(Some(LIMIT)).expect("a limit above zero");
    loop {
        let (line, body) = request(&stream);
        assert_eq!(line, "post /v1/traces http/1.1");
        let has = |text: &str| body.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!has("secret") && !has("value"), "what entries say is not told");
        if has("XADD orders:\\u{1b}7") {
            assert!(has("service.name") && has("db.operation.name") && has("millstream.slow"));
            return;
        }
    }
}
