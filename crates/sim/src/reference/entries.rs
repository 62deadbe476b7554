//! Commands on entries.

use std::collections::BTreeMap;
use std::rc::Rc;

use millstream_resp::Value;

use super::stream::{Entry, Stream};
use super::waiters::Signal;
use super::{Answer, Object, Peek, Reference, reply};
use crate::command::{Add, NewId, OnEntries, References, Text};
use crate::id::Id;

impl Reference {
    pub(super) fn on_entries(
        &mut self,
        command: &OnEntries,
        db: u8,
        peek: &mut dyn Peek,
    ) -> Answer {
        match command {
            OnEntries::Add(add) => self.add(add, db, peek),
            OnEntries::Trim(key, trim) => match self.stream(db, key)? {
                None => Ok(reply::int(0)),
                Some(_) => Ok(reply::int(self.trim(db, key, trim, peek) as u64)),
            },
            OnEntries::Delete(key, ids) => {
                if self.stream(db, key)?.is_none() {
                    return Ok(reply::int(0));
                }
                let stream = self.stream_mut(db, key);
                let deleted = ids.iter().filter(|id| stream.delete(**id)).count();
                Ok(reply::int(deleted as u64))
            }
            OnEntries::DeleteEx(key, references, ids) => {
                if self.stream(db, key)?.is_none() {
                    return Ok(Value::Array(vec![Value::Int(-1); ids.len()]));
                }
                let stream = self.stream_mut(db, key);
                let code = |id: &Id| Value::Int(delete_one(stream, *references, *id));
                let codes = ids.iter().map(code).collect();
                if *references == References::Delete {
                    self.free_places(db, key);
                }
                Ok(Value::Array(codes))
            }
            OnEntries::SetId { key, last_id, added, max_deleted_id } => {
                self.set_counters(db, key, *last_id, *added, *max_deleted_id)
            }
            OnEntries::Info(key) => self.stream_info(db, key),
            OnEntries::Configuration(key) => self.configuration(db, key),
            OnEntries::Configure { key, duration_s, per_producer, kept } => {
                self.set_retention(db, key, kept)?;
                self.configure(db, key, *duration_s, *per_producer)
            }
            OnEntries::RecordProduction { key, producer, iid, id } => {
                self.record_production(db, key, producer, iid, *id)
            }
            OnEntries::Range { key, from, to, count, is_reverse } => {
                let Some(stream) = self.stream(db, key)? else {
                    return Ok(Value::Array(Vec::new()));
                };
                if count.is_some_and(|count| count <= 0) {
                    return Ok(Value::NilArray);
                }
                let is_in = |entry: &&Entry| *from <= entry.id && entry.id <= *to;
                let mut found: Vec<_> = stream.entries.iter().filter(is_in).collect();
                if *is_reverse {
                    found.reverse();
                }
                let count = count.map_or(usize::MAX, |count| count as usize);
                Ok(Value::Array(found.into_iter().take(count).map(reply::entry).collect()))
            }
            OnEntries::Length(key) => {
                let stream = self.stream(db, key)?;
                Ok(reply::int(stream.map_or(0, |stream| stream.entries.len() as u64)))
            }
        }
    }

    fn configure(
        &mut self,
        db: u8,
        key: &[u8],
        duration_s: Option<u32>,
        per_producer: Option<u32>,
    ) -> Answer {
        let Some(stream) = self.stream(db, key)? else { return Err(reply::no_such_key()) };
        let before = &stream.idempotence;
        let duration_s = duration_s.unwrap_or(before.duration_s);
        let per_producer = per_producer.unwrap_or(before.per_producer);
        if (duration_s, per_producer) != (before.duration_s, before.per_producer) {
            let after = &mut self.stream_mut(db, key).idempotence;
            (after.duration_s, after.per_producer) = (duration_s, per_producer);
            after.producers.clear();
        }
        Ok(reply::ok())
    }

    fn record_production(
        &mut self,
        db: u8,
        key: &[u8],
        producer: &[u8],
        iid: &[u8],
        id: Id,
    ) -> Answer {
        let Some(stream) = self.stream(db, key)? else { return Err(reply::no_such_key()) };
        if !stream.has(id) {
            return Err(reply::error("ERR No such message in stream"));
        }
        match stream.idempotence.find(producer, iid) {
            Some(known) if known == id => {}
            Some(_) => return Err(reply::error(IID_TAKEN)),
            None => self.stream_mut(db, key).idempotence.remember(producer, iid, id),
        }
        Ok(reply::ok())
    }

    fn add(&mut self, add: &Add, db: u8, peek: &mut dyn Peek) -> Answer {
        if add.id == NewId::Exactly(Id::MIN) {
            return Err(reply::error("ERR The ID specified in XADD must be greater than 0-0"));
        }
        let key = &add.key;
        let wall_ms = self.now.wall_ms;
        let found = self.stream(db, key)?;
        if found.is_none() && add.no_create {
            return Ok(Value::NilBulk);
        }
        if let (Some(stream), Some((producer, iid))) = (found, &add.production)
            && let Some(id) = stream.idempotence.find(producer, iid)
        {
            self.stream_mut(db, key).idempotence.repeated += 1;
            return Ok(reply::id(id));
        }
        let last_id = found.map_or(Id::MIN, |stream| stream.last_id);
        let id = new_id(add.id, last_id, wall_ms).ok_or_else(|| {
            reply::error(
                "ERR The ID specified in XADD is equal or smaller than the target stream top item",
            )
        })?;
        self.make_room(db, key, &add.fields)?;
        let stream = self.append(db, key, id, add.fields.clone());
        if let Some((producer, iid)) = &add.production {
            stream.idempotence.remember(producer, iid, id);
        }
        if let Some(trim) = &add.trim {
            self.trim(db, key, trim, peek);
        }
        self.signal(Signal::Ready(db, key.clone()));
        Ok(reply::id(id))
    }

    pub(super) fn create_stream(&mut self, db: u8, key: &[u8]) {
        self.state.put(db, key, Object::Stream(Stream::new()), None);
        // It may have taken the place of an expired one.
        self.signal(Signal::Gone(db, key.to_vec()));
    }

    /// Adds an entry to a stream, which is there or is made.
    fn append(&mut self, db: u8, key: &[u8], id: Id, fields: Vec<(Text, Text)>) -> &mut Stream {
        if !self.is_there(db, key) {
            self.create_stream(db, key);
        }
        let stream = self.stream_mut(db, key);
        stream.entries.push(Entry { id, fields: Rc::new(fields) });
        stream.last_id = id;
        stream.added += 1;
        stream
    }

    /// XADD with an id that is generated, and nothing else. Whether the key takes it.
    pub(super) fn add_simply(&mut self, db: u8, key: &Text, fields: Vec<(Text, Text)>) -> bool {
        let Ok(found) = self.stream(db, key) else { return false };
        let last_id = found.map_or(Id::MIN, |stream| stream.last_id);
        let id = new_id(NewId::Auto, last_id, self.now.wall_ms).expect("ids go on for ever");
        if self.make_room(db, key, &fields).is_err() {
            return false;
        }
        self.append(db, key, id, fields);
        self.signal(Signal::Ready(db, key.clone()));
        true
    }

    /// What the program has forgotten by now.
    pub(crate) fn set_productions(
        &mut self,
        db: u8,
        key: &[u8],
        left: BTreeMap<Text, Vec<(Text, Id)>>,
    ) {
        self.stream_mut(db, key).idempotence.producers = left;
    }

    fn set_counters(
        &mut self,
        db: u8,
        key: &[u8],
        last_id: Id,
        added: Option<u64>,
        max_deleted_id: Option<Id>,
    ) -> Answer {
        if max_deleted_id.is_some_and(|id| last_id < id) {
            return Err(reply::error(
                "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id",
            ));
        }
        let Some(stream) = self.stream(db, key)? else { return Err(reply::no_such_key()) };
        if last_id < stream.max_deleted_id {
            return Err(reply::error(
                "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id",
            ));
        }
        if stream.entries.last().is_some_and(|entry| last_id < entry.id) {
            return Err(reply::error(
                "ERR The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if added.is_some_and(|added| added < stream.entries.len() as u64) {
            return Err(reply::error(
                "ERR The entries_added specified in XSETID is smaller than the target stream length",
            ));
        }
        let stream = self.stream_mut(db, key);
        stream.last_id = last_id;
        stream.added = added.unwrap_or(stream.added);
        let deleted = max_deleted_id.filter(|id| *id != Id::MIN);
        stream.max_deleted_id = deleted.unwrap_or(stream.max_deleted_id);
        Ok(reply::ok())
    }
}

const IID_TAKEN: &str = "ERR IID already exists for this producer with a different stream ID";

fn new_id(wanted: NewId, last_id: Id, wall_ms: u64) -> Option<Id> {
    match wanted {
        NewId::Auto if wall_ms > last_id.0 => Some(Id(wall_ms, 0)),
        NewId::Auto => Some(last_id.next()),
        NewId::In(ms) if ms > last_id.0 => Some(Id(ms, 0)),
        NewId::In(ms) if ms == last_id.0 => Some(last_id.next()),
        NewId::Exactly(id) if id > last_id => Some(id),
        NewId::In(_) | NewId::Exactly(_) => None,
    }
}

/// XDELEX of one id: 1 for deleted, 2 for kept, −1 for missing.
pub(super) fn delete_one(stream: &mut Stream, references: References, id: Id) -> i64 {
    if references == References::Acked && stream.is_referenced(id) {
        return 2;
    }
    if references == References::Delete {
        stream.remove_references(id);
    }
    if stream.delete(id) { 1 } else { -1 }
}
