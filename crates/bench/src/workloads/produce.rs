//! Producers of entries of three pairs of 8 bytes, on many connections, to one stream.

use std::time::Instant;

use crate::connection::Connection;
use crate::entry_batch::EntryBatch;
use crate::goal::Goal;
use crate::latency::Latencies;
use crate::workload::{Prepared, Round, Workload};
use crate::workloads::fill::expect_length;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "produce-8x16",
        summary: "8 connections, 16 XADD in flight each",
        message: "entry",
        synced: false,
        messages: 1_000_000,
        round_trip: Some("batch of 16 XADD"),
        goals: &[Goal::cpu(0.55), Goal::synced(2.5), Goal::durable_against_volatile(0.65)],
        prepare: |round| produce(round, 8, 16),
    },
    Workload {
        name: "produce-8x1",
        summary: "8 connections, one XADD in flight each",
        message: "entry",
        synced: false,
        messages: 150_000,
        round_trip: Some("XADD"),
        goals: &[Goal::cpu(0.95), Goal::synced(1.4), Goal::durable_against_volatile(0.65)],
        prepare: |round| produce(round, 8, 1),
    },
    Workload {
        name: "produce-32x64",
        summary: "32 connections, 64 XADD in flight each",
        message: "entry",
        synced: false,
        messages: 2_000_000,
        round_trip: Some("batch of 64 XADD"),
        goals: &[Goal::durable_against_volatile(2.0)],
        prepare: |round| produce(round, 32, 64),
    },
];

fn produce(round: &Round, connections: u64, pipeline: u64) -> anyhow::Result<Prepared> {
    let prepared = Prepared::alike(connections, round.messages, pipeline, |number| {
        let mut connection = round.connect()?;
        let count = usize::try_from(pipeline).expect("pipelines are short");
        let mut batch = EntryBatch::new(&round.key, count, number + 1);
        Ok(move |latencies: &mut Latencies| {
            let requests = batch.fresh();
            let sent_at = Instant::now();
            connection.send(requests)?;
            for _ in 0..pipeline {
                connection.entry_id()?;
            }
            latencies.record(sent_at.elapsed());
            Ok(())
        })
    })?;
    let key = round.key.clone();
    Ok(prepared
        .checked(move |control: &mut Connection, messages| expect_length(control, &key, messages)))
}
