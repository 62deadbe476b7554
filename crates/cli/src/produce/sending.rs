//! Sending entries in batches, one after the other: their order is kept, and after a failure
//! nothing behind it is sent.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use millstream::{EntryId, Error, Fields, Producer, SourcePosition, SourceProducer};
use tokio::time::{Instant, sleep};

use super::entry_line::LineForm;
use super::input::{self, Ended, Entry, Input, OpenSource, mark};
use super::pace::Pace;
use super::progress::Progress;
use crate::interrupts::Interrupts;
use crate::name::Name;
use crate::output::entries;
use crate::server::Server;

/// Between two tries while the server is away.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What is wanted of entries that are read.
pub(super) struct Order<'a> {
    pub(super) key: &'a Name,
    pub(super) producer: Producer,
    /// Name of the source.
    pub(super) resume: Option<&'a str>,
    pub(super) retry_for: Duration,
    pub(super) rate: Option<NonZeroU32>,
}

/// What was added.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    pub(super) added: u64,
    /// Those of an earlier run.
    pub(super) passed_over: u64,
    pub(super) first_id: Option<EntryId>,
    /// `None`: nothing was added, or the answer that told was lost.
    pub(super) last_id: Option<EntryId>,
}

enum Target {
    Plain(Producer),
    Source { source: SourceProducer, position: SourcePosition },
}

struct Sending<'a> {
    server: &'a Server,
    key: &'a Name,
    target: Target,
    retry_for: Duration,
    interrupts: Interrupts,
    progress: Progress,
    pace: Pace,
    sent: Sent,
}

/// Adds all entries of a source.
///
/// # Errors
/// A line is no entry, or the server refuses or goes away; each says how many were added.
pub(super) async fn send_all(
    server: &Server,
    order: Order<'_>,
    source: OpenSource,
    form: LineForm,
    interrupts: Interrupts,
) -> anyhow::Result<Sent> {
    let Order { key, producer, resume, retry_for, rate } = order;
    let (target, position) = match resume {
        None => (Target::Plain(producer), SourcePosition::default()),
        Some(name) => {
            let cannot = server.cannot(format!("look up what was added to stream {key} before"));
            let source = producer.source(name).await.map_err(&cannot)?;
            let position = source.position().await.map_err(&cannot)?;
            (Target::Source { source, position: position.clone() }, position)
        }
    };
    let sent = Sent { passed_over: position.count, ..Sent::default() };
    let progress = Progress::start(source.bytes);
    let pace = Pace::new(rate);
    let name = source.name.clone();
    let mut sending = Sending { server, key, target, retry_for, interrupts, progress, pace, sent };
    let mut input = input::read(source, form, position).context("begin to read")?;
    loop {
        let next = tokio::select! {
            biased;
            () = sending.interrupts.nth(1) => return Err(sending.interrupted()),
            next = input.recv() => next,
        };
        match next.context("the thread that reads ended")? {
            Input::Batch(batch) => sending.send(batch).await?,
            Input::End(Ended::Whole) => return Ok(sending.sent),
            Input::End(ended) => return Err(sending.ended_early(ended, &name, resume)),
        }
    }
}

impl Sending<'_> {
    async fn send(&mut self, batch: Vec<Entry>) -> anyhow::Result<()> {
        let mut left = &batch[..];
        while !left.is_empty() {
            let (piece, rest) = left.split_at(left.len().min(self.pace.piece()));
            left = rest;
            tokio::select! {
                biased;
                () = self.interrupts.nth(1) => return Err(self.interrupted()),
                () = self.pace.wait() => {}
            }
            let interrupts = self.interrupts.clone();
            let count = piece.len();
            let ids = tokio::select! {
                biased;
                ids = self.add(piece) => ids?,
                () = interrupts.nth(2) => {
                    let told = self.told();
                    bail!("interrupted: {told}, and maybe {} behind it", entries(count as u64));
                }
            };
            self.pace.note(count);
            self.sent.added += count as u64;
            self.sent.first_id = self.sent.first_id.or(ids.first().copied());
            self.sent.last_id = ids.last().copied();
            let last = piece.last().expect("a piece has an entry");
            self.progress.update(self.sent.passed_over + self.sent.added, last.end_byte);
        }
        Ok(())
    }

    /// Returns their ids, or none if the answer that told them was lost.
    async fn add(&mut self, piece: &[Entry]) -> anyhow::Result<Vec<EntryId>> {
        let fields = || piece.iter().map(|entry| entry.fields.clone());
        let added = match &mut self.target {
            Target::Plain(producer) => producer.add_together(fields()).await,
            Target::Source { source, position } => {
                let last = piece.last().expect("a piece has an entry");
                let (mark, progress) = (mark(last.checksum), &self.progress);
                let patience = Patience { retry_for: self.retry_for, progress };
                let stops = self.interrupts.nth(1);
                tokio::pin!(stops);
                let all: Vec<Fields> = fields().collect();
                patience.insist(source, position, &mark, &all, stops).await
            }
        };
        added.map_err(|error| self.failed(error, piece.len()))
    }

    fn told(&self) -> String {
        let Self { key, sent, .. } = self;
        let Sent { added, passed_over, last_id, .. } = *sent;
        if added == 0 {
            return format!("nothing was added to {key}{}", before(passed_over));
        }
        let were = if added == 1 { "was" } else { "were" };
        let last = last_id.map_or_else(String::new, |id| format!(", the last {id}"));
        format!("{} {were} added to {key}{last}{}", entries(added), before(passed_over))
    }

    fn interrupted(&self) -> anyhow::Error {
        anyhow!("interrupted: {}", self.told())
    }

    fn failed(&self, error: Error, count: usize) -> anyhow::Error {
        let told = match &error {
            Error::Connection(_) => {
                let behind = entries(count as u64);
                format!("{}; {behind} behind that may be there, all or none", self.told())
            }
            _ => self.told(),
        };
        self.server.cannot(format!("add to stream {}", self.key))(error).context(told)
    }

    fn ended_early(&self, ended: Ended, name: &str, resume: Option<&str>) -> anyhow::Error {
        let told = self.told();
        let then = |line: u64| match resume {
            Some(_) => "correct it, and run the same command again".to_owned(),
            None => format!("correct it, and add the rest: `tail -n +{line}` prints it"),
        };
        match ended {
            Ended::BadLine { line, error } => anyhow!(
                "line {line} of {name} is no entry: {error}\n  {told}\n  next: {}",
                then(line)
            ),
            Ended::Unreadable { line, error } => {
                anyhow!("cannot read line {line} of {name}: {error}\n  {told}")
            }
            Ended::IsAnother => anyhow!(
                "{name} does not begin with the {} that an earlier run with --resume {} added\n  \
                 {told}\n  next: give the file of then, or another name",
                entries(self.sent.passed_over),
                resume.unwrap_or_default()
            ),
            Ended::Whole => unreachable!("it is no failure"),
        }
    }
}

fn before(passed_over: u64) -> String {
    match passed_over {
        0 => String::new(),
        count => format!("; {} had been added before", entries(count)),
    }
}

/// For a server that is away.
struct Patience<'a> {
    retry_for: Duration,
    progress: &'a Progress,
}

impl Patience<'_> {
    /// Tries until they are there, the time is over, or it is to stop.
    async fn insist(
        &self,
        source: &SourceProducer,
        position: &mut SourcePosition,
        mark: &str,
        all: &[Fields],
        mut stops: impl Future<Output = ()> + Unpin,
    ) -> Result<Vec<EntryId>, Error> {
        let until = Instant::now() + self.retry_for;
        let behind = position.count + all.len() as u64;
        let (mut is_unsure, mut was_told) = (false, false);
        loop {
            let error = match source.add(position, mark, all.iter().cloned()).await {
                Ok((ids, now)) => {
                    *position = now;
                    return Ok(ids);
                }
                // An earlier try did it, and its answer was lost.
                Err(Error::SourceMoved { count }) if is_unsure && count == behind => {
                    *position = SourcePosition { count, mark: mark.to_owned() };
                    return Ok(Vec::new());
                }
                Err(error) => error,
            };
            if !error.is_temporary() || Instant::now() >= until {
                return Err(error);
            }
            is_unsure |= matches!(error, Error::Connection(_));
            if !was_told {
                self.progress.notice(&format!("{error}; it is tried again"));
                was_told = true;
            }
            tokio::select! {
                () = &mut stops => return Err(error),
                () = sleep(RETRY_PAUSE) => {}
            }
        }
    }
}
