//! How many handlers run at a time, and who may begin next.
//!
//! A consumer alone has slots of its own. Consumers of several streams with weights share theirs:
//! of those that wait, each stream gets its share, however much the others have.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// A right to run handlers.
#[derive(Clone, Debug)]
pub(super) enum Slots {
    Own(Arc<Semaphore>),
    Shared(Arc<WeightedSlots>, usize),
}

/// Is given back when dropped.
#[derive(Debug)]
pub(super) enum Slot {
    Own { _permit: OwnedSemaphorePermit },
    Shared { _guard: SharedSlot },
}

#[derive(Debug)]
pub(super) struct SharedSlot(Arc<WeightedSlots>);

/// Slots for several levels by weight.
#[derive(Debug)]
pub(super) struct WeightedSlots {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
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
    pub(super) fn new(count: usize) -> Self {
        Self::Own(Arc::new(Semaphore::new(count)))
    }

    /// Waits for one. Dropped while it waits, it has taken none.
    pub(super) async fn acquire(&self) -> Slot {
        match self {
            Self::Own(semaphore) => {
                let permit = Arc::clone(semaphore).acquire_owned().await;
                Slot::Own { _permit: permit.expect("it is never closed") }
            }
            Self::Shared(slots, level) => Slot::Shared { _guard: slots.acquire(*level).await },
        }
    }
}

impl WeightedSlots {
    /// Weights are at least 1.
    pub(super) fn new(count: usize, weights: &[u32]) -> Self {
        assert!(count > 0 && weights.iter().all(|weight| *weight > 0), "slots and weights");
        let level =
            |weight: &u32| Level { weight: (*weight).into(), credit: 0, waiting: VecDeque::new() };
        let levels = weights.iter().map(level).collect();
        Self { state: Mutex::new(State { free: count, levels }) }
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
    slots: &'a WeightedSlots,
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
