//! `millstream dlq`: dead letters, what failed too often, on Millstream, Redis or Valkey.

mod change;
mod filter;
mod letter_row;
mod letters;
mod ls;
mod purge;
mod requeue;
mod selection;
mod show;

use clap::Subcommand;

use crate::client_command::{self, OnInterrupt};
use crate::server::ServerOptions;

/// What to do with dead letters, and where they are.
#[derive(Debug, clap::Args)]
pub(crate) struct DlqOptions {
    #[command(flatten)]
    server: ServerOptions,
    #[command(subcommand)]
    verb: DlqVerb,
}

#[derive(Debug, Subcommand)]
enum DlqVerb {
    /// Lists the dead letters of a stream, oldest first.
    #[command(visible_alias = "list", after_help = ls::EXAMPLES)]
    Ls(ls::LsOptions),
    /// Shows one dead letter with the entry that it was.
    #[command(after_help = show::EXAMPLES)]
    Show(show::ShowOptions),
    /// Gives dead letters back to the groups that gave them up. By a filter it says how many, and
    /// wants --yes.
    #[command(after_help = requeue::EXAMPLES)]
    Requeue(requeue::RequeueOptions),
    /// Deletes dead letters. By a filter it says how many, and wants --yes.
    #[command(after_help = purge::EXAMPLES)]
    Purge(purge::PurgeOptions),
}

pub(crate) fn run_dlq(options: DlqOptions) -> anyhow::Result<()> {
    let DlqOptions { server, verb } = options;
    client_command::run(OnInterrupt::Fail, async {
        match verb {
            DlqVerb::Ls(options) => ls::ls(&server, &options).await,
            DlqVerb::Show(options) => show::show(&server, &options).await,
            DlqVerb::Requeue(options) => requeue::requeue(&server, &options).await,
            DlqVerb::Purge(options) => purge::purge(&server, &options).await,
        }
    })
}
