//! Clients on threads of their own: all connect first, then all begin at the same moment.
//!
//! A thread has a runtime of its own and serves many clients. Whoever drops a crew stops it: when
//! that returns its connections are closed, and it has sent all that it will.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use millstream::{Error, Millstream};
use redis::Pipeline;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, LocalSet};

use super::plan::{Load, Plan};
use super::site::Site;
use crate::name::Name;
use crate::server::Server;

/// A connection, and what it has to do with it.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// From 0.
    pub(super) number: usize,
    server: Arc<Server>,
    pub(super) key: Name,
    load: Load,
    /// When the round began, or will.
    pub(super) begun_at: Instant,
}

impl Client {
    pub(super) async fn query_all(&self, commands: &Pipeline) -> anyhow::Result<Vec<redis::Value>> {
        let answers = self.millstream().query_all(commands).await;
        answers.map_err(|error| self.failure(error))
    }

    pub(super) fn millstream(&self) -> &Millstream {
        &self.server.millstream
    }

    pub(super) fn failure(&self, error: Error) -> anyhow::Error {
        self.server.cannot(format!("measure {}", self.load.name()))(error)
    }

    /// The answer to this command is none that it has.
    pub(super) fn not_understood(&self, command: &'static str) -> anyhow::Error {
        self.failure(Error::Answer(command))
    }
}

/// What threads are told. That nobody tells them anything any more means that they are to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Connect,
    /// At this moment.
    Begin(Instant),
}

/// What a thread tells.
enum Event<R> {
    Connected,
    Done(Vec<R>),
    Failed(anyhow::Error),
}

/// Clients that are connected, and wait.
pub(super) struct Crew<R> {
    signal: Option<watch::Sender<Signal>>,
    events: mpsc::UnboundedReceiver<Event<R>>,
    threads: Vec<JoinHandle<()>>,
}

impl<R: Send + 'static> Crew<R> {
    /// Connects so many clients, each of which will do `job`.
    ///
    /// # Errors
    /// One of them cannot connect.
    pub(super) async fn connect<J, F>(
        site: &Site,
        plan: &Plan,
        clients: usize,
        job: J,
    ) -> anyhow::Result<Self>
    where
        J: Fn(Client) -> F + Clone + Send + 'static,
        F: Future<Output = anyhow::Result<R>> + 'static,
    {
        let (signal, signals) = watch::channel(Signal::Connect);
        let (tell, events) = mpsc::unbounded_channel();
        let mut crew = Self { signal: Some(signal), events, threads: Vec::new() };
        let count = plan.threads.min(clients);
        for first in 0..count {
            let (way, key, load) = (site.way.clone(), site.key.clone(), plan.load);
            let (signals, tell, job) = (signals.clone(), tell.clone(), job.clone());
            let of_thread = (first..clients).step_by(count);
            let run = move || {
                let all = work(way, key, load, of_thread, signals, &tell, job);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let done = runtime
                    .context("start a runtime")
                    .and_then(|runtime| LocalSet::new().block_on(&runtime, all));
                let _ = match done {
                    Ok(Some(results)) => tell.send(Event::Done(results)),
                    Ok(None) => Ok(()),
                    Err(error) => tell.send(Event::Failed(error)),
                };
            };
            let thread = thread::Builder::new().name("bench".to_owned()).spawn(run);
            crew.threads.push(thread.context("start a thread")?);
        }
        for _ in 0..count {
            match crew.next().await? {
                Event::Connected => {}
                Event::Failed(error) => return Err(error),
                Event::Done(_) => unreachable!("nobody was told to begin"),
            }
        }
        Ok(crew)
    }

    /// Has all begin after `lead`, and waits for them. Returns what each came to, in no order.
    ///
    /// # Errors
    /// That of the first one that failed; the others are stopped.
    pub(super) async fn run(mut self, lead: Duration) -> anyhow::Result<(Instant, Vec<R>)> {
        let begun_at = Instant::now() + lead;
        if let Some(signal) = &self.signal {
            signal.send_replace(Signal::Begin(begun_at));
        }
        let mut all = Vec::new();
        for _ in 0..self.threads.len() {
            match self.next().await? {
                Event::Done(results) => all.extend(results),
                Event::Failed(error) => return Err(error),
                Event::Connected => unreachable!("all were connected"),
            }
        }
        Ok((begun_at, all))
    }

    async fn next(&mut self) -> anyhow::Result<Event<R>> {
        self.events.recv().await.context("a thread of the load ended without a word")
    }
}

impl<R> Drop for Crew<R> {
    fn drop(&mut self) {
        self.signal = None;
        for thread in self.threads.drain(..) {
            // Whoever panicked has said so.
            let _ = thread.join();
        }
    }
}

/// What a thread does; `None`: it was stopped.
async fn work<R, J, F>(
    way: millstream::ConnectOptions,
    key: Name,
    load: Load,
    numbers: impl Iterator<Item = usize>,
    mut signals: watch::Receiver<Signal>,
    tell: &mpsc::UnboundedSender<Event<R>>,
    job: J,
) -> anyhow::Result<Option<Vec<R>>>
where
    R: 'static,
    J: Fn(Client) -> F,
    F: Future<Output = anyhow::Result<R>> + 'static,
{
    let mut stop = signals.clone();
    let all = async {
        let mut servers = Vec::new();
        for number in numbers {
            servers.push((number, Arc::new(Server::connect(&way).await?)));
        }
        let _ = tell.send(Event::Connected);
        let Ok(Signal::Begin(begun_at)) =
            signals.wait_for(|signal| *signal != Signal::Connect).await.map(|signal| *signal)
        else {
            return Ok(None);
        };
        let mut running = JoinSet::new();
        for (number, server) in servers {
            running.spawn_local(job(Client { number, server, key: key.clone(), load, begun_at }));
        }
        let mut results = Vec::new();
        while let Some(done) = running.join_next().await {
            results.push(done.context("a client of the load panicked")??);
        }
        Ok(Some(results))
    };
    tokio::select! {
        done = all => done,
        () = stopped(&mut stop) => Ok(None),
    }
}

/// Ends when there is nobody any more who could say anything.
async fn stopped(signals: &mut watch::Receiver<Signal>) {
    while signals.changed().await.is_ok() {}
}
