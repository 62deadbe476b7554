//! Adding, removing and trimming entries.
//!
//! XADD, XTRIM, XDEL, XDELEX, XSETID, XCFGSET and XIDMPRECORD, without their grammar: checks in the
//! order that clients see, then exact effects. What signals is an addition, and a stream that takes
//! the place of an expired key. Tests: `tests/it/entries.rs`.

use millstream_log::format::RECORD_BYTES_MAX;
use millstream_model::{
    EntryId, IdempotenceLimits, References, Rejection, TrimBy, TrimOptions, TrimPlan,
};

use crate::mutation::Mutation;
use crate::object::ObjectRef;
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// Fields and values of one entry together, in bytes, and with them all that its record holds: key,
/// lengths, and in an EXEC the changes before it. A little below Redis' limit of 1 GiB, because a
/// record must fit one segment of the log.
pub const ENTRY_BYTES_MAX: usize = RECORD_BYTES_MAX as usize - (1 << 20);

/// A field's length in a record takes at most so many bytes.
const LENGTH_BYTES_MAX: usize = 5;

/// The id a new entry is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewId {
    /// The wall clock's millisecond, or the next id where that is not above the last one.
    Auto,
    /// The next free sequence number in that millisecond.
    InMillisecond(u64),
    /// Exactly this one.
    Exactly(EntryId),
}

/// Everything about an addition but its fields.
#[derive(Clone, Copy, Debug)]
pub struct AddRequest<'a> {
    /// The new entry's id.
    pub id: NewId,
    /// Do nothing if the key is missing.
    pub no_create: bool,
    /// Trim afterwards.
    pub trim: Option<TrimOptions>,
    /// Who produces what: a repeated production adds nothing.
    pub production: Option<Production<'a>>,
}

/// An idempotent production.
#[derive(Clone, Copy, Debug)]
pub struct Production<'a> {
    /// Producer, not empty.
    pub producer: &'a [u8],
    /// The producer's id for it, not empty.
    pub iid: &'a [u8],
}

/// What became of one entry that was to be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// There was none, or it was not pending.
    NotFound,
    /// It is gone.
    Deleted,
    /// Some group still refers to it.
    Kept,
}

/// XSETID's optional parts.
#[derive(Clone, Copy, Debug, Default)]
pub struct CounterOptions {
    /// Entries ever added.
    pub entries_added: Option<u64>,
    /// Largest deleted id; `0-0` is ignored.
    pub max_deleted_id: Option<EntryId>,
}

impl Transaction<'_> {
    /// Adds an entry; `fields` alternate between names and values. Returns its id, or that of the
    /// entry that the same production made before, or `None` if the key is missing and must not be
    /// created.
    ///
    /// # Errors
    /// [`Rejection::IdIsZero`], [`Rejection::WrongType`], [`Rejection::StreamExhausted`],
    /// [`Rejection::IdNotAboveLast`], [`Rejection::EntryTooLarge`], and where the stream's
    /// retention leaves no room [`Rejection::StreamFull`], [`Rejection::EntryAboveMaxBytes`], and
    /// [`Rejection::AboveBound`], in this order.
    pub fn add(
        &mut self,
        db: u8,
        key: &[u8],
        request: &AddRequest<'_>,
        fields: &[&[u8]],
    ) -> Result<Option<EntryId>, Rejection> {
        if request.id == NewId::Exactly(EntryId::MIN) {
            return Err(Rejection::IdIsZero);
        }
        let found = self.find_stream(db, key)?;
        if found.is_none() && request.no_create {
            return Ok(None);
        }
        if let (Some(object), Some(production)) = (found, &request.production)
            && let Some(id) = self.repeated(object, production)
        {
            return Ok(Some(id));
        }
        let last_id = found.map_or(EntryId::MIN, |o| self.state().stream(o.slot).last_id());
        let id = self.new_id(request.id, last_id)?;
        let names = request.production.map_or(0, |p| p.producer.len() + p.iid.len());
        let entry: usize = fields.iter().map(|field| field.len() + LENGTH_BYTES_MAX).sum();
        if entry + names + key.len() + self.record_bytes() > ENTRY_BYTES_MAX {
            return Err(Rejection::EntryTooLarge);
        }
        let limits = self.core.settings.block_limits;
        let mut drop_before = None;
        if let Some(object) = found {
            drop_before = self.room_for_entry(object, fields)?;
            self.need_for_append(object, id, fields)?;
            let going = match &request.trim {
                Some(trim) => self.need_for_trim(object, trim, 1)?.count(),
                None => 0,
            };
            self.refuse_full(found, fields, going)?;
        } else {
            self.refuse_long_name(key)?;
            self.refuse_full(None, fields, 0)?;
        }
        self.refuse_producer(found, request.production.as_ref())?;
        let object = match found {
            Some(object) => object,
            None => self.create_stream(db, key),
        };
        self.drop_entries(object, drop_before);
        self.change(&Mutation::Append { object, id, fields, limits });
        if let Some(Production { producer, iid }) = request.production {
            self.change(&Mutation::Produced { object, producer, iid, id });
        }
        if let Some(trim) = &request.trim {
            self.trim_object(object, trim)?;
        }
        self.signal(db, key, Signal::Ready);
        Ok(Some(id))
    }

    fn repeated(&mut self, object: ObjectRef, production: &Production<'_>) -> Option<EntryId> {
        let productions = self.state().stream(object.slot).idempotence();
        let id = productions.find(production.producer, production.iid)?;
        self.change(&Mutation::CountDuplicate { object });
        Some(id)
    }

    pub(crate) fn new_id(&self, wanted: NewId, last_id: EntryId) -> Result<EntryId, Rejection> {
        let next = last_id.next().ok_or(Rejection::StreamExhausted)?;
        match wanted {
            NewId::Auto => {
                let by_clock = EntryId::new(self.now.wall_ms, 0);
                Ok(if by_clock.ms > last_id.ms { by_clock } else { next })
            }
            NewId::InMillisecond(ms) if ms > last_id.ms => Ok(EntryId::new(ms, 0)),
            NewId::InMillisecond(ms) if ms == last_id.ms && next.ms == ms => Ok(next),
            NewId::Exactly(id) if id > last_id => Ok(id),
            NewId::InMillisecond(_) | NewId::Exactly(_) => Err(Rejection::IdNotAboveLast),
        }
    }

    pub(crate) fn create_stream(&mut self, db: u8, key: &[u8]) -> ObjectRef {
        let object = self.state().next_object_id();
        let limits = self.core.settings.idempotence;
        self.change(&Mutation::CreateStream { object, db, key, limits });
        // What was there, expired and not removed yet, may be waited for.
        self.signal(db, key, Signal::Gone);
        self.state().find_object(object).expect("created above")
    }

    /// Trims a stream; returns how many entries went.
    ///
    /// # Errors
    /// [`Rejection::WrongType`].
    pub fn trim(&mut self, db: u8, key: &[u8], options: &TrimOptions) -> Result<u64, Rejection> {
        match self.find_stream(db, key)? {
            Some(object) => self.trim_object(object, options),
            None => Ok(0),
        }
    }

    fn trim_object(&mut self, object: ObjectRef, options: &TrimOptions) -> Result<u64, Rejection> {
        let plan = self.need_for_trim(object, options, 0)?;
        match &plan {
            TrimPlan::Nothing => {}
            TrimPlan::Before { id, .. } => self.change(&Mutation::TrimBefore { object, id: *id }),
            TrimPlan::Entries { ids, with_references } => {
                self.change(&Mutation::RemoveEntries {
                    object,
                    ids,
                    is_deletion: false,
                    with_references: *with_references,
                });
            }
        }
        Ok(plan.count())
    }

    /// Plans a trim that runs after so many more entries were added, with what it looks at in
    /// memory, and what it cuts.
    fn need_for_trim(
        &mut self,
        object: ObjectRef,
        options: &TrimOptions,
        added: u64,
    ) -> Result<TrimPlan, Rejection> {
        let mut options = *options;
        if let TrimBy::MaxLen(length) = &mut options.by {
            *length = length.saturating_sub(added);
        }
        loop {
            let stream = self.state().stream(object.slot);
            let cold = match stream.plan_trim(&options) {
                Err(cold) => cold.0,
                Ok(plan) => match &plan {
                    TrimPlan::Nothing => return Ok(plan),
                    TrimPlan::Before { id, .. } => match stream.entries().cold_before(*id) {
                        None => return Ok(plan),
                        Some(cold) => vec![cold],
                    },
                    // What is listed was looked at.
                    TrimPlan::Entries { .. } => return Ok(plan),
                },
            };
            self.need(object, cold)?;
        }
    }

    pub(crate) fn need_for_append(
        &mut self,
        object: ObjectRef,
        id: EntryId,
        fields: &[&[u8]],
    ) -> Result<(), Rejection> {
        if !self.has_cold(object) {
            return Ok(());
        }
        let payload = fields.iter().map(|field| field.len() as u64).sum();
        let limits = self.core.settings.block_limits;
        let entries = self.state().stream(object.slot).entries();
        let cold = entries.cold_for_append(id, payload, limits);
        self.need(object, cold)
    }

    /// Deletes entries; returns how many there were. Pending records stay.
    ///
    /// # Errors
    /// [`Rejection::WrongType`].
    pub fn delete(&mut self, db: u8, key: &[u8], ids: &[EntryId]) -> Result<u64, Rejection> {
        let Some(object) = self.find_stream(db, key)? else { return Ok(0) };
        self.need_entries(object, ids.iter().copied())?;
        let is_there = |id: &EntryId| self.has_entry(object, *id);
        let mut found: Vec<_> = ids.iter().copied().filter(is_there).collect();
        found.sort_unstable();
        found.dedup();
        if !found.is_empty() {
            self.change(&Mutation::RemoveEntries {
                object,
                ids: &found,
                is_deletion: true,
                with_references: false,
            });
        }
        Ok(found.len() as u64)
    }

    /// Deletes entries one by one, with what happens to their pending records. A missing key gives
    /// [`Deletion::NotFound`] for all.
    ///
    /// # Errors
    /// [`Rejection::WrongType`].
    pub fn delete_with_references(
        &mut self,
        db: u8,
        key: &[u8],
        references: References,
        ids: &[EntryId],
    ) -> Result<Vec<Deletion>, Rejection> {
        let Some(object) = self.find_stream(db, key)? else {
            return Ok(vec![Deletion::NotFound; ids.len()]);
        };
        self.need_entries(object, ids.iter().copied())?;
        Ok(ids.iter().map(|&id| self.delete_one(object, references, id)).collect())
    }

    pub(crate) fn delete_one(
        &mut self,
        object: ObjectRef,
        references: References,
        id: EntryId,
    ) -> Deletion {
        let stream = self.state().stream(object.slot);
        if references == References::Acked && stream.is_referenced(id) {
            return Deletion::Kept;
        }
        let exists = self.has_entry(object, id);
        let with_references = references == References::Delete;
        if exists || with_references {
            self.change(&Mutation::RemoveEntries {
                object,
                ids: &[id],
                is_deletion: true,
                with_references,
            });
        }
        if exists { Deletion::Deleted } else { Deletion::NotFound }
    }

    /// Sets a stream's counters.
    ///
    /// # Errors
    /// [`Rejection::NoSuchKey`], [`Rejection::WrongType`], [`Rejection::LastIdBelowMaxDeleted`],
    /// [`Rejection::LastIdBelowEntries`], [`Rejection::EntriesAddedBelowLength`].
    pub fn set_counters(
        &mut self,
        db: u8,
        key: &[u8],
        last_id: EntryId,
        options: CounterOptions,
    ) -> Result<(), Rejection> {
        let object = self.find_stream(db, key)?.ok_or(Rejection::NoSuchKey)?;
        let stream = self.state().stream(object.slot);
        if last_id < stream.max_deleted_id() {
            return Err(Rejection::LastIdBelowMaxDeleted);
        }
        if stream.entries().last_id().is_some_and(|id| last_id < id) {
            return Err(Rejection::LastIdBelowEntries);
        }
        if options.entries_added.is_some_and(|added| added < stream.entries().len()) {
            return Err(Rejection::EntriesAddedBelowLength);
        }
        self.change(&Mutation::SetCounters {
            object,
            last_id,
            entries_added: options.entries_added,
            max_deleted_id: options.max_deleted_id.filter(|&id| id != EntryId::MIN),
        });
        Ok(())
    }

    /// Changes how productions are remembered; `None` leaves a limit as it is.
    ///
    /// # Errors
    /// [`Rejection::NoSuchKey`], [`Rejection::WrongType`].
    pub fn set_idempotence(
        &mut self,
        db: u8,
        key: &[u8],
        duration_s: Option<u32>,
        per_producer_max: Option<u32>,
    ) -> Result<(), Rejection> {
        let object = self.find_stream(db, key)?.ok_or(Rejection::NoSuchKey)?;
        let before = self.state().stream(object.slot).idempotence().limits();
        let limits = IdempotenceLimits {
            duration_s: duration_s.unwrap_or(before.duration_s),
            per_producer_max: per_producer_max.unwrap_or(before.per_producer_max),
        };
        if limits != before {
            self.change(&Mutation::SetIdempotence { object, limits });
        }
        Ok(())
    }

    /// Attaches a production to an entry that exists.
    ///
    /// # Errors
    /// [`Rejection::NoSuchKey`], [`Rejection::WrongType`], [`Rejection::NoSuchEntry`],
    /// [`Rejection::IdempotentIdTaken`], [`Rejection::AboveBound`].
    pub fn record_production(
        &mut self,
        db: u8,
        key: &[u8],
        production: Production<'_>,
        id: EntryId,
    ) -> Result<(), Rejection> {
        let object = self.find_stream(db, key)?.ok_or(Rejection::NoSuchKey)?;
        self.need_entries(object, [id])?;
        if !self.has_entry(object, id) {
            return Err(Rejection::NoSuchEntry);
        }
        let stream = self.state().stream(object.slot);
        let Production { producer, iid } = production;
        match stream.idempotence().find(producer, iid) {
            Some(known) if known == id => Ok(()),
            Some(_) => Err(Rejection::IdempotentIdTaken),
            None => {
                self.refuse_producer(Some(object), Some(&production))?;
                self.change(&Mutation::Produced { object, producer, iid, id });
                Ok(())
            }
        }
    }
}
