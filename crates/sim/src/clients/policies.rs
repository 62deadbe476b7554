//! What those send who manage groups that do something by themselves, and look after dead letters.

use millstream_model::Backoff;

use super::Roller;
use crate::command::{Command, LetterAction, OnLetters, PolicyChange, Text};

/// Where letters go to, besides what is named after the stream: another stream, one of those that
/// are worked on, a string. Some make a circle.
const TARGETS: [&str; 6] = ["d", "d", "b", "a", "s", "s"];
/// Names of streams of dead letters.
const LETTERS: [&str; 5] = ["a:dlq", "a:dlq", "d", "b:dlq", "b"];

impl Roller<'_> {
    /// One item at least.
    pub(super) fn policy_change(&mut self) -> PolicyChange {
        let mut change = PolicyChange::default();
        for _ in 0..1 + self.dice.roll(5) {
            self.change_item(&mut change);
        }
        change
    }

    fn change_item(&mut self, change: &mut PolicyChange) {
        let dice = &mut self.dice;
        match dice.roll(25) {
            0..=3 => change.visibility_ms = Some(dice.pick(&[0, 1, 20, 100])),
            4..=6 => change.deliveries_max = Some(dice.pick(&[0, 1, 2, 3])),
            7..=9 => change.dead_letter = Some(self.target()),
            10..=12 => change.backoff = Some(self.backoff()),
            13 => change.jitter_percent = Some(dice.pick(&[0, 30, 100])),
            14..=17 => change.in_flight_max = Some(dice.pick(&[0, 1, 1, 2, 4])),
            18 => change.consumer_ttl_ms = Some(dice.pick(&[0, 30, 400, 5000])),
            19 | 20 => change.drops = Some(dice.pick(&[None, Some(true), Some(false)])),
            21..=23 => change.order_by = Some(self.order_by()),
            // Rarely on, so that not everything stands still.
            _ => change.is_paused = Some(dice.once_in(4)),
        }
    }

    /// Mostly by what most entries have, so that some wait for others.
    pub(super) fn order_by(&mut self) -> Option<Text> {
        if self.favours_order {
            return Some(b"k".to_vec());
        }
        let fields: [Option<&[u8]>; 6] =
            [None, Some(b"name"), Some(b"k"), Some(b"k"), Some(b"k"), Some(b"k")];
        self.dice.pick(&fields).map(<[u8]>::to_vec)
    }

    fn target(&mut self) -> Option<Text> {
        let has_name = !self.dice.once_in(4);
        has_name.then(|| self.dice.pick(&TARGETS).as_bytes().to_vec())
    }

    fn backoff(&mut self) -> Option<Backoff> {
        let base_ms = self.dice.pick(&[1, 10, 50]);
        let factor_thousandths = self.dice.pick(&[1000, 1500, 2000, 10_001]);
        let max_ms = base_ms + self.dice.pick(&[0, 100, 5000]);
        let is_on = !self.dice.once_in(4);
        is_on.then_some(Backoff { base_ms, factor_thousandths, max_ms })
    }

    /// Mostly of a stream that has some.
    fn letters_key(&mut self) -> Text {
        let letters = LETTERS.iter().map(|key| key.as_bytes().to_vec());
        let is_letter = |(name, _): &(Text, Text)| name == b"original_data";
        let has_some = |key: &Text| {
            let mut entries = self.stream(key).into_iter().flat_map(|stream| &stream.entries);
            entries.any(|entry| entry.fields.iter().any(is_letter))
        };
        let full: Vec<Text> = letters.filter(has_some).collect();
        if full.is_empty() || self.dice.once_in(4) {
            return self.dice.pick(&LETTERS).as_bytes().to_vec();
        }
        full[self.dice.index(full.len())].clone()
    }

    /// Dead letters are looked at, given back, thrown away.
    pub(super) fn look_after_letters(&mut self) -> Command {
        let key = self.letters_key();
        let action = match self.dice.roll(4) {
            0 => LetterAction::List,
            1 => LetterAction::Purge,
            _ => LetterAction::Requeue { make_stream: self.dice.once_in(3) },
        };
        let ids = self.dice.once_in(4).then(|| self.ids_near(&key));
        let group = self.dice.once_in(5).then(|| self.group());
        let consumer = self.dice.once_in(6).then(|| self.consumer());
        let reasons: [&[u8]; 2] = [b"fatal", b"max-deliveries"];
        let reason = self.dice.sometimes(6, |dice| dice.pick(&reasons).to_vec());
        let is_dry = action != LetterAction::List && self.dice.once_in(6);
        let cursor = self.dice.once_in(6).then(|| self.id_near(&key));
        Command::Letters(OnLetters {
            action,
            key,
            ids,
            group,
            reason,
            consumer,
            min_age_ms: self.dice.sometimes(6, |dice| dice.roll(500)),
            count: self.dice.sometimes(2, |dice| 1 + dice.index(4)),
            cursor,
            is_dry,
        })
    }

    /// An entry that looks like a dead letter, more or less.
    pub(super) fn imitated_letter(&mut self) -> Vec<(Text, Text)> {
        let stream = self.stream_key();
        let original_id = self.id_near(&stream).to_string().into_bytes();
        let data = ["nonsense", "{}", "[]", "{\"n\":\"v\"}", "[[\"n\",\"v\"],[\"n\",\"w\"]]"];
        let data = self.dice.pick(&data).as_bytes().to_vec();
        let group = self.group();
        let names = ["original_id", "original_data", "stream", "group"];
        let values = [original_id, data, stream, group];
        let length = if self.dice.once_in(4) { 1 + self.dice.index(4) } else { 4 };
        let pairs = names.into_iter().zip(values).take(length);
        pairs.map(|(name, value)| (name.as_bytes().to_vec(), value)).collect()
    }
}
