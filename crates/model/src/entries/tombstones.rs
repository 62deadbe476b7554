//! Which entries of one block are deleted: a bit per ordinal, kept outside the block.
//!
//! Bits past the stored words are live, so a block that grows needs no change here. Shared behind
//! an `Arc` with the slices that pin it, and copied on write.

const WORD_BITS: u32 = u64::BITS;

/// The deleted ordinals of one block.
#[derive(Clone, Debug, Default)]
pub(super) struct Tombstones {
    words: Vec<u64>,
}

impl Tombstones {
    /// From what [`Self::words`] said.
    pub(super) fn from_words(words: &[u64]) -> Self {
        Self { words: words.to_vec() }
    }

    /// The bits of each 64 ordinals.
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// Whether `ordinal` is deleted.
    #[inline]
    pub(super) fn is_dead(&self, ordinal: u32) -> bool {
        self.word(ordinal / WORD_BITS) >> (ordinal % WORD_BITS) & 1 == 1
    }

    /// Marks `from..to` deleted.
    pub(super) fn kill(&mut self, from: u32, to: u32) {
        if from >= to {
            return;
        }
        let last_word = (to - 1) / WORD_BITS;
        if self.words.len() <= last_word as usize {
            self.words.resize(last_word as usize + 1, 0);
        }
        for word in from / WORD_BITS..=last_word {
            self.words[word as usize] |= mask(word, from, to);
        }
    }

    /// Number of deleted ordinals in `from..to`.
    pub(super) fn count_dead(&self, from: u32, to: u32) -> u32 {
        if from >= to {
            return 0;
        }
        (from / WORD_BITS..=(to - 1) / WORD_BITS)
            .take_while(|&word| (word as usize) < self.words.len())
            .map(|word| (self.word(word) & mask(word, from, to)).count_ones())
            .sum()
    }

    /// The first live ordinal at or above `from`; the caller knows the end of the block.
    pub(super) fn next_live(&self, from: u32) -> u32 {
        let mut index = from / WORD_BITS;
        let mut live = !self.word(index) & (u64::MAX << (from % WORD_BITS));
        while live == 0 {
            index += 1;
            live = !self.word(index);
        }
        index * WORD_BITS + live.trailing_zeros()
    }

    /// The last live ordinal at or below `from`.
    pub(super) fn previous_live(&self, from: u32) -> Option<u32> {
        let mut index = from / WORD_BITS;
        let mut live = !self.word(index) & (u64::MAX >> (WORD_BITS - 1 - from % WORD_BITS));
        while live == 0 {
            index = index.checked_sub(1)?;
            live = !self.word(index);
        }
        Some(index * WORD_BITS + (WORD_BITS - 1 - live.leading_zeros()))
    }

    #[inline]
    fn word(&self, index: u32) -> u64 {
        self.words.get(index as usize).copied().unwrap_or(0)
    }
}

/// The bits of word `word` that lie in `from..to`, which it must touch.
fn mask(word: u32, from: u32, to: u32) -> u64 {
    let start = word * WORD_BITS;
    let low = u64::MAX << (from.saturating_sub(start));
    let high = u64::MAX >> (WORD_BITS - (to - start).min(WORD_BITS));
    low & high
}

#[cfg(test)]
mod tests {
    use super::Tombstones;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_agree_with_a_list_of_flags(
            ranges in prop::collection::vec((0_u32..300, 0_u32..80), 0..12),
            from in 0_u32..300,
            length in 0_u32..300,
        ) {
            let mut flags = vec![false; 1_000];
            let mut bits = Tombstones::default();
            for (start, length) in ranges {
                bits.kill(start, start + length);
                flags[start as usize..(start + length) as usize].fill(true);
            }
            let to = from + length;
            let dead = flags[from as usize..to as usize].iter().filter(|dead| **dead).count();
            prop_assert_eq!(bits.count_dead(from, to) as usize, dead);
            for (ordinal, dead) in (0..).zip(&flags) {
                prop_assert_eq!(bits.is_dead(ordinal), *dead);
            }
            let next = (from as usize..).find(|&at| !flags[at]).map(|at| at as u32);
            prop_assert_eq!(Some(bits.next_live(from)), next);
            let previous = (0..=from).rev().find(|&at| !flags[at as usize]);
            prop_assert_eq!(bits.previous_live(from), previous);
        }
    }
}
