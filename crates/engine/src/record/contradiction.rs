//! Whether a part that was read from a log fits the state it meets.
//!
//! The live path checks before it logs, so a contradiction means that program and log do not belong
//! together. It is refused with its reason here; [`State::apply`] would panic.

use millstream_model::{
    ConsumerId, Group, GroupId, IdempotenceLimits, PendingEntry, ScheduleToken, Stream,
};

use super::ReplayError;
use crate::mutation::Mutation;
use crate::object::{ObjectData, ObjectId, ObjectRef};
use crate::state::State;

/// Counters are signed on the wire; a count above this was never written.
const COUNT_MAX: u64 = i64::MAX as u64;

/// Refuses a part that does not fit.
pub(super) fn refuse_contradiction(
    state: &State,
    mutation: &Mutation<'_>,
) -> Result<(), ReplayError> {
    match *mutation {
        Mutation::Created { hash_seed: id } if state.next_object_id() > ObjectId(1) => {
            Err(ReplayError::Taken { what: "store", id })
        }
        Mutation::CreateStream { object, limits, .. } => {
            refuse_object(state, object)?;
            refuse_limits(limits)
        }
        Mutation::CreateString { object, .. } => refuse_object(state, object),
        Mutation::RemoveKey { db, key }
        | Mutation::SetExpiry { db, key, .. }
        | Mutation::RenameKey { db, from: key, .. } => {
            let is_there = state.database(db).keys.get(key).is_some();
            is_there.then_some(()).ok_or(ReplayError::UnknownKey { db })
        }
        Mutation::Restore { object, .. } => refuse_object(state, object),
        Mutation::MoveKey { from, to, key } => {
            if state.database(from).keys.get(key).is_none() {
                return Err(ReplayError::UnknownKey { db: from });
            }
            if from == to || state.database(to).keys.get(key).is_some() {
                return Err(ReplayError::Taken { what: "key of database", id: u64::from(to) });
            }
            Ok(())
        }
        Mutation::SetString { object, .. } | Mutation::AppendString { object, .. } => {
            match &state.object(object.slot).data {
                ObjectData::String(_) => Ok(()),
                ObjectData::Stream(_) => Err(ReplayError::OtherType { object: object.id.0 }),
            }
        }
        Mutation::Created { .. } | Mutation::Flush { .. } | Mutation::SwapDatabases { .. } => {
            Ok(())
        }
        _ => refuse_for_stream(state, mutation),
    }
}

fn refuse_object(state: &State, object: ObjectId) -> Result<(), ReplayError> {
    if object < state.next_object_id() {
        return Err(ReplayError::Taken { what: "object", id: object.0 });
    }
    at_most("object", object.0, COUNT_MAX)
}

fn refuse_limits(limits: IdempotenceLimits) -> Result<(), ReplayError> {
    if limits.per_producer_max == 0 {
        return Err(ReplayError::OutOfRange { what: "productions", value: 0 });
    }
    Ok(())
}

fn at_most(what: &'static str, value: u64, max: u64) -> Result<(), ReplayError> {
    if value <= max { Ok(()) } else { Err(ReplayError::OutOfRange { what, value }) }
}

fn stream_of(state: &State, object: ObjectRef) -> Result<&Stream, ReplayError> {
    match &state.object(object.slot).data {
        ObjectData::Stream(stream) => Ok(stream),
        ObjectData::String(_) => Err(ReplayError::OtherType { object: object.id.0 }),
    }
}

fn refuse_for_stream(state: &State, mutation: &Mutation<'_>) -> Result<(), ReplayError> {
    match *mutation {
        Mutation::Append { object, id, fields, .. } => {
            let stream = stream_of(state, object)?;
            if id <= stream.last_id() {
                return Err(ReplayError::OutOfRange { what: "new id", value: id.ms });
            }
            if fields.is_empty() || !fields.len().is_multiple_of(2) {
                let value = fields.len() as u64;
                return Err(ReplayError::OutOfRange { what: "count of fields", value });
            }
            Ok(())
        }
        Mutation::SetCounters { object, last_id, entries_added, .. } => {
            let stream = stream_of(state, object)?;
            if stream.entries().last_id().is_some_and(|id| id > last_id) {
                return Err(ReplayError::OutOfRange { what: "last id", value: last_id.ms });
            }
            at_most("entries added", entries_added.unwrap_or(0), COUNT_MAX)
        }
        Mutation::SetIdempotence { object, limits } => {
            stream_of(state, object)?;
            refuse_limits(limits)
        }
        Mutation::Produced { object, producer, iid, id } => {
            match stream_of(state, object)?.idempotence().find(producer, iid) {
                Some(_) => Err(ReplayError::Taken { what: "production of", id: id.ms }),
                None => Ok(()),
            }
        }
        Mutation::SetProductionCounts { object, added, duplicates } => {
            stream_of(state, object)?;
            at_most("productions", added.max(duplicates), COUNT_MAX)
        }
        Mutation::TrimBefore { object, .. }
        | Mutation::RemoveEntries { object, .. }
        | Mutation::CountDuplicate { object }
        | Mutation::SetRetention { object, .. }
        | Mutation::DropEntries { object, .. }
        | Mutation::ForgetProductions { object, .. } => stream_of(state, object).map(|_| ()),
        Mutation::Schedule { .. }
        | Mutation::Unschedule { .. }
        | Mutation::CountScheduleFailures { .. } => refuse_for_schedule(state, mutation),
        _ => refuse_for_group(state, mutation),
    }
}

fn refuse_for_schedule(state: &State, mutation: &Mutation<'_>) -> Result<(), ReplayError> {
    match *mutation {
        Mutation::Schedule { object, token, fields } => {
            let stream = stream_of(state, object)?;
            if token.sequence < stream.next_token(0).sequence {
                return Err(ReplayError::Taken { what: "delayed entry", id: token.sequence });
            }
            if fields.is_empty() || !fields.len().is_multiple_of(2) {
                let value = fields.len() as u64;
                return Err(ReplayError::OutOfRange { what: "count of fields", value });
            }
            at_most("delayed entry", token.sequence.max(token.due_ms), COUNT_MAX)
        }
        Mutation::Unschedule { object, tokens } => {
            let schedule = stream_of(state, object)?.schedule();
            let is_there = |token| schedule.is_some_and(|schedule| schedule.contains(token));
            let unknown = tokens.iter().find(|token| !is_there(**token));
            if let Some(&ScheduleToken { sequence: id, .. }) = unknown {
                return Err(ReplayError::Unknown { what: "delayed entry", id });
            }
            if let Some(pair) = tokens.windows(2).find(|pair| pair[0] >= pair[1]) {
                let value = pair[1].sequence;
                return Err(ReplayError::OutOfRange { what: "order of delayed entries", value });
            }
            Ok(())
        }
        Mutation::CountScheduleFailures { object, failures } => {
            stream_of(state, object)?;
            at_most("failures", failures, COUNT_MAX)
        }
        _ => unreachable!("no other part is about delayed entries"),
    }
}

fn group_of(state: &State, object: ObjectRef, group: GroupId) -> Result<&Group, ReplayError> {
    let stream = stream_of(state, object)?;
    if stream.has_group(group) {
        return Ok(stream.group(group));
    }
    Err(ReplayError::Unknown { what: "group", id: u64::from(group.0) })
}

fn known(group: &Group, consumer: ConsumerId) -> Result<(), ReplayError> {
    let unknown = ReplayError::Unknown { what: "consumer", id: u64::from(consumer.0) };
    group.has_consumer(consumer).then_some(()).ok_or(unknown)
}

fn refuse_for_group(state: &State, mutation: &Mutation<'_>) -> Result<(), ReplayError> {
    match *mutation {
        Mutation::CreateGroup { object, group, name, entries_read, .. } => {
            let stream = stream_of(state, object)?;
            // Another id than the next one would leave a gap of any size.
            if group != stream.next_group_id() || stream.find_group(name).is_some() {
                return Err(ReplayError::Taken { what: "group", id: u64::from(group.0) });
            }
            at_most("entries read", entries_read.unwrap_or(0), COUNT_MAX)
        }
        Mutation::SetGroupPosition { object, group, entries_read, .. } => {
            group_of(state, object, group)?;
            at_most("entries read", entries_read.unwrap_or(0), COUNT_MAX)
        }
        Mutation::SetPolicy { object, group, .. }
        | Mutation::DestroyGroup { object, group }
        | Mutation::RemovePending { object, group, .. }
        | Mutation::NoteFailure { object, group, .. }
        | Mutation::Hold { object, group, .. }
        | Mutation::SetValues { object, group, .. }
        | Mutation::Unhold { object, group, .. }
        | Mutation::UnholdAll { object, group }
        | Mutation::SetGroupCounters { object, group, .. } => {
            group_of(state, object, group).map(|_| ())
        }
        Mutation::CreateConsumer { object, group, consumer, name, .. } => {
            let group = group_of(state, object, group)?;
            if consumer != group.next_consumer_id() || group.find_consumer(name).is_some() {
                return Err(ReplayError::Taken { what: "consumer", id: u64::from(consumer.0) });
            }
            Ok(())
        }
        Mutation::DeleteConsumer { object, group, consumer } => {
            known(group_of(state, object, group)?, consumer)
        }
        Mutation::Deliver { object, group, consumer, entries_read, .. } => {
            known(group_of(state, object, group)?, consumer)?;
            at_most("entries read", entries_read.unwrap_or(0), COUNT_MAX)
        }
        Mutation::SetPending { object, group, by, entries, .. } => {
            let group = group_of(state, object, group)?;
            let count = entries.iter().map(|entry| entry.delivery_count).max();
            at_most("delivery count", count.unwrap_or(0), PendingEntry::DELIVERY_COUNT_MAX)?;
            let owners = entries.iter().filter_map(|entry| entry.owner);
            owners.chain(by.map(|(consumer, _)| consumer)).try_for_each(|owner| known(group, owner))
        }
        _ => unreachable!("every other part was handled"),
    }
}
