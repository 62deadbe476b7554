//! Reads of new entries and claims of pending ones, in turns, as when workers come and go.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use crate::entry_id::{self, EntryId};
use crate::goal::Goal;
use crate::latency::Latencies;
use crate::request::encode;
use crate::workload::{Prepared, Round, Workload};
use crate::workloads::fill::{add_entries, expect_length, expect_pending, read_request};

use anyhow::ensure;

const CONNECTIONS: u64 = 4;
/// Entries asked for in one request.
const PAGE: u64 = 100;
/// Which of ten calls in a row are claims.
const CLAIMS: [bool; 10] = [false, false, true, false, false, true, false, false, true, false];
const READS_OF_TEN: u64 = 7;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "mixed",
    summary: "4 connections, 70 % XREADGROUP COUNT 100, 30 % XAUTOCLAIM COUNT 100 from its cursor, on 500,000 entries",
    message: "call",
    synced: false,
    messages: 7_160,
    round_trip: Some("call"),
    goals: &[Goal::cpu(0.33)],
    prepare,
}];

fn prepare(round: &Round) -> anyhow::Result<Prepared> {
    let tens = (round.messages / CONNECTIONS / 10).max(1);
    let entries = tens * CONNECTIONS * READS_OF_TEN * PAGE;
    let mut control = round.create_group()?;
    add_entries(&mut control, &round.key, entries)?;
    let delivered = Arc::new(Mutex::new(Vec::new()));
    let prepared = Prepared::alike(CONNECTIONS, tens * 10 * CONNECTIONS, 1, |number| {
        let mut connection = round.connect()?;
        let (key, consumer, page) = (round.key.clone(), format!("c{number}"), PAGE.to_string());
        let read = read_request(&key, &consumer, PAGE, ">");
        let delivered = Arc::clone(&delivered);
        let mut turns = CLAIMS.iter().cycle();
        let mut cursor = b"0-0".to_vec();
        let mut ids = Vec::new();
        Ok(move |latencies: &mut Latencies| {
            let is_claim = turns.next().is_some_and(|is_claim| *is_claim);
            ids.clear();
            let count;
            let sent_at = Instant::now();
            if is_claim {
                let words: [&[u8]; 8] = [
                    b"XAUTOCLAIM",
                    key.as_bytes(),
                    b"g",
                    consumer.as_bytes(),
                    b"0",
                    &cursor,
                    b"COUNT",
                    page.as_bytes(),
                ];
                connection.send(&encode(&words))?;
                count = connection.claimed(&mut cursor, &mut ids)?;
                latencies.record(sent_at.elapsed());
                ensure!(count as u64 <= PAGE, "claimed {count} entries, more than {PAGE}");
            } else {
                connection.send(&read)?;
                count = connection.stream_entries(&mut ids)?;
                latencies.record(sent_at.elapsed());
                ensure!(count as u64 == PAGE, "read {count} entries instead of {PAGE}");
                delivered.lock().expect("no client panicked").extend_from_slice(&ids);
            }
            Ok(())
        })
    })?;
    let key = round.key.clone();
    Ok(prepared.checked(move |control, _| {
        expect_length(control, &key, entries)?;
        expect_pending(control, &key, entries)?;
        control.send(&encode(&["XRANGE", &key, "-", "+"]))?;
        let mut all = Vec::new();
        control.entries(&mut all)?;
        let delivered = delivered.lock().expect("no client panicked");
        let ids = |arguments: &[u8]| -> anyhow::Result<Vec<EntryId>> {
            entry_id::parse_arguments(arguments)
        };
        entry_id::check_exactly_once(ids(&all)?, ids(&delivered)?)
    }))
}
