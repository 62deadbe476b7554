//! The state of a disk in memory: what reads see, what a crash leaves.
//!
//! Invariant: `live` is `durable` with everything pending applied in order, except after a failed
//! sync, when it holds bytes that are neither durable nor pending.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::{Crash, Operation};

const SECTOR_BYTES: usize = 512;

/// A disk with its files, pending changes and ordered faults.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    files: BTreeMap<u64, FileState>,
    live: Names,
    durable: Names,
    pending: Vec<NameChange>,
    next_id: u64,
    pub(super) capacity_bytes: Option<u64>,
    pub(super) faults: Vec<(Operation, u64, io::ErrorKind)>,
    pub(super) images: Option<Vec<(Operation, Disk)>>,
}

#[derive(Clone, Debug, Default)]
struct Names {
    folders: BTreeSet<String>,
    files: BTreeMap<String, u64>,
}

#[derive(Clone, Debug)]
enum NameChange {
    CreateDir(String),
    Create(String, u64),
    /// Of this file, whatever else had the name before.
    Rename(String, String, u64),
    Remove(String),
}

#[derive(Clone, Debug, Default)]
struct FileState {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
    /// Per sector, whether it takes space.
    allocated: Vec<bool>,
}

#[derive(Clone, Debug)]
enum Change {
    /// Within one sector.
    Write(usize, Vec<u8>),
    SetLen(usize),
}

/// A small generator (SplitMix64): the same sequence for a seed, everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn not_found(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no file {name}"))
}

impl NameChange {
    fn folder(&self) -> &str {
        match self {
            Self::CreateDir(name)
            | Self::Create(name, _)
            | Self::Rename(name, ..)
            | Self::Remove(name) => folder_of(name),
        }
    }
}

impl Names {
    fn apply(&mut self, change: &NameChange) {
        match change {
            NameChange::CreateDir(folder) => {
                self.folders.insert(folder.clone());
            }
            NameChange::Create(name, id) => {
                self.files.insert(name.clone(), *id);
            }
            NameChange::Rename(from, to, id) => {
                if self.files.get(from) == Some(id) {
                    self.files.remove(from);
                    self.files.insert(to.clone(), *id);
                }
            }
            NameChange::Remove(name) => {
                self.files.remove(name);
            }
        }
    }
}

impl FileState {
    fn synced(bytes: Vec<u8>) -> Self {
        let allocated = vec![true; bytes.len().div_ceil(SECTOR_BYTES)];
        Self { live: bytes.clone(), durable: bytes, pending: Vec::new(), allocated }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        put(&mut self.live, offset, bytes);
        if self.allocated.len() * SECTOR_BYTES < end {
            self.allocated.resize(end.div_ceil(SECTOR_BYTES), false);
        }
        let mut from = offset;
        while from < end {
            let to = end.min((from / SECTOR_BYTES + 1) * SECTOR_BYTES);
            self.allocated[from / SECTOR_BYTES] = true;
            self.pending.push(Change::Write(from, bytes[from - offset..to - offset].to_vec()));
            from = to;
        }
    }

    /// Sectors that a write would newly occupy.
    fn new_sectors(&self, offset: usize, count: usize) -> usize {
        let sectors = offset / SECTOR_BYTES..(offset + count).div_ceil(SECTOR_BYTES);
        sectors.filter(|sector| !self.allocated.get(*sector).is_some_and(|is| *is)).count()
    }

    fn sync(&mut self) {
        for change in self.pending.drain(..) {
            apply(&mut self.durable, &change);
        }
    }

    fn crash(&self, crash: Crash, dice: &mut Dice) -> Self {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            match crash {
                Crash::LoseAll => {}
                Crash::KeepAll => apply(&mut bytes, change),
                Crash::Random(_) => match (dice.roll(4), change) {
                    (0, _) => {}
                    (1, Change::Write(offset, written)) => {
                        let torn = dice.roll(written.len() as u64 + 1) as usize;
                        put(&mut bytes, *offset, &written[..torn]);
                    }
                    _ => apply(&mut bytes, change),
                },
            }
        }
        if crash == Crash::KeepAll {
            // Nothing but the process ended: bytes that failed to sync still read well.
            bytes.clone_from(&self.live);
        }
        let mut after = Self::synced(bytes);
        let allocated = self.allocated.iter().chain(std::iter::repeat(&false));
        after.allocated = allocated.take(after.allocated.len()).copied().collect();
        if crash == Crash::KeepAll {
            after.durable.clone_from(&self.durable);
            after.pending.clone_from(&self.pending);
        }
        after
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, written: &[u8]) {
    let end = offset + written.len();
    if written.is_empty() {
        return;
    }
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(written);
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write(offset, written) => put(bytes, *offset, written),
        Change::SetLen(length) => bytes.resize(*length, 0),
    }
}

impl Disk {
    /// Fails if that was ordered for this operation.
    fn check_fault(&mut self, operation: Operation) -> io::Result<()> {
        let mut hit = None;
        for (at, fault) in self.faults.iter_mut().enumerate() {
            if fault.0 == operation {
                if fault.1 == 0 && hit.is_none() {
                    hit = Some((at, fault.2));
                }
                fault.1 = fault.1.saturating_sub(1);
            }
        }
        let Some((at, kind)) = hit else { return Ok(()) };
        self.faults.remove(at);
        Err(io::Error::new(kind, format!("{operation:?} failed on order")))
    }

    fn keep_image(&mut self, operation: Operation) {
        if let Some(mut images) = self.images.take() {
            images.push((operation, self.clone()));
            self.images = Some(images);
        }
    }

    fn file(&mut self, id: u64) -> io::Result<&mut FileState> {
        self.files.get_mut(&id).ok_or_else(|| not_found("any more behind this handle"))
    }

    fn change_names(&mut self, change: NameChange) {
        self.live.apply(&change);
        self.pending.push(change);
    }

    pub(super) fn create_dir(&mut self, folder: &str) {
        if !self.live.folders.contains(folder) {
            self.change_names(NameChange::CreateDir(folder.to_owned()));
        }
    }

    pub(super) fn create_new(&mut self, name: &str) -> io::Result<u64> {
        self.check_fault(Operation::Create)?;
        let folder = folder_of(name);
        if !folder.is_empty() && !self.live.folders.contains(folder) {
            return Err(not_found(folder));
        }
        if self.live.files.contains_key(name) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{name} exists")));
        }
        let id = self.next_id;
        self.next_id += 1;
        self.files.insert(id, FileState::default());
        self.change_names(NameChange::Create(name.to_owned(), id));
        self.keep_image(Operation::Create);
        Ok(id)
    }

    pub(super) fn open(&mut self, name: &str) -> io::Result<u64> {
        self.check_fault(Operation::Open)?;
        self.live.files.get(name).copied().ok_or_else(|| not_found(name))
    }

    pub(super) fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        if !folder.is_empty() && !self.live.folders.contains(folder) {
            return Err(not_found(folder));
        }
        let inside = self.live.files.keys().filter(|name| folder_of(name) == folder);
        let start = if folder.is_empty() { 0 } else { folder.len() + 1 };
        Ok(inside.map(|name| name[start..].to_owned()).collect())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.check_fault(Operation::Rename)?;
        let Some(&id) = self.live.files.get(from) else { return Err(not_found(from)) };
        self.change_names(NameChange::Rename(from.to_owned(), to.to_owned(), id));
        self.keep_image(Operation::Rename);
        Ok(())
    }

    pub(super) fn remove(&mut self, name: &str) -> io::Result<()> {
        self.check_fault(Operation::Remove)?;
        if !self.live.files.contains_key(name) {
            return Err(not_found(name));
        }
        self.change_names(NameChange::Remove(name.to_owned()));
        self.keep_image(Operation::Remove);
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, folder: &str) -> io::Result<()> {
        self.check_fault(Operation::SyncDir)?;
        let pending = std::mem::take(&mut self.pending);
        for change in pending {
            if change.folder() == folder {
                self.durable.apply(&change);
            } else {
                self.pending.push(change);
            }
        }
        self.forget_unnamed();
        self.keep_image(Operation::SyncDir);
        Ok(())
    }

    /// Frees files that neither a reader nor a crash can reach by name.
    fn forget_unnamed(&mut self) {
        let mut named: BTreeSet<u64> = self.live.files.values().copied().collect();
        named.extend(self.durable.files.values());
        for change in &self.pending {
            if let NameChange::Create(_, id) = change {
                named.insert(*id);
            }
        }
        self.files.retain(|id, _| named.contains(id));
    }

    pub(super) fn read_at(&mut self, id: u64, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.check_fault(Operation::Read)?;
        let live = &self.file(id)?.live;
        let rest = usize::try_from(offset).ok().and_then(|offset| live.get(offset..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    pub(super) fn write_at(&mut self, id: u64, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let ordered = self.check_fault(Operation::Write);
        let result = match ordered {
            Ok(()) if !self.fits(id, offset, bytes.len())? => {
                Err(io::Error::new(io::ErrorKind::StorageFull, "disk is full"))
            }
            other => other,
        };
        let mut written = if result.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        // A real one takes what fits, too, before it fails.
        while !self.fits(id, offset, written.len())? {
            written = &written[..written.len() / 2];
        }
        self.file(id)?.write(offset, written);
        self.keep_image(Operation::Write);
        result
    }

    fn fits(&mut self, id: u64, offset: usize, count: usize) -> io::Result<bool> {
        let new_bytes = (self.file(id)?.new_sectors(offset, count) * SECTOR_BYTES) as u64;
        let capacity = self.capacity_bytes.filter(|_| new_bytes > 0);
        Ok(capacity.is_none_or(|capacity| self.used_bytes() + new_bytes <= capacity))
    }

    /// All of it or nothing.
    pub(super) fn reserve(&mut self, id: u64, offset: u64, bytes: u64) -> io::Result<()> {
        self.check_fault(Operation::Write)?;
        let end = usize::try_from(offset + bytes).map_err(io::Error::other)?;
        let (offset, used) = (offset as usize, self.used_bytes());
        let capacity_bytes = self.capacity_bytes;
        let file = self.file(id)?;
        let new_bytes = (file.new_sectors(offset, end - offset) * SECTOR_BYTES) as u64;
        if new_bytes > 0 && capacity_bytes.is_some_and(|capacity| used + new_bytes > capacity) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "disk is full"));
        }
        let length = file.live.len().max(end);
        file.live.resize(length, 0);
        let sectors = file.allocated.len().max(end.div_ceil(SECTOR_BYTES));
        file.allocated.resize(sectors, false);
        file.allocated[offset / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES)].fill(true);
        file.pending.push(Change::SetLen(length));
        self.keep_image(Operation::Write);
        Ok(())
    }

    fn used_bytes(&self) -> u64 {
        let named = self.live.files.values().filter_map(|id| self.files.get(id));
        let sectors = named.flat_map(|file| &file.allocated).filter(|is| **is).count();
        (sectors * SECTOR_BYTES) as u64
    }

    pub(super) fn sync_data(&mut self, id: u64) -> io::Result<()> {
        let ordered = self.check_fault(Operation::Sync);
        // A file that was removed and is still open has nothing that could survive.
        let Some(file) = self.files.get_mut(&id) else { return ordered };
        match ordered {
            Ok(()) => file.sync(),
            Err(_) => file.pending.clear(),
        }
        self.keep_image(Operation::Sync);
        ordered
    }

    pub(super) fn len(&mut self, id: u64) -> io::Result<u64> {
        Ok(self.file(id)?.live.len() as u64)
    }

    pub(super) fn set_len(&mut self, id: u64, bytes: u64) -> io::Result<()> {
        self.check_fault(Operation::SetLen)?;
        let length = usize::try_from(bytes).map_err(io::Error::other)?;
        let file = self.file(id)?;
        file.live.resize(length, 0);
        file.allocated.resize(length.div_ceil(SECTOR_BYTES), false);
        file.pending.push(Change::SetLen(length));
        self.keep_image(Operation::SetLen);
        Ok(())
    }

    pub(super) fn crash(&self, crash: Crash) -> Disk {
        let seed = if let Crash::Random(seed) = crash { seed } else { 0 };
        let mut dice = Dice(seed);
        let files: BTreeMap<u64, FileState> =
            self.files.iter().map(|(id, file)| (*id, file.crash(crash, &mut dice))).collect();
        let mut after = Disk { files, next_id: self.next_id, ..Disk::default() };
        after.capacity_bytes = self.capacity_bytes;
        if crash == Crash::KeepAll {
            after.live = self.live.clone();
            after.durable = self.durable.clone();
            after.pending = self.pending.clone();
            return after;
        }
        let mut names = self.durable.clone();
        for change in &self.pending {
            if matches!(crash, Crash::Random(_)) && dice.roll(2) == 0 {
                names.apply(change);
            }
        }
        names.files.retain(|name, _| {
            let folder = folder_of(name);
            folder.is_empty() || names.folders.contains(folder)
        });
        after.durable = names.clone();
        after.live = names;
        after.forget_unnamed();
        after
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.live.files.keys().cloned().collect()
    }

    pub(super) fn contents(&self, name: &str) -> Option<Vec<u8>> {
        let id = self.live.files.get(name)?;
        self.files.get(id).map(|file| file.live.clone())
    }

    pub(super) fn set_contents(&mut self, name: &str, bytes: Vec<u8>) {
        let folder = folder_of(name).to_owned();
        for names in [&mut self.live, &mut self.durable] {
            if !folder.is_empty() {
                names.folders.insert(folder.clone());
            }
            names.files.insert(name.to_owned(), self.next_id);
        }
        self.files.insert(self.next_id, FileState::synced(bytes));
        self.next_id += 1;
    }
}
