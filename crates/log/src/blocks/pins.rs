//! Who may still read from files that nothing refers to any more.
//!
//! Each removal begins a new generation. A pin belongs to the generation in which it was taken, and
//! a file that was given up in one may leave the disk once no pin of that or an earlier one is
//! left.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// As long as it is there, no block file leaves the disk that was there when it was taken.
#[derive(Clone, Debug)]
pub struct FilesPin {
    _generation: Arc<()>,
}

#[derive(Debug, Default)]
pub(super) struct Pins {
    current: Arc<()>,
    generation: u64,
    /// Earlier generations that may have pins, oldest first.
    earlier: VecDeque<(u64, Weak<()>)>,
}

impl Pins {
    pub(super) fn pin(&self) -> FilesPin {
        FilesPin { _generation: Arc::clone(&self.current) }
    }

    /// Ends the present generation, and returns its number.
    pub(super) fn advance(&mut self) -> u64 {
        let ended = std::mem::take(&mut self.current);
        self.earlier.push_back((self.generation, Arc::downgrade(&ended)));
        self.generation += 1;
        self.generation - 1
    }

    /// The oldest generation of which somebody has a pin; those before are over.
    pub(super) fn oldest(&mut self) -> u64 {
        while self.earlier.front().is_some_and(|(_, pin)| pin.strong_count() == 0) {
            self.earlier.pop_front();
        }
        self.earlier.front().map_or(self.generation, |(generation, _)| *generation)
    }
}
