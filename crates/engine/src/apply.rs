//! The parts that change one stream.
//!
//! The second half of [`State::apply`](crate::state::State::apply): decides nothing, and looks at
//! nothing but the part and the stream. Only changes of entries raise the version that WATCH
//! compares. Panics on a part that does not fit: the live path checked it, and recovery asks
//! `record/contradiction.rs` first. Tests: whatever runs in `tests/it`, above all `random.rs`.

use millstream_model::{BlockLimits, EntryId, GroupPolicy};

use crate::block_totals::BlockBytes;
use crate::mutation::Mutation;
use crate::object::{ObjectRef, ObjectSlot};
use crate::state::{State, Unit};

impl State {
    /// The steady clock of a later start begins at or behind this.
    pub(crate) fn note_time(&mut self, ms: u64) {
        self.time_max_ms = self.time_max_ms.max(ms);
    }

    /// Entries change: a WATCH must see it.
    fn changed(&mut self, object: ObjectRef) -> ObjectSlot {
        self.object_mut(object.slot).version += 1;
        object.slot
    }

    /// The most frequent part, for itself: the rest is one large function.
    #[inline]
    pub(crate) fn append(
        &mut self,
        object: ObjectRef,
        id: EntryId,
        fields: &[&[u8]],
        limits: BlockLimits,
    ) -> Unit {
        self.before_change(object);
        let found = self.object_mut(object.slot);
        found.version += 1;
        let stream = found.data.as_stream_mut().expect("the object is a stream");
        let before = BlockBytes::of(stream);
        stream.append(id, fields, limits);
        self.note_blocks(object, before);
        Unit::Object(object.slot)
    }

    pub(crate) fn apply_to_stream(&mut self, mutation: &Mutation<'_>) -> Unit {
        let object = mutation.stream().expect("parts of the directory are applied elsewhere");
        self.before_change(object);
        if mutation.is_of_group() {
            return self.apply_to_group(mutation);
        }
        let before = BlockBytes::of(self.stream(object.slot));
        let unit = self.change_stream(mutation);
        self.note_blocks(object, before);
        unit
    }

    /// To be called after each part that changes a stream. Most stores have no retention.
    #[inline]
    pub(crate) fn after_change(&mut self, mutation: &Mutation<'_>) {
        let is_set = matches!(mutation, Mutation::SetRetention { .. });
        if is_set || self.retaining != 0 {
            self.note_change(mutation);
        }
    }

    fn note_change(&mut self, mutation: &Mutation<'_>) {
        let is_set = matches!(mutation, Mutation::SetRetention { .. });
        if let Some(object) = mutation.stream()
            && (is_set || self.stream(object.slot).retention().is_some())
        {
            self.note_retention(object, mutation);
        }
    }

    fn change_stream(&mut self, mutation: &Mutation<'_>) -> Unit {
        match *mutation {
            Mutation::TrimBefore { object, id } => {
                self.stream_mut(object.slot).trim_before(id);
                Unit::Object(self.changed(object))
            }
            Mutation::RemoveEntries { object, ids, is_deletion, with_references } => {
                let stream = self.stream_mut(object.slot);
                let mut removed = false;
                for &id in ids {
                    if with_references {
                        stream.remove_references(id);
                    }
                    removed |= stream.remove_entry(id, is_deletion);
                }
                if removed {
                    self.changed(object);
                }
                if with_references {
                    self.list_work_of(object);
                }
                Unit::Object(object.slot)
            }
            Mutation::SetCounters { object, last_id, entries_added, max_deleted_id } => {
                let stream = self.stream_mut(object.slot);
                stream.set_counters(last_id, entries_added, max_deleted_id);
                Unit::Object(object.slot)
            }
            Mutation::SetIdempotence { object, limits } => {
                self.stream_mut(object.slot).idempotence_mut().set_limits(limits);
                Unit::Object(object.slot)
            }
            Mutation::Produced { object, producer, iid, id } => {
                self.stream_mut(object.slot).idempotence_mut().insert(producer, iid, id);
                self.producing.insert(object.id);
                Unit::Object(object.slot)
            }
            Mutation::CountDuplicate { object } => {
                self.stream_mut(object.slot).idempotence_mut().count_duplicate();
                Unit::Object(object.slot)
            }
            Mutation::ForgetProductions { object, cutoff_ms } => {
                self.stream_mut(object.slot).idempotence_mut().expire(cutoff_ms);
                Unit::Object(object.slot)
            }
            Mutation::SetProductionCounts { object, added, duplicates } => {
                self.stream_mut(object.slot).idempotence_mut().set_counts(added, duplicates);
                Unit::Object(object.slot)
            }
            Mutation::Schedule { .. }
            | Mutation::Unschedule { .. }
            | Mutation::CountScheduleFailures { .. } => self.apply_to_schedule(mutation),
            Mutation::SetRetention { object, retention } => {
                self.stream_mut(object.slot).set_retention(retention);
                Unit::Object(object.slot)
            }
            Mutation::DropEntries { object, before } => {
                // Says how many pending records went, too, of each group.
                let dropped = self.stream_mut(object.slot).drop_before(before);
                if dropped.entries > 0 {
                    self.changed(object);
                }
                if !dropped.pending.is_empty() {
                    self.list_work_of(object);
                }
                Unit::Object(object.slot)
            }
            _ => unreachable!("other parts are applied elsewhere"),
        }
    }

    /// The parts that come with every message first, and for themselves: the rest is one large
    /// function.
    #[inline]
    fn apply_to_group(&mut self, mutation: &Mutation<'_>) -> Unit {
        match *mutation {
            Mutation::Deliver {
                object,
                group,
                consumer,
                now_ms,
                position,
                entries_read,
                pending,
            } => {
                self.note_time(now_ms);
                let stream = self.stream_mut(object.slot);
                stream.deliver(group, consumer, now_ms, pending);
                stream.set_group_position(group, position, entries_read);
                stream.touch_consumer(group, consumer, now_ms, !pending.is_empty());
                self.flow.delivered += pending.len() as u64;
                self.list_group_work(object, group);
                Unit::Object(object.slot)
            }
            Mutation::RemovePending { object, group, ids, settled } => {
                let many = self.stream_mut(object.slot).remove_pending(group, ids, settled);
                self.flow.count(settled, many as u64);
                self.list_group_work(object, group);
                Unit::Object(object.slot)
            }
            Mutation::SetPending { object, group, by, now_ms, entries } => {
                self.note_time(now_ms);
                let stream = self.stream_mut(object.slot);
                let counted = stream.set_pending(group, entries);
                if let Some((consumer, became_active)) = by {
                    stream.touch_consumer(group, consumer, now_ms, became_active);
                }
                self.flow.add_set(&counted);
                self.list_group_work(object, group);
                Unit::Object(object.slot)
            }
            _ => self.apply_rest_to_group(mutation),
        }
    }

    fn apply_rest_to_group(&mut self, mutation: &Mutation<'_>) -> Unit {
        let unit = self.change_group(mutation);
        match *mutation {
            Mutation::SetPolicy { object, group, .. } => self.list_work_anew(object, group),
            Mutation::DestroyGroup { object, group } => self.list_managed_work(object, group),
            Mutation::CreateConsumer { object, group, .. }
            | Mutation::DeleteConsumer { object, group, .. } => self.list_group_work(object, group),
            _ => {}
        }
        unit
    }

    fn change_group(&mut self, mutation: &Mutation<'_>) -> Unit {
        match *mutation {
            Mutation::CreateGroup { object, group, name, position, entries_read } => {
                let stream = self.stream_mut(object.slot);
                stream.create_group(group, name, position, entries_read);
                Unit::Object(object.slot)
            }
            Mutation::SetGroupPosition { object, group, position, entries_read } => {
                let stream = self.stream_mut(object.slot);
                stream.set_group_position(group, position, entries_read);
                Unit::Object(object.slot)
            }
            Mutation::SetPolicy { object, group, ref policy } => {
                let policy = GroupPolicy::clone(policy);
                self.stream_mut(object.slot).set_group_policy(group, policy);
                Unit::Object(object.slot)
            }
            Mutation::NoteFailure { object, group, ref failure, ids } => {
                self.stream_mut(object.slot).set_failure(group, ids, failure);
                Unit::Object(object.slot)
            }
            Mutation::Hold { object, group, entries } => {
                self.stream_mut(object.slot).hold(group, entries);
                Unit::Object(object.slot)
            }
            Mutation::SetValues { object, group, entries } => {
                self.stream_mut(object.slot).set_values(group, entries);
                Unit::Object(object.slot)
            }
            Mutation::Unhold { object, group, ids, settled } => {
                self.stream_mut(object.slot).unhold(group, ids, settled);
                Unit::Object(object.slot)
            }
            Mutation::UnholdAll { object, group } => {
                self.stream_mut(object.slot).unhold_all(group);
                Unit::Object(object.slot)
            }
            Mutation::SetGroupCounters { object, group, counters } => {
                self.stream_mut(object.slot).set_group_counters(group, counters);
                Unit::Object(object.slot)
            }
            Mutation::DestroyGroup { object, group } => {
                let group = self.stream_mut(object.slot).destroy_group(group);
                self.garbage.add_group(group);
                Unit::Object(object.slot)
            }
            Mutation::CreateConsumer { object, group, consumer, name, now_ms } => {
                self.note_time(now_ms);
                let stream = self.stream_mut(object.slot);
                stream.create_consumer(group, consumer, name, now_ms);
                Unit::Object(object.slot)
            }
            Mutation::DeleteConsumer { object, group, consumer } => {
                self.stream_mut(object.slot).delete_consumer(group, consumer);
                Unit::Object(object.slot)
            }
            _ => unreachable!("parts of the directory are applied elsewhere"),
        }
    }
}
