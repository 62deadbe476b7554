//! From bytes to parts, applied one by one. Trusts nothing: the bytes may be another program's.

use std::sync::Arc;

use bytes::Bytes;
use millstream_log::RecordReader;
use millstream_model::{
    BlockLimits, ConsumerId, EntryId, Failure, GroupId, IdempotenceLimits, PendingEntry, Settled,
};

use super::contradiction::refuse_contradiction;
use super::fields::FieldReader;
use super::{
    ALL_DATABASES, DEAD_LETTERED, DROPPED, IS_DELETION, Kind, ReplayError, VANISHED,
    WITH_REFERENCES, counters, policy, retention, schedule,
};
use crate::mutation::Mutation;
use crate::object::{ObjectId, ObjectRef};
use crate::state::{DATABASE_COUNT, State};
use crate::strings::StringForm;

/// Applies all parts of one record; each is shown to `before` first.
pub(crate) fn replay_with(
    state: &mut State,
    record: RecordReader<'_>,
    limits: BlockLimits,
    before: &mut Settle<'_>,
) -> Result<(), ReplayError> {
    decode(state, record, limits, &mut |state, mutation| {
        before(state, mutation)?;
        settle(state, mutation)
    })?;
    // Nobody waits behind a recovery.
    drop(state.garbage.take());
    Ok(())
}

/// The same for an image on an empty state: no part may stand there that builds nothing.
pub(crate) fn replay_image(
    state: &mut State,
    image: &[u8],
    limits: BlockLimits,
) -> Result<(), ReplayError> {
    let mut part = Part { reader: FieldReader::new(RecordReader::new(image)), limits };
    part.settle_all(Kind::is_of_image, state, &mut settle)
}

fn settle(state: &mut State, mutation: &Mutation<'_>) -> Result<(), ReplayError> {
    refuse_contradiction(state, mutation)?;
    state.apply(mutation);
    Ok(())
}

/// What becomes of each part. The state is that of the parts before it.
pub(crate) type Settle<'s> = dyn FnMut(&mut State, &Mutation<'_>) -> Result<(), ReplayError> + 's;

/// Reads all parts of one record.
pub(super) fn decode(
    state: &mut State,
    record: RecordReader<'_>,
    limits: BlockLimits,
    settle: &mut Settle<'_>,
) -> Result<(), ReplayError> {
    Part { reader: FieldReader::new(record), limits }.settle_all(|_| true, state, settle)
}

struct Part<'a> {
    reader: FieldReader<'a>,
    limits: BlockLimits,
}

impl<'a> Part<'a> {
    fn settle_all(
        &mut self,
        may_be: impl Fn(Kind) -> bool,
        state: &mut State,
        settle: &mut Settle<'_>,
    ) -> Result<(), ReplayError> {
        while self.reader.left() > 0 {
            let byte = self.reader.byte()?;
            let kind = Kind::from_byte(byte).filter(|kind| may_be(*kind));
            self.settle(kind.ok_or(ReplayError::UnknownKind(byte))?, state, settle)?;
        }
        Ok(())
    }

    fn settle(
        &mut self,
        kind: Kind,
        state: &mut State,
        settle: &mut Settle<'_>,
    ) -> Result<(), ReplayError> {
        let mutation = match kind {
            Kind::Created => Mutation::Created { hash_seed: self.reader.number()? },
            Kind::CreateStream => Mutation::CreateStream {
                object: ObjectId(self.reader.number()?),
                db: self.database()?,
                key: self.reader.bytes()?,
                limits: self.idempotence_limits()?,
            },
            Kind::CreateString => Mutation::CreateString {
                object: ObjectId(self.reader.number()?),
                db: self.database()?,
                key: self.reader.bytes()?,
                expires_at_ms: self.reader.optional()?,
                value: Bytes::copy_from_slice(self.reader.bytes()?),
            },
            Kind::RemoveKey => {
                Mutation::RemoveKey { db: self.database()?, key: self.reader.bytes()? }
            }
            Kind::SetExpiry => Mutation::SetExpiry {
                db: self.database()?,
                key: self.reader.bytes()?,
                at_ms: self.reader.optional()?,
            },
            Kind::RenameKey => Mutation::RenameKey {
                db: self.database()?,
                from: self.reader.bytes()?,
                to: self.reader.bytes()?,
            },
            Kind::Flush => Mutation::Flush { db: self.database_or_all()? },
            Kind::SwapDatabases => {
                Mutation::SwapDatabases { a: self.database()?, b: self.database()? }
            }
            Kind::SetString => Mutation::SetString {
                object: self.object(state)?,
                value: Bytes::copy_from_slice(self.reader.bytes()?),
                form: StringForm::Any,
            },
            Kind::AppendString => {
                Mutation::AppendString { object: self.object(state)?, suffix: self.reader.bytes()? }
            }
            Kind::MoveKey => Mutation::MoveKey {
                from: self.database()?,
                to: self.database()?,
                key: self.reader.bytes()?,
            },
            Kind::Restore => {
                let object = ObjectId(self.reader.number()?);
                let (db, key) = (self.database()?, self.reader.bytes()?);
                let expires_at_ms = self.reader.optional()?;
                let image = self.reader.bytes()?;
                let data = crate::image::decode(image, self.limits)?;
                Mutation::Restore { object, db, key, expires_at_ms, image, data }
            }
            _ => return self.settle_stream(kind, state, settle),
        };
        settle(state, &mutation)
    }

    fn settle_stream(
        &mut self,
        kind: Kind,
        state: &mut State,
        settle: &mut Settle<'_>,
    ) -> Result<(), ReplayError> {
        let object = self.object(state)?;
        let (fields, ids);
        let mutation = match kind {
            Kind::Append => {
                let id = self.reader.id()?;
                fields = self.fields()?;
                Mutation::Append { object, id, fields: &fields, limits: self.limits }
            }
            Kind::TrimBefore => Mutation::TrimBefore { object, id: self.reader.id()? },
            Kind::RemoveEntries => {
                let flags = self.reader.flags(IS_DELETION | WITH_REFERENCES)?;
                ids = self.ids()?;
                Mutation::RemoveEntries {
                    object,
                    ids: &ids,
                    is_deletion: flags & IS_DELETION != 0,
                    with_references: flags & WITH_REFERENCES != 0,
                }
            }
            Kind::SetCounters => Mutation::SetCounters {
                object,
                last_id: self.reader.id()?,
                entries_added: self.reader.optional()?,
                max_deleted_id: if self.reader.flag()? { Some(self.reader.id()?) } else { None },
            },
            Kind::SetIdempotence => {
                Mutation::SetIdempotence { object, limits: self.idempotence_limits()? }
            }
            Kind::Produced => Mutation::Produced {
                object,
                producer: self.reader.bytes()?,
                iid: self.reader.bytes()?,
                id: self.reader.id()?,
            },
            Kind::CountDuplicate => Mutation::CountDuplicate { object },
            Kind::ForgetProductions => {
                Mutation::ForgetProductions { object, cutoff_ms: self.reader.number()? }
            }
            Kind::SetProductionCounts => Mutation::SetProductionCounts {
                object,
                added: self.reader.number()?,
                duplicates: self.reader.number()?,
            },
            Kind::Schedule | Kind::Unschedule | Kind::CountScheduleFailures => {
                return schedule::decode(kind, object, &mut self.reader, &mut |mutation| {
                    settle(state, mutation)
                });
            }
            Kind::SetRetention => {
                let retention = retention::decode(&mut self.reader)?;
                Mutation::SetRetention { object, retention }
            }
            Kind::DropEntries => Mutation::DropEntries { object, before: self.reader.id()? },
            _ => return self.settle_group(kind, object, state, settle),
        };
        settle(state, &mutation)
    }

    fn settle_group(
        &mut self,
        kind: Kind,
        object: ObjectRef,
        state: &mut State,
        settle: &mut Settle<'_>,
    ) -> Result<(), ReplayError> {
        let group = GroupId(self.reader.u32("group")?);
        let (ids, entries, values);
        let mutation = match kind {
            Kind::CreateGroup => Mutation::CreateGroup {
                object,
                group,
                name: self.reader.bytes()?,
                position: self.reader.id()?,
                entries_read: self.reader.optional()?,
            },
            Kind::SetGroupPosition => Mutation::SetGroupPosition {
                object,
                group,
                position: self.reader.id()?,
                entries_read: self.reader.optional()?,
            },
            Kind::SetPolicy => {
                let policy = Box::new(policy::decode(&mut self.reader)?);
                Mutation::SetPolicy { object, group, policy }
            }
            Kind::DestroyGroup => Mutation::DestroyGroup { object, group },
            Kind::CreateConsumer => Mutation::CreateConsumer {
                object,
                group,
                consumer: self.consumer()?,
                name: self.reader.bytes()?,
                now_ms: self.reader.number()?,
            },
            Kind::DeleteConsumer => {
                Mutation::DeleteConsumer { object, group, consumer: self.consumer()? }
            }
            Kind::Deliver => {
                let consumer = self.consumer()?;
                let now_ms = self.reader.number()?;
                let position = self.reader.id()?;
                let entries_read = self.reader.optional()?;
                ids = self.ids()?;
                let pending = &ids;
                Mutation::Deliver {
                    object,
                    group,
                    consumer,
                    now_ms,
                    position,
                    entries_read,
                    pending,
                }
            }
            Kind::SetPending => {
                let consumer = if self.reader.flag()? { Some(self.consumer()?) } else { None };
                let became_active = self.reader.flag()?;
                let by = consumer.map(|consumer| (consumer, became_active));
                let now_ms = self.reader.number()?;
                entries = self.pending_entries()?;
                Mutation::SetPending { object, group, by, now_ms, entries: &entries }
            }
            Kind::RemovePending => {
                ids = self.ids()?;
                Mutation::RemovePending { object, group, ids: &ids, settled: Settled::Acked }
            }
            Kind::SettlePending => {
                let settled = self.settled()?;
                ids = self.ids()?;
                Mutation::RemovePending { object, group, ids: &ids, settled }
            }
            Kind::NoteFailure => {
                let consumer = self.reader.bytes()?.into();
                let error = self.reader.bytes()?.into();
                let failure = Arc::new(Failure { consumer, error });
                ids = self.ids()?;
                Mutation::NoteFailure { object, group, failure, ids: &ids }
            }
            Kind::Hold => {
                values = self.values()?;
                Mutation::Hold { object, group, entries: &values }
            }
            Kind::SetValues => {
                values = self.values()?;
                Mutation::SetValues { object, group, entries: &values }
            }
            Kind::Unhold => {
                let settled = self.settled()?;
                ids = self.ids()?;
                Mutation::Unhold { object, group, ids: &ids, settled }
            }
            Kind::UnholdAll => Mutation::UnholdAll { object, group },
            Kind::SetGroupCounters => {
                let counters = counters::decode(&mut self.reader)?;
                Mutation::SetGroupCounters { object, group, counters }
            }
            _ => unreachable!("every other kind was handled"),
        };
        settle(state, &mutation)
    }

    fn settled(&mut self) -> Result<Settled, ReplayError> {
        match self.reader.byte()? {
            DEAD_LETTERED => Ok(Settled::DeadLettered),
            VANISHED => Ok(Settled::Vanished),
            DROPPED => Ok(Settled::Dropped),
            other => Err(ReplayError::OutOfRange { what: "reason", value: other.into() }),
        }
    }

    fn consumer(&mut self) -> Result<ConsumerId, ReplayError> {
        Ok(ConsumerId(self.reader.u32("consumer")?))
    }

    fn idempotence_limits(&mut self) -> Result<IdempotenceLimits, ReplayError> {
        Ok(IdempotenceLimits {
            duration_s: self.reader.u32("duration")?,
            per_producer_max: self.reader.u32("productions")?,
        })
    }

    fn database(&mut self) -> Result<u8, ReplayError> {
        let db = self.reader.byte()?;
        if db < DATABASE_COUNT {
            return Ok(db);
        }
        Err(ReplayError::OutOfRange { what: "database", value: u64::from(db) })
    }

    fn database_or_all(&mut self) -> Result<Option<u8>, ReplayError> {
        let mut ahead = self.reader.clone();
        if ahead.byte()? == ALL_DATABASES {
            self.reader = ahead;
            return Ok(None);
        }
        self.database().map(Some)
    }

    fn object(&mut self, state: &State) -> Result<ObjectRef, ReplayError> {
        let id = self.reader.number()?;
        let unknown = ReplayError::Unknown { what: "object", id };
        state.find_object(ObjectId(id)).ok_or(unknown)
    }

    fn fields(&mut self) -> Result<Vec<&'a [u8]>, ReplayError> {
        (0..self.reader.length()?).map(|_| self.reader.bytes()).collect()
    }

    fn ids(&mut self) -> Result<Vec<EntryId>, ReplayError> {
        let mut before = EntryId::MIN;
        (0..self.reader.length()?)
            .map(|_| {
                before = self.reader.id_after(before)?;
                Ok(before)
            })
            .collect()
    }

    fn values(&mut self) -> Result<Vec<(EntryId, u64)>, ReplayError> {
        let mut before = EntryId::MIN;
        (0..self.reader.length()?)
            .map(|_| {
                before = self.reader.id_after(before)?;
                Ok((before, self.reader.number()?))
            })
            .collect()
    }

    fn pending_entries(&mut self) -> Result<Vec<PendingEntry>, ReplayError> {
        let mut before = EntryId::MIN;
        (0..self.reader.length()?)
            .map(|_| {
                before = self.reader.id_after(before)?;
                let owner = self.reader.u32("owner")?.checked_sub(1).map(ConsumerId);
                let at_ms = self.reader.number()?;
                let delivery_count = self.reader.number()?;
                Ok(pending_entry(before, owner, at_ms, delivery_count))
            })
            .collect()
    }
}

/// A pending record from its fields: without an owner, the time is that of its delay.
pub(crate) fn pending_entry(
    id: EntryId,
    owner: Option<ConsumerId>,
    at_ms: u64,
    delivery_count: u64,
) -> PendingEntry {
    let (delivered_at_ms, available_at_ms) = if owner.is_some() { (at_ms, 0) } else { (0, at_ms) };
    PendingEntry { id, owner, delivered_at_ms, available_at_ms, delivery_count }
}
