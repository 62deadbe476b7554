//! `millstream backup`: a copy of a running server's store, or of a directory at rest.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use millstream_engine::{OverlayStorage, Storage, StoredFile, stored_files};
use serde::Serialize;

use crate::backup::{
    CopiedFile, Copying, LiveStore, Manifest, ManifestFile, Snapshot, Target, sync_directory,
};
use crate::byte_bar::byte_bar;
use crate::client_command::{self, OnInterrupt};
use crate::output::{JsonBytes, print_json, print_line, print_text};
use crate::run_check::open_directory;
use crate::server::ServerOptions;
use crate::usage_error::usage;

/// What to copy, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct BackupOptions {
    /// Data directory to copy in place of a server's, while no server has it open
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// Copy every byte: no file is a second name of the store's, or of the backup's before
    #[arg(long)]
    copy: bool,
    /// Afterwards remove the oldest backups there, so that so many are left
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    keep: Option<u64>,
    /// Directory for backups; each gets a directory in it, named after the time
    target: PathBuf,
    #[command(flatten)]
    server: ServerOptions,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  millstream backup --url redis://127.0.0.1/ ./backups --keep 7
  millstream backup --dir ./millstream-data ./backups

The server must run on this machine, and goes on meanwhile. What has not changed since the backup
before is a second name of the file there, so that a backup takes as much room as what changed.";

/// For --json.
#[derive(Serialize)]
struct Document {
    backup: JsonBytes,
    files: usize,
    bytes: u64,
    /// Whole up to there.
    log_position: u64,
    unchanged_files: usize,
    linked_files: usize,
    copied_bytes: u64,
    /// Older backups.
    removed: Vec<JsonBytes>,
}

pub(crate) fn run_backup(options: &BackupOptions) -> anyhow::Result<()> {
    // A variable with an address may be there for other commands.
    if options.dir.is_some() && options.server.is_url_typed() {
        return Err(usage(
            "--dir and --url name two places to copy from\n  next: leave one of them out",
        ));
    }
    // Ctrl-C ends the process: what is left of the copy goes with the next backup.
    client_command::run(OnInterrupt::Itself, backup(options))
}

async fn backup(options: &BackupOptions) -> anyhow::Result<()> {
    let target = Target::open(&options.target)?;
    let before = Target::snapshots(&options.target)?.pop();
    let began = Timestamp::now();
    let mut live = None;
    // Held until the copy is made.
    let mut at_rest: Option<Arc<dyn Storage>> = None;
    let (directory, position, files) = match &options.dir {
        Some(directory) => {
            // What is left of an interrupted checkpoint is removed on the overlay only.
            let storage = OverlayStorage::new(Arc::new(open_directory(directory)?));
            let storage: Arc<dyn Storage> = Arc::new(storage);
            let (files, position) = stored_files(&storage)?;
            at_rest = Some(storage);
            (directory.clone(), position.get(), files)
        }
        None => {
            let store = LiveStore::pin(&options.server).await?;
            let found = (store.directory.clone(), store.position, store.files.clone());
            live = Some(store);
            found
        }
    };
    let (name, partial) = target.begin(began)?;
    let copied = async {
        let files = &files[..];
        let copied =
            copy_all(options, &directory, &partial, files, before.as_ref(), live.as_ref()).await?;
        if let Some(live) = live {
            live.unpin().await?;
        }
        drop(at_rest);
        let Copied { files, linked, unchanged, copied_bytes } = copied;
        let manifest = Manifest::new(began.to_string(), position, files);
        write_manifest(&partial, &manifest)?;
        let path = target.finish(&name, &partial)?;
        anyhow::Ok(Document {
            backup: JsonBytes::from(&*path),
            files: manifest.files.len(),
            bytes: manifest.bytes(),
            log_position: position,
            unchanged_files: unchanged,
            linked_files: linked,
            copied_bytes,
            removed: Vec::new(),
        })
    };
    let copied = copied.await;
    if copied.is_err() {
        // What cannot be removed now is by the next backup.
        let _ = fs::remove_dir_all(&partial);
    }
    let mut document = copied?;
    let is_json = options.server.json;
    if !is_json {
        print_text(&document.text())?;
    }
    if let Some(kept) = options.keep {
        for gone in target.keep_newest(usize::try_from(kept).unwrap_or(usize::MAX))? {
            if !is_json {
                print_line(&format!("removed {}", gone.path.display()))?;
            }
            document.removed.push(JsonBytes::from(&*gone.path));
        }
    }
    if is_json {
        print_json(&document)?;
    }
    Ok(())
}

impl Document {
    fn text(&self) -> String {
        let Self { files, bytes, log_position, unchanged_files, linked_files, .. } = self;
        let (backup, copied_bytes) = (String::from_utf8_lossy(&self.backup.0), self.copied_bytes);
        format!(
            "{backup}: {files} files, {bytes} bytes, whole up to log position {log_position}\n\
             {unchanged_files} files as in the backup before, {linked_files} linked, \
             {copied_bytes} bytes copied\n"
        )
    }
}

struct Copied {
    files: Vec<ManifestFile>,
    unchanged: usize,
    linked: usize,
    copied_bytes: u64,
}

async fn copy_all(
    options: &BackupOptions,
    directory: &Path,
    partial: &Path,
    files: &[StoredFile],
    before: Option<&Snapshot>,
    live: Option<&LiveStore>,
) -> anyhow::Result<Copied> {
    let before = match before.filter(|_| !options.copy) {
        // One whose manifest cannot be read is no help.
        Some(before) => Manifest::read(&before.path).ok().map(|manifest| (before, manifest)),
        None => None,
    };
    for folder in ["log", "checkpoints", "blocks"] {
        let folder = partial.join(folder);
        fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let bar = byte_bar("copying", files.iter().map(|file| file.bytes).sum());
    let copying = Copying { bar: &bar, may_link: !options.copy };
    let mut copied =
        Copied { files: Vec::with_capacity(files.len()), unchanged: 0, linked: 0, copied_bytes: 0 };
    for file in files {
        let StoredFile { ref name, bytes, file_bytes, is_final } = *file;
        let mut listed = ManifestFile { name: name.clone(), bytes, file_bytes, crc32c: 0 };
        let (from, to) = (directory.join(name), partial.join(name));
        let known = before.as_ref().and_then(|(snapshot, manifest)| {
            Some((snapshot.path.join(name), manifest.find(name)?))
        });
        let known = known.as_ref().map(|(path, file)| (path.as_path(), *file));
        let how = copying.take(&from, &to, &mut listed, is_final, known)?;
        match how {
            CopiedFile::Unchanged => copied.unchanged += 1,
            CopiedFile::Linked => copied.linked += 1,
            CopiedFile::Copied => copied.copied_bytes += bytes,
        }
        copied.files.push(listed);
        if let Some(live) = live {
            live.keep_alive().await?;
        }
    }
    bar.finish_and_clear();
    Ok(copied)
}

fn write_manifest(partial: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    let path = partial.join("manifest.json");
    let written = File::create_new(&path)
        .and_then(|mut file| file.write_all(&manifest.to_json()).and_then(|()| file.sync_all()));
    written.with_context(|| format!("write {}", path.display()))?;
    for folder in ["log", "checkpoints", "blocks", ""] {
        sync_directory(&partial.join(folder))?;
    }
    Ok(())
}
