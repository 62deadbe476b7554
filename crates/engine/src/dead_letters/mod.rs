//! Dead letters: what a group gives up on goes to another stream, in the same record group.
//!
//! An entry goes when it is used up: FATAL at once, MAXDELIVERIES when it would be handed out
//! again. Where the other stream does not take it (wrong type, full, or its own letters would come
//! back here) it stays pending, is not handed out, and is tried again after a second, doubling up
//! to a minute. `group_work.rs` says when. Tests: `tests/it/dead_letters.rs`.

mod letter;
mod requeue;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use millstream_model::{EntryId, Failure, GroupId, GroupPolicy, PendingEntry, Rejection, Settled};

use crate::entries::{AddRequest, NewId};
use crate::object::{ObjectData, ObjectRef};
use crate::transaction::Transaction;
use letter::{Circumstances, Reason};

pub use requeue::{LETTERS_MAX, LetterAction, LetterFilter, LettersDone};

/// One record group does not begin another letter beyond so many bytes: the rest is the timer's.
const RECORD_BYTES_MAX: usize = 1 << 20;
/// Streams looked at to see whether letters come back; a longer chain counts as one that does.
const CHAIN_MAX: usize = 64;

/// Of a letter, names of fields, ids, times and lengths, and what is logged with it.
const LETTER_BYTES: u64 = 512;

impl Transaction<'_> {
    /// Whether letters that go to `target` may end in the stream under `key` again, over the
    /// groups of the streams in between.
    pub(crate) fn leads_back(&mut self, db: u8, key: &[u8], target: &[u8]) -> bool {
        let mut seen: Vec<Arc<[u8]>> = vec![target.into()];
        let mut next = 0;
        while let Some(target) = seen.get(next).cloned() {
            if *target == *key || seen.len() > CHAIN_MAX {
                return true;
            }
            next += 1;
            let Ok(Some(stream)) = self.stream(db, &target) else { continue };
            let policies = stream.groups().filter_map(|(_, group)| group.policy());
            for policy in policies.filter(|policy| policy.dead_letters()) {
                let further = policy.letters_of(&target);
                if !seen.contains(&further) {
                    seen.push(further);
                }
            }
        }
        false
    }

    /// Refuses a policy that would have letters go where whoever asks may not write, unless they go
    /// there already.
    pub(crate) fn refuse_foreign_letters(
        &self,
        key: &[u8],
        policy: &GroupPolicy,
        before: Option<Arc<[u8]>>,
    ) -> Result<(), Rejection> {
        let Some(may_write) = &self.write_guard else { return Ok(()) };
        let target = policy.letters_of(key);
        if policy.dead_letters() && before.as_ref() != Some(&target) && !may_write(&target) {
            return Err(Rejection::KeyForbidden);
        }
        Ok(())
    }

    /// The same for all groups of a value that comes under a key; `from`: the key that it has.
    pub(crate) fn refuse_foreign_letters_of(
        &self,
        key: &[u8],
        data: &ObjectData,
        from: Option<&[u8]>,
    ) -> Result<(), Rejection> {
        if self.write_guard.is_none() {
            return Ok(());
        }
        let groups = data.as_stream().into_iter().flat_map(|stream| stream.groups());
        for policy in groups.filter_map(|(_, group)| group.policy()) {
            let before = from.filter(|_| policy.dead_letters()).map(|from| policy.letters_of(from));
            self.refuse_foreign_letters(key, policy, before)?;
        }
        Ok(())
    }

    /// Whether a value may go to another database under its key, as far as dead letters of its
    /// groups would go elsewhere then.
    ///
    /// # Errors
    /// [`Rejection::KeyForbidden`].
    pub fn check_move(&mut self, db: u8, key: &[u8]) -> Result<(), Rejection> {
        match self.find(db, key) {
            Some(object) => {
                self.refuse_foreign_letters_of(key, &self.state().object(object.slot).data, None)
            }
            None => Ok(()),
        }
    }

    /// Moves used-up entries of a group to its dead letters, as far as they are taken; part of the
    /// record group that was begun. Their blocks are in memory. Records of entries that are gone
    /// go. Returns whether all went.
    pub(crate) fn bury(&mut self, object: ObjectRef, group: GroupId, ids: &[EntryId]) -> bool {
        let (db, key) = self.state().place_of(object);
        let stream = self.state().stream(object.slot);
        let Some(policy) = stream.group(group).policy() else { return true };
        let target = policy.letters_of(&key);
        let mut result = Ok(());
        if self.leads_back(db, &key, &target) {
            result = Err(Rejection::DeadLettersComeBack);
        }
        let (mut buried, mut vanished) = (Vec::new(), Vec::new());
        for &id in ids {
            if self.record_bytes() > RECORD_BYTES_MAX {
                break;
            }
            let Some(record) = self.state().stream(object.slot).group(group).pending().get(id)
            else {
                continue;
            };
            let Some(entry) = self.entry(object, id) else {
                vanished.push(id);
                continue;
            };
            if result.is_ok() {
                let fields = self.letter(object, group, &key, &record, entry.as_ref());
                let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
                result = self.add_letter(db, &target, &fields);
                if result.is_ok() {
                    buried.push(id);
                }
            }
        }
        self.remove_pending(object, group, buried, Settled::DeadLettered);
        self.remove_pending(object, group, vanished, Settled::Vanished);
        if result.is_err() {
            self.core.state.stream_mut(object.slot).count_refused_letters(group);
            self.core.state.note_refused(object, group, self.steady_ms);
        } else {
            self.core.state.note_taken(object, group);
        }
        result.is_ok()
    }

    /// What moving a used-up entry logs, at most; its block is in memory.
    pub(crate) fn letter_bytes(&self, object: ObjectRef, group: GroupId, id: EntryId) -> u64 {
        let model = self.state().stream(object.slot).group(group);
        let (_, key) = self.state().place_of(object);
        let target = model.policy().map_or(0, |policy| policy.letters_of(&key).len());
        let owner = model.pending().get(id).and_then(|record| record.owner);
        let owner = owner.map_or(0, |owner| model.consumer(owner).name.len());
        let failure = model.pending().failure(id);
        let said = failure.map_or(0, |failure| failure.consumer.len() + failure.error.len());
        let data = self.entry(object, id).map_or(0, |entry| letter::json_len(entry.as_ref()));
        let names = key.len() + model.name().len() + target + owner;
        LETTER_BYTES + (names + said + data) as u64
    }

    fn add_letter(&mut self, db: u8, target: &[u8], fields: &[&[u8]]) -> Result<(), Rejection> {
        let request =
            AddRequest { id: NewId::Auto, no_create: false, trim: None, production: None };
        // The last block of the target may have to be loaded, and there is no way back here.
        let may_put_off = std::mem::replace(&mut self.may_put_off, false);
        let added = self.add(db, target, &request, fields);
        self.may_put_off = may_put_off;
        added.map(|_| ())
    }

    fn letter(
        &self,
        object: ObjectRef,
        group: GroupId,
        stream: &[u8],
        record: &PendingEntry,
        entry: millstream_model::EntryRef<'_>,
    ) -> Vec<Vec<u8>> {
        let model = self.state().stream(object.slot).group(group);
        let failure = model.pending().failure(record.id).map(|failure| Failure::clone(failure));
        let failure = failure.unwrap_or(Failure { consumer: [].into(), error: [].into() });
        let owner = record.owner.map(|owner| Arc::clone(&model.consumer(owner).name));
        let is_fatal = record.available_at_ms == PendingEntry::NEVER;
        let about = Circumstances {
            wall_ms: self.now.wall_ms,
            consumer: &owner.unwrap_or(failure.consumer),
            stream,
            group: model.name(),
            delivery_count: record.delivery_count,
            reason: if is_fatal { Reason::Fatal } else { Reason::MaxDeliveries },
            error: &failure.error,
        };
        letter::write(entry, &about)
    }
}
