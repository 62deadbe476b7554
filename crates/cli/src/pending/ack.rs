//! `millstream pending ack`: entries are done with, whoever had them.

use millstream::{EntryId, Error, PendingEntries, PendingEntry};

use super::selection::Selection;
use super::settle::{Change, Words, settle};
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream pending ack orders billing 1764129600000-0
  millstream pending ack orders billing --deliveries 10
  millstream pending ack orders billing --deliveries 10 --yes

The entries stay in the stream; this group gets them no more.";

#[derive(Debug, clap::Args)]
pub(crate) struct AckOptions {
    #[command(flatten)]
    selection: Selection,
}

struct Acknowledge;

pub(super) async fn ack(server: &ServerOptions, options: &AckOptions) -> anyhow::Result<()> {
    settle(server, &options.selection, &Acknowledge).await
}

impl Change for Acknowledge {
    const WORDS: Words = Words { verb: "acknowledge", done: "acknowledged", key: "acked" };

    async fn change(
        &self,
        pending: &PendingEntries,
        seen: &[PendingEntry],
    ) -> Result<Vec<EntryId>, Error> {
        pending.acknowledge(seen).await
    }
}
