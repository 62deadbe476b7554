//! Two consumers that take a long pending list from each other, page by page.

use std::time::Instant;

use anyhow::{Context, ensure};

use crate::latency::Latencies;
use crate::request::{add_entry, encode};
use crate::workload::{Prepared, Round, Workload};

const PENDING: usize = 10_000;
/// Entries added in one go while preparing; their replies fit into any socket buffer.
const BATCH: usize = 100;
const PAGE: u64 = 100;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "claim",
    summary: "1 connection, XAUTOCLAIM COUNT 100 round and round over 10,000 pending entries",
    message: "claimed entry",
    synced: false,
    messages: 1_000_000,
    round_trip: Some("XAUTOCLAIM of 100"),
    goals: &[],
    prepare,
}];

fn prepare(round: &Round) -> anyhow::Result<Prepared> {
    let mut connection = round.create_group()?;
    let batch = add_entry(&round.key).repeat(BATCH);
    for _ in 0..PENDING / BATCH {
        connection.send(&batch)?;
        for _ in 0..BATCH {
            connection.entry_id()?;
        }
    }
    let count = PENDING.to_string();
    connection.call(&[
        "XREADGROUP",
        "GROUP",
        "g",
        "c0",
        "COUNT",
        &count,
        "STREAMS",
        &round.key,
        ">",
    ])?;

    // One client only: the pages of a second one would overlap.
    let mut connection = Some(connection);
    Prepared::alike(1, round.messages, PAGE, |_| {
        let mut connection = connection.take().context("there is one client")?;
        let key = round.key.clone();
        let mut cursor = String::from("0-0");
        let mut lap = 0;
        let mut ids = Vec::new();
        Ok(move |latencies: &mut Latencies| {
            if cursor == "0-0" {
                lap += 1;
            }
            let consumer = if lap % 2 == 0 { "c0" } else { "c1" };
            let page = PAGE.to_string();
            let request =
                encode(&["XAUTOCLAIM", &key, "g", consumer, "0", &cursor, "COUNT", &page]);
            let sent_at = Instant::now();
            connection.send(&request)?;
            ensure!(connection.array()? == Some(3), "XAUTOCLAIM answers with three parts");
            cursor.clear();
            cursor.push_str(std::str::from_utf8(connection.bulk()?).context("read the cursor")?);
            let claimed = connection.array()?.context("read the claimed entries")?;
            ensure!(claimed as u64 == PAGE, "claimed {claimed} entries instead of {PAGE}");
            ids.clear();
            for _ in 0..claimed {
                connection.entry(&mut ids)?;
            }
            ensure!(connection.array()? == Some(0), "no entry was deleted");
            latencies.record(sent_at.elapsed());
            Ok(())
        })
    })
}
