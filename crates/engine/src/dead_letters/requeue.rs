//! XDLQ, without its grammar: dead letters looked at, given back, thrown away.
//!
//! One call looks at a bounded number of entries and says where to go on, so nobody waits long for
//! the engine, whatever the stream's length. A letter that is given back goes in the same record
//! group. Tests: `tests/it/requeue.rs`.

use millstream_model::{Direction, EntryId, PendingEntry, PinnedEntry, Rejection};

use super::letter::Letter;
use crate::entries::{AddRequest, NewId};
use crate::mutation::Mutation;
use crate::object::ObjectRef;
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// Letters that one call deals with at most.
pub const LETTERS_MAX: usize = 1000;
/// A call does not go on beyond so many bytes of letters, nor of changes.
const BYTES_MAX: usize = 1 << 20;
/// A call looks at so many entries for each letter it may deal with.
const LOOKS_PER_LETTER: usize = 10;

/// What is logged for a letter that is given back, besides its data.
const REQUEUED_BYTES: usize = 128;

/// What is to be done with dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LetterAction {
    /// They are returned.
    List,
    /// Their entries are given back to the groups that gave them up.
    Requeue {
        /// Where the stream they came from is gone, it is made again.
        make_stream: bool,
    },
    /// They are deleted.
    Purge,
}

/// Which dead letters are meant: those that fit all that is said here.
#[derive(Clone, Copy, Debug)]
pub struct LetterFilter<'a> {
    /// Only these.
    pub ids: Option<&'a [EntryId]>,
    /// Only those of this group.
    pub group: Option<&'a [u8]>,
    /// Only those for this reason.
    pub reason: Option<&'a [u8]>,
    /// Only those of this consumer.
    pub consumer: Option<&'a [u8]>,
    /// Only those that are letters for so many milliseconds.
    pub min_age_ms: u64,
    /// So many at most; never more than [`LETTERS_MAX`].
    pub count: usize,
    /// Where to begin.
    pub cursor: EntryId,
}

/// What one call did.
#[derive(Clone, Debug, Default)]
pub struct LettersDone {
    /// How many letters were dealt with.
    pub done: usize,
    /// Of those, how many entries were added anew, since the entry or the group was gone.
    pub appended: usize,
    /// How many were meant and left alone: no letters, or their stream does not take them.
    pub skipped: usize,
    /// Where to go on; `0-0` at the end.
    pub cursor: EntryId,
    /// What was to be listed.
    pub listed: Vec<PinnedEntry>,
}

impl Transaction<'_> {
    /// Deals with some dead letters; with `is_dry` it only says what would be. `None`: there is no
    /// such key.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::BlocksNotLoaded`], [`Rejection::BlockUnreadable`],
    /// [`Rejection::NoLogRoom`].
    pub fn dead_letters(
        &mut self,
        db: u8,
        key: &[u8],
        action: LetterAction,
        filter: &LetterFilter<'_>,
        is_dry: bool,
    ) -> Result<Option<LettersDone>, Rejection> {
        let Some(object) = self.find_stream(db, key)? else { return Ok(None) };
        let count = filter.count.min(LETTERS_MAX);
        let mut result = LettersDone::default();
        let mut meant: Vec<(PinnedEntry, Letter)> = Vec::new();
        let mut looks = count.saturating_mul(LOOKS_PER_LETTER);
        let mut candidates = self.candidates(object, filter, looks.saturating_add(1))?.into_iter();
        for entry in candidates.by_ref() {
            if looks == 0 || meant.len() + result.skipped >= count {
                result.cursor = entry.as_ref().id();
                break;
            }
            looks -= 1;
            match Letter::read(entry.as_ref()) {
                Some(letter) if self.is_meant(entry.as_ref().id(), &letter, filter) => {
                    meant.push((entry, letter));
                }
                None if filter.ids.is_some() => result.skipped += 1,
                _ => {}
            }
        }
        if let LetterAction::Requeue { .. } = action {
            self.need_originals(db, &meant)?;
            // As much as if all of them were added anew.
            let data = meant.iter().map(|(_, letter)| letter.original_data.len());
            let bytes = data.sum::<usize>() + meant.len() * REQUEUED_BYTES;
            self.need_log_room(bytes as u64)?;
        }
        let mut gone = Vec::new();
        let mut bytes = 0;
        for (entry, letter) in meant {
            if bytes + self.record_bytes() > BYTES_MAX {
                result.cursor = entry.id();
                break;
            }
            bytes += letter.original_data.len();
            let is_done = match action {
                LetterAction::List | LetterAction::Purge => true,
                LetterAction::Requeue { make_stream } => {
                    self.requeue(db, key, &letter, make_stream, is_dry, &mut result)
                }
            };
            if !is_done {
                result.skipped += 1;
                continue;
            }
            result.done += 1;
            if action == LetterAction::List {
                result.listed.push(entry);
            } else {
                gone.push(entry.as_ref().id());
            }
        }
        if !gone.is_empty() && !is_dry {
            let ids = &gone;
            let (is_deletion, with_references) = (true, true);
            self.change(&Mutation::RemoveEntries { object, ids, is_deletion, with_references });
        }
        Ok(Some(result))
    }

    /// The entries to look at, in memory.
    fn candidates(
        &mut self,
        object: ObjectRef,
        filter: &LetterFilter<'_>,
        looks: usize,
    ) -> Result<Vec<PinnedEntry>, Rejection> {
        if let Some(ids) = filter.ids {
            let mut ids: Vec<_> = ids.iter().copied().filter(|id| *id >= filter.cursor).collect();
            ids.sort_unstable();
            ids.dedup();
            ids.truncate(looks);
            self.need_entries(object, ids.iter().copied())?;
            return Ok(ids.into_iter().filter_map(|id| self.entry(object, id)).collect());
        }
        loop {
            let entries = self.state().stream(object.slot).entries();
            let slice = entries.slice(filter.cursor, EntryId::MAX, looks, Direction::Ascending);
            let cold = match slice {
                Ok(slice) => {
                    let cold: Vec<_> = slice.cold().collect();
                    if cold.is_empty() {
                        return Ok(slice.pinned().collect());
                    }
                    cold
                }
                Err(cold) => cold.0,
            };
            self.need(object, cold)?;
        }
    }

    fn is_meant(&self, id: EntryId, letter: &Letter, filter: &LetterFilter<'_>) -> bool {
        let fits = |wanted: Option<&[u8]>, is: &[u8]| wanted.is_none_or(|wanted| wanted == is);
        self.now.wall_ms.saturating_sub(id.ms) >= filter.min_age_ms
            && fits(filter.group, &letter.group)
            && fits(filter.reason, &letter.reason)
            && fits(filter.consumer, &letter.consumer)
    }

    /// Makes sure that it is known which of the entries are still there.
    fn need_originals(&mut self, db: u8, meant: &[(PinnedEntry, Letter)]) -> Result<(), Rejection> {
        for (_, letter) in meant {
            if let Ok(Some(object)) = self.find_stream(db, &letter.stream) {
                self.need_entries(object, [letter.original_id])?;
            }
        }
        Ok(())
    }

    /// Gives an entry back to its group: as a pending one that nobody has, or where that cannot be
    /// as a new one. Whether it could.
    fn requeue(
        &mut self,
        db: u8,
        letters_key: &[u8],
        letter: &Letter,
        make_stream: bool,
        is_dry: bool,
        result: &mut LettersDone,
    ) -> bool {
        let key = &letter.stream[..];
        if self.write_guard.as_ref().is_some_and(|may_write| !may_write(key)) {
            return false;
        }
        let id = letter.original_id;
        let Ok(found) = self.find_stream(db, key) else { return false };
        if let Some(object) = found
            && self.has_entry(object, id)
            && let Some(group) = self.state().stream(object.slot).find_group(&letter.group)
        {
            let model = self.state().stream(object.slot).group(group);
            let is_new = id > model.last_delivered_id();
            let value = self.order_value(object, group, id);
            let is_known = is_new || model.pending().contains(id);
            if let (false, false, Some(value)) = (is_dry, is_known, value) {
                // It waits for its turn, which may have come already.
                self.change(&Mutation::Hold { object, group, entries: &[(id, value)] });
                self.signal(db, key, Signal::Ready);
            } else if !is_dry && !is_known {
                let entry = PendingEntry {
                    id,
                    owner: None,
                    delivered_at_ms: 0,
                    available_at_ms: 0,
                    delivery_count: 0,
                };
                let (now_ms, entries) = (self.steady_ms, &[entry]);
                self.change(&Mutation::SetPending { object, group, by: None, now_ms, entries });
                self.signal(db, key, Signal::Released);
            }
            return true;
        }
        // Into the stream that is being looked through it would be found again for ever.
        let (true, Some(fields)) = (key != letters_key, letter.fields()) else { return false };
        if found.is_none() && !make_stream {
            return false;
        }
        if !is_dry {
            let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
            let request =
                AddRequest { id: NewId::Auto, no_create: false, trim: None, production: None };
            let may_put_off = std::mem::replace(&mut self.may_put_off, false);
            let added = self.add(db, key, &request, &fields);
            self.may_put_off = may_put_off;
            if added.is_err() {
                return false;
            }
        }
        result.appended += 1;
        true
    }
}
