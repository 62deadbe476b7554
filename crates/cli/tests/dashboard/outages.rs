//! A server that goes away, hangs and comes back, as the dashboard beside it shows it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use millstream_conformance::{Family, Program, Server};

use crate::elsewhere::{Elsewhere, dashboard_of};

/// Longer than anything takes: the toolkit waits for an answer for ten seconds.
const LIMIT: Duration = Duration::from_secs(60);
const PAGES: [&str; 7] = [
    "/",
    "/streams",
    "/streams/orders",
    "/streams/orders/groups/billing",
    "/streams/orders/groups/billing/pending",
    "/dead-letters",
    "/server",
];
const JSON: [&str; 5] = [
    "/api/v1/overview",
    "/api/v1/streams",
    "/api/v1/streams/orders",
    "/api/v1/streams/orders/groups/billing/pending",
    "/api/v1/servers",
];

/// What a browser hears of the live part of a page.
struct Live(BufReader<TcpStream>);

impl Live {
    fn listen(place: &Elsewhere, path: &str) -> Self {
        let host = &place.browser.host;
        let mut stream = TcpStream::connect(host).expect("it accepts");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit above zero");
        let ask =
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n");
        stream.write_all(ask.as_bytes()).expect("it reads");
        Self(BufReader::new(stream))
    }

    /// Waits for an event of this name that has this in it.
    #[track_caller]
    fn until(&mut self, event: &str, text: &str) {
        let (mut heard, mut is_it) = (String::new(), false);
        loop {
            let mut line = String::new();
            let read = self.0.read_line(&mut line).expect("it goes on");
            assert!(read > 0, "the live part ended: {heard}");
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => is_it = name == event,
                Some(("data", data)) if is_it && data.contains(text) => return,
                _ => {}
            }
            heard += &line;
        }
    }
}

fn fill(place: &Elsewhere) {
    place.redis("XADD orders 1-1 n 1");
    place.redis("XGROUP CREATE orders billing 0");
    place.redis("XREADGROUP GROUP billing ada STREAMS orders >");
}

#[track_caller]
fn all_is_well(place: &Elsewhere) {
    place.browser.until("/readyz", |answer| answer.status == 200);
    place.browser.until("/streams", |page| page.words().contains("orders"));
    for path in PAGES.iter().chain(&JSON) {
        let answer = place.browser.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    }
    assert!(place.browser.get("/metrics").text.contains("\nredis_up 1\n"));
}

/// All at the same time: of a server that hangs, each answer takes as long as the toolkit waits.
fn all_say_that_it_is_away(place: &Elsewhere) {
    let browser = &place.browser;
    std::thread::scope(|scope| {
        for path in PAGES.iter().chain(&JSON) {
            scope.spawn(move || {
                let answer = browser.get(path);
                assert_eq!(answer.status, 503, "{path}: {}", answer.text);
                let is_json = path.starts_with("/api/");
                let said = if is_json { "{\"error\":\"" } else { "role=\"alert\"" };
                assert!(answer.text.contains(said), "{path}: {}", answer.text);
            });
        }
        for path in ["/readyz", "/healthz"] {
            scope.spawn(move || assert_eq!(browser.get(path).status, 503, "{path}"));
        }
        scope.spawn(|| {
            let metrics = browser.get("/metrics");
            assert_eq!(metrics.status, 200);
            assert!(metrics.text.contains("\nredis_up 0\n"), "{}", metrics.text);
        });
    });
}

/// `$program` on a directory of its own, with a dashboard.
fn begin(name: &str) -> Option<Elsewhere> {
    if name != "millstream" {
        return Elsewhere::start(name);
    }
    let path = PathBuf::from(env!("CARGO_BIN_EXE_millstream"));
    let program = Program { family: Family::Millstream, version: (8, 10), path };
    let server = Server::start_with(&program, &["--admin-port", "off"]).expect("it starts");
    let browser = dashboard_of(&format!("redis://127.0.0.1:{}", server.port()));
    Some(Elsewhere { server, browser })
}

fn tell(name: &str) {
    let Some(mut place) = begin(name) else { return };
    fill(&place);
    all_is_well(&place);
    let mut live = Live::listen(&place, "/streams/orders/groups/billing");
    live.until("content", "ada");

    place.server.kill().expect("it is killed");
    live.until("failure", "");
    all_say_that_it_is_away(&place);
    // What was begun is not forgotten silently.
    let sent = place.browser.send_json("POST", "/api/v1/streams/orders/trim", "{\"max_length\":0}");
    assert_eq!(sent.status, 503, "{}", sent.text);

    place.server.start_again().expect("it comes back");
    if name != "millstream" {
        fill(&place);
    }
    live.until("content", "ada");
    all_is_well(&place);

    place.server.set_stalled(true).expect("it is stopped");
    all_say_that_it_is_away(&place);
    live.until("failure", "");
    place.server.set_stalled(false).expect("it goes on");
    live.until("content", "ada");
    all_is_well(&place);
}

#[test]
fn millstream_goes_away_and_comes_back() {
    tell("millstream");
}

#[test]
fn redis_goes_away_and_comes_back() {
    tell("redis-8.2");
}

/// Each would wait for those before it, if each tried by itself.
#[test]
fn many_visitors_of_a_server_that_hangs_wait_no_longer_than_one() {
    let Some(place) = begin("millstream") else { return };
    fill(&place);
    all_is_well(&place);
    place.server.set_stalled(true).expect("it is stopped");
    std::thread::scope(|scope| {
        let visit = || assert_eq!(place.browser.get("/streams/orders").status, 503);
        let visits: Vec<_> = (0..20).map(|_| scope.spawn(visit)).collect();
        visits.into_iter().for_each(|visit| visit.join().expect("it is answered within the limit"));
    });
    let header = ("x-prometheus-scrape-timeout-seconds", "1");
    let metrics = place.browser.get_with("/metrics", &[header]);
    assert!(metrics.text.contains("\nredis_up 0\n"), "{}", metrics.text);
    place.server.set_stalled(false).expect("it goes on");
    all_is_well(&place);
}
