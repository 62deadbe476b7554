//! A worker: takes messages of a group, gives each to a handler, settles it.

mod acknowledge;
mod batch_error;
mod begin;
mod builder;
mod done;
mod handler;
mod handler_error;
mod health;
mod housekeeping;
mod in_hand;
mod leased;
mod leases;
mod meters;
mod method;
mod name;
mod observed;
mod outcome;
mod places;
mod policy;
mod priorities;
mod queue;
mod read;
mod room;
#[cfg(feature = "tower")]
mod service;
mod settle;
mod slots;
mod worker;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use batch_error::BatchError;
pub use builder::ConsumerBuilder;
pub use done::Done;
pub use handler_error::HandlerError;
pub use health::{ConsumerHealth, HealthReport};
pub use outcome::Outcome;
pub use priorities::Priorities;
#[cfg(feature = "tower")]
pub use service::ServiceRejection;

pub(crate) use leased::{lease_key, owner_of};

use crate::worker_pool::cancel_on_signals;
use crate::{Error, FromFields, Message, Millstream, PartitionedStream};
use handler::Handler;
use leased::LeasedWorker;
use name::SlotLock;
use worker::Worker;

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
    /// Keeps the slot of the name.
    slot: Option<SlotLock>,
}

enum Work {
    /// One for all streams; on a Cluster, one for those of each slot; with priorities, one for
    /// each stream. They share the places of handlers and the order to end.
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

    fn new(workers: Vec<Worker>, slot: Option<SlotLock>) -> Self {
        assert!(!workers.is_empty(), "a consumer has a stream");
        Self { work: Work::Shared(workers.into_iter().map(Arc::new).collect()), slot }
    }

    fn leased(worker: LeasedWorker, slot: Option<SlotLock>) -> Self {
        Self { work: Work::Leased(Arc::new(worker)), slot }
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
    /// turn, leaves what waits for its next try to others for the time when it is due, and returns
    /// when the handlers that run are done and what became of their messages was settled. A server
    /// that is away is tried for a few times (some 30 s if it hangs); what could not be settled is
    /// pending, and will be handled again.
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
        cancel_on_signals(self.stop_token())
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
    /// It returns `Ok(())`, or [`Done`] with entries that are added in one step with the
    /// acknowledgement.
    ///
    /// # Errors
    /// What cannot get better by waiting: `WRONGTYPE`, `NOPERM`, a wrong password.
    pub async fn run<T, H, F, R, E>(self, handler: H) -> Result<(), Error>
    where
        T: FromFields,
        H: Fn(Message<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Into<Done>,
        E: Into<HandlerError>,
    {
        let handler = Handler::Each(Arc::new(move |message| match message.decode() {
            Ok(message) => {
                let done = handler(message);
                Box::pin(async move { done.await.map(Into::into).map_err(Into::into) })
            }
            Err(error) => Box::pin(std::future::ready(Err(HandlerError::retry(error)))),
        }));
        self.run_all(handler).await
    }

    async fn run_all(self, handler: Handler) -> Result<(), Error> {
        let Some(slot) = &self.slot else { return self.work_until_the_end(handler).await };
        tokio::select! {
            ended = self.work_until_the_end(handler) => ended,
            () = slot.keep() => unreachable!("it keeps the slot for ever"),
        }
    }

    async fn work_until_the_end(&self, handler: Handler) -> Result<(), Error> {
        let workers = match &self.work {
            Work::Shared(workers) => workers,
            Work::Leased(worker) => return Arc::clone(worker).run(handler).await,
        };
        if let [worker] = &workers[..] {
            return Arc::clone(worker).run(handler).await;
        }
        // All of them are aborted when this is dropped.
        let mut working = JoinSet::new();
        for worker in workers {
            working.spawn(Arc::clone(worker).run(handler.clone()));
        }
        let mut ended = Ok(());
        while let Some(one) = working.join_next().await {
            // The first one that cannot go on has told the others to end.
            ended = ended
                .and(one.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())));
        }
        ended
    }

    /// The same with a handler that gets several messages at once, as [`ConsumerBuilder::batch`]
    /// says: for bulk inserts, for one. `concurrency` counts batches. Messages of several streams
    /// may come together. An entry that cannot become a `T` fails alone and is not in the batch. A
    /// batch of leased partitions has one message, or their order would not be kept.
    ///
    /// # Errors
    /// As those of [`Self::run`].
    pub async fn run_batches<T, H, F, E>(self, handler: H) -> Result<(), Error>
    where
        T: FromFields + 'static,
        H: Fn(Vec<Message<T>>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BatchError>,
    {
        let handler = Handler::Batches(Arc::new(move |messages| {
            let mut keys = Vec::with_capacity(messages.len());
            let (mut understood, mut errors) = (Vec::with_capacity(messages.len()), HashMap::new());
            for message in messages {
                let key = (message.stream().to_owned(), message.id());
                match message.decode() {
                    Ok(message) => understood.push(message),
                    Err(error) => _ = errors.insert(key.clone(), HandlerError::retry(error)),
                }
                keys.push(key);
            }
            let done = (!understood.is_empty()).then(|| handler(understood));
            Box::pin(async move {
                let done = match done {
                    Some(done) => done.await.map_err(Into::into),
                    None => Ok(()),
                };
                let all = done.err().map(|error| error.split(&keys));
                let all = all.unwrap_or_else(|| keys.iter().map(|_| Ok(())).collect());
                let each = keys.iter().zip(all).map(|(key, done)| match errors.remove(key) {
                    Some(error) => Err(error),
                    None => done.map(Into::into),
                });
                each.collect()
            })
        }));
        self.run_all(handler).await
    }
}

impl fmt::Debug for StreamConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamConsumer").field("name", &self.name()).finish_non_exhaustive()
    }
}
