//! Fields of INFO that are one number each, and the metrics that they are.
//!
//! Those named `redis_` are redis_exporter's, so that its dashboards and alerts go on working;
//! which of them there are depends on the server.

use super::exposition::{Kind, Metric};

/// A field, and what it is as a metric.
type Field = (&'static str, Metric);

pub(super) static LAST_FSYNC_SECONDS: Metric =
    gauge("millstream_fsync_last_minute_seconds", "How long syncs of the last minute took.");
pub(super) static CHECKPOINT_SECONDS: Metric = gauge(
    "millstream_last_checkpoint_seconds",
    "How long the last checkpoint took; 0: none since the start.",
);

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, help }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, help }
}

pub(super) static GAUGES: [Field; 45] = [
    ("uptime_in_seconds", gauge("redis_uptime_in_seconds", "Since the server was started.")),
    ("process_id", gauge("redis_process_id", "The server's process.")),
    ("connected_clients", gauge("redis_connected_clients", "Connections of clients.")),
    (
        "blocked_clients",
        gauge("redis_blocked_clients", "Clients whose command waits for something."),
    ),
    (
        "blocked_clients",
        gauge("millstream_blocked_clients", "Clients whose command waits for something."),
    ),
    (
        "client_recent_max_input_buffer",
        gauge(
            "redis_client_recent_max_input_buffer_bytes",
            "The largest request that was lately in work.",
        ),
    ),
    (
        "client_recent_max_output_buffer",
        gauge(
            "redis_client_recent_max_output_buffer_bytes",
            "The largest reply that was lately in work.",
        ),
    ),
    ("maxclients", gauge("redis_config_maxclients", "Connections that are let in at most.")),
    ("used_memory", gauge("redis_memory_used_bytes", "Memory in use.")),
    (
        "used_memory_rss",
        gauge("redis_memory_used_rss_bytes", "Memory in use as the operating system sees it."),
    ),
    ("used_memory_peak", gauge("redis_memory_used_peak_bytes", "The most memory that was in use.")),
    (
        "used_memory_overhead",
        gauge("redis_memory_used_overhead_bytes", "Memory for what is not data."),
    ),
    (
        "used_memory_startup",
        gauge("redis_memory_used_startup_bytes", "Memory in use after the start."),
    ),
    ("used_memory_dataset", gauge("redis_memory_used_dataset_bytes", "Memory for data.")),
    ("total_system_memory", gauge("redis_total_system_memory_bytes", "Memory of the machine.")),
    ("maxmemory", gauge("redis_memory_max_bytes", "Memory that may be used; 0: no limit.")),
    (
        "mem_fragmentation_ratio",
        gauge("redis_mem_fragmentation_ratio", "Memory as the system sees it by memory in use."),
    ),
    (
        "lazyfree_pending_objects",
        gauge("redis_lazyfree_pending_objects", "Removed objects that are not freed yet."),
    ),
    ("loading", gauge("redis_loading_dump_file", "Whether the server reads its data.")),
    (
        "rdb_changes_since_last_save",
        gauge("redis_rdb_changes_since_last_save", "Changes that are not known to be on disk."),
    ),
    (
        "rdb_bgsave_in_progress",
        gauge("redis_rdb_bgsave_in_progress", "Whether a save is under way."),
    ),
    (
        "rdb_last_save_time",
        gauge("redis_rdb_last_save_timestamp_seconds", "When the last save was, since 1970."),
    ),
    (
        "rdb_last_bgsave_status",
        gauge("redis_rdb_last_bgsave_status", "Whether the last save succeeded."),
    ),
    ("aof_enabled", gauge("redis_aof_enabled", "Whether there is a log.")),
    (
        "aof_rewrite_in_progress",
        gauge("redis_aof_rewrite_in_progress", "Whether the log is being rewritten."),
    ),
    ("aof_current_size", gauge("redis_aof_current_size_bytes", "Where the log ends.")),
    (
        "aof_base_size",
        gauge("redis_aof_base_size_bytes", "Bytes of the log that the start has read."),
    ),
    (
        "aof_buffer_length",
        gauge("redis_aof_buffer_length", "Bytes that are not written to the log yet."),
    ),
    (
        "aof_last_bgrewrite_status",
        gauge("redis_aof_last_bgrewrite_status", "Whether the last rewrite succeeded."),
    ),
    (
        "aof_last_write_status",
        gauge("redis_aof_last_write_status", "Whether the last write to the log succeeded."),
    ),
    ("connected_slaves", gauge("redis_connected_slaves", "Replicas.")),
    ("master_repl_offset", gauge("redis_master_repl_offset", "What replicas may have got.")),
    ("cluster_enabled", gauge("redis_cluster_enabled", "Whether the server is part of a Cluster.")),
    (
        "instantaneous_ops_per_sec",
        gauge("redis_instantaneous_ops_per_sec", "Commands a second, lately."),
    ),
    (
        "millstream_log_bytes",
        gauge(
            "millstream_log_bytes",
            "Log on disk that no checkpoint covers, and what is prepared.",
        ),
    ),
    (
        "millstream_disk_bytes",
        gauge("millstream_disk_bytes", "Log, blocks, checkpoints and reserve on disk."),
    ),
    ("millstream_block_file_bytes", gauge("millstream_block_file_bytes", "Bytes of block files.")),
    ("millstream_block_bytes", gauge("millstream_block_bytes", "Bytes of entries in memory.")),
    (
        "millstream_cache_bytes",
        gauge(
            "millstream_cache_limit_bytes",
            "Bytes of entries that are to stay in memory at most.",
        ),
    ),
    (
        "millstream_checkpoint_bytes",
        gauge("millstream_checkpoint_bytes", "Bytes of checkpoints that a start would read."),
    ),
    (
        "millstream_checkpoint_status",
        gauge("millstream_checkpoint_status", "Whether the last checkpoint succeeded."),
    ),
    (
        "millstream_log_undurable_bytes",
        gauge("millstream_log_undurable_bytes", "Bytes logged and not synced."),
    ),
    (
        "millstream_poisoned",
        gauge(
            "millstream_poisoned",
            "Whether writes are refused until a restart, as the disk failed.",
        ),
    ),
    (
        "millstream_disk_full",
        gauge("millstream_disk_full", "Whether writes that add are refused, as the disk is full."),
    ),
    (
        "millstream_checkpoint_overdue",
        gauge(
            "millstream_checkpoint_overdue",
            "Whether writes that add are refused, as checkpoints fail.",
        ),
    ),
];

pub(super) static COUNTERS: [Field; 29] = [
    (
        "total_connections_received",
        counter("redis_connections_received_total", "Connections that came."),
    ),
    (
        "rejected_connections",
        counter("redis_rejected_connections_total", "Connections that were not let in."),
    ),
    (
        "acl_access_denied_auth",
        counter("redis_acl_access_denied_auth_total", "Logins that were refused."),
    ),
    (
        "acl_access_denied_cmd",
        counter("redis_acl_access_denied_cmd_total", "Commands that a user may not run."),
    ),
    (
        "acl_access_denied_key",
        counter("redis_acl_access_denied_key_total", "Commands on keys that a user may not use."),
    ),
    (
        "evicted_clients",
        counter("millstream_clients_evicted_total", "Clients cut off for all their memory."),
    ),
    (
        "client_output_buffer_limit_disconnections",
        counter("millstream_clients_output_limit_total", "Clients cut off for replies not taken."),
    ),
    (
        "client_query_buffer_limit_disconnections",
        counter("millstream_clients_query_limit_total", "Clients cut off for a request too large."),
    ),
    ("total_commands_processed", counter("redis_commands_processed_total", "Commands that ran.")),
    (
        "total_error_replies",
        counter("redis_total_error_replies_total", "Replies that were errors."),
    ),
    ("total_net_input_bytes", counter("redis_net_input_bytes_total", "Bytes from clients.")),
    ("total_net_output_bytes", counter("redis_net_output_bytes_total", "Bytes to clients.")),
    ("expired_keys", counter("redis_expired_keys_total", "Keys that expired.")),
    ("evicted_keys", counter("redis_evicted_keys_total", "Keys that went for want of memory.")),
    ("keyspace_hits", counter("redis_keyspace_hits_total", "Keys that reads found.")),
    ("keyspace_misses", counter("redis_keyspace_misses_total", "Keys that reads did not find.")),
    ("used_cpu_sys", counter("redis_cpu_sys_seconds_total", "Processor time within the system.")),
    (
        "used_cpu_user",
        counter("redis_cpu_user_seconds_total", "Processor time of the process itself."),
    ),
    ("millstream_changes", counter("millstream_changes_total", "Changes of the data.")),
    (
        "millstream_delivered",
        counter(
            "millstream_delivered_total",
            "Entries that became pending by a first delivery, in all groups.",
        ),
    ),
    (
        "millstream_acked",
        counter("millstream_acked_total", "Pending entries that were acknowledged."),
    ),
    (
        "millstream_nacked",
        counter("millstream_nacked_total", "Pending entries that were given back."),
    ),
    (
        "millstream_redelivered",
        counter("millstream_redelivered_total", "Pending entries that were handed out again."),
    ),
    (
        "millstream_dead_lettered",
        counter("millstream_dead_lettered_total", "Entries that became dead letters."),
    ),
    (
        "millstream_checkpoints",
        counter("millstream_checkpoints_total", "Checkpoints that were made."),
    ),
    (
        "millstream_checkpoint_failures",
        counter("millstream_checkpoint_failures_total", "Checkpoints that failed."),
    ),
    (
        "millstream_log_bytes_written",
        counter("millstream_log_written_bytes_total", "Bytes that were logged."),
    ),
    (
        "millstream_block_bytes_written",
        counter("millstream_block_written_bytes_total", "Bytes that were written to block files."),
    ),
    (
        "millstream_blocks_read",
        counter("millstream_blocks_read_total", "Blocks that were read back from disk."),
    ),
];
