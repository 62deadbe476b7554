//! `millstream demo`: a server in this process, in a directory that goes away, and the demo on it.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::builder::RangedU64ValueParser;
use millstream_server::{Config, Server, SyncMode};
use serde::Serialize;

use crate::demo::{self, DemoOptions};
use crate::duration::milliseconds;
use crate::output::print_json;

/// How the demo is played.
#[derive(Debug, clap::Args)]
pub(crate) struct RunDemoOptions {
    /// Orders to process, 20 or more.
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(20..))]
    orders: Option<usize>,
    /// Makes the same attempts fail again.
    #[arg(long)]
    seed: Option<u64>,
    /// Print JSON: one document, if every order was processed or dead-lettered, once
    #[arg(long)]
    json: bool,
}

/// For --json.
#[derive(Serialize)]
struct Document {
    seed: u64,
    orders: u64,
    processed: u64,
    retried: u64,
    claimed_from_dead: u64,
    dead_lettered: u64,
    processed_twice: u64,
    elapsed_ms: u64,
}

pub(crate) fn run_demo(options: &RunDemoOptions) -> anyhow::Result<()> {
    crate::logging::start("warn,millstream_server::store=error");
    let directory = DemoDirectory::create()?;
    let config = Config {
        port: Some(0),
        directory: directory.0.clone(),
        sync: SyncMode::Always,
        ..Config::default()
    };
    let server = Server::start(config).context("start a server for the demo")?;
    let address = *server.addresses().first().context("find the server's address")?;
    let usual = DemoOptions::default();
    let played = demo::run(
        address,
        DemoOptions {
            orders: options.orders.unwrap_or(usual.orders),
            seed: options.seed.unwrap_or(usual.seed),
            prints: !options.json,
            ..usual
        },
    );
    server.shutdown().context("stop the server of the demo")?;
    let report = played?;
    if options.json {
        print_json(&Document {
            seed: report.seed,
            orders: report.orders,
            processed: report.processed,
            retried: report.retried,
            claimed_from_dead: report.claimed_from_dead,
            dead_lettered: report.dead_lettered,
            processed_twice: report.processed_twice,
            elapsed_ms: milliseconds(report.elapsed),
        })?;
    }
    Ok(())
}

/// Removed when it goes out of scope.
struct DemoDirectory(PathBuf);

impl DemoDirectory {
    fn create() -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("millstream-demo-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for DemoDirectory {
    fn drop(&mut self) {
        // What stays behind lies among the system's temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
