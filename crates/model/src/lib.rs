//! Streams, consumer groups and pending lists as plain data.
//!
//! This crate knows no I/O, no clock, no threads and no wire format: every time and every id
//! comes in as an argument, so the same transitions serve the live path and recovery.
//!
//! Principal type: [`Stream`], with [`Entries`] and [`Group`]s in it. Transitions take exact
//! effects and panic on what does not fit, which is a bug of the caller; what a client may get
//! wrong is a [`Rejection`] of whoever asks. Everything that is counted or indexed can be derived
//! again by a `check`. Tests: beside the modules, against naive references.

mod backoff;
mod consumer;
mod entries;
mod entry_id;
mod group;
mod group_counters;
mod group_policy;
mod idempotence;
mod order;
mod pending;
mod rejection;
mod retention;
mod schedule;
mod steady_list;
mod stream;
mod stream_bound;
mod trim;

pub use backoff::Backoff;
pub use consumer::Consumer;
pub use entries::{
    BlockError, BlockLimits, BlockPlace, ColdBlock, ColdBlocks, Direction, Entries, EntryRef,
    EntrySlice, EntrySliceIter, Eviction, FreedBlocks, LoadedBlock, NodeView, Pairs, PinnedEntry,
    RestoreError, StoredBlock, StoredContents, StoredTombstones,
};
pub use entry_id::EntryId;
pub use group::{Group, GroupId};
pub use group_counters::{GroupCounters, Settled};
pub use group_policy::{ConsumerDeletion, GroupPolicy};
pub use idempotence::{Idempotence, IdempotenceLimits};
pub use order::Order;
pub use pending::{AvailableEntries, ConsumerId, Failure, PendingEntry, PendingList, Timing};
pub use rejection::Rejection;
pub use retention::{Overflow, Retain, Retention, StreamLimit};
pub use schedule::{Schedule, ScheduleToken};
pub use steady_list::SteadyList;
pub use stream::{DropPlan, Dropped, Stream};
pub use stream_bound::StreamBound;
pub use trim::{References, TrimBy, TrimOptions, TrimPlan};
