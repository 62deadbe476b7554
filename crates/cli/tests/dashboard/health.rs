//! `/healthz` and `/readyz`.

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
