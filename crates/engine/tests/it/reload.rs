//! Reloading in place: the log holds everything, and everything else stays.

use bytes::Bytes;
use millstream_engine::{AddRequest, CheckpointStep, NewId, ReloadError, StringExpiry};

use crate::dump::dump;
use crate::operation::Roller;
use crate::store::{Store, at, id, in_memory, now, run};

#[test]
fn what_is_reloaded_is_what_was_there() {
    for seed in 0..60 {
        let mut roller = Roller::new(seed);
        let mut store = Store::new();
        for step in 0..60 {
            let operation = roller.operation(at(step).wall_ms);
            run(store.engine(), at(step), |txn| operation.run(txn).ok());
        }
        store.sync();
        let before = dump(store.engine());
        store.engine().reload(at(60)).expect("all is written");
        assert_eq!(dump(store.engine()), before, "seed {seed}");
        // It can be written and opened again as ever.
        now(store.engine(), |txn| txn.set_string(7, b"k", Bytes::new(), StringExpiry::None));
        store.sync();
        let before = dump(store.engine());
        store = Store::open(store.disk.clone(), at(61));
        assert_eq!(dump(store.engine()), before, "seed {seed}");
    }
}

#[test]
fn records_that_are_not_written_yet_are_waited_for() {
    let mut store = Store::new();
    now(store.engine(), |txn| txn.set_string(0, b"k", Bytes::new(), StringExpiry::None));
    assert!(matches!(store.engine().reload(at(1)), Err(ReloadError::Busy)));
    store.sync();
    assert!(store.engine().reload(at(1)).expect("all is written") >= 2);
    let (_, position) = run(store.engine(), at(1), |txn| txn.kind(0, b"k"));
    assert!(position > millstream_engine::LogPosition::ZERO, "what is shown depends on the log");
}

#[test]
fn a_checkpoint_that_is_being_made_is_waited_for() {
    let mut store = Store::new();
    for n in 1..=100 {
        let request = AddRequest {
            id: NewId::Exactly(id(n, 0)),
            no_create: false,
            trim: None,
            production: None,
        };
        now(store.engine(), |txn| txn.add(0, b"s", &request, &[b"f", b"some value"]))
            .expect("adds");
    }
    store.sync();
    let before = dump(store.engine());
    let mut refused = 0;
    loop {
        if store.checkpoint_step(refused == 0) == CheckpointStep::Idle {
            break;
        }
        if store.opened.checkpointer.is_working() {
            assert!(matches!(store.engine().reload(at(1)), Err(ReloadError::Busy)));
            refused += 1;
        }
    }
    assert!(refused > 1, "{refused}");
    store.engine().reload(at(1)).expect("nothing is being made");
    store.opened.checkpointer.check();
    assert_eq!(dump(store.engine()), before);
}

#[test]
fn there_is_nothing_to_reload_in_memory() {
    assert!(matches!(in_memory().reload(at(0)), Err(ReloadError::NotStored)));
}
