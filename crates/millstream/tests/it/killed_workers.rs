//! Worker processes that are killed at any moment: each message has its effect, and has it once.
//!
//! The effect is an entry that is added in one step with the acknowledgement. The processes are
//! this test's own program, started again with a variable that says what to be.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use millstream::{
    Backoff, ConsumerGroupMonitor, Done, HandlerError, Message, Millstream, Producer,
    StreamConsumer,
};
use millstream_conformance::Server;
use serde::{Deserialize, Serialize};

use crate::place::until;

/// The address of the server that a worker works for.
const WORK_FOR: &str = "MILLSTREAM_TEST_WORK_FOR";
const STREAM: &str = "{kills}:orders";
const MADE: &str = "{kills}:invoices";
const GROUP: &str = "billing";
const MESSAGES: u64 = 1500;
const WORKERS: usize = 3;
const KILLS: usize = 12;

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Number {
    n: u64,
}

/// Never ends by itself.
async fn be_a_worker(url: &str) {
    let millstream = Millstream::connect(url).await.expect("connect");
    let consumer = StreamConsumer::builder(&millstream, STREAM, GROUP)
        .free_slot()
        .concurrency(4)
        .count(20)
        .claim_min_idle(Duration::from_millis(1500))
        .block(Duration::from_millis(100))
        .max_retries(100)
        .backoff(Backoff { base: Duration::from_millis(10), ..Backoff::default() })
        .build()
        .await
        .expect("a consumer");
    let worked = consumer.run(|message: Message<Number>| async move {
        tokio::time::sleep(Duration::from_millis(2)).await;
        Done::new().produce(MADE, message.payload()).map_err(HandlerError::retry)
    });
    worked.await.expect("it never ends");
}

/// `slots`: a folder in which the workers of one server find free slots.
fn start_worker(url: &str, slots: &Path) -> Child {
    let program = std::env::current_exe().expect("the running test");
    let test = "killed_workers::on_millstream_each_message_has_its_effect_once";
    Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(WORK_FOR, url)
        .env("TMPDIR", slots)
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("start a worker")
}

/// Ends them however the test does.
struct Workers(Vec<Child>);

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            _ = child.kill();
            _ = child.wait();
        }
    }
}

fn kill_workers_of(server: &Server) {
    kill_workers_at(format!("redis://127.0.0.1:{}", server.port()));
}

fn kill_workers_at(url: String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let millstream = Millstream::connect(&url).await.expect("connect");
        let producer = Producer::new(&millstream, STREAM);
        let slots = tempfile::tempdir().expect("a folder");
        let start = || start_worker(&url, slots.path());
        let mut workers = Workers((0..WORKERS).map(|_| start()).collect());
        let made = async || millstream.len(MADE).await.expect("a length");
        let mut added = 0;
        for kill in 0..KILLS {
            let next = MESSAGES * (kill as u64 + 1) / KILLS as u64;
            producer.add_all((added..next).map(|n| Number { n })).await.expect("adds them");
            added = next;
            // In the middle of work, somewhere.
            let enough = made().await + 1 + fastrand::u64(..MESSAGES / KILLS as u64 / 2);
            until("work goes on", async || made().await >= enough.min(added)).await;
            let victim = &mut workers.0[kill % WORKERS];
            victim.kill().expect("kill it");
            victim.wait().expect("it is dead");
            *victim = start();
        }
        until("all have their effect", async || made().await >= MESSAGES).await;
        let monitor = ConsumerGroupMonitor::new(&millstream, STREAM);
        until("nothing is pending", async || {
            monitor.pending(GROUP).await.is_ok_and(|pending| pending.total == 0)
        })
        .await;
        drop(workers);
        let mut command = redis::cmd("XRANGE");
        command.arg(&[MADE, "-", "+"]);
        let answer = millstream.query(&command).await.expect("entries");
        let entries: Vec<(String, BTreeMap<String, u64>)> =
            redis::from_redis_value(answer).expect("ids and fields");
        let mut numbers: Vec<u64> = entries.iter().map(|(_, fields)| fields["n"]).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..MESSAGES).collect::<Vec<_>>());
        // Who starts again has the name that is free, so there are not more than there were.
        let manager = millstream::ConsumerGroupManager::new(&millstream, STREAM);
        let consumers = manager.consumers(GROUP).await.expect("consumers");
        assert_eq!(consumers.len(), WORKERS, "{consumers:?}");
    });
}

#[test]
fn on_millstream_each_message_has_its_effect_once() {
    if let Ok(url) = std::env::var(WORK_FOR) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.expect("a runtime").block_on(be_a_worker(&url));
    }
    let Some(server) = crate::start("millstream") else { return };
    kill_workers_of(&server);
}

#[test]
fn on_valkey_each_message_has_its_effect_once() {
    let Some(server) = crate::start("valkey-9.1") else { return };
    kill_workers_of(&server);
}

#[test]
fn on_redis_each_message_has_its_effect_once() {
    let Some(server) = crate::start("redis-8.6") else { return };
    kill_workers_of(&server);
}

#[test]
fn on_a_cluster_each_message_has_its_effect_once() {
    let Some(cluster) = crate::cluster::start() else { return };
    kill_workers_at(crate::cluster::url(&cluster));
}
