//! How many entries are in a part of a stream, as far as a page may take.

use std::ops::{Bound, RangeBounds as _};

use millstream::{EntryId, Error, StreamInfo, StreamManager};

use crate::entry_page::bytes_of;

/// Entries that are read to be counted, and bytes of them.
const COUNTED_MAX: u64 = 20_000;
const BYTES_MAX: usize = 32 << 20;
/// Entries that are read in one step, at first: they may be large.
const AT_ONCE: usize = 16;
const AT_ONCE_MAX: usize = 1000;

/// How many entries there are in a range, as far as they are read: whether that is all of them.
///
/// # Errors
/// Those of the server.
pub(crate) async fn count_some(
    manager: &StreamManager,
    info: &StreamInfo,
    range: (Bound<EntryId>, Bound<EntryId>),
) -> Result<(u64, bool), Error> {
    // Nothing is before the first id that there can be, and servers refuse to look there.
    if range.1 == Bound::Excluded(EntryId::ZERO) {
        return Ok((0, true));
    }
    if let (Some(first), Some(last)) = (info.first, info.last)
        && range.contains(&first)
        && range.contains(&last)
    {
        return Ok((info.length, true));
    }
    let (mut from, to) = range;
    let (mut counted, mut bytes, mut at_once) = (0, 0, AT_ONCE);
    while counted < COUNTED_MAX && bytes < BYTES_MAX {
        let some = manager.entries((from, to), at_once).await?;
        counted += some.len() as u64;
        let Some(last) = some.last().filter(|_| some.len() == at_once) else {
            return Ok((counted, true));
        };
        from = Bound::Excluded(last.id);
        let read: usize = some.iter().map(bytes_of).sum();
        bytes += read;
        at_once = if read < 1 << 20 { (at_once * 4).min(AT_ONCE_MAX) } else { AT_ONCE };
    }
    Ok((counted, false))
}
