//! The streams of one store that have delayed entries, by when each has to be looked at next.
//!
//! So that nobody searches all streams for the next one that is due. It goes where its store goes:
//! emptying or exchanging a database costs nothing here. Derived, never stored; that a stream was
//! put off because it refused an entry is forgotten by a restart.
//!
//! Invariants (see [`DueStreams::check`]): `by_time` has each stream with delayed entries once,
//! under the time of its first one or, where that is later, of the end of its being put off;
//! `put_off` has no other streams.

use std::collections::{BTreeMap, BTreeSet};

use millstream_model::{Schedule, Stream};

use crate::object::{Object, ObjectId, ObjectRef};
use crate::objects::Objects;
use crate::state::State;

/// A stream that refused an entry is asked again after so long, then twice as long, up to a minute.
const RETRY_MS: u64 = 1000;
const RETRY_MS_MAX: u64 = 60_000;

#[derive(Debug, Default)]
pub(crate) struct DueStreams {
    by_time: BTreeSet<(u64, ObjectId)>,
    put_off: BTreeMap<ObjectId, PutOff>,
}

/// Until when, in Unix milliseconds, and for how long.
#[derive(Clone, Copy, Debug)]
struct PutOff {
    until_ms: u64,
    delay_ms: u64,
}

fn first_due(stream: &Stream) -> Option<u64> {
    Some(stream.schedule().and_then(Schedule::first)?.due_ms)
}

impl DueStreams {
    /// The stream to be looked at first, and when.
    #[inline]
    pub(crate) fn first(&self) -> Option<(u64, ObjectId)> {
        self.by_time.first().copied()
    }

    fn at(&self, id: ObjectId, due_ms: u64) -> u64 {
        self.put_off.get(&id).map_or(due_ms, |put_off| due_ms.max(put_off.until_ms))
    }

    /// A stream comes.
    pub(crate) fn add(&mut self, id: ObjectId, stream: &Stream) {
        self.change(id, None, first_due(stream));
    }

    /// A stream goes.
    pub(crate) fn remove(&mut self, id: ObjectId, stream: &Stream) {
        self.change(id, first_due(stream), None);
    }

    /// A stream's first entry is another one.
    fn change(&mut self, id: ObjectId, before: Option<u64>, after: Option<u64>) {
        if before == after {
            return;
        }
        if let Some(due_ms) = before {
            let is_known = self.by_time.remove(&(self.at(id, due_ms), id));
            assert!(is_known, "a stream with delayed entries is known");
        }
        match after {
            Some(due_ms) => _ = self.by_time.insert((self.at(id, due_ms), id)),
            None => _ = self.put_off.remove(&id),
        }
    }

    /// A stream that is due refused: ask it again later, and each time later still.
    fn put_off(&mut self, id: ObjectId, due_ms: u64, now_ms: u64) {
        let known = self.put_off.get(&id);
        let delay_ms = known.map_or(RETRY_MS, |known| (2 * known.delay_ms).min(RETRY_MS_MAX));
        self.change(id, Some(due_ms), None);
        let until_ms = now_ms.saturating_add(delay_ms);
        self.put_off.insert(id, PutOff { until_ms, delay_ms });
        self.change(id, None, Some(due_ms));
    }

    /// It waits for no longer than if it were put off now.
    fn shorten_put_off(&mut self, id: ObjectId, due_ms: u64, now_ms: u64) {
        let Some(mut put_off) = self.put_off.get(&id).copied() else { return };
        put_off.until_ms = put_off.until_ms.min(now_ms.saturating_add(put_off.delay_ms));
        let is_known = self.by_time.remove(&(self.at(id, due_ms), id));
        assert!(is_known, "what is put off is known");
        self.put_off.insert(id, put_off);
        self.by_time.insert((self.at(id, due_ms), id));
    }

    /// A stream took an entry.
    fn forget_put_off(&mut self, id: ObjectId, due_ms: Option<u64>) {
        if self.put_off.contains_key(&id) {
            self.change(id, due_ms, None);
            self.put_off.remove(&id);
            self.change(id, None, due_ms);
        }
    }

    pub(crate) fn check<'o>(&self, objects: impl Iterator<Item = &'o Object>) {
        let mut expected = BTreeSet::new();
        for object in objects {
            let due = object.data.as_stream().and_then(first_due);
            expected.extend(due.map(|due_ms| (self.at(object.id, due_ms), object.id)));
        }
        assert_eq!(self.by_time, expected, "streams with delayed entries");
        let ids: BTreeSet<_> = expected.into_iter().map(|(_, id)| id).collect();
        assert!(self.put_off.keys().all(|id| ids.contains(id)), "only these are put off");
    }
}

impl State {
    /// The stream to be looked at first because entries of it are due, and when.
    #[inline]
    pub(crate) fn next_due_stream(&self) -> Option<(u64, ObjectId)> {
        if self.delaying == 0 {
            return None;
        }
        self.stores().iter().filter_map(|store| store.due.first()).min()
    }

    fn due_mut(&mut self, object: ObjectRef) -> &mut DueStreams {
        let store: &mut Objects = self.store_mut(object.slot);
        &mut store.due
    }

    /// When the stream's first delayed entry is due.
    pub(crate) fn first_due(&self, object: ObjectRef) -> Option<u64> {
        first_due(self.stream(object.slot))
    }

    /// To be called after each change of a stream's delayed entries.
    pub(crate) fn note_due(&mut self, object: ObjectRef, before: Option<u64>) {
        let after = self.first_due(object);
        self.due_mut(object).change(object.id, before, after);
        self.note_delaying(object);
    }

    /// The object may have delayed entries, or not any more.
    pub(crate) fn note_delaying(&mut self, object: ObjectRef) {
        let has_none = self.due_mut(object).by_time.is_empty();
        let bit = 1 << object.slot.store;
        self.delaying = if has_none { self.delaying & !bit } else { self.delaying | bit };
    }

    /// Panics when a store with delayed entries is not known as one.
    pub(crate) fn check_delaying(&self) {
        for (store, objects) in self.stores().iter().enumerate() {
            let is_known = self.delaying & 1 << store != 0;
            assert!(is_known || objects.due.by_time.is_empty(), "store {store} has delayed ones");
        }
    }

    /// Looks at a stream that is due again later.
    pub(crate) fn put_off_due(&mut self, object: ObjectRef, now_ms: u64) {
        if let Some(due_ms) = self.first_due(object) {
            self.due_mut(object).put_off(object.id, due_ms, now_ms);
        }
    }

    /// The wall clock was set back: what is put off would wait for the time that it showed before.
    pub(crate) fn shorten_put_off(&mut self, now_ms: u64) {
        let put_off = |store: &Objects| store.due.put_off.keys().copied().collect::<Vec<_>>();
        for id in self.stores().iter().flat_map(put_off).collect::<Vec<_>>() {
            let object = self.find_object(id).expect("what is put off is there");
            let due_ms = self.first_due(object).expect("what is put off has an entry");
            self.due_mut(object).shorten_put_off(id, due_ms, now_ms);
        }
    }

    /// A stream took an entry: what it refused before does not count any more.
    pub(crate) fn forget_put_off_due(&mut self, object: ObjectRef) {
        let due_ms = self.first_due(object);
        self.due_mut(object).forget_put_off(object.id, due_ms);
    }
}
