//! What a copy of a store consists of, and keeping it on disk while it is copied.
//!
//! A copy is a checkpoint with its block files, and the log from there up to what is durable. While
//! a [`BackupPin`] is held, none of it is removed or written again; the log may grow behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_log::{
    BlockFiles, BlockFilesOptions, CheckpointChain, FilesPin, LogPosition, OpenError, Storage,
    StoredFile, log_end, segments_between,
};

use crate::blocks::address;
use crate::engine::{Engine, Shared};
use crate::recovery;

/// The newest checkpoint, and those that somebody copies.
#[derive(Debug, Default)]
pub(crate) struct Backups {
    newest: Pinned,
    pinned: BTreeMap<u64, Pinned>,
    next_id: u64,
}

/// A checkpoint: numbers of its full file and of its newest one, 0 where there is none, and where
/// the log behind it begins.
#[derive(Clone, Copy, Debug, Default)]
struct Pinned {
    chain: (u64, u64),
    position: LogPosition,
}

impl Backups {
    /// A checkpoint is the newest from now on. What only the one before needs may be freed after
    /// this, not before.
    pub(crate) fn published(&mut self, chain: (u64, u64), position: LogPosition) {
        self.newest = Pinned { chain, position };
    }

    fn all(&self) -> impl Iterator<Item = &Pinned> {
        std::iter::once(&self.newest).chain(self.pinned.values())
    }

    /// Chains of checkpoints that are needed.
    pub(crate) fn chains(&self) -> Vec<(u64, u64)> {
        self.all().map(|pinned| pinned.chain).filter(|chain| chain.1 > 0).collect()
    }

    pub(crate) fn log_needed_from(&self) -> LogPosition {
        self.all().map(|pinned| pinned.position).min().expect("there is the newest")
    }
}

/// A store that is being copied. Dropping it lets the files go.
pub struct BackupPin {
    shared: Arc<Shared>,
    id: u64,
    pinned: Pinned,
    until: LogPosition,
    blocks: Vec<StoredFile>,
    _files: FilesPin,
}

impl Engine {
    /// Keeps on disk what a copy of everything that is durable now consists of; `None` in memory.
    #[must_use]
    pub fn pin_backup(&self) -> Option<BackupPin> {
        let shared = self.shared_handle();
        let files = shared.block_files()?;
        let mut backups = shared.backups.lock();
        let (pinned, id) = (backups.newest, backups.next_id);
        backups.next_id += 1;
        backups.pinned.insert(id, pinned);
        let (pin, blocks) = (files.pin(), files.live_files());
        drop(backups);
        let until = shared.durable().max(pinned.position);
        Some(BackupPin { shared, id, pinned, until, blocks, _files: pin })
    }
}

impl BackupPin {
    /// The copy holds everything up to here.
    #[must_use]
    pub fn until(&self) -> LogPosition {
        self.until
    }

    /// The files to copy.
    ///
    /// # Errors
    /// [`OpenError`] if one cannot be looked at.
    pub fn files(&self) -> Result<Vec<StoredFile>, OpenError> {
        let storage = self.shared.storage().expect("only a store on disk is pinned");
        let mut files = chain_files(&**storage, self.pinned.chain)?;
        files.extend(self.blocks.iter().cloned());
        files.extend(segments_between(&**storage, self.pinned.position, self.until)?);
        Ok(files)
    }
}

impl Drop for BackupPin {
    fn drop(&mut self) {
        self.shared.backups.lock().pinned.remove(&self.id);
    }
}

/// What a copy of a store consists of that nobody has open, and where its log ends.
///
/// # Errors
/// [`OpenError`]: a server would not open it either.
pub fn stored_files(
    storage: &Arc<dyn Storage>,
) -> Result<(Vec<StoredFile>, LogPosition), OpenError> {
    let chain = CheckpointChain::find(storage)?;
    let (from, numbers) = chain.as_ref().map_or((LogPosition::ZERO, (0, 0)), |chain| {
        (chain.position(), (chain.full_number(), chain.number()))
    });
    let mut files = chain_files(&**storage, numbers)?;
    if let Some(chain) = &chain {
        let state = recovery::load(chain, &mut |_| {})?;
        let places = state.places().map(address).collect::<Vec<_>>();
        let options = BlockFilesOptions::default();
        files.extend(BlockFiles::open(Arc::clone(storage), options, places)?.live_files());
    }
    let until = log_end(&**storage, from)?;
    files.extend(segments_between(&**storage, from, until)?);
    Ok((files, until))
}

fn chain_files(storage: &dyn Storage, chain: (u64, u64)) -> Result<Vec<StoredFile>, OpenError> {
    if chain.1 == 0 { Ok(Vec::new()) } else { CheckpointChain::stored_files(storage, chain) }
}
