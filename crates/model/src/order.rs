//! Order by a value: of the entries with one value of a field at most one is in work, in the order
//! of the stream; the others are held.
//!
//! Values are known by a hash, so two values may share one: then they wait for each other, which is
//! no harm. Entries without the field are not here.
//!
//! Invariants (see [`Order::check`]):
//! 1. an entry is held or pending, never both; `held` and `by_id` have the same entries;
//! 2. `busy` counts the pending entries of each value, as `values` has them;
//! 3. `ready` has the first held entry of each value of which nothing is pending.
//!
//! Must not know streams, consumers, or why an entry is pending. Tests: here, against vectors.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use foldhash::fast::FixedState;

use crate::EntryId;

type Map<K, V> = HashMap<K, V, FixedState>;

/// Which entries of an ordered group are held, and which values are in work. Entries that are
/// pending without a value (XCLAIM FORCE) are nobody's business here.
#[derive(Clone, Debug, Default)]
pub struct Order {
    held: BTreeSet<(u64, EntryId)>,
    by_id: BTreeMap<EntryId, u64>,
    ready: BTreeSet<EntryId>,
    /// Of pending entries. Flat: a clone costs a copy of the memory.
    values: Map<EntryId, u64>,
    busy: Map<u64, u32>,
}

impl Order {
    /// How many entries are held.
    #[must_use]
    pub fn held_len(&self) -> usize {
        self.by_id.len()
    }

    /// The held entries in the order of the stream, with their values.
    pub fn held(&self) -> impl Iterator<Item = (EntryId, u64)> + '_ {
        self.by_id.iter().map(|(id, value)| (*id, *value))
    }

    /// The held entries from an id on, in the order of the stream.
    pub(crate) fn held_from(&self, from: EntryId) -> impl Iterator<Item = EntryId> + '_ {
        self.by_id.range(from..).map(|(id, _)| *id)
    }

    /// The held entries that may be handed out, in the order of the stream.
    pub fn ready(&self) -> impl Iterator<Item = EntryId> + '_ {
        self.ready.iter().copied()
    }

    /// Whether an entry is held.
    #[must_use]
    pub fn is_held(&self, id: EntryId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// The value of a pending entry, if it has one.
    #[must_use]
    pub fn value(&self, id: EntryId) -> Option<u64> {
        self.values.get(&id).copied()
    }

    /// Whether a new entry of this value has to wait.
    #[must_use]
    pub fn is_taken(&self, value: u64) -> bool {
        self.busy.contains_key(&value) || self.first_held(value).is_some()
    }

    fn first_held(&self, value: u64) -> Option<EntryId> {
        let from = (value, EntryId::MIN);
        self.held.range(from..=(value, EntryId::MAX)).next().map(|(_, id)| *id)
    }

    /// Holds an entry that is not pending.
    pub(crate) fn hold(&mut self, id: EntryId, value: u64) {
        self.release(id);
        self.by_id.insert(id, value);
        self.held.insert((value, id));
        self.refresh(value);
    }

    /// Takes an entry out of what is held; its value.
    pub(crate) fn release(&mut self, id: EntryId) -> Option<u64> {
        let value = self.by_id.remove(&id)?;
        self.held.remove(&(value, id));
        self.ready.remove(&id);
        self.refresh(value);
        Some(value)
    }

    /// Holds nothing any more.
    pub(crate) fn release_all(&mut self) {
        self.held.clear();
        self.by_id.clear();
        self.ready.clear();
    }

    /// A pending entry has this value.
    pub(crate) fn set_value(&mut self, id: EntryId, value: u64) {
        if let Some(before) = self.values.insert(id, value) {
            self.free(before);
        }
        *self.busy.entry(value).or_default() += 1;
        self.refresh(value);
    }

    /// An entry is not pending any more.
    pub(crate) fn forget_value(&mut self, id: EntryId) {
        if let Some(value) = self.values.remove(&id) {
            self.free(value);
        }
    }

    fn free(&mut self, value: u64) {
        let count = self.busy.get_mut(&value).expect("values that are in work are counted");
        *count -= 1;
        if *count == 0 {
            self.busy.remove(&value);
            self.refresh(value);
        }
    }

    /// Says again which entry of a value may be handed out.
    fn refresh(&mut self, value: u64) {
        let first = self.first_held(value);
        // At most the first two can have changed places.
        for (_, id) in self.held.range((value, EntryId::MIN)..=(value, EntryId::MAX)).take(2) {
            self.ready.remove(id);
        }
        if let Some(first) = first.filter(|_| !self.busy.contains_key(&value)) {
            self.ready.insert(first);
        }
    }

    /// Bytes on the heap, roughly.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.by_id.len() * 160 + self.values.capacity() * 32 + self.busy.capacity() * 24
    }

    /// Derives what is ready and busy again.
    ///
    /// # Panics
    /// If it differs.
    pub fn check(&self, is_pending: impl Fn(EntryId) -> bool) {
        let sorted: BTreeSet<_> = self.by_id.iter().map(|(id, value)| (*value, *id)).collect();
        assert_eq!(self.held, sorted, "held entries by value");
        let mut busy: Map<u64, u32> = Map::default();
        for (&id, &value) in &self.values {
            assert!(is_pending(id), "{id} has a value and is not pending");
            *busy.entry(value).or_default() += 1;
        }
        assert_eq!(self.busy, busy, "values in work");
        let mut ready = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for &(value, id) in &self.held {
            assert!(!is_pending(id), "{id} is held and pending");
            if seen.insert(value) && !busy.contains_key(&value) {
                ready.insert(id);
            }
        }
        assert_eq!(self.ready, ready, "what is ready");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Hold(EntryId, u64),
        Release(EntryId),
        SetValue(EntryId, u64),
        ForgetValue(EntryId),
        ReleaseAll,
    }

    fn step() -> impl Strategy<Value = Step> {
        let id = || (0_u64..12).prop_map(|ms| EntryId::new(ms, 0));
        prop_oneof![
            6 => (id(), 0_u64..3).prop_map(|(id, value)| Step::Hold(id, value)),
            3 => id().prop_map(Step::Release),
            3 => (id(), 0_u64..3).prop_map(|(id, value)| Step::SetValue(id, value)),
            3 => id().prop_map(Step::ForgetValue),
            1 => Just(Step::ReleaseAll),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_plain_lists(steps in prop::collection::vec(step(), 0..60)) {
            let mut order = Order::default();
            let mut held: BTreeMap<EntryId, u64> = BTreeMap::new();
            let mut pending: BTreeMap<EntryId, u64> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Hold(id, value) if !pending.contains_key(&id) => {
                        order.hold(id, value);
                        held.insert(id, value);
                    }
                    Step::Release(id) => prop_assert_eq!(order.release(id), held.remove(&id)),
                    Step::SetValue(id, value) if !held.contains_key(&id) => {
                        order.set_value(id, value);
                        pending.insert(id, value);
                    }
                    Step::ForgetValue(id) => {
                        order.forget_value(id);
                        pending.remove(&id);
                    }
                    Step::ReleaseAll => {
                        order.release_all();
                        held.clear();
                    }
                    Step::Hold(..) | Step::SetValue(..) => {}
                }
                order.check(|id| pending.contains_key(&id));
                prop_assert!(order.held().eq(held.iter().map(|(id, value)| (*id, *value))));
                for value in 0..3 {
                    let has = |map: &BTreeMap<EntryId, u64>| map.values().any(|v| *v == value);
                    prop_assert_eq!(order.is_taken(value), has(&held) || has(&pending));
                }
            }
        }
    }

    #[test]
    fn the_next_of_a_value_is_ready_when_the_one_before_is_settled() {
        let id = |ms| EntryId::new(ms, 0);
        let mut order = Order::default();
        order.set_value(id(1), 7);
        order.hold(id(3), 7);
        order.hold(id(2), 7);
        assert_eq!(order.ready().count(), 0);
        order.forget_value(id(1));
        assert_eq!(order.ready().collect::<Vec<_>>(), [id(2)]);
        assert_eq!(order.release(id(2)), Some(7));
        order.set_value(id(2), 7);
        assert_eq!(order.ready().count(), 0);
        order.forget_value(id(2));
        assert_eq!(order.ready().collect::<Vec<_>>(), [id(3)]);
    }
}
