//! XREAD: everybody sees everything.

use millstream_model::{ColdBlocks, Direction, Entries, EntryId, EntrySlice, Rejection};

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
        self.need_for_plain(request)?;
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
            let mut slice = slice_within(entries, from, count, &mut budget)
                .expect("what it looks at is in memory");
            if !slice.is_empty() {
                self.hold_files(&mut slice);
                let entries = ReadEntries::Plain(slice);
                read.push(StreamRead { key: stream.key.clone(), entries });
            }
        }
        Ok(read)
    }

    /// Makes sure that what the read looks at is in memory, before it does anything.
    fn need_for_plain(&mut self, request: &ReadRequest) -> Result<(), Rejection> {
        for index in 0..request.streams.len() {
            loop {
                let stream = &request.streams[index];
                let Some(object) = self.find_stream(request.db, &stream.key)? else { break };
                if !self.has_cold(object) {
                    break;
                }
                let entries = self.state().stream(object.slot).entries();
                let (from, count) = match stream.from {
                    ReadFrom::After(id) => (id.next(), request.count.unwrap_or(usize::MAX)),
                    _ => (entries.last_id(), 1),
                };
                let Some(from) = from else { break };
                match slice_within(entries, from, count, &mut Budget::of(request)) {
                    Ok(_) => break,
                    Err(cold) => self.need(object, cold.0)?,
                }
            }
        }
        Ok(())
    }

    /// Lets nothing that a reply refers to leave the disk before the reply is written.
    pub(crate) fn hold_files(&self, slice: &mut EntrySlice) {
        if slice.cold().next().is_some()
            && let Some(guard) = self.file_guard()
        {
            slice.hold(guard);
        }
    }
}

/// Entries from an id on, at most `count`, as many as the budget has room for. Blocks in its middle
/// may be on disk only, unless the budget counts bytes.
pub(super) fn slice_within(
    entries: &Entries,
    from: EntryId,
    count: usize,
    budget: &mut Budget,
) -> Result<EntrySlice, ColdBlocks> {
    let slice = |count| entries.slice(from, EntryId::MAX, count, Direction::Ascending);
    let whole = slice(count.min(budget.entries))?;
    let Some(bytes_max) = budget.bytes_max else {
        budget.take(whole.len(), 0);
        return Ok(whole);
    };
    // Without MAXSIZE the limit is far away: no entry is looked at.
    let estimate = whole.bytes_estimate() as u64;
    if !budget.is_exact {
        let bytes_at_most = 2 * estimate + 64 * whole.len() as u64;
        if budget.bytes + bytes_at_most < bytes_max {
            budget.take(whole.len(), bytes_at_most);
            return Ok(whole);
        }
    }
    // Entries of about so many are looked at one by one.
    let per_entry = (estimate / (whole.len() as u64).max(1)).max(1);
    let likely = bytes_max.saturating_sub(budget.bytes) / per_entry + 1;
    let whole = slice(whole.len().min(usize::try_from(likely).unwrap_or(usize::MAX)))?;
    let cold: Vec<_> = whole.cold().collect();
    if !cold.is_empty() {
        return Err(ColdBlocks(cold));
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
