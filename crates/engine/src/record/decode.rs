//! From bytes to parts, applied one by one. Trusts nothing: the bytes may be another program's.

use bytes::Bytes;
use millstream_log::RecordReader;
use millstream_model::{
    BlockLimits, ConsumerId, EntryId, GroupId, IdempotenceLimits, PendingEntry,
};

use super::contradiction::refuse_contradiction;
use super::{ALL_DATABASES, IS_DELETION, Kind, ReplayError, WITH_REFERENCES};
use crate::mutation::Mutation;
use crate::object::{ObjectId, ObjectRef};
use crate::state::{DATABASE_COUNT, State};
use crate::strings::StringForm;

/// Applies all parts of one record.
pub(crate) fn replay(
    state: &mut State,
    record: RecordReader<'_>,
    limits: BlockLimits,
) -> Result<(), ReplayError> {
    decode(state, record, limits, &mut settle)?;
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
    let mut part = Part { reader: RecordReader::new(image), limits };
    part.settle_all(Kind::is_of_image, state, &mut settle)
}

fn settle(state: &mut State, mutation: &Mutation<'_>) -> Result<(), ReplayError> {
    refuse_contradiction(state, mutation)?;
    state.apply(mutation);
    Ok(())
}

/// What becomes of each part. The state is that of the parts before it.
pub(super) type Settle<'s> = dyn FnMut(&mut State, &Mutation<'_>) -> Result<(), ReplayError> + 's;

/// Reads all parts of one record.
pub(super) fn decode(
    state: &mut State,
    record: RecordReader<'_>,
    limits: BlockLimits,
    settle: &mut Settle<'_>,
) -> Result<(), ReplayError> {
    Part { reader: record, limits }.settle_all(|_| true, state, settle)
}

struct Part<'a> {
    reader: RecordReader<'a>,
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
            let byte = self.reader.u8()?;
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
            Kind::Created => Mutation::Created { hash_seed: self.reader.varint()? },
            Kind::CreateStream => Mutation::CreateStream {
                object: ObjectId(self.reader.varint()?),
                db: self.database()?,
                key: self.reader.bytes()?,
                limits: self.idempotence_limits()?,
            },
            Kind::CreateString => Mutation::CreateString {
                object: ObjectId(self.reader.varint()?),
                db: self.database()?,
                key: self.reader.bytes()?,
                expires_at_ms: self.optional()?,
                value: Bytes::copy_from_slice(self.reader.bytes()?),
            },
            Kind::RemoveKey => {
                Mutation::RemoveKey { db: self.database()?, key: self.reader.bytes()? }
            }
            Kind::SetExpiry => Mutation::SetExpiry {
                db: self.database()?,
                key: self.reader.bytes()?,
                at_ms: self.optional()?,
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
                let object = ObjectId(self.reader.varint()?);
                let (db, key) = (self.database()?, self.reader.bytes()?);
                let expires_at_ms = self.optional()?;
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
                let id = self.id()?;
                fields = self.fields()?;
                Mutation::Append { object, id, fields: &fields, limits: self.limits }
            }
            Kind::TrimBefore => Mutation::TrimBefore { object, id: self.id()? },
            Kind::RemoveEntries => {
                let flags = self.flags(IS_DELETION | WITH_REFERENCES)?;
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
                last_id: self.id()?,
                entries_added: self.optional()?,
                max_deleted_id: if self.flag()? { Some(self.id()?) } else { None },
            },
            Kind::SetIdempotence => {
                Mutation::SetIdempotence { object, limits: self.idempotence_limits()? }
            }
            Kind::Produced => Mutation::Produced {
                object,
                producer: self.reader.bytes()?,
                iid: self.reader.bytes()?,
                id: self.id()?,
            },
            Kind::CountDuplicate => Mutation::CountDuplicate { object },
            Kind::ForgetProductions => {
                Mutation::ForgetProductions { object, cutoff_ms: self.reader.varint()? }
            }
            Kind::SetProductionCounts => Mutation::SetProductionCounts {
                object,
                added: self.reader.varint()?,
                duplicates: self.reader.varint()?,
            },
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
        let group = GroupId(self.u32("group")?);
        let (ids, entries);
        let mutation = match kind {
            Kind::CreateGroup => Mutation::CreateGroup {
                object,
                group,
                name: self.reader.bytes()?,
                position: self.id()?,
                entries_read: self.optional()?,
            },
            Kind::SetGroupPosition => Mutation::SetGroupPosition {
                object,
                group,
                position: self.id()?,
                entries_read: self.optional()?,
            },
            Kind::DestroyGroup => Mutation::DestroyGroup { object, group },
            Kind::CreateConsumer => Mutation::CreateConsumer {
                object,
                group,
                consumer: self.consumer()?,
                name: self.reader.bytes()?,
                now_ms: self.reader.varint()?,
            },
            Kind::DeleteConsumer => {
                Mutation::DeleteConsumer { object, group, consumer: self.consumer()? }
            }
            Kind::Deliver => {
                let consumer = self.consumer()?;
                let now_ms = self.reader.varint()?;
                let position = self.id()?;
                let entries_read = self.optional()?;
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
                let consumer = if self.flag()? { Some(self.consumer()?) } else { None };
                let became_active = self.flag()?;
                let by = consumer.map(|consumer| (consumer, became_active));
                let now_ms = self.reader.varint()?;
                entries = self.pending_entries()?;
                Mutation::SetPending { object, group, by, now_ms, entries: &entries }
            }
            Kind::RemovePending => {
                ids = self.ids()?;
                Mutation::RemovePending { object, group, ids: &ids }
            }
            _ => unreachable!("every other kind was handled"),
        };
        settle(state, &mutation)
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, ReplayError> {
        let value = self.reader.varint()?;
        u32::try_from(value).map_err(|_| ReplayError::OutOfRange { what, value })
    }

    fn consumer(&mut self) -> Result<ConsumerId, ReplayError> {
        Ok(ConsumerId(self.u32("consumer")?))
    }

    fn idempotence_limits(&mut self) -> Result<IdempotenceLimits, ReplayError> {
        Ok(IdempotenceLimits {
            duration_s: self.u32("duration")?,
            per_producer_max: self.u32("productions")?,
        })
    }

    fn database(&mut self) -> Result<u8, ReplayError> {
        let db = self.reader.u8()?;
        if db < DATABASE_COUNT {
            return Ok(db);
        }
        Err(ReplayError::OutOfRange { what: "database", value: u64::from(db) })
    }

    fn database_or_all(&mut self) -> Result<Option<u8>, ReplayError> {
        let mut ahead = self.reader.clone();
        if ahead.u8()? == ALL_DATABASES {
            self.reader = ahead;
            return Ok(None);
        }
        self.database().map(Some)
    }

    fn object(&mut self, state: &State) -> Result<ObjectRef, ReplayError> {
        let id = self.reader.varint()?;
        let unknown = ReplayError::Unknown { what: "object", id };
        state.find_object(ObjectId(id)).ok_or(unknown)
    }

    fn optional(&mut self) -> Result<Option<u64>, ReplayError> {
        Ok(if self.flag()? { Some(self.reader.varint()?) } else { None })
    }

    fn flag(&mut self) -> Result<bool, ReplayError> {
        Ok(self.flags(1)? != 0)
    }

    /// A byte with no other bits than these.
    fn flags(&mut self, known: u8) -> Result<u8, ReplayError> {
        match self.reader.u8()? {
            flags if flags & !known == 0 => Ok(flags),
            flags => Err(ReplayError::OutOfRange { what: "flags", value: u64::from(flags) }),
        }
    }

    fn id(&mut self) -> Result<EntryId, ReplayError> {
        Ok(EntryId::new(self.reader.varint()?, self.reader.varint()?))
    }

    fn id_after(&mut self, before: EntryId) -> Result<EntryId, ReplayError> {
        let ms = before.ms.wrapping_add(self.reader.varint()?);
        let seq = self.reader.varint()?;
        let seq = if ms == before.ms { before.seq.wrapping_add(seq) } else { seq };
        Ok(EntryId::new(ms, seq))
    }

    /// A list's length, not trusted beyond the bytes that are there.
    fn length(&mut self) -> Result<usize, ReplayError> {
        let length = self.reader.varint()?;
        if length <= self.reader.left() as u64 {
            return Ok(length as usize);
        }
        Err(ReplayError::OutOfRange { what: "length", value: length })
    }

    fn fields(&mut self) -> Result<Vec<&'a [u8]>, ReplayError> {
        (0..self.length()?).map(|_| Ok(self.reader.bytes()?)).collect()
    }

    fn ids(&mut self) -> Result<Vec<EntryId>, ReplayError> {
        let mut before = EntryId::MIN;
        (0..self.length()?)
            .map(|_| {
                before = self.id_after(before)?;
                Ok(before)
            })
            .collect()
    }

    fn pending_entries(&mut self) -> Result<Vec<PendingEntry>, ReplayError> {
        let mut before = EntryId::MIN;
        (0..self.length()?)
            .map(|_| {
                before = self.id_after(before)?;
                let owner = self.u32("owner")?.checked_sub(1).map(ConsumerId);
                let delivered_at_ms = self.reader.varint()?;
                let delivery_count = self.reader.varint()?;
                Ok(PendingEntry { id: before, owner, delivered_at_ms, delivery_count })
            })
            .collect()
    }
}
