//! Which pending entries a command is to change: those that are named, or all that are alike.

use std::ffi::OsString;

use millstream::EntryId;

use super::filter::FilterOptions;
use crate::entry_id::parse_id;
use crate::usage_error::usage;

/// Entries of a group.
#[derive(Debug, clap::Args)]
pub(super) struct Selection {
    /// Key of the stream
    pub(super) stream: OsString,
    /// Name of the group
    pub(super) group: OsString,
    /// Ids of entries. Without them: all that pass the filters
    #[arg(
        value_name = "ID",
        value_parser = parse_id,
        conflicts_with_all = ["idle", "deliveries", "consumer", "all", "limit", "yes"]
    )]
    pub(super) ids: Vec<EntryId>,
    #[command(flatten)]
    pub(super) filter: FilterOptions,
    /// Everything that is pending, where there is no filter
    #[arg(long, conflicts_with_all = ["idle", "deliveries", "consumer"])]
    all: bool,
    /// Most entries to change, those of the lowest ids; 0: no limit
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub(super) limit: u64,
    /// Do it. Without this, a command with filters or --all says how many entries it would change,
    /// and ends with exit code 2
    #[arg(long, short = 'y')]
    pub(super) yes: bool,
}

impl Selection {
    /// # Errors
    /// Nothing says which entries are meant.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        if self.ids.is_empty() && !self.filter.is_given() && !self.all {
            return Err(usage(
                "which entries? name ids, a filter (--idle, --deliveries, --consumer), or --all",
            ));
        }
        Ok(())
    }
}
