//! `millstream dlq purge`: letters are deleted.

use millstream::{DeadLetter, DeadLetters, Error};

use super::change::{Became, Change, change_all};
use super::selection::Selection;
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream dlq purge orders 1764129600000-0
  millstream dlq purge orders --older-than 30d
  millstream dlq purge orders --older-than 30d --yes

What is deleted is lost. Entries in the stream of letters that are no letters stay.";

#[derive(Debug, clap::Args)]
pub(crate) struct PurgeOptions {
    #[command(flatten)]
    selection: Selection,
}

#[derive(Clone, Copy)]
struct Purge;

pub(super) async fn purge(server: &ServerOptions, options: &PurgeOptions) -> anyhow::Result<()> {
    change_all(server, &options.selection, Purge).await
}

impl Change for Purge {
    const VERB: &'static str = "delete";
    const DONE: &'static str = "deleted";
    const KEY: &'static str = "purged";
    const MAY_ADD: bool = false;

    async fn change(
        self,
        letters: DeadLetters,
        letter: DeadLetter,
        is_dry_run: bool,
    ) -> Result<Became, Error> {
        let is_done = is_dry_run || letters.purge(&[letter.id]).await? > 0;
        Ok(if is_done { Became::Changed } else { Became::LeftAlone })
    }
}
