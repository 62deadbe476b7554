//! Values over the last hour.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Older ones are forgotten.
const AGE_MAX: Duration = Duration::from_secs(60 * 60);
/// One look each [`super::INTERVAL`], for an hour; fewer where looks take long.
const POINTS_MAX: usize = 720;

/// What one look saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) at: Instant,
    /// Entries added a second.
    pub(crate) rate_in: f64,
    /// Entries handed out a second.
    pub(crate) rate_out: f64,
    pub(crate) lag: f64,
    pub(crate) pending: f64,
    /// Seconds; 0 where nothing is pending.
    pub(crate) oldest: f64,
}

/// Points of an hour, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series(VecDeque<Point>);

impl Series {
    pub(crate) fn add(&mut self, point: Point) {
        let is_old = |first: &Point| point.at.duration_since(first.at) > AGE_MAX;
        while self.0.len() >= POINTS_MAX || self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
        self.0.push_back(point);
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = &Point> {
        // While nobody answers none is added.
        self.0.iter().filter(|point| point.at.elapsed() <= AGE_MAX)
    }

    /// Seconds ago, and what `of` says of each.
    pub(crate) fn values(&self, of: impl Fn(&Point) -> f64) -> Vec<(f64, f64)> {
        self.points().map(|point| (point.at.elapsed().as_secs_f64(), of(point))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Symptom: where looks were seldom, the plots of the last hour went back for many.
    #[test]
    fn what_is_older_than_an_hour_is_forgotten() {
        let (mut series, begun) = (Series::default(), Instant::now());
        for minutes in [0, 40, 60, 61] {
            let at = begun + Duration::from_secs(minutes * 60);
            let zero = 0.0;
            series.add(Point {
                at,
                rate_in: zero,
                rate_out: zero,
                lag: zero,
                pending: zero,
                oldest: zero,
            });
        }
        let kept: Vec<_> = series.points().map(|point| (point.at - begun).as_secs() / 60).collect();
        assert_eq!(kept, [40, 60, 61]);
        for second in 0..2000 {
            let at = begun + Duration::from_secs(61 * 60 + second);
            series.add(Point { at, ..*series.0.back().expect("a point") });
        }
        assert_eq!(series.points().count(), POINTS_MAX);
    }
}
