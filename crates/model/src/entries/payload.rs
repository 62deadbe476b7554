//! Bytes of names and values: of one block's live entries, in a line of the index.

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
