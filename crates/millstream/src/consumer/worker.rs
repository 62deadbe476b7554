//! The tasks of a consumer and what they share.
//!
//! One task reads, one settles, one extends leases, one keeps house; each message (or batch) that
//! is handled has a task of its own, and what failed waits in it for its next try. All of them end
//! with [`Worker::run`].
//!
//! Invariants:
//! 1. Whatever is in hand has a task or waits in the queue, and leaves by a settlement or because
//!    it is not ours any more.
//! 2. Handlers are begun in the order in which messages were taken.
//! 3. A message whose lease is lost is not settled: somebody else has it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::builder::Settings;
use super::handler::{BatchSize, Failure, Handler, panic_text};
use super::handler_error::{HandlerError, Verdict};
use super::health::Counters;
use super::in_hand::InHand;
use super::method::Method;
use super::observed::Observed;
use super::outcome::Outcome;
use super::policy::Prepared;
use super::queue::Queue;
use super::settle::{Settlement, settle_all};
use super::slots::{Slot, Slots};
use crate::message::Origin;
use crate::{EntryId, Error, Message, Millstream};

/// Leases are extended when a third of them is over.
const LEASE_PARTS: u32 = 3;

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) millstream: Millstream,
    pub(super) settings: Settings,
    pub(super) method: Method,
    /// For how long a message is ours without a word from us.
    pub(super) lease: Duration,
    /// Up to where the group is done, stream by stream; a little behind the truth.
    pub(super) done_until: Mutex<Vec<EntryId>>,
    pub(super) origins: Vec<Arc<Origin>>,
    pub(super) in_hand: InHand,
    pub(super) counters: Arc<Counters>,
    pub(super) stop: CancellationToken,
    /// For messages that are in hand and do not wait for a later try.
    pub(super) room: Arc<Semaphore>,
    /// For handlers.
    slots: Slots,
}

/// What the task of a message needs beside the worker.
#[derive(Clone)]
struct Work {
    handler: Handler,
    settler: mpsc::UnboundedSender<Settlement>,
    /// For what is to be tried again; does not keep the queue open.
    again: mpsc::WeakUnboundedSender<Taken>,
}

/// A message that was taken, and its place in the room.
pub(super) struct Taken {
    pub(super) stream: usize,
    pub(super) message: Message,
    /// `None`: it came while the worker ends, and is given back.
    pub(super) place: Option<OwnedSemaphorePermit>,
}

impl Worker {
    pub(super) fn new(
        millstream: Millstream,
        settings: Settings,
        method: Method,
        prepared: Prepared,
        (counters, stop): (Arc<Counters>, CancellationToken),
    ) -> Self {
        let origin = |stream: &String| {
            let (group, consumer) = (settings.group.clone(), settings.name.clone());
            Arc::new(Origin { stream: stream.clone(), group, consumer })
        };
        Self {
            origins: settings.streams.iter().map(origin).collect(),
            in_hand: InHand::new(Arc::clone(&counters)),
            counters,
            stop,
            room: Arc::new(Semaphore::new(settings.room(false))),
            slots: settings.slots.clone().unwrap_or_else(|| Slots::new(settings.concurrency)),
            millstream,
            settings,
            method,
            lease: prepared.lease,
            done_until: Mutex::new(prepared.done_until),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(super) async fn run(self: Arc<Self>, handler: Handler) -> Result<(), Error> {
        let (queue, taken) = mpsc::unbounded_channel();
        let (settler, settlements) = mpsc::unbounded_channel();
        let work = Work { handler, settler, again: queue.downgrade() };
        // All of them are aborted when this is dropped.
        let mut reading = JoinSet::new();
        let mut keeping = JoinSet::new();
        let mut settling = JoinSet::new();
        let mut handling = JoinSet::new();
        reading.spawn(Arc::clone(&self).read_all(queue));
        keeping.spawn(Arc::clone(&self).extend_leases());
        keeping.spawn(Arc::clone(&self).keep_house());
        keeping.spawn(Arc::clone(&self).move_delayed());
        settling.spawn(settle_all(Arc::clone(&self), settlements));
        if matches!(work.handler, Handler::Batches(_)) {
            let is_batched = true;
            let more = self.settings.room(is_batched) - self.settings.room(!is_batched);
            self.room.add_permits(more);
        }
        let levels = if self.settings.is_strict() { self.origins.len() } else { 1 };
        let mut queue = Queue::new(taken, levels);
        let mut unbegun = Vec::new();
        while queue.ready().await {
            let slot = tokio::select! {
                biased;
                () = self.stop.cancelled() => None,
                slot = self.slots.acquire() => Some(slot),
            };
            while handling.try_join_next().is_some() {}
            match slot {
                Some(slot) => {
                    let some = self.gather(&mut queue, &work.handler).await;
                    handling.spawn(Arc::clone(&self).handle(some, slot, work.clone()));
                }
                None => unbegun.extend(std::iter::from_fn(|| queue.take())),
            }
        }
        // Not before reading has ended, which would take them again.
        for taken in unbegun {
            _ = work.settler.send(Settlement::hand_back(taken));
        }
        let finished = async { while handling.join_next().await.is_some() {} };
        if timeout(self.settings.shutdown_timeout, finished).await.is_err() {
            tracing::warn!("handlers did not finish in time; what they had will come back");
            handling.shutdown().await;
        }
        drop(work);
        while settling.join_next().await.is_some() {}
        keeping.shutdown().await;
        match reading.join_next().await {
            Some(Ok(ended)) => ended,
            _ => Ok(()),
        }
    }

    /// The next messages for a handler: one, or a batch.
    async fn gather(&self, queue: &mut Queue, handler: &Handler) -> Vec<Taken> {
        let mut some: Vec<Taken> = queue.take().into_iter().collect();
        if matches!(handler, Handler::Each(_)) {
            return some;
        }
        let BatchSize { max, linger } = self.settings.batch;
        let until = Instant::now() + linger;
        loop {
            while some.len() < max
                && let Some(taken) = queue.take()
            {
                some.push(taken);
            }
            if some.len() == max || self.stop.is_cancelled() {
                return some;
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep_until(until) => return some,
                is_there = queue.ready() => if !is_there { return some },
            }
        }
    }

    /// Some messages, until each is settled or not ours any more.
    async fn handle(self: Arc<Self>, some: Vec<Taken>, slot: Slot, work: Work) {
        let messages: Vec<Message> = some.iter().map(|taken| taken.message.clone()).collect();
        let observed = Observed::begin(&messages, &self.counters);
        let span = observed.span();
        let all = work.handler.run(messages).instrument(span).await;
        drop(slot);
        observed.end(&all, &self.counters);
        let mut waiting = Vec::new();
        for (taken, done) in some.into_iter().zip(all) {
            match done {
                Ok(done) => _ = work.settler.send(Settlement::done(taken, done)),
                Err(failure) => waiting.extend(self.failed(taken, failure, &work)),
            }
        }
        // Those of a batch wait one after the other's wait, each at least for its own.
        waiting.sort_by_key(|(_, wait)| *wait);
        let begun = Instant::now();
        for (failed, wait) in waiting {
            self.try_again(failed, begun + wait, &work).await;
        }
    }

    /// Settles a message that failed, unless this worker tries it again itself after a while.
    fn failed(&self, mut taken: Taken, failure: Failure, work: &Work) -> Option<(Taken, Duration)> {
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
        if let Some(wait) = wait {
            drop(taken.place.take());
            return Some((taken, wait));
        }
        _ = work.settler.send(Settlement::failed(taken, failure, is_last));
        None
    }

    /// Puts a message into the queue again when its time has come, delivered once more; unless it
    /// is not ours any more, or the worker ends.
    async fn try_again(&self, failed: Taken, at: Instant, work: &Work) {
        let key = (failed.stream, failed.message.id);
        let waited = async {
            sleep_until(at).await;
            Arc::clone(&self.room).acquire_owned().await.ok()
        };
        let place = tokio::select! {
            () = self.stop.cancelled() => None,
            place = waited => place,
        };
        if let Some(place) = place
            && let Some(message) = self.take_again(failed.stream, &failed.message).await
        {
            let taken = Taken { stream: failed.stream, message, place: Some(place) };
            match work.again.upgrade() {
                Some(queue) => {
                    // Refused, it is pending and comes back at the next start.
                    _ = queue.send(taken);
                }
                None => _ = work.settler.send(Settlement::hand_back(taken)),
            }
            return;
        }
        self.in_hand.end(key);
    }

    pub(super) fn note_failure(&self, message: &Message, failure: Failure) -> HandlerError {
        self.counters.failed.add(1);
        let failure = failure.unwrap_or_else(|panic| {
            self.counters.panicked.add(1);
            HandlerError::retry(format!("panic: {}", panic_text(&*panic)))
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
