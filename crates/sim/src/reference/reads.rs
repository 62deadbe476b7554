//! XREAD and XREADGROUP.

use millstream_resp::Value;

use super::group::Pending;
use super::policy::Settled;
use super::stream::Entry;
use super::{Reference, reply};
use crate::command::{From, Read, Reader, Text};
use crate::id::Id;

const NO_NOACK: &str = "ERR NOACK is not for a group with MAXINFLIGHT or ORDERBY: it must know \
                        what is in work";

/// What a read comes across that is new to its group.
#[derive(Default)]
struct Walk {
    new: Vec<Entry>,
    /// Of a group that orders by a field: what has to wait.
    hold: Vec<(Id, Text)>,
    passed: Vec<Id>,
}

impl Reference {
    /// Nothing: it may wait. `$` is replaced by what it means now.
    pub(super) fn read(&mut self, read: &mut Read, db: u8) -> Result<Option<Value>, Value> {
        let streams = match read.group.clone() {
            None => self.read_plain(read, db)?,
            Some(reader) => self.read_for_group(read, &reader, db)?,
        };
        Ok(Some(streams).filter(|streams| !streams.is_empty()).map(Value::Array))
    }

    fn read_plain(&mut self, read: &mut Read, db: u8) -> Result<Vec<Value>, Value> {
        for (key, from) in &mut read.streams {
            let found = self.stream(db, key)?;
            if *from == From::End {
                *from = From::After(found.map_or(Id::MIN, |stream| stream.last_id));
            }
        }
        let mut left = read.count_total.unwrap_or(usize::MAX);
        let mut shown = Vec::new();
        for (key, from) in &read.streams {
            let Some(stream) = self.stream(db, key)? else { continue };
            let count = read.count.unwrap_or(usize::MAX).min(left);
            let entries: Vec<&Entry> = match from {
                From::Last => stream.entries.last().into_iter().take(left).collect(),
                From::After(id) => {
                    stream.entries.iter().filter(|entry| entry.id > *id).take(count).collect()
                }
                From::End | From::New => unreachable!("resolved, or for groups"),
            };
            left -= entries.len();
            if !entries.is_empty() {
                shown.push(of_stream(key, entries.into_iter().map(reply::entry).collect()));
            }
        }
        Ok(shown)
    }

    fn read_for_group(
        &mut self,
        read: &Read,
        reader: &Reader,
        db: u8,
    ) -> Result<Vec<Value>, Value> {
        for (key, _) in &read.streams {
            let found = self.stream(db, key)?;
            let Some(group) = found.and_then(|stream| stream.groups.get(&reader.group)) else {
                return Err(reply::no_group_to_read(key, &reader.group));
            };
            if reader.noack && group.policy.tells_of_places() {
                return Err(reply::error(NO_NOACK));
            }
        }
        let now_ms = self.now.steady_ms;
        let mut left = read.count_total.unwrap_or(usize::MAX);
        let mut reader = reader.clone();
        let mut shown = Vec::new();
        for (key, from) in &read.streams {
            let group = self.group_mut(db, key, &reader.group);
            group.create_consumer(&reader.consumer, now_ms);
            group.saw(&reader.consumer, now_ms);
            if left == 0 {
                continue;
            }
            let count = read.count.unwrap_or(usize::MAX);
            let entries = match from {
                From::After(id) => {
                    // Behind a history nothing is claimed.
                    reader.claim_min_idle_ms = None;
                    Some(self.history(db, key, &reader, *id, count.min(left)))
                }
                _ => {
                    let found = self.new_entries(db, key, &reader, count, left);
                    Some(found).filter(|entries| !entries.is_empty())
                }
            };
            if let Some(entries) = entries {
                left -= entries.len();
                shown.push(of_stream(key, entries));
            }
        }
        Ok(shown)
    }

    /// The consumer's own pending entries above an id.
    fn history(
        &mut self,
        db: u8,
        key: &[u8],
        reader: &Reader,
        after: Id,
        count: usize,
    ) -> Vec<Value> {
        let now_ms = self.now.steady_ms;
        let stream = self.stream_mut(db, key);
        let group = stream.groups.get_mut(&reader.group).expect("the group was found");
        let is_own = |pending: &Pending| {
            pending.id > after && pending.owner.as_ref() == Some(&reader.consumer)
        };
        let own: Vec<Pending> =
            group.by_id().into_iter().filter(|p| is_own(p)).take(count).cloned().collect();
        let mut shown = Vec::new();
        for pending in own {
            let Some(entry) = stream.entries.iter().find(|entry| entry.id == pending.id) else {
                shown.push(Value::Array(vec![reply::id(pending.id), Value::NilArray]));
                continue;
            };
            group.set(pending.again(&reader.consumer, now_ms));
            group.touch(&reader.consumer, now_ms, false);
            shown.push(reply::entry(entry));
        }
        shown
    }

    /// What is claimed, then what is new.
    fn new_entries(
        &mut self,
        db: u8,
        key: &Text,
        reader: &Reader,
        count: usize,
        left: usize,
    ) -> Vec<Value> {
        let now_ms = self.now.steady_ms;
        let group = self.group_mut(db, key, &reader.group);
        if group.policy.is_paused {
            return Vec::new();
        }
        let mut shown = self.take_over(db, key, reader, count.min(left));
        let stream = self.stream_mut(db, key);
        let room = (count - shown.len()).min(left - shown.len());
        let group = &stream.groups[&reader.group];
        let is_full = group.places() < room;
        let room = room.min(group.places());
        self.tally.full += u64::from(is_full);
        let mut out = self.take_held(db, key, reader, room);
        let walk = self.walk(db, key, &reader.group, room - out.len());
        if !walk.passed.is_empty() {
            let stream = self.stream_mut(db, key);
            let advanced = stream.advanced(&stream.groups[&reader.group], &walk.passed);
            let group = stream.groups.get_mut(&reader.group).expect("the group was found");
            (group.position, group.read) = advanced;
            group.touch(&reader.consumer, now_ms, false);
            if !reader.noack {
                self.hand_out(db, key, reader, &walk.new);
            }
            self.hold(db, key, &reader.group, walk.hold);
            out.extend(walk.new);
        }
        shown.extend(out.iter().map(|entry| match reader.claim_min_idle_ms {
            Some(_) => reply::entry_with_counts(entry, 0, 0),
            None => reply::entry(entry),
        }));
        shown
    }

    /// Goes on from entry to entry until so many are found that may be handed out.
    fn walk(&mut self, db: u8, key: &[u8], name: &[u8], count: usize) -> Walk {
        let stream = self.state.stream(db, key).expect("it is read");
        let group = &stream.groups[name];
        let mut walk = Walk::default();
        let mut taken: Vec<Text> = Vec::new();
        for entry in stream.entries.iter().filter(|entry| entry.id > group.position) {
            if walk.new.len() == count {
                break;
            }
            // A managed group that was moved back passes over what is still pending.
            if group.policy.is_managed() && group.get(entry.id).is_some() {
                walk.passed.push(entry.id);
                continue;
            }
            let held = group.order.held.len() + walk.hold.len();
            if group.policy.order_by.is_some() && held >= self.held_max {
                self.tally.held_full += 1;
                break;
            }
            walk.passed.push(entry.id);
            match stream.order_value(group, entry.id) {
                Some(value) if group.order.is_taken(&value) || taken.contains(&value) => {
                    walk.hold.push((entry.id, value));
                }
                value => {
                    walk.new.push(entry.clone());
                    taken.extend(value);
                }
            }
        }
        walk
    }

    /// Takes over what is available. What has no entry any more is left alone, and goes if the
    /// group is managed.
    fn take_over(&mut self, db: u8, key: &Text, reader: &Reader, count: usize) -> Vec<Value> {
        let now_ms = self.now.steady_ms;
        let stream = self.stream_mut(db, key);
        let group = stream.groups.get_mut(&reader.group).expect("the group was found");
        let entry_of = |id: Id| stream.entries.iter().find(|entry| entry.id == id);
        let (mut taken, mut gone) = (Vec::new(), Vec::new());
        let mut places = group.places();
        for pending in group.available(reader, now_ms) {
            if taken.len() == count {
                break;
            }
            let takes_place = usize::from(pending.owner.is_none());
            if takes_place > places {
                continue;
            }
            match entry_of(pending.id) {
                Some(entry) => {
                    places -= takes_place;
                    taken.push((pending, entry));
                }
                None if group.policy.is_managed() => gone.push(pending.id),
                None => {}
            }
        }
        for &id in &gone {
            group.remove(id, Settled::Vanished);
        }
        for (pending, _) in &taken {
            group.set(pending.again(&reader.consumer, now_ms));
            group.touch(&reader.consumer, now_ms, true);
        }
        let show = |(pending, entry): &(Pending, &Entry)| {
            if reader.claim_min_idle_ms.is_none() {
                return reply::entry(entry);
            }
            let idle_ms = now_ms.saturating_sub(pending.at_ms);
            reply::entry_with_counts(entry, idle_ms, pending.deliveries)
        };
        let shown = taken.iter().map(show).collect();
        if !gone.is_empty() {
            self.free_places(db, key);
        }
        shown
    }
}

fn of_stream(key: &[u8], entries: Vec<Value>) -> Value {
    Value::Array(vec![reply::bulk(key), Value::Array(entries)])
}
