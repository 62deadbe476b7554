//! `millstream pending claim`: entries go to another consumer.

use std::ffi::OsString;
use std::time::Duration;

use millstream::{EntryId, Error, PendingEntries, PendingEntry};

use super::selection::Selection;
use super::settle::{Change, Words, settle};
use crate::name::Name;
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream pending claim orders billing 1764129600000-0 --to worker-8
  millstream pending claim orders billing --consumer worker-7 --to worker-8
  millstream pending claim orders billing --idle 10m --to worker-8 --yes

That counts as no delivery, and their idle time begins anew. The consumer is made if it is not
there; it finds the entries in its history, as at its next start. To have anybody get them, give
them back: `millstream pending nack`. What is gone from the stream goes from the pending list.";

#[derive(Debug, clap::Args)]
pub(crate) struct ClaimOptions {
    #[command(flatten)]
    selection: Selection,
    /// Who is to have them
    #[arg(long, value_name = "NAME")]
    to: OsString,
}

struct Claim {
    to: Name,
    min_idle: Duration,
}

pub(super) async fn claim(server: &ServerOptions, options: &ClaimOptions) -> anyhow::Result<()> {
    let ClaimOptions { selection, to } = options;
    let claim = Claim { to: server.name(to)?, min_idle: selection.filter.min_idle() };
    settle(server, selection, &claim).await
}

impl Change for Claim {
    const WORDS: Words = Words { verb: "claim", done: "claimed", key: "claimed" };

    fn done(&self) -> String {
        format!("claimed for {}", self.to)
    }

    fn heir(&self) -> Option<&Name> {
        Some(&self.to)
    }

    async fn change(
        &self,
        pending: &PendingEntries,
        seen: &[PendingEntry],
    ) -> Result<Vec<EntryId>, Error> {
        pending.claim(seen, &self.to, self.min_idle).await
    }
}
