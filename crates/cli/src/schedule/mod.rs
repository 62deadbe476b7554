//! `millstream schedule`: delayed entries, which are to be in a stream later.
//!
//! Millstream appends them by itself. On Redis and Valkey they wait beside the stream, where the
//! toolkit has them, and its workers move them.

mod add;
mod cancel;
mod change;
mod delayed_row;
mod field;
mod ls;
mod run;
mod selection;
mod token;

use clap::Subcommand;
use millstream::DelayedMessages;

use crate::client_command::{self, OnInterrupt};
use crate::name::Name;
use crate::server::{Server, ServerOptions};

/// What to do with delayed entries, and where they are.
#[derive(Debug, clap::Args)]
pub(crate) struct ScheduleOptions {
    #[command(flatten)]
    server: ServerOptions,
    #[command(subcommand)]
    verb: ScheduleVerb,
}

#[derive(Debug, Subcommand)]
enum ScheduleVerb {
    /// Has an entry in a stream later.
    #[command(after_help = add::EXAMPLES)]
    Add(add::AddOptions),
    /// Lists the delayed entries of a stream, in the order in which they are due.
    #[command(visible_alias = "list", after_help = ls::EXAMPLES)]
    Ls(ls::LsOptions),
    /// Takes delayed entries back. Without tokens it says how many, and wants --yes.
    #[command(after_help = cancel::EXAMPLES)]
    Cancel(cancel::CancelOptions),
    /// Has delayed entries in their stream at once. Without tokens it says how many, and wants
    /// --yes.
    #[command(after_help = run::EXAMPLES)]
    Run(run::RunOptions),
}

pub(crate) fn run_schedule(options: ScheduleOptions) -> anyhow::Result<()> {
    let ScheduleOptions { server, verb } = options;
    client_command::run(OnInterrupt::Fail, async {
        match verb {
            ScheduleVerb::Add(options) => add::add(&server, &options).await,
            ScheduleVerb::Ls(options) => ls::ls(&server, &options).await,
            ScheduleVerb::Cancel(options) => cancel::cancel(&server, &options).await,
            ScheduleVerb::Run(options) => run::run(&server, &options).await,
        }
    })
}

/// The delayed entries of a stream.
///
/// # Errors
/// There are none, and no such stream.
async fn find_schedule(server: &Server, key: &Name) -> anyhow::Result<DelayedMessages> {
    let cannot = server.cannot(format!("look at the delayed entries of stream {key}"));
    let delayed = DelayedMessages::new(&server.millstream, key);
    // Elsewhere than on Millstream they may be there before their stream is.
    let is_there = server.stream(key).info().await.map_err(&cannot)?.is_some()
        || !delayed.list(1).await.map_err(&cannot)?.is_empty();
    if is_there { Ok(delayed) } else { Err(server.no_stream(key)) }
}
