//! A fingerprint of what is stored, for tests: DEBUG DIGEST.
//!
//! Equal content has equal digests, whatever the order in which it came to be: entries, groups with
//! their policies and pending entries, delayed entries (by their tokens), strings, and whether keys
//! expire. How it lies in memory does not count, nor does when a consumer was last seen, or which
//! productions are still recognised. The digests mean nothing to other servers. 40 hexadecimal
//! digits, as people know them.

use std::fmt::Write as _;
use std::hash::Hash as _;

use millstream_engine::{DATABASE_COUNT, Lifetime, Transaction};
use millstream_model::{Direction, EntryId, EntrySlice, Group, Overflow, Retain, Stream};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const BYTES: usize = 20;

/// A digest; zeros for nothing at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; BYTES]);

impl Digest {
    /// Of all databases.
    #[must_use]
    pub fn of_everything(txn: &mut Transaction<'_>) -> Self {
        let mut all = Self::default();
        for db in 0..DATABASE_COUNT {
            let listing = txn.list_keys(db);
            for key in (0..listing.piece_count()).flat_map(|index| listing.piece(index)) {
                let mut hash = Content::default();
                hash.number(db.into());
                hash.bytes(key);
                hash.bytes(&Self::of_value(txn, db, key).0);
                hash.number(matches!(txn.lifetime(db, key), Lifetime::Until(_)).into());
                all.join(hash.finish());
            }
        }
        all
    }

    /// Of the value of a key.
    #[must_use]
    pub fn of_value(txn: &mut Transaction<'_>, db: u8, key: &[u8]) -> Self {
        let mut hash = Content::default();
        // A digest of what cannot be read differs from every other, which is what it is for.
        let _ = txn.load_value(db, key);
        if let Ok(Some(stream)) = txn.stream(db, key) {
            hash.stream(stream);
        } else if let Ok(Some(string)) = txn.string(db, key) {
            hash.bytes(b"string");
            hash.bytes(&string);
        } else {
            return Self::default();
        }
        hash.finish()
    }

    /// Whatever the order.
    fn join(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(all, one)| *all ^= one);
    }

    /// In hexadecimal digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        self.0.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

/// Only if all of it is in memory.
fn whole(entries: EntrySlice) -> Result<EntrySlice, ()> {
    if entries.cold().next().is_none() { Ok(entries) } else { Err(()) }
}

#[derive(Default)]
struct Content(Xxh3);

impl Content {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    /// With its length, so that no two lists of texts are the same bytes.
    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn id(&mut self, id: EntryId) {
        self.number(id.ms);
        self.number(id.seq);
    }

    fn stream(&mut self, stream: &Stream) {
        self.bytes(b"stream");
        let everything = (EntryId::MIN, EntryId::MAX);
        let entries =
            stream.entries().slice(everything.0, everything.1, usize::MAX, Direction::Ascending);
        let Ok(entries) = entries.map_err(drop).and_then(whole) else {
            return self.bytes(b"unreadable");
        };
        self.number(entries.len() as u64);
        entries.for_each(|entry| {
            self.id(entry.id());
            self.number(entry.field_count() as u64);
            for (name, value) in entry.pairs() {
                self.bytes(name);
                self.bytes(value);
            }
        });
        self.id(stream.last_id());
        self.id(stream.max_deleted_id());
        self.number(stream.entries_added());
        let limits = stream.idempotence().limits();
        self.number(limits.duration_s.into());
        self.number(limits.per_producer_max.into());
        if let Some(kept) = stream.retention() {
            self.bytes(b"retention");
            for limit in [kept.max_len, kept.max_age_ms, kept.max_bytes] {
                self.number(limit);
            }
            self.number((kept.retain == Retain::Unacked).into());
            self.number((kept.overflow() == Overflow::Reject).into());
        }
        if let Some(schedule) = stream.schedule().filter(|schedule| !schedule.is_empty()) {
            self.bytes(b"schedule");
            for token in schedule.after(None) {
                self.number(token.due_ms);
                self.number(token.sequence);
            }
        }
        let mut groups: Vec<&Group> = stream.groups().map(|(_, group)| group).collect();
        groups.sort_by(|a, b| a.name().cmp(b.name()));
        groups.into_iter().for_each(|group| self.group(group));
    }

    fn group(&mut self, group: &Group) {
        self.bytes(group.name());
        self.id(group.last_delivered_id());
        self.number(group.entries_read().map_or(0, |read| read.wrapping_add(1)));
        for (_, consumer) in group.consumers() {
            self.bytes(&consumer.name);
        }
        for pending in group.pending().range(EntryId::MIN, EntryId::MAX) {
            self.id(pending.id);
            if let Some(owner) = pending.owner {
                self.bytes(&group.consumer(owner).name);
            }
            self.number(pending.delivered_at_ms);
            self.number(pending.delivery_count);
            self.number(pending.available_at_ms);
        }
        if let Some(policy) = group.policy() {
            self.bytes(b"policy");
            policy.hash(&mut self.0);
        }
    }

    fn finish(self) -> Digest {
        let head = self.0.digest128().to_be_bytes();
        let mut digest = Digest::default();
        digest.0[..16].copy_from_slice(&head);
        digest.0[16..].copy_from_slice(&xxh3_64(&head).to_be_bytes()[..4]);
        digest
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::{Engine, Now, Options};

    use super::*;
    use crate::table::{CommandId, resolve};
    use crate::{Answer, Reply, run};

    fn filled(lines: &[&str]) -> Engine {
        let engine = Engine::in_memory(&Options::default(), Now { wall_ms: 1000, monotonic_ms: 1 });
        for line in lines {
            let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let mut txn = engine.lock(Now { wall_ms: 1000, monotonic_ms: 1 });
            txn.begin();
            let spec = resolve(&args).expect("a command");
            assert_ne!(spec.id, CommandId::Select);
            let Answer::Reply(reply) = run(spec, &args, 0, false, &mut txn) else {
                panic!("{line}");
            };
            assert!(!matches!(reply, Reply::Error(_) | Reply::ErrorBytes(_)), "{line}: {reply:?}");
            txn.finish();
        }
        engine
    }

    fn digest(lines: &[&str]) -> String {
        let engine = filled(lines);
        let mut txn = engine.lock(Now { wall_ms: 1000, monotonic_ms: 1 });
        txn.begin();
        let digest = Digest::of_everything(&mut txn).to_hex();
        txn.finish();
        digest
    }

    #[test]
    fn nothing_is_zeros() {
        assert_eq!(digest(&[]), "0".repeat(40));
        assert_eq!(digest(&["SET a 1", "DEL a"]), "0".repeat(40));
    }

    #[test]
    fn equal_content_has_equal_digests_in_any_order() {
        let one = digest(&["SET a 1", "SET b 2", "XADD s 1-1 f v", "XADD s 2-1 f v"]);
        let other = digest(&["XADD s 1-1 f v", "SET b 2", "XADD s 2-1 f v", "SET a 9", "SET a 1"]);
        assert_eq!(one, other);
    }

    #[test]
    fn each_difference_shows() {
        let base = [
            "XADD s 1-1 f v",
            "XGROUP CREATE s g 0 CFG VISIBILITY 9",
            "XREADGROUP GROUP g c STREAMS s >",
        ];
        let mut all = vec![digest(&base)];
        for more in [
            "SET k v",
            "EXPIRE s 1000",
            "XADD s 2-1 f v",
            "XACK s g 1-1",
            "XCLAIM s g d 0 1-1",
            "XGROUP CREATECONSUMER s g d",
            "XGROUP CREATE s h 0",
            "XSETID s 9-9",
            "XDEL s 1-1",
            "XCFGSET s IDMP-DURATION 7",
            "XCFGSET s MAXAGE 7",
            "XSCHEDULE ADD s DELAY 60000 f v",
            "XGROUP CFGSET s g VISIBILITY 7",
            "XGROUP CFGSET s g VISIBILITY 8",
            "XNACK s g FAIL IDS 1 1-1",
            "XNACK s g FAIL IDS 1 1-1 DELAY 60000",
            "RENAME s t",
        ] {
            let lines: Vec<&str> = base.into_iter().chain([more]).collect();
            let digest = digest(&lines);
            assert!(!all.contains(&digest), "{more} changes nothing");
            all.push(digest);
        }
    }
}
