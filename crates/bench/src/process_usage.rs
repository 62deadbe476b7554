//! What a process has used so far, from Linux' `/proc`.

use std::fs;

use anyhow::{Context, ensure};

/// Length of the ticks in `/proc/PID/stat`: 100 per second on every architecture of Linux.
const TICK_US: u64 = 10_000;

/// Totals since the start of a process, over all its threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessUsage {
    /// Processor time, user and system, in steps of 10 ms.
    pub cpu_us: u64,
    /// Voluntary and involuntary switches of the threads that are alive.
    pub context_switches: u64,
}

impl ProcessUsage {
    /// Reads the usage of process `pid`.
    ///
    /// # Errors
    /// There is no such process, or `/proc` is not Linux'.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let stat =
            fs::read_to_string(format!("/proc/{pid}/stat")).context("read /proc/PID/stat")?;
        let mut context_switches = 0;
        let threads = fs::read_dir(format!("/proc/{pid}/task")).context("list the threads")?;
        for thread in threads {
            let path = thread.context("list the threads")?.path().join("status");
            // A thread may have ended since it was listed.
            let Ok(status) = fs::read_to_string(path) else { continue };
            context_switches += parse_context_switches(&status);
        }
        Ok(Self { cpu_us: parse_cpu_us(&stat)?, context_switches })
    }

    /// What was used since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu_us: self.cpu_us.saturating_sub(earlier.cpu_us),
            context_switches: self.context_switches.saturating_sub(earlier.context_switches),
        }
    }
}

/// Processor time of the threads of `pid` that are alive, ns. Exact where [`ProcessUsage`] counts
/// in steps, but threads that ended are missing: for a server whose threads all stay.
///
/// # Errors
/// There is no such process, or the kernel keeps no such account.
pub fn thread_nanoseconds(pid: u32) -> anyhow::Result<u64> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).context("list the threads")?;
    let mut total = 0;
    for thread in threads {
        let path = thread.context("list the threads")?.path().join("schedstat");
        let account = fs::read_to_string(path).context("read schedstat of a thread")?;
        let spent = account.split_whitespace().next().context("schedstat is empty")?;
        total += spent.parse::<u64>().context("read the time of a thread")?;
    }
    Ok(total)
}

fn parse_cpu_us(stat: &str) -> anyhow::Result<u64> {
    // The name of the program may contain anything, blanks and brackets too.
    let (_, fields) = stat.rsplit_once(')').context("find the end of the program name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    ensure!(fields.len() > 12, "/proc/PID/stat has {} fields", fields.len());
    let user: u64 = fields[11].parse().context("read utime")?;
    let system: u64 = fields[12].parse().context("read stime")?;
    Ok((user + system) * TICK_US)
}

fn parse_context_switches(status: &str) -> u64 {
    status
        .lines()
        .filter(|line| line.contains("voluntary_ctxt_switches"))
        .filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_a_name_with_brackets() {
        let stat = "12 (odd) name)) S 1 2 3 4 5 6 7 8 9 10 30 12 0 0 20 0 4 0 99";
        assert_eq!(parse_cpu_us(stat).expect("parse"), 420_000);
        assert!(parse_cpu_us("12 (short) S 1 2").is_err());
    }

    #[test]
    fn both_kinds_of_switches_count() {
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t5\n";
        assert_eq!(parse_context_switches(status), 12);
    }

    #[test]
    fn this_process_has_a_usage() {
        assert!(ProcessUsage::of(std::process::id()).expect("own usage").context_switches > 0);
        assert!(ProcessUsage::of(u32::MAX).is_err());
        assert!(thread_nanoseconds(std::process::id()).expect("own time") > 0);
        assert!(thread_nanoseconds(u32::MAX).is_err());
    }
}
