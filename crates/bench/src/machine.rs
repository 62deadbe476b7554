//! Facts about this machine that a reader of the numbers needs; nothing that names it.

use std::fs;
use std::io::Write;
use std::time::Instant;

use anyhow::Context;

use crate::latency::Latencies;

/// Syncs that are timed.
const SYNCS: usize = 200;

/// One line: processor model, cores, kernel.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown processor", |(_, model)| model.trim());
    format!("{cores} cores ({model}), Linux {}", kernel_version(&kernel))
}

/// The day of today in UTC, as 2026-12-31.
pub fn today() -> String {
    jiff::Timestamp::now().strftime("%F").to_string()
}

/// How long it takes to append 4 KiB to a file and sync its data, us; the median. It lies where the
/// servers' directories are. Whatever syncs before it replies depends on it.
///
/// # Errors
/// The file cannot be written.
pub fn sync_us() -> anyhow::Result<f64> {
    let mut file = tempfile::tempfile().context("make a file")?;
    let mut latencies = Latencies::default();
    for _ in 0..SYNCS {
        let begun_at = Instant::now();
        file.write_all(&[1; 4096]).context("append to the file")?;
        file.sync_data().context("sync the file")?;
        latencies.record(begun_at.elapsed());
    }
    latencies.percentile_us(50.0).context("at least one sync was timed")
}

/// The numbers of a kernel release; what follows them may name the machine or its owner.
fn kernel_version(release: &str) -> &str {
    let end = release.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(release.len());
    release[..end].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_release_loses_what_may_name_its_owner() {
        assert_eq!(kernel_version("6.8.0-45-somebody\n"), "6.8.0");
        assert_eq!(kernel_version("6.8"), "6.8");
    }

    #[test]
    fn today_is_a_day_and_a_sync_takes_time() {
        let parts = today().split('-').map(str::len).collect::<Vec<_>>();
        assert_eq!(parts, [4, 2, 2]);
        assert!(sync_us().expect("a file that can be synced") > 0.0);
    }
}
