//! One run from start to end, and what is told of it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::config::Config;
use crate::simulation::{Counters, Simulation};

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// The step in which it failed, and why.
    pub failure: Option<(u64, String)>,
    /// The last steps, as lines.
    pub last_lines: Vec<String>,
    /// The same for two runs that did the same.
    pub hash: u64,
    /// What it did.
    pub counters: Counters,
}

/// Runs a seed. A panic of the program is a failure like others.
#[must_use]
pub fn run(seed: u64, config: &Config) -> Report {
    let mut report = Report {
        seed,
        failure: None,
        last_lines: Vec::new(),
        hash: 0,
        counters: Counters::default(),
    };
    let mut simulation = match Simulation::new(seed, config.clone()) {
        Ok(simulation) => simulation,
        Err(failure) => {
            report.failure = Some((0, failure.to_string()));
            return report;
        }
    };
    let result = catch_unwind(AssertUnwindSafe(|| simulation.run()));
    report.failure = match result {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some((simulation.step, failure.to_string())),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()));
            Some((simulation.step, format!("panic: {}", text.unwrap_or_default())))
        }
    };
    report.last_lines = simulation.trace.last_lines();
    report.hash = simulation.trace.hash();
    report.counters = simulation.counters;
    if report.failure.is_some() {
        // A lock that was held when the program panicked is not to be touched again.
        std::mem::forget(simulation);
    }
    report
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((step, why)) = &self.failure else {
            return write!(f, "seed {}: {:016x} {:?}", self.seed, self.hash, self.counters);
        };
        writeln!(f, "seed {} failed in step {step}", self.seed)?;
        for line in &self.last_lines {
            writeln!(f, "{line}")?;
        }
        write!(f, "{why}")
    }
}
