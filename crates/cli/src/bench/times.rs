//! Times of many things, exact to three digits, in memory that does not grow with their number.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longer ones count as this.
const LONGEST: Duration = Duration::from_hours(1);
/// Percentiles that are told, with their names for people and in JSON.
pub(super) const PERCENTILES: [(f64, &str, &str); 5] = [
    (50.0, "p50", "p50_us"),
    (90.0, "p90", "p90_us"),
    (99.0, "p99", "p99_us"),
    (99.9, "p99.9", "p99_9_us"),
    (100.0, "max", "max_us"),
];

/// Times, in nanoseconds; no memory is taken before the first one.
#[derive(Clone, Debug, Default)]
pub(super) struct Times(Option<Box<Histogram<u32>>>);

impl Times {
    pub(super) fn record(&mut self, time: Duration) {
        let time = nanoseconds(time.min(LONGEST)).max(1);
        self.all().record(time).expect("it grows with what it is given");
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if let Some(others) = &other.0 {
            self.all().add(&**others).expect("it grows with what it is given");
        }
    }

    fn all(&mut self) -> &mut Histogram<u32> {
        self.0.get_or_insert_with(|| Box::new(Histogram::new(3).expect("three digits are some")))
    }

    /// The time that so many percent did not exceed, in microseconds; none without any.
    pub(super) fn percentile_us(&self, percent: f64) -> Option<f64> {
        let all = self.0.as_ref()?;
        Some(all.value_at_quantile(percent / 100.0) as f64 / 1000.0)
    }

    /// Steps of 1, 2 and 5 from the shortest to the longest time: the upper end of each in
    /// microseconds, and how many times lie within.
    pub(super) fn steps(&self) -> Vec<(f64, u64)> {
        let mut steps: Vec<(f64, u64)> = Vec::new();
        let Some(all) = &self.0 else { return steps };
        let mut step_ends = step_ends().peekable();
        for recorded in all.iter_recorded() {
            let is_beyond = |end: &u64| recorded.value_iterated_to() >= *end;
            while let Some(end) = step_ends.next_if(is_beyond) {
                // Steps without any, between those with some.
                if steps.last().is_some_and(|(last, _)| *last < micros(end)) {
                    steps.push((micros(end), 0));
                }
            }
            let Some(&end) = step_ends.peek() else { break };
            let count = recorded.count_since_last_iteration();
            match steps.last_mut() {
                Some((last, counted)) if *last == micros(end) => *counted += count,
                _ => steps.push((micros(end), count)),
            }
        }
        steps
    }
}

fn micros(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1000.0
}

/// 1, 2, 5, 10, 20, 50... microseconds, in nanoseconds.
fn step_ends() -> impl Iterator<Item = u64> {
    let decades = (3..=12).map(|power| 10u64.pow(power));
    decades.flat_map(|decade| [1, 2, 5].map(|step| step * decade))
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(micros: impl Iterator<Item = u64>) -> Times {
        let mut times = Times::default();
        micros.for_each(|time| times.record(Duration::from_micros(time)));
        times
    }

    #[test]
    fn percentiles_are_right_to_three_digits() {
        assert_eq!(Times::default().percentile_us(50.0), None);
        let times = of(1..=1000);
        for (percent, us) in [(50.0, 500.0), (99.0, 990.0), (100.0, 1000.0)] {
            let found: f64 = times.percentile_us(percent).expect("there are some");
            assert!((found - us).abs() <= us / 500.0, "{percent}: {found}");
        }
    }

    #[test]
    fn each_time_is_in_one_step() {
        assert_eq!(of([].into_iter()).steps(), []);
        let times = of([3, 4, 4, 7, 30, 7_200_000_000].into_iter());
        let steps = times.steps();
        assert_eq!(steps[..4], [(5.0, 3), (10.0, 1), (20.0, 0), (50.0, 1)]);
        assert_eq!(steps.iter().map(|(_, count)| count).sum::<u64>(), 6);
        assert_eq!(steps.last().map(|(_, count)| *count), Some(1));
    }
}
