//! What a group gives up on goes to another stream, in the same record group.

use std::collections::{BTreeSet, VecDeque};

use super::group::NEVER;
use super::policy::Settled;
use super::{Reference, json};
use crate::command::Text;
use crate::id::Id;

/// A longer chain of targets counts as one that comes back.
const CHAIN_MAX: usize = 64;

impl Reference {
    /// Whether letters that go to `target` may come to the stream under `key` again.
    pub(super) fn leads_back(&mut self, db: u8, key: &[u8], target: Text) -> bool {
        let mut seen = BTreeSet::from([target.clone()]);
        // The nearest first: a reply depends on no more than has to be looked at.
        let mut left = VecDeque::from([target]);
        while let Some(target) = left.pop_front() {
            if *target == *key || seen.len() > CHAIN_MAX {
                return true;
            }
            let Ok(Some(stream)) = self.stream(db, &target) else { continue };
            let policies = stream.groups.values().map(|group| &group.policy);
            let further = policies.filter(|policy| policy.has_letters());
            let further: Vec<Text> = further.map(|policy| policy.letters_of(&target)).collect();
            left.extend(further.into_iter().filter(|target| seen.insert(target.clone())));
        }
        false
    }

    /// Moves what is used up to the dead letters, as far as they take it. Records of entries that
    /// are gone go in any case.
    pub(crate) fn bury(&mut self, db: u8, key: &Text, name: &[u8], ids: &[Id]) {
        let target = self.group_mut(db, key, name).policy.letters_of(key);
        let mut is_taken = !self.leads_back(db, key, target.clone());
        let (mut buried, mut vanished) = (Vec::new(), Vec::new());
        for &id in ids {
            let stream = self.state.stream(db, key).expect("it has used-up entries");
            // One that is named twice is gone the second time.
            if stream.groups[name].get(id).is_none() || buried.contains(&id) {
                continue;
            }
            if !stream.has(id) {
                vanished.push(id);
            } else if is_taken {
                let letter = self.letter(db, key, name, id);
                is_taken = self.add_simply(db, &target, letter);
                buried.extend(is_taken.then_some(id));
            }
        }
        for (ids, settled) in [(&buried, Settled::DeadLettered), (&vanished, Settled::Vanished)] {
            let group = self.group_mut(db, key, name);
            ids.iter().for_each(|&id| _ = group.remove(id, settled));
            if !ids.is_empty() {
                self.free_places(db, key);
            }
        }
        let now_ms = self.now.steady_ms;
        self.tally.letters += buried.len() as u64;
        self.tally.refusals += u64::from(!is_taken);
        let group = self.group_mut(db, key, name);
        if is_taken {
            group.refusals = super::policy::Refusals::default();
        } else {
            group.counters.dead_letter_failed += 1;
            group.refusals.refused(now_ms);
        }
    }

    fn letter(&self, db: u8, key: &[u8], name: &[u8], id: Id) -> Vec<(Text, Text)> {
        let stream = self.state.stream(db, key).expect("it is there");
        let (group, entry) = (&stream.groups[name], stream.entry(id).expect("it is there"));
        let pending = group.get(id).expect("it is pending");
        let (consumer, error) = group.failures.get(&id).cloned().unwrap_or_default();
        let is_fatal = pending.available_at_ms == NEVER;
        let reason: &[u8] = if is_fatal { b"fatal" } else { b"max-deliveries" };
        let wall_ms = self.now.wall_ms;
        let pairs: [(&str, Text); 9] = [
            ("original_id", id.to_string().into_bytes()),
            ("original_data", json::write(&entry.fields)),
            ("failed_at", format!("{}.{:03}", wall_ms / 1000, wall_ms % 1000).into_bytes()),
            ("consumer", pending.owner.clone().unwrap_or(consumer)),
            ("stream", key.to_vec()),
            ("group", name.to_vec()),
            ("delivery_count", pending.deliveries.to_string().into_bytes()),
            ("reason", reason.to_vec()),
            ("error", error),
        ];
        pairs.into_iter().map(|(name, value)| (name.as_bytes().to_vec(), value)).collect()
    }
}
