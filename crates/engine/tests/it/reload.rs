//! Reloading in place: the log holds everything, and everything else stays.

use bytes::Bytes;
use millstream_engine::{ReloadError, StringExpiry};

use crate::dump::dump;
use crate::operation::Roller;
use crate::store::{Store, at, in_memory, now, run};

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
fn there_is_nothing_to_reload_in_memory() {
    assert!(matches!(in_memory().reload(at(0)), Err(ReloadError::NotStored)));
}
