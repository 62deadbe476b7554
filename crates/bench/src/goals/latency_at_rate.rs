//! Latency at a fixed rate, whatever the server does meanwhile.
//!
//! Entries are sent when they are due whether those before were answered or not, and a time counts
//! from when its entry was due: a server that stops for a moment is charged with all that waited
//! (no coordinated omission). Two times of each entry: until XADD is answered, and until a worker
//! has it. Our server makes checkpoints all the while, beside a long pending list that they have to
//! deal with; the peer's log is not rewritten, which it would have to be in the long run.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, ensure};

use crate::alternate::Programs;
use crate::connection::Connection;
use crate::entry_batch::{EntryBatch, number_in};
use crate::goal::verdict;
use crate::latency::Latencies;
use crate::request::{append_argument, append_header, encode};
use crate::server::{Server, ServerKind, ServerProgram, SyncMode};
use crate::workload::Round;
use crate::workloads::fill::{add_entries, expect_pending, take_entries};

use super::section::{Section, Size, head, medians, row};

/// Entries a second.
const RATE: u64 = 10_000;
/// Entries of a round: five seconds, with some five checkpoints.
const MESSAGES: u64 = 50_000;
/// Entries pending from before.
const PENDING: u64 = 300_000;
/// Makes about one checkpoint a second at this rate.
const CHECKPOINT_ARGUMENTS: [&str; 2] = ["--checkpoint-log-kb", "512"];
const MODES: [SyncMode; 3] = [SyncMode::No, SyncMode::Everysec, SyncMode::Always];
/// Percentiles with the most that ours may be of the peer's.
const PERCENTILES: [(f64, Option<f64>); 3] = [(50.0, None), (99.0, Some(1.1)), (99.9, Some(2.0))];
const POINTS: [&str; 2] = ["answered", "delivered"];

/// Percentiles (us) of both points in time.
type Figures = [[f64; PERCENTILES.len()]; POINTS.len()];

/// Measures both servers in each mode.
///
/// # Errors
/// A server does not start, or answers wrongly.
pub(super) fn run(programs: &Programs<'_>, size: Size) -> anyhow::Result<Section> {
    let checkpoints = CHECKPOINT_ARGUMENTS.map(str::to_owned);
    let extra = [programs.ours.extra, &checkpoints[..]].concat();
    let mut ours = programs.ours.clone();
    if ours.kind == ServerKind::Millstream {
        ours.extra = &extra;
    }
    let mut text = format!(
        "{RATE} entries a second are sent when due (three fields with \
         values of 8 bytes), on one connection, and taken by one worker \
         (blocking XREADGROUP COUNT 100, XACK), beside {PENDING} pending entries; times from when \
         an entry was due until its XADD is answered, and until the worker has it, in us. Ours \
         makes checkpoints (`{}`), the peer's log is not rewritten. Each goal is on the ratio.\n\n",
        CHECKPOINT_ARGUMENTS.join(" ")
    );
    let names = ["sync", "until", "percentile", "goal", "", "us", "peer", "ratio", "checkpoints"];
    text.push_str(&head(5, &names));
    let mut missed = Vec::new();
    for mode in MODES {
        let ours = Stage::start(&ours, mode, size).context("start our server")?;
        let peer = Stage::start(&programs.peer, mode, size).context("start the peer")?;
        let mut rounds = Vec::new();
        for round in 1..=size.rounds {
            rounds.push((ours.round(size)?, peer.round(size)?));
            eprintln!("latency, sync={mode}, round {round}/{}: {:?}", size.rounds, rounds.last());
        }
        let made = ours.checkpoints()?;
        for (point, until) in POINTS.iter().enumerate() {
            for (at, (percent, goal)) in PERCENTILES.iter().enumerate() {
                let pairs: Vec<(f64, f64)> =
                    rounds.iter().map(|(ours, peer)| (ours[point][at], peer[point][at])).collect();
                let [ours, peer, ratio] = medians(&pairs);
                let is_met = goal.is_none_or(|goal| ratio <= goal);
                if !is_met {
                    missed.push(format!(
                        "latency at sync {mode} until {until}, p{percent}: at most {} times the \
                         peer's wanted, {ratio:.2} ({ours:.0} against {peer:.0} us)",
                        goal.unwrap_or_default()
                    ));
                }
                text.push_str(&row(&[
                    mode.to_string(),
                    (*until).to_owned(),
                    format!("p{percent}"),
                    goal.map_or(String::new(), |goal| format!("<= {goal}")),
                    goal.map_or(String::new(), |_| verdict(is_met).to_owned()),
                    format!("{ours:.0}"),
                    format!("{peer:.0}"),
                    format!("{ratio:.2}"),
                    made.map_or(String::new(), |made| made.to_string()),
                ]));
            }
        }
    }
    Ok(Section { title: "Latency at a fixed rate".to_owned(), text, missed })
}

/// A server with its long pending list.
struct Stage {
    server: Server,
    pending: u64,
}

impl Stage {
    fn start(program: &ServerProgram<'_>, mode: SyncMode, size: Size) -> anyhow::Result<Self> {
        let server = Server::start(program, mode)?;
        let pending = size.messages.unwrap_or(PENDING);
        let stage = Self { server, pending };
        let round = stage.stream();
        let mut connection = round.create_group()?;
        add_entries(&mut connection, &round.key, pending)?;
        take_entries(&mut connection, &round.key, "before", pending)?;
        Ok(stage)
    }

    fn stream(&self) -> Round {
        Round { address: self.server.address, key: "latency".to_owned(), messages: MESSAGES }
    }

    /// Checkpoints so far; none where the server has no such thing.
    fn checkpoints(&self) -> anyhow::Result<Option<u64>> {
        let mut connection = self.stream().connect()?;
        connection.send(&encode(&["INFO", "persistence"]))?;
        let info = String::from_utf8_lossy(connection.bulk()?).into_owned();
        let made = info.lines().find_map(|line| line.strip_prefix("millstream_checkpoints:"));
        made.map(|made| made.trim().parse().context("read the number of checkpoints")).transpose()
    }

    fn round(&self, size: Size) -> anyhow::Result<Figures> {
        let messages = u32::try_from(size.of(MESSAGES)).context("count the messages")?;
        let stream = self.stream();
        let producer = stream.connect()?;
        let worker = stream.connect()?;
        let mut control = stream.connect()?;
        let sender = producer.sender()?;
        // A moment from now, when all threads are there.
        let schedule = Schedule { begun_at: Instant::now() + Duration::from_millis(20) };
        let key = stream.key.as_str();
        let (answered, delivered) = thread::scope(|scope| {
            let sending = scope.spawn(move || send_when_due(sender, key, messages, schedule));
            let receiving = scope.spawn(move || receive_answers(producer, messages, schedule));
            let working = scope.spawn(move || work(worker, key, messages, schedule));
            let panicked = |_| anyhow!("a client panicked");
            sending.join().map_err(panicked)?.context("send entries")?;
            let answered = receiving.join().map_err(panicked)?.context("read answers")?;
            let delivered = working.join().map_err(panicked)?.context("work")?;
            anyhow::Ok((answered, delivered))
        })?;
        expect_pending(&mut control, key, self.pending)?;
        Ok([answered, delivered].map(|mut times| {
            PERCENTILES.map(|(percent, _)| times.percentile_us(percent).unwrap_or(f64::NAN))
        }))
    }
}

/// When which entry is due.
#[derive(Clone, Copy)]
struct Schedule {
    begun_at: Instant,
}

impl Schedule {
    fn due(self, number: u32) -> Instant {
        self.begun_at + Duration::from_nanos(u64::from(number) * 1_000_000_000 / RATE)
    }

    /// How long after it was due it is now.
    fn late(self, number: u32) -> Duration {
        self.due(number).elapsed()
    }
}

fn send_when_due(
    mut sender: impl Write,
    key: &str,
    messages: u32,
    schedule: Schedule,
) -> anyhow::Result<()> {
    let mut batch = EntryBatch::new(key, 1, 1);
    let mut requests = Vec::new();
    let mut next = 0;
    while next < messages {
        let now = Instant::now();
        thread::sleep(schedule.due(next).saturating_duration_since(now));
        let now = Instant::now();
        requests.clear();
        // Whoever overslept sends all that is due.
        while next < messages && schedule.due(next) <= now {
            requests.extend_from_slice(batch.numbered(next));
            next += 1;
        }
        sender.write_all(&requests)?;
    }
    Ok(())
}

fn receive_answers(
    mut connection: Connection,
    messages: u32,
    schedule: Schedule,
) -> anyhow::Result<Latencies> {
    let mut latencies = Latencies::default();
    for number in 0..messages {
        connection.entry_id()?;
        latencies.record(schedule.late(number));
    }
    Ok(latencies)
}

/// Reads and acknowledges until all entries came, each once and in order.
fn work(
    mut connection: Connection,
    key: &str,
    messages: u32,
    schedule: Schedule,
) -> anyhow::Result<Latencies> {
    let group = ["XREADGROUP", "GROUP", "g", "worker", "COUNT", "100"];
    let read = encode(&[&group[..], &["BLOCK", "0", "STREAMS", key, ">"]].concat());
    let (mut ids, mut numbers, mut request) = (Vec::new(), Vec::new(), Vec::new());
    let mut latencies = Latencies::default();
    let mut next = 0;
    while next < messages {
        connection.send(&read)?;
        ids.clear();
        numbers.clear();
        let count = connection.stream_entries_with(&mut ids, |at, part| {
            // The second of an entry's strings is its first value.
            if at == 1 {
                numbers.push(number_in(part));
            }
        })?;
        for number in &numbers {
            ensure!(*number == Some(next), "entry {number:?} came instead of {next}");
            latencies.record(schedule.late(next));
            next += 1;
        }
        request.clear();
        append_header(&mut request, 3 + count);
        ["XACK", key, "g"].iter().for_each(|word| append_argument(&mut request, word.as_bytes()));
        request.extend_from_slice(&ids);
        connection.send(&request)?;
        let acknowledged = connection.integer()?;
        ensure!(acknowledged == i64::try_from(count)?, "acknowledged {acknowledged} of {count}");
    }
    Ok(latencies)
}
