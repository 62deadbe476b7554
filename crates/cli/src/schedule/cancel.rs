//! `millstream schedule cancel`: delayed entries are taken back.

use millstream::{DelayedMessages, Error};

use super::change::{Change, change_all};
use super::selection::Selection;
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream schedule cancel reminders 1764129600000-1
  millstream schedule cancel reminders --all
  millstream schedule cancel reminders --all --yes

What is cancelled never comes. What came already stays in its stream.";

#[derive(Debug, clap::Args)]
pub(crate) struct CancelOptions {
    #[command(flatten)]
    selection: Selection,
}

#[derive(Clone, Copy)]
struct Cancel;

pub(super) async fn cancel(server: &ServerOptions, options: &CancelOptions) -> anyhow::Result<()> {
    change_all(server, &options.selection, Cancel).await
}

impl Change for Cancel {
    const VERB: &'static str = "cancel";
    const DONE: &'static str = "cancelled";
    const KEY: &'static str = "cancelled";

    async fn change(self, delayed: DelayedMessages, token: String) -> Result<bool, Error> {
        delayed.cancel(&token).await
    }
}
