//! A worker: takes messages of a group, gives each to a handler, settles it.

mod builder;
mod handler_error;
mod health;
mod in_hand;
mod leased;
mod method;
mod name;
mod outcome;
mod places;
mod read;
mod settle;
mod worker;

use std::fmt;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use builder::ConsumerBuilder;
pub use handler_error::HandlerError;
pub use health::{ConsumerHealth, HealthReport};
pub use outcome::Outcome;

pub(crate) use leased::{lease_key, owner_of};

use crate::{Error, FromFields, Message, Millstream, PartitionedStream};
use leased::LeasedWorker;
use worker::{Handler, Worker};

/// A consumer of a group: takes messages, gives each to a handler, and settles it by what that
/// says.
///
/// What a handler is given was delivered to this consumer; it is acknowledged once the handler
/// returned `Ok`. While a handler runs the message's lease is extended, however long it takes.
/// What fails is tried again after a backoff, and becomes a dead letter after
/// [`ConsumerBuilder::max_retries`] tries. What other consumers left is taken over after
/// [`ConsumerBuilder::claim_min_idle`].
pub struct StreamConsumer {
    work: Work,
}

enum Work {
    /// One for all streams; on a Cluster, one for those of each slot.
    Shared(Vec<Arc<Worker>>),
    /// Partitions that have one owner at a time.
    Leased(Arc<LeasedWorker>),
}

impl StreamConsumer {
    /// Begins to describe a consumer of this group of this stream.
    #[must_use]
    pub fn builder(
        millstream: &Millstream,
        stream: impl Into<String>,
        group: impl Into<String>,
    ) -> ConsumerBuilder {
        ConsumerBuilder::new(millstream, stream.into(), group.into())
    }

    fn new(workers: Vec<Arc<Worker>>) -> Self {
        assert!(!workers.is_empty(), "a consumer has a stream");
        Self { work: Work::Shared(workers) }
    }

    fn leased(worker: LeasedWorker) -> Self {
        Self { work: Work::Leased(Arc::new(worker)) }
    }

    /// Begins to describe a consumer of this group of all partitions of a stream. Without more,
    /// messages of one key may be handled at the same time and in any order; see
    /// [`ConsumerBuilder::lease_partitions`].
    #[must_use]
    pub fn partitioned(stream: &PartitionedStream, group: impl Into<String>) -> ConsumerBuilder {
        ConsumerBuilder::partitioned(stream, group.into())
    }

    /// The consumer's name in its group.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.work {
            Work::Shared(workers) => workers[0].name(),
            Work::Leased(worker) => worker.name(),
        }
    }

    /// Cancel this and [`Self::run`] ends in order: it stops reading, gives back what waits for its
    /// turn, and returns when the handlers that run are done.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        match &self.work {
            Work::Shared(workers) => workers[0].stop.clone(),
            Work::Leased(worker) => worker.stop.clone(),
        }
    }

    /// From now on SIGTERM and SIGINT (Ctrl-C) end it in order, and nothing else in this process.
    /// To be called on a tokio runtime.
    ///
    /// # Errors
    /// The operating system refuses to tell of signals.
    pub fn stop_on_signals(&self) -> std::io::Result<()> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = self.stop_token();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = stop.cancelled() => {}
            }
            stop.cancel();
        });
        Ok(())
    }

    /// How it is doing.
    #[must_use]
    pub fn health(&self) -> ConsumerHealth {
        ConsumerHealth::new(match &self.work {
            Work::Shared(workers) => {
                workers.iter().map(|worker| Arc::clone(&worker.counters)).collect()
            }
            Work::Leased(worker) => worker.counters.iter().map(Arc::clone).collect(),
        })
    }

    /// Works until it is told to stop. No failure of a handler, no panic in one and no trouble with
    /// the server ends it: it waits and goes on. It runs on the tokio runtime that polls it.
    ///
    /// Dropped before, it aborts its handlers: what they had is pending, and comes back to this
    /// consumer at its next start, or to another one after `claim_min_idle`.
    ///
    /// The handler says what it takes: [`Message`] with the fields as they are, or `Message<Order>`
    /// with your own type. An entry that cannot become one counts as a failure, and is a dead
    /// letter after as many tries: an older or newer worker may understand it.
    ///
    /// # Errors
    /// What cannot get better by waiting: `WRONGTYPE`, `NOPERM`, a wrong password.
    pub async fn run<T, H, F, E>(self, handler: H) -> Result<(), Error>
    where
        T: FromFields,
        H: Fn(Message<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<HandlerError>,
    {
        let handler: Handler = Arc::new(move |message| {
            let Message { origin, id, payload, deliveries } = message;
            match T::from_fields(&payload) {
                Ok(payload) => {
                    let done = handler(Message { origin, id, payload, deliveries });
                    Box::pin(async move { done.await.map_err(Into::into) })
                }
                Err(error) => Box::pin(std::future::ready(Err(HandlerError::retry(error)))),
            }
        });
        let workers = match self.work {
            Work::Shared(workers) => workers,
            Work::Leased(worker) => return worker.run(handler).await,
        };
        // All of them are aborted when this is dropped.
        let mut working = JoinSet::new();
        for worker in workers {
            working.spawn(worker.run(Arc::clone(&handler)));
        }
        let mut ended = Ok(());
        while let Some(one) = working.join_next().await {
            // The first one that cannot go on has told the others to end.
            ended = ended
                .and(one.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
        }
        ended
    }
}

impl fmt::Debug for StreamConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamConsumer").field("name", &self.name()).finish_non_exhaustive()
    }
}
