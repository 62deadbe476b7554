//! The section of totals and rates.

use std::sync::atomic::{AtomicU64, Ordering};

use millstream_engine::Statistics;

use super::lines;
use crate::shared::Shared;
use crate::statistics::{Counter, WorkerCounters};

pub(super) fn section(shared: &Shared, engine: &Statistics) -> String {
    let total = |counter: fn(&WorkerCounters) -> &Counter| {
        let all = shared.workers.iter();
        all.map(|worker| counter(&worker.counters).get()).sum::<u64>().to_string()
    };
    let rejected = shared.rejected_connections.load(Ordering::Relaxed);
    let rates = shared.sampler.rates();
    let kilobytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    let denied = |count: &AtomicU64| count.load(Ordering::Relaxed).to_string();
    let all = [
        ("total_connections_received", total(|worker| &worker.connections)),
        ("total_commands_processed", total(|worker| &worker.commands)),
        ("instantaneous_ops_per_sec", rates.commands.to_string()),
        ("total_net_input_bytes", total(|worker| &worker.input_bytes)),
        ("total_net_output_bytes", total(|worker| &worker.output_bytes)),
        ("total_net_repl_input_bytes", "0".into()),
        ("total_net_repl_output_bytes", "0".into()),
        ("instantaneous_input_kbps", kilobytes(rates.input_bytes)),
        ("instantaneous_output_kbps", kilobytes(rates.output_bytes)),
        ("instantaneous_input_repl_kbps", kilobytes(0)),
        ("instantaneous_output_repl_kbps", kilobytes(0)),
        ("rejected_connections", rejected.to_string()),
        ("expired_keys", engine.expired_keys.to_string()),
        ("keyspace_hits", engine.keyspace_hits.to_string()),
        ("keyspace_misses", engine.keyspace_misses.to_string()),
        ("total_error_replies", total(|worker| &worker.error_replies)),
        ("total_reads_processed", total(|worker| &worker.reads)),
        ("total_writes_processed", total(|worker| &worker.writes)),
        ("client_query_buffer_limit_disconnections", total(|worker| &worker.too_large_requests)),
        (
            "client_output_buffer_limit_disconnections",
            (shared.monitors.cut_off.load(Ordering::Relaxed)
                + shared.stalled_clients.load(Ordering::Relaxed))
            .to_string(),
        ),
        ("evicted_clients", shared.memory.evicted_clients.load(Ordering::Relaxed).to_string()),
        ("acl_access_denied_auth", denied(&shared.acl.denied.logins)),
        ("acl_access_denied_cmd", denied(&shared.acl.denied.commands)),
        ("acl_access_denied_key", denied(&shared.acl.denied.keys)),
        ("acl_access_denied_db", denied(&shared.acl.denied.databases)),
        ("acl_access_denied_tls_cert", denied(&shared.acl.denied.certificates)),
        ("millstream_idle_disconnections", shared.idle_clients.load(Ordering::Relaxed).to_string()),
        ("millstream_refused_waits", shared.refused_waits.load(Ordering::Relaxed).to_string()),
        ("millstream_changes", engine.changes.to_string()),
    ];
    lines(&all) + &nothing()
}

/// What never happens here, under the names by which Redis counts it.
fn nothing() -> String {
    const NEVER: [&str; 30] = [
        "sync_full",
        "sync_partial_ok",
        "sync_partial_err",
        "expired_subkeys",
        "expired_subkeys_active",
        "evicted_keys",
        "evicted_scripts",
        "total_eviction_exceeded_time",
        "current_eviction_exceeded_time",
        "pubsub_channels",
        "pubsub_patterns",
        "pubsubshard_channels",
        "latest_fork_usec",
        "total_forks",
        "migrate_cached_sockets",
        "slave_expires_tracked_keys",
        "active_defrag_hits",
        "active_defrag_misses",
        "active_defrag_key_hits",
        "active_defrag_key_misses",
        "total_active_defrag_time",
        "current_active_defrag_time",
        "tracking_total_keys",
        "tracking_total_items",
        "tracking_total_prefixes",
        "unexpected_error_replies",
        "dump_payload_sanitizations",
        "io_threaded_total_prefetch_batches",
        "io_threaded_total_prefetch_entries",
        "acl_access_denied_channel",
    ];
    NEVER.iter().map(|name| format!("{name}:0\r\n")).collect()
}
