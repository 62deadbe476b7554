//! Random operations with clean restarts: what comes back is what was there.

use crate::dump::dump;
use crate::operation::Roller;
use crate::store::{Store, at, run_due};

/// A failure names its seed and step.
fn run_with_restarts(seed: u64) {
    let mut roller = Roller::new(seed);
    let mut store = Store::new();
    let mut now_ms = 0;
    let (mut done, mut refused) = (0, 0);
    for step in 0..150 {
        now_ms += roller.dice.roll(8);
        let now = at(now_ms);
        let operation = roller.operation(now.wall_ms);
        let before = dump(store.engine());
        let mut transaction = store.engine().lock(now);
        transaction.begin();
        let unwritten_bytes = transaction.statistics().unwritten_bytes;
        let result = operation.run(&mut transaction);
        transaction.finish();
        let logged = transaction.statistics().unwritten_bytes != unwritten_bytes;
        drop(transaction);
        let after = dump(store.engine());
        if result.is_err() {
            refused += 1;
            assert!(!logged, "seed {seed} step {step}: refused and logged: {operation:?}");
            assert_eq!(after, before, "seed {seed} step {step}: {operation:?}");
        } else {
            done += 1;
            assert!(
                logged || after == before,
                "seed {seed} step {step}: not logged: {operation:?}"
            );
        }
        if roller.dice.once_in(10) {
            run_due(store.engine(), now);
        }
        if roller.dice.once_in(12) {
            store.sync();
            if roller.dice.once_in(2) {
                store.opened.preparer.step().expect("prepares");
            }
            let expected = dump(store.engine());
            store = Store::open(store.disk.clone(), now);
            assert_eq!(dump(store.engine()), expected, "seed {seed} step {step}: after a restart");
        }
    }
    assert!(done > refused / 4 && refused > 0, "seed {seed}: {done} done, {refused} refused");
}

#[test]
fn random_operations_survive_restarts() {
    for seed in 0..150 {
        run_with_restarts(seed);
    }
}
