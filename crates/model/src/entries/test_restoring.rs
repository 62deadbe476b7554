//! Stored facts that do not fit are refused; those that pass hold every invariant.

use super::test_disk::TestDisk;
type Fields = Vec<Vec<u8>>;
fn borrow(f: &Fields) -> Vec<&[u8]> {
    f.iter().map(Vec::as_slice).collect()
}
fn fields() -> impl Strategy<Value = Fields> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 2..=2)
}
use crate::{
    BlockLimits, BlockPlace, Direction, Entries, EntryId, RestoreError, StoredBlock,
    StoredContents, StoredTombstones,
};
use proptest::prelude::*;
use std::borrow::Cow;

const TEN: BlockLimits = BlockLimits { bytes_max: 0, entries_max: 10 };

fn owned(block: &StoredBlock<'_>) -> StoredBlock<'static> {
    let tombstones = block
        .tombstones
        .as_ref()
        .map(|dead| StoredTombstones { words: Cow::Owned(dead.words.to_vec()), ..*dead });
    StoredBlock { tombstones, contents: block.contents.clone(), ..*block }
}

fn restore(blocks: Vec<StoredBlock<'_>>) -> Result<Entries, RestoreError> {
    let mut e = Entries::default();
    for b in blocks {
        e.restore_block(b)?;
    }
    Ok(e)
}

fn change_id(id: &mut EntryId, by: u64) {
    let (ms, seq) = ((by & 3) as i64 - 1, (by >> 2 & 3) as i64 - 1);
    *id = EntryId::new(id.ms.wrapping_add_signed(ms), id.seq.wrapping_add_signed(seq));
}

/// Changes one fact of one block.
fn spoil(block: &mut StoredBlock<'static>, which: usize, by: u64) {
    let count = |count: &mut u32| *count = count.wrapping_add((by & 7) as u32).wrapping_sub(3);
    match (which % 10, &mut block.tombstones) {
        (0, _) => change_id(&mut block.first, by),
        (1, _) => change_id(&mut block.last, by),
        (2, _) => count(&mut block.live),
        (3, _) => count(&mut block.stored),
        (4, Some(dead)) => change_id(&mut dead.first_live, by),
        (5, Some(dead)) => change_id(&mut dead.last_live, by),
        (7, Some(dead)) => match dead.words.to_mut().first_mut() {
            Some(word) if by & 64 == 0 => *word ^= 1 << (by & 15),
            _ => dead.words.to_mut().push(by >> 7),
        },
        (8, dead) => *dead = None,
        (9, _) => count(&mut block.listpack_bytes),
        (_, _) => block.contents = StoredContents::Place(PLACE),
    }
}

const PLACE: BlockPlace = BlockPlace { file: 1, offset: 0, bytes: 0 };

fn use_index(mut entries: Entries) {
    entries.check();
    let all = entries.slice(EntryId::MIN, EntryId::MAX, 7, Direction::Descending);
    let all = all.expect("no cut");
    assert!(all.bytes_estimate() >= all.len());
    for node in entries.nodes() {
        assert!(node.first_live_id() <= node.last_stored_id());
    }
    let cut = entries.nodes().nth(1).map(|node| node.last_stored_id());
    if let Some(cut) = cut
        && entries.cold_before(cut).is_none()
    {
        entries.delete_before(cut);
    }
    if let Some(id) = entries.last_id().and_then(EntryId::next)
        && entries.cold_for_append(id, 2, TEN).is_none()
    {
        entries.append(id, &[b"f", b"v"], TEN);
    }
    entries.check();
}

proptest! {
    #[test]
    fn spoiled_facts_are_refused_or_harmless(
        list in prop::collection::vec(fields(), 1..60),
        deleted in prop::collection::vec(any::<usize>(), 0..40),
        written in any::<u64>(),
        spoiled in prop::collection::vec((any::<usize>(), any::<usize>(), any::<u64>()), 1..3),
    ) {
        let mut entries = Entries::default();
        for (ms, fields) in list.iter().enumerate() {
            append(&mut entries, ms as u64 + 2, fields);
        }
        for at in deleted {
            entries.delete(EntryId::new((at % list.len()) as u64 + 2, 1));
        }
        TestDisk::default().write(&mut entries, written);
        let mut blocks: Vec<_> = entries.blocks().map(|block| owned(&block)).collect();
        for (at, which, by) in spoiled {
            if let Some(at) = at.checked_rem(blocks.len()) {
                spoil(&mut blocks[at], which, by);
            }
        }
        if let Ok(entries) = restore(blocks) {
            use_index(entries);
        }
    }
}

fn append(entries: &mut Entries, ms: u64, fields: &Fields) {
    entries.append(EntryId::new(ms, 1), &borrow(fields), TEN);
}
