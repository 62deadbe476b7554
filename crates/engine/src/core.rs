//! What the engine's lock protects.
//!
//! Plain fields: what they mean together is said by whoever changes them, `transaction.rs`,
//! `serve.rs`, `due.rs` and `commit.rs`.

use millstream_log::LogBuffer;
use millstream_model::{BlockLimits, EntryId, IdempotenceLimits};

use crate::cache::Cache;
use crate::default_policy::DefaultPolicy;
use crate::dice::Dice;
use crate::now::SteadyClock;
use crate::object::ObjectId;
use crate::queue_wait::QueueWait;
use crate::schedule::Pause;
use crate::state::State;
use crate::stream_bounds::StreamBounds;
use crate::transaction::RecordGroup;
use crate::waiters::Waiters;

pub(crate) struct Core {
    pub(crate) state: State,
    /// `None`: nothing is kept (`--memory`).
    pub(crate) log: Option<LogBuffer>,
    pub(crate) waiters: Waiters,
    pub(crate) clock: SteadyClock,
    pub(crate) settings: Settings,
    pub(crate) default_policy: DefaultPolicy,
    pub(crate) group: RecordGroup,
    pub(crate) dice: Dice,
    /// Scratch, kept to be filled again without allocating.
    pub(crate) ids: Vec<EntryId>,
    /// When the next round of forgetting productions starts, in steady milliseconds.
    pub(crate) next_forgetting_ms: u64,
    /// The stream with which a round that ran out of budget or of log space goes on.
    pub(crate) forgetting_from: Option<ObjectId>,
    /// When the next round of retention may begin, in steady milliseconds.
    pub(crate) next_retention_ms: u64,
    /// The commit thread sleeps and wants to be woken at the next record.
    pub(crate) committer_sleeps: bool,
    /// It was woken since it last looked, and perhaps before it slept.
    pub(crate) is_committer_woken: bool,
    /// When the timer thread wakes by itself, in monotonic milliseconds; 0 while it works.
    pub(crate) timer_wakes_at_ms: u64,
    /// As with the committer.
    pub(crate) is_timer_woken: bool,
    /// When the store was opened, in steady milliseconds: the last use of what nobody used since.
    pub(crate) opened_at_ms: u64,
    /// Keys that reading commands found, and that they did not find.
    pub(crate) keyspace_hits: u64,
    pub(crate) keyspace_misses: u64,
    /// Keys removed because their time had come, since the start or RESETSTAT.
    pub(crate) expired_keys: u64,
    pub(crate) queue_wait: QueueWait,
    /// Delayed entries of no stream are fired meanwhile.
    pub(crate) schedule_pause: Pause,
    /// When that was last tried, in Unix milliseconds: the wall clock may be set back.
    pub(crate) fired_at_ms: u64,
    /// At the last look there was no log space for what time demands.
    pub(crate) is_log_full: bool,
    /// Blocks that are both in memory and on disk.
    pub(crate) cache: Cache,
    /// Blocks in memory are to take no more than this.
    pub(crate) cache_bytes: usize,
    /// Bytes of blocks in memory only that the last checkpoint left so: small ones at the ends of
    /// streams.
    pub(crate) unwritten_floor: usize,
    /// A checkpoint is being made, or a file emptied: it counts on this very state.
    pub(crate) is_checkpointing: bool,
}

/// What may be changed while the engine runs.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Where a stream's blocks end. Redis' `stream-node-max-*`.
    pub block_limits: BlockLimits,
    /// What new streams start with. Redis' `stream-idmp-*`.
    pub idempotence: IdempotenceLimits,
    /// A group with ORDERBY holds so many entries at most; then it reads no further.
    pub held_max: usize,
    /// What any stream may hold.
    pub bounds: StreamBounds,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            block_limits: BlockLimits { bytes_max: 4096, entries_max: 100 },
            idempotence: IdempotenceLimits::default(),
            held_max: 10_000,
            bounds: StreamBounds::default(),
        }
    }
}
