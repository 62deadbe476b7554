//! Arbitrary bytes as the contents of a block of entries.

use millstream_model::LoadedBlock;

/// Refused, or a block whose own bytes are the same block.
///
/// # Panics
/// If not.
pub fn check_block(data: &[u8]) {
    let Ok(block) = LoadedBlock::decode(data) else { return };
    let mut bytes = Vec::new();
    block.encode(&mut bytes);
    let again = LoadedBlock::decode(&bytes).expect("its own bytes");
    let mut same = Vec::new();
    again.encode(&mut same);
    assert_eq!(bytes, same);
}
