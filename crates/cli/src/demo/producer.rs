//! Adds the orders, in bursts, so that consumers are now busy and now waiting.

use std::collections::BTreeMap;
use std::ops::Range;

use redis::{Connection, RedisResult};

use super::ORDERS_STREAM;
use super::ledger::FIRST_ORDER_ID;

/// The fields of order `order_id`.
pub(super) fn order_fields(order_id: usize) -> BTreeMap<String, String> {
    // Amounts climb by 99.99 from order to order; whole cents avoid rounding.
    let cents = 9_999 * (order_id + 1 - FIRST_ORDER_ID);
    BTreeMap::from([
        ("order_id".to_owned(), order_id.to_string()),
        ("amount".to_owned(), format!("{}.{:02}", cents / 100, cents % 100)),
        ("status".to_owned(), "pending".to_owned()),
    ])
}

/// Adds the orders of `order_ids` in one round trip.
pub(super) fn add_orders(connection: &mut Connection, order_ids: Range<usize>) -> RedisResult<()> {
    let mut burst = redis::pipe();
    for order_id in order_ids {
        burst.xadd_map(ORDERS_STREAM, "*", order_fields(order_id)).ignore();
    }
    burst.query(connection)
}
