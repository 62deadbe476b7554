//! Idempotent production against a list of what is remembered.

use proptest::prelude::*;

use crate::{EntryId, Idempotence, IdempotenceLimits};

#[derive(Clone, Debug)]
enum Step {
    Produce { producer: u8, iid: u8, ms: u64 },
    SetLimits(u32),
    Expire(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0_u8..3, 0_u8..8, 0_u64..40)
            .prop_map(|(producer, iid, ms)| Step::Produce { producer, iid, ms: ms * 100 }),
        1 => (1_u32..6).prop_map(Step::SetLimits),
        3 => (0_u64..5_000).prop_map(Step::Expire),
    ]
}

/// Producer, its id, the entry; in order of insertion.
type Remembered = Vec<(u8, u8, EntryId)>;

fn produce(tables: &mut Idempotence, list: &mut Remembered, step: (u8, u8, u64)) {
    let (producer, iid, ms) = step;
    let known = list.iter().find(|known| (known.0, known.1) == (producer, iid));
    assert_eq!(tables.find(&[producer], &[iid]), known.map(|known| known.2));
    if known.is_some() {
        let before = tables.duplicates();
        tables.count_duplicate();
        assert_eq!(tables.duplicates(), before + 1);
        return;
    }
    let id = EntryId::new(ms, 1);
    let added = tables.added();
    tables.insert(&[producer], &[iid], id);
    assert_eq!(tables.added(), added + 1);
    list.push((producer, iid, id));
    let of_producer = list.iter().filter(|known| known.0 == producer).count();
    if of_producer > tables.limits().per_producer_max as usize {
        let oldest = list.iter().position(|known| known.0 == producer).expect("there are some");
        list.remove(oldest);
    }
}

fn compare(tables: &Idempotence, list: &Remembered) {
    tables.check();
    assert_eq!(tables.tracked(), list.len());
    let producers: std::collections::BTreeSet<_> = list.iter().map(|known| known.0).collect();
    assert_eq!(tables.producer_count(), producers.len());
    for (producer, iid, id) in list {
        assert_eq!(tables.find(&[*producer], &[*iid]), Some(*id));
    }
}

proptest! {
    #[test]
    fn productions_are_remembered_like_in_a_list(steps in prop::collection::vec(step(), 0..60)) {
        let limits = IdempotenceLimits { duration_s: 2, per_producer_max: 4 };
        let mut tables = Idempotence::new(limits);
        let mut list = Remembered::new();
        for step in steps {
            match step {
                Step::Produce { producer, iid, ms } => {
                    produce(&mut tables, &mut list, (producer, iid, ms));
                }
                Step::SetLimits(per_producer_max) => {
                    let counters = (tables.added(), tables.duplicates());
                    let limits = IdempotenceLimits { per_producer_max, ..tables.limits() };
                    if limits != tables.limits() {
                        list.clear();
                    }
                    tables.set_limits(limits);
                    assert_eq!((tables.added(), tables.duplicates()), counters);
                }
                Step::Expire(now_ms) => {
                    let cutoff_ms = now_ms.checked_sub(2_000);
                    let is_due = cutoff_ms
                        .is_some_and(|cutoff_ms| list.iter().any(|known| known.2.ms <= cutoff_ms));
                    assert!(!is_due || tables.due(now_ms) == cutoff_ms, "due at {now_ms}");
                    if let Some(cutoff_ms) = tables.due(now_ms) {
                        tables.expire(cutoff_ms);
                        list.retain(|known| known.2.ms > cutoff_ms);
                        assert_eq!(tables.due(now_ms), None, "nothing is due twice");
                    }
                }
            }
            compare(&tables, &list);
        }
    }
}
