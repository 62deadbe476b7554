//! Adds the orders, in bursts, so that consumers are now busy and now waiting.

use std::ops::Range;

use millstream::{Error, Fields, Millstream};

use super::ORDERS_STREAM;
use super::ledger::FIRST_ORDER_ID;

/// The fields of order `order_id`.
pub(super) fn order_fields(order_id: usize) -> Fields {
    // Amounts climb by 99.99 from order to order; whole cents avoid rounding.
    let cents = 9_999 * (order_id + 1 - FIRST_ORDER_ID);
    Fields::new()
        .with("order_id", order_id.to_string())
        .with("amount", format!("{}.{:02}", cents / 100, cents % 100))
        .with("status", "pending")
}

/// Adds the orders of `order_ids`.
pub(super) async fn add_orders(
    millstream: &Millstream,
    order_ids: Range<usize>,
) -> Result<(), Error> {
    for order_id in order_ids {
        millstream.add(ORDERS_STREAM, &order_fields(order_id)).await?;
    }
    Ok(())
}
