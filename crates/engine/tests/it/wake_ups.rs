//! Wake-ups that come before the sleep which they are to end.

use std::sync::Arc;
use std::time::Duration;

use millstream_engine::{Engine, Options};
use millstream_log::MemoryStorage;

use crate::store::at;

/// A test that sleeps so long has failed.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// Symptom: now and then a store took half a second longer to close, or a whole one: its threads
/// had looked whether they were to stop, and slept after they were told.
#[test]
fn a_wake_up_just_before_the_sleep_ends_it() {
    let storage = Arc::new(MemoryStorage::new());
    let opened = Engine::open(storage, Options::default(), at(0), &mut |_| {}).expect("it opens");
    let (engine, mut commit) = (opened.engine, opened.commit);
    engine.wake_timer();
    engine.wait_due(at(0), FOR_EVER);
    // The first record of the store.
    assert!(engine.wait_records(FOR_EVER));
    commit.write_step().expect("it is written");
    engine.wake_commit();
    assert!(!engine.wait_records(FOR_EVER));
}
