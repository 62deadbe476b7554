//! Entries that can be told from each other: each has its number in its first value.
//!
//! Values are letters, since servers store digits as numbers, and random, since the same ones over
//! and over would flatter a compressor.

use redis::Cmd;

/// Letters of a number, four bits in each.
pub(super) const NUMBER_BYTES: usize = 8;

/// What each entry holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payload {
    /// Of all values together.
    pub(super) bytes: usize,
    pub(super) fields: usize,
}

impl Payload {
    /// The least that has room for a number, and for something in each other value.
    pub(super) fn bytes_min(fields: usize) -> usize {
        NUMBER_BYTES + fields - 1
    }
}

/// Makes entries, one after the other.
pub(super) struct Writer {
    names: Vec<String>,
    /// All values, one behind the other.
    values: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
    random: u64,
}

impl Writer {
    pub(super) fn new(payload: Payload) -> Self {
        let Payload { bytes, fields } = payload;
        assert!(bytes >= Payload::bytes_min(fields), "{payload:?} has room for a number");
        // What is beyond the least is for all alike.
        let more = bytes - Payload::bytes_min(fields);
        let ends = (0..fields).map(|field| NUMBER_BYTES + field + more * (field + 1) / fields);
        Self {
            names: (0..fields).map(|field| format!("f{field}")).collect(),
            values: vec![b'a'; bytes],
            ends: ends.collect(),
            random: fastrand::u64(..) | 1,
        }
    }

    /// Names and values of the entry of this number, which has other letters each time.
    pub(super) fn append(&mut self, number: u32, command: &mut Cmd) {
        for piece in self.values.chunks_mut(8) {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            piece.copy_from_slice(&letters(self.random)[..piece.len()]);
        }
        self.values[..NUMBER_BYTES].copy_from_slice(&letters(spread(number)));
        let mut start = 0;
        for (name, &end) in self.names.iter().zip(&self.ends) {
            command.arg(&**name).arg(&self.values[start..end]);
            start = end;
        }
    }

    /// About how many bytes of a command its names and values take.
    pub(super) fn capacity(&self) -> usize {
        self.values.len() + 4 * self.names.len()
    }
}

/// The number in a first value; none in what was not made by a [`Writer`].
pub(super) fn number_in(value: &[u8]) -> Option<u32> {
    value.get(..NUMBER_BYTES)?.iter().rev().try_fold(0, |number, letter| {
        let digit = letter.checked_sub(b'a').filter(|digit| *digit < 16)?;
        Some(number << 4 | u32::from(digit))
    })
}

/// A letter from `a` to `p` for the low half of each byte.
fn letters(number: u64) -> [u8; 8] {
    ((number & 0x0f0f_0f0f_0f0f_0f0f) + 0x6161_6161_6161_6161).to_le_bytes()
}

/// The eight halves of bytes of a number, one in each byte.
fn spread(number: u32) -> u64 {
    (0..8).fold(0, |all, half| all | u64::from(number >> (4 * half) & 0xf) << (8 * half))
}

#[cfg(test)]
mod tests {
    use redis::Arg;

    use super::*;

    fn values(payload: Payload, number: u32) -> Vec<Vec<u8>> {
        let mut command = Cmd::new();
        Writer::new(payload).append(number, &mut command);
        let simple = |arg: Arg<&[u8]>| match arg {
            Arg::Simple(bytes) => bytes.to_vec(),
            _ => unreachable!("there are no others"),
        };
        let all: Vec<Vec<u8>> = command.args_iter().map(simple).collect();
        all.chunks(2).map(|pair| pair[1].clone()).collect()
    }

    #[test]
    fn entries_have_their_number_and_their_size() {
        for (bytes, fields) in [(8, 1), (9, 2), (100, 1), (100, 3), (1000, 7), (10, 3)] {
            for number in [0, 1, 0x1234_5678, u32::MAX] {
                let values = values(Payload { bytes, fields }, number);
                assert_eq!(values.len(), fields);
                assert_eq!(values.iter().map(Vec::len).sum::<usize>(), bytes);
                assert!(values.iter().all(|value| !value.is_empty()), "{values:?}");
                assert_eq!(number_in(&values[0]), Some(number));
            }
        }
        assert_eq!(number_in(b"aaaaaaa"), None);
        assert_eq!(number_in(b"aaaaaaaz"), None);
    }
}
