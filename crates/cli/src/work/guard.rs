//! Sees to it that no command outlives a worker that was killed.
//!
//! A small process of its own, which the worker tells of each process group that begins and ends.
//! When the pipe between them closes the worker is gone: what still runs is told to end, and is
//! killed if it does not. Commands have groups of their own, so signals for the worker's group
//! (Ctrl-C) do not reach them, nor the guard.
//!
//! The lines are `+PID` and `-PID`. Between the start of a command and the line about it is a
//! moment in which nobody guards it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser as _;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::signal::unix::{SignalKind, signal};

use crate::duration::milliseconds;
use crate::output::notice;

/// The first argument of a process that is one.
pub(crate) const COMMAND: &str = "work-guard";
/// Between two looks at what was told to end.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

/// The worker's end of it. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Guard(Arc<Mutex<Guarding>>);

#[derive(Debug)]
struct Guarding {
    process: Option<(Child, ChildStdin)>,
    /// Groups that run.
    groups: BTreeSet<i32>,
    kill_after: Duration,
}

impl Guard {
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(kill_after: Duration) -> anyhow::Result<Self> {
        let process = start(kill_after).context("start the process that guards the commands")?;
        let guarding = Guarding { process: Some(process), groups: BTreeSet::new(), kill_after };
        Ok(Self(Arc::new(Mutex::new(guarding))))
    }

    /// A process group runs from now on, until what is returned is dropped: then what is left of
    /// it is killed.
    pub(super) fn begins(&self, leader: Pid) -> Group {
        let mut guarding = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        guarding.groups.insert(leader.as_raw_nonzero().get());
        guarding.tell(&format!("+{}\n", leader.as_raw_nonzero()));
        Group { leader, guard: self.clone(), is_over: AtomicBool::new(false) }
    }

    fn ended(&self, leader: Pid) {
        let mut guarding = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        guarding.groups.remove(&leader.as_raw_nonzero().get());
        guarding.tell(&format!("-{}\n", leader.as_raw_nonzero()));
    }
}

fn start(kill_after: Duration) -> io::Result<(Child, ChildStdin)> {
    // The first is this program even if another was put in its place since.
    let own = Path::new("/proc/self/exe");
    let program = if own.exists() { own.to_owned() } else { std::env::current_exe()? };
    let mut child = Command::new(program)
        .arg0("millstream")
        .args([COMMAND, "--kill-after-ms", &milliseconds(kill_after).to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()?;
    let stdin = child.stdin.take().expect("it was asked to be a pipe");
    Ok((child, stdin))
}

impl Guarding {
    fn tell(&mut self, line: &str) {
        let told = self.process.as_mut().map(|(_, stdin)| stdin.write_all(line.as_bytes()));
        let Some(Err(_)) = told else { return };
        // Somebody ended it. Another one takes over all that runs.
        if let Some((mut gone, stdin)) = self.process.take() {
            drop(stdin);
            _ = gone.wait();
        }
        let again = start(self.kill_after).and_then(|(child, mut stdin)| {
            let all = self.groups.iter().map(|group| format!("+{group}\n"));
            stdin.write_all(all.collect::<String>().as_bytes())?;
            Ok((child, stdin))
        });
        match again {
            Ok(process) => self.process = Some(process),
            Err(error) => notice(&format!("commands are not guarded any more: {error}")),
        }
    }
}

impl Drop for Guarding {
    fn drop(&mut self) {
        if let Some((mut child, stdin)) = self.process.take() {
            drop(stdin);
            _ = child.wait();
        }
    }
}

/// A command and all that it started, as far as that stayed in its group.
#[derive(Debug)]
pub(super) struct Group {
    leader: Pid,
    guard: Guard,
    /// Its number may be that of others by now.
    is_over: AtomicBool,
}

impl Group {
    /// Nothing happens where nothing is left of it.
    pub(super) fn signal(&self, signal: Signal) {
        if !self.is_over.load(Ordering::Relaxed) {
            _ = kill_process_group(self.leader, signal);
        }
    }

    /// Kills what is left of it.
    pub(super) fn end(&self) {
        self.signal(Signal::KILL);
        self.is_over.store(true, Ordering::Relaxed);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
        self.guard.ended(self.leader);
    }
}

/// Ends the commands of a worker that is gone: `millstream work` starts it.
#[derive(Debug, clap::Parser)]
#[command(bin_name = "millstream work-guard")]
struct GuardOptions {
    #[arg(long)]
    kill_after_ms: u64,
}

/// The other end of it: runs until the worker is gone. The first argument is [`COMMAND`].
///
/// # Errors
/// It cannot watch for signals.
pub(crate) fn run_guard(arguments: &[OsString]) -> anyhow::Result<()> {
    let options = GuardOptions::parse_from(arguments);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start the runtime")?;
    // They are caught, and nothing comes of them: the worker says when it ends.
    let _inside = runtime.enter();
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    let _caught = kinds.map(signal);
    let mut groups = BTreeSet::new();
    for line in BufReader::new(io::stdin().lock()).lines().map_while(Result::ok) {
        let number = |text: &str| text.parse().ok().and_then(Pid::from_raw);
        if let Some(leader) = line.strip_prefix('+').and_then(number) {
            groups.insert(leader.as_raw_nonzero().get());
        } else if let Some(leader) = line.strip_prefix('-').and_then(number) {
            groups.remove(&leader.as_raw_nonzero().get());
        }
    }
    let mut left: Vec<Pid> = groups.into_iter().filter_map(Pid::from_raw).collect();
    signal_all(&mut left, Signal::TERM);
    let until = Instant::now() + Duration::from_millis(options.kill_after_ms);
    while !left.is_empty() && Instant::now() < until {
        std::thread::sleep(LOOK_PAUSE);
        left.retain(|leader| test_kill_process_group(*leader).is_ok());
    }
    signal_all(&mut left, Signal::KILL);
    Ok(())
}

fn signal_all(groups: &mut Vec<Pid>, signal: Signal) {
    groups.retain(|leader| kill_process_group(*leader, signal).is_ok());
}
