//! Consumers that work side by side and end together.

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{ConsumerBuilder, ConsumerHealth, Done, Error, FromFields, HandlerError};
use crate::{Message, StreamConsumer};

/// Several consumers in one process: workers of one group, or one worker for each of several groups
/// (fan-out: each group sees every entry of the stream), or any mixture of them.
///
/// All end in order when it is told to stop, or when one of them ends with an error. Dropped, it
/// aborts them all, as [`StreamConsumer::run`] describes.
///
/// For several processes start the program several times, with
/// [`ConsumerBuilder::free_slot`] for the names.
#[derive(Debug, Default)]
pub struct WorkerPool {
    running: JoinSet<Result<(), Error>>,
    stop: CancellationToken,
    health: Vec<ConsumerHealth>,
}

impl WorkerPool {
    /// Without consumers.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a consumer with its handler, on the runtime of the caller.
    pub fn spawn<T, H, F, R, E>(&mut self, consumer: StreamConsumer, handler: H)
    where
        T: FromFields + 'static,
        H: Fn(Message<T>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Into<Done> + 'static,
        E: Into<HandlerError> + 'static,
    {
        self.health.push(consumer.health());
        let its_stop = consumer.stop_token();
        let stop = self.stop.clone();
        self.running.spawn(async move {
            let mut run = std::pin::pin!(consumer.run(handler));
            tokio::select! {
                ended = &mut run => return ended,
                () = stop.cancelled() => its_stop.cancel(),
            }
            run.await
        });
    }

    /// Starts `count` consumers that differ by their slot only: 0 and up, or, where the builder
    /// says [`ConsumerBuilder::free_slot`], those that no other process has.
    ///
    /// # Errors
    /// As those of [`ConsumerBuilder::build`]; then those that were started already stay.
    pub async fn spawn_many<T, H, F, R, E>(
        &mut self,
        count: u32,
        builder: &ConsumerBuilder,
        handler: H,
    ) -> Result<(), Error>
    where
        T: FromFields + 'static,
        H: Fn(Message<T>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
        R: Into<Done> + 'static,
        E: Into<HandlerError> + 'static,
    {
        for slot in 0..count {
            let consumer = builder.clone().nth(slot).build().await?;
            self.spawn(consumer, handler.clone());
        }
        Ok(())
    }

    /// Cancel this and all of them end in order, those that are started later as well.
    #[must_use]
    pub fn stop_token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// From now on SIGTERM and SIGINT (Ctrl-C) end them in order, and nothing else in this process.
    /// To be called on a tokio runtime.
    ///
    /// # Errors
    /// The operating system refuses to tell of signals.
    pub fn stop_on_signals(&self) -> std::io::Result<()> {
        cancel_on_signals(self.stop.clone())
    }

    /// How each is doing, in the order in which they were started.
    #[must_use]
    pub fn health(&self) -> &[ConsumerHealth] {
        &self.health
    }

    /// Waits until all have ended: after they were told to stop, or after one ended with an error,
    /// which stops the others. Dropped while it waits, all end where they are: what they had comes
    /// back when its lease is over.
    ///
    /// # Errors
    /// The first of those with which consumers ended.
    pub async fn join(mut self) -> Result<(), Error> {
        let mut outcome = Ok(());
        while let Some(ended) = self.running.join_next().await {
            let ended = match ended {
                Ok(ended) => ended,
                Err(failed) => std::panic::resume_unwind(failed.into_panic()),
            };
            if let Err(error) = ended {
                self.stop.cancel();
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }
}

/// Cancels the token at SIGTERM or SIGINT.
pub(crate) fn cancel_on_signals(stop: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
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
