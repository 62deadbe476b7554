//! A block's contents on their own: as bytes, and back.
//!
//! ```text
//! block    version u8 (1) | base ms varint | base seq varint
//!          shape count varint | offset varint for each
//!          entry count varint | length varint for each | entries, as in `block`
//! ```
//!
//! Bytes that come back are not trusted: [`LoadedBlock::decode`] refuses whatever a later read
//! would trip over. Tests: beside, with damaged bytes.

use super::block::Block;
use super::block_slot::block_bytes;
use super::varint;
use crate::EntryId;
use std::fmt;
use std::sync::Arc;

const VERSION: u8 = 1;

/// The contents of one block, shared with whoever has it.
#[derive(Clone, Debug)]
pub struct LoadedBlock(pub(super) Arc<Block>);

/// Bytes that are no block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockError {
    /// What does not fit.
    what: &'static str,
}

impl BlockError {
    pub(super) fn new(what: &'static str) -> Self {
        Self { what }
    }
}

impl fmt::Display for BlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a block of entries: {}", self.what)
    }
}

impl std::error::Error for BlockError {}

impl LoadedBlock {
    /// Appends the contents as bytes.
    pub fn encode(&self, to: &mut Vec<u8>) {
        let (base, shapes) = (self.0.base(), self.0.shapes());
        to.push(VERSION);
        varint::write(to, base.ms);
        varint::write(to, base.seq);
        varint::write(to, shapes.len() as u64);
        for &shape in shapes {
            varint::write(to, shape.into());
        }
        varint::write(to, self.0.len().into());
        for ordinal in 0..self.0.len() {
            varint::write(to, self.0.bytes_between(ordinal, ordinal + 1) as u64);
        }
        to.extend_from_slice(self.0.bytes());
    }

    /// Takes contents back from bytes, all of them.
    ///
    /// # Errors
    /// If they are no block that could be read.
    pub fn decode(bytes: &[u8]) -> Result<Self, BlockError> {
        let mut cursor = bytes;
        let (&version, rest) = cursor.split_first().ok_or(BlockError::new("it is empty"))?;
        if version != VERSION {
            return Err(BlockError::new("its version is unknown"));
        }
        cursor = rest;
        let mut number = |what| varint::try_read(&mut cursor).ok_or(BlockError::new(what));
        let base = EntryId::new(number("base")?, number("base")?);
        let shape_count = number("count of shapes")?;
        let shapes = (0..shape_count.min(8)).map(|_| number("shape"));
        let shapes = shapes.collect::<Result<Vec<_>, _>>()?;
        let entry_count = number("count of entries")?;
        // Each length takes a byte: more than are left cannot be there.
        let left = cursor.len() as u64;
        if shape_count > 7 || entry_count == 0 || entry_count > left {
            return Err(BlockError::new("a count is out of range"));
        }
        let mut lengths = Vec::with_capacity(entry_count as usize);
        for _ in 0..entry_count {
            let length = varint::try_read(&mut cursor).ok_or(BlockError::new("length"))?;
            lengths.push(length);
        }
        Block::from_parts(base, &shapes, &lengths, cursor).map(|block| Self(Arc::new(block)))
    }

    /// The first entry, deleted or not.
    #[must_use]
    pub fn first_id(&self) -> EntryId {
        self.0.base()
    }

    /// Number of entries, deleted ones included.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> u32 {
        self.0.len()
    }

    /// Bytes of the entries.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.0.byte_len()
    }

    /// Heap bytes held.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        block_bytes(&self.0)
    }

    /// Calls `f` with every entry, deleted or not, ascending.
    pub fn for_each(&self, mut f: impl FnMut(super::EntryRef<'_>)) {
        (0..self.0.len()).for_each(|ordinal| f(self.0.entry(ordinal)));
    }
}

#[cfg(test)]
mod tests {
    use super::LoadedBlock;
    use crate::EntryId;
    use crate::entries::block::Block;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn block(entries: &[(u64, Vec<Vec<u8>>)]) -> LoadedBlock {
        let mut ms = 1_000;
        let mut block: Option<Block> = None;
        for (step, fields) in entries {
            ms += step;
            let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
            let id = EntryId::new(ms, if *step == 0 { ms } else { 3 });
            match &mut block {
                None => {
                    let mut first = Block::open(id, 0, 0);
                    first.push(id, &fields);
                    block = Some(first);
                }
                Some(block) if block.id(block.len() - 1) < id => _ = block.push(id, &fields),
                Some(_) => {}
            }
        }
        LoadedBlock(Arc::new(block.expect("there is an entry")))
    }

    fn entries() -> impl Strategy<Value = Vec<(u64, Vec<Vec<u8>>)>> {
        let text = prop::collection::vec(any::<u8>(), 0..6);
        let fields = prop::collection::vec((0..3_u8, text), 1..3).prop_map(|pairs| {
            pairs.into_iter().flat_map(|(name, value)| [vec![b'a' + name], value]).collect()
        });
        prop::collection::vec((0_u64..300, fields), 1..20)
    }

    fn all(block: &LoadedBlock) -> Vec<(EntryId, Vec<Vec<u8>>)> {
        let mut found = Vec::new();
        block.for_each(|entry| {
            let fields = entry.pairs().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]);
            found.push((entry.id(), fields.collect()));
        });
        found
    }

    /// Nine lists of names, of which a block numbers seven, and ids that take all forms.
    fn documented() -> (LoadedBlock, Vec<u8>) {
        let base = EntryId::new(300, 5);
        let mut block = Block::open(base, 0, 0);
        let long = [b'v'; 130];
        block.push(base, &[b"a", b"1", b"b", b""]);
        block.push(EntryId::new(300, 7), &[b"a", b"2", b"b", b"3"]);
        for (seq, name) in (1..).zip([b"c", b"d", b"e", b"f", b"g", b"h", b"i"]) {
            block.push(EntryId::new(301, seq), &[name, b""]);
        }
        block.push(EntryId::new(500, 0), &[b"i", b"4"]);
        block.push(EntryId::new(501, 0), &[b"h", &long]);
        let head = [
            &[1, 0xac, 2, 5][..],
            &[7, 3, 21, 28, 35, 42, 49, 56],
            &[11, 11, 7, 7, 7, 7, 7, 7, 7, 7, 9, 0x88, 1],
        ];
        let entries = [
            &b"\xff\0\0\x02\x01a\x01b\x011\0"[..],
            b"\0\0\x02\x012\x013",
            b"\xff\x01\x01\x01\x01c\0",
            b"\xff\x01\x02\x01\x01d\0",
            b"\xff\x01\x03\x01\x01e\0",
            b"\xff\x01\x04\x01\x01f\0",
            b"\xff\x01\x05\x01\x01g\0",
            b"\xff\x01\x06\x01\x01h\0",
            b"\xff\x01\x07\x01\x01i\0",
            b"\xff\xc8\x01\0\x01\x01i\x014",
            &[&b"\x06\xc9\x01\0\x82\x01"[..], &long].concat(),
        ];
        (LoadedBlock(Arc::new(block)), [head.concat(), entries.concat()].concat())
    }

    #[test]
    fn contents_have_the_documented_bytes() {
        let (block, by_hand) = documented();
        let mut bytes = Vec::new();
        block.encode(&mut bytes);
        assert_eq!(bytes, by_hand);
        let back = LoadedBlock::decode(&by_hand).expect("it is intact");
        assert_eq!(all(&back), all(&block));
    }

    #[test]
    fn what_does_not_fit_is_refused_in_words() {
        let (_, by_hand) = documented();
        let cases: [(usize, u8, &str); 6] = [
            (0, 2, "its version is unknown"),
            (4, 8, "a count is out of range"),
            (12, 0, "a count is out of range"),
            (11, 0xfd, "a shape"),
            (13, 12, "an entry is broken"),
            // The second entry has the id of the first.
            (38, 0, "ids do not ascend"),
        ];
        for (at, byte, expected) in cases {
            let mut bytes = by_hand.clone();
            bytes[at] = byte;
            let error = LoadedBlock::decode(&bytes).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error} instead of {expected}");
        }
        let error = LoadedBlock::decode(&[]).expect_err("nothing").to_string();
        assert_eq!(error, "not a block of entries: it is empty");
        let longer = [&by_hand[..], &[0]].concat();
        let error = LoadedBlock::decode(&longer).expect_err("a byte more").to_string();
        assert!(error.contains("there is more than its entries"), "{error}");
    }

    proptest! {
        #[test]
        fn contents_come_back_and_damage_never_panics(
            entries in entries(),
            flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..4),
            cut in any::<prop::sample::Index>(),
        ) {
            let block = block(&entries);
            let mut bytes = Vec::new();
            block.encode(&mut bytes);
            let back = LoadedBlock::decode(&bytes).expect("it was encoded just now");
            prop_assert_eq!(all(&back), all(&block));
            for id in all(&block).iter().map(|(id, _)| *id) {
                prop_assert_eq!(back.0.find(id), block.0.find(id));
            }
            prop_assert!(LoadedBlock::decode(&bytes[..cut.index(bytes.len())]).is_err());
            for (at, bit) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
                if let Ok(damaged) = LoadedBlock::decode(&bytes) {
                    all(&damaged);
                }
            }
        }

        #[test]
        fn any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut bytes = bytes;
            if let Some(first) = bytes.first_mut() {
                *first = 1;
            }
            if let Ok(block) = LoadedBlock::decode(&bytes) {
                all(&block);
            }
        }
    }
}
