//! XADD requests of three pairs of 8 bytes, with fresh values each time they are sent.
//!
//! The requests are encoded once and only their values are overwritten, which costs the client
//! some 10 ns an entry: it must not be what is measured. Values are letters, since Redis stores
//! digits as numbers, and random, since the same ones over and over would flatter a compressor.

use crate::request::encode;

/// Length of a value, bytes.
pub const VALUE_BYTES: usize = 8;
/// Pairs of an entry.
const PAIRS: usize = 3;
const FIELDS: [&str; PAIRS] = ["order", "state", "place"];
const BLANK: &str = "________";

/// Requests to add entries to one stream.
pub struct EntryBatch {
    bytes: Vec<u8>,
    request_bytes: usize,
    /// Where the values stand within a request.
    values_at: [usize; PAIRS],
    random: u64,
}

impl EntryBatch {
    /// `count` requests to add an entry to `stream`, at least one; `seed` decides the values.
    pub fn new(stream: &str, count: usize, seed: u64) -> Self {
        let [order, state, place] = FIELDS;
        let words = ["XADD", stream, "*", order, BLANK, state, BLANK, place, BLANK];
        let request = encode(&words);
        // From the end: the name of the stream may look like a value.
        let place_at = request.len() - 2 - VALUE_BYTES;
        let pair_bytes = |field: &str| encode(&[field, BLANK]).len() - "*2\r\n".len();
        let state_at = place_at - pair_bytes(place);
        let order_at = state_at - pair_bytes(state);
        Self {
            request_bytes: request.len(),
            bytes: request.repeat(count.max(1)),
            values_at: [order_at, state_at, place_at],
            // The generator stays at 0 if it begins there.
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    /// The requests, with other values than before.
    pub fn fresh(&mut self) -> &[u8] {
        for request in self.bytes.chunks_exact_mut(self.request_bytes) {
            for at in self.values_at {
                self.random ^= self.random << 13;
                self.random ^= self.random >> 7;
                self.random ^= self.random << 17;
                request[at..at + VALUE_BYTES].copy_from_slice(&letters(self.random));
            }
        }
        &self.bytes
    }

    /// The first request, whose first value is `number` in letters (see [`number_in`]).
    pub fn numbered(&mut self, number: u32) -> &[u8] {
        self.fresh();
        let at = self.values_at[0];
        self.bytes[at..at + VALUE_BYTES].copy_from_slice(&letters(spread(number)));
        &self.bytes[..self.request_bytes]
    }
}

/// The number that a value made by [`EntryBatch::numbered`] stands for; none for another value.
pub fn number_in(value: &[u8]) -> Option<u32> {
    if value.len() != VALUE_BYTES {
        return None;
    }
    value.iter().rev().try_fold(0, |number, letter| {
        let digit = letter.checked_sub(b'a').filter(|digit| *digit < 16)?;
        Some(number << 4 | u32::from(digit))
    })
}

/// A letter from `a` to `p` for the low half of each byte of `number`.
fn letters(number: u64) -> [u8; VALUE_BYTES] {
    ((number & 0x0f0f_0f0f_0f0f_0f0f) + 0x6161_6161_6161_6161).to_le_bytes()
}

/// The eight halves of bytes of `number`, one in each byte.
fn spread(number: u32) -> u64 {
    (0..8).fold(0, |all, half| all | u64::from(number >> (4 * half) & 0xf) << (8 * half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_whole_and_their_values_change() {
        let mut batch = EntryBatch::new("s", 2, 7);
        let first = batch.fresh().to_vec();
        let second = batch.fresh().to_vec();
        assert_ne!(first, second);
        let text = String::from_utf8(first).expect("letters");
        assert!(!text.contains('_'), "{text}");
        assert_eq!(text.matches("*9\r\n$4\r\nXADD\r\n$1\r\ns\r\n").count(), 2);
        assert_eq!(text.matches("$5\r\nplace\r\n$8\r\n").count(), 2);
        assert!(text.ends_with("\r\n"));
    }

    #[test]
    fn numbers_survive_as_letters() {
        let mut batch = EntryBatch::new("________", 1, 0);
        for number in [0, 1, 0x1234_5678, u32::MAX] {
            let request = batch.numbered(number).to_vec();
            let order = request.windows(7).position(|part| part == b"order\r\n").expect("a field");
            let value = &request[order + 11..order + 19];
            assert_eq!(number_in(value), Some(number), "{}", String::from_utf8_lossy(value));
        }
        assert_eq!(number_in(b"________"), None);
        assert_eq!(number_in(b"a"), None);
    }
}
