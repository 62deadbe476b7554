//! XREADGROUP: each entry to one consumer of the group.
//!
//! New entries, the consumer's own history, and what is idle (CLAIM). What is delivered is one part
//! for each stream and kind, whatever the number of entries. Tests: `tests/it/reads.rs`,
//! `tests/it/parked_claims.rs`.

use bytes::Bytes;
use millstream_model::{
    ColdBlock, ConsumerId, EntryId, EntrySlice, GroupId, GroupPolicy, PendingEntry, PinnedEntry,
    Rejection, Settled,
};

use super::listed_read;
use super::plain_read::slice_within;
use super::take_over::{TakeOver, free_places};
use super::{
    Budget, ClaimedEntry, GroupReader, ReadEntries, ReadFrom, ReadRequest, StreamRead, wire_size,
};
use crate::mutation::Mutation;
use crate::object::ObjectRef;
use crate::transaction::Transaction;

/// Pending entries of one read whose blocks are loaded from disk, at most.
const PENDING_MAX: usize = 16 << 10;

/// What a read returns whose new entries come one by one.
fn listed_entries(
    mut claimed: Vec<ClaimedEntry>,
    new: Vec<PinnedEntry>,
    is_claiming: bool,
) -> Option<ReadEntries> {
    if claimed.is_empty() && new.is_empty() {
        return None;
    }
    if is_claiming {
        let new = new.into_iter();
        claimed.extend(new.map(|entry| ClaimedEntry { entry, idle_ms: 0, delivery_count: 0 }));
        return Some(ReadEntries::WithClaims { claimed, new: EntrySlice::default() });
    }
    let again = claimed.into_iter().map(|claimed| claimed.entry).chain(new).collect();
    Some(ReadEntries::Redelivered { again, new: EntrySlice::default() })
}

/// Who reads from where.
#[derive(Clone, Copy)]
pub(crate) struct Reader {
    pub(crate) object: ObjectRef,
    pub(crate) group: GroupId,
    pub(crate) consumer: ConsumerId,
}

impl Transaction<'_> {
    pub(super) fn find_group_to_read(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
    ) -> Result<(ObjectRef, GroupId), Rejection> {
        let found = self.find_stream(db, key)?;
        found
            .and_then(|object| Some((object, self.state().stream(object.slot).find_group(group)?)))
            .ok_or_else(|| Rejection::NoGroupToRead { key: key.into(), group: group.into() })
    }

    pub(super) fn read_for_group(
        &mut self,
        request: &ReadRequest,
    ) -> Result<Vec<StreamRead>, Rejection> {
        let reader = request.group.as_ref().expect("a read for a group");
        let knows_work =
            |policy: &GroupPolicy| policy.in_flight_max > 0 || policy.order_by.is_some();
        for stream in &request.streams {
            let (object, group) =
                self.find_group_to_read(request.db, &stream.key, &reader.group)?;
            self.refuse_consumer(object, group, &reader.consumer)?;
            let group = self.state().stream(object.slot).group(group);
            if reader.noack && group.policy().is_some_and(knows_work) {
                return Err(Rejection::NoAckLimited);
            }
        }
        self.need_for_group(request)?;
        let mut budget = Budget::of(request);
        let mut claim = reader.claim_min_idle_ms;
        let mut read = Vec::with_capacity(1);
        for stream in &request.streams {
            let (object, group) =
                self.find_group_to_read(request.db, &stream.key, &reader.group)?;
            let consumer = self.consumer_or_create(object, group, &reader.consumer);
            let who = Reader { object, group, consumer };
            // A consumer is seen even where the budget leaves its stream out.
            let entries = match stream.from {
                ReadFrom::New if !budget.has_room() => None,
                ReadFrom::New => {
                    self.read_new(who, reader, claim, request, &stream.key, &mut budget)
                }
                ReadFrom::After(_) if !budget.has_room() => None,
                ReadFrom::After(after) => {
                    // As in Redis: history ends claiming for the streams behind it.
                    claim = None;
                    Some(self.read_history(who, after, request.count, &stream.key, &mut budget))
                }
                ReadFrom::Last | ReadFrom::End => unreachable!("for XREAD only"),
            };
            match entries {
                Some(entries) => read.push(StreamRead { key: stream.key.clone(), entries }),
                None => self.saw(who),
            }
        }
        Ok(read)
    }

    /// Makes sure that every entry that the read may look at is in memory, before it changes
    /// anything. Each stream is looked at as if the reply had room for all of it.
    fn need_for_group(&mut self, request: &ReadRequest) -> Result<(), Rejection> {
        let reader = request.group.as_ref().expect("a read for a group");
        for stream in &request.streams {
            let (object, group) =
                self.find_group_to_read(request.db, &stream.key, &reader.group)?;
            while self.has_cold(object) {
                let cold = self.cold_for_group(object, group, request, stream.from);
                if cold.is_empty() {
                    break;
                }
                self.need(object, cold)?;
            }
        }
        Ok(())
    }

    fn cold_for_group(
        &self,
        object: ObjectRef,
        group: GroupId,
        request: &ReadRequest,
        from: ReadFrom,
    ) -> Vec<ColdBlock> {
        let reader = request.group.as_ref().expect("a read for a group");
        let stream = self.state().stream(object.slot);
        let group = stream.group(group);
        let count = request.count.unwrap_or(usize::MAX);
        let count_max = count.min(PENDING_MAX);
        // Records of entries that are gone do not count.
        let look = |record: PendingEntry| match stream.entries().contains(record.id) {
            Ok(is_there) => is_there.then_some(None),
            Err(cold) => Some(Some(cold)),
        };
        let mut cold: Vec<ColdBlock> = match from {
            ReadFrom::New => {
                let take_over = TakeOver::of(group, reader, reader.claim_min_idle_ms);
                take_over.map_or_else(Vec::new, |take_over| {
                    let taken = take_over.taken(group, self.steady_ms, look);
                    taken.take(count_max).flatten().collect()
                })
            }
            ReadFrom::After(after) => {
                let own = group.find_consumer(&reader.consumer).zip(after.next());
                let own = own.map(|(who, from)| group.pending().range_of(who, from, EntryId::MAX));
                own.into_iter().flatten().filter_map(look).take(count_max).flatten().collect()
            }
            ReadFrom::Last | ReadFrom::End => Vec::new(),
        };
        if from == ReadFrom::New && listed_read::is_listed(group) {
            cold.extend(self.cold_for_listed(stream, group, count, Budget::of(request)));
        } else if from == ReadFrom::New
            && let Some(from) = group.last_delivered_id().next()
        {
            match slice_within(stream.entries(), from, count, &mut Budget::of(request)) {
                Ok(slice) => cold.extend(slice.cold()),
                Err(needed) => cold.extend(needed.0),
            }
        }
        cold.sort_unstable_by_key(|cold| cold.first);
        cold.dedup();
        cold
    }

    /// The consumer tried; nothing else changed. Not logged: times of attempts ride in other
    /// records.
    pub(crate) fn saw(&mut self, who: Reader) {
        let now_ms = self.steady_ms;
        // A checkpoint may show it: no later start may be before.
        self.core.state.note_time(now_ms);
        let stream = self.core.state.stream_mut(who.object.slot);
        stream.touch_consumer(who.group, who.consumer, now_ms, false);
    }

    pub(crate) fn consumer_or_create(
        &mut self,
        object: ObjectRef,
        group: GroupId,
        name: &[u8],
    ) -> ConsumerId {
        let model = self.state().stream(object.slot).group(group);
        if let Some(consumer) = model.find_consumer(name) {
            return consumer;
        }
        let consumer = model.next_consumer_id();
        let now_ms = self.steady_ms;
        self.change(&Mutation::CreateConsumer { object, group, consumer, name, now_ms });
        consumer
    }

    fn read_new(
        &mut self,
        who: Reader,
        reader: &GroupReader,
        claim: Option<u64>,
        request: &ReadRequest,
        key: &Bytes,
        budget: &mut Budget,
    ) -> Option<ReadEntries> {
        budget.start_stream(key);
        let count = request.count.unwrap_or(usize::MAX);
        let group = self.state().stream(who.object.slot).group(who.group);
        if group.policy().is_some_and(|policy| policy.is_paused) {
            return None;
        }
        let claimed = match TakeOver::of(group, reader, claim) {
            Some(take_over) => {
                let bytes = if claim.is_some() { wire_size::CLAIM_BYTES } else { 0 };
                self.claim_idle(who, take_over, count, bytes, budget)
            }
            None => Vec::new(),
        };
        let stream = self.state().stream(who.object.slot);
        let group = stream.group(who.group);
        let left = if budget.has_room() { count - claimed.len() } else { 0 };
        let left = left.min(free_places(group));
        if listed_read::is_listed(group) {
            let new = self.read_listed(who, left, reader.noack, budget);
            return listed_entries(claimed, new, claim.is_some());
        }
        let from = group.last_delivered_id().next();
        // No entry is above the largest id, so an empty slice says "nothing" there.
        let new = slice_within(
            stream.entries(),
            from.unwrap_or(EntryId::MAX),
            if from.is_some() { left } else { 0 },
            budget,
        )
        .expect("what is delivered is in memory");
        if !new.is_empty() {
            let (position, entries_read) = stream.position_after(group, new.ids());
            let mut ids = self.take_ids();
            ids.extend(new.ids());
            self.core.queue_wait.add(self.now.wall_ms, &ids);
            if reader.noack {
                ids.clear();
            }
            self.change(&Mutation::Deliver {
                object: who.object,
                group: who.group,
                consumer: who.consumer,
                now_ms: self.steady_ms,
                position,
                entries_read,
                pending: &ids,
            });
            self.keep_ids(ids);
        }
        if claimed.is_empty() && new.is_empty() {
            return None;
        }
        Some(match claim {
            Some(_) => ReadEntries::WithClaims { claimed, new },
            None if claimed.is_empty() => ReadEntries::Plain(new),
            None => {
                let again = claimed.into_iter().map(|claimed| claimed.entry).collect();
                ReadEntries::Redelivered { again, new }
            }
        })
    }

    /// Takes over what has been pending for long enough, longest first. Records of entries that are
    /// gone are passed over and stay as they are; those of a managed group go.
    fn claim_idle(
        &mut self,
        who: Reader,
        take_over: TakeOver,
        count: usize,
        more_bytes: u64,
        budget: &mut Budget,
    ) -> Vec<ClaimedEntry> {
        let now_ms = self.steady_ms;
        let stream = self.state().stream(who.object.slot);
        let is_managed = stream.group(who.group).policy().is_some();
        let mut claimed = Vec::new();
        let mut changes = Vec::new();
        let mut gone = Vec::new();
        let group = stream.group(who.group);
        let look = |pending: PendingEntry| match stream.entries().get(pending.id) {
            Ok(Some(entry)) => Some(Some((pending, entry))),
            Ok(None) => {
                if is_managed {
                    gone.push(pending.id);
                }
                None
            }
            // More than one read looks at.
            Err(_) => Some(None),
        };
        let mut taken = take_over.taken(group, now_ms, look);
        while claimed.len() < count && budget.has_room() {
            let Some(Some((pending, entry))) = taken.next() else { break };
            budget.take(1, wire_size::entry(entry.as_ref()) + more_bytes);
            let idle_ms = now_ms.saturating_sub(pending.delivered_at_ms);
            let delivery_count = pending.delivery_count;
            claimed.push(ClaimedEntry { entry, idle_ms, delivery_count });
            changes.push(pending.delivered_again(who.consumer, now_ms));
        }
        let stale = taken.into_stale();
        if !stale.is_empty() {
            self.core.state.stream_mut(who.object.slot).settle(who.group, &stale);
            self.core.state.list_group_work(who.object, who.group);
        }
        if !gone.is_empty() {
            self.remove_pending(who.object, who.group, gone, Settled::Vanished);
        }
        if !changes.is_empty() {
            self.set_pending(who, true, &changes);
        }
        claimed
    }

    fn read_history(
        &mut self,
        who: Reader,
        after: EntryId,
        count: Option<usize>,
        key: &Bytes,
        budget: &mut Budget,
    ) -> ReadEntries {
        budget.start_stream(key);
        let now_ms = self.steady_ms;
        let stream = self.state().stream(who.object.slot);
        let pending = stream.group(who.group).pending();
        let mut read = Vec::new();
        let mut changes = Vec::new();
        if let Some(from) = after.next() {
            let own = pending.range_of(who.consumer, from, EntryId::MAX);
            for record in own.take(count.unwrap_or(usize::MAX)) {
                if !budget.has_room() {
                    break;
                }
                // More than one read looks at.
                let Ok(entry) = stream.entries().get(record.id) else { break };
                let bytes = match &entry {
                    Some(entry) => wire_size::entry(entry.as_ref()),
                    None => wire_size::GONE_ENTRY_BYTES,
                };
                budget.take(1, bytes);
                if entry.is_some() {
                    changes.push(record.delivered_again(who.consumer, now_ms));
                }
                read.push((record.id, entry));
            }
        }
        if changes.is_empty() {
            self.saw(who);
        } else {
            self.set_pending(who, false, &changes);
        }
        ReadEntries::History(read)
    }

    pub(crate) fn set_pending(
        &mut self,
        who: Reader,
        became_active: bool,
        entries: &[PendingEntry],
    ) {
        self.change(&Mutation::SetPending {
            object: who.object,
            group: who.group,
            by: Some((who.consumer, became_active)),
            now_ms: self.steady_ms,
            entries,
        });
    }
}
