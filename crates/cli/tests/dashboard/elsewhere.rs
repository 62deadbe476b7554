//! A dashboard for a server of others: Redis, Valkey, a Cluster.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::mpsc;
use std::thread;

use millstream::ConnectOptions;
use millstream_conformance::{Program, Server, Value};
use millstream_dashboard::{Dashboard, DashboardOptions, Lifecycle, Target};
use tokio::sync::watch;

use crate::site::Browser;

/// Begins a dashboard that lets everybody write; it ends with the process of the test.
pub(crate) fn dashboard_of(url: &str) -> Browser {
    let (sender, host) = mpsc::channel();
    let options = || ConnectOptions::new(url);
    let address = url.rsplit(['@', '/']).next().unwrap_or_default().to_owned();
    let target = Target { address, trusted: options(), anonymous: options() };
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
            let options =
                DashboardOptions { can_strangers_write: true, hosts: Vec::new(), https: None };
            let dashboard = Dashboard::bind(ip, 0, options).expect("a port");
            sender.send(dashboard.address().to_string()).expect("the test waits");
            let (_keep, lifecycle) = watch::channel(Lifecycle::Running(Box::new(target)));
            dashboard.serve(lifecycle).await.expect("it serves");
        });
    });
    Browser::new(host.recv().expect("it has an address"))
}

/// A server of others with a dashboard.
pub(crate) struct Elsewhere {
    pub(crate) server: Server,
    pub(crate) browser: Browser,
}

impl Elsewhere {
    /// `None`: there is no such server here, which was said.
    pub(crate) fn start(name: &str) -> Option<Self> {
        let server = Server::start(&Program::peer(name).expect("a peer")?).expect("it starts");
        let browser = dashboard_of(&format!("redis://127.0.0.1:{}", server.port()));
        Some(Self { server, browser })
    }

    /// Has the server do something.
    #[track_caller]
    pub(crate) fn redis(&self, line: &str) -> Value {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut client = self.server.connect().expect("it accepts");
        client.call(&words).expect("it answers")
    }
}

/// Tells of each of the servers of others.
pub(crate) fn on_others(tell: impl Fn(&Elsewhere)) {
    for name in ["redis-8.2", "valkey-9.1"] {
        if let Some(place) = Elsewhere::start(name) {
            tell(&place);
        }
    }
}
