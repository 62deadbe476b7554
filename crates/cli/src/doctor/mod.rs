//! `millstream doctor`: what will hurt, why, and what to do about it.
//!
//! Looks and changes nothing. What is looked at is bounded, whatever the server has, and told.

mod examined;
mod finding;
mod group_checks;
mod pending_checks;
mod reach;
mod report;
mod server_checks;
mod shell_word;
mod stream_checks;
mod survey;

use std::ffi::OsString;
use std::time::Duration;

use self::reach::Reach;
use crate::client_command::{self, OnInterrupt};
use crate::duration::parse_duration;
use crate::server::ServerOptions;

pub(crate) use finding::Check;

pub(crate) const EXAMPLES: &str = "\
Examples:
  millstream doctor
  millstream doctor redis://10.0.0.7:6379 --ignore sync,idle-consumers
  millstream doctor --streams 'orders:*' --json | jq '.findings[].next'

Exit codes: 0, nothing serious was found; 1, there is a finding of severity error, or the server
cannot be reached; 2, the command line is wrong. What each check looks for is in
docs/command-line.md.";

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorOptions {
    #[command(flatten)]
    server: ServerOptions,
    /// The server to look at, in place of --url
    #[arg(value_name = "SERVER")]
    address: Option<String>,
    #[command(flatten)]
    limits: Limits,
    /// Leave out a check; may be repeated, or name several with commas
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    ignore: Vec<Check>,
}

/// From where on something is told, and how much is looked at.
#[derive(Clone, Debug, clap::Args)]
struct Limits {
    /// Only streams whose keys match, as KEYS understands it: orders:*
    #[arg(long, value_name = "PATTERN")]
    streams: Option<OsString>,
    /// Consumers that were not heard of for so long are idle, work that waits for so long is late
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration)]
    idle: Duration,
    /// Entries that were delivered so often are poison
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u64).range(2..))]
    deliveries: u64,
    /// Most streams to look at, those that the server names first; 0: no limit
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: u64,
}

pub(crate) fn run_doctor(options: DoctorOptions) -> anyhow::Result<()> {
    let DoctorOptions { mut server, address, limits, ignore } = options;
    if let Some(address) = address {
        server = server.at(address);
    }
    client_command::run(OnInterrupt::Fail, async {
        let pattern = limits.streams.as_deref().map(|it| server.name(it)).transpose()?;
        let (options, is_json) = (&server, server.json);
        let server = options.connect().await?;
        let reach = Reach::new(options, &server.address);
        let report = survey::survey(&server, &reach, pattern, &limits, &ignore).await?;
        report.print(&server, is_json)?;
        report.outcome()
    })
}
