//! `millstream pending nack`: entries are given back, so that others get them.

use std::time::Duration;

use clap::ValueEnum;
use millstream::{EntryId, Error, Nack, NackMode, PendingEntries, PendingEntry};

use super::selection::Selection;
use super::settle::{Change, Words, settle};
use crate::duration::parse_duration;
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream pending nack orders billing 1764129600000-0
  millstream pending nack orders billing --consumer worker-7 --mode silent --yes
  millstream pending nack orders billing 1764129600000-0 --delay 10m --error 'the bank is closed'
  millstream pending nack orders billing 1764129600000-0 --mode fatal

On Millstream the next read of anybody gets them, in groups with a policy (`millstream group
policy`) after its backoff or --delay. Redis 8.8 hands them to whoever claims. Redis and Valkey
without XNACK leave them to their consumer and make them look as if they had been idle for a year:
whoever claims what is idle gets them.";

#[derive(Debug, clap::Args)]
pub(crate) struct NackOptions {
    #[command(flatten)]
    selection: Selection,
    /// What it says of the last delivery: it failed; it was no try, and is not counted; or no other
    /// try would help (fatal), which makes it a dead letter in a group of Millstream that has
    /// those. Servers without XNACK do not know fatal
    #[arg(long, value_name = "MODE", default_value = "fail")]
    mode: ModeWord,
    /// Hand them out again so long from now, such as 30s or 10m, whatever the backoff of the group.
    /// Only on Millstream, in groups with a policy, and not with --mode fatal
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    delay: Option<Duration>,
    /// Why, kept with the entry and told by its dead letter; 4 KiB at most are kept. Only on
    /// Millstream, in groups with a policy
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ModeWord {
    Fail,
    Silent,
    Fatal,
}

struct GiveBack(Nack);

pub(super) async fn nack(server: &ServerOptions, options: &NackOptions) -> anyhow::Result<()> {
    let mut nack = Nack::new(match options.mode {
        ModeWord::Fail => NackMode::Fail,
        ModeWord::Silent => NackMode::Silent,
        ModeWord::Fatal => NackMode::Fatal,
    });
    if let Some(delay) = options.delay {
        nack = nack.delay(delay);
    }
    if let Some(error) = &options.error {
        nack = nack.error(error);
    }
    settle(server, &options.selection, &GiveBack(nack)).await
}

impl Change for GiveBack {
    const WORDS: Words = Words { verb: "give back", done: "given back", key: "nacked" };

    async fn change(
        &self,
        pending: &PendingEntries,
        seen: &[PendingEntry],
    ) -> Result<Vec<EntryId>, Error> {
        pending.give_back(seen, &self.0).await
    }
}
