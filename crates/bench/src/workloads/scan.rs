//! Reading a long stream from its start to its end, without a group.

use std::time::Instant;

use anyhow::Context;

use crate::goal::Goal;
use crate::latency::Latencies;
use crate::request::encode;
use crate::workload::{Prepared, Round, Workload};
use crate::workloads::fill::{add_entries, expect_length};
use crate::workloads::page::Pages;

/// Entries asked for in one request.
const PAGE: u64 = 1_000;
/// Times that the stream is read: a single one takes half a second, too little for the clock.
const PASSES: u64 = 3;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "scan",
    summary: "1 connection, XRANGE COUNT 1000 from the last ID through 1,000,000 entries, three times",
    message: "entry",
    synced: false,
    messages: 3_000_000,
    round_trip: Some("XRANGE of 1,000"),
    goals: &[Goal::cpu(0.7)],
    prepare,
}];

fn prepare(round: &Round) -> anyhow::Result<Prepared> {
    let pages_per_pass = (round.messages / PASSES / PAGE).max(1);
    let entries = pages_per_pass * PAGE;
    let mut connection = round.connect()?;
    add_entries(&mut connection, &round.key, entries)?;
    let mut connection = Some(connection);
    let prepared = Prepared::alike(1, entries * PASSES, PAGE, |_| {
        let mut connection = connection.take().context("there is one client")?;
        let key = round.key.clone();
        let mut pages = Pages::new(PAGE);
        let mut pages_left = pages_per_pass;
        let page = PAGE.to_string();
        Ok(move |latencies: &mut Latencies| {
            if pages_left == 0 {
                pages = Pages::new(PAGE);
                pages_left = pages_per_pass;
            }
            pages_left -= 1;
            let from = pages.last().map_or("-".to_owned(), |id| format!("({id}"));
            let request = encode(&["XRANGE", &key, &from, "+", "COUNT", &page]);
            let sent_at = Instant::now();
            connection.send(&request)?;
            let count = connection.entries(pages.next())?;
            latencies.record(sent_at.elapsed());
            pages.check(count)
        })
    })?;
    let key = round.key.clone();
    Ok(prepared.checked(move |control, _| expect_length(control, &key, entries)))
}
