//! From the records of a checkpoint to a state.
//!
//! Files of a chain are read oldest first: what a later one says of an object replaces what earlier
//! ones said. Objects are bound to their keys when all was read, because in between two objects may
//! claim one key. Nothing is trusted: whatever does not fit is refused with its reason.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::FixedState;
use millstream_log::RecordReader;
use millstream_model::{
    BlockError, BlockPlace, ConsumerId, Entries, EntryId, Failure, Group, GroupId, Idempotence,
    IdempotenceLimits, LoadedBlock, RestoreError, Retention, Schedule, ScheduleToken, StoredBlock,
    StoredContents, StoredTombstones, Stream,
};

use super::encode::{HAS_TOMBSTONES, IS_INLINE};
use super::kind::Kind;
use crate::object::{ObjectData, ObjectId};
use crate::record::fields::FieldReader;
use crate::record::{ReplayError, counters, pending_entry, policy, retention};
use crate::salvage::Loss;
use crate::state::{DATABASE_COUNT, State};

/// Why a checkpoint cannot be loaded. Its checksums were right.
#[derive(Debug)]
pub(crate) enum LoadError {
    Fields(ReplayError),
    Block(BlockError),
    Stream(RestoreError),
    /// Records do not follow each other as they must.
    Order(&'static str),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fields(error) => error.fmt(f),
            Self::Block(error) => error.fmt(f),
            Self::Stream(error) => error.fmt(f),
            Self::Order(what) => write!(f, "records out of order: {what}"),
        }
    }
}

impl std::error::Error for LoadError {}

impl From<ReplayError> for LoadError {
    fn from(error: ReplayError) -> Self {
        Self::Fields(error)
    }
}

impl From<BlockError> for LoadError {
    fn from(error: BlockError) -> Self {
        Self::Block(error)
    }
}

impl From<RestoreError> for LoadError {
    fn from(error: RestoreError) -> Self {
        Self::Stream(error)
    }
}

/// What a checkpoint says of the whole store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadedHeader {
    pub(crate) hash_seed: u64,
    pub(crate) next_object_id: ObjectId,
    pub(crate) time_max_ms: u64,
    /// The store of each database.
    pub(crate) stores: [u8; DATABASE_COUNT as usize],
}

impl LoadedHeader {
    /// Where it is damaged. The numbers of objects follow from the objects.
    fn unknown() -> Self {
        let stores = std::array::from_fn(|db| db as u8);
        Self { hash_seed: 0, next_object_id: ObjectId(1), time_max_ms: 0, stores }
    }
}

/// An object, and where it belongs.
#[derive(Debug)]
pub(crate) struct LoadedObject {
    pub(crate) store: u8,
    pub(crate) key: Arc<[u8]>,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) data: ObjectData,
}

/// A state in the making.
#[derive(Default)]
pub(crate) struct Loader {
    header: Option<LoadedHeader>,
    objects: HashMap<ObjectId, LoadedObject, FixedState>,
    stream: Option<StreamLoader>,
}

struct StreamLoader {
    id: ObjectId,
    place: (u8, Arc<[u8]>, Option<u64>),
    entries: Entries,
    last_id: EntryId,
    entries_added: u64,
    max_deleted_id: EntryId,
    idempotence: Idempotence,
    production_counts: (u64, u64),
    groups: Vec<(GroupId, Group)>,
    pending: u64,
    retention: Retention,
    payloads: Vec<Option<u64>>,
    schedule: Option<ScheduleLoader>,
}

struct ScheduleLoader {
    schedule: Schedule,
    /// Of blocks and of tokens, as they are to be.
    counts: [u64; 2],
    /// The last token, in the words of ids.
    last: EntryId,
}

impl Loader {
    /// Takes the next record.
    pub(crate) fn record(&mut self, record: &[u8]) -> Result<(), LoadError> {
        let mut fields = FieldReader::new(RecordReader::new(record));
        let byte = fields.byte()?;
        let kind = Kind::from_byte(byte).ok_or(ReplayError::UnknownKind(byte))?;
        let is_inside = self.stream.is_some();
        if is_inside != kind.belongs_to_stream() {
            return Err(LoadError::Order("a stream begins before another ends, or ends twice"));
        }
        if self.header.is_none() && kind != Kind::Header {
            return Err(LoadError::Order("there is no header"));
        }
        match kind {
            Kind::Header => self.header = Some(header(&mut fields)?),
            Kind::Time => {
                let header = self.header.as_mut().expect("looked at above");
                header.time_max_ms = header.time_max_ms.max(fields.number()?);
            }
            Kind::Emptied => {
                let (emptied, before) = (fields.byte()?, ObjectId(fields.number()?));
                self.objects.retain(|id, object| object.store != emptied || *id >= before);
            }
            Kind::Gone => {
                for _ in 0..fields.length()? {
                    self.objects.remove(&ObjectId(fields.number()?));
                }
            }
            Kind::String => {
                let (id, (store, key, expires_at_ms)) = name(&mut fields)?;
                let value = Bytes::copy_from_slice(fields.bytes()?);
                let data = ObjectData::String(value.into());
                self.objects.insert(id, LoadedObject { store, key, expires_at_ms, data });
            }
            Kind::Stream => self.stream = Some(StreamLoader::begin(&mut fields)?),
            Kind::StreamEnd => {
                let stream = self.stream.take().expect("looked at above");
                let (id, object) = stream.end(&mut fields)?;
                self.objects.insert(id, object);
            }
            _ => self.stream.as_mut().expect("looked at above").list(kind, &mut fields)?,
        }
        match fields.left() {
            0 => Ok(()),
            left => Err(ReplayError::OutOfRange { what: "length", value: left as u64 }.into()),
        }
    }

    /// Takes the next record behind damage: what does not fit is left out.
    pub(crate) fn record_after_damage(&mut self, record: &[u8], losses: &mut Vec<Loss>) {
        let kind = record.first().and_then(|&byte| Kind::from_byte(byte));
        let belongs_inside = kind.is_some_and(Kind::belongs_to_stream);
        if self.stream.is_none() && belongs_inside {
            // Its beginning is lost, and was listed.
            return;
        }
        if self.stream.is_some() && !belongs_inside {
            self.give_up_stream(losses);
        }
        if kind != Some(Kind::Header) {
            self.header.get_or_insert_with(LoadedHeader::unknown);
        }
        if let Err(error) = self.record(record) {
            losses.push(Loss::Checkpoint { reason: error.to_string(), bytes: record.len() as u64 });
            self.give_up_stream(losses);
        }
    }

    /// Leaves out the stream that is being read.
    pub(crate) fn give_up_stream(&mut self, losses: &mut Vec<Loss>) {
        if let Some(stream) = self.stream.take() {
            // What an older file says of it is out of date.
            self.objects.remove(&stream.id);
            losses.push(Loss::Stream { key: stream.place.1.to_vec() });
        }
    }

    /// The state, when all that is intact was read.
    pub(crate) fn finish_after_damage(
        mut self,
        losses: &mut Vec<Loss>,
    ) -> Result<State, LoadError> {
        self.give_up_stream(losses);
        // Of two objects of one key, the older is one whose end is lost.
        let mut newest: HashMap<(u8, Arc<[u8]>), ObjectId> = HashMap::new();
        for (&id, object) in &self.objects {
            let newest = newest.entry((object.store, Arc::clone(&object.key))).or_insert(id);
            *newest = (*newest).max(id);
        }
        self.objects.retain(|id, object| newest[&(object.store, Arc::clone(&object.key))] == *id);
        if let (Some(header), Some(highest)) = (&mut self.header, self.objects.keys().max()) {
            header.next_object_id = header.next_object_id.max(ObjectId(highest.0 + 1));
        }
        self.finish()
    }

    /// The state, when all was read.
    pub(crate) fn finish(self) -> Result<State, LoadError> {
        if self.stream.is_some() {
            return Err(LoadError::Order("a stream does not end"));
        }
        let header = self.header.ok_or(LoadError::Order("there is no header"))?;
        State::restore(&header, self.objects).map_err(LoadError::Order)
    }
}

fn header(fields: &mut FieldReader<'_>) -> Result<LoadedHeader, LoadError> {
    let hash_seed = fields.number()?;
    let next_object_id = ObjectId(fields.number()?);
    let time_max_ms = fields.number()?;
    let mut stores = [0; DATABASE_COUNT as usize];
    for store in &mut stores {
        *store = fields.byte()?;
    }
    let mut sorted = stores;
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..DATABASE_COUNT) {
        return Err(LoadError::Order("a store belongs to two databases"));
    }
    Ok(LoadedHeader { hash_seed, next_object_id, time_max_ms, stores })
}

type Name = (ObjectId, (u8, Arc<[u8]>, Option<u64>));

fn name(fields: &mut FieldReader<'_>) -> Result<Name, LoadError> {
    let id = ObjectId(fields.number()?);
    let store = fields.byte()?;
    if store >= DATABASE_COUNT {
        let value = u64::from(store);
        return Err(ReplayError::OutOfRange { what: "store", value }.into());
    }
    Ok((id, (store, fields.bytes()?.into(), fields.optional()?)))
}

impl StreamLoader {
    fn begin(fields: &mut FieldReader<'_>) -> Result<Self, LoadError> {
        let (id, place) = name(fields)?;
        let (last_id, entries_added, max_deleted_id) =
            (fields.id()?, fields.number()?, fields.id()?);
        let duration_s = fields.u32("duration")?;
        let per_producer_max = fields.u32("productions")?;
        if per_producer_max == 0 {
            return Err(ReplayError::OutOfRange { what: "productions", value: 0 }.into());
        }
        Ok(Self {
            id,
            place,
            entries: Entries::default(),
            last_id,
            entries_added,
            max_deleted_id,
            idempotence: Idempotence::new(IdempotenceLimits { duration_s, per_producer_max }),
            production_counts: (fields.number()?, fields.number()?),
            groups: Vec::new(),
            pending: 0,
            schedule: None,
            retention: Retention::default(),
            payloads: Vec::new(),
        })
    }

    fn list(&mut self, kind: Kind, fields: &mut FieldReader<'_>) -> Result<(), LoadError> {
        if kind == Kind::Group {
            return self.group(fields);
        }
        if kind == Kind::Policy {
            let policy = policy::decode(fields)?;
            self.last_group()?.set_policy(policy);
            return Ok(());
        }
        if kind == Kind::Retention {
            self.retention = retention::decode(fields)?;
            return Ok(());
        }
        if kind == Kind::Counters {
            let counted = counters::decode(fields)?;
            let place = self.last_group()?.counters_mut();
            *place.ok_or(LoadError::Order("counters of a group without a policy"))? = counted;
            return Ok(());
        }
        if kind == Kind::Schedule {
            return self.schedule(fields);
        }
        while fields.left() > 0 {
            match kind {
                Kind::Blocks => match &mut self.schedule {
                    None => self.entries.restore_block(block(fields)?)?,
                    Some(loader) => loader.schedule.restore_block(block(fields)?)?,
                },
                Kind::Payloads => self.payloads.push(fields.number()?.checked_sub(1)),
                Kind::Tokens => self.token(fields)?,
                Kind::Consumers => {
                    let id = ConsumerId(fields.u32("consumer")?);
                    let (name, seen_ms) = (fields.bytes()?, fields.number()?);
                    let active_ms = fields.optional()?;
                    self.last_group()?.restore_consumer(id, name, seen_ms, active_ms)?;
                }
                Kind::Pending => {
                    let id = fields.id()?;
                    let owner = fields.u32("owner")?.checked_sub(1).map(ConsumerId);
                    let (at_ms, delivery_count) = (fields.number()?, fields.number()?);
                    let entry = pending_entry(id, owner, at_ms, delivery_count);
                    let order = fields.number()?;
                    self.last_group()?.restore_pending(entry, order)?;
                    self.pending += 1;
                }
                Kind::Held => {
                    let entry = (fields.id()?, fields.number()?);
                    self.last_group()?.hold(&[entry]);
                }
                Kind::Values => {
                    let entry = (fields.id()?, fields.number()?);
                    self.last_group()?.set_values(&[entry]);
                }
                Kind::Failures => {
                    let id = fields.id()?;
                    let consumer = fields.bytes()?.into();
                    let failure = Arc::new(Failure { consumer, error: fields.bytes()?.into() });
                    self.last_group()?.set_failure(&[id], &failure);
                }
                _ => {
                    let (producer, iid, id) = (fields.bytes()?, fields.bytes()?, fields.id()?);
                    if self.idempotence.find(producer, iid).is_some() {
                        return Err(LoadError::Order("a production is there twice"));
                    }
                    self.idempotence.insert(producer, iid, id);
                }
            }
        }
        Ok(())
    }

    fn schedule(&mut self, fields: &mut FieldReader<'_>) -> Result<(), LoadError> {
        if self.schedule.is_some() {
            return Err(LoadError::Order("delayed entries begin twice"));
        }
        let (next_sequence, failures) = (fields.number()?, fields.number()?);
        let counts = [fields.number()?, fields.number()?];
        // Room to count on.
        if next_sequence == 0 || next_sequence.max(failures) > i64::MAX as u64 {
            let what = "sequence of delayed entries";
            return Err(ReplayError::OutOfRange { what, value: next_sequence }.into());
        }
        let schedule = Schedule::restore(next_sequence, failures);
        self.schedule = Some(ScheduleLoader { schedule, counts, last: EntryId::MIN });
        Ok(())
    }

    fn token(&mut self, fields: &mut FieldReader<'_>) -> Result<(), LoadError> {
        let loader = self.schedule.as_mut();
        let loader = loader.ok_or(LoadError::Order("there are no delayed entries"))?;
        loader.last = fields.id_after(loader.last)?;
        let EntryId { ms: due_ms, seq: sequence } = loader.last;
        Ok(loader.schedule.restore_token(ScheduleToken { due_ms, sequence })?)
    }

    fn last_group(&mut self) -> Result<&mut Group, LoadError> {
        let last = self.groups.last_mut().map(|(_, group)| group);
        last.ok_or(LoadError::Order("there is no group"))
    }

    fn group(&mut self, fields: &mut FieldReader<'_>) -> Result<(), LoadError> {
        let id = GroupId(fields.u32("group")?);
        let (name, position) = (fields.bytes()?, fields.id()?);
        let entries_read = fields.optional()?;
        let orders = (fields.u32("tie")?, fields.number()?);
        self.groups.push((id, Group::restore(name, position, entries_read, orders)));
        Ok(())
    }

    fn end(mut self, fields: &mut FieldReader<'_>) -> Result<(ObjectId, LoadedObject), LoadError> {
        let counts = [fields.number()?, fields.number()?, fields.number()?, fields.number()?];
        let found = [
            self.entries.block_count() as u64,
            self.groups.len() as u64,
            self.pending,
            self.idempotence.tracked() as u64,
        ];
        if counts != found {
            return Err(LoadError::Order("a part of a stream is missing"));
        }
        let (added, duplicates) = self.production_counts;
        self.idempotence.set_counts(added, duplicates);
        if !self.payloads.is_empty() {
            self.entries.restore_payloads(self.payloads.into_iter())?;
        }
        let mut stream = Stream::restore(
            self.entries,
            (self.last_id, self.max_deleted_id),
            self.entries_added,
            self.groups,
            self.idempotence,
        )?;
        if let Some(loader) = self.schedule {
            stream.restore_schedule(loader.end()?);
        }
        stream.set_retention(self.retention);
        let (store, key, expires_at_ms) = self.place;
        let data = ObjectData::Stream(Box::new(stream));
        Ok((self.id, LoadedObject { store, key, expires_at_ms, data }))
    }
}

impl ScheduleLoader {
    fn end(self) -> Result<Schedule, LoadError> {
        let found = [self.schedule.payloads().block_count() as u64, self.schedule.len() as u64];
        if self.counts != found {
            return Err(LoadError::Order("a part of delayed entries is missing"));
        }
        self.schedule.ensure_whole()?;
        Ok(self.schedule)
    }
}

fn block(fields: &mut FieldReader<'_>) -> Result<StoredBlock<'static>, LoadError> {
    let flags = fields.flags(HAS_TOMBSTONES | IS_INLINE)?;
    let first = fields.id()?;
    let last = fields.id_after(first)?;
    let (live, stored) = (fields.u32("live entries")?, fields.u32("entries")?);
    let listpack_bytes = fields.u32("bytes")?;
    let tombstones = if flags & HAS_TOMBSTONES == 0 {
        None
    } else {
        let (first_live, last_live) = (fields.id()?, fields.id()?);
        let words = (0..fields.length()?).map(|_| fields.number());
        let words = Cow::Owned(words.collect::<Result<Vec<_>, _>>()?);
        Some(StoredTombstones { first_live, last_live, words })
    };
    let contents = if flags & IS_INLINE == 0 {
        let file = fields.u32("file")?;
        let (offset, bytes) = (fields.u32("offset")?, fields.u32("bytes")?);
        StoredContents::Place(BlockPlace { file, offset, bytes })
    } else {
        StoredContents::Block(LoadedBlock::decode(fields.bytes()?)?)
    };
    Ok(StoredBlock { first, last, live, stored, listpack_bytes, tombstones, contents })
}
