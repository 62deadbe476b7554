//! Sections on what is on disk, and on replicas, of which there are none.

use millstream_engine::Statistics;
use millstream_runtime::{PrepareFailure, admission, saving};

use super::{flag, flow, lines};
use crate::shared::Shared;

pub(super) fn persistence(shared: &Shared, engine: &Statistics) -> String {
    let status = if shared.store.poison().is_some() { "err" } else { "ok" };
    let unsaved = saving::unsaved_changes(&shared.store, engine.changes);
    let zero = || "0".to_owned();
    let never = || "-1".to_owned();
    let mut all = vec![
        ("loading", zero()),
        ("async_loading", zero()),
        ("current_cow_peak", zero()),
        ("current_cow_size", zero()),
        ("current_cow_size_age", zero()),
        ("current_fork_perc", "0.00".into()),
        ("current_save_keys_processed", zero()),
        ("current_save_keys_total", zero()),
        ("rdb_changes_since_last_save", unsaved.to_string()),
        ("rdb_bgsave_in_progress", flag(saving::is_in_progress(&shared.store))),
        ("rdb_last_save_time", saving::last_save_s(&shared.store).to_string()),
        ("rdb_last_bgsave_status", "ok".into()),
        ("rdb_last_bgsave_time_sec", never()),
        ("rdb_current_bgsave_time_sec", never()),
        ("rdb_saves", zero()),
        ("rdb_saves_consecutive_failures", zero()),
        ("rdb_last_cow_size", zero()),
        ("rdb_last_load_keys_expired", zero()),
        ("rdb_last_load_keys_loaded", zero()),
        ("aof_enabled", flag(!shared.config.memory)),
        ("aof_rewrite_in_progress", zero()),
        ("aof_rewrite_scheduled", zero()),
        ("aof_last_rewrite_time_sec", never()),
        ("aof_current_rewrite_time_sec", never()),
        ("aof_last_bgrewrite_status", "ok".into()),
        ("aof_rewrites", zero()),
        ("aof_rewrites_consecutive_failures", zero()),
        ("aof_last_write_status", status.into()),
        ("aof_last_cow_size", zero()),
        ("module_fork_in_progress", zero()),
        ("module_fork_last_cow_size", zero()),
    ];
    if !shared.config.memory {
        all.extend(log(shared, engine));
        all.extend(storage(shared));
        all.extend(flow::fsync(shared));
    }
    lines(&all)
}

/// Redis shows the first four of an append-only file, which the log is.
fn log(shared: &Shared, engine: &Statistics) -> Vec<(&'static str, String)> {
    let room = shared.store.engine.room();
    let undurable = shared.store.log_end().since(shared.store.engine.durable());
    vec![
        ("aof_current_size", shared.store.engine.written().to_string()),
        ("aof_base_size", shared.recovery.bytes.to_string()),
        ("aof_pending_rewrite", "0".into()),
        ("aof_buffer_length", engine.unwritten_bytes.to_string()),
        ("millstream_sync", shared.config.sync.word().to_owned()),
        ("millstream_log_end", shared.store.log_end().to_string()),
        ("millstream_log_written", shared.store.engine.written().to_string()),
        ("millstream_log_durable", shared.store.engine.durable().to_string()),
        ("millstream_log_undurable_bytes", undurable.to_string()),
        ("millstream_log_prepared_bytes", room.map_or(0, |room| room.bytes()).to_string()),
        ("millstream_disk_full", flag(room.is_some_and(|room| room.is_disk_full()))),
        ("millstream_log_prepare_status", prepare_status(shared).into()),
        ("millstream_checkpoint_overdue", flag(admission::is_overdue(&shared.store.engine))),
        ("millstream_poisoned", flag(shared.store.poison().is_some())),
        ("millstream_poison_reason", shared.store.poison().unwrap_or_default().to_owned()),
        ("millstream_checkpointed", shared.store.engine.checkpointed().to_string()),
        ("millstream_replayed_records", shared.recovery.records.to_string()),
        ("millstream_torn_bytes_cut", shared.recovery.torn_bytes_cut.to_string()),
    ]
}

/// Whether the log can grow; a full disk is told apart.
fn prepare_status(shared: &Shared) -> &'static str {
    match shared.store.prepare_failure() {
        None => "ok",
        Some(PrepareFailure::TooManyFiles) => "too_many_open_files",
        Some(PrepareFailure::Other) => "err",
    }
}

/// Checkpoints and block files.
fn storage(shared: &Shared) -> Vec<(&'static str, String)> {
    let facts = shared.store.engine.storage_statistics();
    let files = facts.files;
    let (logged, zeroed) = shared
        .store
        .engine
        .room()
        .map_or((0, 0), |room| (room.logged_bytes(), room.zeroed_bytes()));
    let all = logged + zeroed + files.written_bytes + facts.checkpoint_bytes;
    let log_bytes = log_bytes(shared);
    let disk_bytes = log_bytes + files.bytes + facts.kept_checkpoint_bytes + facts.reserve_bytes;
    vec![
        ("millstream_log_bytes", log_bytes.to_string()),
        ("millstream_disk_bytes", disk_bytes.to_string()),
        ("millstream_checkpoints", facts.checkpoints.to_string()),
        ("millstream_checkpoint_failures", facts.checkpoint_failures.to_string()),
        (
            "millstream_checkpoint_status",
            if facts.has_checkpoint_failed { "err" } else { "ok" }.into(),
        ),
        ("millstream_last_checkpoint_ms", facts.last_checkpoint_ms.to_string()),
        ("millstream_checkpoint_bytes", facts.kept_checkpoint_bytes.to_string()),
        ("millstream_last_checkpoint_bytes", facts.last_checkpoint_bytes.to_string()),
        ("millstream_checkpoint_bytes_written", facts.checkpoint_bytes.to_string()),
        ("millstream_longest_hold_us", facts.longest_hold_us.to_string()),
        ("millstream_longest_hold_cpu_us", facts.longest_hold_cpu_us.to_string()),
        ("millstream_longest_timer_hold_us", facts.longest_timer_hold_us.to_string()),
        ("millstream_longest_timer_hold_cpu_us", facts.longest_timer_hold_cpu_us.to_string()),
        ("millstream_checkpoint_reserve_bytes", facts.reserve_bytes.to_string()),
        ("millstream_block_files", files.files.to_string()),
        ("millstream_block_file_bytes", files.bytes.to_string()),
        ("millstream_block_live_bytes", files.live_bytes.to_string()),
        ("millstream_block_bytes_written", files.written_bytes.to_string()),
        ("millstream_block_raw_bytes_written", files.raw_bytes.to_string()),
        ("millstream_blocks_read", facts.blocks_read.to_string()),
        ("millstream_blocks_read_holding_lock", facts.blocks_read_held.to_string()),
        ("millstream_log_bytes_written", logged.to_string()),
        ("millstream_log_bytes_zeroed", zeroed.to_string()),
        // All bytes that went to disk since the start, for each that was logged.
        ("millstream_write_amplification", amplification(all, logged)),
    ]
}

/// What no checkpoint covers, and what is prepared for what comes: the log on disk but for the rest
/// of its first segment.
fn log_bytes(shared: &Shared) -> u64 {
    let engine = &shared.store.engine;
    engine.written().since(engine.checkpointed()) + engine.room().map_or(0, |room| room.bytes())
}

/// 0.00 where nothing was logged.
fn amplification(all: u64, logged: u64) -> String {
    let times = if logged == 0 { 0.0 } else { all as f64 / logged as f64 };
    format!("{times:.2}")
}

pub(super) fn replication(shared: &Shared) -> String {
    lines(&[
        ("role", "master".into()),
        ("connected_slaves", "0".into()),
        ("master_failover_state", "no-failover".into()),
        ("master_replid", shared.run_id.clone()),
        ("master_replid2", "0".repeat(40)),
        ("master_repl_offset", shared.store.log_end().to_string()),
        ("second_repl_offset", "-1".into()),
        ("repl_backlog_active", "0".into()),
        ("repl_backlog_size", "0".into()),
        ("repl_backlog_first_byte_offset", "0".into()),
        ("repl_backlog_histlen", "0".into()),
    ])
}
