//! What commands print, on its way to the worker's own output.
//!
//! A thread writes, so that a terminal or pipe that takes nothing keeps nobody but the commands
//! waiting: leases are extended all the same. Lines of several commands are not mixed. What waits
//! is bounded, and so is a line: a longer one is cut.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::output::JsonBytes;

/// A line is cut beyond this.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Pieces that wait to be written; each is as long as a line may be, at most.
const PIECES_MAX: usize = 16;
/// At the end, for what waits.
const FINISH_LIMIT: Duration = Duration::from_secs(5);

/// How lines of commands are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputForm {
    /// With the id of the entry before each line
    Prefixed,
    /// As they are
    Plain,
    /// Not at all
    None,
    /// As JSON; for --json
    #[value(skip)]
    Json,
}

/// Which output of a command, and of the worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Channel {
    Stdout,
    Stderr,
}

struct Piece {
    channel: Channel,
    bytes: Vec<u8>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Takes what is printed. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    form: OutputForm,
    pieces: mpsc::UnboundedSender<Piece>,
    room: Arc<Semaphore>,
}

/// The thread that writes.
pub(super) struct Writer(std::thread::JoinHandle<()>);

#[derive(Serialize)]
struct JsonLine<'a> {
    id: &'a str,
    output: Channel,
    line: JsonBytes,
}

impl Outlet {
    /// Where the worker's own output is closed, `closed` is cancelled, and the rest is thrown away.
    ///
    /// # Errors
    /// There is no thread.
    pub(super) fn open(form: OutputForm, closed: CancellationToken) -> io::Result<(Self, Writer)> {
        let (pieces, mut waiting) = mpsc::unbounded_channel::<Piece>();
        let thread = std::thread::Builder::new().name("output".to_owned()).spawn(move || {
            while let Some(Piece { channel, bytes, .. }) = waiting.blocking_recv() {
                let written = match channel {
                    Channel::Stdout => {
                        let mut out = io::stdout().lock();
                        out.write_all(&bytes).and_then(|()| out.flush())
                    }
                    Channel::Stderr => io::stderr().lock().write_all(&bytes),
                };
                if written.is_err() {
                    closed.cancel();
                }
            }
        })?;
        let room = Arc::new(Semaphore::new(PIECES_MAX));
        Ok((Self { form, pieces, room }, Writer(thread)))
    }

    pub(super) fn is_json(&self) -> bool {
        self.form == OutputForm::Json
    }

    /// One document on a line. Does not wait, as there are few of them.
    pub(super) fn document(&self, document: &impl Serialize) {
        let mut bytes = serde_json::to_vec(document).expect("texts and numbers become JSON");
        bytes.push(b'\n');
        _ = self.pieces.send(Piece { channel: Channel::Stdout, bytes, _room: None });
    }

    /// All that a command prints on one of its outputs, which `seen` gets as it is. Ends when
    /// nobody has it open any more. `blocked` counts who waits for the worker's own output.
    pub(super) async fn pass_on(
        &self,
        id: &str,
        channel: Channel,
        mut from: impl AsyncRead + Unpin,
        blocked: &AtomicU32,
        mut seen: impl FnMut(&[u8]),
    ) {
        let mut lines = Vec::with_capacity(LINE_BYTES_MAX);
        loop {
            let room = LINE_BYTES_MAX - lines.len();
            let begin = lines.len();
            // What cannot be read any more has ended.
            let count = (&mut from).take(room as u64).read_buf(&mut lines).await.unwrap_or(0);
            seen(&lines[begin..]);
            let is_over = count == 0;
            let end = match lines.iter().rposition(|byte| *byte == b'\n') {
                _ if is_over || lines.len() == LINE_BYTES_MAX => lines.len(),
                Some(end) => end + 1,
                None => continue,
            };
            if end > 0 {
                // All whole lines, unless there is none.
                let whole = lines[..end].iter().rposition(|byte| *byte == b'\n');
                let end = whole.filter(|_| !is_over).map_or(end, |at| at + 1);
                blocked.fetch_add(1, Ordering::Relaxed);
                self.print(id, channel, &lines[..end]).await;
                blocked.fetch_sub(1, Ordering::Relaxed);
                lines.drain(..end);
            }
            if is_over {
                return;
            }
        }
    }

    async fn print(&self, id: &str, channel: Channel, lines: &[u8]) {
        if self.form == OutputForm::None {
            return;
        }
        let room = Arc::clone(&self.room).acquire_owned().await.expect("it is never closed");
        let (channel, bytes) = match self.form {
            OutputForm::Plain => (channel, lines.to_vec()),
            OutputForm::Json => (Channel::Stdout, json_lines(id, channel, lines)),
            _ => (channel, prefixed(id, lines)),
        };
        _ = self.pieces.send(Piece { channel, bytes, _room: Some(room) });
    }
}

impl Writer {
    /// Waits until all is written, once nobody has an outlet any more; but not for ever where
    /// nobody takes it.
    pub(super) async fn finish(self) {
        let joined = tokio::task::spawn_blocking(move || self.0.join());
        if let Ok(Ok(Err(panic))) = tokio::time::timeout(FINISH_LIMIT, joined).await {
            std::panic::resume_unwind(panic);
        }
    }
}

fn each(lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    lines.strip_suffix(b"\n").unwrap_or(lines).split(|byte| *byte == b'\n')
}

fn prefixed(id: &str, lines: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(lines.len() + id.len() + 2);
    for line in each(lines) {
        text.extend_from_slice(id.as_bytes());
        text.extend_from_slice(b"  ");
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    text
}

fn json_lines(id: &str, output: Channel, lines: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(2 * lines.len());
    for line in each(lines) {
        let line = JsonBytes(Bytes::copy_from_slice(line));
        let line = JsonLine { id, output, line };
        text.extend(serde_json::to_vec(&line).expect("texts become JSON"));
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_whose_it_is() {
        assert_eq!(prefixed("1-1", b"a\n\nb"), b"1-1  a\n1-1  \n1-1  b\n");
        assert_eq!(
            json_lines("1-1", Channel::Stderr, b"\xff\nx\n"),
            b"{\"id\":\"1-1\",\"output\":\"stderr\",\"line\":{\"b64\":\"/w==\"}}\n\
              {\"id\":\"1-1\",\"output\":\"stderr\",\"line\":\"x\"}\n"
        );
    }
}
