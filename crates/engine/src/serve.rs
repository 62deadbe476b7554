//! Serving parked reads: at signals, at deadlines, when entries become old enough to be claimed.
//!
//! Reads for one group are tried in the order in which they were parked, and only until one finds
//! nothing: an entry wakes one reader, not a thousand. Each served read is a record group of its
//! own.
//!
//! Invariants:
//! 1. A read is served in full or left as it was: nothing is delivered to a closed sink.
//! 2. Tickets keep their place and deadline however often they are tried in vain.
//! 3. Serving signals only that a record went whose entry is gone (a group with MAXINFLIGHT has a
//!    place free then), so it ends.
//!
//! Tests: `tests/it/parked.rs`, `tests/it/parked_claims.rs`.

use bytes::Bytes;
use millstream_log::LogPosition;
use millstream_model::PendingEntry;

use crate::read::{ReadFrom, ReadRequest, TakeOver};
use crate::transaction::Transaction;
use crate::waiters::{ReadSink, Signal, Ticket, WaitResult, Waiter};

/// What came of trying to serve a waiter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attempt {
    Served,
    /// There is nothing for it; nor for those that wait for the same group behind it.
    NothingThere,
    /// Its session is going away: those behind it may be served.
    PassedOver,
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
        self.core.waiters.add(Waiter { request, sink, deadline_ms, claim_at_ms })
    }

    /// Takes a parked read back. `false`: its sink has been called already.
    pub fn unpark(&mut self, ticket: Ticket) -> bool {
        self.core.waiters.remove(ticket).is_some()
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
                    break;
                }
            }
        }
    }

    fn next_in_group(&self, db: u8, key: &[u8], group: &[u8], after: Ticket) -> Option<Ticket> {
        let queue = self.core.waiters.queues(db, key)?.groups.get(group)?;
        queue.range(Ticket(after.0 + 1)..).next().copied()
    }

    /// Runs every group reader of the key again: they are served, refused, or go on waiting.
    fn retry_groups(&mut self, db: u8, key: &Bytes) {
        let Some(queues) = self.core.waiters.queues(db, key) else { return };
        let mut tickets: Vec<_> = queues.groups.values().flatten().copied().collect();
        tickets.sort_unstable();
        for ticket in tickets {
            self.attempt(ticket);
            // What is there now has times of its own.
            self.set_claim_time(ticket);
        }
    }

    /// Runs the reads of the key again that take over pending entries. Where no more than that some
    /// became available, one of a group that finds nothing speaks for those behind it.
    fn serve_claimers(&mut self, db: u8, key: &Bytes, is_rescheduled: bool) {
        let Some(queues) = self.core.waiters.queues(db, key) else { return };
        let mut tickets: Vec<_> = queues.groups.values().flatten().copied().collect();
        tickets.sort_unstable();
        let groups: Vec<Bytes> = queues.groups.keys().cloned().collect();
        let stream = self.stream(db, key).ok().flatten();
        let is_managed = |name: &Bytes| {
            let found = stream.and_then(|stream| Some(stream.group(stream.find_group(name)?)));
            found.is_some_and(|group| group.policy().is_some())
        };
        let mut managed: Vec<Bytes> = groups.into_iter().filter(is_managed).collect();
        for ticket in tickets {
            let Some(waiter) = self.core.waiters.get(ticket) else { continue };
            let Some(reader) = &waiter.request.group else { continue };
            let (claims, group) = (reader.claim_min_idle_ms.is_some(), reader.group.clone());
            let takes_over = !reader.noack;
            if !claims && !managed.contains(&group) {
                continue;
            }
            let speaks_for_all = takes_over && !claims && !is_rescheduled;
            if self.attempt(ticket) == Attempt::NothingThere && speaks_for_all {
                managed.retain(|other| *other != group);
            }
            if is_rescheduled {
                self.set_claim_time(ticket);
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

    /// Gives reads whose time has come their timeout, and retries those that may claim by now.
    pub(crate) fn run_due_waiters(&mut self, budget: usize) {
        for _ in 0..budget {
            let Some(ticket) = self.core.waiters.timed_out(self.now.monotonic_ms) else { break };
            let mut waiter = self.core.waiters.remove(ticket).expect("it has a deadline");
            waiter.sink.complete(WaitResult::TimedOut, LogPosition::ZERO);
        }
        if self.core.is_log_full {
            return;
        }
        for ticket in self.core.waiters.claims_due(self.steady_ms).into_iter().take(budget) {
            self.attempt(ticket);
            self.set_claim_time(ticket);
            // A record that went may have freed a place.
            self.serve_all_signals();
        }
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
        let result = match read {
            Ok(Some(outcome)) => WaitResult::Read(outcome),
            Ok(None) => return Attempt::NothingThere,
            Err(rejection) => WaitResult::Rejected(rejection),
        };
        let mut waiter = self.core.waiters.remove(ticket).expect("it was there above");
        waiter.sink.complete(result, depends_on);
        Attempt::Served
    }

    /// When the first pending entry of the request's groups becomes old enough to be taken over;
    /// after the least time that takes where nothing is pending. Steady milliseconds.
    fn claim_at(&mut self, request: &ReadRequest) -> Option<u64> {
        let reader = request.group.as_ref()?;
        let now_ms = self.steady_ms;
        let mut first_ms = reader.claim_min_idle_ms.map(|ms| now_ms.saturating_add(ms));
        for position in request.streams.iter().filter(|s| s.from == ReadFrom::New) {
            let Ok(Some(stream)) = self.stream(request.db, &position.key) else { continue };
            let Some(group) = stream.find_group(&reader.group) else { continue };
            let group = stream.group(group);
            let Some(take_over) = TakeOver::of(group, reader, reader.claim_min_idle_ms) else {
                continue;
            };
            if group.policy().is_some_and(|policy| policy.is_paused) {
                continue;
            }
            // Records of entries that are gone are never handed out, so nobody waits for them but
            // for the place that they take. What is on disk only counts as there: whoever tries
            // will look.
            let is_meant = |record: &PendingEntry| {
                take_over.is_full() || stream.entries().contains(record.id) != Ok(false)
            };
            let found = take_over.upcoming(group, now_ms).find(|(record, _)| is_meant(record));
            let found_ms = found.map(|(_, at_ms)| at_ms);
            // What is delivered from now on is not available before this.
            let later_ms = take_over.least_wait_ms().map(|ms| now_ms.saturating_add(ms));
            let Some(at_ms) = found_ms.into_iter().chain(later_ms).min() else { continue };
            first_ms = Some(first_ms.map_or(at_ms, |first_ms| first_ms.min(at_ms)));
        }
        // At the earliest in a millisecond: what is old enough now was just found not to be there.
        Some(first_ms?.max(now_ms.saturating_add(1)))
    }
}
