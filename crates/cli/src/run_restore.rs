//! `millstream restore`: a data directory from a backup.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::backup::{Copying, Manifest, Snapshot, Target, sync_directory};
use crate::byte_bar::byte_bar;
use crate::output::{JsonBytes, print_json, print_line};
use crate::usage_error::usage;

/// What to restore, and where to.
#[derive(Debug, clap::Args)]
pub(crate) struct RestoreOptions {
    /// Directory with backups, or one of the backups in it
    source: PathBuf,
    /// Data directory to make; it must not be there yet, or be empty
    dir: PathBuf,
    /// Which backup to take, by its name [default: the newest]
    #[arg(long, value_name = "NAME")]
    snapshot: Option<String>,
    /// List the backups, and restore nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON: one document
    #[arg(long)]
    json: bool,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  millstream restore ./backups ./millstream-data-again
  millstream restore ./backups ./millstream-data-again --dry-run

Every checksum is looked at; if one is wrong nothing is restored.";

/// For --json.
#[derive(Serialize)]
struct Document {
    /// The names of all backups there, the oldest first, if nothing is restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    backups: Option<Vec<String>>,
    backup: JsonBytes,
    dir: JsonBytes,
    files: usize,
    bytes: u64,
    log_position: u64,
    is_dry_run: bool,
}

pub(crate) fn run_restore(options: &RestoreOptions) -> anyhow::Result<()> {
    let chosen = choose(options)?;
    let manifest = Manifest::read(&chosen.path)?;
    let mut document = Document {
        backups: None,
        backup: JsonBytes::from(&*chosen.path),
        dir: JsonBytes::from(&*options.dir),
        files: manifest.files.len(),
        bytes: manifest.bytes(),
        log_position: manifest.position,
        is_dry_run: options.dry_run,
    };
    if options.dry_run {
        let names: Vec<String> =
            Target::snapshots(&options.source)?.into_iter().map(|it| it.name).collect();
        if options.json {
            document.backups = Some(names);
            print_json(&document)?;
            return Ok(());
        }
        for name in names {
            print_line(&name)?;
        }
        print_line(&format!(
            "would restore {}: {} files, {} bytes, up to log position {}",
            chosen.path.display(),
            manifest.files.len(),
            manifest.bytes(),
            manifest.position
        ))?;
        return Ok(());
    }
    refuse_occupied(&options.dir)?;
    let partial = partial_path(&options.dir)?;
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("remove {}", partial.display()))?;
    }
    let restored = copy_all(&chosen.path, &partial, &manifest).and_then(|()| {
        // Onto an empty directory, too.
        fs::rename(&partial, &options.dir)
            .with_context(|| format!("rename {}", partial.display()))?;
        sync_directory(parent(&options.dir))
    });
    if restored.is_err() {
        // It is of no use, and a later attempt removes what could not be removed now.
        let _ = fs::remove_dir_all(&partial);
    }
    restored?;
    if options.json {
        print_json(&document)?;
        return Ok(());
    }
    print_line(&format!(
        "restored {} into {}: {} files, {} bytes, all checksums right",
        chosen.path.display(),
        options.dir.display(),
        manifest.files.len(),
        manifest.bytes()
    ))?;
    print_line(&format!("next: millstream serve --dir {}", options.dir.display()))?;
    Ok(())
}

fn choose(options: &RestoreOptions) -> anyhow::Result<Snapshot> {
    let source = &options.source;
    if source.join("manifest.json").exists() {
        if options.snapshot.is_some() {
            return Err(usage(format!(
                "{} is a single backup: leave out --snapshot",
                source.display()
            )));
        }
        let name = source.display().to_string();
        return Ok(Snapshot { name, path: source.clone() });
    }
    let mut all = Target::snapshots(source)?;
    let Some(wanted) = &options.snapshot else {
        let newest = all.pop();
        return newest.ok_or_else(|| usage(format!("there is no backup in {}", source.display())));
    };
    let names = || all.iter().map(|snapshot| &*snapshot.name).collect::<Vec<_>>().join(", ");
    match all.iter().position(|snapshot| snapshot.name == *wanted) {
        Some(index) => Ok(all.swap_remove(index)),
        None => Err(usage(format!("there is no backup {wanted}, but: {}", names()))),
    }
}

/// Refuses a directory in which something is.
pub(crate) fn refuse_occupied(path: &Path) -> anyhow::Result<()> {
    match fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("list {}", path.display())),
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(usage(format!(
                "{} is not empty: nothing is written over data that is there",
                path.display()
            ))),
        },
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Where a directory is made, before it gets its name.
pub(crate) fn partial_path(path: &Path) -> anyhow::Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| usage("name the directory to be made"))?;
    let mut partial = std::ffi::OsString::from(".partial-");
    partial.push(name);
    Ok(parent(path).join(partial))
}

fn copy_all(backup: &Path, partial: &Path, manifest: &Manifest) -> anyhow::Result<()> {
    for folder in ["log", "checkpoints", "blocks"] {
        let folder = partial.join(folder);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    }
    let bar = byte_bar("restoring", manifest.bytes());
    let copying = Copying { bar: &bar, may_link: false };
    for file in &manifest.files {
        let mut copied = file.clone();
        copying.copy(&backup.join(&file.name), &partial.join(&file.name), &mut copied)?;
        if copied.crc32c != file.crc32c {
            bail!(
                "{} is damaged: its checksum is {:08x}, and was {:08x} when it was copied; nothing \
                 was restored",
                backup.join(&file.name).display(),
                copied.crc32c,
                file.crc32c
            );
        }
    }
    bar.finish_and_clear();
    for folder in ["log", "checkpoints", "blocks", ""] {
        sync_directory(&partial.join(folder))?;
    }
    Ok(())
}
