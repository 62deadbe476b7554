//! Times for people: the two largest units of them.

use std::time::{Duration, SystemTime};

use millstream::EntryId;

/// Since the time in an id, as this machine's clock sees it.
pub fn age_of(id: EntryId) -> Duration {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    now.saturating_sub(Duration::from_millis(id.ms))
}

/// `350ms`, `4.2s`, `3m 20s`, `5h 12m`, `17d 3h`.
pub fn short(time: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let two = |seconds: u64, large: u64, names: [&str; 2], small: u64| {
        let rest = seconds % large / small;
        let large = seconds / large;
        match rest {
            0 => format!("{large}{}", names[0]),
            rest => format!("{large}{} {rest}{}", names[0], names[1]),
        }
    };
    match time.as_secs() {
        0 => format!("{}ms", time.as_millis()),
        // Tenths, cut off: nothing is shown as older than it is.
        seconds @ ..MINUTE => match time.subsec_millis() / 100 {
            0 => format!("{seconds}s"),
            tenths => format!("{seconds}.{tenths}s"),
        },
        seconds @ ..HOUR => two(seconds, MINUTE, ["m", "s"], 1),
        seconds @ ..DAY => two(seconds, HOUR, ["h", "m"], MINUTE),
        seconds => two(seconds, DAY, ["d", "h"], HOUR),
    }
}

/// The same where there is one.
pub fn short_or_dash(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".to_owned(), short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_units_are_enough() {
        for (ms, shown) in [
            (0, "0ms"),
            (999, "999ms"),
            (1000, "1s"),
            (4290, "4.2s"),
            (59_999, "59.9s"),
            (60_000, "1m"),
            (200_000, "3m 20s"),
            (3_600_000, "1h"),
            (18_720_000, "5h 12m"),
            (86_399_999, "23h 59m"),
            (86_400_000, "1d"),
            (1_479_600_000, "17d 3h"),
        ] {
            assert_eq!(short(Duration::from_millis(ms)), shown);
        }
    }
}
