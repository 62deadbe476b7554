//! From the records of a checkpoint to a state.
//!
//! Files of a chain are read oldest first: what a later one says of an object replaces what earlier
//! ones said. Objects are bound to their keys when all was read, because in between two objects may
//! claim one key. Nothing is trusted: whatever does not fit is refused with its reason.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::FixedState;
use millstream_log::RecordReader;
use millstream_model::{
    BlockPlace, Consumer, ConsumerId, Entries, EntryId, Group, GroupId, Idempotence,
    IdempotenceLimits, LoadedBlock, PendingEntry, PendingList, StoredBlock, StoredContents,
    StoredTombstones, Stream,
};

use super::encode::{HAS_TOMBSTONES, IS_INLINE};
use super::kind::Kind;
use crate::object::{ObjectData, ObjectId};
use crate::record::ReplayError;
use crate::record::fields::FieldReader;
use crate::state::{DATABASE_COUNT, RestoredObject, State};

/// A state in the making.
#[derive(Default)]
pub(crate) struct Loader {
    header: Option<Header>,
    objects: HashMap<ObjectId, RestoredObject, FixedState>,
    stream: Option<StreamLoader>,
}

#[derive(Clone, Copy)]
struct Header {
    hash_seed: u64,
    next_object_id: ObjectId,
    time_max_ms: u64,
    stores: [u8; DATABASE_COUNT as usize],
}

struct StreamLoader {
    object: RestoredObject,
    id: ObjectId,
    last_id: EntryId,
    entries_added: u64,
    max_deleted_id: EntryId,
    idempotence: Idempotence,
    production_counts: (u64, u64),
    blocks: Vec<StoredBlock<'static>>,
    groups: Vec<(GroupId, Group)>,
    group: Option<GroupLoader>,
    pending: u64,
}
