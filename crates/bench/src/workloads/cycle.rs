//! The life of an entry: four consumers of one group add, read and acknowledge.

use std::time::Instant;

use anyhow::ensure;

use crate::latency::Latencies;
use crate::request::{add_entry, append_argument, append_header, encode};
use crate::workload::{Prepared, Round, Workload};

const CONSUMERS: u64 = 4;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "cycle-1",
        summary: "4 consumers of one group: XACK of the last 1, 1 XADD, XREADGROUP COUNT 1 in one write",
        message: "entry",
        synced: false,
        messages: 60_000,
        round_trip: Some("cycle"),
        goals: &[],
        prepare: |round| pipelined(round, 1),
    },
    Workload {
        name: "cycle-10",
        summary: "4 consumers of one group: XACK of the last 10, 10 XADD, XREADGROUP COUNT 10 in one write",
        message: "entry",
        synced: false,
        messages: 300_000,
        round_trip: Some("cycle"),
        goals: &[],
        prepare: |round| pipelined(round, 10),
    },
    Workload {
        name: "cycle-100",
        summary: "4 consumers of one group: XACK of the last 100, 100 XADD, XREADGROUP COUNT 100 in one write",
        message: "entry",
        synced: false,
        messages: 600_000,
        round_trip: Some("cycle"),
        goals: &[],
        prepare: |round| pipelined(round, 100),
    },
    Workload {
        name: "steps-1",
        summary: "4 consumers of one group: 1 XADD, then XREADGROUP COUNT 1, then XACK; three round trips",
        message: "entry",
        synced: false,
        messages: 60_000,
        round_trip: Some("cycle"),
        goals: &[],
        prepare: |round| stepwise(round, 1),
    },
    Workload {
        name: "steps-10",
        summary: "4 consumers of one group: 10 XADD, then XREADGROUP COUNT 10, then XACK; three round trips",
        message: "entry",
        synced: false,
        messages: 300_000,
        round_trip: Some("cycle"),
        goals: &[],
        prepare: |round| stepwise(round, 10),
    },
];

/// What one consumer sends.
struct Requests {
    adds: Vec<u8>,
    read: Vec<u8>,
    /// Everything of an XACK but the ids.
    ack_head: Vec<u8>,
}

impl Requests {
    fn new(key: &str, consumer: u64, count: u64) -> Self {
        let entries = usize::try_from(count).expect("counts are small");
        let consumer = format!("c{consumer}");
        let count = count.to_string();
        let read = ["XREADGROUP", "GROUP", "g", &consumer, "COUNT", &count, "STREAMS", key, ">"];
        let mut ack_head = Vec::new();
        append_header(&mut ack_head, 3 + entries);
        ["XACK", key, "g"].iter().for_each(|word| append_argument(&mut ack_head, word.as_bytes()));
        Self { adds: add_entry(key).repeat(entries), read: encode(&read), ack_head }
    }
}

/// As workers do that keep their connection busy: each write acknowledges what the last one read.
fn pipelined(round: &Round, count: u64) -> anyhow::Result<Prepared> {
    round.create_group()?;
    let entries = usize::try_from(count).expect("counts are small");
    Prepared::alike(CONSUMERS, round.messages, count, |number| {
        let mut connection = round.connect()?;
        let requests = Requests::new(&round.key, number, count);
        let mut request = Vec::new();
        let mut ids = Vec::new();
        Ok(move |latencies: &mut Latencies| {
            let sent_at = Instant::now();
            let has_read = !ids.is_empty();
            request.clear();
            if has_read {
                request.extend_from_slice(&requests.ack_head);
                request.append(&mut ids);
            }
            request.extend_from_slice(&requests.adds);
            request.extend_from_slice(&requests.read);
            connection.send(&request)?;
            if has_read {
                let acknowledged = connection.integer()?;
                ensure!(acknowledged == entries as i64, "acknowledged {acknowledged} of {entries}");
            }
            for _ in 0..entries {
                connection.entry_id()?;
            }
            let read_count = connection.stream_entries(&mut ids)?;
            ensure!(read_count == entries, "read {read_count} entries instead of {entries}");
            latencies.record(sent_at.elapsed());
            Ok(())
        })
    })
}

fn stepwise(round: &Round, count: u64) -> anyhow::Result<Prepared> {
    round.create_group()?;
    let entries = usize::try_from(count).expect("counts are small");
    Prepared::alike(CONSUMERS, round.messages, count, |number| {
        let mut connection = round.connect()?;
        let requests = Requests::new(&round.key, number, count);
        let mut ack = Vec::new();
        Ok(move |latencies: &mut Latencies| {
            let sent_at = Instant::now();
            connection.send(&requests.adds)?;
            for _ in 0..entries {
                connection.entry_id()?;
            }
            connection.send(&requests.read)?;
            ack.clear();
            ack.extend_from_slice(&requests.ack_head);
            // Everybody adds before it reads as many, so there is always enough for all.
            let read_count = connection.stream_entries(&mut ack)?;
            ensure!(read_count == entries, "read {read_count} entries instead of {entries}");
            connection.send(&ack)?;
            let acknowledged = connection.integer()?;
            ensure!(acknowledged == entries as i64, "acknowledged {acknowledged} of {entries}");
            latencies.record(sent_at.elapsed());
            Ok(())
        })
    })
}
