//! What must hold beside the peer, and whether it does.

use std::fmt;

use crate::pairing::Pairing;

/// One bound on one ratio of ours to the peer's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// How the servers are started for it.
    pub pairing: Pairing,
    /// What is bounded.
    pub bound: Bound,
}

/// A bound on a ratio, ours divided by the peer's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// The server's processor time per message, at most.
    Cpu(f64),
    /// Messages per second, at least.
    Throughput(f64),
}

impl Goal {
    /// Without syncs on either side: at most this share of the peer's processor time. Clients
    /// share the machine, so throughput would say as much about them.
    pub const fn cpu(at_most: f64) -> Self {
        Self { pairing: Pairing::UNSYNCED, bound: Bound::Cpu(at_most) }
    }

    /// With a sync before each reply on both sides: at least so many times the peer's throughput.
    pub const fn synced(at_least: f64) -> Self {
        Self { pairing: Pairing::SYNCED, bound: Bound::Throughput(at_least) }
    }

    /// With a sync before each reply beside a peer without any persistence: at least so many times
    /// its throughput.
    pub const fn durable_against_volatile(at_least: f64) -> Self {
        let pairing = Pairing::DURABLE_AGAINST_VOLATILE;
        Self { pairing, bound: Bound::Throughput(at_least) }
    }
}

impl Bound {
    /// Whether `ratio` keeps to it.
    pub fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::Cpu(at_most) => ratio <= at_most,
            Self::Throughput(at_least) => ratio >= at_least,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(at_most) => write!(f, "CPU <= {at_most}"),
            Self::Throughput(at_least) => write!(f, "messages/s >= {at_least}"),
        }
    }
}

/// The word for a goal in a report.
pub fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "**missed**" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_bounded_above_and_throughput_below() {
        assert!(Bound::Cpu(0.5).is_met(0.5) && !Bound::Cpu(0.5).is_met(0.51));
        assert!(Bound::Throughput(2.0).is_met(2.0) && !Bound::Throughput(2.0).is_met(1.99));
        assert!(!Bound::Cpu(0.5).is_met(f64::NAN) && !Bound::Throughput(2.0).is_met(f64::NAN));
    }
}
