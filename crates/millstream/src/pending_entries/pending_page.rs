//! Some pending entries, and where to go on.

use super::PendingEntry;
use crate::EntryId;

/// What [`PendingEntries::page`](super::PendingEntries::page) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingPage {
    /// Those that pass the filter, in the order of the stream; there may be none and more behind.
    pub found: Vec<PendingEntry>,
    /// How many were looked at for that.
    pub looked_at: usize,
    /// The last one that was looked at: others may be behind it. `None`: there are no others.
    pub next: Option<EntryId>,
}
