//! Consecutive entries as compact bytes. Knows nothing of deletion: see `Tombstones`.
//!
//! ```text
//! entry   shape u8 | ms | seq | names, only when shape = INLINE | values
//! ms      varint, relative to the block's first entry
//! seq     varint, relative to the block's first entry when ms is 0, else as it is
//! names   varint count | (varint length | bytes) for each
//! values  (varint length | bytes) for each
//! ```
//!
//! A shape is a list of field names. The first entry to use one holds it inline; later entries of
//! the block name it by number, up to `SHAPES_MAX` per block. Entries past that hold their names
//! inline.
//!
//! 1. Ids ascend strictly, so that a search may halve.
//! 2. `offsets` has the start of every entry; an entry ends where the next starts.
//! 3. Entries of shape 0 are those that have the field names of the first entry.

use super::loaded_block::BlockError;
use super::{entry_ref::EntryRef, varint};
use crate::EntryId;

/// Field-name lists that entries of one block share by number.
const SHAPES_MAX: usize = 7;

/// Stands for: the names follow.
const INLINE: u8 = u8::MAX;

/// Entries in id order; append-only.
#[derive(Debug)]
pub(super) struct Block {
    base: EntryId,
    bytes: Vec<u8>,
    offsets: Offsets,
    /// Where in `bytes` the names of each shape start.
    shapes: [u32; SHAPES_MAX],
    shape_count: u8,
}

/// Starts of entries: two bytes each until a block outgrows them.
#[derive(Debug)]
enum Offsets {
    Narrow(Vec<u16>),
    Wide(Vec<u32>),
}

impl Clone for Block {
    /// Keeps the spare room: a block is cloned in order to be appended to.
    fn clone(&self) -> Self {
        let offsets = match &self.offsets {
            Offsets::Narrow(list) => Offsets::Narrow(clone_with_room(list)),
            Offsets::Wide(list) => Offsets::Wide(clone_with_room(list)),
        };
        Self { bytes: clone_with_room(&self.bytes), offsets, ..*self }
    }
}

fn clone_with_room<T: Copy>(list: &Vec<T>) -> Vec<T> {
    let mut copy = Vec::with_capacity(list.capacity());
    copy.extend_from_slice(list);
    copy
}

impl Block {
    /// An empty block that will start with `base`, with room for a guess of bytes and entries.
    pub(super) fn open(base: EntryId, bytes_guess: usize, entries_guess: usize) -> Self {
        Self {
            base,
            bytes: Vec::with_capacity(bytes_guess),
            offsets: Offsets::Narrow(Vec::with_capacity(entries_guess)),
            shapes: [0; SHAPES_MAX],
            shape_count: 0,
        }
    }

    /// A block from what [`Self::base`], [`Self::shapes`], lengths and [`Self::bytes`] said of it.
    /// Refuses what later reads would trip over.
    pub(super) fn from_parts(
        base: EntryId,
        shapes: &[u64],
        lengths: &[u64],
        bytes: &[u8],
    ) -> Result<Self, BlockError> {
        let refused = |what| Err(BlockError::new(what));
        let mut block = Self::open(base, 0, 0);
        block.bytes = bytes.to_vec();
        block.offsets = Offsets::Narrow(Vec::with_capacity(lengths.len()));
        for (shape, &offset) in shapes.iter().enumerate() {
            let names = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
            if shape >= SHAPES_MAX || !names.is_some_and(|names| skip_names(&mut { names })) {
                return refused("a shape is out of range");
            }
            block.shapes[shape] = offset as u32;
            block.shape_count += 1;
        }
        let mut start = 0_usize;
        let mut before = None;
        for &length in lengths {
            let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
            let Some(entry) = end.and_then(|end| bytes.get(start..end)) else {
                return refused("an entry is longer than what is left");
            };
            let Some(id) = block.checked_id(entry) else { return refused("an entry is broken") };
            if before >= Some(id) || (before.is_none() && id != base) {
                return refused("ids do not ascend");
            }
            before = Some(id);
            block.offsets.push(start);
            start += entry.len();
        }
        if start != bytes.len() { refused("there is more than its entries") } else { Ok(block) }
    }

    /// The id of an entry that can be read; `None` if it cannot.
    fn checked_id<'a>(&'a self, mut entry: &'a [u8]) -> Option<EntryId> {
        let cursor: &mut &'a [u8] = &mut entry;
        let (&shape, rest) = cursor.split_first()?;
        *cursor = rest;
        let ms = varint::try_read(cursor)?;
        let seq = varint::try_read(cursor)?;
        let seq = if ms == 0 { self.base.seq.checked_add(seq)? } else { seq };
        let id = EntryId { ms: self.base.ms.checked_add(ms)?, seq };
        let mut names = if shape == INLINE {
            *cursor
        } else if shape < self.shape_count {
            self.names_of(shape)
        } else {
            return None;
        };
        let field_count = varint::try_read(&mut { names })?;
        if !skip_names(&mut names) {
            return None;
        }
        if shape == INLINE {
            *cursor = names;
        }
        for _ in 0..field_count {
            varint::try_read_bytes(cursor)?;
        }
        cursor.is_empty().then_some(id)
    }

    /// The first entry.
    pub(super) fn base(&self) -> EntryId {
        self.base
    }

    /// Where the names of each shape start.
    pub(super) fn shapes(&self) -> &[u32] {
        &self.shapes[..usize::from(self.shape_count)]
    }

    /// The entries.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes of its entries.
    pub(super) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// Heap bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        let offsets = match &self.offsets {
            Offsets::Narrow(list) => list.capacity() * size_of::<u16>(),
            Offsets::Wide(list) => list.capacity() * size_of::<u32>(),
        };
        self.bytes.capacity() + offsets
    }

    /// Gives spare room back once no entry will follow.
    pub(super) fn shrink(&mut self) {
        // Slack below an eighth is not worth a copy.
        if self.bytes.capacity() - self.bytes.len() > self.bytes.len() / 8 {
            self.bytes.shrink_to_fit();
        }
        match &mut self.offsets {
            Offsets::Narrow(list) => list.shrink_to_fit(),
            Offsets::Wide(list) => list.shrink_to_fit(),
        }
    }

    /// Adds an entry above all others; true when it has the field names of the first entry.
    pub(super) fn push(&mut self, id: EntryId, fields: &[&[u8]]) -> bool {
        self.offsets.push(self.bytes.len());
        let shape = self.find_shape(fields);
        self.bytes.push(shape.unwrap_or(INLINE));
        let ms = id.ms - self.base.ms;
        varint::write(&mut self.bytes, ms);
        varint::write(&mut self.bytes, if ms == 0 { id.seq - self.base.seq } else { id.seq });
        if shape.is_none() {
            self.push_names(fields);
        }
        for value in fields.iter().skip(1).step_by(2) {
            varint::write_bytes(&mut self.bytes, value);
        }
        // The very first entry defines shape 0 and so has it.
        shape == Some(0) || self.offsets.len() == 1
    }

    fn push_names(&mut self, fields: &[&[u8]]) {
        if usize::from(self.shape_count) < SHAPES_MAX {
            self.shapes[usize::from(self.shape_count)] = offset_u32(self.bytes.len());
            self.shape_count += 1;
        }
        varint::write(&mut self.bytes, (fields.len() / 2) as u64);
        for name in fields.iter().step_by(2) {
            varint::write_bytes(&mut self.bytes, name);
        }
    }

    fn find_shape(&self, fields: &[&[u8]]) -> Option<u8> {
        (0..self.shape_count).find(|&shape| {
            let mut names = self.names_of(shape);
            varint::read(&mut names) == (fields.len() / 2) as u64
                && fields.iter().step_by(2).all(|name| varint::read_bytes(&mut names) == *name)
        })
    }

    /// From the count of a shape's names on.
    #[inline]
    fn names_of(&self, shape: u8) -> &[u8] {
        &self.bytes[self.shapes[usize::from(shape)] as usize..]
    }

    /// The entry at `ordinal`.
    #[inline]
    pub(super) fn entry(&self, ordinal: u32) -> EntryRef<'_> {
        let mut cursor = &self.bytes[self.start(ordinal)..self.start(ordinal + 1)];
        let (shape, id) = self.head(&mut cursor);
        if shape == INLINE {
            let field_count = field_count(&mut cursor);
            let names = cursor;
            for _ in 0..field_count {
                varint::read_bytes(&mut cursor);
            }
            EntryRef { id, field_count, names, values: cursor }
        } else {
            let mut names = self.names_of(shape);
            let field_count = field_count(&mut names);
            EntryRef { id, field_count, names, values: cursor }
        }
    }

    /// The id at `ordinal`.
    #[inline]
    pub(super) fn id(&self, ordinal: u32) -> EntryId {
        let mut cursor = &self.bytes[self.start(ordinal)..];
        self.head(&mut cursor).1
    }

    #[inline]
    fn head(&self, cursor: &mut &[u8]) -> (u8, EntryId) {
        let (&shape, rest) = cursor.split_first().expect("an entry has at least four bytes");
        *cursor = rest;
        let ms = varint::read(cursor);
        let seq = varint::read(cursor);
        let seq = if ms == 0 { self.base.seq + seq } else { seq };
        (shape, EntryId { ms: self.base.ms + ms, seq })
    }

    /// Number of entries ever appended.
    pub(super) fn len(&self) -> u32 {
        u32::try_from(self.offsets.len()).expect("an entry takes bytes, whose offsets fit 32 bits")
    }

    /// The first ordinal whose id is at or above `id`; the length when there is none.
    pub(super) fn lower_bound(&self, id: EntryId) -> u32 {
        if id <= self.base {
            return 0;
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.id(middle) < id {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The first ordinal whose id is above `id`; the length when there is none.
    pub(super) fn upper_bound(&self, id: EntryId) -> u32 {
        id.next().map_or(self.len(), |next| self.lower_bound(next))
    }

    /// The ordinal of exactly `id`.
    pub(super) fn find(&self, id: EntryId) -> Option<u32> {
        let ordinal = self.lower_bound(id);
        (ordinal < self.len() && self.id(ordinal) == id).then_some(ordinal)
    }

    /// Bytes of the entries `from..to`.
    pub(super) fn bytes_between(&self, from: u32, to: u32) -> usize {
        self.start(to) - self.start(from)
    }

    /// Start of the entry at `ordinal`; the end of the bytes for the ordinal after the last.
    #[inline]
    fn start(&self, ordinal: u32) -> usize {
        match &self.offsets {
            Offsets::Narrow(list) => list.get(ordinal as usize).map(|&start| usize::from(start)),
            Offsets::Wide(list) => list.get(ordinal as usize).map(|&start| start as usize),
        }
        .unwrap_or(self.bytes.len())
    }
}

/// Takes a list of names off the front of foreign bytes. Returns whether there is one, not empty.
fn skip_names(cursor: &mut &[u8]) -> bool {
    let Some(count) = varint::try_read(cursor) else { return false };
    count > 0 && (0..count).all(|_| varint::try_read_bytes(cursor).is_some())
}

#[inline]
fn field_count(cursor: &mut &[u8]) -> usize {
    usize::try_from(varint::read(cursor)).expect("the number of fields fitted memory when written")
}

fn offset_u32(offset: usize) -> u32 {
    u32::try_from(offset).expect("a block stays below 4 GiB: it is closed at 1 GiB of Redis bytes")
}

impl Offsets {
    fn len(&self) -> usize {
        match self {
            Self::Narrow(list) => list.len(),
            Self::Wide(list) => list.len(),
        }
    }

    fn push(&mut self, offset: usize) {
        match self {
            Self::Narrow(list) => {
                if let Ok(narrow) = u16::try_from(offset) {
                    list.push(narrow);
                } else {
                    let mut wide: Vec<u32> = Vec::with_capacity(list.len() + 1);
                    wide.extend(list.iter().map(|&start| u32::from(start)));
                    wide.push(offset_u32(offset));
                    *self = Self::Wide(wide);
                }
            }
            Self::Wide(list) => list.push(offset_u32(offset)),
        }
    }
}
