//! The directory that holds backups.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;

use super::manifest::MANIFEST_NAME;
use crate::usage_error::usage;

/// Backups in the making, and what is left of those that were cut short.
const PARTIAL_PREFIX: &str = ".partial-";
const LOCK_NAME: &str = ".lock";

/// One whole backup.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// A target, held by this process.
#[derive(Debug)]
pub(crate) struct Target {
    path: PathBuf,
    _lock: File,
}

impl Target {
    /// Opens the directory for this process alone, creating it where it is not there, and removes
    /// what an interrupted backup left.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("create {}", path.display()))?;
        if path.join(MANIFEST_NAME).exists() || path.join("log").exists() {
            return Err(usage(format!(
                "{} is a backup or a data directory itself: name the directory that backups go \
                 into",
                path.display()
            )));
        }
        let lock_path = path.join(LOCK_NAME);
        let lock = File::options().create(true).truncate(false).write(true).open(&lock_path);
        let lock = lock.with_context(|| format!("open {}", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                anyhow::bail!("another backup into {} is running", path.display());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", lock_path.display()));
            }
        }
        let target = Self { path: path.to_path_buf(), _lock: lock };
        for name in names(path)?.iter().filter(|name| name.starts_with(PARTIAL_PREFIX)) {
            let path = path.join(name);
            fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
        }
        Ok(target)
    }

    /// All whole backups in a directory, oldest first.
    pub(crate) fn snapshots(path: &Path) -> anyhow::Result<Vec<Snapshot>> {
        let mut names = names(path)?;
        names.retain(|name| !name.starts_with('.') && path.join(name).join(MANIFEST_NAME).exists());
        names.sort_unstable();
        Ok(names.into_iter().map(|name| Snapshot { path: path.join(&name), name }).collect())
    }

    /// Begins a backup: its name, and where its files go until it is whole.
    pub(crate) fn begin(&self, at: Timestamp) -> anyhow::Result<(String, PathBuf)> {
        let base = at.strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
        let name = (1..)
            .map(|n| if n == 1 { base.clone() } else { format!("{base}-{n}") })
            .find(|name| !self.path.join(name).exists())
            .expect("some number is free");
        let partial = self.path.join(format!("{PARTIAL_PREFIX}{name}"));
        fs::create_dir(&partial).with_context(|| format!("create {}", partial.display()))?;
        Ok((name, partial))
    }

    /// Gives a whole backup its name; its files and folders are synced.
    pub(crate) fn finish(&self, name: &str, partial: &Path) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        fs::rename(partial, &path).with_context(|| format!("rename {}", partial.display()))?;
        sync_directory(&self.path)?;
        Ok(path)
    }

    /// Removes the oldest backups, so that no more than `kept` are left.
    pub(crate) fn keep_newest(&self, kept: usize) -> anyhow::Result<Vec<Snapshot>> {
        let mut all = Self::snapshots(&self.path)?;
        all.truncate(all.len().saturating_sub(kept));
        for snapshot in &all {
            // Under another name first: one that is removed in part must not look whole.
            let partial = self.path.join(format!("{PARTIAL_PREFIX}{}", snapshot.name));
            let failed = || format!("remove {}", snapshot.path.display());
            fs::rename(&snapshot.path, &partial).with_context(failed)?;
            fs::remove_dir_all(&partial).with_context(failed)?;
        }
        Ok(all)
    }
}

fn names(path: &Path) -> anyhow::Result<Vec<String>> {
    let failed = || format!("list {}", path.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(path).with_context(failed)? {
        if let Ok(name) = entry.with_context(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    Ok(names)
}

/// Makes all names in a directory survive a crash.
pub(crate) fn sync_directory(path: &Path) -> anyhow::Result<()> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.with_context(|| format!("sync {}", path.display()))
}
