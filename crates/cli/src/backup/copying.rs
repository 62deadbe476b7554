//! Copying single files: by a second name where that will do, else byte by byte.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use anyhow::{Context as _, bail};
use indicatif::ProgressBar;

use super::ManifestFile;

const BUFFER_BYTES: usize = 1 << 20;
/// Block files and checkpoints begin with a header of this length, in which a number drawn at each
/// start of the server makes it unlikely that another file of the name has the same.
const HEADER_BYTES: usize = 64;

/// How a file came into a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopiedFile {
    /// By a second name of the backup's before.
    Unchanged,
    /// By a second name.
    Linked,
    /// Byte by byte.
    Copied,
}

/// Copies files and counts their bytes on a bar.
pub(crate) struct Copying<'a> {
    pub(crate) bar: &'a ProgressBar,
    /// Second names are allowed.
    pub(crate) may_link: bool,
}

impl Copying<'_> {
    /// Brings a file into a copy. One that is as long as it was in the backup before has not
    /// changed since: files of a store only grow.
    pub(crate) fn take(
        &self,
        from: &Path,
        to: &Path,
        file: &mut ManifestFile,
        is_final: bool,
        before: Option<(&Path, &ManifestFile)>,
    ) -> anyhow::Result<CopiedFile> {
        if let Some((path, known)) = before
            && known.file_bytes == file.file_bytes
            && known.bytes == file.bytes
            && has_same_header(path, from)?
            && is_linked(path, to)?
        {
            file.crc32c = known.crc32c;
            self.bar.inc(file.bytes);
            return Ok(CopiedFile::Unchanged);
        }
        if self.may_link && is_final && is_linked(from, to)? {
            file.crc32c = self.read(from, file.bytes, &mut |_| Ok(()))?;
            return Ok(CopiedFile::Linked);
        }
        self.copy(from, to, file)?;
        Ok(CopiedFile::Copied)
    }

    /// Copies the bytes of a file and makes it as long as it has to be, all of it synced. Sets the
    /// checksum.
    pub(crate) fn copy(
        &self,
        from: &Path,
        to: &Path,
        file: &mut ManifestFile,
    ) -> anyhow::Result<()> {
        let failed = || format!("write {}", to.display());
        let mut target =
            OpenOptions::new().write(true).create_new(true).open(to).with_context(failed)?;
        let mut write = |bytes: &[u8]| target.write_all(bytes);
        file.crc32c = self.read(from, file.bytes, &mut write)?;
        target.set_len(file.file_bytes).with_context(failed)?;
        target.sync_all().with_context(failed)
    }

    /// Reads the first bytes of a file; returns their checksum.
    fn read(
        &self,
        from: &Path,
        bytes: u64,
        on_bytes: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
    ) -> anyhow::Result<u32> {
        let failed = || format!("copy {}", from.display());
        let mut source = File::open(from).with_context(failed)?.take(bytes);
        let mut buffer = vec![0; BUFFER_BYTES];
        let (mut checksum, mut done) = (0, 0);
        loop {
            let count = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).with_context(failed),
            };
            checksum = crc32c::crc32c_append(checksum, &buffer[..count]);
            on_bytes(&buffer[..count]).with_context(failed)?;
            done += count as u64;
            self.bar.inc(count as u64);
        }
        if done < bytes {
            bail!("{} ends after {done} bytes, {bytes} are wanted", from.display());
        }
        Ok(checksum)
    }
}

/// Whether both files begin with the same header.
fn has_same_header(one: &Path, other: &Path) -> anyhow::Result<bool> {
    let header = |path: &Path| {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        let file = File::open(path)?;
        file.take(HEADER_BYTES as u64).read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    };
    let ours = match header(one) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        read => read.with_context(|| format!("read {}", one.display()))?,
    };
    Ok(ours == header(other).with_context(|| format!("read {}", other.display()))?)
}

/// Gives a file a second name. Returns false where the file system cannot, or the two names would
/// be on different ones.
fn is_linked(from: &Path, to: &Path) -> anyhow::Result<bool> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            ErrorKind::CrossesDevices
            | ErrorKind::Unsupported
            | ErrorKind::PermissionDenied
            | ErrorKind::TooManyLinks => Ok(false),
            _ => Err(error).with_context(|| format!("link {}", to.display())),
        },
    }
}
