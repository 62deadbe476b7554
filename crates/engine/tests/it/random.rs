//! Random operations with clean restarts: what comes back is what was there.

use crate::dump::dump;
use millstream_engine::{CheckpointStep, Engine, LoadedBlocks, Now};
use millstream_model::Rejection;

use crate::operation::{Operation, Roller};
use crate::store::{Store, at, run_due};

/// A failure names its seed and step.
fn run_with_restarts(seed: u64) -> (usize, usize) {
    let mut roller = Roller::new(seed);
    let mut store = Store::new();
    let (mut now_ms, mut published) = (0, 0);
    let (mut done, mut refused, mut loads) = (0, 0, 0);
    for step in 0..150 {
        now_ms += roller.dice.roll(8);
        let now = at(now_ms);
        let operation = roller.operation(now.wall_ms);
        let before = dump(store.engine());
        let (result, logged, loaded) = run_with_loads(store.engine(), now, &operation);
        loads += loaded;
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
        if roller.dice.once_in(3) {
            let wanted = roller.dice.once_in(4);
            published +=
                usize::from(matches!(store.checkpoint_step(wanted), CheckpointStep::Published(_)));
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
    (published, loads)
}

/// Runs an operation as a session does: what it needs from disk is loaded with the engine free, and
/// it is run again. Returns what came of it, whether it logged, and how often it was put off.
fn run_with_loads(
    engine: &Engine,
    now: Now,
    operation: &Operation,
) -> (Result<(), Rejection>, bool, usize) {
    let mut all = LoadedBlocks::default();
    for loads in 0..50 {
        let mut transaction = engine.lock(now);
        transaction.install(&all);
        transaction.may_put_off(true);
        transaction.begin();
        let unwritten_bytes = transaction.statistics().unwritten_bytes;
        let result = operation.run(&mut transaction);
        transaction.finish();
        let logged = transaction.statistics().unwritten_bytes != unwritten_bytes;
        if result != Err(Rejection::BlocksNotLoaded) {
            return (result, logged, loads);
        }
        assert!(!logged, "put off and logged: {operation:?}");
        let needed = transaction.take_needed();
        assert!(!needed.is_empty());
        drop(transaction);
        all.extend(engine.load(&needed).expect("blocks are intact"));
    }
    panic!("needs more and more blocks: {operation:?}");
}

#[test]
fn random_operations_survive_restarts() {
    let (mut published, mut loads) = (0, 0);
    for seed in 0..150 {
        let counts = run_with_restarts(seed);
        published += counts.0;
        loads += counts.1;
    }
    assert!(published > 300, "{published} checkpoints");
    assert!(loads > 100, "{loads} operations were put off");
}
