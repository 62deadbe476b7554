//! The demo against a real Redis, and the account keeping on its own.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use millstream::{ConsumerGroupMonitor, Fields, GroupStart, GroupStatistics, Millstream, Outcome};

use super::ledger::{FIRST_ORDER_ID, Ledger};
use super::producer::order_fields;
use super::verify::verify;
use super::*;

/// A Redis of the test's own; ends with it.
struct Peer {
    child: Child,
    address: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Peer {
    /// None, with a line that says so, where no peer was fetched.
    #[allow(clippy::print_stderr, reason = "whoever runs the tests is to see it")]
    fn start() -> Option<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
        let folder =
            std::env::var_os("MILLSTREAM_PEERS").map_or(workspace.join(".peers"), PathBuf::from);
        let program = folder.join("redis-8.6");
        if !program.exists() {
            assert!(
                std::env::var_os("MILLSTREAM_REQUIRE_PEERS").is_none(),
                "a peer is required, but {} is missing",
                program.display()
            );
            eprintln!("SKIP: no peer at {}", program.display());
            return None;
        }
        // A port that was free when it was chosen may be gone a moment later.
        let started = (0..3).find_map(|_| Self::start_once(&program));
        Some(started.expect("a peer can be started"))
    }

    /// None if the port was taken meanwhile.
    fn start_once(program: &Path) -> Option<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let dir = tempfile::tempdir().expect("make a directory");
        let child = Command::new(program)
            .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1", "--save", ""])
            .arg("--dir")
            .arg(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("start the peer");
        let mut peer = Self { child, address, _dir: dir };
        let started_at = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(started_at.elapsed() < Duration::from_secs(10), "the peer does not listen");
            if peer.child.try_wait().expect("look after the peer").is_some() {
                return None;
            }
            std::thread::yield_now();
        }
        // Whoever answers must be the one that was started.
        let client = redis::Client::open(format!("redis://{address}/")).expect("address");
        let mut connection = client.get_connection().expect("connect to the peer");
        let info: redis::InfoDict =
            redis::cmd("INFO").arg("server").query(&mut connection).expect("ask the peer");
        (info.get("process_id") == Some(peer.child.id())).then_some(peer)
    }

    async fn connect(&self) -> Millstream {
        Millstream::connect(&format!("redis://{}/", self.address)).await.expect("connect")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on, below those that the system gives to clients: trying to reach
/// one of those before the peer listens may connect a client to itself.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = (std::process::id() % 400) as u16 * 50;
    (0..200)
        .map(|_| 10_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .expect("one of 200 ports is free")
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn short_run() -> DemoOptions {
    DemoOptions {
        orders: 60,
        always_failing: 2,
        seed: 7,
        burst_pause: Duration::from_millis(100),
        deadline: Duration::from_secs(9),
        prints: true,
    }
}

#[test]
fn every_order_is_accounted_for_on_a_real_redis() {
    let Some(peer) = Peer::start() else { return };
    let report = run(peer.address, short_run()).expect("the demo succeeds");
    assert_eq!(report.processed + report.dead_lettered, 60);
    assert!(report.dead_lettered >= 2, "the orders that always fail are dead letters");
    assert!(report.retried > 0);
    assert!(report.claimed_from_dead > 0);
    assert_eq!(report.group.consumers.len(), 5);

    let letters = runtime().block_on(async {
        peer.connect().await.len(LETTERS_STREAM).await.expect("count dead letters")
    });
    assert_eq!(letters, report.dead_lettered);

    let error = run(peer.address, short_run()).expect_err("a second run would mix with the first");
    assert!(error.to_string().contains("exists already"), "{error:#}");
}

#[test]
fn a_missing_dead_letter_and_one_too_many_are_noticed() {
    let Some(peer) = Peer::start() else { return };
    runtime().block_on(async {
        let millstream = peer.connect().await;
        let ledger = Ledger::open(1, 1);
        let order = order_fields(FIRST_ORDER_ID);
        let id = millstream.add(ORDERS_STREAM, &order).await.expect("add");
        ledger.attempt(FIRST_ORDER_ID);
        ledger.settled(FIRST_ORDER_ID, id, Outcome::Failed);
        ledger.taken(FIRST_ORDER_ID, "consumer-5");
        ledger.lost("consumer-5");
        ledger.taken(FIRST_ORDER_ID, "consumer-1");
        ledger.settled(FIRST_ORDER_ID, id, Outcome::DeadLettered);
        let manager = millstream::ConsumerGroupManager::new(&millstream, ORDERS_STREAM);
        manager.create(ORDER_GROUP, GroupStart::New).await.expect("create group");
        let monitor = ConsumerGroupMonitor::new(&millstream, ORDERS_STREAM);
        let group: GroupStatistics =
            monitor.statistics(ORDER_GROUP).await.expect("ask").expect("the group exists");

        let missing = verify(&millstream, &ledger, &group).await.expect_err("no letter is there");
        assert!(missing.to_string().contains("has no dead letter"), "{missing:#}");

        let data = r#"{"order_id":"1000","amount":"99.99","status":"pending"}"#;
        let letter = Fields::new()
            .with("original_id", id.to_string())
            .with("original_data", data)
            .with("failed_at", "1.5")
            .with("consumer", "consumer-1");
        millstream.add(LETTERS_STREAM, &letter).await.expect("add the letter");
        verify(&millstream, &ledger, &group).await.expect("all adds up");

        millstream.add(LETTERS_STREAM, &letter).await.expect("add it again");
        let error = verify(&millstream, &ledger, &group).await.expect_err("one letter too many");
        assert!(error.to_string().contains("a dead letter too many"), "{error:#}");
    });
}

#[test]
fn the_ledger_counts_retries_and_work_claimed_from_the_lost_consumer_only() {
    let ledger = Ledger::open(10, 2);
    let failing = ledger.accounts().iter().filter(|(_, account)| account.always_fails).count();
    assert_eq!(failing, 2);

    ledger.taken(1003, "consumer-1");
    ledger.taken(1004, "consumer-5");
    ledger.lost("consumer-5");
    ledger.taken(1003, "consumer-2");
    assert_eq!(ledger.totals().claimed_from_dead, 0);
    ledger.taken(1004, "consumer-2");
    assert_eq!(ledger.totals().claimed_from_dead, 1);

    assert_eq!(ledger.attempt(1004).expect("known").number, 1);
    assert_eq!(ledger.attempt(1004).expect("known").number, 2);
    assert_eq!(ledger.totals().retried, 1);
    assert!(ledger.attempt(999).is_none() && ledger.attempt(1010).is_none());
}
