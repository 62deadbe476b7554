//! `/healthz` and `/readyz`, all through the life of a server.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::ConnectOptions;
use millstream_dashboard::{Dashboard, DashboardOptions, Lifecycle, Target};
use millstream_log::MemoryStorage;
use millstream_log::memory_storage::Operation;
use millstream_server::{Config, RunningServer, Server};
use tokio::sync::watch;

const LIMIT: Duration = Duration::from_secs(60);

/// A dashboard on a thread of its own, and what it is told.
struct Site {
    url: String,
    lifecycle: watch::Sender<Lifecycle>,
}

impl Site {
    fn start() -> Self {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let dashboard = Dashboard::bind(loopback, 0, DashboardOptions::default()).expect("a port");
        let url = format!("http://{}", dashboard.address());
        let (lifecycle, told) = watch::channel(Lifecycle::Starting);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(dashboard.serve(told)).expect("it serves");
        });
        Self { url, lifecycle }
    }

    fn runs(&self, server: &RunningServer) {
        let (trusted, anonymous) = (server.connector(), server.connector());
        let target = Target {
            address: "a server".to_owned(),
            trusted: ConnectOptions::dialled(move || trusted.connect_trusted()),
            anonymous: ConnectOptions::dialled(move || anonymous.connect()),
        };
        self.tell(Lifecycle::Running(Box::new(target)));
    }

    fn tell(&self, lifecycle: Lifecycle) {
        self.lifecycle.send(lifecycle).expect("it listens");
    }

    fn ask(&self, path: &str) -> (u16, String) {
        let agent: ureq::Agent =
            ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let mut answer = agent.get(format!("{}{path}", self.url)).call().expect("it answers");
        let text = answer.body_mut().read_to_string().expect("a text");
        (answer.status().as_u16(), text.trim_end().to_owned())
    }

    #[track_caller]
    fn until_ready_says(&self, status: u16, part: &str) {
        let begun = Instant::now();
        loop {
            let said = self.ask("/readyz");
            if said.0 == status && said.1.contains(part) {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "{said:?}");
            std::thread::yield_now();
        }
    }
}

fn on(storage: &MemoryStorage) -> Config {
    let mut config =
        Config { port: Some(0), storage: Some(Arc::new(storage.clone())), ..Config::default() };
    config.log.segment_bytes = 4 << 20;
    config.log.zero_ahead_bytes = 1 << 20;
    config.log.zero_step_bytes = 64 << 10;
    config.log.head_bytes = 512 << 10;
    config.log.reserve_bytes = 128 << 10;
    config
}

fn connect(server: &RunningServer) -> redis::Connection {
    let client = redis::Client::open(format!("redis://{}", server.addresses()[0])).expect("a URL");
    client.get_connection_with_timeout(LIMIT).expect("it accepts")
}

fn add(client: &mut redis::Connection, bytes: usize) -> redis::RedisResult<String> {
    redis::cmd("XADD").arg(&["s", "*", "f"]).arg("v".repeat(bytes)).query(client)
}

#[test]
fn a_server_that_reads_its_data_lives_and_is_not_ready() {
    let site = Site::start();
    assert_eq!(site.ask("/healthz"), (200, "starting".to_owned()));
    assert_eq!(site.ask("/readyz"), (503, "the server reads its data".to_owned()));
    let server = Server::start(on(&MemoryStorage::default())).expect("it starts");
    site.runs(&server);
    assert_eq!(site.ask("/readyz"), (200, "ready".to_owned()));
    site.tell(Lifecycle::Stopping);
    assert_eq!(site.ask("/readyz"), (503, "the server is stopping".to_owned()));
    site.runs(&server);
    server.shutdown().expect("all is on disk");
    site.until_ready_says(503, "cannot be reached");
    assert_eq!(site.ask("/healthz").0, 503);
}

#[test]
fn a_full_disk_is_not_ready_until_there_is_room() {
    let (site, storage) = (Site::start(), MemoryStorage::default());
    let server = Server::start(on(&storage)).expect("it starts");
    site.runs(&server);
    let mut client = connect(&server);
    add(&mut client, 1).expect("there is room");
    storage.set_capacity_bytes(Some(0));
    while add(&mut client, 30_000).is_ok() {}
    site.until_ready_says(503, "the disk is full");
    assert_eq!(site.ask("/healthz").0, 200, "a new start would not help");
    storage.set_capacity_bytes(None);
    site.until_ready_says(200, "ready");
}

#[test]
fn a_poisoned_log_is_neither_ready_nor_alive() {
    let (site, storage) = (Site::start(), MemoryStorage::default());
    let server = Server::start(on(&storage)).expect("it starts");
    site.runs(&server);
    let mut client = connect(&server);
    (0..64).for_each(|_| storage.fail(Operation::Sync, 0, ErrorKind::Other));
    add(&mut client, 1).expect_err("the sync fails");
    site.until_ready_says(503, "writes are refused until a restart");
    let (status, reason) = site.ask("/healthz");
    assert_eq!(status, 503);
    assert!(reason.contains("writes are refused until a restart: "), "{reason}");
}
