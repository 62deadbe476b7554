//! Which dead letters a command is to change: those that are named, or all that are alike.

use std::num::NonZeroU32;

use millstream::EntryId;

use super::filter::FilterOptions;
use super::letters::LettersOptions;
use crate::entry_id::parse_id;
use crate::usage_error::usage;

#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    #[command(flatten)]
    pub(super) letters: LettersOptions,
    /// Ids of letters, as `millstream dlq ls` shows them. Without them: all that pass the filters
    #[arg(
        value_name = "ID",
        value_parser = parse_id,
        conflicts_with_all = [
            "group", "consumer", "reason", "error", "older_than", "all", "limit", "yes"
        ]
    )]
    pub(super) ids: Vec<EntryId>,
    #[command(flatten)]
    pub(super) filter: FilterOptions,
    /// All letters, where there is no filter
    #[arg(long, conflicts_with_all = ["group", "consumer", "reason", "error", "older_than"])]
    all: bool,
    /// Most letters to change, the oldest ones; 0: no limit
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(super) limit: u64,
    /// So many letters in a second at most [default: as fast as it goes]
    #[arg(long, value_name = "COUNT")]
    pub(super) rate: Option<NonZeroU32>,
    /// Do it. Without this, a command with filters or --all says how many letters it would change,
    /// and ends with exit code 2
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
}

impl Selection {
    /// # Errors
    /// Nothing says which letters are meant.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.ids.is_empty() && !self.filter.is_given() && !self.all {
            return Err(usage(
                "which letters? name ids, a filter (--group, --consumer, --reason, --error, \
                 --older-than), or --all",
            ));
        }
        Ok(())
    }
}
