//! A long pending list: built by reads, taken over by another consumer, read again and
//! acknowledged. One connection, pages of 100, one request at a time.
//!
//! Each page must go on where the last one ended, so that every entry is seen exactly once.

use std::time::Instant;

use anyhow::{Context, ensure};

use crate::connection::Connection;
use crate::goal::Goal;
use crate::latency::Latencies;
use crate::request::{append_argument, append_header, encode};
use crate::workload::{Prepared, Round, Workload};
use crate::workloads::fill::{
    add_entries, expect_length, expect_pending, read_request, take_entries,
};
use crate::workloads::page::Pages;

/// Entries asked for in one request.
const PAGE: u64 = 100;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "pending-read",
        summary: "1 connection, XREADGROUP COUNT 100 of 1,000,000 entries, which become pending",
        message: "entry",
        synced: false,
        messages: 1_000_000,
        round_trip: Some("XREADGROUP of 100"),
        goals: &[Goal::cpu(0.5)],
        prepare: read,
    },
    Workload {
        name: "pending-claim",
        summary: "1 connection, XAUTOCLAIM COUNT 100 once over 1,000,000 pending entries",
        message: "entry",
        synced: false,
        messages: 1_000_000,
        round_trip: Some("XAUTOCLAIM of 100"),
        goals: &[Goal::cpu(0.3)],
        prepare: claim,
    },
    Workload {
        name: "pending-history",
        summary: "1 connection, XREADGROUP COUNT 100 from the last ID through 1,000,000 pending entries, each page acknowledged",
        message: "entry",
        synced: false,
        messages: 1_000_000,
        round_trip: Some("XREADGROUP of 100 and XACK"),
        goals: &[Goal::cpu(0.4)],
        prepare: history,
    },
];

/// So many entries that they come to whole pages.
fn whole_pages(messages: u64) -> u64 {
    (messages / PAGE).max(1) * PAGE
}

/// A stream whose entries are pending for `c0`, if `is_taken`.
fn prepare_list(round: &Round, is_taken: bool) -> anyhow::Result<Connection> {
    let mut connection = round.create_group()?;
    let entries = whole_pages(round.messages);
    add_entries(&mut connection, &round.key, entries)?;
    if is_taken {
        take_entries(&mut connection, &round.key, "c0", entries)?;
    }
    Ok(connection)
}

fn read(round: &Round) -> anyhow::Result<Prepared> {
    let mut connection = Some(prepare_list(round, false)?);
    let request = read_request(&round.key, "c0", PAGE, ">");
    let prepared = Prepared::alike(1, round.messages, PAGE, |_| {
        let mut connection = connection.take().context("there is one client")?;
        let request = request.clone();
        let mut pages = Pages::new(PAGE);
        Ok(move |latencies: &mut Latencies| {
            let sent_at = Instant::now();
            connection.send(&request)?;
            let count = connection.stream_entries(pages.next())?;
            latencies.record(sent_at.elapsed());
            pages.check(count)
        })
    })?;
    let key = round.key.clone();
    Ok(prepared.checked(move |control, entries| {
        expect_length(control, &key, entries)?;
        expect_pending(control, &key, entries)
    }))
}

fn claim(round: &Round) -> anyhow::Result<Prepared> {
    let mut connection = Some(prepare_list(round, true)?);
    let prepared = Prepared::alike(1, round.messages, PAGE, |_| {
        let mut connection = connection.take().context("there is one client")?;
        let key = round.key.clone();
        let mut cursor = b"0-0".to_vec();
        let mut pages = Pages::new(PAGE);
        let page = PAGE.to_string();
        Ok(move |latencies: &mut Latencies| {
            let words: [&[u8]; 8] = [
                b"XAUTOCLAIM",
                key.as_bytes(),
                b"g",
                b"c1",
                b"0",
                &cursor,
                b"COUNT",
                page.as_bytes(),
            ];
            let request = encode(&words);
            let sent_at = Instant::now();
            connection.send(&request)?;
            let count = connection.claimed(&mut cursor, pages.next())?;
            latencies.record(sent_at.elapsed());
            pages.check(count)
        })
    })?;
    let key = round.key.clone();
    Ok(prepared.checked(move |control, entries| {
        expect_pending(control, &key, entries)?;
        control.send(&encode(&["XPENDING", &key, "g", "-", "+", "1", "c0"]))?;
        ensure!(control.array()? == Some(0), "c0 still has entries");
        Ok(())
    }))
}

fn history(round: &Round) -> anyhow::Result<Prepared> {
    let mut connection = Some(prepare_list(round, true)?);
    let prepared = Prepared::alike(1, round.messages, PAGE, |_| {
        let mut connection = connection.take().context("there is one client")?;
        let key = round.key.clone();
        let mut pages = Pages::new(PAGE);
        let mut ack = Vec::new();
        Ok(move |latencies: &mut Latencies| {
            let from = pages.last().map_or("0-0".to_owned(), |id| id.to_string());
            let request = read_request(&key, "c0", PAGE, &from);
            let sent_at = Instant::now();
            connection.send(&request)?;
            let ids = pages.next();
            let count = connection.stream_entries(ids)?;
            ensure!(count as u64 == PAGE, "a page has {count} entries instead of {PAGE}");
            ack.clear();
            append_header(&mut ack, 3 + count);
            for word in ["XACK", &key, "g"] {
                append_argument(&mut ack, word.as_bytes());
            }
            ack.extend_from_slice(ids);
            connection.send(&ack)?;
            let acknowledged = connection.integer()?;
            latencies.record(sent_at.elapsed());
            ensure!(
                acknowledged == i64::try_from(count)?,
                "acknowledged {acknowledged} of {count}"
            );
            pages.check(count)
        })
    })?;
    let key = round.key.clone();
    Ok(prepared.checked(move |control, entries| {
        expect_length(control, &key, entries)?;
        expect_pending(control, &key, 0)
    }))
}
