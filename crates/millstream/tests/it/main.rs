//! The toolkit on every server that it is for: the same cases, the same visible behaviour.

mod cluster;
mod consumer;
mod dead_letters;
mod examples;
mod manager;
mod monitor;
mod place;
mod suite;
mod trouble;

use millstream_conformance::{Program, Server};

use crate::suite::exercise;

/// `None`, with a line that says so, where that server is not at hand.
fn start(name: &str) -> Option<Server> {
    let program = Program::named(name).expect("find the server")?;
    Some(Server::start(&program).expect("start the server"))
}

fn on(name: &str) {
    let Some(server) = start(name) else { return };
    exercise(&format!("redis://127.0.0.1:{}", server.port()));
}

#[test]
fn on_millstream() {
    on("millstream");
}

#[test]
fn on_redis_8_2() {
    on("redis-8.2");
}

#[test]
fn on_redis_8_6() {
    on("redis-8.6");
}

#[test]
fn on_valkey_9_1() {
    on("valkey-9.1");
}
