//! Adding entries: pipelined, one at a time, and with a sync before every reply.

use std::time::Instant;

use crate::latency::Latencies;
use crate::request::{add_entry, encode};
use crate::workload::{Prepared, Round, Workload};

/// XADD requests written at once.
const BATCH: u64 = 100;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "xadd-pipelined-1",
        summary: "1 connection, batches of 100 XADD of 4 pairs (100 bytes)",
        message: "entry",
        synced: false,
        messages: 1_000_000,
        round_trip: None,
        goals: &[],
        prepare: |round| pipelined(round, 1),
    },
    Workload {
        name: "xadd-pipelined-4",
        summary: "4 connections to one stream, batches of 100 XADD of 4 pairs (100 bytes)",
        message: "entry",
        synced: false,
        messages: 1_000_000,
        round_trip: None,
        goals: &[],
        prepare: |round| pipelined(round, 4),
    },
    Workload {
        name: "connections-1-ping",
        summary: "1 connection, one PING in flight",
        message: "request",
        synced: false,
        messages: 60_000,
        round_trip: Some("PING"),
        goals: &[],
        prepare: single_ping,
    },
    Workload {
        name: "connections-1-xadd",
        summary: "1 connection, one XADD in flight",
        message: "entry",
        synced: false,
        messages: 60_000,
        round_trip: Some("XADD"),
        goals: &[],
        prepare: |round| single_add(round, 1),
    },
    Workload {
        name: "xadd-always",
        summary: "50 connections, one XADD in flight each, synced before the reply",
        message: "entry",
        synced: true,
        messages: 40_000,
        round_trip: Some("XADD"),
        goals: &[],
        prepare: |round| single_add(round, 50),
    },
    Workload {
        name: "xadd-always-pipelined",
        summary: "4 connections, batches of 100 XADD, synced before the reply",
        message: "entry",
        synced: true,
        messages: 400_000,
        round_trip: Some("batch of 100 XADD"),
        goals: &[],
        prepare: |round| pipelined(round, 4),
    },
];

fn pipelined(round: &Round, connections: u64) -> anyhow::Result<Prepared> {
    let batch = add_entry(&round.key).repeat(BATCH as usize);
    Prepared::alike(connections, round.messages, BATCH, |_| {
        let mut connection = round.connect()?;
        let batch = batch.clone();
        Ok(move |latencies: &mut Latencies| {
            let sent_at = Instant::now();
            connection.send(&batch)?;
            for _ in 0..BATCH {
                connection.entry_id()?;
            }
            latencies.record(sent_at.elapsed());
            Ok(())
        })
    })
}

fn single_add(round: &Round, connections: u64) -> anyhow::Result<Prepared> {
    let request = add_entry(&round.key);
    Prepared::alike(connections, round.messages, 1, |_| {
        let mut connection = round.connect()?;
        let request = request.clone();
        Ok(move |latencies: &mut Latencies| {
            let sent_at = Instant::now();
            connection.send(&request)?;
            connection.entry_id()?;
            latencies.record(sent_at.elapsed());
            Ok(())
        })
    })
}

fn single_ping(round: &Round) -> anyhow::Result<Prepared> {
    let request = encode(&["PING"]);
    Prepared::alike(1, round.messages, 1, |_| {
        let mut connection = round.connect()?;
        let request = request.clone();
        Ok(move |latencies: &mut Latencies| {
            let sent_at = Instant::now();
            connection.send(&request)?;
            connection.expect_status(b"PONG")?;
            latencies.record(sent_at.elapsed());
            Ok(())
        })
    })
}
