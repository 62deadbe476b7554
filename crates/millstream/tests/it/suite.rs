//! All cases, run side by side in one place, each on streams of its own.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use millstream::Millstream;
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::timeout;

use crate::place::Place;
use crate::{consumer, dead_letters, manager, monitor};

type Case = fn(Place) -> Pin<Box<dyn Future<Output = ()>>>;

/// A case hangs rather than takes so long.
const LIMIT: Duration = Duration::from_secs(60);

macro_rules! cases {
    ($($module:ident: $($name:ident)*;)*) => {
        [$($((
            concat!(stringify!($module), "::", stringify!($name)),
            (|place| Box::pin($module::$name(place))) as Case,
        ),)*)*]
    };
}

/// Runs everything on what this opens, once for each case.
pub(crate) fn exercise(open: impl AsyncFn() -> Millstream) {
    exercise_with(async |name| Place::new(open().await, name));
}

/// Runs everything, each case in the place made for it.
pub(crate) fn exercise_with(place: impl AsyncFn(&str) -> Place) {
    let all = cases! {
        manager: groups_are_made_moved_and_removed
            what_a_deleted_consumer_has_goes_to_its_heir;
        consumer: every_message_is_handled_once_in_order
            what_fails_is_tried_again_and_counted
            a_panic_is_a_failure
            what_a_dead_worker_left_is_taken_over
            what_was_ours_comes_back_at_the_next_start
            a_long_handler_keeps_its_message
            what_was_not_begun_is_given_back_at_the_end
            a_group_that_is_gone_is_made_again
            several_streams_and_several_handlers_at_once
            without_acknowledgement_nothing_is_pending
            outcomes_are_told_one_by_one
            entries_are_values_of_a_type_and_what_is_none_is_a_dead_letter
            settings_that_make_no_sense_are_refused;
        dead_letters: what_fails_too_often_becomes_a_letter_and_can_be_given_back
            what_is_rejected_becomes_a_letter_at_once
            letters_are_listed_in_pieces_and_deleted;
        monitor: statistics_and_what_is_stuck;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    // Cases on this thread, consumers on the others.
    let cases = LocalSet::new();
    let failed = cases.block_on(&runtime, async {
        let mut running = JoinSet::new();
        for (name, case) in all {
            let place = place(name).await;
            running.spawn_local(async move {
                let done = spawn_local(timeout(LIMIT, case(place))).await;
                (!matches!(done, Ok(Ok(())))).then_some(name)
            });
        }
        let failed = running.join_all().await;
        failed.into_iter().flatten().collect::<Vec<_>>()
    });
    assert!(failed.is_empty(), "failed or too slow: {failed:?}");
}
