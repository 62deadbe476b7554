//! The program under test: an engine over a faulty disk, with the parts that its threads would
//! drive, and its commands.
//!
//! Must not know the reference. Everything that the program does happens in one of these calls.

use std::sync::Arc;

use millstream_command::{Answer, Reply, ReplyEncoder, run, table};
use millstream_engine::{
    Checkpointer, Commit, ConcurrentSync, Engine, LogPosition, Now, OpenError, Options, Preparer,
    Synced, Transaction,
};
use millstream_log::MemoryStorage;
use millstream_model::Rejection;
use millstream_resp::{Decoder, Protocol, Value};

use crate::command::Text;
use crate::picture::keys;

/// More than any delayed entry.
const FIRED_BYTES_MAX: u64 = 8 << 10;

pub(crate) struct Store {
    pub(crate) disk: MemoryStorage,
    pub(crate) engine: Engine,
    pub(crate) commit: Commit,
    pub(crate) preparer: Preparer,
    pub(crate) checkpointer: Checkpointer,
    /// A sync beside the writes that was begun, and one that has run.
    pub(crate) syncing: Option<ConcurrentSync>,
    pub(crate) synced: Option<Synced>,
    /// Where recovery ended.
    pub(crate) recovered: u64,
    /// Where the log ended when a write or sync failed, and the bytes that nobody had taken then.
    /// What is published afterwards says no more.
    pub(crate) failed_at: Option<(u64, u64)>,
}

impl Store {
    pub(crate) fn open(disk: MemoryStorage, options: Options, now: Now) -> Result<Self, OpenError> {
        let opened = Engine::open(Arc::new(disk.clone()), options, now, &mut |_| ())?;
        let recovered = opened.engine.written().get();
        Ok(Self {
            disk,
            engine: opened.engine,
            commit: opened.commit,
            preparer: opened.preparer,
            checkpointer: opened.checkpointer,
            syncing: None,
            synced: None,
            recovered,
            failed_at: None,
        })
    }

    /// So many entries a group holds.
    pub(crate) fn held_max(&self, now: Now) -> usize {
        self.engine.lock(now).settings().held_max
    }

    /// Where the log ends.
    pub(crate) fn end(&self, txn: &Transaction<'_>) -> u64 {
        let unwritten = txn.statistics().unwritten_bytes as u64;
        match self.failed_at {
            Some((end, before)) => end + unwritten.saturating_sub(before),
            None => self.written() + unwritten,
        }
    }

    pub(crate) fn written(&self) -> u64 {
        self.engine.written().get()
    }

    pub(crate) fn durable(&self) -> u64 {
        self.engine.durable().get()
    }

    /// Why no write is taken any more, if so.
    pub(crate) fn poison(&self) -> Option<String> {
        self.engine.room()?.poison_reason()
    }

    /// Whether nothing but a time that was not over yet stood in the way of a delayed entry.
    pub(crate) fn may_fire(&self, end: u64) -> bool {
        let is_held_up = self.engine.is_memory_full() || self.engine.has_checkpoint_failed();
        !is_held_up && self.admits(end, FIRED_BYTES_MAX, false)
    }

    /// Whether so many bytes more find prepared space behind `end`.
    pub(crate) fn admits(&self, end: u64, bytes: u64, from_reserve: bool) -> bool {
        let end = LogPosition::new(end);
        self.engine.room().is_none_or(|room| match from_reserve {
            true => room.admits_from_reserve(end, bytes),
            false => room.admits(end, bytes),
        })
    }
}

/// What comes of a command.
pub(crate) enum Outcome {
    Reply(Value),
    Park(Box<millstream_engine::ReadRequest>, Option<u64>),
    /// It asked for log space first.
    NeedsRoom,
}

/// Runs a command within a record group.
pub(crate) fn execute(
    txn: &mut Transaction<'_>,
    arguments: &[Text],
    db: u8,
    may_block: bool,
) -> Outcome {
    let spec = match table::resolve(arguments) {
        Ok(spec) => spec,
        Err(error) => return Outcome::Reply(value(txn, error.reply())),
    };
    let arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
    // Blocks that have to be loaded first are loaded with the engine held.
    match run(spec, &arguments, db, may_block, txn) {
        Answer::Reply(reply) => Outcome::Reply(value(txn, reply)),
        Answer::Park { request, block_ms } => Outcome::Park(request, block_ms),
        Answer::NeedsRoom => Outcome::NeedsRoom,
        Answer::NeedsBlocks => unreachable!("nothing is put off"),
    }
}

/// The reply of a command that does not wait.
pub(crate) fn reply(txn: &mut Transaction<'_>, arguments: &[Text], db: u8) -> Option<Value> {
    match execute(txn, arguments, db, false) {
        Outcome::Reply(value) => Some(value),
        Outcome::Park(..) | Outcome::NeedsRoom => None,
    }
}

/// Whether a command writes, as its table says.
pub(crate) fn is_write(arguments: &[Text]) -> bool {
    table::resolve(arguments).is_ok_and(|spec| spec.is_write())
}

/// Whether every block that is on disk can be read.
pub(crate) fn is_readable(txn: &mut Transaction<'_>) -> bool {
    keys(txn).iter().all(|(db, key)| {
        let delayed = txn.list_schedule(*db, key, None, usize::MAX).map(|_| ());
        let is_readable = matches!(delayed, Ok(()) | Err(Rejection::WrongType));
        is_readable && txn.load_value(*db, key).is_ok()
    })
}

/// A reply as a client decodes it; blocks that it shows and that are on disk only are loaded.
pub(crate) fn value(txn: &Transaction<'_>, reply: Reply) -> Value {
    let mut encoder = ReplyEncoder::new(reply, Protocol::Resp2);
    let mut bytes = Vec::new();
    while !encoder.is_done() {
        encoder.step(&mut bytes, usize::MAX);
        let (missing, _) = encoder.missing(512 << 10);
        if !missing.is_empty() {
            encoder.supply(&txn.load_for_reply(&missing).expect("blocks are intact"));
        }
    }
    match Decoder::new().decode(&bytes) {
        Ok(Some((value, size))) if size == bytes.len() => value,
        other => panic!("a reply is one value: {other:?}"),
    }
}
