//! `millstream schedule run`: delayed entries come at once.

use millstream::{DelayedMessages, Error};

use super::change::{Change, change_all};
use super::selection::Selection;
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream schedule run reminders 1764129600000-1
  millstream schedule run reminders --all
  millstream schedule run reminders --due --yes

With --due those whose time has come: what Millstream appends by itself, and workers of the toolkit
on Redis and Valkey. Where there are none, run that once in a while. Entries that their stream does
not take are listed and wait on; the exit code is 1 then.";

#[derive(Debug, clap::Args)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    selection: Selection,
}

#[derive(Clone, Copy)]
struct Run;

pub(super) async fn run(server: &ServerOptions, options: &RunOptions) -> anyhow::Result<()> {
    change_all(server, &options.selection, Run).await
}

impl Change for Run {
    const VERB: &'static str = "append";
    const DONE: &'static str = "appended";
    const KEY: &'static str = "appended";

    async fn change(self, delayed: DelayedMessages, token: String) -> Result<bool, Error> {
        delayed.run_now(&token).await
    }
}
