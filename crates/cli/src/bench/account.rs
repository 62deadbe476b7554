//! What became of each entry of a round: a bit for each, and counts of what went wrong.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::output::{entries, plural};

/// Entries by their numbers, of all threads.
#[derive(Debug)]
pub(super) struct Account {
    messages: u32,
    seen: Box<[AtomicU64]>,
    /// Different ones that were seen.
    seen_count: AtomicU64,
    /// Seen once more.
    again: AtomicU64,
    /// One of those, and one more than its number: 0 is none.
    first_again: AtomicU64,
    /// With other contents than any that was added.
    strange: AtomicU64,
    /// Acknowledged, and asked to be.
    acknowledged: AtomicU64,
    asked: AtomicU64,
}

/// What the server says at the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ending {
    /// Of the stream.
    pub(super) length: u64,
    /// Not acknowledged.
    pub(super) pending: u64,
}

impl Account {
    /// Of so many, from 0 on.
    pub(super) fn new(messages: u32) -> Self {
        let words = messages.div_ceil(u64::BITS);
        Self {
            messages,
            seen: (0..words).map(|_| AtomicU64::new(0)).collect(),
            seen_count: AtomicU64::new(0),
            again: AtomicU64::new(0),
            first_again: AtomicU64::new(0),
            strange: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            asked: AtomicU64::new(0),
        }
    }

    /// An entry came; `None`: not with what was sent.
    pub(super) fn saw(&self, number: Option<u32>) {
        let Some(number) = number.filter(|number| *number < self.messages) else {
            self.strange.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let bit = 1 << (number % u64::BITS);
        let word = &self.seen[(number / u64::BITS) as usize];
        if word.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            self.seen_count.fetch_add(1, Ordering::Relaxed);
        } else {
            self.again.fetch_add(1, Ordering::Relaxed);
            let first = u64::from(number) + 1;
            let _ =
                self.first_again.compare_exchange(0, first, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Of so many that were acknowledged so many were pending.
    pub(super) fn acknowledged(&self, asked: u64, done: u64) {
        self.asked.fetch_add(asked, Ordering::Relaxed);
        self.acknowledged.fetch_add(done, Ordering::Relaxed);
    }

    /// Whether all came.
    pub(super) fn is_complete(&self) -> bool {
        self.seen_count.load(Ordering::Relaxed) == u64::from(self.messages)
    }

    /// What is wrong with entries that were added, and read where they are; nothing: all are there,
    /// once each.
    pub(super) fn wrong_in_stream(&self, length: u64) -> Vec<String> {
        let mut wrong =
            self.wrong_sightings("are not in the stream", "entries are in the stream again");
        if length != u64::from(self.messages) {
            wrong.push(self.wrong_length(length));
        }
        wrong
    }

    /// What is wrong with entries that were delivered and acknowledged; nothing: all were, once
    /// each.
    pub(super) fn wrong_in_group(&self, ending: Ending) -> Vec<String> {
        let mut wrong =
            self.wrong_sightings("were never delivered", "entries were delivered again");
        let asked = self.asked.load(Ordering::Relaxed);
        let missing = asked - self.acknowledged.load(Ordering::Relaxed).min(asked);
        if missing > 0 {
            wrong.push(format!("{} not pending any more when acknowledged", were(missing)));
        }
        if ending.pending > 0 {
            wrong.push(format!("{} pending at the end", were(ending.pending)));
        }
        if ending.length != u64::from(self.messages) {
            wrong.push(self.wrong_length(ending.length));
        }
        wrong
    }

    fn wrong_length(&self, length: u64) -> String {
        let added = entries(u64::from(self.messages));
        format!("{added} were added, and the stream has {length} at the end")
    }

    fn wrong_sightings(&self, missing: &str, again: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        let left = u64::from(self.messages) - self.seen_count.load(Ordering::Relaxed);
        if let Some(first) = self.first_missing() {
            let of = self.messages;
            wrong.push(format!("{left} of {of} entries {missing}, the first: number {first}"));
        }
        let count = self.again.load(Ordering::Relaxed);
        if let Some(first) = self.first_again.load(Ordering::Relaxed).checked_sub(1) {
            wrong.push(format!("{again} {}, for one number {first}", plural(count, "time")));
        }
        let strange = self.strange.load(Ordering::Relaxed);
        if strange > 0 {
            wrong.push(format!("{} with other contents than were sent", entries(strange)));
        }
        wrong
    }

    fn first_missing(&self) -> Option<u32> {
        let words = (0u32..).zip(self.seen.iter().map(|word| word.load(Ordering::Relaxed)));
        let not_full = words.filter(|(_, word)| *word != u64::MAX);
        let numbers = not_full.map(|(at, word)| at * u64::BITS + word.trailing_ones());
        // Behind the last one there are bits without an entry.
        numbers.min().filter(|number| *number < self.messages)
    }
}

fn were(count: u64) -> String {
    let entries = entries(count);
    if count == 1 { format!("{entries} was") } else { format!("{entries} were") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each of these came, all that came were acknowledged, and the server agrees.
    fn wrong(messages: u32, seen: impl IntoIterator<Item = u32>) -> String {
        let account = Account::new(messages);
        let mut count = 0;
        for number in seen {
            account.saw(Some(number));
            count += 1;
        }
        account.acknowledged(count, count);
        let ending = Ending { length: u64::from(messages), pending: 0 };
        account.wrong_in_group(ending).join("; ")
    }

    #[test]
    fn each_once_is_right() {
        for messages in [1, 63, 64, 65, 1000] {
            assert_eq!(wrong(messages, (0..messages).rev()), "");
        }
    }

    #[test]
    fn what_is_missing_is_found_wherever_it_is() {
        for messages in [1, 63, 64, 65, 128, 1000] {
            for missing in [0, messages / 2, messages - 1] {
                let found = wrong(messages, (0..messages).filter(|number| *number != missing));
                let of = format!("1 of {messages} entries were never delivered");
                assert_eq!(found, format!("{of}, the first: number {missing}"));
            }
        }
    }

    #[test]
    fn what_came_again_or_from_elsewhere_is_found() {
        let again = "entries were delivered again 2 times, for one number 64";
        assert_eq!(wrong(100, (0..100).chain([64, 65])), again);
        assert_eq!(wrong(100, 0..=100), "1 entry with other contents than were sent");
        let account = Account::new(2);
        [Some(0), Some(1), None].into_iter().for_each(|number| account.saw(number));
        account.acknowledged(3, 1);
        let said = account.wrong_in_group(Ending { length: 3, pending: 1 });
        let expected = [
            "1 entry with other contents than were sent",
            "2 entries were not pending any more when acknowledged",
            "1 entry was pending at the end",
            "2 entries were added, and the stream has 3 at the end",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn a_stream_is_held_against_what_was_added() {
        let account = Account::new(3);
        [Some(0), Some(2), Some(2)].into_iter().for_each(|number| account.saw(number));
        let expected = [
            "1 of 3 entries are not in the stream, the first: number 1",
            "entries are in the stream again 1 time, for one number 2",
        ];
        assert_eq!(account.wrong_in_stream(3), expected);
    }
}
