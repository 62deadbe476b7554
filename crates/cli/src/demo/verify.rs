//! Holds the server to the ledger once the run is over.
//!
//! 1. Every order ended processed or dead-lettered, exactly once.
//! 2. Nothing is pending, and the stream holds the orders and nothing else.
//! 3. The dead letters on the server are exactly those of the ledger, with the order's own data.
//! 4. Orders that always fail are among them, and every attempt has a known end.

use std::collections::HashMap;

use anyhow::{Context, bail, ensure};
use redis::streams::StreamRangeReply;
use redis::{Commands, Connection};

use super::dead_letter::{dead_letter_stream, json_object};
use super::ledger::{Ledger, OrderAccount};
use super::monitor::GroupStats;
use super::producer::order_fields;
use super::{ORDER_GROUP, ORDERS_STREAM};

/// Fails with the first thing that does not add up.
pub(super) fn verify(
    connection: &mut Connection,
    ledger: &Ledger,
    stats: &GroupStats,
) -> anyhow::Result<()> {
    let accounts = ledger.accounts();
    for (order_id, account) in &accounts {
        verify_account(*order_id, account)?;
    }
    ensure!(stats.pending == 0, "{} orders are still pending in {ORDER_GROUP}", stats.pending);
    let length: usize = connection.xlen(ORDERS_STREAM).context("count the orders")?;
    ensure!(
        length == accounts.len(),
        "{ORDERS_STREAM} holds {length} entries, but {} orders were added",
        accounts.len()
    );
    ensure!(ledger.totals().claimed_from_dead > 0, "nothing was claimed from the lost consumer");
    verify_dead_letters(connection, accounts)
}

fn verify_account(order_id: usize, account: &OrderAccount) -> anyhow::Result<()> {
    let OrderAccount { processed, processed_late, dead_lettered, attempts, failures, .. } = account;
    ensure!(
        processed + dead_lettered == 1,
        "order {order_id} was processed {processed} times and dead-lettered {dead_lettered} times"
    );
    ensure!(
        processed + processed_late + failures == *attempts,
        "order {order_id} was attempted {attempts} times, but {failures} failures are known"
    );
    ensure!(
        *dead_lettered == 1 || !account.always_fails,
        "order {order_id} always fails and yet was processed"
    );
    Ok(())
}

fn verify_dead_letters(
    connection: &mut Connection,
    accounts: Vec<(usize, OrderAccount)>,
) -> anyhow::Result<()> {
    let target = dead_letter_stream(ORDERS_STREAM);
    let letters: StreamRangeReply =
        connection.xrange_all(&target).context("read the dead letters")?;
    let mut expected: HashMap<String, usize> = accounts
        .into_iter()
        .filter(|(_, account)| account.dead_lettered == 1)
        .filter_map(|(order_id, account)| Some((account.entry_id?, order_id)))
        .collect();
    for letter in letters.ids {
        let field = |name: &str| {
            letter
                .get::<String>(name)
                .with_context(|| format!("dead letter {} has no field {name}", letter.id))
        };
        let original_id = field("original_id")?;
        let Some(order_id) = expected.remove(&original_id) else {
            bail!("entry {original_id} has a dead letter too many: {}", letter.id);
        };
        ensure!(
            field("original_data")? == json_object(&order_fields(order_id)),
            "dead letter {} does not carry the data of order {order_id}",
            letter.id
        );
        field("failed_at")?.parse::<f64>().context("read failed_at")?;
        ensure!(field("consumer")?.starts_with("consumer-"), "dead letter without a consumer");
    }
    if let Some((entry_id, order_id)) = expected.into_iter().next() {
        bail!("order {order_id} (entry {entry_id}) has no dead letter on the server");
    }
    Ok(())
}
