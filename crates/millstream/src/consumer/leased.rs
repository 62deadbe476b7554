//! Partitions that have one owner at a time: what makes a consumer one, keeps it one, and ends it.
//!
//! Each consumer meets the others in a stream of the first partition, and may have an even share of
//! the partitions: it takes free ones until it has that many, and gives up what is more. A
//! partition that it has is a worker of its own; its lease is extended while that works.
//!
//! Invariants:
//! 1. A partition's worker runs only between getting the lease and its end by our clock, which is
//!    before its end by the server's.
//! 2. When the lease is lost the worker is aborted, handlers in the middle of their work included.
//!    When it is given up, it ends in order first.
//!
//! Fails as reading does: what cannot get better ends the consumer, all else is tried again.

mod lease;
mod members;
mod order;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::lease::{Acquired, Lease};
use self::members::{Members, share};
use super::builder::Settings;
use super::handler::Handler;
use super::health::Counters;
use super::read::is_final;
use super::slots::Slots;
use super::worker::{Shared, Worker};
use crate::{EntryId, Error, Millstream};

pub(crate) use self::lease::{lease_key, owner_of};
pub(super) use self::order::Order;

/// How often a consumer looks for what it may have, as a part of the lease.
const LOOKS_PER_LEASE: u32 = 4;
const LOOK_INTERVAL_MAX: Duration = Duration::from_secs(1);
/// A lease is extended when a third of it is over, and tried more often where that fails.
const EXTENSIONS_PER_LEASE: u32 = 3;
const TRIES_PER_LEASE: u32 = 20;

/// A consumer of leased partitions.
#[derive(Debug)]
pub(super) struct LeasedWorker {
    millstream: Millstream,
    settings: Settings,
    length: Duration,
    /// Of each partition.
    pub(super) counters: Vec<Arc<Counters>>,
    pub(super) stop: CancellationToken,
    slots: Slots,
    /// Where groups go on that are lost before a worker looked.
    done_until: HashMap<String, EntryId>,
    /// No other run has the same.
    token: String,
}

/// The partitions that it has, or tries to get, and what ends each.
type Owned = BTreeMap<usize, CancellationToken>;

/// How it ended with a partition.
enum Ended {
    /// Somebody else has it, or nobody can be asked.
    NotOurs,
    /// It was ours.
    Over(Result<(), Error>),
}

impl LeasedWorker {
    pub(super) fn new(
        millstream: Millstream,
        settings: Settings,
        length: Duration,
        done_until: HashMap<String, EntryId>,
    ) -> Self {
        let counters = |stream: &String| {
            let counters = Counters::new(std::slice::from_ref(stream), &settings.group);
            counters.set_at_rest(true);
            Arc::new(counters)
        };
        Self {
            counters: settings.streams.iter().map(counters).collect(),
            done_until,
            stop: CancellationToken::new(),
            slots: Slots::new(settings.concurrency, false),
            token: format!("{}/{:016x}", settings.name, fastrand::u64(..)),
            millstream,
            settings,
            length,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.settings.name
    }

    pub(super) async fn run(self: Arc<Self>, handler: Handler) -> Result<(), Error> {
        let (members, mut seen) = watch::channel(None);
        // Aborted when this is dropped, as is all that works.
        let mut meeting = JoinSet::new();
        meeting.spawn(Arc::clone(&self).meet(members));
        let mut working = JoinSet::new();
        let mut owned = Owned::new();
        let mut refused = BTreeSet::new();
        let mut ended = Ok(());
        let mut next_look = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(one) = working.join_next() => {
                    let Ok((partition, one)) = one else { continue };
                    owned.remove(&partition);
                    match one {
                        Ended::NotOurs => _ = refused.insert(partition),
                        Ended::Over(Ok(())) => {}
                        Ended::Over(Err(error)) => {
                            ended = Err(error);
                            self.stop.cancel();
                        }
                    }
                }
                Ok(()) = seen.changed() => {}
                () = sleep_until(next_look) => {
                    next_look = Instant::now() + self.look_interval();
                    refused.clear();
                }
            }
            let share = self.share(&seen.borrow());
            let Some(share) = share else { continue };
            give_up(&owned, share);
            for partition in self.candidates(&owned, &refused, share) {
                let stop = self.stop.child_token();
                owned.insert(partition, stop.clone());
                let own = Arc::clone(&self).own(partition, stop, handler.clone());
                working.spawn(async move { (partition, own.await) });
            }
        }
        while let Some(one) = working.join_next().await {
            if let Ok((_, Ended::Over(one))) = one {
                ended = ended.and(one);
            }
        }
        meeting.join_all().await;
        ended
    }

    fn look_interval(&self) -> Duration {
        (self.length / LOOKS_PER_LEASE).min(LOOK_INTERVAL_MAX)
    }

    /// `None`: we do not know yet who else is there.
    fn share(&self, members: &Option<BTreeSet<String>>) -> Option<usize> {
        let members = members.as_ref()?;
        Some(share(self.settings.streams.len(), members, &self.token))
    }

    /// What to try to get: as many as are missing, not those that were just refused.
    fn candidates(&self, owned: &Owned, refused: &BTreeSet<usize>, share: usize) -> Vec<usize> {
        let is_free = |it: &usize| !owned.contains_key(it) && !refused.contains(it);
        let mut free: Vec<usize> = (0..self.settings.streams.len()).filter(is_free).collect();
        // Those who look at the same time look at different ones.
        fastrand::shuffle(&mut free);
        free.truncate(share.saturating_sub(owned.len()));
        free
    }

    /// Says that we are there, and learns who else is, until the end.
    async fn meet(self: Arc<Self>, seen: watch::Sender<Option<BTreeSet<String>>>) {
        let (first, group) = (&self.settings.streams[0], &self.settings.group);
        let mut members = Members::new(&self.millstream, first, group, &self.token, self.length);
        while !self.stop.is_cancelled() {
            match members.meet().await {
                Ok(now) => _ = seen.send_replace(Some(now)),
                // Whoever is known stays; leases decide.
                Err(error) => tracing::warn!("cannot meet the other consumers: {error}"),
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = sleep(self.look_interval()) => {}
            }
        }
        _ = members.leave().await;
    }

    /// Has a partition from the moment that it is free until it is lost or given up.
    async fn own(
        self: Arc<Self>,
        partition: usize,
        stop: CancellationToken,
        handler: Handler,
    ) -> Ended {
        let stream = &self.settings.streams[partition];
        let group = &self.settings.group;
        let lease = Lease::new(&self.millstream, stream, group, &self.token, self.length);
        let acquired = match lease.acquire().await {
            Ok(Some(acquired)) => acquired,
            Ok(None) => return Ended::NotOurs,
            Err(error) if is_final(&error) => return Ended::Over(Err(error)),
            Err(error) => {
                tracing::warn!(stream, "cannot ask for the lease: {error}");
                return Ended::NotOurs;
            }
        };
        let counters = &self.counters[partition];
        counters.set_at_rest(false);
        tracing::info!(stream, fence = acquired.fence, "the partition is ours");
        let ended = self.work(partition, &lease, acquired, stop, handler).await;
        counters.set_at_rest(true);
        Ended::Over(ended)
    }

    async fn work(
        &self,
        partition: usize,
        lease: &Lease,
        Acquired { until, fence }: Acquired,
        stop: CancellationToken,
        handler: Handler,
    ) -> Result<(), Error> {
        let order = Order::until(until);
        let stream = &self.settings.streams[partition];
        // One at a time, and as many behind it as a read brings.
        let streams = vec![stream.clone()];
        let settings = Settings { streams, concurrency: 1, ..self.settings.clone() };
        let counters = Arc::clone(&self.counters[partition]);
        let (slots, lease_ends) = (self.slots.clone(), settings.claim_min_idle);
        let done_until = vec![self.done_until[stream]];
        let shared = Shared { slots, stop, counters, lease: lease_ends, done_until };
        let worker =
            Worker::in_order(self.millstream.clone(), settings, order.clone(), fence, shared);
        let mut is_lost = false;
        let ended = tokio::select! {
            biased;
            () = keep(lease, &order) => {
                tracing::warn!(stream, "the partition is not ours any more");
                is_lost = true;
                Ok(())
            }
            ended = Arc::new(worker).run(handler) => {
                if let Err(error) = lease.release().await {
                    tracing::warn!(stream, "the lease is not given back, it will end: {error}");
                }
                ended
            }
        };
        if is_lost {
            // A handler that was aborted gives its turn back when it really has ended.
            drop(order.turn().await);
        }
        ended
    }
}

/// Ends those that are more than our share.
fn give_up(owned: &Owned, share: usize) {
    let kept = owned.values().filter(|stop| !stop.is_cancelled());
    let surplus = owned.len().saturating_sub(share);
    let ending = owned.len() - kept.clone().count();
    kept.take(surplus.saturating_sub(ending)).for_each(CancellationToken::cancel);
}

/// Extends a lease until it is lost.
async fn keep(lease: &Lease, order: &Order) {
    let usual = lease.length() / EXTENSIONS_PER_LEASE;
    let mut pause = usual;
    while !order.is_over() {
        // Getting it may have taken most of it.
        sleep(pause.min(order.left() / EXTENSIONS_PER_LEASE)).await;
        match timeout(order.left(), lease.extend()).await {
            Ok(Ok(Some(until))) => {
                order.extend(until);
                pause = usual;
            }
            Ok(Ok(None)) => return,
            Ok(Err(error)) => {
                tracing::warn!("a lease is not extended: {error}");
                pause = lease.length() / TRIES_PER_LEASE;
            }
            Err(_) => {}
        }
    }
}
