//! Opening a store of which something is damaged, saying what of it is lost.
//!
//! For tools. A server opens only what is whole: here, whatever cannot be read is given up, in the
//! storage itself where that is the log or a checkpoint. So this runs on a copy, or on an overlay
//! that throws its changes away, and the store with the damage stays as it is.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use millstream_log::{
    CheckpointChain, LogPosition, LostLog, OpenError, Progress, Storage, begin_log_at, cut_log_at,
};
use millstream_model::{ColdBlock, EntryId, StoredContents};

use crate::block_totals::BlockBytes;
use crate::blocks::{address, read_blocks};
use crate::checkpoint::CheckpointStep;
use crate::engine::{Engine, Opened, Options};
use crate::now::Now;
use crate::object::{ObjectId, ObjectRef};
use crate::state::State;

/// Each attempt gives something up: a log twice, a checkpoint once.
const ATTEMPTS_MAX: usize = 100;
/// Blocks read at once.
const BLOCKS_AT_ONCE: usize = 256;

/// Something that cannot be saved. `Display` says it to people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Loss {
    /// The log from a position on.
    Log {
        /// What there was.
        lost: LostLog,
        /// What is damaged.
        reason: String,
    },
    /// Newest checkpoints: the store goes back to the one before.
    Checkpoints {
        /// How many files.
        count: usize,
        /// What is damaged.
        reason: String,
    },
    /// A part of a checkpoint. What it said of strings and whole streams is not known.
    Checkpoint {
        /// What is damaged.
        reason: String,
        /// Bytes left out.
        bytes: u64,
    },
    /// A stream with its groups, of which a checkpoint has only parts.
    Stream {
        /// Its key.
        key: Vec<u8>,
    },
    /// Records of the log that fit nothing that is left.
    Records {
        /// How many.
        count: u64,
        /// Why the first of them could not be applied.
        reason: String,
    },
    /// Entries of a stream. What is pending of them stays pending, as for deleted entries.
    Entries {
        /// The stream.
        key: Vec<u8>,
        /// The first and the last one.
        ids: (EntryId, EntryId),
        /// How many.
        count: u64,
        /// What is damaged.
        reason: String,
    },
    /// Delayed entries of a stream.
    Scheduled {
        /// The stream.
        key: Vec<u8>,
        /// How many.
        count: u64,
        /// What is damaged.
        reason: String,
    },
    /// Something does not agree with itself: a fault of this program. It is left as it is.
    Contradiction {
        /// What.
        reason: String,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |key: &[u8]| key.escape_ascii().to_string();
        match self {
            Self::Log { lost, reason } => {
                write!(f, "everything logged from position {} on", lost.from)?;
                if lost.until > lost.from {
                    write!(f, " (at least {} bytes)", lost.until.since(lost.from))?;
                }
                write!(f, ": {reason}")
            }
            Self::Checkpoints { count, reason } => {
                write!(f, "{count} newest checkpoint files: {reason}")
            }
            Self::Checkpoint { reason, bytes } => {
                write!(f, "{bytes} bytes of a checkpoint, strings and whole streams: {reason}")
            }
            Self::Stream { key } => {
                write!(f, "stream \"{}\" with its groups: a part of it is damaged", name(key))
            }
            Self::Records { count, reason } => {
                write!(f, "{count} records of the log that fit nothing that is left: {reason}")
            }
            Self::Entries { key, ids: (first, last), count, reason } => {
                write!(f, "{count} entries of \"{}\", {first} to {last}: {reason}", name(key))
            }
            Self::Scheduled { key, count, reason } => {
                write!(f, "{count} delayed entries of \"{}\": {reason}", name(key))
            }
            Self::Contradiction { reason } => {
                write!(f, "nothing, but counts do not agree (please report this): {reason}")
            }
        }
    }
}

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SalvageStage {
    /// Checkpoint and log.
    Opening,
    /// Blocks of entries.
    Blocks,
}

/// How far reading has come.
#[derive(Clone, Copy, Debug)]
pub struct SalvageProgress {
    /// What is being read.
    pub stage: SalvageStage,
    /// Bytes of it.
    pub bytes_done: u64,
    /// All of them.
    pub bytes_total: u64,
}

/// What a store holds, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Keys.
    pub keys: u64,
    /// Those of them that are streams.
    pub streams: u64,
    /// Groups of all streams.
    pub groups: u64,
    /// Entries.
    pub entries: u64,
    /// Pending entries of all groups.
    pub pending: u64,
    /// Delayed entries.
    pub scheduled: u64,
    /// Blocks on disk.
    pub blocks: u64,
    /// Their bytes there.
    pub block_bytes: u64,
}

/// A store that was opened and read as a whole.
pub struct Salvaged {
    /// What cannot be saved; empty for a store without damage.
    pub losses: Vec<Loss>,
    /// What there is, damaged blocks included.
    pub counts: StoreCounts,
    opened: Opened,
    damaged: Vec<(ObjectId, ColdBlock)>,
}

/// Opens a store, giving up what is damaged, and reads every block.
///
/// # Errors
/// [`OpenError`] where nothing is left to open, the format is that of a newer version, or the
/// storage fails.
pub fn salvage(
    storage: &Arc<dyn Storage>,
    options: &Options,
    now: Now,
    progress: &mut dyn FnMut(SalvageProgress),
) -> Result<Salvaged, OpenError> {
    let mut options = Options { accepts_damaged: true, ..options.clone() };
    // No checkpoint is made of what is only looked at.
    options.blocks.reserve_bytes = 0;
    let mut losses = Vec::new();
    let mut opened = open(storage, &options, now, &mut losses, progress)?;
    losses.append(&mut opened.losses);
    let (damaged, counts) = read_everything(&opened.engine, &mut losses, progress);
    check(&opened, &mut losses);
    Ok(Salvaged { losses, counts, opened, damaged })
}

fn open(
    storage: &Arc<dyn Storage>,
    options: &Options,
    now: Now,
    losses: &mut Vec<Loss>,
    progress: &mut dyn FnMut(SalvageProgress),
) -> Result<Opened, OpenError> {
    let mut attempts = 0;
    loop {
        attempts += 1;
        let on_progress = &mut |Progress { bytes_done, bytes_total, .. }| {
            progress(SalvageProgress { stage: SalvageStage::Opening, bytes_done, bytes_total });
        };
        let error = match Engine::open(Arc::clone(storage), options.clone(), now, on_progress) {
            Ok(opened) => return Ok(opened),
            Err(error) => error,
        };
        if attempts == ATTEMPTS_MAX {
            return Err(error);
        }
        losses.push(give_up(storage, options, error)?);
    }
}

/// Gives up what an attempt to open stumbled over.
fn give_up(
    storage: &Arc<dyn Storage>,
    options: &Options,
    error: OpenError,
) -> Result<Loss, OpenError> {
    let reason = error.to_string();
    let is_in = |path: &Path, folder: &str| {
        path == storage.path(folder) || path.parent() == Some(&*storage.path(folder))
    };
    let path = match &error {
        OpenError::Damaged { path, .. }
        | OpenError::Missing { path, .. }
        | OpenError::MissingCheckpoint { path }
        | OpenError::Replay { path, .. } => path.clone(),
        _ => return Err(error),
    };
    if is_in(&path, "checkpoints") {
        let count = CheckpointChain::give_up_from(&**storage, &path)?;
        return if count > 0 { Ok(Loss::Checkpoints { count, reason }) } else { Err(error) };
    }
    if !is_in(&path, "log") {
        return Err(error);
    }
    let chain = CheckpointChain::find(storage)?;
    let from = match &chain {
        Some(chain) => chain.position(),
        // Without a checkpoint, and without a log from the beginning, there is nothing.
        None if matches!(error, OpenError::Missing { .. }) => return Err(error),
        None => LogPosition::ZERO,
    };
    let lost = match error {
        OpenError::Damaged { position, .. } if position >= from => cut_log_at(&**storage, position),
        _ => begin_log_at(&**storage, &options.log, from),
    };
    Ok(Loss::Log { lost: lost?, reason })
}

/// Reads every block, and counts what there is.
fn read_everything(
    engine: &Engine,
    losses: &mut Vec<Loss>,
    progress: &mut dyn FnMut(SalvageProgress),
) -> (Vec<(ObjectId, ColdBlock)>, StoreCounts) {
    let files = engine.shared().block_files().expect("a stored engine has block files");
    let (mut blocks, mut counts) = {
        let core = engine.shared().lock_core();
        (all_blocks(&core.state), count(&core.state))
    };
    blocks.sort_unstable_by_key(|block| address(block.cold.place));
    counts.blocks = blocks.len() as u64;
    counts.block_bytes = blocks.iter().map(|block| u64::from(block.cold.place.bytes)).sum();
    let mut damaged: Vec<(StoredFacts, String)> = Vec::new();
    let mut bytes_done = 0;
    let bytes_total = counts.block_bytes;
    let mut rest = blocks.into_iter().peekable();
    while rest.peek().is_some() {
        let some: Vec<_> = rest.by_ref().take(BLOCKS_AT_ONCE).collect();
        let cold: Vec<_> = some.iter().map(|block| block.cold).collect();
        bytes_done += cold.iter().map(|cold| u64::from(cold.place.bytes)).sum::<u64>();
        if read_blocks(files, &cold).is_err() {
            // Which one it was is found by reading each on its own.
            damaged.extend(some.into_iter().filter_map(|block| {
                let error = read_blocks(files, &[block.cold]).err()?;
                Some((block, error.to_string()))
            }));
        }
        progress(SalvageProgress { stage: SalvageStage::Blocks, bytes_done, bytes_total });
    }
    damaged.sort_unstable_by_key(|(block, _)| (block.object, block.ids));
    let mut before = None;
    for (block, reason) in &damaged {
        if block.is_delayed {
            let (key, reason) = (block.key.to_vec(), reason.clone());
            losses.push(Loss::Scheduled { key, count: block.live, reason });
            continue;
        }
        // Blocks that are lost for one reason are one loss.
        let is_same = before.replace(block.object) == Some(block.object);
        match losses.last_mut() {
            Some(Loss::Entries { ids, count, reason: known, .. }) if is_same && known == reason => {
                ids.1 = block.ids.1;
                *count += block.live;
            }
            _ => losses.push(Loss::Entries {
                key: block.key.to_vec(),
                ids: block.ids,
                count: block.live,
                reason: reason.clone(),
            }),
        }
    }
    (damaged.into_iter().map(|(block, _)| (block.object, block.cold)).collect(), counts)
}

/// What the index says of a block on disk.
struct StoredFacts {
    object: ObjectId,
    key: Arc<[u8]>,
    cold: ColdBlock,
    ids: (EntryId, EntryId),
    live: u64,
    /// It is one of delayed entries.
    is_delayed: bool,
}

fn all_blocks(state: &State) -> Vec<StoredFacts> {
    let mut blocks = Vec::new();
    for object in state.objects() {
        let Some(stream) = object.data.as_stream() else { continue };
        let delayed = stream.schedule().into_iter().flat_map(|all| all.payloads().blocks());
        let entries = stream.entries().blocks().map(|block| (block, false));
        for (block, is_delayed) in entries.chain(delayed.map(|block| (block, true))) {
            let StoredContents::Place(place) = block.contents else { continue };
            let ids = block
                .tombstones
                .map_or((block.first, block.last), |dead| (dead.first_live, dead.last_live));
            blocks.push(StoredFacts {
                object: object.id,
                key: Arc::clone(&object.key),
                cold: ColdBlock { first: block.first, place, stored: block.stored },
                ids,
                live: block.live.into(),
                is_delayed,
            });
        }
    }
    blocks
}

fn count(state: &State) -> StoreCounts {
    let mut counts = StoreCounts::default();
    for object in state.objects() {
        counts.keys += 1;
        let Some(stream) = object.data.as_stream() else { continue };
        counts.streams += 1;
        counts.groups += stream.group_count() as u64;
        counts.entries += stream.entries().len();
        counts.scheduled += stream.schedule().map_or(0, |schedule| schedule.len() as u64);
        counts.pending +=
            stream.groups().map(|(_, group)| group.pending().len() as u64).sum::<u64>();
    }
    counts
}

/// Re-derives everything that is counted.
fn check(opened: &Opened, losses: &mut Vec<Loss>) {
    let checked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        opened.engine.shared().lock_core().state.check();
        opened.checkpointer.check();
    }));
    if let Err(panic) = checked {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        let reason = text.unwrap_or("a check failed").to_owned();
        losses.push(Loss::Contradiction { reason });
    }
}

impl Salvaged {
    /// Takes out the entries that are lost, and makes a checkpoint that holds all that is left:
    /// from then on the store is whole.
    ///
    /// # Errors
    /// Whatever could not be written.
    pub fn finish(self) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let Self { mut opened, damaged, .. } = self;
        {
            let mut core = opened.engine.shared().lock_core();
            for (object, cold) in damaged {
                if let Some(object) = core.state.find_stream_object(object) {
                    core.state.give_up_block(object, cold);
                }
            }
        }
        opened.checkpointer.make_full();
        loop {
            match opened.checkpointer.step(true)? {
                CheckpointStep::Working => {}
                CheckpointStep::WaitsForLog(_) => {
                    while opened.commit.write_step()? {}
                    opened.commit.sync_step()?;
                }
                CheckpointStep::Published(_) => break,
                CheckpointStep::Idle => return Err("no checkpoint was made".into()),
            }
        }
        opened.preparer.remove_before(opened.engine.log_needed_from())?;
        Ok(())
    }
}

impl State {
    /// Takes the entries of a block out that cannot be read.
    fn give_up_block(&mut self, object: ObjectRef, cold: ColdBlock) {
        self.before_change(object);
        let stream = self.stream_mut(object.slot);
        let before = BlockBytes::of(stream);
        if stream.give_up_block(cold) == 0 {
            let due_ms = self.first_due(object);
            self.stream_mut(object.slot).give_up_scheduled(cold);
            self.note_due(object, due_ms);
        }
        self.note_blocks(object, before);
    }
}
