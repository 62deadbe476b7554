//! The toolkit on every server that it is for: the same cases, the same visible behaviour.

mod cluster;
mod cluster_chaos;
mod connections;
mod consumer;
mod dead_letters;
mod delayed;
mod embedded;
mod examples;
mod killed_workers;
mod manager;
mod mishaps;
mod monitor;
mod partitions;
mod patterns;
mod pending;
mod place;
mod relay;
mod sentinel;
mod services;
mod sources;
mod streams;
mod suite;
mod testing;
mod tls;
mod trouble;

use millstream::Millstream;
use millstream_conformance::{Program, Server};
use tokio::sync::OnceCell;

use crate::suite::exercise;

/// `None`, with a line that says so, where that server is not at hand.
fn start(name: &str) -> Option<Server> {
    let program = Program::named(name).expect("find the server")?;
    Some(Server::start(&program).expect("start the server"))
}

fn on(name: &str) {
    let Some(server) = start(name) else { return };
    let url = format!("redis://127.0.0.1:{}", server.port());
    exercise(async || Millstream::connect(&url).await.expect("connect"));
}

#[test]
fn on_an_embedded_store() {
    let directory = tempfile::tempdir().expect("a directory");
    let store = OnceCell::new();
    let open = async || Millstream::open(directory.path()).await.expect("open the store");
    exercise(async || store.get_or_init(open).await.clone());
}

#[test]
fn on_an_embedded_store_in_memory() {
    let store = Millstream::in_memory().expect("a thread");
    exercise(async || store.clone());
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
