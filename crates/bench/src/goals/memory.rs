//! What an entry and a pending entry take in memory: the resident growth of a server.
//!
//! Ours is judged with `--memory`, where nothing can lie on disk instead; beside it stands what it
//! takes with its log, in which blocks that a checkpoint wrote may be let go and buffers of the log
//! count. A few entries come first, so that what a server takes once does not count.

use anyhow::Context;

use crate::alternate::Programs;
use crate::goal::verdict;
use crate::server::{Server, ServerKind, ServerProgram, SyncMode};
use crate::workload::Round;
use crate::workloads::fill::{add_entries, expect_length, expect_pending, take_entries};

use super::section::{Section, Size, head, row};

const ENTRIES: u64 = 1_000_000;
const FIRST_ENTRIES: u64 = 2_000;
const CONSUMERS: u64 = 4;
/// Bytes of an entry, and of a pending one with all indexes.
const ENTRY_BYTES_GOAL: f64 = 40.0;
const PENDING_BYTES_GOAL: f64 = 48.0;

/// Measures both servers.
///
/// # Errors
/// A server does not start, or answers wrongly.
pub(super) fn run(programs: &Programs<'_>, size: Size) -> anyhow::Result<Section> {
    let entries = size.messages.unwrap_or(ENTRIES);
    let mut text = format!(
        "Resident growth over {entries} entries of three fields with values of 8 bytes, and over \
         reading all of them for {CONSUMERS} consumers of one group. One run; bytes. Judged is the \
         server without a log, of which nothing lies on disk.\n\n"
    );
    let goals = [format!("goal {ENTRY_BYTES_GOAL}"), format!("goal {PENDING_BYTES_GOAL}")];
    text.push_str(&head(1, &["server", "entry", &goals[0], "pending entry", &goals[1]]));

    let mut missed = Vec::new();
    let memory = [programs.ours.extra, &["--memory".to_owned()]].concat();
    let mut judged = programs.ours.clone();
    if judged.kind == ServerKind::Millstream {
        judged.extra = &memory;
    }
    let (label, figures) = grow(&judged, entries)?;
    let verdicts = [
        ("entry", figures[0], ENTRY_BYTES_GOAL),
        ("pending entry", figures[1], PENDING_BYTES_GOAL),
    ]
    .map(|(what, bytes, goal)| {
        if bytes > goal {
            missed.push(format!("memory of one {what}: {goal} bytes wanted, {bytes:.1}"));
        }
        verdict(bytes <= goal)
    });
    let [entry, pending] = figures.map(|bytes| format!("{bytes:.1}"));
    let name = format!("{label} {}", judged.extra.join(" "));
    text.push_str(&row(&[name.trim_end(), &entry, verdicts[0], &pending, verdicts[1]]));
    for (program, note) in [(&programs.ours, ", --sync no"), (&programs.peer, "")] {
        let (label, figures) = grow(program, entries)?;
        let [entry, pending] = figures.map(|bytes| format!("{bytes:.1}"));
        text.push_str(&row(&[&format!("{label}{note}"), &entry, "", &pending, ""]));
    }
    Ok(Section { title: "Memory".to_owned(), text, missed })
}

/// The server's name, and bytes per entry and per pending entry.
fn grow(program: &ServerProgram<'_>, entries: u64) -> anyhow::Result<(String, [f64; 2])> {
    let server = Server::start(program, SyncMode::No).context("start the server")?;
    let round =
        |key: &str| Round { address: server.address, key: key.to_owned(), messages: FIRST_ENTRIES };
    let first = round("first");
    let mut connection = first.create_group()?;
    add_entries(&mut connection, &first.key, FIRST_ENTRIES)?;
    take_entries(&mut connection, &first.key, "c0", FIRST_ENTRIES)?;

    let key = "memory";
    round(key).create_group()?;
    let empty = server.resident_bytes()?;
    add_entries(&mut connection, key, entries)?;
    let added = server.resident_bytes()?;
    for number in 0..CONSUMERS {
        // The last one takes what does not divide.
        let share = entries / CONSUMERS;
        let taken = if number + 1 == CONSUMERS { entries - share * number } else { share };
        take_entries(&mut connection, key, &format!("c{number}"), taken)?;
    }
    let pending = server.resident_bytes()?;
    expect_length(&mut connection, key, entries)?;
    expect_pending(&mut connection, key, entries)?;
    eprintln!("memory of {}: {empty}, {added}, {pending} bytes", server.label);
    let per_entry = |from: u64, to: u64| to.saturating_sub(from) as f64 / entries as f64;
    Ok((server.label.clone(), [per_entry(empty, added), per_entry(added, pending)]))
}
