//! `millstream check`: everything in a data directory is read, by the code that a server runs, and
//! nothing is changed. With `--repair`, what is not lost is written to a new directory.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;
use millstream_engine::{
    Now, Options, OsStorage, OverlayStorage, SalvageProgress, SalvageStage, Salvaged, Storage,
    salvage,
};

use crate::backup::{Copying, ManifestFile, sync_directory};
use crate::byte_bar::byte_bar;
use crate::run_restore::{partial_path, refuse_occupied};
use crate::usage_error::usage;

/// Losses that are printed one by one.
const LISTED_MAX: usize = 1000;

/// What to check.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckOptions {
    /// Data directory; no server may have it open
    dir: PathBuf,
    /// Where something is damaged, write what can be saved to this new directory, after listing
    /// what is lost
    #[arg(long, value_name = "NEW-DIR")]
    repair: Option<PathBuf>,
}

/// Opens a data directory that must be there.
pub(crate) fn open_directory(path: &Path) -> anyhow::Result<OsStorage> {
    let is_store = ["log", "checkpoints", "blocks"].iter().any(|name| path.join(name).is_dir());
    if !is_store {
        return Err(usage(format!("{} is no data directory of Millstream", path.display())));
    }
    Ok(OsStorage::open(path)?)
}

pub(crate) fn run_check(options: &CheckOptions) -> anyhow::Result<()> {
    if let Some(repaired) = &options.repair {
        refuse_occupied(repaired)?;
    }
    let below: Arc<dyn Storage> = Arc::new(open_directory(&options.dir)?);
    let overlay: Arc<dyn Storage> = Arc::new(OverlayStorage::new(Arc::clone(&below)));
    let found = read_all(&overlay, "checking").context("nothing that can be opened is left")?;
    let counts = found.counts;
    println!(
        "{} keys, of them {} streams with {} entries and {} groups with {} pending; {} blocks of \
         {} bytes",
        counts.keys,
        counts.streams,
        counts.entries,
        counts.groups,
        counts.pending,
        counts.blocks,
        counts.block_bytes
    );
    if counts.scheduled > 0 {
        println!("{} delayed entries", counts.scheduled);
    }
    if found.losses.is_empty() {
        println!("{}: everything is intact", options.dir.display());
        return Ok(());
    }
    let count = found.losses.len();
    println!("{}: damaged. Lost is:", options.dir.display());
    for loss in found.losses.iter().take(LISTED_MAX) {
        println!("- {loss}");
    }
    if count > LISTED_MAX {
        println!("- and {} more of the kind", count - LISTED_MAX);
    }
    drop(found);
    let Some(repaired) = &options.repair else {
        bail!(
            "{count} faults; to save the rest: millstream check {} --repair NEW-DIR",
            options.dir.display()
        );
    };
    repair(&options.dir, repaired)?;
    println!("what is left was written to {}", repaired.display());
    println!("next: millstream serve --dir {}", repaired.display());
    Ok(())
}

fn repair(damaged: &Path, repaired: &Path) -> anyhow::Result<()> {
    let partial = partial_path(repaired)?;
    if partial.exists() {
        fs::remove_dir_all(&partial).with_context(|| format!("remove {}", partial.display()))?;
    }
    copy_store(damaged, &partial)?;
    let storage: Arc<dyn Storage> = Arc::new(OsStorage::open(&partial)?);
    let salvaged = read_all(&storage, "repairing")?;
    salvaged.finish().map_err(|error| anyhow::anyhow!("write what is left: {error}"))?;
    drop(storage);
    let storage: Arc<dyn Storage> = Arc::new(OsStorage::open(&partial)?);
    let overlay: Arc<dyn Storage> = Arc::new(OverlayStorage::new(storage));
    let again = read_all(&overlay, "verifying")?;
    if let Some(loss) = again.losses.first() {
        bail!("the repaired copy in {} is not whole: {loss}", partial.display());
    }
    drop((again, overlay));
    fs::rename(&partial, repaired).with_context(|| format!("rename {}", partial.display()))
}

/// Copies all files of a store, as damaged as they are.
fn copy_store(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut files = BTreeSet::new();
    for folder in ["log", "checkpoints", "blocks"] {
        let path = to.join(folder);
        fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        let source = from.join(folder);
        let entries = match fs::read_dir(&source) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            entries => entries.with_context(|| format!("list {}", source.display()))?,
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("list {}", source.display()))?;
            let bytes =
                entry.metadata().with_context(|| format!("list {}", source.display()))?.len();
            if let Ok(name) = entry.file_name().into_string() {
                files.insert((format!("{folder}/{name}"), bytes));
            }
        }
    }
    let bar = byte_bar("copying", files.iter().map(|(_, bytes)| bytes).sum());
    let copying = Copying { bar: &bar, may_link: false };
    for (name, bytes) in files {
        let mut file = ManifestFile { name: name.clone(), bytes, file_bytes: bytes, crc32c: 0 };
        copying.copy(&from.join(&name), &to.join(&name), &mut file)?;
    }
    bar.finish_and_clear();
    for folder in ["log", "checkpoints", "blocks", ""] {
        sync_directory(&to.join(folder))?;
    }
    Ok(())
}

fn read_all(storage: &Arc<dyn Storage>, what: &'static str) -> anyhow::Result<Salvaged> {
    let mut bar: Option<(SalvageStage, ProgressBar)> = None;
    let wall_ms = SystemTime::now().duration_since(UNIX_EPOCH).context("read the clock")?;
    let wall_ms = u64::try_from(wall_ms.as_millis()).context("read the clock")?;
    let now = Now { wall_ms, monotonic_ms: 0 };
    let salvaged = salvage(storage, &Options::default(), now, &mut |progress| {
        let SalvageProgress { stage, bytes_done, bytes_total } = progress;
        let (_, bar) = match bar.take().filter(|(before, _)| *before == stage) {
            Some(same) => bar.insert(same),
            None => bar.insert((stage, byte_bar(what, bytes_total))),
        };
        bar.set_length(bytes_total);
        bar.set_position(bytes_done);
    });
    if let Some((_, bar)) = bar {
        bar.finish_and_clear();
    }
    Ok(salvaged?)
}
