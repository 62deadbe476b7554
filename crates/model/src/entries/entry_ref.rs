//! One entry, read in place from its block.

use super::varint;
use crate::EntryId;

/// One entry, borrowed from a block that somebody pins.
#[derive(Clone, Copy, Debug)]
pub struct EntryRef<'a> {
    pub(super) id: EntryId,
    pub(super) field_count: usize,
    /// Starts with `field_count` names; may go on past them.
    pub(super) names: &'a [u8],
    /// Exactly `field_count` values.
    pub(super) values: &'a [u8],
}

impl<'a> EntryRef<'a> {
    /// Its id.
    #[inline]
    #[must_use]
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// Number of name-value pairs, at least 1.
    #[inline]
    #[must_use]
    pub fn field_count(&self) -> usize {
        self.field_count
    }

    /// Bytes of its names and values together.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.pairs().map(|(name, value)| (name.len() + value.len()) as u64).sum()
    }

    /// The pairs of name and value, in the order they were added.
    #[inline]
    #[must_use]
    pub fn pairs(&self) -> Pairs<'a> {
        Pairs { remaining: self.field_count, names: self.names, values: self.values }
    }
}

/// Iterates the pairs of one entry.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    remaining: usize,
    names: &'a [u8],
    values: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        Some((varint::read_bytes(&mut self.names), varint::read_bytes(&mut self.values)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for Pairs<'_> {}
