//! From a part to bytes.

use millstream_model::{EntryId, GroupId, PendingEntry, Settled};

use super::fields::FieldWriter;
use super::{
    ALL_DATABASES, DEAD_LETTERED, DROPPED, IS_DELETION, Kind, VANISHED, WITH_REFERENCES, counters,
    policy, retention, schedule,
};
use crate::mutation::Mutation;
use crate::object::ObjectRef;

/// Appends one part to a record.
pub(crate) fn encode(mutation: &Mutation<'_>, to: &mut Vec<u8>) {
    let mut out = Encoder { fields: FieldWriter::new(to) };
    match *mutation {
        Mutation::Created { hash_seed } => out.kind(Kind::Created).number(hash_seed),
        Mutation::CreateStream { object, db, key, limits } => out
            .kind(Kind::CreateStream)
            .number(object.0)
            .byte(db)
            .bytes(key)
            .number(u64::from(limits.duration_s))
            .number(u64::from(limits.per_producer_max)),
        Mutation::CreateString { object, db, key, ref value, expires_at_ms } => out
            .kind(Kind::CreateString)
            .number(object.0)
            .byte(db)
            .bytes(key)
            .optional(expires_at_ms)
            .bytes(value),
        Mutation::RemoveKey { db, key } => out.kind(Kind::RemoveKey).byte(db).bytes(key),
        Mutation::SetExpiry { db, key, at_ms } => {
            out.kind(Kind::SetExpiry).byte(db).bytes(key).optional(at_ms)
        }
        Mutation::RenameKey { db, from, to } => {
            out.kind(Kind::RenameKey).byte(db).bytes(from).bytes(to)
        }
        Mutation::Flush { db } => out.kind(Kind::Flush).byte(db.unwrap_or(ALL_DATABASES)),
        Mutation::SwapDatabases { a, b } => out.kind(Kind::SwapDatabases).byte(a).byte(b),
        Mutation::SetString { object, ref value, form: _ } => {
            out.kind(Kind::SetString).object(object).bytes(value)
        }
        Mutation::AppendString { object, suffix } => {
            out.kind(Kind::AppendString).object(object).bytes(suffix)
        }
        Mutation::MoveKey { from, to, key } => {
            out.kind(Kind::MoveKey).byte(from).byte(to).bytes(key)
        }
        Mutation::Restore { object, db, key, expires_at_ms, image, data: _ } => out
            .kind(Kind::Restore)
            .number(object.0)
            .byte(db)
            .bytes(key)
            .optional(expires_at_ms)
            .bytes(image),
        _ => out.stream_part(mutation),
    };
}

struct Encoder<'a> {
    fields: FieldWriter<'a>,
}

impl Encoder<'_> {
    fn stream_part(&mut self, mutation: &Mutation<'_>) -> &mut Self {
        match *mutation {
            Mutation::Append { object, id, fields, limits: _ } => {
                self.kind(Kind::Append).object(object).number(id.ms).number(id.seq);
                self.number(fields.len() as u64);
                for field in fields {
                    self.bytes(field);
                }
                self
            }
            Mutation::TrimBefore { object, id } => {
                self.kind(Kind::TrimBefore).object(object).number(id.ms).number(id.seq)
            }
            Mutation::RemoveEntries { object, ids, is_deletion, with_references } => {
                let flags = u8::from(is_deletion) * IS_DELETION
                    + u8::from(with_references) * WITH_REFERENCES;
                self.kind(Kind::RemoveEntries).object(object).byte(flags).ids(ids)
            }
            Mutation::SetCounters { object, last_id, entries_added, max_deleted_id } => {
                self.kind(Kind::SetCounters).object(object).number(last_id.ms).number(last_id.seq);
                self.optional(entries_added);
                match max_deleted_id {
                    Some(id) => self.byte(1).number(id.ms).number(id.seq),
                    None => self.byte(0),
                }
            }
            Mutation::SetIdempotence { object, limits } => self
                .kind(Kind::SetIdempotence)
                .object(object)
                .number(u64::from(limits.duration_s))
                .number(u64::from(limits.per_producer_max)),
            Mutation::Produced { object, producer, iid, id } => {
                self.kind(Kind::Produced).object(object).bytes(producer).bytes(iid);
                self.number(id.ms).number(id.seq)
            }
            Mutation::CountDuplicate { object } => self.kind(Kind::CountDuplicate).object(object),
            Mutation::ForgetProductions { object, cutoff_ms } => {
                self.kind(Kind::ForgetProductions).object(object).number(cutoff_ms)
            }
            Mutation::SetProductionCounts { object, added, duplicates } => {
                self.kind(Kind::SetProductionCounts).object(object);
                self.number(added).number(duplicates)
            }
            Mutation::Schedule { .. }
            | Mutation::Unschedule { .. }
            | Mutation::CountScheduleFailures { .. } => {
                schedule::encode(mutation, &mut self.fields);
                self
            }
            Mutation::SetRetention { object, retention } => {
                self.kind(Kind::SetRetention).object(object);
                retention::encode(&retention, &mut self.fields);
                self
            }
            Mutation::DropEntries { object, before } => {
                self.kind(Kind::DropEntries).object(object).number(before.ms).number(before.seq)
            }
            _ => self.group_part(mutation),
        }
    }

    fn group_part(&mut self, mutation: &Mutation<'_>) -> &mut Self {
        match *mutation {
            Mutation::CreateGroup { object, group, name, position, entries_read } => {
                self.kind(Kind::CreateGroup).object(object).group(group).bytes(name);
                self.number(position.ms).number(position.seq).optional(entries_read)
            }
            Mutation::SetGroupPosition { object, group, position, entries_read } => {
                self.kind(Kind::SetGroupPosition).object(object).group(group);
                self.number(position.ms).number(position.seq).optional(entries_read)
            }
            Mutation::SetPolicy { object, group, ref policy } => {
                self.kind(Kind::SetPolicy).object(object).group(group);
                policy::encode(policy, &mut self.fields);
                self
            }
            Mutation::DestroyGroup { object, group } => {
                self.kind(Kind::DestroyGroup).object(object).group(group)
            }
            Mutation::CreateConsumer { object, group, consumer, name, now_ms } => {
                self.kind(Kind::CreateConsumer).object(object).group(group);
                self.number(u64::from(consumer.0)).bytes(name).number(now_ms)
            }
            Mutation::DeleteConsumer { object, group, consumer } => {
                self.kind(Kind::DeleteConsumer).object(object).group(group);
                self.number(u64::from(consumer.0))
            }
            Mutation::Deliver {
                object,
                group,
                consumer,
                now_ms,
                position,
                entries_read,
                pending,
            } => {
                self.kind(Kind::Deliver).object(object).group(group);
                self.number(u64::from(consumer.0)).number(now_ms);
                self.number(position.ms).number(position.seq).optional(entries_read);
                self.ids(pending)
            }
            Mutation::SetPending { object, group, by, now_ms, entries } => {
                self.kind(Kind::SetPending).object(object).group(group);
                let (consumer, became_active) = match by {
                    Some((consumer, active)) => (Some(u64::from(consumer.0)), active),
                    None => (None, false),
                };
                self.optional(consumer).byte(u8::from(became_active)).number(now_ms);
                self.pending_entries(entries)
            }
            Mutation::RemovePending { object, group, ids, settled } => {
                let Some(reason) = reason(settled) else {
                    return self.kind(Kind::RemovePending).object(object).group(group).ids(ids);
                };
                self.kind(Kind::SettlePending).object(object).group(group).byte(reason).ids(ids)
            }
            Mutation::Hold { object, group, entries } => {
                self.kind(Kind::Hold).object(object).group(group).values(entries)
            }
            Mutation::SetValues { object, group, entries } => {
                self.kind(Kind::SetValues).object(object).group(group).values(entries)
            }
            Mutation::Unhold { object, group, ids, settled } => {
                let reason = reason(settled).unwrap_or(DROPPED);
                self.kind(Kind::Unhold).object(object).group(group).byte(reason).ids(ids)
            }
            Mutation::UnholdAll { object, group } => {
                self.kind(Kind::UnholdAll).object(object).group(group)
            }
            Mutation::NoteFailure { object, group, ref failure, ids } => {
                self.kind(Kind::NoteFailure).object(object).group(group);
                self.bytes(&failure.consumer).bytes(&failure.error).ids(ids)
            }
            Mutation::SetGroupCounters { object, group, counters } => {
                self.kind(Kind::SetGroupCounters).object(object).group(group);
                counters::encode(&counters, &mut self.fields);
                self
            }
            _ => unreachable!("parts of the directory are encoded elsewhere"),
        }
    }

    fn kind(&mut self, kind: Kind) -> &mut Self {
        self.byte(kind as u8)
    }

    fn byte(&mut self, byte: u8) -> &mut Self {
        self.fields.byte(byte);
        self
    }

    fn number(&mut self, number: u64) -> &mut Self {
        self.fields.number(number);
        self
    }

    fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.fields.bytes(bytes);
        self
    }

    fn optional(&mut self, number: Option<u64>) -> &mut Self {
        self.fields.optional(number);
        self
    }

    fn object(&mut self, object: ObjectRef) -> &mut Self {
        self.number(object.id.0)
    }

    fn group(&mut self, group: GroupId) -> &mut Self {
        self.number(u64::from(group.0))
    }

    fn ids(&mut self, ids: &[EntryId]) -> &mut Self {
        self.number(ids.len() as u64);
        let mut before = EntryId::MIN;
        for &id in ids {
            self.fields.id_after(before, id);
            before = id;
        }
        self
    }

    /// Ids with the hashes of their values.
    fn values(&mut self, entries: &[(EntryId, u64)]) -> &mut Self {
        self.number(entries.len() as u64);
        let mut before = EntryId::MIN;
        for &(id, value) in entries {
            self.fields.id_after(before, id).number(value);
            before = id;
        }
        self
    }

    fn pending_entries(&mut self, entries: &[PendingEntry]) -> &mut Self {
        self.number(entries.len() as u64);
        let mut before = EntryId::MIN;
        for entry in entries {
            self.fields.id_after(before, entry.id);
            self.number(entry.owner.map_or(0, |owner| u64::from(owner.0) + 1));
            // One of the two is 0.
            let at_ms = entry.delivered_at_ms.max(entry.available_at_ms);
            self.number(at_ms).number(entry.delivery_count);
            before = entry.id;
        }
        self
    }
}

/// `None`: that is what another part says.
fn reason(settled: Settled) -> Option<u8> {
    match settled {
        Settled::Acked => None,
        Settled::DeadLettered => Some(DEAD_LETTERED),
        Settled::Vanished => Some(VANISHED),
        Settled::Dropped => Some(DROPPED),
    }
}
