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
use serde::Serialize;

use crate::backup::{Copying, ManifestFile, sync_directory};
use crate::byte_bar::byte_bar;
use crate::fault_report::{FaultReport, reports};
use crate::output::{JsonBytes, print_json, print_line, print_text};
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
    /// Print JSON: one document
    #[arg(long)]
    json: bool,
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  millstream check ./millstream-data
  millstream check ./millstream-data --json
  millstream check ./millstream-data --repair ./saved

Exit code 0: everything is intact, or what is left was written to NEW-DIR. 1: something is damaged.
Nothing is changed in DIR.";

/// For --json.
#[derive(Serialize)]
struct Document {
    dir: JsonBytes,
    is_intact: bool,
    keys: u64,
    streams: u64,
    entries: u64,
    groups: u64,
    pending: u64,
    scheduled: u64,
    blocks: u64,
    block_bytes: u64,
    /// The first [`LISTED_MAX`] of them.
    losses: Vec<String>,
    loss_count: u64,
    /// Panics of servers that ran on it, the newest at most 20.
    faults: Vec<FaultReport>,
    /// Where what is left was written.
    repaired: Option<JsonBytes>,
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
    let losses: Vec<String> =
        found.losses.iter().take(LISTED_MAX).map(ToString::to_string).collect();
    let count = found.losses.len();
    drop(found);
    let mut document = Document {
        dir: JsonBytes::from(&*options.dir),
        is_intact: count == 0,
        keys: counts.keys,
        streams: counts.streams,
        entries: counts.entries,
        groups: counts.groups,
        pending: counts.pending,
        scheduled: counts.scheduled,
        blocks: counts.blocks,
        block_bytes: counts.block_bytes,
        losses,
        loss_count: count as u64,
        faults: reports(&options.dir),
        repaired: None,
    };
    // Before what takes long, so that one knows what is lost.
    if !options.json {
        print_text(&document.text(options))?;
    }
    let repaired = options.repair.as_ref().filter(|_| count > 0);
    if let Some(repaired) = repaired {
        repair(&options.dir, repaired)?;
        document.repaired = Some(JsonBytes::from(&**repaired));
    }
    match (options.json, repaired) {
        (true, _) => print_json(&document)?,
        (false, Some(repaired)) => {
            print_line(&format!("what is left was written to {}", repaired.display()))?;
            print_line(&format!("next: millstream serve --dir {}", repaired.display()))?;
        }
        (false, None) => {}
    }
    if count > 0 && repaired.is_none() {
        bail!(
            "{count} faults; to save the rest: millstream check {} --repair NEW-DIR",
            options.dir.display()
        );
    }
    Ok(())
}

impl Document {
    fn text(&self, options: &CheckOptions) -> String {
        let Self { keys, streams, entries, groups, pending, blocks, block_bytes, .. } = self;
        let mut text = format!(
            "{keys} keys, of them {streams} streams with {entries} entries and {groups} groups with \
             {pending} pending; {blocks} blocks of {block_bytes} bytes\n"
        );
        if self.scheduled > 0 {
            text += &format!("{} delayed entries\n", self.scheduled);
        }
        let dir = options.dir.display();
        if !self.faults.is_empty() {
            text +=
                "the program itself was wrong, please report it (all of the files in faults):\n";
            self.faults.iter().for_each(|fault| text += &format!("- {}\n", fault.text()));
        }
        if self.is_intact {
            return text + &format!("{dir}: everything is intact\n");
        }
        text += &format!("{dir}: damaged. Lost is:\n");
        self.losses.iter().for_each(|loss| text += &format!("- {loss}\n"));
        let more = self.loss_count - self.losses.len() as u64;
        if more > 0 {
            text += &format!("- and {more} more of the kind\n");
        }
        text
    }
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
