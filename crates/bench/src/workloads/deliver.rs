//! Producers and workers side by side, as in the field: the life of an entry from XADD to XACK.
//!
//! A worker sends a blocking XREADGROUP, waits for entries, sends XACK for all it got, waits for
//! the answer, and reads again: two round trips, which is how client libraries' worker loops do it
//! and the same for both servers. `deliver-joined-*` tells what the second one costs. Producers
//! write a batch, wait for its replies, and go on, but never have more than [`WINDOW`] entries that
//! nobody has acknowledged. The measured time ends when the last entry is acknowledged. Afterwards
//! every ID that XADD gave must have been delivered exactly once, all entries be there, and none
//! pending.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::connection::{ANSWER_TIMEOUT, Connection};
use crate::entry_batch::EntryBatch;
use crate::entry_id::{self, EntryId};
use crate::goal::Goal;
use crate::latency::Latencies;
use crate::request::{append_argument, append_header, encode};
use crate::workload::{Client, Finished, Prepared, Round, Workload};
use crate::workloads::fill::{expect_length, expect_pending};

/// Entries that may be added and not acknowledged: several full reads for each worker, and far
/// less than a round.
const WINDOW: u64 = 10_000;
/// How long a producer with a full window sleeps; workers handle less than a window meanwhile.
const WINDOW_PAUSE: Duration = Duration::from_micros(50);

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "deliver-10",
        summary: "1 producer (64 XADD in flight), 4 workers: blocking XREADGROUP COUNT 10, then XACK",
        message: "entry",
        synced: false,
        messages: 400_000,
        round_trip: None,
        goals: &[Goal::cpu(0.45), Goal::synced(2.5), Goal::durable_against_volatile(0.65)],
        prepare: |round| {
            deliver(
                round,
                Shape { producers: 1, pipeline: 64, workers: 4, count: 10, is_joined: false },
            )
        },
    },
    Workload {
        name: "deliver-100",
        summary: "1 producer (64 XADD in flight), 4 workers: blocking XREADGROUP COUNT 100, then XACK",
        message: "entry",
        synced: false,
        messages: 600_000,
        round_trip: None,
        goals: &[Goal::cpu(0.3), Goal::synced(2.5), Goal::durable_against_volatile(0.65)],
        prepare: |round| {
            deliver(
                round,
                Shape { producers: 1, pipeline: 64, workers: 4, count: 100, is_joined: false },
            )
        },
    },
    Workload {
        name: "deliver-1",
        summary: "4 producers (1 XADD in flight each), 4 workers: blocking XREADGROUP COUNT 1, then XACK",
        message: "entry",
        synced: false,
        messages: 60_000,
        round_trip: None,
        goals: &[Goal::cpu(0.75), Goal::synced(1.5), Goal::durable_against_volatile(0.65)],
        prepare: |round| {
            deliver(
                round,
                Shape { producers: 4, pipeline: 1, workers: 4, count: 1, is_joined: false },
            )
        },
    },
    Workload {
        name: "deliver-bulk",
        summary: "4 producers (256 XADD in flight each), 16 workers: blocking XREADGROUP COUNT 100, then XACK",
        message: "entry",
        synced: false,
        messages: 1_000_000,
        round_trip: None,
        goals: &[Goal::durable_against_volatile(2.0)],
        prepare: |round| {
            deliver(
                round,
                Shape { producers: 4, pipeline: 256, workers: 16, count: 100, is_joined: false },
            )
        },
    },
    Workload {
        name: "deliver-joined-1",
        summary: "as deliver-1, but a worker writes XACK and its next XREADGROUP at once",
        message: "entry",
        synced: false,
        messages: 60_000,
        round_trip: None,
        goals: &[],
        prepare: |round| {
            deliver(
                round,
                Shape { producers: 4, pipeline: 1, workers: 4, count: 1, is_joined: true },
            )
        },
    },
    Workload {
        name: "deliver-joined-10",
        summary: "as deliver-10, but a worker writes XACK and its next XREADGROUP at once",
        message: "entry",
        synced: false,
        messages: 400_000,
        round_trip: None,
        goals: &[],
        prepare: |round| {
            deliver(
                round,
                Shape { producers: 1, pipeline: 64, workers: 4, count: 10, is_joined: true },
            )
        },
    },
    Workload {
        name: "deliver-joined-100",
        summary: "as deliver-100, but a worker writes XACK and its next XREADGROUP at once",
        message: "entry",
        synced: false,
        messages: 600_000,
        round_trip: None,
        goals: &[],
        prepare: |round| {
            deliver(
                round,
                Shape { producers: 1, pipeline: 64, workers: 4, count: 100, is_joined: true },
            )
        },
    },
];

/// How many of whom.
#[derive(Clone, Copy)]
struct Shape {
    producers: u64,
    /// XADD in flight on each producer's connection.
    pipeline: u64,
    workers: u64,
    /// COUNT of the workers' reads.
    count: u64,
    /// Whether a worker sends XACK and its next read in one write.
    is_joined: bool,
}

/// What all clients of a round know together.
#[derive(Default)]
struct Ledger {
    total: u64,
    added: AtomicU64,
    acknowledged: AtomicU64,
    /// A client failed, so the others need not wait.
    failed: AtomicBool,
    added_ids: Mutex<Vec<Vec<u8>>>,
    delivered_ids: Mutex<Vec<Vec<u8>>>,
}

impl Ledger {
    fn is_over(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
            || self.acknowledged.load(Ordering::Relaxed) >= self.total
    }

    /// Waits until there is room for `count` more entries; false if the round is over.
    fn wait_for_room(&self, count: u64) -> anyhow::Result<bool> {
        let started_at = Instant::now();
        loop {
            // The acknowledged ones first: the difference is never too small.
            let acknowledged = self.acknowledged.load(Ordering::Relaxed);
            let in_flight = self.added.load(Ordering::Relaxed).saturating_sub(acknowledged);
            if in_flight + count <= WINDOW.max(count) {
                return Ok(true);
            }
            if self.is_over() {
                return Ok(false);
            }
            ensure!(
                started_at.elapsed() < ANSWER_TIMEOUT,
                "{in_flight} entries stay where they are"
            );
            thread::sleep(WINDOW_PAUSE);
        }
    }

    /// `work` as a client, whose failure ends the round for all.
    fn client(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> anyhow::Result<Finished> + Send + 'static,
    ) -> Client {
        let ledger = Arc::clone(self);
        Box::new(move || {
            let outcome = work(&ledger);
            if outcome.is_err() {
                ledger.failed.store(true, Ordering::Relaxed);
            }
            outcome
        })
    }
}

fn deliver(round: &Round, shape: Shape) -> anyhow::Result<Prepared> {
    round.create_group()?;
    let batches = (round.messages / shape.pipeline / shape.producers).max(1);
    let messages = batches * shape.pipeline * shape.producers;
    let ledger = Arc::new(Ledger { total: messages, ..Ledger::default() });
    let mut clients = Vec::new();
    for number in 0..shape.workers {
        let worker = Worker::new(round, number, shape)?;
        clients.push(ledger.client(move |ledger| worker.run(ledger)));
    }
    for number in 0..shape.producers {
        let connection = round.connect()?;
        let pipeline = usize::try_from(shape.pipeline).expect("pipelines are short");
        let batch = EntryBatch::new(&round.key, pipeline, number + 1);
        clients.push(
            ledger
                .client(move |ledger| produce(connection, batch, batches, shape.pipeline, ledger)),
        );
    }
    let key = round.key.clone();
    let check = move |control: &mut Connection| {
        expect_length(control, &key, messages)?;
        expect_pending(control, &key, 0)?;
        let ids = |parts: &Mutex<Vec<Vec<u8>>>| -> anyhow::Result<Vec<EntryId>> {
            entry_id::parse_arguments(&parts.lock().expect("no client panicked").concat())
        };
        entry_id::check_exactly_once(ids(&ledger.added_ids)?, ids(&ledger.delivered_ids)?)
    };
    Ok(Prepared { messages, clients, check: Box::new(check) })
}

fn produce(
    mut connection: Connection,
    mut batch: EntryBatch,
    batches: u64,
    pipeline: u64,
    ledger: &Ledger,
) -> anyhow::Result<Finished> {
    let mut ids = Vec::new();
    for _ in 0..batches {
        if !ledger.wait_for_room(pipeline)? {
            break;
        }
        // Before they are there: a worker may acknowledge them before their replies are read.
        ledger.added.fetch_add(pipeline, Ordering::Relaxed);
        connection.send(batch.fresh())?;
        for _ in 0..pipeline {
            connection.added_id(&mut ids)?;
        }
    }
    let finished = Finished::now(Latencies::default());
    ledger.added_ids.lock().expect("no client panicked").push(ids);
    Ok(finished)
}

struct Worker {
    connection: Connection,
    read: Vec<u8>,
    /// The words of an XACK but the ids.
    ack_words: Vec<u8>,
    count: usize,
    is_joined: bool,
}

impl Worker {
    fn new(round: &Round, number: u64, shape: Shape) -> anyhow::Result<Self> {
        let (consumer, count_text) = (format!("c{number}"), shape.count.to_string());
        let group = ["XREADGROUP", "GROUP", "g", &consumer, "COUNT", &count_text];
        let read = encode(&[&group[..], &["BLOCK", "0", "STREAMS", &round.key, ">"]].concat());
        let mut ack_words = Vec::new();
        ["XACK", &round.key, "g"]
            .iter()
            .for_each(|word| append_argument(&mut ack_words, word.as_bytes()));
        let count = usize::try_from(shape.count)?;
        let (connection, is_joined) = (round.connect()?, shape.is_joined);
        Ok(Self { connection, read, ack_words, count, is_joined })
    }

    /// Works until all is acknowledged; its end is when its own last acknowledgement was answered.
    fn run(mut self, ledger: &Ledger) -> anyhow::Result<Finished> {
        let mut all_ids = Vec::new();
        let mut ids = Vec::new();
        let mut request = self.read.clone();
        // Entries whose XACK is in `request`, in front of the read.
        let mut joined_count = 0;
        let mut finished = Finished::now(Latencies::default());
        while joined_count > 0 || !ledger.is_over() {
            self.connection.send(&request)?;
            if joined_count > 0 {
                self.expect_acknowledged(joined_count, &mut finished, ledger)?;
            }
            if !self.connection.has_answer_unless(|| ledger.is_over())? {
                break;
            }
            ids.clear();
            let read_count = self.connection.stream_entries(&mut ids)?;
            ensure!(
                (1..=self.count).contains(&read_count),
                "a blocking read of {} came back with {read_count} entries",
                self.count
            );
            request.clear();
            append_header(&mut request, 3 + read_count);
            request.extend_from_slice(&self.ack_words);
            request.extend_from_slice(&ids);
            if self.is_joined {
                joined_count = read_count;
            } else {
                self.connection.send(&request)?;
                self.expect_acknowledged(read_count, &mut finished, ledger)?;
                request.clear();
            }
            request.extend_from_slice(&self.read);
            all_ids.append(&mut ids);
        }
        ledger.delivered_ids.lock().expect("no client panicked").push(all_ids);
        Ok(finished)
    }

    fn expect_acknowledged(
        &mut self,
        count: usize,
        finished: &mut Finished,
        ledger: &Ledger,
    ) -> anyhow::Result<()> {
        let acknowledged = self.connection.integer()?;
        ensure!(acknowledged == i64::try_from(count)?, "acknowledged {acknowledged} of {count}");
        finished.at = Instant::now();
        finished.reads += 1;
        ledger.acknowledged.fetch_add(count as u64, Ordering::Relaxed);
        Ok(())
    }
}
