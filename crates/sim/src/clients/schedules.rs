//! What those send who have entries appended later.

use super::Roller;
use crate::command::{Command, Due, OnSchedule, Text};
use crate::id::Id;

impl Roller<'_> {
    pub(super) fn look_after_schedule(&mut self) -> Command {
        let key = self.stream_key();
        Command::Schedule(match self.dice.roll(12) {
            0..=6 => self.schedule(key),
            7 | 8 => OnSchedule::List {
                cursor: self.dice.once_in(2).then(|| self.tokens(&key)[0]),
                count: self.dice.sometimes(2, |dice| 1 + dice.index(4)),
                key,
            },
            9 | 10 => {
                let tokens = self.tokens(&key);
                OnSchedule::Cancel(key, tokens)
            }
            _ => {
                let tokens = self.tokens(&key);
                OnSchedule::Run(key, tokens)
            }
        })
    }

    fn schedule(&mut self, key: Text) -> OnSchedule {
        let wall_ms = self.now.wall_ms;
        let due = match self.dice.roll(4) {
            0 => Due::At(wall_ms + self.dice.roll(200) - 50),
            _ => Due::Delay(self.dice.pick(&[0, 0, 5, 5, 30, 30, 200, 2000])),
        };
        // Each is another one: whichever fires twice shows.
        let number = self.dice.number().to_string().into_bytes();
        let mut fields = vec![(b"number".to_vec(), number), (b"name".to_vec(), self.value())];
        if self.dice.once_in(2) {
            fields.push((b"k".to_vec(), b"u".to_vec()));
        }
        OnSchedule::Add { key, due, fields }
    }

    /// Mostly of what waits, in any order; here and there one twice.
    fn tokens(&mut self, key: &[u8]) -> Vec<Id> {
        let waiting = self.stream(key).map(|stream| stream.schedule.waiting.keys());
        let waiting: Vec<Id> = waiting.into_iter().flatten().copied().collect();
        let count = 1 + self.dice.index(4);
        let mut token = || match waiting.len() {
            0 => Id(self.now.wall_ms, self.dice.roll(3)),
            _ if self.dice.once_in(12) => Id(self.now.wall_ms, self.dice.roll(3)),
            length => waiting[self.dice.index(length)],
        };
        (0..count).map(|_| token()).collect()
    }
}
