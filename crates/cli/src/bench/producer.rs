//! A connection that adds entries, some at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use redis::{Cmd, Pipeline};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::answer::is_id;
use super::crew::{Client, Crew};
use super::measured::{Measured, measured};
use super::payload::{Payload, Writer};
use super::plan::Plan;
use super::site::Site;
use super::times::Times;

/// Connections, and entries in flight on each, where adding is not what is measured.
const FILL_CONNECTIONS: usize = 4;
const FILL_PIPELINE: usize = 128;

/// Entries that are still to be added, by all connections together.
#[derive(Debug)]
pub(super) struct ToAdd {
    messages: u32,
    next: AtomicU32,
    /// Those that the server has.
    answered: AtomicU64,
    /// Room between producers and workers, where there is a limit.
    room: Option<Semaphore>,
}

/// What became of a connection that did all that it had to.
#[derive(Debug)]
pub(super) struct Worked {
    pub(super) times: Times,
    /// When the last entry was done.
    pub(super) last_at: Instant,
}

impl ToAdd {
    pub(super) fn new(messages: u32, backlog: Option<usize>) -> Self {
        let (next, answered) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { messages, next, answered, room: backlog.map(Semaphore::new) }
    }

    /// The next ones, `count` at most.
    fn take(&self, count: u32) -> std::ops::Range<u32> {
        let taken = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| {
            Some(next.saturating_add(count).min(self.messages))
        });
        let (Ok(start) | Err(start)) = taken;
        start..start.saturating_add(count).min(self.messages)
    }

    pub(super) fn answered(&self, count: usize) {
        self.answered.fetch_add(count as u64, Ordering::Release);
    }

    /// Whether the server has all.
    pub(super) fn is_done(&self) -> bool {
        self.answered.load(Ordering::Acquire) == u64::from(self.messages)
    }

    /// So many were acknowledged.
    pub(super) fn make_room(&self, count: usize) {
        if let Some(room) = &self.room {
            room.add_permits(count);
        }
    }
}

/// XADD of entries by their numbers.
pub(super) struct Adds {
    key: Vec<u8>,
    writer: Writer,
    fields: usize,
}

impl Adds {
    pub(super) fn new(key: &[u8], payload: Payload) -> Self {
        Self { key: key.to_vec(), writer: Writer::new(payload), fields: payload.fields }
    }

    pub(super) fn add_to(&mut self, pipeline: &mut Pipeline, number: u32) {
        let bytes = self.key.len() + self.writer.capacity() + 16;
        let mut command = Cmd::with_capacity(4 + 2 * self.fields, bytes);
        // What is still on its way when the stream was removed does not make it again.
        command.arg("XADD").arg(&self.key).arg("NOMKSTREAM").arg("*");
        self.writer.append(number, &mut command);
        pipeline.add_command(command);
    }
}

/// What it means that an XADD added nothing.
pub(super) fn stream_is_gone() -> anyhow::Error {
    anyhow::anyhow!("the stream is gone: the server, or somebody else, removed it")
}

/// Adds until there is nothing left to add.
pub(super) async fn produce(
    client: Client,
    plan: Plan,
    to_add: Arc<ToAdd>,
) -> anyhow::Result<Worked> {
    let mut adds = Adds::new(client.key.as_ref(), plan.payload);
    let mut times = Times::default();
    let mut pipeline = Pipeline::with_capacity(plan.pipeline);
    let pipelined = u32::try_from(plan.pipeline).unwrap_or(u32::MAX);
    loop {
        let numbers = to_add.take(pipelined);
        if numbers.is_empty() {
            return Ok(Worked { times, last_at: Instant::now() });
        }
        if let Some(room) = &to_add.room {
            let wanted = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            match timeout(plan.patience, room.acquire_many(wanted)).await {
                Ok(permits) => permits.expect("it is never closed").forget(),
                Err(_) => anyhow::bail!(
                    "no entry was acknowledged within {:?}, while {} were ahead of the workers",
                    plan.patience,
                    plan.backlog
                ),
            }
        }
        pipeline.clear();
        numbers.for_each(|number| adds.add_to(&mut pipeline, number));
        let begun = Instant::now();
        let answers = client.query_all(&pipeline).await?;
        times.record(begun.elapsed());
        if !answers.iter().all(is_id) {
            return Err(stream_is_gone());
        }
        to_add.answered(answers.len());
    }
}

/// All entries of a round, added by so many connections and measured.
pub(super) async fn add_all(site: &Site, plan: &Plan) -> anyhow::Result<Measured<Worked>> {
    let to_add = Arc::new(ToAdd::new(plan.messages, None));
    let plan = *plan;
    let job = move |client| produce(client, plan, Arc::clone(&to_add));
    let crew = Crew::connect(site, &plan, plan.connections, job).await?;
    measured(site, &plan, crew, Duration::ZERO).await
}

/// A stream with all entries of a round.
pub(super) async fn fill(site: &Site, plan: &Plan) -> anyhow::Result<()> {
    site.make_stream(plan.load).await?;
    let plan = Plan { connections: FILL_CONNECTIONS, pipeline: FILL_PIPELINE, ..*plan };
    add_all(site, &plan).await.map(drop)
}
