//! What commands print, on its way to the worker's own output.
//!
//! A thread writes, so that a terminal or pipe that takes nothing keeps nobody but the commands
//! waiting: leases are extended all the same. Lines of several commands are not mixed. What waits
//! is bounded, and so is a line: a longer one is cut.
//!
//! Each run learns whether all that it printed was written: what was lost is not acknowledged.

use std::fmt;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::bail;
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

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "standard output",
            Self::Stderr => "standard error",
        })
    }
}

struct Piece {
    channel: Channel,
    bytes: Vec<u8>,
    /// Is told when it cannot be written, and is gone once it is.
    refused: Option<mpsc::Sender<()>>,
    _room: Option<OwnedSemaphorePermit>,
}

/// Takes what is printed. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    form: OutputForm,
    pieces: mpsc::UnboundedSender<Piece>,
    room: Arc<Semaphore>,
}

/// Where one run of the command prints.
#[derive(Debug)]
pub(super) struct Printer {
    outlet: Outlet,
    /// Of its entry.
    id: String,
    /// Who waits for the worker's own output.
    blocked: AtomicU32,
    refused: mpsc::Sender<()>,
    /// Says that no more is waited for: somebody else has the command's output open.
    no_more: CancellationToken,
}

/// Tells what became of what one run printed.
#[derive(Debug)]
pub(super) struct Receipt(mpsc::Receiver<()>);

/// The thread that writes.
pub(super) struct Writer {
    thread: std::thread::JoinHandle<()>,
    failure: Arc<OnceLock<(Channel, io::Error)>>,
}

#[derive(Serialize)]
struct JsonLine<'a> {
    id: &'a str,
    output: Channel,
    line: JsonBytes,
}

impl Outlet {
    /// Where the worker's own output takes nothing any more, `stop` is cancelled, and the rest is
    /// thrown away.
    ///
    /// # Errors
    /// There is no thread.
    pub(super) fn open(form: OutputForm, stop: CancellationToken) -> io::Result<(Self, Writer)> {
        let (pieces, waiting) = mpsc::unbounded_channel();
        let failure = Arc::new(OnceLock::new());
        let noted = Arc::clone(&failure);
        let thread = std::thread::Builder::new()
            .name("output".to_owned())
            .spawn(move || write_all(waiting, &stop, &noted))?;
        let room = Arc::new(Semaphore::new(PIECES_MAX));
        Ok((Self { form, pieces, room }, Writer { thread, failure }))
    }

    pub(super) fn is_json(&self) -> bool {
        self.form == OutputForm::Json
    }

    /// For one run of the command, for this entry.
    pub(super) fn printer(&self, id: String) -> (Printer, Receipt) {
        // One word says it.
        let (refused, receipt) = mpsc::channel(1);
        let outlet = self.clone();
        let (blocked, no_more) = (AtomicU32::new(0), CancellationToken::new());
        (Printer { outlet, id, blocked, refused, no_more }, Receipt(receipt))
    }

    /// One document on a line. Does not wait, as there are few of them.
    pub(super) fn document(&self, document: &impl Serialize) {
        self.send_document(document, None);
    }

    fn send_document(&self, document: &impl Serialize, refused: Option<mpsc::Sender<()>>) {
        let mut bytes = serde_json::to_vec(document).expect("texts and numbers become JSON");
        bytes.push(b'\n');
        self.send(Piece { channel: Channel::Stdout, bytes, refused, _room: None });
    }

    fn send(&self, piece: Piece) {
        // Nobody writes any more, which nobody must take for written.
        if let Err(unsent) = self.pieces.send(piece)
            && let Some(refused) = &unsent.0.refused
        {
            _ = refused.try_send(());
        }
    }
}

impl Printer {
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether somebody waits for the worker's own output.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed) > 0
    }

    /// What was read is printed, and no more is read.
    pub(super) fn read_no_more(&self) {
        self.no_more.cancel();
    }

    /// One document about this run.
    pub(super) fn document(&self, document: &impl Serialize) {
        self.outlet.send_document(document, Some(self.refused.clone()));
    }

    /// All that a command prints on one of its outputs, which `seen` gets as it is. Ends when
    /// nobody has it open any more, or no more is to be read.
    pub(super) async fn pass_on(
        &self,
        channel: Channel,
        mut from: impl AsyncRead + Unpin,
        mut seen: impl FnMut(&[u8]),
    ) {
        let mut lines = Vec::with_capacity(LINE_BYTES_MAX);
        loop {
            let room = LINE_BYTES_MAX - lines.len();
            let begin = lines.len();
            let mut some = (&mut from).take(room as u64);
            let count = tokio::select! {
                biased;
                // What cannot be read any more has ended.
                count = some.read_buf(&mut lines) => count.unwrap_or(0),
                () = self.no_more.cancelled() => 0,
            };
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
                self.blocked.fetch_add(1, Ordering::Relaxed);
                self.print(channel, &lines[..end]).await;
                self.blocked.fetch_sub(1, Ordering::Relaxed);
                lines.drain(..end);
            }
            if is_over {
                return;
            }
        }
    }

    async fn print(&self, channel: Channel, lines: &[u8]) {
        let (outlet, id) = (&self.outlet, &self.id);
        if outlet.form == OutputForm::None {
            return;
        }
        let room = Arc::clone(&outlet.room).acquire_owned().await.expect("it is never closed");
        let (channel, bytes) = match outlet.form {
            OutputForm::Plain => (channel, lines.to_vec()),
            OutputForm::Json => (Channel::Stdout, json_lines(id, channel, lines)),
            _ => (channel, prefixed(id, lines)),
        };
        let refused = Some(self.refused.clone());
        outlet.send(Piece { channel, bytes, refused, _room: Some(room) });
    }
}

impl Receipt {
    /// Waits until all is written, or some of it was refused: then `false`. For after the printer
    /// has gone.
    pub(super) async fn is_written(&mut self) -> bool {
        self.0.recv().await.is_none()
    }
}

impl Writer {
    /// Waits until all is written, once nobody has an outlet any more; but not for ever where
    /// nobody takes it.
    ///
    /// # Errors
    /// The first piece that could not be written, unless a reader went away, who may.
    pub(super) async fn finish(self) -> anyhow::Result<()> {
        let Self { thread, failure } = self;
        let joined = tokio::task::spawn_blocking(move || thread.join());
        if let Ok(Ok(Err(panic))) = tokio::time::timeout(FINISH_LIMIT, joined).await {
            std::panic::resume_unwind(panic);
        }
        let Some((channel, error)) = failure.get() else { return Ok(()) };
        bail!(
            "cannot write what commands print to {channel}: {error}; entries whose output was lost \
             were given back\n  next: make room or send it elsewhere, and start the worker again"
        )
    }
}

/// Writes what waits, until nobody has an outlet any more.
fn write_all(
    mut waiting: mpsc::UnboundedReceiver<Piece>,
    stop: &CancellationToken,
    failure: &OnceLock<(Channel, io::Error)>,
) {
    let mut closed = Vec::new();
    while let Some(piece) = waiting.blocking_recv() {
        // What took nothing once gets nothing more, or lines would be missing in its middle.
        if !closed.contains(&piece.channel) {
            let Err(error) = write(piece.channel, &piece.bytes) else { continue };
            closed.push(piece.channel);
            if error.kind() != io::ErrorKind::BrokenPipe {
                _ = failure.set((piece.channel, error));
            }
            stop.cancel();
        }
        if let Some(refused) = &piece.refused {
            // Full: it was told before.
            _ = refused.try_send(());
        }
    }
}

fn write(channel: Channel, bytes: &[u8]) -> io::Result<()> {
    match channel {
        Channel::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(bytes).and_then(|()| out.flush())
        }
        Channel::Stderr => io::stderr().lock().write_all(bytes),
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
