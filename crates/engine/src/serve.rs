//! Serving parked reads: at signals, at deadlines, when entries become old enough to be claimed.
//!
//! Reads for one group are tried in the order in which they were parked, and only until one finds
//! nothing: an entry wakes one reader, not a thousand. Each served read is a record group of its
//! own. When a managed group has something again is known once for all that wait for it, and never
//! too late: whatever makes it earlier signals.
//!
//! Invariants:
//! 1. A read is served in full or left as it was: nothing is delivered to a closed sink.
//! 2. Tickets keep their place and deadline however often they are tried in vain.
//! 3. Serving signals only that a record went whose entry is gone (a group with MAXINFLIGHT has a
//!    place free then), so it ends.
//!
//! Tests: `tests/it/parked.rs`, `tests/it/parked_claims.rs`.

use std::collections::BTreeSet;

use bytes::Bytes;
use millstream_log::LogPosition;
use millstream_model::{Group, PendingEntry};

use crate::read::{ReadFrom, ReadRequest, TakeOver, free_places};
use crate::transaction::Transaction;
use crate::waiters::{ReadSink, Signal, Ticket, WaitResult, WaitedGroup, Waiter};

/// So many entries that are handed out are as much work as trying one reader.
const ENTRIES_PER_PIECE: usize = 8;
/// Work for waiters at the end of one record group; the timer goes on with it.
const PIECES_AT_ONCE: usize = 64;
/// Groups whose time has come that are looked at in one run.
const GROUPS_PER_RUN: usize = 64;

/// What came of trying to serve a waiter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    /// With so many entries.
    Served(usize),
    /// There is nothing for it; nor for those that wait for the same group behind it.
    NothingThere,
    /// Its session is going away: those behind it may be served.
    PassedOver,
}

impl Attempt {
    /// How much work it was.
    fn pieces(self) -> usize {
        match self {
            Self::Served(entries) => 1 + entries / ENTRIES_PER_PIECE,
            Self::NothingThere => 1,
            Self::PassedOver => 0,
        }
    }
}

/// A group whose time has come, and whom to try next.
struct DueGroup {
    waited: WaitedGroup,
    next: Option<Ticket>,
}

impl Transaction<'_> {
    /// Parks a read that found nothing. The sink is called once, unless [`Self::unpark`] comes
    /// first.
    ///
    /// `deadline_ms` is in monotonic milliseconds.
    pub fn park(
        &mut self,
        request: ReadRequest,
        deadline_ms: Option<u64>,
        sink: Box<dyn ReadSink>,
    ) -> Ticket {
        let claim_at_ms = self.claim_at(&request);
        let ticket = self.core.waiters.add(Waiter { request, sink, deadline_ms, claim_at_ms });
        for waited in self.followed_groups(ticket) {
            if self.core.waiters.group_at(&waited).is_none() {
                self.set_group_time(&waited);
            }
        }
        ticket
    }

    /// The groups of which the waiter waits for what they hand out again.
    fn followed_groups(&self, ticket: Ticket) -> Vec<WaitedGroup> {
        let waiter = self.core.waiters.get(ticket).filter(|waiter| waiter.follows_group());
        let request = waiter.filter(|_| self.state().may_have_managed).map(|it| &it.request);
        let groups = request.into_iter().flat_map(|request| {
            let reader = request.group.as_ref().expect("it follows a group");
            let group_of = |key: &Bytes| (request.db, key.clone(), reader.group.clone());
            request.streams.iter().map(move |stream| group_of(&stream.key))
        });
        groups.collect()
    }

    /// Takes a parked read back. `false`: its sink has been called already.
    pub fn unpark(&mut self, ticket: Ticket) -> bool {
        self.core.waiters.remove(ticket).is_some()
    }

    /// Asks each sink whether its wait must end, since rules about who may read what were changed;
    /// see [`ReadSink::ends_if_forbidden`].
    pub fn end_forbidden_waits(&mut self) {
        for ticket in self.core.waiters.tickets() {
            let Some(waiter) = self.core.waiters.get_mut(ticket) else { continue };
            let Waiter { request, sink, .. } = waiter;
            if sink.ends_if_forbidden(request) {
                self.core.waiters.remove(ticket);
            }
        }
    }

    /// Serves waiters until nothing is ready for any of them.
    pub(crate) fn serve_all_signals(&mut self) {
        while !self.core.group.signals.is_empty() {
            self.serve_signals();
        }
    }

    fn serve_signals(&mut self) {
        for signal in std::mem::take(&mut self.core.group.signals) {
            match signal {
                Signal::Ready(db, key) => {
                    self.serve_readers(db, &key);
                    self.serve_groups(db, &key);
                }
                Signal::Gone(db, key) => self.retry_groups(db, &key),
                Signal::Released(db, key) => self.serve_claimers(db, &key, false),
                Signal::Rescheduled(db, key) => self.serve_claimers(db, &key, true),
                Signal::Database(db) => {
                    for key in self.core.waiters.waited_keys(db) {
                        self.serve_readers(db, &key);
                        self.retry_groups(db, &key);
                    }
                }
            }
        }
    }

    /// Runs every plain reader of the key again if a stream is there now: whatever else comes or
    /// goes, they wait on. One that lists another key too, of another type by now, is refused.
    fn serve_readers(&mut self, db: u8, key: &Bytes) {
        let Some(queues) = self.core.waiters.queues(db, key) else { return };
        let tickets: Vec<_> = queues.readers.iter().copied().collect();
        if !matches!(self.stream(db, key), Ok(Some(_))) {
            return;
        }
        for ticket in tickets {
            self.attempt(ticket);
        }
    }

    /// Serves each group's readers while there is something for them.
    fn serve_groups(&mut self, db: u8, key: &Bytes) {
        let Some(queues) = self.core.waiters.queues(db, key) else { return };
        for group in queues.groups.keys().cloned().collect::<Vec<_>>() {
            let mut after = Ticket(0);
            while let Some(ticket) = self.next_in_group(db, key, &group, after) {
                after = ticket;
                if self.attempt(ticket) == Attempt::NothingThere {
                    self.follow_again(ticket);
                    break;
                }
            }
        }
    }

    fn next_in_group(&self, db: u8, key: &[u8], group: &[u8], after: Ticket) -> Option<Ticket> {
        let queue = self.core.waiters.queues(db, key)?.groups.get(group)?;
        queue.tickets.range(Ticket(after.0 + 1)..).next().copied()
    }

    /// Works out the time of groups that a reader waits for where it may be another one by now: the
    /// group is another one, or has a place free for what has no owner.
    fn follow_again(&mut self, ticket: Ticket) {
        for waited in self.followed_groups(ticket) {
            let is_limited = |group: &Group| group.policy().is_some_and(|p| p.in_flight_max > 0);
            let (db, key, name) = &waited;
            let is_another = self.core.waiters.group_at(&waited).is_none()
                || self.look_at_group(*db, key, name).is_some_and(is_limited);
            if is_another {
                self.set_group_time(&waited);
            }
        }
    }

    fn look_at_group(&mut self, db: u8, key: &[u8], name: &[u8]) -> Option<&Group> {
        let object = self.look(db, key)?;
        let stream = self.state().object(object.slot).data.as_stream()?;
        Some(stream.group(stream.find_group(name)?))
    }

    /// Runs every group reader of the key again: they are served, refused, or go on waiting. What
    /// is there now has times of its own.
    fn retry_groups(&mut self, db: u8, key: &Bytes) {
        let Some(queues) = self.core.waiters.queues(db, key) else { return };
        let groups: Vec<Bytes> = queues.groups.keys().cloned().collect();
        for ticket in queues.group_tickets() {
            self.attempt(ticket);
            self.set_claim_time(ticket);
        }
        for group in groups {
            self.set_group_time(&(db, key.clone(), group));
        }
    }

    /// Runs the reads of the key again that take over pending entries, as far as that is little
    /// work. Of a managed group's that do not claim, one that finds nothing speaks for those
    /// behind.
    fn serve_claimers(&mut self, db: u8, key: &Bytes, is_rescheduled: bool) {
        let Some(queues) = self.core.waiters.queues(db, key) else { return };
        let tickets = queues.group_tickets();
        let groups: Vec<Bytes> = queues.groups.keys().cloned().collect();
        let mut is_managed = |name: &&Bytes| {
            self.look_at_group(db, key, name).is_some_and(|group| group.policy().is_some())
        };
        let mut left: BTreeSet<Bytes> =
            groups.iter().filter(|it| is_managed(it)).cloned().collect();
        let mut pieces = 0;
        for ticket in tickets {
            let Some(waiter) = self.core.waiters.get(ticket) else { continue };
            let follows_group = waiter.follows_group();
            let Some(reader) = &waiter.request.group else { continue };
            let (claims, group) = (reader.claim_min_idle_ms.is_some(), reader.group.clone());
            if !claims && !left.contains(&group) {
                continue;
            }
            let is_late = pieces >= PIECES_AT_ONCE;
            if is_late && claims {
                // As if its time had come: the timer goes on.
                self.core.waiters.set_claim_at(ticket, Some(self.steady_ms));
            }
            if is_late && (claims || follows_group) {
                continue;
            }
            let attempt = self.attempt(ticket);
            pieces += attempt.pieces();
            // One with NOACK gets nothing of what others may take over.
            if attempt == Attempt::NothingThere && follows_group {
                left.remove(&group);
            }
            if is_rescheduled {
                self.set_claim_time(ticket);
            }
        }
        for group in groups {
            let waited = (db, key.clone(), group);
            if pieces >= PIECES_AT_ONCE && left.contains(&waited.2) {
                self.core.waiters.set_group_at(&waited, Some(self.steady_ms));
            } else if is_rescheduled {
                self.set_group_time(&waited);
            }
        }
    }

    /// Notes anew when a parked read may claim.
    fn set_claim_time(&mut self, ticket: Ticket) {
        if let Some(waiter) = self.core.waiters.get(ticket) {
            let request = waiter.request.clone();
            let at_ms = self.claim_at(&request);
            self.core.waiters.set_claim_at(ticket, at_ms);
        }
    }

    /// Notes anew when a group has something for those that follow it.
    fn set_group_time(&mut self, waited: &WaitedGroup) {
        let at_ms = self.group_time(waited);
        self.core.waiters.set_group_at(waited, at_ms);
    }

    /// Gives reads whose time has come their timeout, and retries those that may take something
    /// over by now, the longest waiting first.
    pub(crate) fn run_due_waiters(&mut self, budget: usize) {
        for _ in 0..budget {
            let Some(ticket) = self.core.waiters.timed_out(self.now.monotonic_ms) else { break };
            let mut waiter = self.core.waiters.remove(ticket).expect("it has a deadline");
            waiter.sink.complete(WaitResult::TimedOut, LogPosition::ZERO);
        }
        if self.core.is_log_full {
            return;
        }
        let steady_ms = self.steady_ms;
        let mut claims = self.core.waiters.claims_due(steady_ms).into_iter().peekable();
        let groups = self.core.waiters.groups_due(steady_ms, GROUPS_PER_RUN);
        let first = |waited: &WaitedGroup| self.core.waiters.next_following(waited, Ticket(0));
        let due = |waited| DueGroup { next: first(&waited), waited };
        let mut groups: Vec<DueGroup> = groups.into_iter().map(due).collect();
        let mut pieces = 0;
        while pieces < budget {
            let group = (0..groups.len()).min_by_key(|at| groups[*at].next.map_or(0, |it| it.0));
            let next = group.map(|at| groups[at].next);
            pieces += match (claims.peek().copied(), next) {
                // Nobody is there any more whom that concerns.
                (_, Some(None)) => {
                    let gone = groups.remove(group.expect("it was found"));
                    self.core.waiters.set_group_at(&gone.waited, None);
                    0
                }
                (Some(ticket), group) if group.flatten().is_none_or(|next| ticket < next) => {
                    claims.next();
                    let attempt = self.attempt(ticket);
                    self.set_claim_time(ticket);
                    attempt.pieces().max(1)
                }
                (_, Some(Some(_))) => self.serve_due(&mut groups, group.expect("it was found")),
                (_, None) => break,
            };
        }
        // A record that went may have freed a place.
        self.serve_all_signals();
    }

    /// Tries the next one that follows a due group; returns how much work it was.
    fn serve_due(&mut self, groups: &mut Vec<DueGroup>, at: usize) -> usize {
        let DueGroup { waited, next } = &mut groups[at];
        let ticket = next.expect("there is one to try");
        let attempt = self.attempt(ticket);
        if attempt == Attempt::NothingThere {
            let done = groups.remove(at);
            self.set_group_time(&done.waited);
        } else {
            *next = self.core.waiters.next_following(waited, ticket);
        }
        attempt.pieces()
    }

    fn attempt(&mut self, ticket: Ticket) -> Attempt {
        let Some(waiter) = self.core.waiters.get_mut(ticket) else { return Attempt::PassedOver };
        if waiter.sink.is_closed() {
            return Attempt::PassedOver;
        }
        let mut request = waiter.request.clone();
        self.begin();
        // There is nobody here who could load blocks and come back.
        let may_put_off = std::mem::replace(&mut self.may_put_off, false);
        let read = self.read(&mut request);
        self.may_put_off = may_put_off;
        let depends_on = self.finish_record();
        let (result, entries) = match read {
            Ok(Some(outcome)) => {
                let entries = outcome.entry_count();
                (WaitResult::Read(outcome), entries)
            }
            Ok(None) => return Attempt::NothingThere,
            Err(rejection) => (WaitResult::Rejected(rejection), 0),
        };
        let mut waiter = self.core.waiters.remove(ticket).expect("it was there above");
        waiter.sink.complete(result, depends_on);
        Attempt::Served(entries)
    }

    /// When the first pending entry of the request's groups becomes old enough for a read that
    /// claims; after the least time that takes where nothing is pending. Steady milliseconds.
    fn claim_at(&mut self, request: &ReadRequest) -> Option<u64> {
        let reader = request.group.as_ref()?;
        let min_idle_ms = reader.claim_min_idle_ms?;
        let now_ms = self.steady_ms;
        let mut first_ms = now_ms.saturating_add(min_idle_ms);
        for position in request.streams.iter().filter(|s| s.from == ReadFrom::New) {
            let Ok(Some(stream)) = self.stream(request.db, &position.key) else { continue };
            let Some(group) = stream.find_group(&reader.group) else { continue };
            let group = stream.group(group);
            let Some(take_over) = TakeOver::of(group, reader, Some(min_idle_ms)) else { continue };
            if group.policy().is_some_and(|policy| policy.is_paused) {
                continue;
            }
            // Records of entries that are gone are never handed out, so nobody waits for them but
            // for the place that they take, and for those behind them in order. What is on disk
            // only counts as there: whoever tries will look.
            let frees_others = take_over.is_full() || group.order().is_some();
            let is_meant = |record: &PendingEntry| {
                frees_others || stream.entries().contains(record.id) != Ok(false)
            };
            let found = take_over.upcoming(group, now_ms).find(|(record, _)| is_meant(record));
            let found_ms = found.map(|(_, at_ms)| at_ms);
            // What is delivered from now on is not available before this.
            let later_ms = take_over.least_wait_ms().map(|ms| now_ms.saturating_add(ms));
            let least_ms = found_ms.into_iter().chain(later_ms).min();
            first_ms = first_ms.min(least_ms.unwrap_or(u64::MAX));
        }
        // At the earliest in a millisecond: what is old enough now was just found not to be there.
        Some(first_ms.max(now_ms.saturating_add(1)))
    }

    /// When a managed group has something to hand out again, or would have if something were
    /// delivered now. Records of entries that are gone count: at their time they go. Steady
    /// milliseconds.
    fn group_time(&mut self, (db, key, name): &WaitedGroup) -> Option<u64> {
        let now_ms = self.steady_ms;
        let object = self.look(*db, key)?;
        let stream = self.state().object(object.slot).data.as_stream()?;
        let group = stream.find_group(name)?;
        let policy = stream.group(group).policy().filter(|policy| !policy.is_paused)?;
        let visibility_ms = policy.visibility_ms;
        let has_unowned = free_places(stream.group(group)) > 0;
        let first_ms = self.core.state.next_available_ms(object, group, has_unowned, visibility_ms);
        let later_ms = (visibility_ms > 0).then(|| now_ms.saturating_add(visibility_ms));
        let least_ms = first_ms.into_iter().chain(later_ms).min()?;
        Some(least_ms.max(now_ms.saturating_add(1)))
    }
}
