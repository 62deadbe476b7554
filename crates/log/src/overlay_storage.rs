//! A storage whose changes stay in memory: what is below is read and never touched.
//!
//! For tools that want to know what opening a store would come to. A page that was written stays in
//! memory until the overlay goes.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Storage, StorageFile};

const PAGE_BYTES: u64 = 4096;

/// See the module.
#[derive(Debug)]
pub struct OverlayStorage {
    below: Arc<dyn Storage>,
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
struct Names {
    folders: BTreeSet<String>,
    /// Names that differ from those below, or whose file was opened; `None`: removed.
    files: BTreeMap<String, Option<Arc<OverlayFile>>>,
}

impl OverlayStorage {
    /// An overlay without changes.
    #[must_use]
    pub fn new(below: Arc<dyn Storage>) -> Self {
        Self { below, names: Mutex::default() }
    }

    fn find(&self, names: &mut Names, name: &str) -> io::Result<Arc<OverlayFile>> {
        match names.files.get(name) {
            Some(Some(file)) => return Ok(Arc::clone(file)),
            Some(None) => return Err(ErrorKind::NotFound.into()),
            None => {}
        }
        let below = self.below.open(name)?;
        let bytes = below.len()?;
        let pages = Pages { written: BTreeMap::new(), bytes, below_bytes: bytes };
        let file = Arc::new(OverlayFile { below: Some(below), pages: Mutex::new(pages) });
        names.files.insert(name.to_owned(), Some(Arc::clone(&file)));
        Ok(file)
    }
}

impl Storage for OverlayStorage {
    fn create_dir(&self, folder: &str) -> io::Result<()> {
        self.names.lock().folders.insert(folder.to_owned());
        Ok(())
    }

    fn create_new(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut names = self.names.lock();
        match self.find(&mut names, name) {
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let file = Arc::new(OverlayFile::default());
                names.files.insert(name.to_owned(), Some(Arc::clone(&file)));
                Ok(file)
            }
            Err(error) => Err(error),
        }
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.find(&mut self.names.lock(), name)?)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let names = self.names.lock();
        let mut found: BTreeSet<String> = match self.below.list(folder) {
            Ok(below) => below.into_iter().collect(),
            Err(error) if error.kind() == ErrorKind::NotFound && names.folders.contains(folder) => {
                BTreeSet::new()
            }
            Err(error) => return Err(error),
        };
        for (name, file) in &names.files {
            let Some((of, name)) = name.rsplit_once('/').or(Some(("", name))) else { continue };
            if of != folder {
                continue;
            }
            match file {
                Some(_) => found.insert(name.to_owned()),
                None => found.remove(name),
            };
        }
        Ok(found.into_iter().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut names = self.names.lock();
        let file = self.find(&mut names, from)?;
        names.files.insert(from.to_owned(), None);
        names.files.insert(to.to_owned(), Some(file));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut names = self.names.lock();
        self.find(&mut names, name)?;
        names.files.insert(name.to_owned(), None);
        Ok(())
    }

    fn sync_dir(&self, _folder: &str) -> io::Result<()> {
        Ok(())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.below.path(name)
    }
}

#[derive(Debug, Default)]
struct OverlayFile {
    below: Option<Arc<dyn StorageFile>>,
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    written: BTreeMap<u64, Box<[u8]>>,
    bytes: u64,
    /// The file below counts up to here; behind it are zeros.
    below_bytes: u64,
}

impl OverlayFile {
    /// Fills `buffer`, from `offset` on, with what is below, else with zeros.
    fn read_below(&self, pages: &Pages, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        buffer.fill(0);
        let count = pages.below_bytes.saturating_sub(offset).min(buffer.len() as u64) as usize;
        match &self.below {
            Some(below) if count > 0 => {
                let read = below.read_at(offset, &mut buffer[..count])?;
                if read < count { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }
}

impl StorageFile for OverlayFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let pages = self.pages.lock();
        let count = pages.bytes.saturating_sub(offset).min(buffer.len() as u64) as usize;
        let buffer = &mut buffer[..count];
        self.read_below(&pages, offset, buffer)?;
        let end = offset + count as u64;
        for (&page, bytes) in pages.written.range(offset / PAGE_BYTES..end.div_ceil(PAGE_BYTES)) {
            let start = page * PAGE_BYTES;
            let (from, until) = (start.max(offset), (start + PAGE_BYTES).min(end));
            let target = &mut buffer[(from - offset) as usize..(until - offset) as usize];
            target.copy_from_slice(&bytes[(from - start) as usize..(until - start) as usize]);
        }
        Ok(count)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut pages = self.pages.lock();
        let mut done = 0;
        while done < bytes.len() {
            let at = offset + done as u64;
            let (page, from) = (at / PAGE_BYTES, (at % PAGE_BYTES) as usize);
            let count = (PAGE_BYTES as usize - from).min(bytes.len() - done);
            if !pages.written.contains_key(&page) {
                let mut fresh = vec![0; PAGE_BYTES as usize].into_boxed_slice();
                self.read_below(&pages, page * PAGE_BYTES, &mut fresh)?;
                pages.written.insert(page, fresh);
            }
            let target = pages.written.get_mut(&page).expect("it was put in");
            target[from..from + count].copy_from_slice(&bytes[done..done + count]);
            done += count;
        }
        pages.bytes = pages.bytes.max(offset + bytes.len() as u64);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.pages.lock().bytes)
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let mut pages = self.pages.lock();
        pages.bytes = pages.bytes.max(offset + bytes);
        Ok(())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut pages = self.pages.lock();
        let kept = bytes.div_ceil(PAGE_BYTES);
        pages.written.retain(|page, _| *page < kept);
        if let Some(last) = pages.written.get_mut(&(bytes / PAGE_BYTES)) {
            last[(bytes % PAGE_BYTES) as usize..].fill(0);
        }
        pages.below_bytes = pages.below_bytes.min(bytes);
        pages.bytes = bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStorage;

    /// Random operations on an overlay and on a plain copy of what is below it have the same
    /// outcome, and what is below stays as it was.
    #[test]
    fn behaves_like_a_storage_of_its_own() {
        let build = || {
            let storage = MemoryStorage::default();
            storage.create_dir("a").expect("create");
            for name in ["a/1", "a/2", "a/3"] {
                let file = storage.create_new(name).expect("create");
                let bytes: Vec<u8> = (0..9000_u32).map(|i| (i * 7) as u8 | 1).collect();
                file.write_at(0, &bytes).expect("write");
            }
            storage
        };
        let all = |storage: &dyn Storage| {
            let names = storage.list("a").expect("list");
            let read = |name: &String| {
                let file = storage.open(&format!("a/{name}")).expect("open");
                let mut bytes = vec![0; file.len().expect("length") as usize];
                assert_eq!(file.read_at(0, &mut bytes).expect("read"), bytes.len());
                bytes
            };
            names.iter().map(|name| (name.clone(), read(name))).collect::<Vec<_>>()
        };
        for seed in 0..200_u64 {
            let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
            let mut below = |limit: u64| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random % limit
            };
            let (under, plain) = (build(), build());
            let overlay = OverlayStorage::new(Arc::new(under.clone()));
            for _ in 0..40 {
                let name = format!("a/{}", below(5));
                let other = format!("a/{}", below(5));
                let (offset, count) = (below(20_000), below(9_000));
                let bytes = vec![below(256) as u8; count as usize];
                let action = below(6);
                let run = |storage: &dyn Storage| match action {
                    0 => storage.create_new(&name).map(drop).is_ok(),
                    1 => storage.remove(&name).is_ok(),
                    2 if name != other => storage.rename(&name, &other).is_ok(),
                    3 => storage.open(&name).is_ok_and(|file| file.set_len(offset).is_ok()),
                    _ => {
                        storage.open(&name).is_ok_and(|file| file.write_at(offset, &bytes).is_ok())
                    }
                };
                assert_eq!(run(&overlay), run(&plain), "seed {seed}");
            }
            assert_eq!(all(&overlay), all(&plain), "seed {seed}");
            assert_eq!(all(&under), all(&build()), "seed {seed}: what is below was changed");
        }
    }
}
