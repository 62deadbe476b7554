//! `millstream dlq requeue`: letters are given back to the groups that gave them up.

use millstream::{DeadLetter, DeadLetters, Error, Requeued};

use super::change::{Became, Change, change_all};
use super::selection::Selection;
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream dlq requeue orders 1764129600000-0
  millstream dlq requeue orders --group billing --reason max-deliveries
  millstream dlq requeue orders --group billing --reason max-deliveries --yes --rate 50

The group that gave an entry up gets it again, with no delivery counted; other groups do not. Where
the entry is gone from its stream (on Millstream: or the group), it is added once more, for all
groups; the dry run says of how many that is so. Letters that cannot be given back are listed and
stay; the exit code is 1 then. Redis and Valkey need scripts for this.";

#[derive(Debug, clap::Args)]
pub(crate) struct RequeueOptions {
    #[command(flatten)]
    selection: Selection,
}

#[derive(Clone, Copy)]
struct Requeue;

pub(super) async fn requeue(
    server: &ServerOptions,
    options: &RequeueOptions,
) -> anyhow::Result<()> {
    change_all(server, &options.selection, Requeue).await
}

impl Change for Requeue {
    const VERB: &'static str = "give back";
    const DONE: &'static str = "given back";
    const KEY: &'static str = "requeued";
    const MAY_ADD: bool = true;

    async fn change(
        self,
        letters: DeadLetters,
        letter: DeadLetter,
        is_dry_run: bool,
    ) -> Result<Became, Error> {
        let requeued = match is_dry_run {
            true => letters.would_requeue(&letter).await?,
            false => letters.requeue(&letter).await?,
        };
        Ok(match requeued {
            Requeued::GivenBack => Became::Changed,
            Requeued::AddedAnew => Became::AddedAnew,
            Requeued::NotThere => Became::LeftAlone,
        })
    }
}
