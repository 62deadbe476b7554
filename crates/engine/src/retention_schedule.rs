//! Which streams of one store retention has to look at, and when: so that nobody scans them all.
//!
//! A hint: derived from the streams, rebuilt with them. A stream is looked at when its oldest entry
//! becomes too old, and soon after something happened by which others may go. Those come in rounds:
//! all that were marked when a round began are looked at once, however often they are marked again.
//!
//! Must not know what is dropped. Invariants (see [`RetentionSchedule::check`]): `watched` has
//! every stream with a retention and no other; `aging` has exactly the times in it. Tests:
//! `tests/it/retention.rs`.

use std::collections::{BTreeMap, BTreeSet};

use millstream_model::{EntryId, Stream};

use crate::object::ObjectId;

#[derive(Debug, Default)]
pub(crate) struct RetentionSchedule {
    watched: BTreeMap<ObjectId, Watched>,
    /// (when in Unix milliseconds, stream).
    aging: BTreeSet<(u64, ObjectId)>,
    /// To be looked at in the next round, and still in this one.
    marked: BTreeSet<ObjectId>,
    round: BTreeSet<ObjectId>,
}

/// What is known of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Watched {
    /// What the time was derived from.
    oldest: Option<EntryId>,
    max_age_ms: u64,
    /// `None`: nothing becomes too old, or it may not go yet.
    at_ms: Option<u64>,
}

impl RetentionSchedule {
    /// Whether there is nothing that may ever have to be looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.watched.is_empty()
    }

    /// A stream changed; `is_marked`: others of its entries may go now.
    pub(crate) fn note(&mut self, id: ObjectId, stream: &Stream, is_marked: bool) {
        let Some(retention) = stream.retention() else { return self.forget(id) };
        if is_marked {
            self.marked.insert(id);
        }
        let (oldest, max_age_ms) = (stream.entries().first_id(), retention.max_age_ms);
        let known = self.watched.get(&id).copied();
        if known.is_some_and(|known| (known.oldest, known.max_age_ms) == (oldest, max_age_ms)) {
            return;
        }
        let at_ms = oldest.filter(|_| max_age_ms > 0).map(|id| id.ms.saturating_add(max_age_ms));
        self.watch(id, Watched { oldest, max_age_ms, at_ms });
    }

    fn watch(&mut self, id: ObjectId, watched: Watched) {
        let before = self.watched.insert(id, watched);
        if let Some(at_ms) = before.and_then(|before| before.at_ms) {
            self.aging.remove(&(at_ms, id));
        }
        self.aging.extend(watched.at_ms.map(|at_ms| (at_ms, id)));
    }

    /// The stream is gone, or keeps everything.
    pub(crate) fn forget(&mut self, id: ObjectId) {
        let Some(watched) = self.watched.remove(&id) else { return };
        if let Some(at_ms) = watched.at_ms {
            self.aging.remove(&(at_ms, id));
        }
        self.unmark(id);
    }

    fn unmark(&mut self, id: ObjectId) {
        self.marked.remove(&id);
        self.round.remove(&id);
    }

    /// It was looked at, and nothing more may go now. What is too old all the same has to wait for
    /// a group: that marks it.
    pub(crate) fn settle(&mut self, id: ObjectId, now_ms: u64) {
        self.unmark(id);
        let Some(watched) = self.watched.get(&id).copied() else { return };
        let at_ms = watched.oldest.filter(|_| watched.max_age_ms > 0);
        let at_ms = at_ms.map(|id| id.ms.saturating_add(watched.max_age_ms));
        self.watch(id, Watched { at_ms: at_ms.filter(|at_ms| *at_ms > now_ms), ..watched });
    }

    /// It cannot be looked at before a time, Unix milliseconds.
    pub(crate) fn postpone(&mut self, id: ObjectId, at_ms: u64) {
        self.unmark(id);
        if let Some(watched) = self.watched.get(&id).copied() {
            self.watch(id, Watched { at_ms: Some(at_ms), ..watched });
        }
    }

    /// To be looked at in the next round.
    pub(crate) fn mark(&mut self, id: ObjectId) {
        if self.watched.contains_key(&id) {
            self.marked.insert(id);
        }
    }

    /// Whether something waits for the next round.
    pub(crate) fn is_marked(&self) -> bool {
        !self.marked.is_empty()
    }

    pub(crate) fn begin_round(&mut self) {
        self.round.append(&mut self.marked);
    }

    /// The next of this round.
    pub(crate) fn next_of_round(&self) -> Option<ObjectId> {
        self.round.first().copied()
    }

    /// The next whose oldest entry becomes too old, and when.
    pub(crate) fn next_aging(&self) -> Option<(u64, ObjectId)> {
        self.aging.first().copied()
    }

    pub(crate) fn check<'s>(&self, streams: impl Iterator<Item = (ObjectId, &'s Stream)>) {
        let mut count = 0;
        for (id, stream) in streams {
            let Some(retention) = stream.retention() else { continue };
            count += 1;
            let watched = self.watched.get(&id).expect("every retention is watched");
            assert_eq!(watched.oldest, stream.entries().first_id());
            assert_eq!(watched.max_age_ms, retention.max_age_ms);
        }
        assert_eq!(self.watched.len(), count, "nothing else is watched");
        let times = self.watched.iter().filter_map(|(id, watched)| Some((watched.at_ms?, *id)));
        assert_eq!(self.aging, times.collect());
        let marked = self.marked.iter().chain(&self.round);
        assert!(marked.into_iter().all(|id| self.watched.contains_key(id)));
    }
}
