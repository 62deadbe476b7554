//! The demo's work on one order: some milliseconds of nothing, and failures by the dice of a seed.

use std::sync::Arc;
use std::time::Duration;

use millstream::{HandlerError, Message};
use tokio::time::sleep;

use super::ledger::Ledger;

/// Chance of an attempt to fail, per hundred.
const FAILURE_PERCENT: u64 = 20;
/// An attempt takes 2 ms and up to this many more.
const EXTRA_HANDLING_MS: u64 = 8;

/// Processes orders and keeps the ledger.
#[derive(Clone)]
pub(super) struct OrderHandler {
    pub(super) ledger: Arc<Ledger>,
    /// The same seed gives the same failures, order by order and attempt by attempt.
    pub(super) seed: u64,
}

pub(super) fn order_number(message: &Message) -> Option<usize> {
    message.text("order_id")?.parse().ok()
}

impl OrderHandler {
    /// Notes who has the order now; returns its number.
    pub(super) fn take(&self, message: &Message) -> Result<usize, HandlerError> {
        let no_order = || HandlerError::reject("an order without a number");
        let order_id = order_number(message).ok_or_else(no_order)?;
        self.ledger.taken(order_id, message.consumer());
        Ok(order_id)
    }

    /// Does the work.
    pub(super) async fn handle(&self, message: Message) -> Result<(), HandlerError> {
        let order_id = self.take(&message)?;
        let unknown = || HandlerError::reject("the order is not in the ledger");
        let attempt = self.ledger.attempt(order_id).ok_or_else(unknown)?;
        let dice = scramble(self.seed ^ scramble((order_id as u64) << 16 | attempt.number));
        sleep(Duration::from_millis(2 + (dice >> 32) % EXTRA_HANDLING_MS)).await;
        if attempt.always_fails {
            return Err(HandlerError::retry(format!("order {order_id} can never be processed")));
        }
        if dice % 100 < FAILURE_PERCENT {
            let text = format!("order {order_id} failed at attempt {}", attempt.number);
            return Err(HandlerError::retry(text));
        }
        Ok(())
    }
}

/// SplitMix64's finaliser: neighbouring numbers in, unrelated numbers out.
pub(super) fn scramble(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
