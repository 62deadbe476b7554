//! What producers send.

use super::Roller;
use crate::command::{Add, Command, NewId, OnEntries, OnKeys, RetentionChange, Text};
use crate::id::Id;

impl Roller<'_> {
    pub(super) fn produce(&mut self) -> Command {
        let key = self.stream_key();
        if self.is_misplaced(&key) && self.dice.once_in(4) {
            return Command::Keys(OnKeys::Delete(vec![key]));
        }
        let command = match self.dice.roll(48) {
            43.. => return self.look_after_schedule(),
            40 | 41 => self.retention(key),
            42 => OnEntries::Configuration(key),
            0..=25 => self.add(key),
            26 | 27 => {
                let trim = self.trim(&key);
                OnEntries::Trim(key, trim)
            }
            28 | 29 => {
                let ids = self.ids_near(&key);
                OnEntries::Delete(key, ids)
            }
            30 | 31 => {
                let (references, ids) = (self.references(), self.ids_near(&key));
                OnEntries::DeleteEx(key, references, ids)
            }
            32 => self.set_id(key),
            33 => {
                let duration_s = self.dice.sometimes(2, |dice| 1 + dice.roll(3) as u32);
                let per_producer = Some(1 + self.dice.roll(4) as u32);
                let kept = RetentionChange::default();
                OnEntries::Configure { key, duration_s, per_producer, kept }
            }
            34 => {
                let (producer, iid, id) = (self.producer(), self.iid(), self.id_near(&key));
                OnEntries::RecordProduction { key, producer, iid, id }
            }
            35..=37 => {
                let (a, b) = (self.id_near(&key), self.id_near(&key));
                let is_whole = self.dice.once_in(3);
                let (from, to) = if is_whole { (Id::MIN, Id::MAX) } else { (a.min(b), a.max(b)) };
                let count = self.dice.sometimes(2, |dice| dice.roll(6) as i64);
                OnEntries::Range { key, from, to, count, is_reverse: self.dice.once_in(2) }
            }
            38 => OnEntries::Info(key),
            _ => OnEntries::Length(key),
        };
        Command::Entries(command)
    }

    fn add(&mut self, key: Text) -> OnEntries {
        let last = self.stream(&key).map_or(Id::MIN, |stream| stream.last_id);
        let production = self.dice.once_in(6).then(|| (self.producer(), self.iid()));
        let id = match self.dice.roll(6) {
            _ if production.is_some() => NewId::Auto,
            0 => NewId::In(last.0.max(self.now.wall_ms - 5) + self.dice.roll(4)),
            1 => NewId::Exactly(Id(last.0 + self.dice.roll(3), self.dice.roll(5))),
            _ => NewId::Auto,
        };
        let length = self.stream(&key).map_or(0, |stream| stream.entries.len());
        // Streams stay short: comparing takes time.
        let is_trimmed = self.dice.once_in(if length > 30 { 2 } else { 8 });
        let trim = is_trimmed.then(|| self.trim(&key));
        let mut fields = match self.dice.roll(30) {
            0 => self.imitated_letter(),
            // A name that is there twice.
            1 => vec![(field(0), self.value()), (field(0), self.value())],
            _ => (0..1 + self.dice.roll(3)).map(|at| (field(at), self.value())).collect(),
        };
        // What groups order by: of few values, so that some wait for others; here and there twice.
        let counts = if self.favours_order { [1; 8] } else { [0, 1, 1, 1, 1, 1, 1, 2] };
        for _ in 0..self.dice.pick(&counts) {
            let value = self.dice.pick(&[b"u", b"u", b"u", b"v"]).to_vec();
            let at = self.dice.index(fields.len() + 1);
            fields.insert(at, (b"k".to_vec(), value));
        }
        let no_create = self.dice.once_in(12);
        OnEntries::Add(Add { key, id, no_create, trim, production, fields })
    }

    /// What a stream keeps; often everything again.
    fn retention(&mut self, key: Text) -> OnEntries {
        let dice = &mut self.dice;
        let mut kept = RetentionChange::default();
        for _ in 0..1 + dice.roll(4) {
            match dice.roll(6) {
                0 => kept.max_len = Some(dice.pick(&[0, 3, 8, 20])),
                1 => kept.max_age_ms = Some(dice.pick(&[0, 50, 500, 3000])),
                2 => kept.max_bytes = Some(dice.pick(&[0, 60, 500, 3000])),
                3 => kept.rejects = Some(dice.pick(&[None, None, Some(true), Some(false)])),
                _ => kept.is_unacked = Some(!dice.once_in(3)),
            }
        }
        let per_producer = dice.sometimes(8, |dice| 1 + dice.roll(4) as u32);
        OnEntries::Configure { key, duration_s: None, per_producer, kept }
    }

    fn set_id(&mut self, key: Text) -> OnEntries {
        let stream = self.stream(&key);
        let (last, added) = stream.map_or((Id::MIN, 0), |stream| (stream.last_id, stream.added));
        let last_id = match self.dice.roll(3) {
            0 => self.id_near(&key),
            _ => Id(last.0 + self.dice.roll(2), last.1),
        };
        let added = self.dice.sometimes(3, |dice| (added + dice.roll(5)).saturating_sub(2));
        let max_deleted_id = self.dice.once_in(4).then(|| self.id_near(&key));
        OnEntries::SetId { key, last_id, added, max_deleted_id }
    }
}

fn field(at: u64) -> Text {
    let names: [&[u8]; 3] = [b"name", b"n", b"a longer name of a field"];
    names[at as usize % names.len()].to_vec()
}
