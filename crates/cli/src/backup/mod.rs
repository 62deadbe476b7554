//! Backups: what lies in one, and how it is made.
//!
//! A backup target is a directory with one directory per backup, named after the time when it was
//! begun (UTC). Each of those is a whole data directory with a manifest beside it. Files that do
//! not change any more are second names (hard links) of the store's or of the backup's before,
//! where the file system can do that. A backup in the making has a name that begins with a dot.

mod copying;
mod live_store;
mod manifest;
mod target;

pub(crate) use copying::{CopiedFile, Copying};
pub(crate) use live_store::LiveStore;
pub(crate) use manifest::{Manifest, ManifestFile};
pub(crate) use target::{Snapshot, Target, sync_directory};
