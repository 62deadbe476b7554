//! How many bytes a read's reply takes in RESP2, for MAXSIZE. Close, not exact: the limit is soft.

use millstream_model::EntryRef;

/// A number, its type byte and its line end: large enough for idle times of weeks.
const NUMBER_BYTES: u64 = 12;
/// Idle time and delivery count, which an entry that was claimed has besides.
pub(super) const CLAIM_BYTES: u64 = 2 * NUMBER_BYTES;
/// A history entry that is gone: an array, an id of this century, a nil.
pub(super) const GONE_ENTRY_BYTES: u64 = 4 + 27 + 5;
/// The outermost array header.
pub(super) const ENVELOPE_BYTES: u64 = 4;

/// Array and bulk headers around the entries of one stream.
pub(super) fn stream_header(key: &[u8]) -> u64 {
    4 + bulk(key.len()) + array_header(0)
}

pub(super) fn entry(entry: EntryRef<'_>) -> u64 {
    let id = entry.id();
    let id_bytes = digits(id.ms) + 1 + digits(id.seq);
    let fields: u64 = entry.pairs().map(|(name, value)| bulk(name.len()) + bulk(value.len())).sum();
    4 + bulk(id_bytes) + array_header(2 * entry.field_count()) + fields
}

fn bulk(length: usize) -> u64 {
    (1 + digits(length as u64) + 2 + length + 2) as u64
}

fn array_header(length: usize) -> u64 {
    (1 + digits(length as u64) + 2) as u64
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}
