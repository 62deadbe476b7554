//! Holds the server to the ledger once the run is over.
//!
//! 1. Every order ended processed or dead-lettered, exactly once.
//! 2. Nothing is pending, and the stream holds the orders and nothing else.
//! 3. The dead letters on the server are exactly those of the ledger, with the order's own data.
//! 4. Orders that always fail are among them, and every attempt has a known end.

use std::collections::HashMap;
use std::time::SystemTime;

use anyhow::{Context, bail, ensure};
use millstream::{DeadLetters, EntryId, GroupStatistics, Millstream};

use super::ledger::{Ledger, OrderAccount};
use super::producer::order_fields;
use super::{LETTERS_STREAM, ORDER_GROUP, ORDERS_STREAM};

/// Fails with the first thing that does not add up.
pub(super) async fn verify(
    millstream: &Millstream,
    ledger: &Ledger,
    group: &GroupStatistics,
) -> anyhow::Result<()> {
    let accounts = ledger.accounts();
    for (order_id, account) in &accounts {
        verify_account(*order_id, account)?;
    }
    let pending = group.pending.total;
    ensure!(pending == 0, "{pending} orders are still pending in {ORDER_GROUP}");
    let length = millstream.len(ORDERS_STREAM).await.context("count the orders")?;
    ensure!(
        length == accounts.len() as u64,
        "{ORDERS_STREAM} holds {length} entries, but {} orders were added",
        accounts.len()
    );
    ensure!(ledger.totals().claimed_from_dead > 0, "nothing was claimed from the lost consumer");
    verify_dead_letters(millstream, accounts).await
}

fn verify_account(order_id: usize, account: &OrderAccount) -> anyhow::Result<()> {
    let OrderAccount { processed, processed_late, dead_lettered, attempts, failures, .. } = account;
    ensure!(account.given_up <= 1, "order {order_id} was given up {} times", account.given_up);
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

async fn verify_dead_letters(
    millstream: &Millstream,
    accounts: Vec<(usize, OrderAccount)>,
) -> anyhow::Result<()> {
    let letters = DeadLetters::new(millstream, LETTERS_STREAM);
    let letters = letters.list(None, accounts.len() + 1).await.context("read the dead letters")?;
    let mut expected: HashMap<EntryId, usize> = accounts
        .into_iter()
        .filter(|(_, account)| account.dead_lettered == 1)
        .filter_map(|(order_id, account)| Some((account.entry_id?, order_id)))
        .collect();
    for letter in letters {
        let Some(order_id) = expected.remove(&letter.original_id) else {
            bail!("entry {} has a dead letter too many: {}", letter.original_id, letter.id);
        };
        ensure!(
            letter.payload == order_fields(order_id),
            "dead letter {} does not carry the data of order {order_id}",
            letter.id
        );
        ensure!(letter.failed_at > SystemTime::UNIX_EPOCH, "a dead letter without a time");
        ensure!(letter.consumer.starts_with("consumer-"), "a dead letter without a consumer");
    }
    if let Some((entry_id, order_id)) = expected.into_iter().next() {
        bail!("order {order_id} (entry {entry_id}) has no dead letter on the server");
    }
    Ok(())
}
