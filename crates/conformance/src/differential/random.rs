//! What random commands are made with: the same seed is the same sequence on every machine.

use fastrand::Rng;

pub(super) struct Random(Rng);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Rng::with_seed(seed))
    }

    /// From 0 to one less than `bound`.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.usize(..bound)
    }

    /// True so many times in a hundred.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    pub(super) fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// These words so many times in a hundred, else none.
    pub(super) fn maybe(
        &mut self,
        percent: usize,
        words: impl FnOnce(&mut Self) -> String,
    ) -> String {
        if self.chance(percent) { words(self) } else { String::new() }
    }
}
