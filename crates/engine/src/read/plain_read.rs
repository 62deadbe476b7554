//! XREAD: everybody sees everything.

use millstream_model::{Direction, Entries, EntryId, EntrySlice, Rejection};

use super::{Budget, ReadEntries, ReadFrom, ReadRequest, StreamRead, wire_size};
use crate::transaction::Transaction;

impl Transaction<'_> {
    pub(super) fn read_plain(
        &mut self,
        request: &mut ReadRequest,
    ) -> Result<Vec<StreamRead>, Rejection> {
        for stream in &mut request.streams {
            let found = self.find_stream(request.db, &stream.key)?;
            if stream.from == ReadFrom::End {
                let last = found.map_or(EntryId::MIN, |o| self.state().stream(o.slot).last_id());
                stream.from = ReadFrom::After(last);
            }
        }
        let mut budget = Budget::of(request);
        let mut read = Vec::new();
        for stream in &request.streams {
            if !budget.has_room() {
                break;
            }
            let Some(object) = self.find_stream(request.db, &stream.key)? else { continue };
            let entries = self.state().stream(object.slot).entries();
            let (from, count) = match stream.from {
                ReadFrom::After(id) => (id.next(), request.count.unwrap_or(usize::MAX)),
                ReadFrom::Last => (entries.last_id(), 1),
                ReadFrom::End | ReadFrom::New => unreachable!("replaced above, or for groups only"),
            };
            let Some(from) = from else { continue };
            budget.start_stream(&stream.key);
            let slice = slice_within(entries, from, count, &mut budget);
            if !slice.is_empty() {
                let entries = ReadEntries::Plain(slice);
                read.push(StreamRead { key: stream.key.clone(), entries });
            }
        }
        Ok(read)
    }
}

/// Entries from an id on, at most `count`, as many as the budget has room for.
pub(super) fn slice_within(
    entries: &Entries,
    from: EntryId,
    count: usize,
    budget: &mut Budget,
) -> EntrySlice {
    let slice = |count| entries.slice(from, EntryId::MAX, count, Direction::Ascending);
    let whole = slice(count.min(budget.entries));
    let Some(bytes_max) = budget.bytes_max else {
        budget.take(whole.len(), 0);
        return whole;
    };
    // Without MAXSIZE the limit is far away: no entry is looked at.
    if !budget.is_exact {
        let bytes_at_most = 2 * whole.bytes_estimate() as u64 + 64 * whole.len() as u64;
        if budget.bytes + bytes_at_most < bytes_max {
            budget.take(whole.len(), bytes_at_most);
            return whole;
        }
    }
    let before = budget.emitted;
    for entry in whole.iter() {
        if !budget.has_room() {
            break;
        }
        budget.take(1, wire_size::entry(entry));
    }
    slice(budget.emitted - before)
}
