//! A worker: takes messages of a group, gives each to a handler, settles it.

mod acknowledge;
mod batch_error;
mod builder;
mod done;
mod handler;
mod handler_error;
mod health;
mod housekeeping;
mod in_hand;
mod meters;
mod method;
mod name;
mod observed;
mod outcome;
mod policy;
mod priorities;
mod queue;
mod read;
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

use crate::worker_pool::cancel_on_signals;
use crate::{Error, FromFields, Message, Millstream};
use handler::Handler;
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
    /// One, or with weights one for each stream; they share token and counters.
    workers: Vec<Arc<Worker>>,
    /// Keeps the slot of the name.
    _slot: Option<SlotLock>,
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
        assert!(!workers.is_empty(), "there is a stream");
        Self { workers: workers.into_iter().map(Arc::new).collect(), _slot: slot }
    }

    /// The consumer's name in its group.
    #[must_use]
    pub fn name(&self) -> &str {
        self.workers[0].name()
    }

    /// Cancel this and [`Self::run`] ends in order: it stops reading, gives back what waits for its
    /// turn, and returns when the handlers that run are done.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.workers[0].stop.clone()
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
        ConsumerHealth::new(Arc::clone(&self.workers[0].counters))
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
        if let [worker] = &self.workers[..] {
            return Arc::clone(worker).run(handler).await;
        }
        let mut running = JoinSet::new();
        for worker in &self.workers {
            running.spawn(Arc::clone(worker).run(handler.clone()));
        }
        let mut outcome = Ok(());
        // One that ends with an error stops the others.
        while let Some(ended) = running.join_next().await {
            match ended {
                Ok(ended) => outcome = outcome.and(ended),
                Err(failed) => std::panic::resume_unwind(failed.into_panic()),
            }
        }
        outcome
    }

    /// The same with a handler that gets several messages at once, as [`ConsumerBuilder::batch`]
    /// says: for bulk inserts, for one. `concurrency` counts batches. Messages of several streams
    /// may come together. An entry that cannot become a `T` fails alone and is not in the batch.
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
