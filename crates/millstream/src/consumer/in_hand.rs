//! The messages that a consumer has, and until when they are its own.
//!
//! The server gives a message to somebody else once it was not heard of for the time of its lease.
//! So it is told again and again that the message is still being worked on; what it does not
//! confirm is lost: its handler goes on, but what it did counts as late.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::health::Counters;
use crate::EntryId;

/// A message by its stream (its place among those of the consumer) and its entry.
pub(super) type MessageKey = (usize, EntryId);

#[derive(Debug)]
pub(super) struct InHand {
    held: Mutex<BTreeMap<MessageKey, Held>>,
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct Held {
    /// When it was delivered or its lease extended; by our clock, before the server did.
    since: Instant,
    /// When that was known: after the server did. A read may have waited for long in between.
    known: Instant,
    is_lost: bool,
    /// The server is being told that others may have it. It may be delivered to us once more before
    /// we hear that it was given back.
    is_leaving: bool,
}

/// As long as it lives nothing comes and goes.
pub(super) struct View<'a>(MutexGuard<'a, BTreeMap<MessageKey, Held>>);

impl View<'_> {
    pub(super) fn is_lost(&self, key: MessageKey) -> bool {
        self.0.get(&key).is_none_or(|held| held.is_lost)
    }

    /// How long before `now` its lease began, at most.
    pub(super) fn age(&self, key: MessageKey, now: Instant) -> Duration {
        self.0.get(&key).map_or(Duration::ZERO, |held| now.saturating_duration_since(held.since))
    }
}

impl Held {
    fn new(since: Instant, known: Instant) -> Self {
        Self { since, known, is_lost: false, is_leaving: false }
    }
}

impl InHand {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self { held: Mutex::default(), counters }
    }

    /// Takes messages that were asked for at `since` and came at `known`: leaves those in `all`
    /// that were not in hand already, or are being given back. What has no key stays.
    pub(super) fn take<T>(
        &self,
        all: &mut Vec<T>,
        key: impl Fn(&T) -> Option<MessageKey>,
        since: Instant,
        known: Instant,
    ) {
        let mut held = self.held.lock();
        let before = held.len();
        all.retain(|it| {
            let Some(key) = key(it) else { return true };
            // Delivered to us once more, it is ours whatever was lost.
            held.insert(key, Held::new(since, known)).is_none_or(|before| before.is_leaving)
        });
        self.counters.in_hand.add((held.len() - before) as u64);
    }

    /// It was delivered to us again.
    pub(super) fn renew(&self, key: MessageKey, since: Instant) {
        if let Some(before) = self.held.lock().get_mut(&key) {
            *before = Held::new(since, Instant::now());
        }
    }

    /// These are about to be given back.
    pub(super) fn note_leaving(&self, keys: impl Iterator<Item = MessageKey>) {
        let mut held = self.held.lock();
        for key in keys {
            if let Some(held) = held.get_mut(&key) {
                held.is_leaving = true;
            }
        }
    }

    /// Lets go of those of them that did not come again since [`Self::note_leaving`].
    pub(super) fn end_leaving(&self, keys: impl Iterator<Item = MessageKey>) {
        let mut held = self.held.lock();
        let before = held.len();
        for key in keys {
            if held.get(&key).is_some_and(|held| held.is_leaving) {
                held.remove(&key);
            }
        }
        self.counters.in_hand.take_away((before - held.len()) as u64);
    }

    /// Lets go of a message.
    pub(super) fn end(&self, key: MessageKey) {
        self.end_all([key].into_iter());
    }

    /// Lets go of messages.
    pub(super) fn end_all(&self, keys: impl Iterator<Item = MessageKey>) {
        let mut held = self.held.lock();
        let ended = keys.filter(|key| held.remove(key).is_some()).count();
        self.counters.in_hand.take_away(ended as u64);
    }

    pub(super) fn has(&self, key: MessageKey) -> bool {
        self.held.lock().contains_key(&key)
    }

    pub(super) fn len(&self) -> usize {
        self.held.lock().len()
    }

    pub(super) fn is_lost(&self, key: MessageKey) -> bool {
        self.view().is_lost(key)
    }

    /// For looking at many; not to be held over an `await`, nor while asking for something else.
    pub(super) fn view(&self) -> View<'_> {
        View(self.held.lock())
    }

    /// How long ago its lease began, at least.
    pub(super) fn idle(&self, key: MessageKey) -> Duration {
        self.held.lock().get(&key).map_or(Duration::ZERO, |held| held.known.elapsed())
    }

    /// Those of a stream whose lease may have begun `age` ago, and how old the youngest of these
    /// leases is at least.
    pub(super) fn older(&self, stream: usize, age: Duration) -> (Vec<EntryId>, Duration) {
        let mut youngest = Duration::MAX;
        let held = self.held.lock();
        let all = held.range((stream, EntryId::ZERO)..(stream + 1, EntryId::ZERO));
        let is_meant = |held: &Held| !held.is_lost && held.since.elapsed() >= age;
        let older = all.filter(|(_, held)| is_meant(held)).map(|(key, held)| {
            youngest = youngest.min(held.known.elapsed());
            key.1
        });
        (older.collect(), youngest)
    }

    /// Of these the server was asked at `asked` for a longer lease, and granted some.
    pub(super) fn extended(
        &self,
        stream: usize,
        asked_for: &[EntryId],
        granted: &[EntryId],
        asked: Instant,
    ) -> usize {
        let (mut lost, known) = (0, Instant::now());
        let granted: HashSet<&EntryId> = granted.iter().collect();
        let mut all = self.held.lock();
        for id in asked_for {
            let Some(held) = all.get_mut(&(stream, *id)) else { continue };
            if granted.contains(id) {
                if held.since < asked {
                    (held.since, held.known) = (asked, known);
                }
            } else if held.since < asked {
                held.is_lost = true;
                lost += 1;
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> EntryId {
        EntryId { ms, seq: 0 }
    }

    #[test]
    fn what_the_server_does_not_confirm_is_lost_unless_it_came_or_went_meanwhile() {
        let counters = Arc::new(Counters::new(&[], "g"));
        let in_hand = InHand::new(Arc::clone(&counters));
        let begun = Instant::now();
        let take = |mut keys: Vec<MessageKey>| {
            in_hand.take(&mut keys, |key| Some(*key), begun, begun);
            keys
        };
        let four: Vec<_> = (1..=4).map(|ms| (0, id(ms))).collect();
        assert_eq!(take(four.clone()), four);
        assert_eq!(take(vec![(0, id(1)), (1, id(1))]), [(1, id(1))], "the other is there");
        let (asked_for, youngest) = in_hand.older(0, Duration::ZERO);
        assert_eq!(asked_for, [1, 2, 3, 4].map(id));
        assert!(youngest <= begun.elapsed());
        let asked = Instant::now() + Duration::from_millis(1);
        in_hand.end((0, id(3)));
        in_hand.renew((0, id(4)), asked + Duration::from_millis(1));
        assert_eq!(in_hand.extended(0, &asked_for, &[id(1)], asked), 1);
        assert!(!in_hand.is_lost((0, id(1))) && in_hand.is_lost((0, id(2))));
        assert!(in_hand.is_lost((0, id(3))), "gone");
        assert!(!in_hand.is_lost((0, id(4))) && !in_hand.is_lost((1, id(1))));
        assert_eq!(in_hand.older(0, Duration::from_secs(1)).0, []);
        assert_eq!(counters.in_hand.count(), 4);
    }

    #[test]
    fn what_is_given_back_and_comes_again_at_once_is_in_hand() {
        let counters = Arc::new(Counters::new(&[], "g"));
        let in_hand = InHand::new(Arc::clone(&counters));
        let both = || [(0, id(1)), (0, id(2))].into_iter();
        let take = |mut keys: Vec<MessageKey>| {
            in_hand.take(&mut keys, |key| Some(*key), Instant::now(), Instant::now());
            keys
        };
        assert_eq!(take(both().collect()).len(), 2);
        in_hand.note_leaving(both());
        assert!(in_hand.has((0, id(1))) && !in_hand.is_lost((0, id(1))));
        assert_eq!(take(vec![(0, id(1))]), [(0, id(1))], "it is to be worked on");
        assert_eq!(take(vec![(0, id(1))]), [], "it is being worked on");
        in_hand.end_leaving(both());
        assert!(in_hand.has((0, id(1))) && !in_hand.has((0, id(2))));
        assert_eq!(counters.in_hand.count(), 1);
    }
}
