//! How far a group is behind: counted where that is possible, unknown where it is not.
//!
//! The rules are Redis' (its `entries-read` and `lag`), including where it answers "unknown".
//!
//! Must not know deliveries or settings. Never fails. Tests: `stream/tests/vectors.rs` (known
//! answers of Redis) and `stream/tests/reference.rs`.

use crate::{Direction, EntryId, Group, Order, Stream};

impl Stream {
    fn first_id_or_zero(&self) -> EntryId {
        self.entries.first_id().unwrap_or(EntryId::MIN)
    }

    /// Whether deletions may hide entries at or above the id. Inclusive, as in Redis.
    fn has_tombstone_ahead(&self, from: EntryId) -> bool {
        !self.entries.is_empty()
            && self.max_deleted_id != EntryId::MIN
            && from <= self.max_deleted_id
    }

    /// How many entries were ever added up to and including the id, where that can be told.
    #[must_use]
    pub fn estimate_entries_read(&self, id: EntryId) -> Option<u64> {
        let added = self.entries_added;
        let length = self.entries.len();
        if added == 0 {
            return Some(0);
        }
        if length == 0 && id <= self.last_id {
            return Some(added);
        }
        if id != EntryId::MIN && id < self.max_deleted_id {
            return None;
        }
        if id == self.last_id {
            return Some(added);
        }
        if id > self.last_id {
            return None;
        }
        let first = self.first_id_or_zero();
        if self.max_deleted_id == EntryId::MIN || self.max_deleted_id < first {
            if id < first {
                return Some(added.saturating_sub(length));
            }
            if id == first {
                return Some(added.saturating_sub(length) + 1);
            }
        }
        None
    }

    /// Entries the group has still to read; `None` where that cannot be told. Negative only after
    /// XSETID lowered the count of entries added.
    #[must_use]
    pub fn lag(&self, group: &Group) -> Option<i64> {
        let length = self.entries.len();
        if self.entries_added == 0 || length == 0 {
            return Some(0);
        }
        let first = self.first_id_or_zero();
        let position = group.last_delivered_id();
        if position < first && self.max_deleted_id < first {
            return Some(length.cast_signed());
        }
        let read = match group.entries_read() {
            Some(read) if !self.has_tombstone_ahead(position) => read,
            _ => self.estimate_entries_read(position)?,
        };
        let held = group.order().map_or(0, Order::held_len);
        Some(self.entries_added.wrapping_sub(read).cast_signed() + held as i64)
    }

    /// The first entry that the group has still to read; where its block is not in memory, an id
    /// that is not above it.
    #[must_use]
    pub fn first_undelivered(&self, group: &Group) -> Option<EntryId> {
        if let Some((id, _)) = group.order().and_then(|order| order.held().next()) {
            return Some(id);
        }
        let from = group.last_delivered_id().next()?;
        if self.entries.last_id()? < from {
            return None;
        }
        match self.entries.slice(from, EntryId::MAX, 1, Direction::Ascending) {
            Ok(slice) => match slice.cold_of_run(0) {
                Some(cold) => Some(cold.first.max(from)),
                None => slice.ids().next(),
            },
            Err(cold) => cold.0.first().map(|cold| cold.first.max(from)),
        }
    }

    /// The group's position and count of entries read after the given new entries were delivered,
    /// ascending and all above its position.
    #[must_use]
    pub fn position_after(
        &self,
        group: &Group,
        ids: impl Iterator<Item = EntryId>,
    ) -> (EntryId, Option<u64>) {
        let first = self.first_id_or_zero();
        let mut position = group.last_delivered_id();
        let mut read = group.entries_read();
        for id in ids {
            if let Some(count) = read
                && position >= first
                && !self.has_tombstone_ahead(position)
            {
                read = Some(count + 1);
            } else if self.entries_added > 0 {
                read = self.estimate_entries_read(id);
            }
            position = id;
        }
        (position, read)
    }
}
