//! `/healthz` and `/readyz` for whoever asks, and of each server that there is.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use millstream_conformance::{Cluster, Program};

use crate::elsewhere::dashboard_of;
use crate::site::Site;

/// Symptom: a load balancer that asks by HTTP/1.0, without a Host, was told 400, and took the
/// server for a dead one.
#[test]
fn health_is_told_to_who_names_no_host() {
    let site = Site::start(&[]);
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(&site.host).expect("it listens");
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer.lines().next().unwrap_or_default().to_owned()
    };
    for path in ["/healthz", "/readyz"] {
        assert!(ask(path).ends_with(" 200 OK"), "{path}: {}", ask(path));
    }
    assert!(ask("/").contains(" 400 "), "{}", ask("/"));
}

/// Symptom: a Cluster of which one server was asked, the first, was ready while another was dead.
#[test]
fn a_cluster_is_ready_when_each_of_its_servers_is() {
    let Some(program) = Program::peer("valkey-9.1").expect("a peer") else { return };
    let mut cluster = Cluster::start(&program, 3).expect("it starts");
    cluster.wait_until_whole().expect("it is whole");
    let browser = dashboard_of(&format!("redis+cluster://{}", cluster.hosts()));
    browser.until("/readyz", |ready| ready.status == 200);
    // Nobody takes over for it.
    let replica = cluster.replica_of(2).expect("it has one");
    cluster.node_mut(replica).kill().expect("it ends");
    cluster.node_mut(2).kill().expect("it ends");
    for path in ["/readyz", "/healthz"] {
        let bad = browser.until(path, |answer| answer.status == 503);
        let says_why = ["server 3 of 3: ", "its Cluster serves "].map(|it| bad.text.contains(it));
        assert!(says_why.contains(&true), "{path}: {}", bad.text);
    }
    cluster.node_mut(2).start_again().expect("it starts");
    browser.until("/readyz", |ready| ready.status == 200);
}
