//! What a stream drops by itself, entry by entry, and what it refuses for want of room.
//!
//! When the program drops what may go is its choice, up to a bound; that it may go is judged here.
//! Records of entries that were gone before go with those around them: how many follows from where
//! blocks end, so a look at the program says it.

use std::collections::{BTreeMap, BTreeSet};

use millstream_resp::Value;

use super::group::Group;
use super::policy::Settled;
use super::stream::{Entry, Stream};
use super::{Answer, Moment, Reference, reply};
use crate::command::{RetentionChange, Text};
use crate::id::Id;

/// What may go has gone so long after that, if the timer says that nothing is due.
const LATE_MS: u64 = 300;

const FULL_OF_ENTRIES: &str = "STREAMFULL the stream has as many entries as its MAXLEN allows, \
    and keeps them: acknowledge or delete some, or raise MAXLEN with XCFGSET";
const FULL_OF_BYTES: &str = "STREAMFULL the stream has as many bytes as its MAXBYTES allows, and \
    keeps them: acknowledge or delete entries, or raise MAXBYTES with XCFGSET";
const ENTRY_TOO_LARGE: &str = "STREAMFULL the entry alone has more bytes than the stream's \
    MAXBYTES: make it smaller, or raise MAXBYTES with XCFGSET";
const CONTRADICTION: &str = "ERR OVERFLOW DROP contradicts RETAIN UNACKED: what nobody has \
    acknowledged cannot give way to new entries. Set OVERFLOW to REJECT or NONE";

/// What a stream keeps. 0: there is no such limit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Retention {
    pub(crate) max_len: u64,
    pub(crate) max_age_ms: u64,
    pub(crate) max_bytes: u64,
    /// Only what every group has acknowledged may go.
    pub(crate) is_unacked: bool,
    /// Whether a new entry is refused rather than that an old one goes.
    pub(crate) rejects: Option<bool>,
}

impl Retention {
    pub(crate) fn is_set(&self) -> bool {
        *self != Self::default()
    }

    fn rejects(&self) -> bool {
        self.rejects.unwrap_or(self.is_unacked)
    }

    /// Bytes of an entry's names and values.
    ///
    /// # Errors
    /// They find no room even if all others go.
    pub(super) fn refuse_large(&self, fields: &[(Text, Text)]) -> Result<u64, &'static str> {
        let bytes = fields.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum();
        if self.max_bytes > 0 && bytes > self.max_bytes { Err(ENTRY_TOO_LARGE) } else { Ok(bytes) }
    }

    fn is_exceeded(&self, len: u64, bytes: u64) -> bool {
        self.max_len > 0 && len > self.max_len || self.max_bytes > 0 && bytes > self.max_bytes
    }

    pub(super) fn items(&self) -> Vec<(&'static str, Value)> {
        let word = |text: &str| reply::bulk(text.as_bytes());
        vec![
            ("MAXLEN", reply::int(self.max_len)),
            ("MAXAGE", reply::int(self.max_age_ms)),
            ("MAXBYTES", reply::int(self.max_bytes)),
            ("RETAIN", word(if self.is_unacked { "UNACKED" } else { "ALL" })),
            ("OVERFLOW", word(if self.rejects() { "REJECT" } else { "DROP" })),
        ]
    }
}

/// What the program has of a stream that keeps not everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) first: Option<Id>,
    pub(crate) groups: BTreeMap<Text, Open>,
}

/// What a group has still to do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    /// Pending and held.
    pub(crate) ids: BTreeSet<Id>,
    /// If it counts: how many went unsettled.
    pub(crate) dropped: Option<u64>,
}

pub(crate) type AllKept = BTreeMap<(u8, Text), Kept>;

/// Entries that may go and are still there, and since when.
pub(super) type Overdue = BTreeMap<(u8, Text, Id), u64>;

fn payload(entry: &Entry) -> u64 {
    entry.fields.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
}

impl Group {
    fn has_done_with(&self, id: Id) -> bool {
        id <= self.position && self.get(id).is_none() && !self.order.held.contains(&id)
    }

    fn open_ids(&self) -> BTreeSet<Id> {
        let pending = self.pending.iter().map(|pending| pending.id);
        pending.chain(self.order.held.iter().copied()).collect()
    }
}

impl Stream {
    pub(super) fn payload(&self) -> u64 {
        self.entries.iter().map(payload).sum()
    }

    /// The entries that are to go at that time; with a new one of so many bytes, so that it finds
    /// room.
    fn surplus(&self, now: Moment, added: Option<u64>) -> Vec<Id> {
        let kept = &self.retention;
        let mut len = self.entries.len() as u64 + u64::from(added.is_some());
        let mut bytes = self.payload() + added.unwrap_or(0);
        let mut surplus = Vec::new();
        for entry in &self.entries {
            let is_done = !self.groups.is_empty()
                && self.groups.values().all(|group| group.has_done_with(entry.id));
            let is_old = kept.max_age_ms > 0 && entry.id.0 + kept.max_age_ms <= now.wall_ms;
            let gives_way = kept.is_exceeded(len, bytes) && (kept.is_unacked || !kept.rejects());
            let has_limit = kept.max_len > 0 || kept.max_bytes > 0 || kept.max_age_ms > 0;
            let is_worked_off = kept.is_unacked && !has_limit;
            if kept.is_unacked && !is_done || !(is_old || gives_way || is_worked_off) {
                break;
            }
            surplus.push(entry.id);
            len -= 1;
            bytes -= payload(entry);
        }
        surplus
    }

    /// Whether a new entry of these fields finds room, and what goes for it.
    fn room(&self, now: Moment, fields: &[(Text, Text)]) -> Result<Vec<Id>, &'static str> {
        let kept = &self.retention;
        let added = kept.refuse_large(fields)?;
        let surplus = self.surplus(now, Some(added));
        let stay = || self.entries.iter().filter(|entry| !surplus.contains(&entry.id));
        if kept.max_len > 0 && stay().count() as u64 + 1 > kept.max_len {
            return Err(FULL_OF_ENTRIES);
        }
        if kept.max_bytes > 0 && stay().map(payload).sum::<u64>() + added > kept.max_bytes {
            return Err(FULL_OF_BYTES);
        }
        Ok(surplus)
    }
}

impl Reference {
    pub(super) fn set_retention(
        &mut self,
        db: u8,
        key: &[u8],
        change: &RetentionChange,
    ) -> Result<(), Value> {
        let Some(stream) = self.stream(db, key)? else { return Err(reply::no_such_key()) };
        let before = stream.retention.clone();
        let after = Retention {
            max_len: change.max_len.unwrap_or(before.max_len),
            max_age_ms: change.max_age_ms.unwrap_or(before.max_age_ms),
            max_bytes: change.max_bytes.unwrap_or(before.max_bytes),
            is_unacked: change.is_unacked.unwrap_or(before.is_unacked),
            rejects: change.rejects.unwrap_or(before.rejects),
        };
        if after.is_unacked && after.rejects == Some(false) {
            return Err(reply::error(CONTRADICTION));
        }
        self.stream_mut(db, key).retention = after;
        Ok(())
    }

    /// XCFGGET.
    pub(super) fn configuration(&mut self, db: u8, key: &[u8]) -> Answer {
        let Some(stream) = self.stream(db, key)? else { return Err(reply::no_such_key()) };
        let mut items = vec![
            ("IDMP-DURATION", reply::int(stream.idempotence.duration_s)),
            ("IDMP-MAXSIZE", reply::int(stream.idempotence.per_producer)),
        ];
        items.extend(stream.retention.items());
        Ok(reply::named(items))
    }

    /// A stream, if it is there, makes room for a new entry.
    ///
    /// # Errors
    /// It does not, and nothing has changed.
    pub(super) fn make_room(
        &mut self,
        db: u8,
        key: &Text,
        fields: &[(Text, Text)],
    ) -> Result<(), Value> {
        let now = self.now;
        let Some(stream) = self.stream(db, key)? else { return Ok(()) };
        let surplus = stream.room(now, fields).map_err(|text| {
            self.tally.full_streams += 1;
            reply::error(text)
        })?;
        self.tally.displaced += surplus.len() as u64;
        self.drop_entries(db, key, &surplus);
        Ok(())
    }

    /// The first entries of a stream go, and what groups have of them.
    fn drop_entries(&mut self, db: u8, key: &Text, ids: &[Id]) {
        let Some(&last) = ids.last() else { return };
        let kept = self.kept.get(&(db, key.clone())).cloned().unwrap_or_default();
        let stream = self.stream_mut(db, key);
        stream.entries.retain(|entry| !ids.contains(&entry.id));
        let next = stream.entries.first().map_or(Id::MAX, |entry| entry.id);
        let is_unacked = stream.retention.is_unacked;
        let settled = if is_unacked { Settled::Vanished } else { Settled::Dropped };
        for (name, group) in &mut stream.groups {
            let found = kept.groups.get(name).cloned().unwrap_or_default();
            let open = group.open_ids();
            let mut gone: Vec<Id> = open.iter().copied().filter(|id| *id <= last).collect();
            // Between the last that went and the first that stays: all of them without an entry.
            let between: Vec<Id> = open.into_iter().filter(|id| *id > last && *id < next).collect();
            let more = match found.dropped.filter(|_| !is_unacked) {
                Some(dropped) => {
                    let more = dropped.saturating_sub(group.counters.dropped + gone.len() as u64);
                    between.len().min(more as usize)
                }
                None => between.iter().take_while(|id| !found.ids.contains(id)).count(),
            };
            gone.extend(&between[..more]);
            for id in gone {
                if !group.remove(id, settled) {
                    group.order.forget(id);
                    group.counters.count(settled);
                }
            }
        }
        self.free_places(db, key);
    }

    /// What the timer has dropped of what may go: of each stream the first entries.
    pub(crate) fn recognise_drops(&self) -> Vec<(u8, Text, Vec<Id>)> {
        let mut drops = Vec::new();
        for ((db, key), kept) in &self.kept {
            let Some(stream) = self.state.stream(*db, key) else { continue };
            let may_go = stream.surplus(self.now, None).into_iter();
            let gone = may_go.take_while(|id| kept.first.is_none_or(|first| *id < first));
            let gone: Vec<Id> = gone.collect();
            if !gone.is_empty() {
                drops.push((*db, key.clone(), gone));
            }
        }
        drops
    }

    /// Does the same.
    pub(crate) fn drop_due(&mut self, db: u8, key: &Text, ids: &[Id]) {
        self.tally.retained += ids.len() as u64;
        self.drop_entries(db, key, ids);
    }

    /// Whether some stream drops something by itself.
    pub(crate) fn has_retention(&self) -> bool {
        self.retaining().next().is_some()
    }

    fn retaining(&self) -> impl Iterator<Item = (u8, &Text, &Stream)> {
        let keys = self.state.databases();
        let keys = keys.flat_map(|(db, keys)| keys.keys().map(move |key| (db, key)));
        let streams = keys.filter_map(|(db, key)| Some((db, key, self.state.stream(db, key)?)));
        streams.filter(|(.., stream)| stream.retention.is_set())
    }

    /// The program says that nothing is due: what may go has gone, but for what came just now.
    pub(super) fn check_dropped(&mut self) -> Result<(), String> {
        let now_ms = self.now.steady_ms;
        let mut overdue = Overdue::new();
        for (db, key, stream) in self.retaining() {
            let Some(&first) = stream.surplus(self.now, None).first() else { continue };
            let place = (db, key.clone(), first);
            let since_ms = self.overdue.get(&place).copied().unwrap_or(now_ms);
            if since_ms + LATE_MS < now_ms {
                return Err(format!("{db} {key:?} keeps {first}, which may go since {since_ms}"));
            }
            overdue.insert(place, since_ms);
        }
        self.overdue = overdue;
        Ok(())
    }
}
