//! Messages that were taken and wait for a handler.
//!
//! One after the other as they came, what is tried again before what was not begun; where a
//! consumer's streams have strict priorities, those of an earlier stream first.

use std::collections::VecDeque;

use tokio::sync::mpsc::UnboundedReceiver;

use super::worker::Taken;

pub(super) struct Queue {
    /// Those of one read at a time.
    arriving: UnboundedReceiver<Vec<Taken>>,
    /// By the place of the stream; one for all without priorities.
    waiting: Vec<VecDeque<Taken>>,
}

impl Queue {
    /// `levels`: the number of streams, if the earlier ones go first, else 1.
    pub(super) fn new(arriving: UnboundedReceiver<Vec<Taken>>, levels: usize) -> Self {
        assert!(levels > 0, "there is a stream");
        Self { arriving, waiting: (0..levels).map(|_| VecDeque::new()).collect() }
    }

    /// Waits until there is something to take; false: there is not, and nothing will come. Dropped
    /// while it waits, nothing is lost.
    pub(super) async fn ready(&mut self) -> bool {
        if self.waiting.iter().any(|level| !level.is_empty()) {
            return true;
        }
        match self.arriving.recv().await {
            Some(some) => {
                assert!(!some.is_empty(), "nothing is sent in vain");
                some.into_iter().for_each(|taken| self.put(taken));
                true
            }
            None => false,
        }
    }

    /// What comes next, if something is there.
    pub(super) fn take(&mut self) -> Option<Taken> {
        while let Ok(some) = self.arriving.try_recv() {
            some.into_iter().for_each(|taken| self.put(taken));
        }
        self.waiting.iter_mut().find_map(VecDeque::pop_front)
    }

    fn put(&mut self, taken: Taken) {
        let level = taken.stream.min(self.waiting.len() - 1);
        if taken.is_again {
            self.waiting[level].push_front(taken);
        } else {
            self.waiting[level].push_back(taken);
        }
    }
}
