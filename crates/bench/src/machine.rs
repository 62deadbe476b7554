//! Facts about this machine that a reader of the numbers needs; nothing that names it.

use std::fs;

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
}
