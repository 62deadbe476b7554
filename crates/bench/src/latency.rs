//! Times of single round trips, kept whole and sorted at the end.

use std::time::Duration;

/// Round trips of one round on one server.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    nanoseconds: Vec<u64>,
}

impl Latencies {
    /// Adds one round trip.
    pub fn record(&mut self, duration: Duration) {
        self.nanoseconds.push(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: Self) {
        self.nanoseconds.extend(other.nanoseconds);
    }

    /// The time (us) that `percent` (0 to 100) of the round trips did not exceed; none without any.
    pub fn percentile_us(&mut self, percent: f64) -> Option<f64> {
        self.nanoseconds.sort_unstable();
        let last = self.nanoseconds.len().checked_sub(1)?;
        let rank = (self.nanoseconds.len() as f64 * percent / 100.0).ceil() as usize;
        Some(self.nanoseconds[rank.saturating_sub(1).min(last)] as f64 / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_occurred() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile_us(50.0), None);
        for microseconds in (1..=100).rev() {
            latencies.record(Duration::from_micros(microseconds));
        }
        assert_eq!(latencies.percentile_us(50.0), Some(50.0));
        assert_eq!(latencies.percentile_us(99.0), Some(99.0));
        assert_eq!(latencies.percentile_us(100.0), Some(100.0));
    }
}
