//! What the operating system says of this process and machine; zero where it says nothing.

/// Read at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ProcessFacts {
    pub(crate) resident_bytes: u64,
    /// The most that was ever resident.
    pub(crate) peak_bytes: u64,
    pub(super) user_hundredths: u64,
    pub(super) system_hundredths: u64,
}

impl ProcessFacts {
    pub(crate) fn read() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let (user_hundredths, system_hundredths) = times("/proc/self/stat");
        Self {
            resident_bytes: field_bytes(&status, "VmRSS:"),
            peak_bytes: field_bytes(&status, "VmHWM:"),
            user_hundredths,
            system_hundredths,
        }
    }
}

/// Memory of this process. Less to read than all facts.
pub(crate) fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or_default() * rustix::param::page_size() as u64
}

/// A line such as `VmRSS:  1234 kB`.
fn field_bytes(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 1024
}

/// User and system time of a process or a thread, in 1/100 s.
fn times(path: &str) -> (u64, u64) {
    let stat = std::fs::read_to_string(path).unwrap_or_default();
    // The name in parentheses may hold anything; fields 14 and 15 are the times.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut times =
        after_name.split_whitespace().skip(11).map(|text| text.parse().unwrap_or_default());
    (times.next().unwrap_or_default(), times.next().unwrap_or_default())
}

/// The same of threads of this process, together.
pub(super) fn thread_times(threads: impl Iterator<Item = u32>) -> (u64, u64) {
    threads
        .filter(|id| *id != 0)
        .map(|id| times(&format!("/proc/self/task/{id}/stat")))
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

pub(super) fn machine_memory_bytes() -> u64 {
    field_bytes(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default(), "MemTotal:")
}

/// `Linux 6.18.0 x86_64`
pub(super) fn system() -> String {
    let name = rustix::system::uname();
    let words = [name.sysname(), name.release(), name.machine()];
    words.map(|word| word.to_string_lossy().into_owned()).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read() {
        let text = "VmPeak:\t  20 kB\nVmRSS:\t  1234 kB\n";
        assert_eq!(field_bytes(text, "VmRSS:"), 1234 * 1024);
        assert_eq!(field_bytes(text, "VmHWM:"), 0);
    }
}
