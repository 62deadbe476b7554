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
        summary: "4 consumers of one group: XADD, XREADGROUP COUNT 1, XACK; three round trips",
        message: "entry",
        synced: false,
        messages: 60_000,
        round_trip: Some("cycle"),
        prepare: |round| cycle(round, 1),
    },
    Workload {
        name: "cycle-10",
        summary: "4 consumers of one group: 10 XADD, XREADGROUP COUNT 10, XACK of 10",
        message: "entry",
        synced: false,
        messages: 300_000,
        round_trip: Some("cycle"),
        prepare: |round| cycle(round, 10),
    },
    Workload {
        name: "cycle-100",
        summary: "4 consumers of one group: 100 XADD, XREADGROUP COUNT 100, XACK of 100",
        message: "entry",
        synced: false,
        messages: 600_000,
        round_trip: Some("cycle"),
        prepare: |round| cycle(round, 100),
    },
];

fn cycle(round: &Round, count: u64) -> anyhow::Result<Prepared> {
    round.create_group()?;
    let entries = usize::try_from(count).expect("counts are small");
    let adds = add_entry(&round.key).repeat(entries);
    Prepared::alike(CONSUMERS, round.messages, count, |number| {
        let mut connection = round.connect()?;
        let key = round.key.clone();
        let adds = adds.clone();
        let consumer = format!("c{number}");
        let read = encode(&[
            "XREADGROUP",
            "GROUP",
            "g",
            &consumer,
            "COUNT",
            &count.to_string(),
            "STREAMS",
            &key,
            ">",
        ]);
        let mut ack_head = Vec::new();
        append_header(&mut ack_head, 3 + entries);
        ["XACK", &key, "g"].iter().for_each(|word| append_argument(&mut ack_head, word.as_bytes()));
        let mut ack = Vec::new();
        Ok(move |latencies: &mut Latencies| {
            let sent_at = Instant::now();
            connection.send(&adds)?;
            for _ in 0..entries {
                connection.entry_id()?;
            }
            connection.send(&read)?;
            ack.clear();
            ack.extend_from_slice(&ack_head);
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
