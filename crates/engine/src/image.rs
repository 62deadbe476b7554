//! One object as bytes: what DUMP hands out, and what a COPY or a RESTORE logs.
//!
//! An image is a list of parts, as a record is, that builds the object from nothing under the
//! identity 1: so everything that refuses a contradicting record refuses a hostile image, and a
//! kind of part never changes its meaning. Groups and consumers are numbered anew without gaps;
//! blocks and tombstones are not in it. `docs/format.md` has the bytes. Tests: `image/tests.rs`.

use std::fmt;
use std::sync::Arc;

use millstream_model::{BlockLimits, ConsumerId, EntryId, GroupId, PendingEntry, Stream};

use crate::mutation::Mutation;
use crate::object::{ObjectData, ObjectId, ObjectRef, ObjectSlot};
use crate::record::{ReplayError, encode as encode_part, replay_image};
use crate::state::State;

#[cfg(test)]
pub(crate) mod tests;

/// Pending entries of one part: an image of ten million of them is read back in pieces.
const PENDING_PER_PART: usize = 4096;
const OBJECT: ObjectRef =
    ObjectRef { id: ObjectId(1), slot: ObjectSlot { store: u8::MAX, index: u32::MAX } };

/// Bytes that are no image of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageError {
    reason: String,
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not the image of a value: {}", self.reason)
    }
}

impl std::error::Error for ImageError {}

impl From<ReplayError> for ImageError {
    fn from(error: ReplayError) -> Self {
        Self { reason: error.to_string() }
    }
}

/// The object's image; all its blocks are in memory. Costs time and memory like its content.
pub(crate) fn encode(data: &ObjectData) -> Vec<u8> {
    let mut image = Vec::new();
    match data {
        ObjectData::String(value) => {
            let value = value.bytes.clone();
            let (object, db, key) = (OBJECT.id, 0, b"");
            let part = Mutation::CreateString { object, db, key, value, expires_at_ms: None };
            encode_part(&part, &mut image);
        }
        ObjectData::Stream(stream) => encode_stream(stream, &mut image),
    }
    image
}

fn encode_stream(stream: &Stream, to: &mut Vec<u8>) {
    let mut put = |part: &Mutation<'_>| encode_part(part, to);
    let productions = stream.idempotence();
    let limits = productions.limits();
    put(&Mutation::CreateStream { object: OBJECT.id, db: 0, key: b"", limits });
    let all = stream.entries().slice(
        EntryId::MIN,
        EntryId::MAX,
        usize::MAX,
        millstream_model::Direction::Ascending,
    );
    let all = all.expect("its blocks are in memory");
    let mut fields: Vec<Vec<u8>> = Vec::new();
    all.for_each(|entry| {
        fields.clear();
        fields.extend(entry.pairs().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]));
        let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        let (id, limits) = (entry.id(), BlockLimits::default());
        put(&Mutation::Append { object: OBJECT, id, fields: &fields, limits });
    });
    put(&Mutation::SetCounters {
        object: OBJECT,
        last_id: stream.last_id(),
        entries_added: Some(stream.entries_added()),
        max_deleted_id: Some(stream.max_deleted_id()),
    });
    if let Some(&retention) = stream.retention() {
        put(&Mutation::SetRetention { object: OBJECT, retention });
    }
    for (number, (_, group)) in (0..).zip(stream.groups()) {
        encode_group(GroupId(number), group, &mut put);
    }
    for (producer, iid, id) in productions.productions() {
        put(&Mutation::Produced { object: OBJECT, producer, iid, id });
    }
    let (added, duplicates) = (productions.added(), productions.duplicates());
    put(&Mutation::SetProductionCounts { object: OBJECT, added, duplicates });
}

fn encode_group(
    number: GroupId,
    group: &millstream_model::Group,
    put: &mut impl FnMut(&Mutation<'_>),
) {
    put(&Mutation::CreateGroup {
        object: OBJECT,
        group: number,
        name: group.name(),
        position: group.last_delivered_id(),
        entries_read: group.entries_read(),
    });
    if let Some(policy) = group.policy() {
        let policy = Box::new(policy.clone());
        put(&Mutation::SetPolicy { object: OBJECT, group: number, policy });
    }
    // By their present numbers, which may have gaps.
    let mut renumbered = Vec::new();
    for (consumer, (present, facts)) in (0..).map(ConsumerId).zip(group.consumers()) {
        let slot = present.0 as usize;
        if renumbered.len() <= slot {
            renumbered.resize(slot + 1, consumer);
        }
        renumbered[slot] = consumer;
        let now_ms = facts.seen_ms;
        let name = &facts.name;
        put(&Mutation::CreateConsumer { object: OBJECT, group: number, consumer, name, now_ms });
        // Being active sets both times, and the time of being seen may be later.
        let times = facts.active_ms.map(|ms| (ms, true)).into_iter();
        for (now_ms, is_active) in times.chain([(facts.seen_ms, false)]) {
            let by = Some((consumer, is_active));
            put(&Mutation::SetPending { object: OBJECT, group: number, by, now_ms, entries: &[] });
        }
    }
    let mut entries = Vec::with_capacity(PENDING_PER_PART.min(group.pending().len()));
    let mut flush = |entries: &mut Vec<PendingEntry>| {
        put(&Mutation::SetPending { object: OBJECT, group: number, by: None, now_ms: 0, entries });
        entries.clear();
    };
    // In this order each becomes the youngest of its time, as it is here.
    for mut entry in group.pending().oldest_first() {
        entry.owner = entry.owner.map(|owner| renumbered[owner.0 as usize]);
        entries.push(entry);
        if entries.len() == PENDING_PER_PART {
            flush(&mut entries);
        }
    }
    if !entries.is_empty() {
        flush(&mut entries);
    }
    for (id, failure) in group.pending().failures() {
        let failure = Arc::clone(failure);
        put(&Mutation::NoteFailure { object: OBJECT, group: number, failure, ids: &[id] });
    }
    if let Some(order) = group.order() {
        let ids = group.pending().range(EntryId::MIN, EntryId::MAX).map(|record| record.id);
        let values: Vec<_> = ids.filter_map(|id| Some((id, order.value(id)?))).collect();
        put(&Mutation::SetValues { object: OBJECT, group: number, entries: &values });
        let held: Vec<_> = order.held().collect();
        put(&Mutation::Hold { object: OBJECT, group: number, entries: &held });
    }
    if let Some(&counters) = group.counters() {
        put(&Mutation::SetGroupCounters { object: OBJECT, group: number, counters });
    }
}

/// The object of an image.
///
/// # Errors
/// If the bytes are no image; whatever they are, this neither panics nor takes memory that is not
/// in proportion to them.
pub(crate) fn decode(image: &[u8], limits: BlockLimits) -> Result<ObjectData, ReplayError> {
    let mut state = State::new(0);
    replay_image(&mut state, image, limits)?;
    let object = state
        .find_object(OBJECT.id)
        .filter(|_| state.object_count() == 1)
        .ok_or(ReplayError::Unknown { what: "object", id: OBJECT.id.0 })?;
    let data = state.take_object(object);
    if let ObjectData::Stream(stream) = &data {
        refuse_impossible(stream)?;
    }
    Ok(data)
}

/// What every stream is and parts alone do not ensure.
fn refuse_impossible(stream: &Stream) -> Result<(), ReplayError> {
    let (added, length) = (stream.entries_added(), stream.entries().len());
    if added < length {
        return Err(ReplayError::OutOfRange { what: "entries added", value: added });
    }
    if stream.max_deleted_id() > stream.last_id() {
        let value = stream.max_deleted_id().ms;
        return Err(ReplayError::OutOfRange { what: "largest deleted id", value });
    }
    Ok(())
}
