//! Values over the last hour.

use std::collections::VecDeque;
use std::time::Instant;

/// One look each [`super::INTERVAL`], for an hour.
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
        if self.0.len() >= POINTS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(point);
    }

    pub(crate) fn points(&self) -> impl Iterator<Item = &Point> {
        self.0.iter()
    }

    /// Seconds ago, and what `of` says of each.
    pub(crate) fn values(&self, of: impl Fn(&Point) -> f64) -> Vec<(f64, f64)> {
        self.0.iter().map(|point| (point.at.elapsed().as_secs_f64(), of(point))).collect()
    }
}
