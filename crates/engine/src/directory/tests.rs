use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::object::{ObjectId, ObjectSlot};

fn entry(key: u8, expires_at_ms: Option<u64>) -> KeyEntry {
    let slot = ObjectSlot { store: 0, index: u32::from(key) };
    KeyEntry {
        key: [key].into(),
        object: ObjectRef { id: ObjectId(u64::from(key)), slot },
        expires_at_ms,
    }
}

fn keys(entries: impl Iterator<Item = u8>) -> BTreeSet<u8> {
    entries.collect()
}

fn all(directory: &Directory) -> BTreeSet<u8> {
    keys(directory.iter().map(|entry| entry.key[0]))
}

fn of_snapshot(snapshot: &Snapshot) -> Vec<u8> {
    let pieces = (0..snapshot.piece_count()).flat_map(|index| snapshot.piece(index));
    pieces.map(|entry| entry.key[0]).collect()
}

proptest! {
    #[test]
    fn it_is_a_map_of_keys_whatever_is_split_and_merged(
        seed in 0..u64::MAX,
        steps in proptest::collection::vec((0..3_u8, any::<u8>(), any::<bool>()), 0..400),
    ) {
        let mut directory = Directory::new(seed);
        let mut model = BTreeMap::new();
        let mut snapshots = Vec::new();
        for (step, key, expires) in steps {
            let expires_at_ms = expires.then_some(u64::from(key) + 1);
            match step {
                0 => {
                    let before = directory.insert(entry(key, expires_at_ms));
                    let expected = model.insert(key, expires_at_ms);
                    prop_assert_eq!(before.map(|entry| entry.expires_at_ms), expected);
                }
                1 => {
                    let removed = directory.remove(&[key]).map(|entry| entry.expires_at_ms);
                    prop_assert_eq!(removed, model.remove(&key));
                }
                _ if model.contains_key(&key) => {
                    let before = directory.set_expiry(&[key], expires_at_ms);
                    prop_assert_eq!(Some(before), model.insert(key, expires_at_ms));
                }
                _ => snapshots.push((directory.snapshot(), model.clone())),
            }
            directory.check();
            let found = directory.get(&[key]).map(|entry| entry.expires_at_ms);
            prop_assert_eq!(found, model.get(&key).copied());
            let counts = (directory.len(), directory.expiring());
            prop_assert_eq!(counts, (model.len(), model.values().flatten().count()));
        }
        prop_assert_eq!(all(&directory), model.keys().copied().collect());
        for (snapshot, then) in snapshots {
            let seen = of_snapshot(&snapshot);
            prop_assert_eq!(seen.len(), then.len(), "each key once");
            prop_assert_eq!(keys(seen.into_iter()), then.keys().copied().collect());
        }
    }

    #[test]
    fn a_scan_returns_what_stays_exactly_once_over_any_growth_and_shrinking(
        seed in 0..u64::MAX,
        stays in proptest::collection::btree_set(any::<u8>(), 0..100),
        changes in proptest::collection::vec((any::<u8>(), any::<bool>()), 0..300),
        count in 1..20_usize,
    ) {
        let mut directory = Directory::new(seed);
        for &key in &stays {
            directory.insert(entry(key, None));
        }
        let mut seen = Vec::new();
        let mut cursor = 0;
        let mut changes = changes.into_iter();
        loop {
            cursor = directory.scan(cursor, count, |entry| seen.push(entry.key[0]));
            if cursor == 0 {
                break;
            }
            for (key, comes) in changes.by_ref().take(20).filter(|(key, _)| !stays.contains(key)) {
                if comes {
                    directory.insert(entry(key, None));
                } else {
                    directory.remove(&[key]);
                }
            }
        }
        let of_those: Vec<_> = seen.iter().copied().filter(|key| stays.contains(key)).collect();
        prop_assert_eq!(of_those.len(), stays.len(), "each once");
        prop_assert_eq!(keys(of_those.into_iter()), stays);
    }
}

#[test]
fn every_key_can_be_hit_and_an_empty_directory_has_none() {
    let mut directory = Directory::new(7);
    assert!(directory.key_near(123).is_none());
    (0..40).for_each(|key| drop(directory.insert(entry(key, None))));
    let places = (0..4_096_u64).map(|place| place << 52);
    let hit = places.map(|place| directory.key_near(place).expect("there are keys").key[0]);
    assert_eq!(hit.collect::<BTreeSet<_>>().len(), 40);
}
