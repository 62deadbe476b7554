//! Entries that are appended later: XSCHEDULE without its grammar.
//!
//! The schedule belongs to the stream object and goes where that goes. Adding creates the stream;
//! nothing here changes the version that WATCH compares, but for that. Firing is in
//! `schedule/fire.rs`: at its time by the timer, or at once by RUN. Tests: `tests/it/schedule.rs`.

mod apply;
mod fire;

pub(crate) use apply::cold_for;
pub(crate) use fire::Pause;

use std::collections::HashSet;
use std::fmt;

use millstream_model::{ColdBlock, EntryId, PinnedEntry, Rejection, Schedule, ScheduleToken};

use crate::ENTRY_BYTES_MAX;
use crate::mutation::Mutation;
use crate::object::ObjectRef;
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// A field's length in a record takes at most so many bytes.
const LENGTH_BYTES_MAX: usize = 5;
/// What else the parts of one entry take in a record.
const PARTS_BYTES_MAX: usize = 128;
/// Delayed entries listed at once, however many are asked for.
const LISTED_MAX: usize = 1000;
/// A list ends behind the entry that makes its fields so large.
const LISTED_BYTES_MAX: usize = 1 << 20;
/// Bytes on disk that one list reads.
const LOADED_BYTES_MAX: u64 = 4 << 20;
/// Whoever admits writes sets at least this much aside for each batch.
const ADMITTED_BYTES: usize = 32 << 10;

/// Some delayed entries of a stream, in the order in which they fire.
#[derive(Debug, Default)]
pub struct ScheduleListing {
    /// Each with its fields.
    pub entries: Vec<(ScheduleToken, PinnedEntry)>,
    /// Where to go on; `None` at the end.
    pub next: Option<ScheduleToken>,
}

/// Why delayed entries were not fired. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunError {
    /// The key, the stream or the first of them refuses.
    Rejected(Rejection),
    /// The log needs this much prepared space first: it was asked for, so try again soon.
    NoRoom {
        /// Bytes.
        bytes: u64,
    },
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => rejection.fmt(f),
            Self::NoRoom { bytes } => write!(f, "the log has no room for {bytes} bytes yet"),
        }
    }
}

impl std::error::Error for RunError {}

impl From<Rejection> for RunError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

impl Transaction<'_> {
    /// Adds an entry that is appended to the stream at a time, Unix milliseconds; what has passed
    /// is now. Creates the stream if it is missing. Returns the entry's token.
    ///
    /// # Errors
    /// [`Rejection::WrongType`]; where it could never be appended [`Rejection::EntryTooLarge`],
    /// [`Rejection::EntryAboveMaxBytes`], [`Rejection::AboveBound`];
    /// [`Rejection::BlocksNotLoaded`], [`Rejection::BlockUnreadable`].
    pub fn schedule(
        &mut self,
        db: u8,
        key: &[u8],
        due_ms: u64,
        fields: &[&[u8]],
    ) -> Result<ScheduleToken, Rejection> {
        let found = self.find_stream(db, key)?;
        // It has to fit with all that its firing logs, too.
        if entry_bytes(fields) + key.len() + self.record_bytes() > ENTRY_BYTES_MAX {
            return Err(Rejection::EntryTooLarge);
        }
        self.refuse_large(found, fields)?;
        let due_ms = due_ms.max(self.now.wall_ms);
        if let Some(object) = found
            && let Some(schedule) = self.state().stream(object.slot).schedule()
        {
            let payload = fields.iter().map(|field| field.len() as u64).sum();
            let cold = schedule.cold_for_add(schedule.next_sequence(), payload);
            self.need(object, cold)?;
        }
        if found.is_none() {
            self.refuse_long_name(key)?;
        }
        let object = match found {
            Some(object) => object,
            None => self.create_stream(db, key),
        };
        let token = self.state().stream(object.slot).next_token(due_ms);
        self.change(&Mutation::Schedule { object, token, fields });
        Ok(token)
    }

    /// Lists delayed entries behind one that need not be there any more; of a missing key none.
    /// Fewer than asked for, where they are large.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::BlocksNotLoaded`], [`Rejection::BlockUnreadable`].
    pub fn list_schedule(
        &mut self,
        db: u8,
        key: &[u8],
        after: Option<ScheduleToken>,
        count: usize,
    ) -> Result<ScheduleListing, Rejection> {
        let Some(object) = self.find_stream(db, key)? else {
            return Ok(ScheduleListing::default());
        };
        let Some(schedule) = self.state().stream(object.slot).schedule() else {
            return Ok(ScheduleListing::default());
        };
        let mut listed = Vec::new();
        let (mut cold, mut seen) = (Vec::new(), HashSet::new());
        let mut loaded_bytes = 0;
        for token in schedule.after(after).take(count.clamp(1, LISTED_MAX)) {
            if let Err(block) = schedule.payload(token)
                && seen.insert(block.first)
            {
                loaded_bytes += u64::from(block.place.bytes);
                if loaded_bytes > LOADED_BYTES_MAX && !cold.is_empty() {
                    break;
                }
                cold.push(block);
            }
            listed.push(token);
        }
        self.need(object, cold)?;
        let schedule = self.state().stream(object.slot).schedule().expect("it was there above");
        let mut listing = ScheduleListing::default();
        let mut bytes = 0;
        for token in listed {
            let Ok(Some(entry)) = schedule.payload(token) else { continue };
            bytes += field_bytes(&entry);
            listing.entries.push((token, entry));
            if bytes >= LISTED_BYTES_MAX {
                break;
            }
        }
        let last = listing.entries.last().map(|(token, _)| *token);
        listing.next = last.filter(|last| schedule.after(Some(*last)).next().is_some());
        Ok(listing)
    }

    /// Removes delayed entries; returns how many there were. What is unknown is passed over.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::BlocksNotLoaded`], [`Rejection::BlockUnreadable`].
    pub fn cancel_scheduled(
        &mut self,
        db: u8,
        key: &[u8],
        tokens: &[ScheduleToken],
    ) -> Result<u64, Rejection> {
        let Some(object) = self.find_stream(db, key)? else { return Ok(0) };
        let mut found = self.known_tokens(object, tokens);
        found.sort_unstable();
        self.need_payloads(object, &found)?;
        if !found.is_empty() {
            self.change(&Mutation::Unschedule { object, tokens: &found });
        }
        Ok(found.len() as u64)
    }

    /// Appends delayed entries now, in the order given; returns how many. What is unknown is passed
    /// over. Where the stream refuses one, those behind it stay; an error if that is the first.
    ///
    /// # Errors
    /// [`RunError`].
    pub fn run_scheduled(
        &mut self,
        db: u8,
        key: &[u8],
        tokens: &[ScheduleToken],
    ) -> Result<u64, RunError> {
        let Some(object) = self.find_stream(db, key)? else { return Ok(0) };
        let found = self.known_tokens(object, tokens);
        self.need_payloads(object, &found)?;
        let mut entries = Vec::with_capacity(found.len());
        let mut bytes = key.len();
        for token in found {
            let schedule = self.state().stream(object.slot).schedule().expect("it knows tokens");
            let payload = schedule.payload(token).expect("its block is in memory");
            let Some(payload) = payload else { continue };
            bytes += field_bytes(&payload) + PARTS_BYTES_MAX;
            entries.push((token, payload));
        }
        if bytes > ADMITTED_BYTES && !self.may_log(bytes as u64) {
            return Err(RunError::NoRoom { bytes: bytes as u64 });
        }
        let mut fired = 0;
        for (token, payload) in entries {
            match self.append_scheduled(object, token, &payload) {
                Ok(()) => fired += 1,
                Err(rejection) if fired == 0 => return Err(rejection.into()),
                Err(_) => break,
            }
        }
        if fired > 0 {
            self.core.state.forget_put_off_due(object);
            self.signal(db, key, Signal::Ready);
        }
        Ok(fired)
    }

    /// Those that wait, each once, in the order given.
    fn known_tokens(&self, object: ObjectRef, tokens: &[ScheduleToken]) -> Vec<ScheduleToken> {
        let Some(schedule) = self.state().stream(object.slot).schedule() else {
            return Vec::new();
        };
        let mut seen = HashSet::new();
        let known = tokens.iter().copied().filter(|token| schedule.contains(*token));
        known.filter(|token| seen.insert(*token)).collect()
    }

    /// Makes sure that the fields of delayed entries are in memory.
    fn need_payloads(
        &mut self,
        object: ObjectRef,
        tokens: &[ScheduleToken],
    ) -> Result<(), Rejection> {
        let cold = self.cold_payloads(object, tokens.iter().copied());
        self.need(object, cold)
    }

    fn cold_payloads(
        &self,
        object: ObjectRef,
        tokens: impl Iterator<Item = ScheduleToken>,
    ) -> Vec<ColdBlock> {
        let schedule = self.state().stream(object.slot).schedule();
        let payloads = schedule.map(Schedule::payloads).filter(|payloads| payloads.has_cold());
        let Some(payloads) = payloads else { return Vec::new() };
        let mut cold: Vec<_> =
            tokens.filter_map(|token| payloads.contains(token.payload_id()).err()).collect();
        cold.sort_unstable_by_key(|cold| cold.first);
        cold.dedup();
        cold
    }

    /// Appends a delayed entry, and takes it out of the schedule in the same record. Its payload is
    /// that of the token.
    fn append_scheduled(
        &mut self,
        object: ObjectRef,
        token: ScheduleToken,
        payload: &PinnedEntry,
    ) -> Result<(), Rejection> {
        let payload = payload.as_ref();
        let fields: Vec<&[u8]> = payload.pairs().flat_map(|(name, value)| [name, value]).collect();
        let last_id = self.state().stream(object.slot).last_id();
        let id = self.new_id(crate::NewId::Auto, last_id)?;
        if entry_bytes(&fields) + self.record_bytes() > ENTRY_BYTES_MAX {
            return Err(Rejection::EntryTooLarge);
        }
        // As for an XADD: what refuses leaves the entry waiting.
        let before = self.room_for_entry(object, &fields)?;
        self.refuse_full(Some(object), &fields, 0)?;
        self.need_for_append(object, id, &fields)?;
        self.drop_entries(object, before);
        self.append_now(object, token, id, &fields);
        Ok(())
    }

    fn append_now(
        &mut self,
        object: ObjectRef,
        token: ScheduleToken,
        id: EntryId,
        fields: &[&[u8]],
    ) {
        let limits = self.core.settings.block_limits;
        self.change(&Mutation::Append { object, id, fields, limits });
        self.change(&Mutation::Unschedule { object, tokens: &[token] });
    }
}

fn entry_bytes(fields: &[&[u8]]) -> usize {
    PARTS_BYTES_MAX + fields.iter().map(|field| field.len() + LENGTH_BYTES_MAX).sum::<usize>()
}

fn field_bytes(entry: &PinnedEntry) -> usize {
    let length = |field: &[u8]| field.len() + LENGTH_BYTES_MAX;
    entry.as_ref().pairs().map(|(name, value)| length(name) + length(value)).sum()
}
