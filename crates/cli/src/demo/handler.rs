//! The demo's work on one order: some milliseconds of nothing, and failures by the dice of a seed.

use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use super::consumer::{Job, Message, Settlement};
use super::ledger::Ledger;

/// Chance of an attempt to fail, per hundred.
const FAILURE_PERCENT: u64 = 20;
/// An attempt takes 2 ms and up to this many more.
const EXTRA_HANDLING_MS: u64 = 8;

/// Processes orders for one consumer and keeps the ledger.
pub(super) struct OrderHandler<'a> {
    /// Name of the consumer it works for.
    pub(super) consumer: String,
    pub(super) ledger: &'a Ledger,
    /// The same seed gives the same failures, order by order and attempt by attempt.
    pub(super) seed: u64,
}

impl OrderHandler<'_> {
    fn order_number(message: &Message) -> Option<usize> {
        message.data.get("order_id")?.parse().ok()
    }
}

impl Job for OrderHandler<'_> {
    fn handle(&mut self, message: &Message) -> anyhow::Result<()> {
        let order_id = Self::order_number(message).context("read order_id")?;
        let attempt = self.ledger.attempt(order_id).context("find the order in the ledger")?;
        let dice = scramble(self.seed ^ scramble((order_id as u64) << 16 | attempt.number));
        thread::sleep(Duration::from_millis(2 + (dice >> 32) % EXTRA_HANDLING_MS));
        if attempt.always_fails {
            bail!("order {order_id} can never be processed");
        }
        if dice % 100 < FAILURE_PERCENT {
            bail!("order {order_id} failed at attempt {}", attempt.number);
        }
        Ok(())
    }

    fn taken(&mut self, message: &Message) {
        if let Some(order_id) = Self::order_number(message) {
            self.ledger.taken(order_id, &self.consumer, message.claimed);
        }
    }

    fn settled(&mut self, message: &Message, settlement: Settlement) {
        if let Some(order_id) = Self::order_number(message) {
            self.ledger.settled(order_id, &message.id, settlement);
        }
    }
}

/// SplitMix64's finaliser: neighbouring numbers in, unrelated numbers out.
pub(super) fn scramble(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
