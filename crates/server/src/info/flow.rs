//! What happens to entries in all groups together, and how long they wait; how long syncs take.
//!
//! A histogram is one field: `bound=count` for each bound, counts of everything up to it.

use millstream_engine::{QueueWait, Statistics};

use super::lines;
use crate::shared::Shared;

/// Bounds of the histogram of syncs, as powers of two nanoseconds: 65 us to 17 s.
const FSYNC_POWERS: (u32, u32) = (16, 34);

/// At the end of the section of totals.
pub(super) fn fields(engine: &Statistics, wait: &QueueWait) -> String {
    let flow = &engine.flow;
    lines(&[
        ("millstream_delivered", flow.delivered.to_string()),
        ("millstream_acked", flow.acked.to_string()),
        ("millstream_nacked", flow.nacked.to_string()),
        ("millstream_redelivered", flow.redelivered.to_string()),
        ("millstream_dead_lettered", flow.dead_lettered.to_string()),
        ("millstream_queue_wait_count", wait.count().to_string()),
        ("millstream_queue_wait_sum_ms", wait.sum_ms().to_string()),
        ("millstream_queue_wait_ms_histogram", histogram(wait.doublings())),
    ])
}

/// At the end of the section on what is on disk.
pub(super) fn fsync(shared: &Shared) -> Vec<(&'static str, String)> {
    let (all, recent) = (shared.fsync.all(), shared.fsync.recent());
    let percentile = |percent| (recent.percentile(percent) / 1000).to_string();
    let (first, last) = FSYNC_POWERS;
    let mut fields = vec![
        ("millstream_fsync_count", all.total().to_string()),
        ("millstream_fsync_sum_us", shared.fsync.microseconds().to_string()),
        ("millstream_fsync_ns_histogram", histogram(all.below_powers(first, last).into_iter())),
    ];
    // Of the last minute.
    if recent.total() > 0 {
        fields.extend([
            ("millstream_fsync_p50_us", percentile(50.0)),
            ("millstream_fsync_p99_us", percentile(99.0)),
            ("millstream_fsync_p999_us", percentile(99.9)),
        ]);
    }
    fields
}

fn histogram(counts: impl Iterator<Item = (u64, u64)>) -> String {
    counts.map(|(bound, count)| format!("{bound}={count}")).collect::<Vec<_>>().join(",")
}
