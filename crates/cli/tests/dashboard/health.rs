//! `/healthz` and `/readyz`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output};

use crate::site::Site;

/// The command that containers run.
fn health(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    let done = command.arg("health").args(arguments).output().expect("it starts");
    let Output { status, stdout, stderr } = done;
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8_lossy(&said).trim().to_owned())
}

#[test]
fn a_server_that_says_where_it_listens_is_alive_and_ready() {
    let site = Site::start(&[]);
    let ready = site.get("/readyz");
    assert_eq!((ready.status, &*ready.text), (200, "ready\n"));
    let alive = site.get("/healthz");
    assert_eq!((alive.status, &*alive.text), (200, "ok\n"));
}

#[test]
fn a_password_and_full_clients_do_not_make_a_server_unhealthy() {
    let site = Site::start(&["--requirepass", "secret", "--maxclients", "1"]);
    let _only = site.connect();
    assert_eq!(site.get("/readyz").status, 200);
    assert_eq!(site.get_with("/readyz", &[("host", "any.example")]).status, 200);
}

#[test]
fn the_command_for_containers_says_the_same_and_ends_with_it() {
    let site = Site::start(&[]);
    let url = format!("http://{}", site.host);
    assert_eq!(health(&["--url", &url]), (Some(0), "ready".to_owned()));
    assert_eq!(health(&["--url", &url, "--alive"]), (Some(0), "ok".to_owned()));
    // Nobody listens there any more.
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr());
    let closed = format!("http://{}", closed.expect("a port"));
    let (code, said) = health(&["--url", &closed]);
    assert!(code == Some(1) && said.contains(&closed), "{code:?} {said}");
    assert_eq!(health(&["--url", "ftp://127.0.0.1"]).0, Some(2));
    // Nothing there speaks HTTP.
    let (code, said) = health(&["--url", &format!("http://{}", site.process.address)]);
    assert!(code == Some(1) && said.contains("no HTTP"), "{code:?} {said}");
}

/// Symptom: `--json` was an option of all commands that look at something, but for `health`.
#[test]
fn the_command_for_containers_knows_json_as_others_do() {
    let site = Site::start(&[]);
    let url = format!("http://{}", site.host);
    let document = |url: &str, is_healthy: bool, status: u16, answer: &str| {
        serde_json::json!({
            "url": url, "is_healthy": is_healthy, "status": status, "answer": answer,
        })
    };
    let parsed = |said: &str| serde_json::from_str::<serde_json::Value>(said).expect("it is JSON");
    let (code, said) = health(&["--url", &url, "--json"]);
    assert_eq!((code, parsed(&said)), (Some(0), document(&url, true, 200, "ready")));
    let (code, said) = health(&["--url", &url, "--alive", "--json"]);
    assert_eq!((code, parsed(&said)), (Some(0), document(&url, true, 200, "ok")));
    // One that is not well.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let ill = std::thread::spawn(move || {
        let (client, _) = listener.accept().expect("somebody asks");
        let mut head = BufReader::new(&client).lines();
        while head.next().is_some_and(|line| !line.expect("text").is_empty()) {}
        let answer = b"HTTP/1.0 503 No\r\n\r\nits disk is full\n";
        (&client).write_all(answer).expect("it listens");
    });
    let (code, said) = health(&["--url", &url, "--json"]);
    let (said, failure) = said.split_once('\n').expect("a document and a line");
    assert_eq!((code, parsed(said)), (Some(1), document(&url, false, 503, "its disk is full")));
    assert_eq!(failure, "millstream: its disk is full (status 503)");
    ill.join().expect("it was asked");
}
