//! What a trim or a deletion asks for, and the plan of exact effects that comes of it.

use crate::EntryId;

/// What happens to pending records of an entry that is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// Pending records stay (KEEPREF).
    #[default]
    Keep,
    /// Pending records of all groups go with the entry (DELREF).
    Delete,
    /// The entry goes only if every group has read and acknowledged it (ACKED).
    Acked,
}

/// Which entries a trim may remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrimBy {
    /// All but the newest so many.
    MaxLen(u64),
    /// Those below this id.
    MinId(EntryId),
}

/// A trim as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrimOptions {
    /// The bound.
    pub by: TrimBy,
    /// Whole blocks only (`~`), unless references decide entry by entry.
    pub approximate: bool,
    /// Most entries to remove; counted in whole blocks. `None`: no limit.
    pub limit: Option<u64>,
    /// What happens to pending records.
    pub references: References,
}

/// Exactly what a trim removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrimPlan {
    /// Nothing.
    Nothing,
    /// Every entry below the id; pending records stay.
    Before {
        /// First id that stays.
        id: EntryId,
        /// How many entries go.
        count: u64,
    },
    /// These entries; their pending records go too if `with_references`.
    Entries {
        /// Ascending.
        ids: Vec<EntryId>,
        /// Remove the pending records of all groups.
        with_references: bool,
    },
}

impl TrimPlan {
    /// How many entries go.
    #[must_use]
    pub fn count(&self) -> u64 {
        match self {
            Self::Nothing => 0,
            Self::Before { count, .. } => *count,
            Self::Entries { ids, .. } => ids.len() as u64,
        }
    }
}
