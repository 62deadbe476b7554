//! How many handlers run at a time, and who may begin next.
//!
//! Workers of one consumer share its slots. Where its streams have weights, of those that wait each
//! stream gets its share, however much the others have; where they have strict priorities, the
//! first that waits is next.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// A right to run handlers.
#[derive(Clone, Debug)]
pub(super) enum Slots {
    /// First come, first served.
    Plain {
        slots: Arc<Semaphore>,
        /// No other worker wants any.
        is_alone: bool,
    },
    Shared(Arc<SharedSlots>, usize),
}

/// Is given back when dropped.
#[derive(Debug)]
pub(super) enum Slot {
    Plain { _permit: OwnedSemaphorePermit },
    Shared { _guard: SharedSlot },
}

#[derive(Debug)]
pub(super) struct SharedSlot(Arc<SharedSlots>);

/// Slots for several levels: by weight, or lower ones only while no higher one wants any.
#[derive(Debug)]
pub(super) struct SharedSlots {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    is_strict: bool,
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    weight: i64,
    /// What it has to its credit against the others that waited with it.
    credit: i64,
    waiting: VecDeque<oneshot::Sender<()>>,
}

impl Slots {
    /// For one worker, or for several that have a copy each.
    pub(super) fn new(count: usize, is_alone: bool) -> Self {
        Self::Plain { slots: Arc::new(Semaphore::new(count)), is_alone }
    }

    /// Whether nobody waits in vain while a slot is kept that has nothing to do.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self, Self::Plain { is_alone: true, .. })
    }

    /// Waits for one. Dropped while it waits, it has taken none.
    pub(super) async fn acquire(&self) -> Slot {
        match self {
            Self::Plain { slots, .. } => {
                let permit = Arc::clone(slots).acquire_owned().await;
                Slot::Plain { _permit: permit.expect("it is never closed") }
            }
            Self::Shared(slots, level) => Slot::Shared { _guard: slots.acquire(*level).await },
        }
    }
}

impl SharedSlots {
    /// For the streams of each of these weights, which are at least 1.
    pub(super) fn weighted(count: usize, weights: &[u32]) -> Self {
        Self::new(count, weights, false)
    }

    /// For so many levels, the highest first.
    pub(super) fn strict(count: usize, levels: usize) -> Self {
        Self::new(count, &vec![1; levels], true)
    }

    fn new(count: usize, weights: &[u32], is_strict: bool) -> Self {
        assert!(count > 0 && weights.iter().all(|weight| *weight > 0), "slots and weights");
        let level =
            |weight: &u32| Level { weight: (*weight).into(), credit: 0, waiting: VecDeque::new() };
        let levels = weights.iter().map(level).collect();
        Self { state: Mutex::new(State { free: count, is_strict, levels }) }
    }

    async fn acquire(self: &Arc<Self>, level: usize) -> SharedSlot {
        let granted = {
            let mut state = self.state.lock();
            let (sender, granted) = oneshot::channel();
            state.levels[level].waiting.push_back(sender);
            state.grant();
            granted
        };
        let mut waiting = Waiting { slots: self, granted: Some(granted) };
        let granted = waiting.granted.as_mut().expect("it waits");
        granted.await.expect("nobody drops those that wait");
        waiting.granted = None;
        SharedSlot(Arc::clone(self))
    }

    fn give_back(&self) {
        let mut state = self.state.lock();
        state.free += 1;
        state.grant();
    }
}

/// Somebody who waits; gives back what was granted when they had gone.
struct Waiting<'a> {
    slots: &'a SharedSlots,
    granted: Option<oneshot::Receiver<()>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(granted) = &mut self.granted {
            granted.close();
            if granted.try_recv().is_ok() {
                self.slots.give_back();
            }
        }
    }
}

impl State {
    /// Gives free slots to those that wait.
    fn grant(&mut self) {
        while self.free > 0 {
            let Some(level) = self.next() else { return };
            let waiting = self.levels[level].waiting.pop_front();
            let sender = waiting.expect("somebody of that level waits");
            // An error: they went away.
            if sender.send(()).is_ok() {
                self.free -= 1;
            }
        }
    }

    /// Smooth weighted round robin over the levels at which somebody waits: each is credited its
    /// weight, the one with the most is next, and pays what all were credited.
    fn next(&mut self) -> Option<usize> {
        if self.is_strict {
            return self.levels.iter_mut().position(|level| {
                level.waiting.retain(|sender| !sender.is_closed());
                !level.waiting.is_empty()
            });
        }
        let mut all = 0;
        let mut best: Option<usize> = None;
        for index in 0..self.levels.len() {
            let level = &mut self.levels[index];
            level.waiting.retain(|sender| !sender.is_closed());
            if level.waiting.is_empty() {
                // Who wants nothing saves nothing up.
                level.credit = 0;
                continue;
            }
            level.credit += level.weight;
            all += level.weight;
            let credit = level.credit;
            if best.is_none_or(|best| credit > self.levels[best].credit) {
                best = Some(index);
            }
        }
        let best = best?;
        self.levels[best].credit -= all;
        Some(best)
    }
}

impl Drop for SharedSlot {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn order_of(slots: SharedSlots, waiting: &[usize]) -> Vec<usize> {
        let slots = Arc::new(slots);
        let first = slots.acquire(0).await;
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        let mut tasks = Vec::new();
        for level in waiting {
            let (slots, sender, level) = (Arc::clone(&slots), sender.clone(), *level);
            tasks.push(tokio::spawn(async move {
                let _slot = slots.acquire(level).await;
                sender.send(level).expect("it is open");
            }));
            tokio::task::yield_now().await;
        }
        drop((first, sender));
        let mut all = Vec::new();
        while let Some(level) = order.recv().await {
            all.push(level);
        }
        all
    }

    #[tokio::test]
    async fn each_level_has_its_share_and_none_starves() {
        let waiting: Vec<usize> = (0..60).map(|number| number % 3).collect();
        let order = order_of(SharedSlots::weighted(1, &[5, 3, 2]), &waiting).await;
        let count = |level: usize| order[..20].iter().filter(|it| **it == level).count();
        assert_eq!([0, 1, 2].map(count), [10, 6, 4]);
    }

    #[tokio::test]
    async fn the_first_level_is_next_as_long_as_it_waits() {
        let order = order_of(SharedSlots::strict(1, 3), &[2, 1, 0, 2, 1, 0]).await;
        assert_eq!(order, [0, 0, 1, 1, 2, 2]);
    }

    #[tokio::test]
    async fn who_goes_away_takes_no_slot_along() {
        let slots = Arc::new(SharedSlots::weighted(1, &[1]));
        let first = slots.acquire(0).await;
        let mut waiting = Box::pin(slots.acquire(0));
        assert!(futures_poll(&mut waiting).await.is_none());
        drop(waiting);
        let mut granted = Box::pin(slots.acquire(0));
        assert!(futures_poll(&mut granted).await.is_none());
        drop(first);
        // Granted, and nobody there to take it.
        drop(granted);
        drop(slots.acquire(0).await);
    }

    /// Looks once.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::select! {
            biased;
            done = future => Some(done),
            () = std::future::ready(()) => None,
        }
    }
}
