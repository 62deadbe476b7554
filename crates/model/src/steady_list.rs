//! A list that never copies itself to grow: whoever adds to it may hold up everybody else.
//!
//! One long vector was seen to take 4 to 6 ms for one more element, at 13,000 of them.

use std::collections::VecDeque;

/// Elements in pieces. The first one added is the first to go.
#[derive(Clone, Debug)]
pub struct SteadyList<T> {
    /// None is empty.
    pieces: VecDeque<VecDeque<T>>,
    len: usize,
}

impl<T> Default for SteadyList<T> {
    fn default() -> Self {
        Self { pieces: VecDeque::new(), len: 0 }
    }
}

impl<T> SteadyList<T> {
    const PIECE: usize = 512;

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds one behind all others.
    pub fn push(&mut self, item: T) {
        if self.pieces.back().is_none_or(|piece| piece.len() >= Self::PIECE) {
            // A short list takes little.
            self.pieces.push_back(VecDeque::with_capacity(Self::PIECE.min(self.len.max(4))));
        }
        self.pieces.back_mut().expect("there is one by now").push_back(item);
        self.len += 1;
    }

    /// Takes the first one.
    pub fn pop(&mut self) -> Option<T> {
        let piece = self.pieces.front_mut()?;
        let item = piece.pop_front();
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        self.len -= 1;
        item
    }

    /// Adds all of another list behind all others.
    pub fn append(&mut self, mut other: Self) {
        if other.len < Self::PIECE {
            other.pieces.into_iter().flatten().for_each(|item| self.push(item));
            return;
        }
        self.pieces.append(&mut other.pieces);
        self.len += other.len;
    }

    /// All of them, first to last.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pieces.iter().flatten()
    }

    /// Re-derives what is counted.
    ///
    /// # Panics
    /// If something is wrong.
    pub fn check(&self) {
        assert!(self.pieces.iter().all(|piece| !piece.is_empty()));
        assert_eq!(self.len, self.iter().count());
    }
}
