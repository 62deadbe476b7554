//! What is to be done in a round of a load.

use std::time::Duration;

use super::payload::Payload;
use crate::output::{entries, plural};

/// What the server has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    Produce,
    Drain,
    Cycle,
    Claim,
    Latency,
}

impl Load {
    /// As on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Produce => "produce",
            Self::Drain => "drain",
            Self::Cycle => "cycle",
            Self::Claim => "claim",
            Self::Latency => "latency",
        }
    }
}

/// A load with all of its numbers. What it has no use for is 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) load: Load,
    /// Entries of a round.
    pub(super) messages: u32,
    pub(super) payload: Payload,
    /// Connections that add.
    pub(super) connections: usize,
    /// XADDs that one of those has under way at the same time.
    pub(super) pipeline: usize,
    /// Workers, with a connection each.
    pub(super) workers: usize,
    /// Entries that a worker asks for at once.
    pub(super) count: usize,
    /// Entries at most that were sent and not acknowledged.
    pub(super) backlog: usize,
    /// Entries that are due in a second.
    pub(super) rate: u32,
    /// Threads of this program.
    pub(super) threads: usize,
    /// Nothing may take longer than this without anything happening.
    pub(super) patience: Duration,
}

impl Plan {
    /// The same with fewer entries, for a round that is not counted.
    pub(super) fn warm_up(mut self) -> Self {
        const SHARE: u32 = 5;
        self.messages = (self.messages / SHARE).max(1);
        self
    }

    /// What its table is headed by.
    pub(super) fn text(&self) -> String {
        let Self { messages, pipeline, count, backlog, rate, .. } = self;
        let connections = plural(self.connections as u64, "connection");
        let workers = plural(self.workers as u64, "worker");
        let round = format!("{} a round", entries(u64::from(*messages)));
        let add = format!("by {connections} with {pipeline} XADD in flight each");
        let work = format!("{workers} with COUNT {count}");
        match self.load {
            Load::Produce => format!("{round}, {add}"),
            Load::Drain => format!("{round}, read by {work}"),
            Load::Cycle => format!("{round}, {add}, at most {backlog} ahead of {work}"),
            Load::Claim => format!("{round} that a dead worker had, claimed by {work}"),
            Load::Latency => format!("{round}, {rate} a second by {connections}, read by {work}"),
        }
    }
}
