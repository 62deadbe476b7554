//! The steps that a failure needs.
//!
//! Each step has dice of its own, so the others can be left out: ever smaller pieces are, as long
//! as the run still fails.

use crate::config::Config;
use crate::report::{Report, run};

/// A configuration with as few steps as could be found with which the seed still fails, and its
/// report. Nothing if it does not fail.
#[must_use]
pub fn shrink(seed: u64, config: &Config) -> Option<(Config, Report)> {
    let mut best = run(seed, config);
    let (failed_in, _) = best.failure.clone()?;
    let mut config = Config { steps: failed_in + 1, prints: false, ..config.clone() };
    let mut size = (failed_in / 2).max(1);
    loop {
        let mut has_shrunk = false;
        let mut from = 0;
        while from < config.steps {
            let piece: Vec<u64> = (from..(from + size).min(config.steps))
                .filter(|step| !config.skipped.contains(step))
                .collect();
            from += size;
            if piece.is_empty() {
                continue;
            }
            let mut smaller = config.clone();
            smaller.skipped.extend(piece);
            let report = run(seed, &smaller);
            if report.failure.is_some() {
                (config, best, has_shrunk) = (smaller, report, true);
            }
        }
        if size == 1 && !has_shrunk {
            return Some((config, best));
        }
        size = (size / 2).max(1);
    }
}
