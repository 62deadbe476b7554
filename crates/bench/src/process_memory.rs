//! What a process has in memory, from Linux' `/proc`.

use std::fs;

use anyhow::Context;

/// Resident bytes of process `pid`, pages of programs and libraries included.
///
/// # Errors
/// There is no such process, or `/proc` is not Linux'.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).context("read /proc/PID/status")?;
    parse(&status).context("find VmRSS in /proc/PID/status")
}

fn parse(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_size_is_in_kilobytes() {
        assert_eq!(parse("VmHWM:\t  99 kB\nVmRSS:\t    12 kB\n"), Some(12 * 1024));
        assert_eq!(parse("VmHWM:\t  99 kB\n"), None);
        assert!(resident_bytes(std::process::id()).expect("own size") > 0);
        assert!(resident_bytes(u32::MAX).is_err());
    }
}
