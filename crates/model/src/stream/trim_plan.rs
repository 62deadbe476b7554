//! From a trim as asked for to exactly what it removes.
//!
//! Walks blocks from the oldest, as Redis walks its nodes: whole blocks while they may go entirely,
//! then, unless the trim is approximate and keeps references, single entries of the first block
//! that may not.
//!
//! Plans only: nothing changes here, so the plan can be logged as exact effects first. Must not
//! know groups beyond whether they refer to an entry. Tests: `stream/tests/vectors.rs`,
//! `stream/tests/reference.rs`.

use crate::{
    ColdBlock, ColdBlocks, EntryId, NodeView, References, Stream, TrimBy, TrimOptions, TrimPlan,
};

/// Blocks that are asked for at once, when a trim has to look into many.
const COLD_MAX: usize = 64;

/// Where the walk over the blocks stopped.
struct Walk {
    removed: u64,
    /// First id that stays, as far as known.
    bound: Option<EntryId>,
}

impl Stream {
    /// What the trim removes if it runs now.
    ///
    /// # Errors
    /// Blocks that it has to look into and that are not in memory: some of them, if they are many.
    pub fn plan_trim(&self, options: &TrimOptions) -> Result<TrimPlan, ColdBlocks> {
        match options.references {
            References::Keep => self.plan_prefix(options),
            References::Delete | References::Acked => self.plan_entries(options),
        }
    }

    /// Whether so many live entries with this last id may all go.
    fn may_go_whole(&self, by: TrimBy, removed: u64, live: u64, last: EntryId) -> bool {
        match by {
            TrimBy::MaxLen(keep) => (self.entries.len() - removed).saturating_sub(live) >= keep,
            TrimBy::MinId(id) => last < id,
        }
    }

    fn is_done(&self, options: &TrimOptions, removed: u64, live: u64) -> bool {
        let long_enough = match options.by {
            TrimBy::MaxLen(keep) => self.entries.len() - removed <= keep,
            TrimBy::MinId(_) => false,
        };
        long_enough || options.limit.is_some_and(|limit| removed + live > limit)
    }

    fn plan_prefix(&self, options: &TrimOptions) -> Result<TrimPlan, ColdBlocks> {
        let mut walk = Walk { removed: 0, bound: None };
        for node in self.entries.nodes() {
            let live = node.live();
            if self.is_done(options, walk.removed, live) {
                break;
            }
            let last = node.last_stored_id();
            if self.may_go_whole(options.by, walk.removed, live, last) {
                let Some(bound) = last.next() else {
                    // No id is above the largest one, so "before" cannot say it.
                    return self.plan_all();
                };
                walk.removed += live;
                walk.bound = Some(bound);
                continue;
            }
            if !options.approximate {
                self.trim_within(&node, options.by, &mut walk)?;
            }
            break;
        }
        Ok(match walk.bound {
            Some(id) if walk.removed > 0 => TrimPlan::Before { id, count: walk.removed },
            _ => TrimPlan::Nothing,
        })
    }

    fn plan_all(&self) -> Result<TrimPlan, ColdBlocks> {
        let cold: Vec<_> = self.entries.cold_blocks().collect();
        if !cold.is_empty() {
            return Err(ColdBlocks(cold));
        }
        let mut ids = Vec::new();
        for node in self.entries.nodes() {
            ids.extend(node.live_ids()?);
        }
        Ok(TrimPlan::Entries { ids, with_references: false })
    }

    fn trim_within(
        &self,
        node: &NodeView<'_>,
        by: TrimBy,
        walk: &mut Walk,
    ) -> Result<(), ColdBlocks> {
        match by {
            TrimBy::MaxLen(keep) => {
                let surplus = (self.entries.len() - walk.removed).saturating_sub(keep);
                let at = usize::try_from(surplus).expect("below the entries of one block");
                walk.removed += surplus;
                walk.bound = match at {
                    0 => Some(node.first_live_id()),
                    at => node.live_ids()?.nth(at),
                };
            }
            TrimBy::MinId(id) if id <= node.first_live_id() => walk.bound = Some(id),
            TrimBy::MinId(id) => {
                walk.removed += node.live_ids()?.take_while(|&live| live < id).count() as u64;
                walk.bound = Some(id);
            }
        }
        Ok(())
    }

    fn plan_entries(&self, options: &TrimOptions) -> Result<TrimPlan, ColdBlocks> {
        let with_references = options.references == References::Delete;
        let mut ids = Vec::new();
        for node in self.entries.nodes() {
            let removed = ids.len() as u64;
            let live = node.live();
            if self.is_done(options, removed, live) {
                break;
            }
            let whole = self.may_go_whole(options.by, removed, live, node.last_stored_id());
            if matches!(options.by, TrimBy::MinId(bound) if bound <= node.first_live_id()) {
                break;
            }
            // From here on some group has read nothing.
            if !with_references && self.is_unread_from(node.first_live_id()) {
                break;
            }
            if node.cold().is_some() {
                return Err(self.cold_from(&node, options, removed));
            }
            for id in node.live_ids()? {
                let stays = match options.by {
                    TrimBy::MaxLen(keep) => self.entries.len() - ids.len() as u64 <= keep,
                    TrimBy::MinId(bound) => id >= bound,
                };
                if stays {
                    break;
                }
                if with_references || !self.is_referenced(id) {
                    ids.push(id);
                }
            }
            if !whole {
                break;
            }
        }
        Ok(match ids.is_empty() {
            true => TrimPlan::Nothing,
            false => TrimPlan::Entries { ids, with_references },
        })
    }

    /// A block that has to be looked into, and those behind it that are likely to be.
    fn cold_from(&self, node: &NodeView<'_>, options: &TrimOptions, removed: u64) -> ColdBlocks {
        let from = node.first_live_id();
        let behind = self.entries.cold_blocks().skip_while(|cold| cold.first < from);
        let own = node.cold().into_iter();
        let own_first = node.cold().map(|cold| cold.first);
        let behind = behind.filter(|cold| Some(cold.first) != own_first);
        // Each block has an entry at least.
        let surplus = match options.by {
            TrimBy::MaxLen(keep) => (self.entries.len() - removed).saturating_sub(keep),
            TrimBy::MinId(_) => u64::MAX,
        };
        let limit = options.limit.map_or(u64::MAX, |limit| limit.saturating_sub(removed));
        let count = usize::try_from(surplus.min(limit).max(1)).unwrap_or(COLD_MAX);
        let is_likely = |cold: &ColdBlock| {
            let is_below = match options.by {
                TrimBy::MinId(bound) => cold.first < bound,
                TrimBy::MaxLen(_) => true,
            };
            is_below
                && (options.references == References::Delete || !self.is_unread_from(cold.first))
        };
        ColdBlocks(own.chain(behind.take_while(is_likely)).take(count.min(COLD_MAX)).collect())
    }

    /// Whether some group has read nothing from this id on.
    fn is_unread_from(&self, id: EntryId) -> bool {
        self.groups.iter().flatten().any(|group| group.last_delivered_id() < id)
    }
}
