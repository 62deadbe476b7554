//! Rolls keys, names and ids of a small world.

use std::cmp::Reverse;

use crate::command::{References, Text, Trim, TrimBy};
use crate::dice::Dice;
use crate::id::Id;
use crate::reference::{Moment, State, Stream};

const STREAMS: [&str; 3] = ["a", "b", "c"];
/// Some of those that dead letters go to.
const LETTERS: [&str; 2] = ["a:dlq", "d"];
const STRINGS: [&str; 2] = ["s", "t"];
const GROUPS: [&str; 2] = ["g", "h"];
const NAMES: [&str; 3] = ["x", "y", "z"];
/// Names that consumers have.
pub(crate) const CONSUMERS: usize = NAMES.len();
const PRODUCERS: [&str; 2] = ["p", "q"];
/// Databases that clients use.
pub(crate) const DATABASES: u8 = 2;

/// The dice of a step, with what its client can know.
pub(crate) struct Roller<'a> {
    pub(crate) dice: Dice,
    pub(crate) state: &'a State,
    pub(crate) db: u8,
    pub(crate) now: Moment,
    /// Groups order by a field, and are worked for.
    pub(crate) favours_order: bool,
    /// Values that DUMP gave.
    pub(crate) payloads: Vec<&'a Text>,
}

impl Roller<'_> {
    fn word(&mut self, words: &[&str]) -> Text {
        self.dice.pick(words).as_bytes().to_vec()
    }

    /// Mostly the first: things must meet. Sometimes of the wrong type.
    pub(super) fn stream_key(&mut self) -> Text {
        match self.dice.roll(24) {
            0 => self.word(&STRINGS),
            12 | 13 => self.word(&LETTERS),
            1..=11 => STREAMS[0].as_bytes().to_vec(),
            _ => self.word(&STREAMS),
        }
    }

    pub(super) fn string_key(&mut self) -> Text {
        if self.dice.once_in(12) { self.word(&STREAMS) } else { self.word(&STRINGS) }
    }

    pub(super) fn any_key(&mut self) -> Text {
        if self.dice.once_in(3) { self.word(&STRINGS) } else { self.word(&STREAMS) }
    }

    /// Two keys, mostly for values of one type.
    pub(super) fn related_keys(&mut self) -> (Text, Text) {
        match self.dice.roll(8) {
            0 => (self.any_key(), self.any_key()),
            1 | 2 => (self.word(&STRINGS), self.word(&STRINGS)),
            _ => (self.word(&STREAMS), self.word(&STREAMS)),
        }
    }

    /// Whether a string stands where most want a stream.
    pub(super) fn is_misplaced(&self, key: &[u8]) -> bool {
        let is_for_streams = STREAMS.iter().any(|name| name.as_bytes() == key);
        let is_there = self.state.database(self.db).contains_key(key);
        is_for_streams && is_there && self.stream(key).is_none()
    }

    pub(super) fn two_keys(&mut self) -> Vec<Text> {
        let first = self.dice.index(STREAMS.len());
        let second = (first + 1) % STREAMS.len();
        [first, second].map(|at| STREAMS[at].as_bytes().to_vec()).to_vec()
    }

    pub(super) fn group(&mut self) -> Text {
        if self.dice.once_in(3) { self.word(&GROUPS) } else { GROUPS[0].as_bytes().to_vec() }
    }

    pub(super) fn consumer(&mut self) -> Text {
        self.word(&NAMES)
    }

    pub(super) fn producer(&mut self) -> Text {
        self.word(&PRODUCERS)
    }

    pub(super) fn iid(&mut self) -> Text {
        self.dice.roll(6).to_string().into_bytes()
    }

    pub(super) fn value(&mut self) -> Text {
        let length = match self.dice.roll(40) {
            0 => 400 + self.dice.index(2000),
            1..=4 => 60 + self.dice.index(300),
            _ => self.dice.index(12),
        };
        let letter = b'a' + self.dice.roll(26) as u8;
        vec![letter; length]
    }

    pub(super) fn stream(&self, key: &[u8]) -> Option<&Stream> {
        self.state.stream(self.db, key)
    }

    /// An id near the end of a stream, used or not.
    pub(super) fn id_near(&mut self, key: &[u8]) -> Id {
        let last = self.stream(key).map_or(Id(self.now.wall_ms, 0), |stream| stream.last_id);
        let ids = self.stream(key).map(Stream::ids).unwrap_or_default();
        match self.dice.roll(8) {
            0 => Id(last.0 + self.dice.roll(3), self.dice.roll(4)),
            1 => Id(last.0.saturating_sub(self.dice.roll(40)), self.dice.roll(3)),
            _ if ids.is_empty() => last,
            // The first few have been around for longest, so most happens to them.
            2..=5 => ids[self.dice.index(ids.len().min(8))],
            _ => ids[self.dice.index(ids.len())],
        }
    }

    pub(super) fn ids_near(&mut self, key: &[u8]) -> Vec<Id> {
        (0..1 + self.dice.roll(4)).map(|_| self.id_near(key)).collect()
    }

    /// Ids that are pending, the longest pending first; now and then others.
    pub(super) fn pending_ids(
        &mut self,
        key: &[u8],
        group: &[u8],
        owner: Option<&[u8]>,
    ) -> Vec<Id> {
        let pending = self.stream(key).and_then(|stream| stream.groups.get(group));
        let mut found: Vec<Id> = Vec::new();
        if let Some(group) = pending {
            let mut pending: Vec<_> = group.pending.iter().collect();
            pending.sort_by_key(|p| (Reverse(p.owner.as_deref() == owner), p.id));
            found = pending.into_iter().map(|pending| pending.id).collect();
        }
        let count = 1 + self.dice.index(5);
        if found.is_empty() || self.dice.once_in(8) {
            return self.ids_near(key);
        }
        found.truncate(count);
        if self.dice.once_in(6) {
            found.push(self.id_near(key));
        }
        found
    }

    pub(super) fn references(&mut self) -> References {
        self.dice.pick(&[References::Keep, References::Keep, References::Delete, References::Acked])
    }

    pub(super) fn trim(&mut self, key: &[u8]) -> Trim {
        let by = if self.dice.once_in(3) {
            TrimBy::MinId(self.id_near(key))
        } else {
            TrimBy::MaxLen(5 + self.dice.roll(25))
        };
        let approximate = self.dice.once_in(2);
        let limit = self.dice.sometimes(3, |dice| dice.roll(6)).filter(|_| approximate);
        Trim { by, approximate, limit, references: self.references() }
    }
}
