//! Bytes of names and values: of one block's live entries, in its line of the index.
//!
//! Tests: beside, and in `tests.rs` by what `check` derives again.

use super::block_slot::BlockSlot;
use crate::EntryId;

/// 56 bits, so that they fit where the line has room anyway. One entry has less than 2^32, and a
/// block with 2^24 of that size would be larger than any memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Payload([u8; 7]);

impl Payload {
    /// The block was never looked at: it came from where nobody had counted.
    pub(super) const UNKNOWN: Self = Self([u8::MAX; 7]);

    pub(super) fn new(bytes: u64) -> Self {
        let [low @ .., high] = bytes.to_le_bytes();
        let known = Self(low);
        assert!(high == 0 && known != Self::UNKNOWN, "a block is smaller than that");
        known
    }

    /// Unless it is too much for a block.
    pub(super) fn checked(bytes: u64) -> Option<Self> {
        let largest = (1 << 56) - 2;
        (bytes <= largest).then(|| Self::new(bytes))
    }

    #[inline]
    pub(super) fn get(self) -> Option<u64> {
        let [a, b, c, d, e, f, g] = self.0;
        (self != Self::UNKNOWN).then(|| u64::from_le_bytes([a, b, c, d, e, f, g, 0]))
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(f)
    }
}

/// Bytes of names and values that alternate.
pub(super) fn of_fields(fields: &[&[u8]]) -> u64 {
    fields.iter().map(|part| part.len() as u64).sum()
}

impl BlockSlot {
    /// Bytes of names and values of its live entries, if they were counted.
    #[inline]
    pub(super) fn payload(&self) -> Option<u64> {
        self.payload.get()
    }

    /// Takes a count that was stored. Returns whether it can be true, as far as that can be told.
    pub(super) fn restore_payload(&mut self, bytes: u64) -> bool {
        let Some(payload) = Payload::checked(bytes) else { return false };
        if self.payload == Payload::UNKNOWN {
            self.payload = payload;
        }
        self.payload == payload
    }

    /// Counts for the first time, where the contents are in memory.
    pub(super) fn count_payload(&mut self) {
        if self.payload == Payload::UNKNOWN && self.in_memory().is_some() {
            self.payload = Payload::new(self.payload_between(0, self.stored));
        }
    }

    /// Of the live entries among those, whose block is in memory.
    pub(super) fn payload_between(&self, from: u32, to: u32) -> u64 {
        let block = self.in_memory().expect("what is counted is in memory");
        let live = (from..to).filter(|&ordinal| !self.is_dead(ordinal));
        live.map(|ordinal| block.entry(ordinal).payload_bytes()).sum()
    }

    /// The live entries from the first one, each with its bytes of names and values.
    pub(super) fn live_payloads(&self) -> impl Iterator<Item = (EntryId, u64)> + use<'_> {
        let block = self.block();
        let live = self.first_live()..=self.last_live();
        live.filter(|&ordinal| !self.is_dead(ordinal)).map(|ordinal| {
            let entry = block.entry(ordinal);
            (entry.id(), entry.payload_bytes())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Payload;

    #[test]
    fn seven_bytes_hold_what_a_block_can_have() {
        for bytes in [0, 1, 255, 256, (1 << 56) - 2] {
            assert_eq!(Payload::new(bytes).get(), Some(bytes));
        }
        assert_eq!(Payload::UNKNOWN.get(), None);
        assert_eq!(Payload::checked((1 << 56) - 1), None);
    }
}
