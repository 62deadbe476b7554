//! How many entries a group has read, and has still to read: Redis' rules, with its "unknown".

use super::group::Group;
use super::stream::Stream;
use crate::id::Id;

impl Stream {
    fn first(&self) -> Id {
        self.entries.first().map_or(Id::MIN, |entry| entry.id)
    }

    fn has_hole_from(&self, from: Id) -> bool {
        !self.entries.is_empty() && self.max_deleted_id != Id::MIN && from <= self.max_deleted_id
    }

    fn read_up_to(&self, id: Id) -> Option<u64> {
        let length = self.entries.len() as u64;
        if self.added == 0 {
            Some(0)
        } else if length == 0 && id <= self.last_id {
            Some(self.added)
        } else if id != Id::MIN && id < self.max_deleted_id {
            None
        } else if id == self.last_id {
            Some(self.added)
        } else if id > self.last_id {
            None
        } else {
            let no_hole = self.max_deleted_id == Id::MIN || self.max_deleted_id < self.first();
            match id.cmp(&self.first()) {
                _ if !no_hole => None,
                std::cmp::Ordering::Less => Some(self.added.saturating_sub(length)),
                std::cmp::Ordering::Equal => Some(self.added.saturating_sub(length) + 1),
                std::cmp::Ordering::Greater => None,
            }
        }
    }

    pub(crate) fn lag(&self, group: &Group) -> Option<i64> {
        let length = self.entries.len();
        if self.added == 0 || length == 0 {
            return Some(0);
        }
        if group.position < self.first() && self.max_deleted_id < self.first() {
            return Some(length as i64);
        }
        let counted = group.read.filter(|_| !self.has_hole_from(group.position));
        let read = counted.or_else(|| self.read_up_to(group.position))?;
        let held = group.order.held.len() as i64;
        Some(self.added.wrapping_sub(read).cast_signed() + held)
    }

    /// Where a group stands once it has read these, one after the other.
    pub(super) fn advanced(&self, group: &Group, ids: &[Id]) -> (Id, Option<u64>) {
        let (mut position, mut read) = (group.position, group.read);
        for &id in ids {
            let counts = position >= self.first() && !self.has_hole_from(position);
            read = match read {
                Some(count) if counts => Some(count + 1),
                unchanged if self.added == 0 => unchanged,
                _ => self.read_up_to(id),
            };
            position = id;
        }
        (position, read)
    }
}
