//! Parked reads: who waits for which key, in which order, until when.
//!
//! A waiter has a ticket; tickets grow, so the smallest is the longest waiting. Reads for groups
//! queue per (key, group), plain reads per key. Must not know how a waiter is served: that is
//! `serve.rs`.
//!
//! A reader that claims has a time of its own, when something is idle for long enough. Those that
//! wait for what a managed group hands out again share the group's: it is worked out once, and the
//! first of them speaks for the others.
//!
//! Invariants (see [`Waiters::check`]): a waiter stands in the queue of each of its keys, and the
//! queues hold no other ticket; the same for deadlines, claim times and times of groups.
//!
//! Tests: `tests/it/parked.rs`; random operations call `check` after each step.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use foldhash::fast::FixedState;
use millstream_log::LogPosition;
use millstream_model::Rejection;

use crate::read::{ReadOutcome, ReadRequest};
use crate::state::DATABASE_COUNT;

/// Names a parked read. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// How a parked read ended.
#[derive(Clone, Debug)]
pub enum WaitResult {
    /// There is something.
    Read(ReadOutcome),
    /// What it waited for went away.
    Rejected(Rejection),
    /// Its deadline passed.
    TimedOut,
}

/// Where the result of a parked read goes. Called with the engine held: store, wake, return.
/// Dropped so, too; without a result where the read was taken back or a panic left the engine
/// unusable.
pub trait ReadSink: Send {
    /// Whether nobody is there any more to take a result. Such a waiter is passed over.
    fn is_closed(&self) -> bool;
    /// Takes the result, and the position that must be released before it is shown. Called once.
    fn complete(&mut self, result: WaitResult, depends_on: LogPosition);
    /// Ends the wait if whoever waits may not have the result any more, and says whether it did;
    /// then it is not called again. Asked by [`crate::Transaction::end_forbidden_waits`].
    fn ends_if_forbidden(&mut self, _request: &ReadRequest) -> bool {
        false
    }
}

pub(crate) struct Waiter {
    pub(crate) request: ReadRequest,
    pub(crate) sink: Box<dyn ReadSink>,
    /// Monotonic milliseconds.
    pub(crate) deadline_ms: Option<u64>,
    /// Of one that claims: when a pending entry becomes old enough, as known when it was parked.
    /// Steady milliseconds.
    pub(crate) claim_at_ms: Option<u64>,
}

impl Waiter {
    /// Whether it waits for what a managed group hands out again, and for no other reason than the
    /// group's.
    pub(crate) fn follows_group(&self) -> bool {
        let reader = self.request.group.as_ref();
        reader.is_some_and(|reader| !reader.noack && reader.claim_min_idle_ms.is_none())
    }
}

/// What happened to a key that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// There may be new entries, or another stream than before.
    Ready(u8, Bytes),
    /// The key, its type or one of its groups may be gone.
    Gone(u8, Bytes),
    /// Entries became claimable at once.
    Released(u8, Bytes),
    /// Entries of a managed group become available at other times than before, or at once.
    Rescheduled(u8, Bytes),
    /// Any key of the database may be another one now.
    Database(u8),
}

#[derive(Debug, Default)]
pub(crate) struct KeyQueues {
    pub(crate) readers: BTreeSet<Ticket>,
    pub(crate) groups: BTreeMap<Bytes, GroupQueue>,
}

/// Those that wait for a group.
#[derive(Debug, Default)]
pub(crate) struct GroupQueue {
    pub(crate) tickets: BTreeSet<Ticket>,
    /// When the group may have something for those that do not claim, besides new entries. Steady
    /// milliseconds.
    at_ms: Option<u64>,
}

impl KeyQueues {
    /// All that wait for a group, longest waiting first.
    pub(crate) fn group_tickets(&self) -> Vec<Ticket> {
        let mut tickets: Vec<_> = self.groups.values().flat_map(|queue| &queue.tickets).collect();
        tickets.sort_unstable();
        tickets.into_iter().copied().collect()
    }
}

/// A group that somebody waits for: database, key, name.
pub(crate) type WaitedGroup = (u8, Bytes, Bytes);

pub(crate) struct Waiters {
    next_ticket: u64,
    waiters: BTreeMap<Ticket, Waiter>,
    /// By database.
    keys: Vec<HashMap<Bytes, KeyQueues, FixedState>>,
    deadlines: BTreeSet<(u64, Ticket)>,
    claims: BTreeSet<(u64, Ticket)>,
    /// By the times of the queues.
    groups: BTreeSet<(u64, WaitedGroup)>,
}

impl Waiters {
    pub(crate) fn new(hash_seed: u64) -> Self {
        let map = || HashMap::with_hasher(FixedState::with_seed(hash_seed));
        Self {
            next_ticket: 0,
            waiters: BTreeMap::new(),
            keys: (0..DATABASE_COUNT).map(|_| map()).collect(),
            deadlines: BTreeSet::new(),
            claims: BTreeSet::new(),
            groups: BTreeSet::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiters.len()
    }

    pub(crate) fn key_count(&self) -> usize {
        self.keys.iter().map(HashMap::len).sum()
    }

    /// Keys that reads for groups wait for.
    pub(crate) fn group_key_count(&self) -> usize {
        let queues = self.keys.iter().flat_map(HashMap::values);
        queues.filter(|queues| !queues.groups.is_empty()).count()
    }

    pub(crate) fn is_waited(&self, db: u8, key: &[u8]) -> bool {
        !self.waiters.is_empty() && self.keys[usize::from(db)].contains_key(key)
    }

    pub(crate) fn add(&mut self, waiter: Waiter) -> Ticket {
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        let request = &waiter.request;
        for stream in &request.streams {
            let keys = &mut self.keys[usize::from(request.db)];
            let queues = keys.entry(stream.key.clone()).or_default();
            match &request.group {
                Some(group) => {
                    let queue = queues.groups.entry(group.group.clone()).or_default();
                    queue.tickets.insert(ticket);
                }
                None => {
                    queues.readers.insert(ticket);
                }
            }
        }
        if let Some(at) = waiter.deadline_ms {
            self.deadlines.insert((at, ticket));
        }
        if let Some(at) = waiter.claim_at_ms {
            self.claims.insert((at, ticket));
        }
        self.waiters.insert(ticket, waiter);
        ticket
    }

    pub(crate) fn remove(&mut self, ticket: Ticket) -> Option<Waiter> {
        let waiter = self.waiters.remove(&ticket)?;
        let request = &waiter.request;
        for stream in &request.streams {
            let keys = &mut self.keys[usize::from(request.db)];
            // A key listed twice is unlinked the first time.
            let Some(queues) = keys.get_mut(&stream.key) else { continue };
            match &request.group {
                Some(group) => {
                    if let Some(queue) = queues.groups.get_mut(&group.group) {
                        queue.tickets.remove(&ticket);
                        if queue.tickets.is_empty() {
                            if let Some(at_ms) = queue.at_ms {
                                let name = (request.db, stream.key.clone(), group.group.clone());
                                self.groups.remove(&(at_ms, name));
                            }
                            queues.groups.remove(&group.group);
                        }
                    }
                }
                None => {
                    queues.readers.remove(&ticket);
                }
            }
            if queues.readers.is_empty() && queues.groups.is_empty() {
                keys.remove(&stream.key);
            }
        }
        if let Some(at) = waiter.deadline_ms {
            self.deadlines.remove(&(at, ticket));
        }
        if let Some(at) = waiter.claim_at_ms {
            self.claims.remove(&(at, ticket));
        }
        Some(waiter)
    }

    /// Forgets all of them without a result; the queues may be anything afterwards.
    pub(crate) fn abandon(&mut self) {
        self.waiters.clear();
    }

    pub(crate) fn get(&self, ticket: Ticket) -> Option<&Waiter> {
        self.waiters.get(&ticket)
    }

    pub(crate) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Waiter> {
        self.waiters.get_mut(&ticket)
    }

    pub(crate) fn set_claim_at(&mut self, ticket: Ticket, at_ms: Option<u64>) {
        let Some(waiter) = self.waiters.get_mut(&ticket) else { return };
        if let Some(before) = std::mem::replace(&mut waiter.claim_at_ms, at_ms) {
            self.claims.remove(&(before, ticket));
        }
        if let Some(at) = at_ms {
            self.claims.insert((at, ticket));
        }
    }

    /// When a waited group may have something; `None`: nobody knows of a time.
    pub(crate) fn group_at(&self, (db, key, group): &WaitedGroup) -> Option<u64> {
        self.queues(*db, key)?.groups.get(group)?.at_ms
    }

    /// Notes it, where somebody waits for the group.
    pub(crate) fn set_group_at(&mut self, waited: &WaitedGroup, at_ms: Option<u64>) {
        let (db, key, group) = waited;
        let queues = self.keys[usize::from(*db)].get_mut(key);
        let Some(queue) = queues.and_then(|queues| queues.groups.get_mut(group)) else { return };
        let before = std::mem::replace(&mut queue.at_ms, at_ms);
        if before == at_ms {
            return;
        }
        if let Some(before) = before {
            self.groups.remove(&(before, waited.clone()));
        }
        if let Some(at_ms) = at_ms {
            self.groups.insert((at_ms, waited.clone()));
        }
    }

    /// Groups whose time has passed, at most so many.
    pub(crate) fn groups_due(&self, steady_ms: u64, count: usize) -> Vec<WaitedGroup> {
        let due = self.groups.iter().take_while(|(at_ms, _)| *at_ms <= steady_ms);
        due.take(count).map(|(_, group)| group.clone()).collect()
    }

    /// The first behind `after` of those that wait for a group and follow it.
    pub(crate) fn next_following(
        &self,
        (db, key, group): &WaitedGroup,
        after: Ticket,
    ) -> Option<Ticket> {
        let queue = self.queues(*db, key)?.groups.get(group)?;
        let mut behind = queue.tickets.range(Ticket(after.0 + 1)..);
        behind.find(|ticket| self.waiters[ticket].follows_group()).copied()
    }

    pub(crate) fn queues(&self, db: u8, key: &[u8]) -> Option<&KeyQueues> {
        self.keys[usize::from(db)].get(key)
    }

    /// Names of the consumers that wait for a group.
    pub(crate) fn consumers_waiting(&self, db: u8, key: &[u8], group: &[u8]) -> HashSet<&[u8]> {
        let queue = self.queues(db, key).and_then(|queues| queues.groups.get(group));
        let waiting = queue.into_iter().flat_map(|queue| &queue.tickets);
        let waiting = waiting.map(|ticket| &self.waiters[ticket].request);
        waiting.filter_map(|request| Some(&request.group.as_ref()?.consumer[..])).collect()
    }

    /// All tickets, longest waiting first.
    pub(crate) fn tickets(&self) -> Vec<Ticket> {
        self.waiters.keys().copied().collect()
    }

    pub(crate) fn waited_keys(&self, db: u8) -> Vec<Bytes> {
        let mut keys: Vec<_> = self.keys[usize::from(db)].keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    pub(crate) fn next_claim(&self) -> Option<u64> {
        let group = self.groups.first().map(|(at, _)| *at);
        self.claims.first().map(|&(at, _)| at).into_iter().chain(group).min()
    }

    /// The waiter whose deadline is the earliest, if that has come.
    pub(crate) fn timed_out(&self, monotonic_ms: u64) -> Option<Ticket> {
        self.deadlines.first().filter(|(at, _)| *at <= monotonic_ms).map(|&(_, ticket)| ticket)
    }

    /// Waiters whose claim time has passed, longest waiting first.
    pub(crate) fn claims_due(&self, steady_ms: u64) -> Vec<Ticket> {
        let due = self.claims.range(..=(steady_ms, Ticket(u64::MAX)));
        let mut tickets: Vec<_> = due.map(|&(_, ticket)| ticket).collect();
        tickets.sort_unstable();
        tickets
    }

    pub(crate) fn check(&self) {
        let mut queued = BTreeSet::new();
        let keys = (0..).zip(&self.keys).flat_map(|(db, keys)| keys.iter().map(move |k| (db, k)));
        for (db, (key, queues)) in keys {
            assert!(!queues.readers.is_empty() || !queues.groups.is_empty());
            let groups = queues.groups.values().flat_map(|queue| &queue.tickets);
            for ticket in queues.readers.iter().chain(groups) {
                let request = &self.waiters[ticket].request;
                assert_eq!(request.db, db);
                assert!(request.streams.iter().any(|stream| stream.key == *key));
                queued.insert(*ticket);
            }
        }
        assert!(queued.iter().eq(self.waiters.keys()));
        let deadlines = self.waiters.iter().filter_map(|(t, w)| Some((w.deadline_ms?, *t)));
        assert_eq!(deadlines.collect::<BTreeSet<_>>(), self.deadlines);
        let claims = self.waiters.iter().filter_map(|(t, w)| Some((w.claim_at_ms?, *t)));
        assert_eq!(claims.collect::<BTreeSet<_>>(), self.claims);
        let mut times = BTreeSet::new();
        for (db, keys) in (0..).zip(&self.keys) {
            for (key, queues) in keys {
                let groups = queues.groups.iter();
                let times_of_key = groups.filter_map(|(name, queue)| {
                    assert!(!queue.tickets.is_empty());
                    Some((queue.at_ms?, (db, key.clone(), name.clone())))
                });
                times.extend(times_of_key);
            }
        }
        assert_eq!(times, self.groups, "times of groups");
    }
}
