//! Exact effects: what a command decided to change, ready to be logged and applied.
//!
//! Every part names one unit (an object, or a directory; one that creates an object also binds its
//! key) and says absolutely what becomes of it, so that recovery repeats it without looking at
//! clocks, settings or other units. Must not know bytes: those are `record/`. Tests:
//! `record/tests.rs`.

use std::sync::Arc;

use bytes::Bytes;
use millstream_model::{
    BlockLimits, ConsumerId, EntryId, Failure, GroupCounters, GroupId, GroupPolicy,
    IdempotenceLimits, PendingEntry, Retention, ScheduleToken, Settled,
};

use crate::object::{ObjectData, ObjectId, ObjectRef};
use crate::strings::StringForm;

/// One part of a record group. `docs/format.md` has the bytes.
#[derive(Clone, Debug)]
pub(crate) enum Mutation<'a> {
    /// The first part of a new store.
    Created {
        hash_seed: u64,
    },
    /// A new stream, bound to a key.
    CreateStream {
        object: ObjectId,
        db: u8,
        key: &'a [u8],
        limits: IdempotenceLimits,
    },
    /// A new string, bound to a key, with an optional expiry.
    CreateString {
        object: ObjectId,
        db: u8,
        key: &'a [u8],
        value: Bytes,
        expires_at_ms: Option<u64>,
    },
    /// A key and its object go.
    RemoveKey {
        db: u8,
        key: &'a [u8],
    },
    /// A key's expiry is set or taken away.
    SetExpiry {
        db: u8,
        key: &'a [u8],
        at_ms: Option<u64>,
    },
    /// A key gets another name; what had that name goes.
    RenameKey {
        db: u8,
        from: &'a [u8],
        to: &'a [u8],
    },
    /// All keys of one database go, or of all.
    Flush {
        db: Option<u8>,
    },
    /// A string's value changes in place; its expiry stays.
    SetString {
        object: ObjectRef,
        value: Bytes,
        /// Not logged: in Redis, too, a restart forgets it.
        form: StringForm,
    },
    Append {
        object: ObjectRef,
        id: EntryId,
        fields: &'a [&'a [u8]],
        /// Not logged: where blocks end changes no answer but XINFO's, and of later approximate
        /// trims the effects are logged.
        limits: BlockLimits,
    },
    TrimBefore {
        object: ObjectRef,
        id: EntryId,
    },
    RemoveEntries {
        object: ObjectRef,
        ids: &'a [EntryId],
        /// Raises the largest deleted id; a trim does not.
        is_deletion: bool,
        /// Pending records of all groups go too, also where the entry is gone already.
        with_references: bool,
    },
    SetCounters {
        object: ObjectRef,
        last_id: EntryId,
        entries_added: Option<u64>,
        max_deleted_id: Option<EntryId>,
    },
    CreateGroup {
        object: ObjectRef,
        group: GroupId,
        name: &'a [u8],
        position: EntryId,
        entries_read: Option<u64>,
    },
    SetGroupPosition {
        object: ObjectRef,
        group: GroupId,
        position: EntryId,
        entries_read: Option<u64>,
    },
    /// All of a group's policy.
    SetPolicy {
        object: ObjectRef,
        group: GroupId,
        policy: Box<GroupPolicy>,
    },
    DestroyGroup {
        object: ObjectRef,
        group: GroupId,
    },
    CreateConsumer {
        object: ObjectRef,
        group: GroupId,
        consumer: ConsumerId,
        name: &'a [u8],
        now_ms: u64,
    },
    DeleteConsumer {
        object: ObjectRef,
        group: GroupId,
        consumer: ConsumerId,
    },
    /// New entries handed to a consumer; the group moves behind them.
    Deliver {
        object: ObjectRef,
        group: GroupId,
        consumer: ConsumerId,
        now_ms: u64,
        position: EntryId,
        entries_read: Option<u64>,
        /// What becomes pending with count 1; empty with NOACK.
        pending: &'a [EntryId],
    },
    /// Pending records created or replaced, in the order in which they get their place.
    SetPending {
        object: ObjectRef,
        group: GroupId,
        /// The consumer that caused it, and whether it became active by it.
        by: Option<(ConsumerId, bool)>,
        now_ms: u64,
        entries: &'a [PendingEntry],
    },
    RemovePending {
        object: ObjectRef,
        group: GroupId,
        ids: &'a [EntryId],
        settled: Settled,
    },
    /// How pending entries failed last; what is not pending is passed over.
    NoteFailure {
        object: ObjectRef,
        group: GroupId,
        failure: Arc<Failure>,
        ids: &'a [EntryId],
    },
    /// Entries of an ordered group that are not pending are held, each with the hash of its value.
    Hold {
        object: ObjectRef,
        group: GroupId,
        entries: &'a [(EntryId, u64)],
    },
    /// The hashes of the values of pending entries.
    SetValues {
        object: ObjectRef,
        group: GroupId,
        entries: &'a [(EntryId, u64)],
    },
    /// Entries are not held any more, and were never handed out.
    Unhold {
        object: ObjectRef,
        group: GroupId,
        ids: &'a [EntryId],
        settled: Settled,
    },
    /// Nothing is held any more: what was is new again, or passed over.
    UnholdAll {
        object: ObjectRef,
        group: GroupId,
    },
    /// What a managed group has counted.
    SetGroupCounters {
        object: ObjectRef,
        group: GroupId,
        counters: GroupCounters,
    },
    SetIdempotence {
        object: ObjectRef,
        limits: IdempotenceLimits,
    },
    Produced {
        object: ObjectRef,
        producer: &'a [u8],
        iid: &'a [u8],
        id: EntryId,
    },
    CountDuplicate {
        object: ObjectRef,
    },
    ForgetProductions {
        object: ObjectRef,
        cutoff_ms: u64,
    },
    /// A string gets longer.
    AppendString {
        object: ObjectRef,
        suffix: &'a [u8],
    },
    /// A key with its expiry goes to another database, where it must not exist.
    MoveKey {
        from: u8,
        to: u8,
        key: &'a [u8],
    },
    /// A new object with a value that is complete already, bound to a key with an optional expiry.
    Restore {
        object: ObjectId,
        db: u8,
        key: &'a [u8],
        expires_at_ms: Option<u64>,
        /// The value as bytes, see `image.rs`: that is logged.
        image: &'a [u8],
        /// The same value.
        data: ObjectData,
    },
    /// The counters of idempotent production.
    SetProductionCounts {
        object: ObjectRef,
        added: u64,
        duplicates: u64,
    },
    /// Two databases exchange their keys.
    SwapDatabases {
        a: u8,
        b: u8,
    },
    /// All of a stream's retention.
    SetRetention {
        object: ObjectRef,
        retention: Retention,
    },
    /// Retention drops every entry below an id, with the pending records of all groups below it.
    DropEntries {
        object: ObjectRef,
        before: EntryId,
    },
    /// An entry that is to be appended later.
    Schedule {
        object: ObjectRef,
        token: ScheduleToken,
        fields: &'a [&'a [u8]],
    },
    /// Delayed entries go: fired, in the same record as their append, or cancelled.
    Unschedule {
        object: ObjectRef,
        /// Ascending.
        tokens: &'a [ScheduleToken],
    },
    /// How often the stream refused an entry that was due, in all.
    CountScheduleFailures {
        object: ObjectRef,
        failures: u64,
    },
}

impl Mutation<'_> {
    /// The stream of which some entries may have no owner any more.
    pub(crate) fn frees_places(&self) -> Option<ObjectRef> {
        match *self {
            Self::SetPending { object, entries, .. } => {
                entries.iter().any(|entry| entry.owner.is_none()).then_some(object)
            }
            Self::RemovePending { object, .. }
            | Self::DeleteConsumer { object, .. }
            | Self::Hold { object, .. }
            | Self::Unhold { object, .. }
            | Self::DropEntries { object, .. }
            | Self::RemoveEntries { object, with_references: true, .. } => Some(object),
            _ => None,
        }
    }

    /// The stream that a part changes, if it is one of those.
    #[inline]
    pub(crate) fn stream(&self) -> Option<ObjectRef> {
        match *self {
            Self::Append { object, .. }
            | Self::TrimBefore { object, .. }
            | Self::RemoveEntries { object, .. }
            | Self::SetCounters { object, .. }
            | Self::CreateGroup { object, .. }
            | Self::SetGroupPosition { object, .. }
            | Self::SetPolicy { object, .. }
            | Self::DestroyGroup { object, .. }
            | Self::CreateConsumer { object, .. }
            | Self::DeleteConsumer { object, .. }
            | Self::Deliver { object, .. }
            | Self::SetPending { object, .. }
            | Self::RemovePending { object, .. }
            | Self::NoteFailure { object, .. }
            | Self::SetGroupCounters { object, .. }
            | Self::Hold { object, .. }
            | Self::SetValues { object, .. }
            | Self::Unhold { object, .. }
            | Self::UnholdAll { object, .. }
            | Self::SetIdempotence { object, .. }
            | Self::Produced { object, .. }
            | Self::CountDuplicate { object }
            | Self::ForgetProductions { object, .. }
            | Self::SetProductionCounts { object, .. }
            | Self::SetRetention { object, .. }
            | Self::DropEntries { object, .. }
            | Self::Schedule { object, .. }
            | Self::Unschedule { object, .. }
            | Self::CountScheduleFailures { object, .. } => Some(object),
            Self::Created { .. }
            | Self::CreateStream { .. }
            | Self::CreateString { .. }
            | Self::RemoveKey { .. }
            | Self::SetExpiry { .. }
            | Self::RenameKey { .. }
            | Self::Flush { .. }
            | Self::SetString { .. }
            | Self::AppendString { .. }
            | Self::MoveKey { .. }
            | Self::Restore { .. }
            | Self::SwapDatabases { .. } => None,
        }
    }
}
