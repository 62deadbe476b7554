//! Putting a stream and a group into a state, and looking at it: what is not measured.

use anyhow::{Context, ensure};

use crate::connection::Connection;
use crate::entry_batch::EntryBatch;
use crate::request::encode;

/// Entries added in one go; their replies fit into any socket buffer.
const BATCH: u64 = 1_000;

/// Adds `count` entries to `key`.
pub fn add_entries(connection: &mut Connection, key: &str, count: u64) -> anyhow::Result<()> {
    let mut left = count;
    while left > 0 {
        let now = left.min(BATCH);
        let size = usize::try_from(now).expect("a batch is small");
        let mut batch = EntryBatch::new(key, size, left);
        // As long as the batches are full, one is enough.
        loop {
            connection.send(batch.fresh())?;
            for _ in 0..now {
                connection.entry_id()?;
            }
            left -= now;
            if left < now || left == 0 {
                break;
            }
        }
    }
    Ok(())
}

/// Lets `consumer` of group `g` take `count` new entries, which must be there.
pub fn take_entries(
    connection: &mut Connection,
    key: &str,
    consumer: &str,
    count: u64,
) -> anyhow::Result<()> {
    let mut left = count;
    let mut ids = Vec::new();
    while left > 0 {
        let now = left.min(BATCH);
        connection.send(&read_request(key, consumer, now, ">"))?;
        ids.clear();
        let read = connection.stream_entries(&mut ids)?;
        ensure!(read as u64 == now, "took {read} entries instead of {now}");
        left -= now;
    }
    Ok(())
}

/// XREADGROUP of group `g` without BLOCK.
pub fn read_request(key: &str, consumer: &str, count: u64, from: &str) -> Vec<u8> {
    let count = count.to_string();
    encode(&["XREADGROUP", "GROUP", "g", consumer, "COUNT", &count, "STREAMS", key, from])
}

/// XLEN must be `expected`.
pub fn expect_length(connection: &mut Connection, key: &str, expected: u64) -> anyhow::Result<()> {
    connection.send(&encode(&["XLEN", key]))?;
    let length = connection.integer()?;
    ensure!(length == i64::try_from(expected)?, "the stream has {length} entries, not {expected}");
    Ok(())
}

/// The number of pending entries of group `g` must be `expected`.
pub fn expect_pending(connection: &mut Connection, key: &str, expected: u64) -> anyhow::Result<()> {
    connection.send(&encode(&["XPENDING", key, "g"]))?;
    ensure!(connection.array()? == Some(4), "XPENDING answers with four parts");
    let pending = connection.integer()?;
    for _ in 1..4 {
        connection.skip_reply()?;
    }
    let expected = i64::try_from(expected).context("count the pending entries")?;
    ensure!(pending == expected, "{pending} entries are pending, not {expected}");
    Ok(())
}
