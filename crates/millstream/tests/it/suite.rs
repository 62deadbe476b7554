//! All cases, run side by side in one place, each on streams of its own.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use millstream::Millstream;
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::timeout;

use crate::place::Place;
use crate::{
    consumer, dead_letters, delayed, manager, mishaps, monitor, partitions, patterns, pending,
    services, sources, streams,
};

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
            a_consumer_with_enough_to_do_is_well_and_tries_again_in_time
            settings_that_make_no_sense_are_refused
            processes_of_a_machine_take_free_slots;
        pending: pending_entries_are_found_by_range_filter_and_id
            the_error_of_what_is_pending_is_told_where_there_is_one
            pending_entries_are_changed_only_as_they_were_seen;
        dead_letters: what_fails_too_often_becomes_a_letter_and_can_be_given_back
            what_is_rejected_becomes_a_letter_at_once
            letters_are_listed_in_pieces_and_deleted
            letters_are_looked_at_a_page_at_a_time
            a_letter_is_given_back_as_another_entry
            a_letter_that_its_stream_refuses_is_not_taken_for_one_that_is_gone
            what_is_pending_again_is_not_taken_away_by_its_letter
            letters_are_found_by_what_they_say;
        delayed: delayed_messages_come_in_their_time_and_order
            delayed_messages_are_listed_in_pieces_and_run_before_their_time;
        mishaps: a_group_that_is_made_again_tries_again_and_buries_as_before
            what_is_given_back_unbegun_has_all_its_tries
            a_letter_that_cannot_be_written_holds_up_nothing_else
            the_limit_of_a_policy_counts_and_not_that_of_the_consumer
            a_policy_without_a_time_leaves_nothing_with_the_dead
            who_fails_too_late_takes_nothing_from_who_has_it_now
            what_others_took_meanwhile_is_not_given_back
            a_hook_that_panics_is_no_reason_not_to_acknowledge
            what_others_have_by_now_is_not_begun
            a_wait_without_end_is_a_long_one
            a_stream_that_begins_anew_with_lower_ids_is_handled_whole
            a_cursor_does_not_pass_what_is_held_for_its_order
            what_waits_for_its_next_try_at_the_end_goes_to_others
            what_cannot_be_added_is_tried_again_after_its_backoff
            a_batch_error_about_no_message_of_the_batch_acknowledges_none
            what_came_beyond_the_room_is_kept_and_no_sign_of_trouble
            where_everything_fails_a_worker_does_not_take_the_whole_stream;
        monitor: statistics_and_what_is_stuck
            servers_tell_of_themselves_their_settings_and_their_time;
        streams: a_stream_is_looked_at_read_trimmed_and_deleted
            several_commands_go_in_one_round_trip
            retention_is_set_or_unsupported
            a_reader_gets_what_is_added
            streams_are_found_by_their_keys
            a_stream_is_copied_with_its_groups_or_not_at_all
            names_are_any_bytes;
        partitions: a_key_has_one_partition_and_their_number_stays
            all_consumers_handle_all_partitions_without_leases
            owners_share_evenly_come_go_and_die_and_keep_the_order
            what_fails_holds_up_its_partition_until_it_is_a_dead_letter
            a_lost_lease_ends_the_handler_and_the_fence_grows
            fences_grow_though_the_server_lost_them
            the_dead_of_a_clock_that_was_set_back_have_no_share
            what_fails_at_once_after_a_long_wait_is_tried_again_in_its_time
            leases_that_make_no_sense_are_refused;
        patterns: batches_are_acknowledged_but_for_what_failed
            a_batch_that_panics_fails_as_a_whole
            what_a_message_makes_is_added_with_its_acknowledgement
            what_cannot_be_added_makes_the_message_fail
            who_was_too_late_settles_nothing_and_makes_nothing
            earlier_streams_go_first_where_that_is_strict
            by_weight_each_stream_has_its_part_and_none_starves
            a_pool_hands_each_group_everything_and_each_worker_a_part
            one_that_cannot_go_on_ends_the_pool
            what_is_added_once_is_there_once_however_often_it_is_tried
            a_producer_adds_many_and_trims
            a_part_of_a_stream_is_handled_again
            consumers_that_are_gone_for_good_are_deleted
            a_cursor_is_kept_over_the_loss_of_a_group
            policies_are_set_or_unsupported;
        services: layers_go_around_handlers;
        sources: a_source_is_added_once_however_often_it_is_read
            entries_are_added_together_or_not_at_all
            what_is_put_off_has_all_its_tries
            what_a_handler_gives_back_was_no_try
            what_is_given_back_comes_again_at_once_and_was_no_try;
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
