//! One entry, given to one run of the command.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::pin::{Pin, pin};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use millstream::{HandlerError, Message};
use rustix::process::{Pid, Signal};
use serde::Serialize;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::document::document;
use super::environment::Inherited;
use super::guard::{Group, Guard};
use super::outlet::{Channel, Outlet, Printer, Receipt};
use super::program::Program;
use super::verdict::{End, verdict};
use crate::duration::milliseconds;
use crate::output::notice;

/// What is kept of the end of standard error, for the error of a failure.
const TAIL_BYTES: usize = 2048;
/// After its end a command's output is read on for so long, where something that it left running
/// has it open; then that is killed.
const DRAIN_LIMIT: Duration = Duration::from_secs(1);
/// A command that cannot be started at all, for want of memory or since it is being replaced.
const START_PAUSE: Duration = Duration::from_secs(1);

/// What all runs of the command have in common.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) program: Program,
    pub(super) inherited: Inherited,
    pub(super) outlet: Outlet,
    pub(super) guard: Guard,
    /// How long one run may take.
    pub(super) limit: Option<Duration>,
    /// From SIGTERM to SIGKILL.
    pub(super) kill_after: Duration,
    /// What failed for a time is tried again after so long.
    pub(super) retry_delay: Duration,
    /// The worker ends in order.
    pub(super) stop: CancellationToken,
    /// Commands that run are to end now.
    pub(super) kill: CancellationToken,
}

/// For --json.
#[derive(Serialize)]
struct RunDocument<'a> {
    id: &'a str,
    deliveries: u64,
    exit_code: Option<i32>,
    signal: Option<i32>,
    is_timed_out: bool,
    duration_ms: u64,
}

impl Runner {
    /// Runs the command for an entry, to its end.
    pub(super) async fn run(&self, message: Message) -> Result<(), HandlerError> {
        let input = document(&message).map_err(HandlerError::retry)?;
        let (child, group) = self.start(&message).await?;
        let begun = Instant::now();
        let (printer, receipt) = self.outlet.printer(message.id().to_string());
        let (end, tail) = self.watch(child, group, &input, &printer).await;
        let end = end.map_err(HandlerError::retry)?;
        if self.outlet.is_json() {
            let status = end.status();
            printer.document(&RunDocument {
                id: printer.id(),
                deliveries: message.deliveries(),
                exit_code: status.code(),
                signal: status.signal(),
                is_timed_out: matches!(end, End::TimedOut(..)),
                duration_ms: milliseconds(begun.elapsed()),
            });
        }
        verdict(end, &tail, self.retry_delay)?;
        match self.is_written(printer, receipt).await {
            true => Ok(()),
            false => Err(HandlerError::give_back("what it printed was lost")),
        }
    }

    /// Passes on what a command reads and prints, to its end. Returns the end of its standard
    /// error, too.
    async fn watch(
        &self,
        mut child: Child,
        group: Group,
        input: &[u8],
        printer: &Printer,
    ) -> (io::Result<End>, Vec<u8>) {
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            unreachable!("they were asked to be pipes")
        };
        let tail = Mutex::new(Vec::new());
        let feed = async {
            // Who does not read it, or not all of it, needs no more.
            _ = stdin.write_all(input).await;
            drop(stdin);
        };
        let keep = |bytes: &[u8]| keep_end(&tail, bytes);
        let mut pipes = pin!(async {
            tokio::join!(
                feed,
                printer.pass_on(Channel::Stdout, stdout, |_| {}),
                printer.pass_on(Channel::Stderr, stderr, keep),
            )
        });
        let mut end = pin!(self.end_of(&mut child, &group));
        let (end, is_read) = tokio::select! {
            end = &mut end => (end, false),
            _ = &mut pipes => ((&mut end).await, true),
        };
        let is_read = is_read || self.drain(pipes.as_mut(), printer).await;
        // What it left running.
        group.end();
        if !is_read && !self.drain(pipes.as_mut(), printer).await {
            // A line without an end among it.
            printer.read_no_more();
            self.drain(pipes.as_mut(), printer).await;
        }
        let tail = std::mem::take(&mut *tail.lock().unwrap_or_else(PoisonError::into_inner));
        (end, tail)
    }

    /// Waits for the end of its output, which is there unless somebody else has it open. `false`:
    /// somebody has. Time in which the worker's own output takes nothing does not count.
    async fn drain(&self, mut pipes: Pin<&mut impl Future>, printer: &Printer) -> bool {
        loop {
            if timeout(DRAIN_LIMIT, &mut pipes).await.is_ok() {
                return true;
            }
            if !printer.is_blocked() || self.kill.is_cancelled() {
                return false;
            }
        }
    }

    /// Waits until the worker's own output has all that a run printed. `false`: it never will.
    async fn is_written(&self, printer: Printer, mut receipt: Receipt) -> bool {
        if printer.is_blocked() {
            // The worker is to end now, and nobody took it.
            return false;
        }
        drop(printer);
        loop {
            if let Ok(is_written) = timeout(DRAIN_LIMIT, receipt.is_written()).await {
                return is_written;
            }
            if self.kill.is_cancelled() {
                return false;
            }
        }
    }

    /// Starts it. What has nothing to do with the entry is waited for.
    async fn start(&self, message: &Message) -> Result<(Child, Group), HandlerError> {
        let mut was_told = false;
        loop {
            let error = match self.command(message).spawn() {
                Ok(child) => {
                    let id = child.id().and_then(|id| i32::try_from(id).ok());
                    let leader = id.and_then(Pid::from_raw).expect("it was not waited for yet");
                    return Ok((child, self.guard.begins(leader)));
                }
                Err(error) if error.kind() == io::ErrorKind::ArgumentListTooLong => {
                    return Err(HandlerError::retry(error));
                }
                Err(error) => error,
            };
            if !was_told {
                let path = self.program.path.display();
                notice(&format!("cannot start {path}: {error}; it is tried again and again"));
                was_told = true;
            }
            tokio::select! {
                () = self.stop.cancelled() => return Err(HandlerError::give_back(error)),
                () = sleep(START_PAUSE) => {}
            }
        }
    }

    fn command(&self, message: &Message) -> Command {
        let mut command = Command::new(&self.program.path);
        command.arg0(&self.program.name).args(&self.program.arguments);
        self.inherited.set(&mut command, message);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true);
        command
    }

    /// Waits for it, and sees to it that it ends when it has to.
    async fn end_of(&self, child: &mut Child, group: &Group) -> io::Result<End> {
        let limit = async {
            match self.limit {
                Some(limit) => sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        let is_late = tokio::select! {
            biased;
            status = child.wait() => return Ok(End::Exited(status?)),
            () = self.kill.cancelled() => false,
            () = limit => true,
        };
        group.signal(Signal::TERM);
        let status = match timeout(self.kill_after, child.wait()).await {
            Ok(status) => status?,
            Err(_) => {
                group.signal(Signal::KILL);
                child.wait().await?
            }
        };
        Ok(match (is_late, self.limit) {
            (true, Some(limit)) => End::TimedOut(status, limit),
            _ => End::Stopped(status),
        })
    }
}

impl End {
    fn status(&self) -> ExitStatus {
        match self {
            Self::Exited(status) | Self::TimedOut(status, _) | Self::Stopped(status) => *status,
        }
    }
}

fn keep_end(tail: &Mutex<Vec<u8>>, bytes: &[u8]) {
    let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
    tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
    let excess = tail.len().saturating_sub(TAIL_BYTES);
    tail.drain(..excess);
}
