//! The tasks of a consumer and what they share.
//!
//! One task reads, one settles, one extends leases, one keeps house; each message (or batch) that
//! is handled has a task of its own, and what failed waits in it for its next try. All of them end
//! with [`Worker::run`].
//!
//! Invariants:
//! 1. Whatever is in hand has a task or waits in the queue, and leaves by a settlement or because
//!    it is not ours any more.
//! 2. Handlers are begun in the order in which messages were taken; what is tried again is next.
//! 3. A message whose lease is lost is not settled: somebody else has it.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::begin::{Go, Handled, Unfinished};
use super::builder::Settings;
use super::done::Done;
use super::handler::{BatchSize, Failure, Handler, panic_text};
use super::handler_error::{HandlerError, Verdict};
use super::health::Counters;
use super::in_hand::InHand;
use super::leased::Order;
use super::method::Method;
use super::observed::Observed;
use super::outcome::Outcome;
use super::policy::PreparedGroups;
use super::queue::Queue;
use super::room::{Place, Room};
use super::settle::{Settlement, settle_all};
use super::slots::Slots;
use crate::message::Origin;
use crate::{EntryId, Error, Fields, Message, Millstream};

/// Messages in hand beyond which what waits for its next try keeps its place, so that no more are
/// taken: where everything fails, a worker does not take the whole stream into its memory.
const WAITING_MAX: usize = 10_000;

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
    /// At the end the server was away for as long as we wait: nothing else is settled.
    pub(super) has_given_up: AtomicBool,
    /// How often a message is handled at most, stream by stream.
    tries: Vec<u64>,
    /// Where groups have policies: the server takes by itself what is not settled in time.
    pub(super) has_times: bool,
    /// For messages that are in hand and do not wait for a later try.
    pub(super) room: Room,
    /// For handlers.
    pub(super) slots: Slots,
    /// While somebody else must not begin: the stream is ours alone, and one message is handled
    /// after the other, whatever becomes of each.
    pub(super) order: Option<Order>,
}

/// What a worker shares with others of its consumer, or is given by it.
pub(super) struct Shared {
    pub(super) slots: Slots,
    pub(super) stop: CancellationToken,
    pub(super) counters: Arc<Counters>,
    pub(super) lease: Duration,
    pub(super) done_until: Vec<EntryId>,
}

/// What the task of a message needs beside the worker.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) handler: Handler,
    settler: mpsc::UnboundedSender<Settlement>,
    /// For what is to be tried again; does not keep the queue open.
    again: mpsc::WeakUnboundedSender<Vec<Taken>>,
}

/// A message that was taken, and its place in the room.
pub(super) struct Taken {
    pub(super) stream: usize,
    pub(super) message: Message,
    /// `None`: it came while the worker ends, and is given back.
    pub(super) place: Option<Place>,
    /// It was begun before, and failed.
    pub(super) is_again: bool,
    /// Whether its last delivery counts.
    pub(super) is_counted: bool,
}

impl Worker {
    /// One that has its stream alone for as long as `order` says; `fence` grows with each owner.
    pub(super) fn in_order(
        millstream: Millstream,
        settings: Settings,
        order: Order,
        fence: u64,
        shared: Shared,
    ) -> Self {
        let mut worker = Self::new(millstream, settings, Method::Leased, shared);
        for origin in &mut worker.origins {
            let Origin { stream, group, consumer, .. } = (**origin).clone();
            *origin = Arc::new(Origin { stream, group, consumer, fence: Some(fence) });
        }
        Self { order: Some(order), ..worker }
    }

    pub(super) fn new(
        millstream: Millstream,
        settings: Settings,
        method: Method,
        shared: Shared,
    ) -> Self {
        let origin = |stream: &String| {
            let (group, consumer) = (settings.group.clone(), settings.name.clone());
            Arc::new(Origin { stream: stream.clone(), group, consumer, fence: None })
        };
        Self {
            origins: settings.streams.iter().map(origin).collect(),
            tries: vec![settings.max_retries.into(); settings.streams.len()],
            has_times: true,
            has_given_up: AtomicBool::new(false),
            in_hand: InHand::new(Arc::clone(&shared.counters)),
            counters: shared.counters,
            stop: shared.stop,
            room: Room::new(settings.room(false)),
            slots: shared.slots,
            order: None,
            millstream,
            settings,
            method,
            lease: shared.lease,
            done_until: Mutex::new(shared.done_until),
        }
    }

    /// One that goes by what was found in its groups.
    pub(super) fn following(mut self, groups: &PreparedGroups) -> Self {
        self.has_times = groups.has_times;
        for (tries, origin) in self.tries.iter_mut().zip(&self.origins) {
            if let Some(most) = groups.tries.get(&origin.stream) {
                *tries = most.map_or(u64::MAX, u64::from);
            }
        }
        self
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    /// How often a message of this stream is handled at most.
    pub(super) fn tries(&self, stream: usize) -> u64 {
        self.tries[stream]
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
            self.room.add(more);
        }
        let levels = if self.settings.is_strict() { self.origins.len() } else { 1 };
        let mut queue = Queue::new(taken, levels);
        let (mut unbegun, mut spare) = (Vec::new(), None);
        while queue.ready().await {
            let go = match spare.take() {
                go if self.stop.is_cancelled() => {
                    drop(go);
                    None
                }
                Some(go) => Some(go),
                None => tokio::select! {
                    biased;
                    () = self.stop.cancelled() => None,
                    go = self.go() => go,
                },
            };
            while handling.try_join_next().is_some() {}
            match go {
                Some(go) => {
                    let some = self.gather(&mut queue, &work.handler).await;
                    if some.is_empty() {
                        continue;
                    }
                    match self.begin(some, go, &work).await {
                        Handled::Not(unfinished) => {
                            _ = handling.spawn(Arc::clone(&self).handle(unfinished, work.clone()));
                        }
                        Handled::AtOnce(go) => spare = self.slots.is_alone().then_some(go),
                    }
                }
                None => unbegun.extend(std::iter::from_fn(|| queue.take())),
            }
        }
        drop(spare);
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
            // A bug of ours must not look like an end in order.
            Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            _ => Ok(()),
        }
    }

    /// What comes next and is still ours. Who is known to have lost a message does not begin it.
    fn take_next(&self, queue: &mut Queue) -> Option<Taken> {
        loop {
            let taken = queue.take()?;
            let key = (taken.stream, taken.message.id);
            if !self.in_hand.is_lost(key) {
                return Some(taken);
            }
            self.in_hand.end(key);
        }
    }

    /// The next messages for a handler: one, or a batch; none if others have all that was there.
    async fn gather(&self, queue: &mut Queue, handler: &Handler) -> Vec<Taken> {
        let Some(first) = self.take_next(queue) else { return Vec::new() };
        let mut some = vec![first];
        if self.order.is_some() || matches!(handler, Handler::Each(_)) {
            return some;
        }
        let BatchSize { max, linger } = self.settings.batch;
        let until = Instant::now() + linger;
        loop {
            while some.len() < max
                && let Some(taken) = self.take_next(queue)
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
    async fn handle(self: Arc<Self>, unfinished: Unfinished, work: Work) {
        let Unfinished { some, go, begun } = unfinished;
        if self.order.is_some() {
            let taken = some.into_iter().next().expect("it gathers one");
            return self.handle_in_order(taken, go, work).await;
        }
        let all = match begun {
            None => self.run_handler(&some, &work).await,
            Some((handling, observed)) => {
                let span = observed.span();
                let done = handling.instrument(span).await;
                observed.end(done.as_ref().err(), &self.counters);
                vec![done]
            }
        };
        drop(go);
        let mut waiting = Vec::new();
        for (taken, done) in some.into_iter().zip(all) {
            match done {
                Ok(done) => self.settle_done(taken, done, &work),
                Err(failure) => waiting.extend(self.failed(taken, failure, &work)),
            }
        }
        // Those of a batch wait one after the other's wait, each at least for its own.
        waiting.sort_by_key(|(_, wait)| *wait);
        let begun = Instant::now();
        for (mut failed, wait) in waiting {
            if self.in_hand.len() <= WAITING_MAX {
                drop(failed.place.take());
            }
            self.try_again(failed, begun + wait, &work).await;
        }
    }

    /// One message, again and again, until it is settled or not ours any more: what comes behind it
    /// waits.
    async fn handle_in_order(&self, mut taken: Taken, go: Go, work: Work) {
        let Go { slot, _turn } = go;
        let mut slot = Some(slot);
        let key = (taken.stream, taken.message.id);
        loop {
            if self.order.as_ref().is_some_and(Order::is_over) {
                // Somebody else may begin any moment. It is pending, and theirs.
                break;
            }
            let mut all = self.run_handler(std::slice::from_ref(&taken), &work).await;
            drop(slot.take());
            let failure = match all.pop().expect("something became of it") {
                Ok(done) if done.entries.is_empty() => return self.settle_done(taken, done, &work),
                // What cannot be added makes it fail, and holds up what comes behind it.
                Ok(done) => match self.produce_at_once(taken.stream, &taken.message, &done).await {
                    Ok(()) => break,
                    Err(failure) => Ok(failure),
                },
                Err(failure) => failure,
            };
            let Some((failed, wait)) = self.failed(taken, failure, &work) else { return };
            taken = failed;
            let waited = async {
                sleep(wait).await;
                self.slots.acquire().await
            };
            let its_slot = tokio::select! {
                () = self.stop.cancelled() => break,
                slot = waited => slot,
            };
            match self.take_again(&taken).await {
                Some(message) => {
                    (taken.message, taken.is_counted, slot) = (message, true, Some(its_slot));
                }
                None => break,
            }
        }
        self.in_hand.end(key);
    }

    async fn run_handler(&self, some: &[Taken], work: &Work) -> Vec<Result<Done, Failure>> {
        let messages: Vec<Message> = some.iter().map(|taken| taken.message.clone()).collect();
        let observed = Observed::begin(&messages, &self.counters);
        let span = observed.span();
        let all = work.handler.run(messages).instrument(span).await;
        observed.end(all.iter().find_map(|done| done.as_ref().err()), &self.counters);
        all
    }

    pub(super) fn settle_done(&self, mut taken: Taken, done: Done, work: &Work) {
        if done.entries.is_empty() && !self.settings.hook.is_set() {
            // Nobody asks for it any more, and freed now it is still at hand for the next one.
            taken.message.payload = Fields::nothing();
        }
        _ = work.settler.send(Settlement::done(taken, done));
    }

    /// Settles a message that failed, unless this worker tries it again itself after a while.
    fn failed(&self, mut taken: Taken, failure: Failure, work: &Work) -> Option<(Taken, Duration)> {
        let message = &taken.message;
        if let Ok(HandlerError { verdict: Verdict::GiveBack, .. }) = failure {
            _ = work.settler.send(Settlement::hand_back(taken));
            return None;
        }
        let failure = self.note_failure(message, failure);
        self.settings.hook.tell(message, Outcome::Failed);
        let is_last = message.deliveries >= self.tries(taken.stream);
        let wait = match failure.verdict {
            _ if self.settings.is_no_ack => None,
            Verdict::PutOff(after) if self.method != Method::Policy => {
                taken.is_counted = false;
                Some(after)
            }
            Verdict::Retry(after) if self.method != Method::Policy && !is_last => {
                let backoff = self.settings.backoff;
                Some(after.unwrap_or_else(|| backoff.after_at_random(message.deliveries)))
            }
            _ => None,
        };
        if let Some(wait) = wait {
            return Some((taken, wait));
        }
        _ = work.settler.send(Settlement::failed(taken, failure, is_last));
        None
    }

    /// Puts a message into the queue again when its time has come, delivered once more; unless it
    /// is not ours any more, or the worker ends.
    async fn try_again(&self, mut failed: Taken, at: Instant, work: &Work) {
        let key = (failed.stream, failed.message.id);
        let kept = failed.place.take();
        let waited = async {
            sleep_until(at).await;
            match kept {
                Some(place) => place,
                None => self.room.place().await,
            }
        };
        let place = tokio::select! {
            () = self.stop.cancelled() => {
                let wait = at.saturating_duration_since(Instant::now());
                _ = work.settler.send(Settlement::put_off(failed, wait));
                return;
            }
            place = waited => Some(place),
        };
        if let Some(place) = place
            && let Some(message) = self.take_again(&failed).await
        {
            let (stream, place, is_again) = (failed.stream, Some(place), true);
            let taken = Taken { stream, message, place, is_again, is_counted: true };
            match work.again.upgrade() {
                Some(queue) => {
                    // Refused, it is pending and comes back at the next start.
                    _ = queue.send(vec![taken]);
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
}
