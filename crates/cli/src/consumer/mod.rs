//! `millstream consumer`: the consumers of a group, on Millstream, Redis or Valkey.

mod consumer_row;
mod delete;
mod ls;

use clap::Subcommand;

use crate::client_command::{self, OnInterrupt};
use crate::server::ServerOptions;

pub(crate) use consumer_row::{COLUMNS, cells};

/// What to do with consumers, and where they are.
#[derive(Debug, clap::Args)]
pub(crate) struct ConsumerOptions {
    #[command(flatten)]
    server: ServerOptions,
    #[command(subcommand)]
    verb: ConsumerVerb,
}

#[derive(Debug, Subcommand)]
enum ConsumerVerb {
    /// Lists the consumers of a group.
    #[command(visible_alias = "list", after_help = ls::EXAMPLES)]
    Ls(ls::LsOptions),
    /// Removes a consumer. What it has pending is handed on first.
    #[command(after_help = delete::EXAMPLES)]
    Delete(delete::DeleteOptions),
}

pub(crate) fn run_consumer(options: ConsumerOptions) -> anyhow::Result<()> {
    let ConsumerOptions { server, verb } = options;
    client_command::run(OnInterrupt::Fail, async {
        match verb {
            ConsumerVerb::Ls(options) => ls::ls(&server, &options).await,
            ConsumerVerb::Delete(options) => delete::delete(&server, &options).await,
        }
    })
}
