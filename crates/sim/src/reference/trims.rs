//! Trims: what goes follows from the list where it can, and is looked at where blocks decide.

use super::{Peek, Reference};
use crate::command::{References, Text, Trim, TrimBy};
use crate::id::Id;

impl Reference {
    /// Trims a stream that is there; returns how many entries went.
    pub(super) fn trim(&mut self, db: u8, key: &Text, trim: &Trim, peek: &mut dyn Peek) -> usize {
        let stream = self.state.stream(db, key).expect("the stream was found");
        let ids = stream.ids();
        let all_that_may: Vec<Id> = match trim.by {
            TrimBy::MaxLen(keep) => {
                let surplus = (ids.len() as u64).saturating_sub(keep);
                ids.iter().copied().take(surplus as usize).collect()
            }
            TrimBy::MinId(bound) => ids.iter().copied().filter(|&id| id < bound).collect(),
        };
        let is_exact = !trim.approximate && trim.references != References::Acked;
        let gone = if is_exact {
            all_that_may
        } else {
            let left = peek.ids(db, key);
            self.judge(db, key, trim, &left)
        };
        let stream = self.stream_mut(db, key);
        stream.entries.retain(|entry| !gone.contains(&entry.id));
        if trim.references == References::Delete && !gone.is_empty() {
            gone.iter().for_each(|&id| stream.remove_references(id));
            self.free_places(db, key);
        }
        gone.len()
    }

    /// Which entries went, and whether they may.
    fn judge(&mut self, db: u8, key: &[u8], trim: &Trim, left: &[Id]) -> Vec<Id> {
        let stream = self.state.stream(db, key).expect("the stream was found");
        let ids = stream.ids();
        let gone: Vec<Id> = ids.iter().copied().filter(|id| !left.contains(id)).collect();
        let stays: Vec<Id> = ids.iter().copied().filter(|id| left.contains(id)).collect();
        let within_bound = match trim.by {
            TrimBy::MaxLen(keep) => gone.is_empty() || stays.len() as u64 >= keep,
            TrimBy::MinId(bound) => gone.iter().all(|&id| id < bound),
        };
        let is_prefix = ids.starts_with(&gone);
        let is_allowed = match trim.references {
            References::Acked => !gone.iter().any(|&id| stream.is_referenced(id)),
            References::Keep | References::Delete => is_prefix,
        };
        let within_limit = trim.limit.is_none_or(|limit| limit == 0 || gone.len() as u64 <= limit);
        if left != stays || !within_bound || !is_allowed || !within_limit {
            self.complain(format!("{trim:?} of {ids:?} left {left:?}"));
        }
        gone
    }
}
