//! The outcome of a run, as numbers and as text.

use std::fmt;
use std::time::Duration;

use millstream::GroupStatistics;

/// What a demo run came to.
#[derive(Clone, Debug)]
pub(crate) struct DemoReport {
    /// Seed of the failures; the same seed fails the same attempts.
    pub(crate) seed: u64,
    /// Orders added.
    pub(crate) orders: u64,
    /// Orders processed and acknowledged.
    pub(crate) processed: u64,
    /// Attempts beyond the first of their order.
    pub(crate) retried: u64,
    /// Orders taken over from the consumer that was lost.
    pub(crate) claimed_from_dead: u64,
    /// Orders moved to the dead-letter stream.
    pub(crate) dead_lettered: u64,
    /// Jobs that were done although a colleague had settled the order: the price of delivery at
    /// least once, paid only when a consumer is not heard of for the idle time for claims.
    pub(crate) processed_twice: u64,
    /// From the first order added to the last one settled.
    pub(crate) elapsed: Duration,
    /// The group as the server sees it at the end.
    pub(crate) group: GroupStatistics,
}

impl DemoReport {
    /// Orders settled per second.
    pub(crate) fn orders_per_second(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { (self.processed + self.dead_lettered) as f64 / seconds } else { 0.0 }
    }
}

impl fmt::Display for DemoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.group)?;
        writeln!(f, "Orders: {} in {:.1}s", self.orders, self.elapsed.as_secs_f64())?;
        writeln!(f, "  Processed: {}", self.processed)?;
        writeln!(f, "  Retried: {}", self.retried)?;
        writeln!(f, "  Claimed from the dead consumer: {}", self.claimed_from_dead)?;
        writeln!(f, "  Dead-lettered: {}", self.dead_lettered)?;
        if self.processed_twice > 0 {
            writeln!(f, "  Processed twice: {}", self.processed_twice)?;
        }
        writeln!(f, "  Orders per second: {:.1}", self.orders_per_second())?;
        write!(f, "Seed: {}", self.seed)
    }
}
