//! Places that nothing refers to any more, until their owner gives them back. Many come at once,
//! while everybody waits for who adds them.

use super::block_place::BlockPlace;
use crate::SteadyList;

/// A list of places, in no order that means anything.
#[derive(Clone, Debug, Default)]
pub struct FreedBlocks {
    places: SteadyList<BlockPlace>,
    bytes: u64,
}

impl FreedBlocks {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What they take where they lie.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds one.
    pub fn push(&mut self, place: BlockPlace) {
        self.bytes += u64::from(place.bytes);
        self.places.push(place);
    }

    /// Adds all of another list.
    pub fn append(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.places.append(other.places);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = BlockPlace> {
        self.places.iter().copied()
    }

    /// Re-derives what is counted.
    ///
    /// # Panics
    /// If something is wrong.
    pub fn check(&self) {
        self.places.check();
        assert_eq!(self.bytes, self.iter().map(|place| u64::from(place.bytes)).sum::<u64>());
    }
}

impl Extend<BlockPlace> for FreedBlocks {
    fn extend<I: IntoIterator<Item = BlockPlace>>(&mut self, places: I) {
        places.into_iter().for_each(|place| self.push(place));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u32) -> BlockPlace {
        BlockPlace { file: 1, offset, bytes: offset + 1 }
    }

    #[test]
    fn lists_of_all_lengths_join_without_losing_a_place() {
        let mut all = FreedBlocks::default();
        let mut expected = Vec::new();
        for len in [0, 1, 3, 511, 512, 513, 2000, 7] {
            let from = expected.len() as u32;
            let mut some = FreedBlocks::default();
            some.extend((from..from + len).map(place));
            some.check();
            assert_eq!(some.is_empty(), len == 0);
            all.append(some);
            all.push(place(from + len));
            all.check();
            expected.extend((from..=from + len).map(place));
        }
        assert!(all.iter().eq(expected));
    }
}
