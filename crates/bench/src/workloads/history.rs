//! A consumer that reads its own pending entries again.

use std::time::Instant;

use anyhow::ensure;

use crate::latency::Latencies;
use crate::request::{add_entry, encode};
use crate::workload::{Prepared, Round, Workload};

const CONSUMERS: u64 = 4;
const PENDING: usize = 10;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "history",
    summary: "4 consumers, each reading its 10 pending entries again (XREADGROUP ... 0)",
    message: "read of 10",
    synced: false,
    messages: 100_000,
    round_trip: Some("XREADGROUP"),
    goals: &[],
    prepare,
}];

fn prepare(round: &Round) -> anyhow::Result<Prepared> {
    round.create_group()?;
    Prepared::alike(CONSUMERS, round.messages, 1, |number| {
        let mut connection = round.connect()?;
        let consumer = format!("c{number}");
        let mut ids = Vec::new();
        connection.send(&add_entry(&round.key).repeat(PENDING))?;
        for _ in 0..PENDING {
            connection.entry_id()?;
        }
        let read = |from: &str| {
            let count = PENDING.to_string();
            let key = round.key.as_str();
            encode(&["XREADGROUP", "GROUP", "g", &consumer, "COUNT", &count, "STREAMS", key, from])
        };
        connection.send(&read(">"))?;
        ensure!(connection.stream_entries(&mut ids)? == PENDING, "take the pending entries");
        let again = read("0");
        Ok(move |latencies: &mut Latencies| {
            let sent_at = Instant::now();
            connection.send(&again)?;
            ids.clear();
            let count = connection.stream_entries(&mut ids)?;
            ensure!(count == PENDING, "read {count} pending entries again instead of {PENDING}");
            latencies.record(sent_at.elapsed());
            Ok(())
        })
    })
}
