//! Where memory goes: measured where it can be, and left out where it cannot.
//!
//! The allocator keeps no count that could be read, so used memory is what is resident; above
//! `maxmemory` it is what is known to be in use (see `memory_budget.rs`). What is known of it is
//! overhead: what the process took before there was data, buffers of clients, records on their way
//! to the disk, and the tables of keys. The rest counts as data.

use std::sync::atomic::Ordering;

use millstream_engine::Statistics;

use super::process::{ProcessFacts, machine_memory_bytes};
use super::{human, lines};
use crate::shared::Shared;

/// Shares of the memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryFacts {
    /// What `maxmemory` is compared with.
    pub(crate) used: u64,
    pub(crate) resident: u64,
    pub(crate) peak: u64,
    /// Before there was data.
    pub(crate) startup: u64,
    /// What clients sent and have not taken.
    pub(crate) clients: u64,
    /// Records that are not yet with the operating system.
    pub(crate) log_buffer: u64,
    /// Where keys are found, and when they expire.
    pub(crate) tables: u64,
}

impl MemoryFacts {
    pub(crate) fn gather(shared: &Shared, engine: &Statistics) -> Self {
        let ProcessFacts { resident_bytes, peak_bytes, .. } = ProcessFacts::read();
        let used = shared.memory.used(resident_bytes);
        Self {
            used,
            resident: resident_bytes,
            peak: peak_bytes.max(resident_bytes),
            startup: shared.startup_bytes.load(Ordering::Relaxed).min(used),
            clients: shared.memory.clients() as u64,
            log_buffer: engine.unwritten_bytes as u64,
            tables: engine.table_bytes as u64,
        }
    }

    pub(crate) fn overhead(&self) -> u64 {
        (self.startup + self.clients + self.log_buffer + self.tables).min(self.used)
    }

    pub(crate) fn dataset(&self) -> u64 {
        self.used - self.overhead()
    }

    fn fragmentation(&self) -> f64 {
        if self.used == 0 { 1.0 } else { self.resident as f64 / self.used as f64 }
    }

    /// Of what is not used by the bare process.
    pub(crate) fn dataset_percent(&self) -> f64 {
        percent(self.dataset(), self.used - self.startup)
    }

    pub(crate) fn peak_percent(&self) -> f64 {
        percent(self.used, self.peak)
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 * 100.0 / whole as f64 }
}

pub(super) fn section(shared: &Shared, facts: &MemoryFacts, engine: &Statistics) -> String {
    let machine = machine_memory_bytes();
    let zero = || "0".to_owned();
    lines(&[
        ("used_memory", facts.used.to_string()),
        ("used_memory_human", human(facts.used)),
        ("used_memory_rss", facts.resident.to_string()),
        ("used_memory_rss_human", human(facts.resident)),
        ("used_memory_peak", facts.peak.to_string()),
        ("used_memory_peak_human", human(facts.peak)),
        ("used_memory_peak_perc", format!("{:.2}%", facts.peak_percent())),
        ("used_memory_overhead", facts.overhead().to_string()),
        ("used_memory_startup", facts.startup.to_string()),
        ("used_memory_dataset", facts.dataset().to_string()),
        ("used_memory_dataset_perc", format!("{:.2}%", facts.dataset_percent())),
        ("total_system_memory", machine.to_string()),
        ("total_system_memory_human", human(machine)),
        ("used_memory_lua", zero()),
        ("used_memory_vm_eval", zero()),
        ("used_memory_lua_human", human(0)),
        ("used_memory_scripts_eval", zero()),
        ("number_of_cached_scripts", zero()),
        ("number_of_functions", zero()),
        ("number_of_libraries", zero()),
        ("used_memory_vm_functions", zero()),
        ("used_memory_vm_total", zero()),
        ("used_memory_vm_total_human", human(0)),
        ("used_memory_functions", zero()),
        ("used_memory_scripts", zero()),
        ("used_memory_scripts_human", human(0)),
        ("maxmemory", shared.memory.max().to_string()),
        ("maxmemory_human", human(shared.memory.max())),
        ("maxmemory_policy", "noeviction".into()),
        ("mem_fragmentation_ratio", format!("{:.2}", facts.fragmentation())),
        ("mem_fragmentation_bytes", facts.resident.saturating_sub(facts.used).to_string()),
        ("mem_not_counted_for_evict", zero()),
        ("mem_replication_backlog", zero()),
        ("mem_total_replication_buffers", zero()),
        ("mem_replica_full_sync_buffer", zero()),
        ("mem_clients_slaves", zero()),
        ("mem_clients_normal", facts.clients.to_string()),
        ("mem_cluster_slot_migration_output_buffer", zero()),
        ("mem_cluster_slot_migration_input_buffer", zero()),
        ("mem_cluster_slot_migration_input_buffer_peak", zero()),
        ("mem_cluster_links", zero()),
        ("mem_aof_buffer", facts.log_buffer.to_string()),
        ("mem_allocator", shared.config.allocator.into()),
        ("active_defrag_running", zero()),
        ("lazyfree_pending_objects", engine.garbage_objects.to_string()),
        ("millstream_string_bytes", engine.string_bytes.to_string()),
        ("millstream_block_bytes", engine.block_bytes.to_string()),
        ("millstream_block_bytes_unwritten", engine.unwritten_block_bytes.to_string()),
        (
            "millstream_cache_bytes",
            shared.store.engine.storage_statistics().cache_bytes.to_string(),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_never_wrap() {
        let (startup, clients, log_buffer, tables) = (40, 10, 15, 5);
        let facts = MemoryFacts {
            used: 100,
            resident: 100,
            peak: 200,
            startup,
            clients,
            log_buffer,
            tables,
        };
        assert_eq!((facts.overhead(), facts.dataset()), (70, 30));
        assert!((facts.dataset_percent() - 50.0).abs() < 1e-9);
        assert!((facts.peak_percent() - 50.0).abs() < 1e-9);
        let shrunk = MemoryFacts { used: 60, ..facts };
        assert_eq!((shrunk.overhead(), shrunk.dataset()), (60, 0));
        let (startup, clients, log_buffer, tables) = (0, 0, 0, 0);
        let nothing =
            MemoryFacts { used: 0, resident: 0, peak: 0, startup, clients, log_buffer, tables };
        assert_eq!(nothing.peak_percent().to_string(), "0");
    }
}
