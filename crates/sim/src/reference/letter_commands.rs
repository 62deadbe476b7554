//! XDLQ: dead letters are listed, given back, thrown away.

use millstream_resp::Value;

use super::group::Pending;
use super::stream::Entry;
use super::waiters::Signal;
use super::{Answer, Reference, json, reply};
use crate::command::{LetterAction, OnLetters, Text};
use crate::id::Id;

const COUNT_DEFAULT: usize = 100;
/// A call looks at so many entries for each letter it may deal with.
const LOOKS_PER_LETTER: usize = 10;

/// What a dead letter says, as far as anybody asks.
struct Letter {
    entry: Entry,
    original_id: Id,
    data: Text,
    stream: Text,
    group: Text,
    reason: Text,
    consumer: Text,
}

impl Letter {
    fn of(entry: &Entry) -> Option<Self> {
        let field = |wanted: &str| {
            let found = entry.fields.iter().find(|(name, _)| name == wanted.as_bytes());
            found.map(|(_, value)| value.clone())
        };
        Some(Self {
            entry: entry.clone(),
            original_id: Id::parse(&field("original_id")?)?,
            data: field("original_data")?,
            stream: field("stream")?,
            group: field("group").unwrap_or_default(),
            reason: field("reason").unwrap_or_default(),
            consumer: field("consumer").unwrap_or_default(),
        })
    }

    fn is_meant(&self, command: &OnLetters, wall_ms: u64) -> bool {
        let fits = |wanted: &Option<Text>, is: &Text| wanted.as_ref().is_none_or(|w| w == is);
        wall_ms.saturating_sub(self.entry.id.0) >= command.min_age_ms.unwrap_or(0)
            && fits(&command.group, &self.group)
            && fits(&command.reason, &self.reason)
            && fits(&command.consumer, &self.consumer)
    }
}

/// What came of giving an entry back.
enum Requeued {
    Back,
    Appended,
    Refused,
}

impl Reference {
    pub(super) fn on_letters(&mut self, command: &OnLetters, db: u8) -> Answer {
        let key = &command.key;
        let wall_ms = self.now.wall_ms;
        let entries = self.stream(db, key)?.map(|s| s.entries.clone()).unwrap_or_default();
        let count = command.count.unwrap_or(COUNT_DEFAULT);
        let is_named = |id| command.ids.as_ref().is_none_or(|ids| ids.contains(&id));
        let from = command.cursor.unwrap_or(Id::MIN);
        let candidates = entries.iter().filter(|entry| entry.id >= from && is_named(entry.id));
        let (mut meant, mut skipped, mut cursor) = (Vec::new(), 0, Id::MIN);
        for (looks, entry) in candidates.enumerate() {
            if looks == count * LOOKS_PER_LETTER || meant.len() + skipped >= count {
                cursor = entry.id;
                break;
            }
            match Letter::of(entry) {
                Some(letter) if letter.is_meant(command, wall_ms) => meant.push(letter),
                None if command.ids.is_some() => skipped += 1,
                _ => {}
            }
        }
        let (mut done, mut appended) = (Vec::new(), 0);
        for letter in meant {
            let requeued = match command.action {
                LetterAction::List | LetterAction::Purge => Requeued::Back,
                LetterAction::Requeue { make_stream } => {
                    self.requeue(db, key, &letter, make_stream, command.is_dry)
                }
            };
            match requeued {
                Requeued::Refused => skipped += 1,
                Requeued::Appended => appended += 1,
                Requeued::Back => {}
            }
            if !matches!(requeued, Requeued::Refused) {
                done.push(letter.entry);
            }
        }
        let is_list = command.action == LetterAction::List;
        if !is_list && !command.is_dry && !done.is_empty() {
            let stream = self.stream_mut(db, key);
            for entry in &done {
                stream.remove_references(entry.id);
                stream.delete(entry.id);
            }
            self.free_places(db, key);
        }
        let what = match is_list {
            true => Value::Array(done.iter().map(reply::entry).collect()),
            false => reply::int(done.len() as u64),
        };
        let mut parts = vec![what, reply::int(skipped as u64), reply::id(cursor)];
        if let LetterAction::Requeue { .. } = command.action {
            parts.push(reply::int(appended));
        }
        Ok(Value::Array(parts))
    }

    /// The entry becomes pending again in its group, which has had it; where that cannot be it is
    /// added anew.
    fn requeue(
        &mut self,
        db: u8,
        letters_key: &Text,
        letter: &Letter,
        make_stream: bool,
        is_dry: bool,
    ) -> Requeued {
        let (key, id) = (&letter.stream, letter.original_id);
        let Ok(found) = self.stream(db, key) else { return Requeued::Refused };
        let group = found.filter(|stream| stream.has(id)).and_then(|s| s.groups.get(&letter.group));
        if let Some(group) = group {
            let is_settled = id <= group.position && group.get(id).is_none();
            let value = found.and_then(|stream| stream.order_value(group, id));
            if is_settled && !is_dry {
                self.tally.requeued += 1;
                if let Some(value) = value {
                    // It waits for its turn, which may have come already.
                    self.hold(db, key, &letter.group, vec![(id, value)]);
                    self.signal(Signal::Ready(db, key.clone()));
                    return Requeued::Back;
                }
                self.group_mut(db, key, &letter.group).set(Pending::free(id, 0));
                self.free_places(db, key);
                self.signal(Signal::Released(db, key.clone()));
            }
            return Requeued::Back;
        }
        let is_there = found.is_some();
        let Some(fields) = json::read(&letter.data) else { return Requeued::Refused };
        // Among the letters it would be found again for ever.
        if key == letters_key || !is_there && !make_stream {
            return Requeued::Refused;
        }
        if !is_dry && !self.add_simply(db, key, fields) {
            return Requeued::Refused;
        }
        Requeued::Appended
    }
}
