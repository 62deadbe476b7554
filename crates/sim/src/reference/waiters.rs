//! Reads that wait, first come first served in each group.
//!
//! A change signals a key; when its record group ends, those that wait for the key are tried again:
//! after an addition each group's readers while there is something for them, after a removal all of
//! them (they may be refused), after a nack those that claim. Each that is served is a record group
//! of its own. A reader that claims has a time of its own; those of a managed group that do not
//! share the group's.

use std::collections::BTreeSet;

use millstream_resp::Value;

use super::{Moment, Reference, State};
use crate::command::{Read, Text};
use crate::id::Id;
use crate::trace::shown;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Signal {
    Ready(u8, Text),
    Gone(u8, Text),
    Released(u8, Text),
    Rescheduled(u8, Text),
    Database(u8),
}

/// One read that waits.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) client: usize,
    pub(crate) db: u8,
    pub(crate) read: Read,
    pub(crate) deadline_ms: Option<u64>,
    /// Of one that claims: when something pending becomes old enough for it.
    pub(crate) claim_at_ms: Option<u64>,
    /// Nobody is there any more.
    pub(crate) is_closed: bool,
}

/// A group that somebody waits for: database, key, name.
pub(super) type WaitedGroup = (u8, Text, Text);

/// What became of a read that was tried again.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) client: usize,
    /// Nothing: it waits on.
    pub(crate) reply: Option<Value>,
    pub(crate) touched: Vec<(u8, Text)>,
    pub(crate) state: State,
}

impl Waiter {
    fn waits_for(&self, db: u8, key: &[u8]) -> bool {
        self.db == db && self.read.streams.iter().any(|(waited, _)| waited == key)
    }

    fn group(&self) -> Option<&Text> {
        self.read.group.as_ref().map(|reader| &reader.group)
    }

    fn claims(&self) -> bool {
        self.read.group.as_ref().is_some_and(|reader| reader.claim_min_idle_ms.is_some())
    }

    /// Whether it waits for what a managed group hands out again, as the group says.
    fn follows_group(&self) -> bool {
        let reader = self.read.group.as_ref();
        reader.is_some_and(|reader| !reader.noack && reader.claim_min_idle_ms.is_none())
    }

    fn is_of(&self, (db, key, group): &WaitedGroup) -> bool {
        self.waits_for(*db, key) && self.group() == Some(group)
    }

    fn followed_groups(&self) -> Vec<WaitedGroup> {
        let Some(group) = self.group().filter(|_| self.follows_group()) else { return Vec::new() };
        let keys = self.read.streams.iter();
        keys.map(|(key, _)| (self.db, key.clone(), group.clone())).collect()
    }
}

impl Reference {
    pub(super) fn signal(&mut self, signal: Signal) {
        let is_waited = match &signal {
            Signal::Ready(db, key)
            | Signal::Gone(db, key)
            | Signal::Released(db, key)
            | Signal::Rescheduled(db, key) => {
                self.waiters.iter().any(|waiter| waiter.waits_for(*db, key))
            }
            Signal::Database(_) => !self.waiters.is_empty(),
        };
        if is_waited && !self.signals.contains(&signal) {
            self.signals.push(signal);
        }
    }

    /// Parks a read of a client, which has no other.
    pub(crate) fn park(&mut self, client: usize, db: u8, read: Read, deadline_ms: Option<u64>) {
        let mut waiter =
            Waiter { client, db, read, deadline_ms, claim_at_ms: None, is_closed: false };
        waiter.claim_at_ms = self.claim_at(db, &waiter.read);
        let followed = waiter.followed_groups();
        self.waiters.push(waiter);
        for group in followed {
            if !self.group_times.contains_key(&group) {
                self.set_group_time(&group);
            }
        }
    }

    fn set_group_time(&mut self, group: &WaitedGroup) {
        let at_ms = self.group_time(group);
        self.group_times.remove(group);
        if self.waiters.iter().any(|waiter| waiter.is_of(group)) {
            self.group_times.extend(at_ms.map(|at_ms| (group.clone(), at_ms)));
        }
    }

    /// Somebody found nothing: a group may be another one by now, or have a place free.
    fn follow_again(&mut self, client: usize) {
        let Some(waiter) = self.waiter_mut(client) else { return };
        for group in waiter.followed_groups() {
            let found = self.state.stream(group.0, &group.1).and_then(|s| s.groups.get(&group.2));
            let is_limited = found.is_some_and(|found| found.policy.in_flight_max > 0);
            if is_limited || !self.group_times.contains_key(&group) {
                self.set_group_time(&group);
            }
        }
    }

    pub(crate) fn waiter_mut(&mut self, client: usize) -> Option<&mut Waiter> {
        self.waiters.iter_mut().find(|waiter| waiter.client == client)
    }

    pub(crate) fn unpark(&mut self, client: usize) {
        self.waiters.retain(|waiter| waiter.client != client);
        let waiters = &self.waiters;
        self.group_times.retain(|group, _| waiters.iter().any(|waiter| waiter.is_of(group)));
    }

    /// Tries those that the record group made ready; in the order of the attempts.
    pub(crate) fn serve(&mut self) -> Vec<Attempt> {
        let mut attempts = Vec::new();
        // Whoever is served may free places for others.
        while !self.signals.is_empty() {
            for signal in std::mem::take(&mut self.signals) {
                self.serve_signal(signal, &mut attempts);
            }
        }
        attempts
    }

    fn serve_signal(&mut self, signal: Signal, attempts: &mut Vec<Attempt>) {
        match signal {
            Signal::Ready(db, key) => {
                self.serve_readers(db, &key, attempts);
                self.serve_groups(db, &key, attempts);
            }
            Signal::Gone(db, key) => self.retry(db, &key, attempts),
            Signal::Released(db, key) => self.serve_claimers(db, &key, false, attempts),
            Signal::Rescheduled(db, key) => self.serve_claimers(db, &key, true, attempts),
            Signal::Database(db) => {
                let waited: BTreeSet<Text> = self
                    .waiters
                    .iter()
                    .filter(|waiter| waiter.db == db)
                    .flat_map(|waiter| waiter.read.streams.iter().map(|(key, _)| key.clone()))
                    .collect();
                for key in waited {
                    self.serve_readers(db, &key, attempts);
                    self.retry(db, &key, attempts);
                }
            }
        }
    }

    fn clients(&self, is_wanted: impl Fn(&Waiter) -> bool) -> Vec<usize> {
        let wanted = self.waiters.iter().filter(|waiter| is_wanted(waiter));
        wanted.map(|waiter| waiter.client).collect()
    }

    fn serve_readers(&mut self, db: u8, key: &Text, attempts: &mut Vec<Attempt>) {
        if !matches!(self.stream(db, key), Ok(Some(_))) {
            return;
        }
        for client in self.clients(|w| w.waits_for(db, key) && w.group().is_none()) {
            self.attempt(client, attempts);
        }
    }

    fn serve_groups(&mut self, db: u8, key: &Text, attempts: &mut Vec<Attempt>) {
        let waiting = self.waiters.iter().filter(|waiter| waiter.waits_for(db, key));
        let groups: BTreeSet<Text> = waiting.filter_map(Waiter::group).cloned().collect();
        for group in groups {
            for client in self.clients(|w| w.waits_for(db, key) && w.group() == Some(&group)) {
                let is_closed = self.waiter_mut(client).is_none_or(|waiter| waiter.is_closed);
                self.attempt(client, attempts);
                if !is_closed && self.waiter_mut(client).is_some() {
                    self.follow_again(client);
                    break;
                }
            }
        }
    }

    fn retry(&mut self, db: u8, key: &Text, attempts: &mut Vec<Attempt>) {
        let groups = self.waited_groups(db, key);
        for client in self.clients(|w| w.waits_for(db, key) && w.group().is_some()) {
            self.attempt(client, attempts);
            self.set_claim_time(client);
        }
        groups.iter().for_each(|group| self.set_group_time(group));
    }

    fn waited_groups(&self, db: u8, key: &Text) -> BTreeSet<WaitedGroup> {
        let waiting = self.waiters.iter().filter(|waiter| waiter.waits_for(db, key));
        let groups = waiting.filter_map(Waiter::group);
        groups.map(|group| (db, key.clone(), group.clone())).collect()
    }

    /// Those that take over what is pending: by CLAIM, or since the group is managed. Of a managed
    /// group's that do not claim, one that finds nothing speaks for those behind it.
    fn serve_claimers(
        &mut self,
        db: u8,
        key: &Text,
        is_rescheduled: bool,
        attempts: &mut Vec<Attempt>,
    ) {
        let groups = self.state.stream(db, key).map(|stream| &stream.groups);
        let managed = groups.into_iter().flatten().filter(|(_, group)| group.policy.is_managed());
        let mut managed: BTreeSet<Text> = managed.map(|(name, _)| name.clone()).collect();
        let waited = self.waited_groups(db, key);
        for client in self.clients(|w| w.waits_for(db, key) && w.group().is_some()) {
            let Some(waiter) = self.waiter_mut(client).cloned() else { continue };
            let group = waiter.group().expect("it is for a group");
            if !waiter.claims() && !managed.contains(group) {
                continue;
            }
            self.attempt(client, attempts);
            let waits_on = !waiter.is_closed && self.waiter_mut(client).is_some();
            if waits_on && waiter.follows_group() {
                managed.remove(group);
            }
            if is_rescheduled {
                self.set_claim_time(client);
            }
        }
        if is_rescheduled {
            waited.iter().for_each(|group| self.set_group_time(group));
        }
    }

    fn set_claim_time(&mut self, client: usize) {
        if let Some(waiter) = self.waiter_mut(client).cloned() {
            let claim_at_ms = self.claim_at(waiter.db, &waiter.read);
            self.waiter_mut(client).expect("it waits").claim_at_ms = claim_at_ms;
        }
    }

    fn attempt(&mut self, client: usize, attempts: &mut Vec<Attempt>) {
        let Some(waiter) = self.waiter_mut(client) else { return };
        if waiter.is_closed {
            return;
        }
        let (mut read, db) = (waiter.read.clone(), waiter.db);
        self.touched.clear();
        let reply = match self.read(&mut read, db) {
            Ok(found) => found,
            Err(error) => Some(error),
        };
        if reply.is_some() {
            self.unpark(client);
        }
        let touched = std::mem::take(&mut self.touched);
        attempts.push(Attempt { client, reply, touched, state: self.state.clone() });
    }

    /// Consumers of a group whose reads wait.
    pub(super) fn consumers_waiting<'w>(
        &'w self,
        db: u8,
        key: &'w [u8],
        group: &'w [u8],
    ) -> impl Iterator<Item = &'w Text> {
        let waiting = self.waiters.iter().filter(move |waiter| waiter.waits_for(db, key));
        let readers = waiting.filter_map(|waiter| waiter.read.group.as_ref());
        readers.filter(move |reader| reader.group == group).map(|reader| &reader.consumer)
    }

    fn is_managed_throughout(&self, waiter: &Waiter) -> bool {
        let group = waiter.group().map_or(&[][..], Vec::as_slice);
        waiter.read.streams.iter().all(|(key, _)| {
            self.state.stream(waiter.db, key).is_some_and(|stream| stream.is_managed(group))
        })
    }

    /// Nobody waits for what is there.
    ///
    /// # Errors
    /// Who does.
    pub(super) fn check_waiters(&mut self) -> Result<(), String> {
        for waiter in self.waiters.clone().into_iter().filter(|waiter| !waiter.is_closed) {
            // A key whose time has come is there again when the clock is set back: nobody is told.
            let database = self.state.database(waiter.db);
            let mut slots = waiter.read.streams.iter().filter_map(|(key, _)| database.get(key));
            if slots.any(|slot| slot.expires_at_ms.is_some()) {
                continue;
            }
            // A claim in a group that is not managed is not told of another's XCLAIM with IDLE.
            if waiter.claims() && !self.is_managed_throughout(&waiter) {
                continue;
            }
            let (state, touched) = (self.state.clone(), self.touched.clone());
            for (db, key, group) in self.set_back.clone() {
                // As in Redis: what a group was set back to is not looked for.
                if self.state.stream(db, &key).is_some_and(|s| s.groups.contains_key(&group)) {
                    self.group_mut(db, &key, &group).position = Id::MAX;
                }
            }
            let found = self.read(&mut waiter.read.clone(), waiter.db);
            (self.state, self.touched) = (state, touched);
            self.signals.clear();
            // Plain readers wait on when a string stands there.
            let is_plain = waiter.read.group.is_none();
            if found != Ok(None) && !(is_plain && found.is_err()) {
                let found =
                    found.map(|value| value.as_ref().map(shown)).map_err(|error| shown(&error));
                return Err(format!("client {} waits, for {found:?}", waiter.client));
            }
        }
        Ok(())
    }

    /// The read whose deadline is the first to have passed gets nothing; returns whose it was.
    pub(crate) fn time_out(&mut self, now: Moment) -> Option<usize> {
        let deadlines = self
            .waiters
            .iter()
            .enumerate()
            .filter_map(|(place, waiter)| Some((waiter.deadline_ms?, place, waiter.client)));
        let (deadline_ms, _, client) = deadlines.min()?;
        if deadline_ms > now.monotonic_ms {
            return None;
        }
        self.unpark(client);
        Some(client)
    }

    /// Whether [`Self::claim_due`] would look for one.
    pub(crate) fn is_claim_due(&self) -> bool {
        let at_ms = self.waiters.iter().filter_map(|waiter| waiter.claim_at_ms);
        let at_ms = at_ms.chain(self.group_times.values().copied()).min();
        at_ms.is_some_and(|at_ms| at_ms <= self.now.steady_ms)
    }

    /// Tries the longest waiting read for which something pending should be old enough by now.
    pub(crate) fn claim_due(&mut self, now: Moment) -> Vec<Attempt> {
        self.begin(now);
        let mut attempts = Vec::new();
        let is_due = |at_ms: u64| at_ms <= now.steady_ms;
        let follower = self.due_follower(now);
        let claimer = self.waiters.iter().position(|w| w.claim_at_ms.is_some_and(is_due));
        match (claimer, follower) {
            (Some(claimer), follower) if follower.as_ref().is_none_or(|(it, _)| claimer < *it) => {
                let client = self.waiters[claimer].client;
                self.attempt(client, &mut attempts);
                self.set_claim_time(client);
            }
            (_, Some((place, group))) => {
                let client = self.waiters[place].client;
                self.attempt(client, &mut attempts);
                if self.waiter_mut(client).is_some() {
                    self.set_group_time(&group);
                }
            }
            (_, None) => {}
        }
        attempts.extend(self.serve());
        attempts
    }

    /// The longest waiting read of a group whose time has come. A time that concerns nobody goes.
    fn due_follower(&mut self, now: Moment) -> Option<(usize, WaitedGroup)> {
        let due = self.group_times.iter().filter(|(_, at_ms)| **at_ms <= now.steady_ms);
        let mut due: Vec<_> = due.map(|(group, at_ms)| (*at_ms, group.clone())).collect();
        due.sort();
        let mut first: Option<(usize, WaitedGroup)> = None;
        for (_, group) in due {
            let follows = |waiter: &Waiter| {
                waiter.follows_group() && !waiter.is_closed && waiter.is_of(&group)
            };
            match self.waiters.iter().position(follows) {
                None => _ = self.group_times.remove(&group),
                Some(place) if first.as_ref().is_none_or(|(before, _)| place < *before) => {
                    first = Some((place, group));
                }
                Some(_) => {}
            }
        }
        first
    }
}

/// What time does to keys.
impl Reference {
    /// Removes the key whose time came first; returns it.
    pub(crate) fn expire_first(&mut self) -> Option<(u8, Text)> {
        let expiring = self.state.databases().flat_map(|(db, keys)| {
            let due = keys.iter().filter(|(_, slot)| slot.is_expired(self.now.wall_ms));
            due.map(move |(key, slot)| (slot.expires_at_ms, db, key.clone()))
        });
        let (_, db, key) = expiring.min()?;
        self.state.database_mut(db).remove(&key);
        self.signal(Signal::Gone(db, key.clone()));
        Some((db, key))
    }
}
