//! What a backup consists of, as `manifest.json` beside its files.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

/// Name in the backup.
pub(crate) const MANIFEST_NAME: &str = "manifest.json";
/// What this program writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// See the module.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// Of the manifest.
    pub(crate) format: u32,
    /// Version of the program that made it.
    pub(crate) version: String,
    /// When it was begun, RFC 3339, UTC.
    pub(crate) created: String,
    /// The log is whole up to here.
    pub(crate) position: u64,
    /// All files, in no order.
    pub(crate) files: Vec<ManifestFile>,
}

/// A file of a backup.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ManifestFile {
    /// `folder/file`.
    pub(crate) name: String,
    /// Bytes that were copied; what is behind them is zeros.
    pub(crate) bytes: u64,
    /// Length.
    pub(crate) file_bytes: u64,
    /// CRC-32C of the bytes.
    pub(crate) crc32c: u32,
}

impl Manifest {
    pub(crate) fn new(created: String, position: u64, files: Vec<ManifestFile>) -> Self {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Self { format: FORMAT, version, created, position, files }
    }

    /// Reads the manifest of a backup.
    pub(crate) fn read(backup: &Path) -> anyhow::Result<Self> {
        let path = backup.join(MANIFEST_NAME);
        let text = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let manifest: Self = serde_json::from_slice(&text)
            .with_context(|| format!("understand {}", path.display()))?;
        if manifest.format > FORMAT {
            bail!(
                "{} was written by a newer version of this program ({}): its format is {}, this \
                 version reads formats up to {FORMAT}",
                path.display(),
                manifest.version,
                manifest.format
            );
        }
        for file in &manifest.files {
            let parts: Vec<_> = file.name.split('/').collect();
            let is_plain = parts.len() == 2 && parts.iter().all(|part| !part.starts_with('.'));
            if !is_plain || file.bytes > file.file_bytes {
                bail!("{} lists {:?}, which is no file of a store", path.display(), file.name);
            }
        }
        Ok(manifest)
    }

    /// The file of that name.
    pub(crate) fn find(&self, name: &str) -> Option<&ManifestFile> {
        self.files.iter().find(|file| file.name == name)
    }

    pub(crate) fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a manifest is plain data")
    }

    /// Length of all files together.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}
