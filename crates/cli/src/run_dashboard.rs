//! `millstream dashboard`: the dashboard of any server, in a process of its own.

use std::net::IpAddr;

use anyhow::Context as _;
use millstream::{ConnectOptions, Error};
use millstream_dashboard::{Dashboard, DashboardOptions, Lifecycle, Target};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::client_command::{self, OnInterrupt};
use crate::output::{notice, print_json};
use crate::server::ServerOptions;
use crate::server_error::ServerError;
use crate::usage_error::usage;

pub(crate) const EXAMPLES: &str = "\
Examples:
  millstream dashboard
  millstream dashboard --url redis://:secret@redis.example:6379
  millstream dashboard --url redis+cluster://a:7000,b:7000 --port 0
  millstream dashboard --bind 0.0.0.0 --host millstream.example

Where the server wants a password, visitors log in with one of its users. A password in the URL is
for what the dashboard itself has to know: /metrics, /readyz and the plots.";

#[derive(Debug, clap::Args)]
pub(crate) struct DashboardCommand {
    #[command(flatten)]
    server: ServerOptions,
    /// Port to listen on; 0 lets the system choose one, which is printed
    #[arg(long, default_value_t = 8379)]
    port: u16,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS", value_parser = parse_bind)]
    bind: IpAddr,
    /// Let visitors change something also where the server has no password
    #[arg(long)]
    write: bool,
    /// Name that it is called by, beside its address and localhost; may be given several times
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Listen where strangers may reach it although the server has no password
    #[arg(long)]
    unprotected: bool,
}

/// Behind the flag of that name there may be several addresses, for `serve`, with commas.
fn parse_bind(text: &str) -> Result<IpAddr, String> {
    let text = text.trim_end_matches(',');
    text.parse().map_err(|_| format!("{text:?} is no address, such as 127.0.0.1 or ::1"))
}

pub(crate) fn run_dashboard(command: DashboardCommand) -> anyhow::Result<()> {
    crate::logging::start("info");
    client_command::run(OnInterrupt::Itself, run(command))
}

async fn run(command: DashboardCommand) -> anyhow::Result<()> {
    let DashboardCommand { server, port, bind, write, host, unprotected } = command;
    let trusted = server.way()?;
    let anonymous = trusted.clone().without_credentials();
    let mut terminate = signal(SignalKind::terminate()).context("watch for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("watch for signals")?;
    tokio::select! {
        looked = look(&trusted) => looked?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    }
    if !bind.is_loopback() && !unprotected && lets_strangers_in(&anonymous).await {
        return Err(usage(format!(
            "the dashboard on {bind} would be open to everybody who reaches it, as the server lets \
             strangers in\n  next: give the server a password, leave the dashboard on 127.0.0.1, \
             or say --unprotected where something else protects it"
        )));
    }
    let options = DashboardOptions { can_strangers_write: write, hosts: host, https: None };
    let dashboard = Dashboard::bind(bind, port, options)?;
    let url = dashboard.url();
    tracing::info!("dashboard on {url} for {}", trusted.address());
    if server.json {
        print_json(&serde_json::json!({ "url": url, "server": trusted.address() }))?;
    }
    let target = Target { address: trusted.address(), trusted, anonymous };
    let (_sender, lifecycle) = watch::channel(Lifecycle::Running(Box::new(target)));
    tokio::select! {
        ended = dashboard.serve(lifecycle) => ended.context("the dashboard ended"),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

/// A server that is away is waited for; one that will never let us in is not.
async fn look(way: &ConnectOptions) -> anyhow::Result<()> {
    match way.connect().await {
        Ok(_) => Ok(()),
        Err(error @ (Error::Configuration(_) | Error::Refused { .. })) => {
            Err(ServerError::unreached(way.address(), error).into())
        }
        Err(error) => {
            notice(&format!("{}: {error}; it is waited for", way.address()));
            Ok(())
        }
    }
}

async fn lets_strangers_in(way: &ConnectOptions) -> bool {
    !matches!(way.connect().await, Err(Error::Refused { code, .. }) if code == "NOAUTH")
}
