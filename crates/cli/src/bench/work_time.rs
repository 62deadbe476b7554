//! How long clients were at work together.

use std::time::Duration;

use super::measured::Measured;
use super::producer::Worked;
use super::times::Times;

/// Until the last entry was done, and the times of all.
pub(super) fn work_time(measured: &Measured<Worked>) -> (Duration, Times) {
    let mut all = Times::default();
    measured.results.iter().for_each(|worked| all.merge(&worked.times));
    let last_at = measured.results.iter().map(|worked| worked.last_at).max();
    let elapsed = last_at.unwrap_or(measured.begun_at).duration_since(measured.begun_at);
    (elapsed, all)
}
