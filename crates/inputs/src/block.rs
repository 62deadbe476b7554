//! Arbitrary bytes as the contents of a block of entries.

use millstream_model::LoadedBlock;

/// Refused, or a block that can be read, and whose own bytes are the same block.
///
/// # Panics
/// If not.
pub fn check_block(data: &[u8]) -> bool {
    let Ok(block) = LoadedBlock::decode(data) else { return false };
    let (mut count, mut last) = (0, None);
    block.for_each(|entry| {
        assert!(Some(entry.id()) > last, "ids ascend");
        last = Some(entry.id());
        assert_eq!(entry.pairs().count(), entry.field_count());
        count += 1;
    });
    assert_eq!(count, block.len());
    let mut bytes = Vec::new();
    block.encode(&mut bytes);
    let again = LoadedBlock::decode(&bytes).expect("its own bytes");
    let mut same = Vec::new();
    again.encode(&mut same);
    assert_eq!(bytes, same);
    true
}
