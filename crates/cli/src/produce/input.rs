//! Entries of a file or of standard input, read by a thread of its own while others are sent.
//!
//! Memory is bounded: a batch is 1000 entries or some 256 KiB of lines (or one line, however long),
//! and at most four of them exist. What has come is handed on before more is waited for, so that
//! lines of a pipe do not lie around.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use millstream::{Fields, SourcePosition};
use tokio::sync::mpsc;

use super::entry_line::LineForm;
use crate::output::visible;
use crate::usage_error::usage;

const BUFFER_BYTES: usize = 256 << 10;
/// Entries that are sent in one step.
const BATCH_MAX: usize = 1000;
/// As long as a line may be: servers take no longer values than 512 MiB, and nobody means to.
const LINE_BYTES_MAX: u64 = 64 << 20;
const BATCHES_WAITING: usize = 2;

/// Where entries come from.
pub(super) enum Source {
    Stdin,
    File(PathBuf),
}

/// The same, open.
pub(super) struct OpenSource {
    /// For messages.
    pub(super) name: String,
    /// Its length where it has one.
    pub(super) bytes: Option<u64>,
    file: File,
}

/// An entry that was read.
pub(super) struct Entry {
    pub(super) fields: Fields,
    /// Of all lines with entries up to this one.
    pub(super) checksum: u32,
    /// Where its line ends.
    pub(super) end_byte: u64,
}

/// What the thread has to say.
pub(super) enum Input {
    Batch(Vec<Entry>),
    /// Nothing else comes.
    End(Ended),
}

/// Why nothing else comes.
pub(super) enum Ended {
    /// All was read.
    Whole,
    BadLine {
        line: u64,
        error: String,
    },
    Unreadable {
        line: u64,
        error: io::Error,
    },
    /// What an earlier run added is not what the source begins with.
    IsAnother,
}

impl Source {
    /// `None`: the argument is a field.
    pub(super) fn of_argument(argument: &OsStr) -> Option<Self> {
        match argument.as_bytes() {
            b"-" => Some(Self::Stdin),
            bytes if bytes.contains(&b'=') => None,
            _ => Some(Self::File(argument.into())),
        }
    }

    /// # Errors
    /// There is no such file, or it cannot be read.
    pub(super) fn open(self) -> anyhow::Result<OpenSource> {
        let (name, file) = match self {
            Self::Stdin => {
                let file = io::stdin().as_fd().try_clone_to_owned().map(File::from);
                ("standard input".to_owned(), file)
            }
            Self::File(path) => (visible(path.as_os_str().as_bytes()), File::open(&path)),
        };
        let opened = file.and_then(|file| {
            let about = file.metadata()?;
            match about.is_dir() {
                true => Err(io::ErrorKind::IsADirectory.into()),
                false => Ok((file, about)),
            }
        });
        let (file, about) = opened.map_err(|error| {
            usage(format!(
                "cannot read {name}: {error}\n  next: name a file of entries, - for standard \
                 input, or fields as FIELD=VALUE"
            ))
        })?;
        let bytes = about.is_file().then_some(about.len());
        Ok(OpenSource { name, bytes, file })
    }
}

/// Begins to read, behind what was added before.
pub(super) fn read(
    source: OpenSource,
    form: LineForm,
    behind: SourcePosition,
) -> io::Result<mpsc::Receiver<Input>> {
    let (out, batches) = mpsc::channel(BATCHES_WAITING);
    let reader = BufReader::with_capacity(BUFFER_BYTES, source.file);
    let mut reading = Reading { reader, form, line: 0, end_byte: 0, checksum: 0 };
    let thread = std::thread::Builder::new().name("input".to_owned());
    thread.spawn(move || {
        let ended = match reading.pass_over(&behind) {
            Ok(()) => reading.read_all(&out),
            Err(ended) => ended,
        };
        // Nobody listens any more if sending ended before.
        _ = out.blocking_send(Input::End(ended));
    })?;
    Ok(batches)
}

/// As positions have it for a mark.
pub(super) fn mark(checksum: u32) -> String {
    format!("crc32c:{checksum:08x}")
}

struct Reading {
    reader: BufReader<File>,
    form: LineForm,
    /// Number of the last line that was read.
    line: u64,
    end_byte: u64,
    checksum: u32,
}

impl Reading {
    /// Goes behind what was added before, if that is what the source begins with.
    fn pass_over(&mut self, behind: &SourcePosition) -> Result<(), Ended> {
        let (mut count, mut line) = (0, Vec::new());
        while count < behind.count {
            if !self.next_line(&mut line)? {
                return Err(Ended::IsAnother);
            }
            count += u64::from(!self.form.is_blank(&line));
        }
        match count == 0 || mark(self.checksum) == behind.mark {
            true => Ok(()),
            false => Err(Ended::IsAnother),
        }
    }

    fn read_all(&mut self, out: &mpsc::Sender<Input>) -> Ended {
        let (mut batch, mut line) = (Vec::new(), Vec::new());
        let ended = loop {
            match self.next_line(&mut line) {
                Ok(true) => {}
                Ok(false) => break Ended::Whole,
                Err(ended) => break ended,
            }
            match self.form.parse(&line) {
                Ok(Some(fields)) => {
                    let Self { checksum, end_byte, .. } = *self;
                    batch.push(Entry { fields, checksum, end_byte });
                }
                Ok(None) => {}
                Err(error) => break Ended::BadLine { line: self.line, error },
            }
            let has_more = self.reader.buffer().contains(&b'\n');
            if !batch.is_empty() && (batch.len() == BATCH_MAX || !has_more) {
                let full = Input::Batch(std::mem::take(&mut batch));
                if out.blocking_send(full).is_err() {
                    return Ended::Whole;
                }
            }
        };
        if !batch.is_empty() {
            _ = out.blocking_send(Input::Batch(batch));
        }
        ended
    }

    /// Without its end. `false`: there is none.
    fn next_line(&mut self, line: &mut Vec<u8>) -> Result<bool, Ended> {
        line.clear();
        let mut limited = self.reader.by_ref().take(LINE_BYTES_MAX + 1);
        let number = self.line + 1;
        let read = limited.read_until(b'\n', line);
        let read = read.map_err(|error| Ended::Unreadable { line: number, error })?;
        if read == 0 {
            return Ok(false);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if read as u64 > LINE_BYTES_MAX {
            let error = format!("it is longer than {} MiB", LINE_BYTES_MAX >> 20);
            return Err(Ended::BadLine { line: number, error });
        }
        self.line = number;
        self.end_byte += read as u64;
        if !self.form.is_blank(line) {
            self.checksum = crc32c::crc32c_append(self.checksum, line);
            self.checksum = crc32c::crc32c_append(self.checksum, b"\n");
        }
        if line.capacity() > 4 * BUFFER_BYTES && line.len() < BUFFER_BYTES {
            // After one long line.
            line.shrink_to(BUFFER_BYTES);
        }
        Ok(true)
    }
}
