//! XSCHEDULE: entries that are appended later, each exactly once.
//!
//! When the program has the room for it is its choice, and which of several streams comes first; a
//! look at what it did says so, and this judges whether it may.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use millstream_resp::Value;

use super::stream::Stream;
use super::{Answer, Reference, reply};
use crate::command::{Due, OnSchedule, Text};
use crate::id::Id;

const COUNT_DEFAULT: usize = 100;

/// After want of room it is tried again by then.
const RETRY_MS: u64 = 500;

/// What is due, and since when nothing stands in its way, in monotonic milliseconds.
pub(super) type Unfired = BTreeMap<(u8, Text, Id), u64>;

type Fields = Rc<Vec<(Text, Text)>>;

/// What waits, by its token: when it is due, and its number.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Schedule {
    pub(crate) waiting: BTreeMap<Id, Fields>,
    /// How many were ever added.
    pub(crate) added: u64,
    /// Times that the stream refused one that was due.
    pub(crate) failures: u64,
}

/// What the program has of all streams: the tokens that wait, and how many were refused.
pub(crate) type Scheduled = BTreeMap<(u8, Text), (BTreeSet<Id>, u64)>;

/// What a step of the program was.
#[derive(Clone, Debug)]
pub(crate) enum Firing {
    Fired(u8, Text, Id),
    Refused(u8, Text, Id),
}

fn listed(token: Id, fields: &Fields) -> Value {
    let parts = fields.iter().flat_map(|(name, value)| [reply::bulk(name), reply::bulk(value)]);
    Value::Array(vec![reply::id(token), reply::int(token.0), Value::Array(parts.collect())])
}

impl Reference {
    pub(super) fn on_schedule(&mut self, command: &OnSchedule, db: u8) -> Answer {
        match command {
            OnSchedule::Add { key, due, fields } => self.schedule(db, key, *due, fields),
            OnSchedule::List { key, cursor, count } => {
                let found = self.stream(db, key)?;
                let waiting = found.map(|stream| stream.schedule.waiting.clone());
                let waiting = waiting.unwrap_or_default().into_iter();
                let mut left = waiting.filter(|(token, _)| cursor.is_none_or(|it| *token > it));
                let count = count.unwrap_or(COUNT_DEFAULT);
                let page: Vec<(Id, Fields)> = left.by_ref().take(count).collect();
                let last = page.last().map(|(token, _)| *token).filter(|_| left.next().is_some());
                let next = last.map_or(reply::bulk(b"0"), reply::id);
                let page = page.iter().map(|(token, fields)| listed(*token, fields));
                Ok(Value::Array(vec![next, Value::Array(page.collect())]))
            }
            OnSchedule::Cancel(key, tokens) => {
                if self.stream(db, key)?.is_none() {
                    return Ok(reply::int(0));
                }
                let waiting = &mut self.stream_mut(db, key).schedule.waiting;
                let removed = tokens.iter().filter(|token| waiting.remove(token).is_some());
                let removed = removed.count() as u64;
                self.tally.cancelled += removed;
                Ok(reply::int(removed))
            }
            OnSchedule::Run(key, tokens) => self.run_scheduled(db, key, tokens),
        }
    }

    fn schedule(&mut self, db: u8, key: &Text, due: Due, fields: &[(Text, Text)]) -> Answer {
        let wall_ms = self.now.wall_ms;
        match self.stream(db, key)? {
            Some(stream) => {
                stream.retention.refuse_large(fields).map_err(reply::error)?;
            }
            None => self.create_stream(db, key),
        }
        let due_ms = match due {
            Due::Delay(ms) => wall_ms + ms,
            Due::At(ms) => ms.max(wall_ms),
        };
        let schedule = &mut self.stream_mut(db, key).schedule;
        schedule.added += 1;
        let token = Id(due_ms, schedule.added);
        schedule.waiting.insert(token, Rc::new(fields.to_vec()));
        Ok(reply::id(token))
    }

    fn run_scheduled(&mut self, db: u8, key: &Text, tokens: &[Id]) -> Answer {
        if self.stream(db, key)?.is_none() {
            return Ok(reply::int(0));
        }
        let mut fired = 0;
        for token in tokens {
            let waiting = &self.stream_mut(db, key).schedule.waiting;
            let Some(fields) = waiting.get(token).cloned() else { continue };
            match self.make_room(db, key, &fields) {
                Err(error) if fired == 0 => return Err(error),
                Err(_) => break,
                Ok(()) => self.fire(db, key, *token),
            }
            fired += 1;
        }
        self.tally.run += fired;
        Ok(reply::int(fired))
    }

    /// There is room for it.
    fn fire(&mut self, db: u8, key: &Text, token: Id) {
        let waiting = &mut self.stream_mut(db, key).schedule.waiting;
        let fields = waiting.remove(&token).expect("it waited");
        let is_taken = self.add_simply(db, key, fields.to_vec());
        assert!(is_taken, "there is room for it");
    }

    fn scheduled(&self) -> impl Iterator<Item = (u8, &Text, &Stream)> {
        let keys = self.state.databases();
        let keys = keys.flat_map(|(db, keys)| keys.keys().map(move |key| (db, key)));
        let streams = keys.filter_map(|(db, key)| Some((db, key, self.state.stream(db, key)?)));
        streams.filter(|(.., stream)| !stream.schedule.waiting.is_empty())
    }

    /// What the program did with what is due, by what it has now.
    ///
    /// # Errors
    /// It did something that it may not do.
    pub(crate) fn recognise_firing(&self, now: &Scheduled) -> Result<Option<Firing>, String> {
        let mut firings = Vec::new();
        for (db, key, stream) in self.scheduled() {
            let Some((left, failures)) = now.get(&(db, key.clone())) else { continue };
            let schedule = &stream.schedule;
            let gone = schedule.waiting.keys().filter(|token| !left.contains(token));
            let gone: Vec<Id> = gone.copied().collect();
            let is_refused = *failures != schedule.failures;
            let (first, _) = schedule.waiting.first_key_value().expect("something waits");
            let place = || format!("{db} {} {first}", key.escape_ascii());
            if (!gone.is_empty() || is_refused) && first.0 > self.now.wall_ms {
                return Err(format!("{}: fired {gone:?} before its time", place()));
            }
            match gone[..] {
                [] if is_refused => firings.push(Firing::Refused(db, key.clone(), *first)),
                [] => {}
                [token] if token == *first && !is_refused => {
                    firings.push(Firing::Fired(db, key.clone(), token));
                }
                _ => return Err(format!("{}: {gone:?} are gone", place())),
            }
        }
        match firings.len() {
            0 | 1 => Ok(firings.pop()),
            _ => Err(format!("more than one step: {firings:?}")),
        }
    }

    /// Does the same.
    ///
    /// # Errors
    /// The stream takes it, or does not, other than the program says.
    pub(crate) fn do_firing(&mut self, firing: &Firing) -> Result<(), String> {
        let (Firing::Fired(db, key, token) | Firing::Refused(db, key, token)) = firing;
        let stream = self.stream_mut(*db, key);
        let fields = Rc::clone(&stream.schedule.waiting[token]);
        let room = self.make_room(*db, key, &fields);
        match (firing, room) {
            (Firing::Fired(..), Ok(())) => {
                self.tally.fired += 1;
                self.fire(*db, key, *token);
                Ok(())
            }
            (Firing::Refused(..), Err(_)) => {
                self.tally.refused_firings += 1;
                self.stream_mut(*db, key).schedule.failures += 1;
                Ok(())
            }
            (_, room) => Err(format!("{firing:?}, and {room:?}")),
        }
    }

    /// Something stood in the way of firing: there is time again to try it.
    pub(crate) fn excuse_firing(&mut self) {
        self.unfired.clear();
    }

    /// The program says that nothing is due: what is due waits for no longer than until it is tried
    /// again.
    ///
    /// # Errors
    /// What should have been fired.
    pub(super) fn check_fired(&mut self) -> Result<(), String> {
        let now_ms = self.now.monotonic_ms;
        let mut unfired = Unfired::new();
        for (db, key, stream) in self.scheduled() {
            let expires = self.state.database(db)[key].expires_at_ms.is_some();
            let (first, _) = stream.schedule.waiting.first_key_value().expect("something waits");
            // A stream that refused, or was gone, may wait for a minute.
            let may_wait = expires || stream.schedule.failures > 0;
            if first.0 > self.now.wall_ms || may_wait {
                continue;
            }
            let place = (db, key.clone(), *first);
            let since_ms = self.unfired.get(&place).copied().unwrap_or(now_ms);
            if since_ms + RETRY_MS < now_ms {
                let key = key.escape_ascii();
                return Err(format!("{db} {key} does not fire {first}, since {since_ms}"));
            }
            unfired.insert(place, since_ms);
        }
        self.unfired = unfired;
        Ok(())
    }
}
