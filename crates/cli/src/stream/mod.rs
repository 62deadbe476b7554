//! `millstream stream`: streams, on Millstream, Redis or Valkey.

mod delete;
mod info;
mod ls;
mod policy;
mod tail;
mod trim;

use clap::Subcommand;

use crate::client_command::{self, OnInterrupt};
use crate::server::ServerOptions;

/// What to do with streams, and where they are.
#[derive(Debug, clap::Args)]
pub(crate) struct StreamOptions {
    #[command(flatten)]
    server: ServerOptions,
    #[command(subcommand)]
    verb: StreamVerb,
}

#[derive(Debug, Subcommand)]
enum StreamVerb {
    /// Lists streams with their length, groups, ids, age and memory.
    #[command(visible_alias = "list", after_help = ls::EXAMPLES)]
    Ls(ls::LsOptions),
    /// Shows one stream and its groups.
    #[command(after_help = info::EXAMPLES)]
    Info(info::InfoOptions),
    /// Prints the newest entries of a stream, or those from an id on, and goes on with --follow.
    #[command(after_help = tail::EXAMPLES)]
    Tail(tail::TailOptions),
    /// Removes the oldest entries of a stream, whatever groups have still to read.
    #[command(after_help = trim::EXAMPLES)]
    Trim(trim::TrimOptions),
    /// Shows or sets what a stream keeps by itself. Only Millstream has that.
    #[command(after_help = policy::EXAMPLES)]
    Policy(policy::PolicyOptions),
    /// Deletes a stream with all its entries and groups. Says what is lost, and wants --yes.
    #[command(after_help = delete::EXAMPLES)]
    Delete(delete::DeleteOptions),
}

pub(crate) fn run_stream(options: StreamOptions) -> anyhow::Result<()> {
    let StreamOptions { server, verb } = options;
    let on_interrupt = match &verb {
        StreamVerb::Tail(options) if options.follow => OnInterrupt::End,
        _ => OnInterrupt::Fail,
    };
    client_command::run(on_interrupt, async {
        match verb {
            StreamVerb::Ls(options) => ls::ls(&server, &options).await,
            StreamVerb::Info(options) => info::info(&server, &options).await,
            StreamVerb::Tail(options) => tail::tail(&server, &options).await,
            StreamVerb::Trim(options) => trim::trim(&server, &options).await,
            StreamVerb::Policy(options) => policy::policy(&server, &options).await,
            StreamVerb::Delete(options) => delete::delete(&server, &options).await,
        }
    })
}
