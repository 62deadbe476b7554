//! The tasks of a consumer and what they share.
//!
//! One task reads, one settles, one extends leases; each message that is handled has a task of its
//! own, and what failed waits in it for its next try. All of them end with [`Worker::run`].
//!
//! Invariants:
//! 1. Whatever is in hand has a task or waits in the queue, and leaves by a settlement or because
//!    it is not ours any more.
//! 2. Handlers are begun in the order in which messages were taken.
//! 3. A message whose lease is lost is not settled: somebody else has it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::builder::Settings;
use super::handler_error::{HandlerError, Verdict};
use super::health::{Counters, add};
use super::in_hand::InHand;
use super::method::Method;
use super::outcome::Outcome;
use super::settle::{Settlement, settle_all};
use crate::message::Origin;
use crate::{Error, Message, Millstream};

pub(super) type Done = Pin<Box<dyn Future<Output = Result<(), HandlerError>> + Send>>;
pub(super) type Handler = Arc<dyn Fn(Message) -> Done + Send + Sync>;

/// Leases are extended when a third of them is over.
const LEASE_PARTS: u32 = 3;

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) millstream: Millstream,
    pub(super) settings: Settings,
    pub(super) method: Method,
    lease: Duration,
    pub(super) origins: Vec<Arc<Origin>>,
    pub(super) in_hand: InHand,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: CancellationToken,
    /// For messages that are in hand and do not wait for a later try.
    pub(super) room: Arc<Semaphore>,
    /// For handlers.
    slots: Arc<Semaphore>,
}

/// A message that was taken, and its place in the room.
pub(super) struct Taken {
    pub(super) stream: usize,
    pub(super) message: Message,
    /// `None`: it came while the worker ends, and is given back.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

impl Worker {
    /// `lease`: how long a message is ours without a word from us.
    pub(super) fn new(
        millstream: Millstream,
        settings: Settings,
        method: Method,
        lease: Duration,
    ) -> Self {
        let origin = |stream: &String| {
            let (group, consumer) = (settings.group.clone(), settings.name.clone());
            Arc::new(Origin { stream: stream.clone(), group, consumer })
        };
        let counters = Arc::new(Counters::new());
        Self {
            origins: settings.streams.iter().map(origin).collect(),
            in_hand: InHand::new(Arc::clone(&counters)),
            counters,
            stop: CancellationToken::new(),
            room: Arc::new(Semaphore::new(settings.room())),
            slots: Arc::new(Semaphore::new(settings.concurrency)),
            millstream,
            settings,
            method,
            lease,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(super) async fn run(self: Arc<Self>, handler: Handler) -> Result<(), Error> {
        let (queue, mut taken) = mpsc::unbounded_channel();
        let (settler, settlements) = mpsc::unbounded_channel();
        // All of them are aborted when this is dropped.
        let mut reading = JoinSet::new();
        let mut keeping = JoinSet::new();
        let mut settling = JoinSet::new();
        let mut handling = JoinSet::new();
        reading.spawn(Arc::clone(&self).read_all(queue));
        keeping.spawn(Arc::clone(&self).extend_leases());
        settling.spawn(settle_all(Arc::clone(&self), settlements));
        let mut unbegun = Vec::new();
        while let Some(taken) = taken.recv().await {
            let slot = tokio::select! {
                biased;
                () = self.stop.cancelled() => None,
                slot = Arc::clone(&self.slots).acquire_owned() => slot.ok(),
            };
            while handling.try_join_next().is_some() {}
            match slot {
                Some(slot) => {
                    let (worker, handler) = (Arc::clone(&self), Arc::clone(&handler));
                    let settler = settler.clone();
                    handling.spawn(worker.handle(taken, slot, handler, settler));
                }
                None => unbegun.push(taken),
            }
        }
        // Not before reading has ended, which would take them again.
        for taken in unbegun {
            _ = settler.send(Settlement::hand_back(taken));
        }
        let finished = async { while handling.join_next().await.is_some() {} };
        if timeout(self.settings.shutdown_timeout, finished).await.is_err() {
            tracing::warn!("handlers did not finish in time; what they had will come back");
            handling.shutdown().await;
        }
        drop(settler);
        while settling.join_next().await.is_some() {}
        keeping.shutdown().await;
        match reading.join_next().await {
            Some(Ok(ended)) => ended,
            _ => Ok(()),
        }
    }

    /// One message, until it is settled or not ours any more.
    async fn handle(
        self: Arc<Self>,
        taken: Taken,
        slot: OwnedSemaphorePermit,
        handler: Handler,
        settler: mpsc::UnboundedSender<Settlement>,
    ) {
        let (mut taken, mut slot) = (taken, Some(slot));
        loop {
            let done = caught(&handler, taken.message.clone()).await;
            drop(slot.take());
            let Err(failure) = done else {
                _ = settler.send(Settlement::acknowledge(taken));
                return;
            };
            let message = &taken.message;
            let failure = self.note_failure(message, failure);
            self.settings.hook.tell(message, Outcome::Failed);
            let is_last = message.deliveries >= u64::from(self.settings.max_retries);
            let wait = match failure.verdict {
                _ if self.settings.is_no_ack => None,
                Verdict::Retry(after) if self.method != Method::Policy && !is_last => {
                    let backoff = self.settings.backoff;
                    Some(after.unwrap_or_else(|| backoff.after_at_random(message.deliveries)))
                }
                _ => None,
            };
            let Some(wait) = wait else {
                _ = settler.send(Settlement::failed(taken, failure, is_last));
                return;
            };
            drop(taken.place.take());
            let key = (taken.stream, taken.message.id);
            let Some((again, its_slot)) = self.try_again(&taken, wait).await else {
                self.in_hand.end(key);
                return;
            };
            (taken, slot) = (again, Some(its_slot));
        }
    }

    /// After a while the same message, delivered once more. `None`: it is not ours any more, or the
    /// worker ends.
    async fn try_again(
        &self,
        failed: &Taken,
        wait: Duration,
    ) -> Option<(Taken, OwnedSemaphorePermit)> {
        let waited = async {
            sleep(wait).await;
            let place = Arc::clone(&self.room).acquire_owned().await.ok()?;
            let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
            Some((place, slot))
        };
        let (place, slot) = tokio::select! {
            () = self.stop.cancelled() => return None,
            waited = waited => waited?,
        };
        let stream = failed.stream;
        let message = self.take_again(stream, &failed.message).await?;
        Some((Taken { stream, message, place: Some(place) }, slot))
    }

    fn note_failure(
        &self,
        message: &Message,
        failure: Result<HandlerError, Box<dyn Any + Send>>,
    ) -> HandlerError {
        add(&self.counters.failed, 1);
        let failure = failure.unwrap_or_else(|panic| {
            add(&self.counters.panicked, 1);
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            HandlerError::retry(format!("panic: {}", text.unwrap_or_default()))
        });
        let (id, stream, deliveries) = (message.id, message.stream(), message.deliveries);
        tracing::warn!(%id, stream, deliveries, "a message failed: {failure}");
        failure
    }

    /// Tells the server again and again what is still being worked on.
    async fn extend_leases(self: Arc<Self>) {
        if self.settings.is_no_ack {
            return;
        }
        let interval = self.lease / LEASE_PARTS;
        loop {
            sleep(interval).await;
            for stream in 0..self.origins.len() {
                let (ids, youngest) = self.in_hand.older(stream, interval / 2);
                if ids.is_empty() {
                    continue;
                }
                let asked = Instant::now();
                match self.extend(stream, &ids, youngest).await {
                    Ok(granted) => {
                        let lost = self.in_hand.extended(stream, &ids, &granted, asked);
                        if lost > 0 {
                            let stream = &self.origins[stream].stream;
                            tracing::warn!(stream, lost, "messages went to other consumers");
                        }
                    }
                    // Tried again in time, or lost and noticed then.
                    Err(error) => tracing::warn!("leases are not extended: {error}"),
                }
            }
        }
    }
}

/// Runs a handler to its end; the inner error is a panic.
async fn caught(
    handler: &Handler,
    message: Message,
) -> Result<(), Result<HandlerError, Box<dyn Any + Send>>> {
    let begun = catch_unwind(AssertUnwindSafe(|| handler(message)));
    let mut running = begun.map_err(Err)?;
    std::future::poll_fn(move |context| {
        match catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(context))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(done)) => Poll::Ready(done.map_err(Ok)),
            Err(panic) => Poll::Ready(Err(Err(panic))),
        }
    })
    .await
}
