//! What an operation costs our server beside how much there is already.
//!
//! Judged is processor time against that at 1,000 entries. It must not grow with the number of
//! entries, pending entries, groups or consumers; but the more there is the less of it fits into
//! the processor's caches, for which [`GROWTH_MAX`] leaves room. Nothing leaves memory, and no
//! checkpoint runs meanwhile: what those cost belongs to the operations before.

use anyhow::{Context, ensure};

use crate::connection::Connection;
use crate::entry_batch::EntryBatch;
use crate::goal::verdict;
use crate::process_usage::thread_nanoseconds;
use crate::request::{append_argument, append_header, encode};
use crate::server::{Server, ServerKind, ServerProgram, SyncMode};
use crate::workload::Round;
use crate::workloads::fill::{add_entries, expect_pending, read_request, take_entries};

use super::section::{Section, Size, head, medians, row};

/// Operations measured in a round.
const OPERATIONS: u64 = 200_000;
/// Entries of one request or of one write of XADD.
const PAGE: u64 = 100;
/// Most that an operation may cost, against the smallest case.
const GROWTH_MAX: f64 = 1.25;
const SIZES: [u64; 2] = [1_000, 100_000];
const LARGEST: u64 = 10_000_000;
/// Groups or consumers, and entries beside them.
const MANY: u64 = 1_000;
const BESIDE_MANY: u64 = 100_000;
const NAMES: [&str; 3] = ["XADD", "XREADGROUP and XACK", "XAUTOCLAIM"];
/// All in memory, and no checkpoint.
const ARGUMENTS: [&str; 4] = ["--cache-mb", "8192", "--checkpoint-log-kb", "100000000"];

/// What there is already.
#[derive(Clone, Copy)]
struct Shape {
    entries: u64,
    groups: u64,
    /// Of group `g`, which all entries are pending for.
    consumers: u64,
}

impl Shape {
    fn name(self) -> String {
        let entries = format!("{} entries and pending", self.entries);
        match self {
            Self { groups: 1, consumers: 1, .. } => entries,
            Self { consumers: 1, groups, .. } => format!("{entries}, {groups} groups"),
            Self { consumers, .. } => format!("{entries}, {consumers} consumers"),
        }
    }
}

/// Processor time of each operation, us.
type Costs = [f64; NAMES.len()];

/// Measures `program` alone.
///
/// # Errors
/// The server does not start, or answers wrongly.
pub(super) fn run(program: &ServerProgram<'_>, size: Size) -> anyhow::Result<Section> {
    let arguments = ARGUMENTS.map(str::to_owned);
    let extra = [program.extra, &arguments[..]].concat();
    let mut program = program.clone();
    if program.kind == ServerKind::Millstream {
        program.extra = &extra;
    }
    let mut text = format!(
        "Our server alone, `--sync no`, all in memory (`{}`): processor time of one entry in us, \
         and beside it the ratio to the first row, which is to be at most {GROWTH_MAX}. XADD in \
         writes of {PAGE}, the others with COUNT {PAGE}; {OPERATIONS} operations a round.\n\n",
        ARGUMENTS.join(" ")
    );
    let mut names = vec!["there already".to_owned()];
    for name in NAMES {
        names.extend([name.to_owned(), "ratio".to_owned(), String::new()]);
    }
    text.push_str(&head(1, &names.iter().map(String::as_str).collect::<Vec<_>>()));
    let mut missed = Vec::new();
    let cases = measure_in_turns(&program, size)?;
    for (shape, rounds) in &cases {
        let mut cells = vec![shape.name()];
        for (at, operation) in NAMES.iter().enumerate() {
            // Within a round: from one to the next the machine may have become slower.
            let pairs: Vec<(f64, f64)> = rounds
                .iter()
                .zip(&cases[0].1)
                .map(|(costs, smallest)| (costs[at], smallest[at]))
                .collect();
            let [cost, _, growth] = medians(&pairs);
            let is_flat = growth <= GROWTH_MAX;
            if !is_flat {
                let name = shape.name();
                missed.push(format!(
                    "flat cost of {operation}, {name}: at most {GROWTH_MAX} wanted, {growth:.2}"
                ));
            }
            let verdict = verdict(is_flat).to_owned();
            cells.extend([format!("{cost:.3}"), format!("{growth:.2}"), verdict]);
        }
        text.push_str(&row(&cells));
    }
    Ok(Section { title: "Flat cost".to_owned(), text, missed })
}

/// Costs of each shape by rounds, all shapes in turns, each on a server of its own.
fn measure_in_turns(
    program: &ServerProgram<'_>,
    size: Size,
) -> anyhow::Result<Vec<(Shape, Vec<Costs>)>> {
    let mut cases = Vec::new();
    for shape in shapes(size) {
        let server = Server::start(program, SyncMode::No).context("start the server")?;
        cases.push((Case { server, shape, large: None }, Vec::new()));
    }
    for round in 0..size.rounds {
        for (case, costs) in &mut cases {
            let name = case.shape.name();
            let cost = case.round(round, size).with_context(|| format!("with {name}"))?;
            eprintln!("cost with {name}, round {}/{}: {cost:.3?} us", round + 1, size.rounds);
            costs.push(cost);
        }
    }
    Ok(cases.into_iter().map(|(case, costs)| (case.shape, costs)).collect())
}

fn shapes(size: Size) -> Vec<Shape> {
    let plain = |entries| Shape { entries, groups: 1, consumers: 1 };
    let many = size.messages.map_or(MANY, |messages| messages.min(MANY));
    let beside = size.messages.unwrap_or(BESIDE_MANY);
    let mut shapes: Vec<Shape> = match size.messages {
        Some(messages) => vec![plain(messages)],
        None => SIZES.map(plain).to_vec(),
    };
    if size.has_largest && size.messages.is_none() {
        shapes.push(plain(LARGEST));
    }
    shapes.push(Shape { groups: many, ..plain(beside) });
    shapes.push(Shape { consumers: many, ..plain(beside) });
    shapes
}

/// A server with one shape.
struct Case {
    server: Server,
    shape: Shape,
    /// A stream that takes long to set up, for all rounds.
    large: Option<Stage>,
}

impl Case {
    fn round(&mut self, round: usize, size: Size) -> anyhow::Result<Costs> {
        let operations = size.of(OPERATIONS).max(PAGE);
        let mut total = [0; NAMES.len()];
        let mut done = 0;
        while done < operations {
            // Small streams would be large ones before enough was measured: a few on each.
            let now = (self.shape.entries.min(operations - done) / PAGE).max(1) * PAGE;
            let mut fresh;
            let stage = if self.shape.entries > operations {
                if self.large.is_none() {
                    self.large = Some(Stage::new(&self.server, "large", self.shape)?);
                }
                self.large.as_mut().expect("it was made just now")
            } else {
                let key = format!("s{round}-{done}");
                fresh = Stage::new(&self.server, &key, self.shape)?;
                &mut fresh
            };
            let spent = [stage.add(now)?, stage.read_and_acknowledge(now)?, stage.claim(now)?];
            (0..NAMES.len()).for_each(|at| total[at] += spent[at]);
            done += now;
        }
        Ok(total.map(|nanoseconds| nanoseconds as f64 / 1000.0 / done as f64))
    }
}

/// A stream as the shape says, and operations on it, which return the nanoseconds they took.
struct Stage {
    process_id: u32,
    connection: Connection,
    key: String,
    shape: Shape,
    /// Calls so far, which go round the consumers.
    calls: u64,
    cursor: Vec<u8>,
}

impl Stage {
    fn new(server: &Server, key: &str, shape: Shape) -> anyhow::Result<Self> {
        let round = Round { address: server.address, key: key.to_owned(), messages: 0 };
        let mut connection = round.create_group()?;
        add_entries(&mut connection, key, shape.entries)?;
        let share = shape.entries / shape.consumers;
        for number in 0..shape.consumers {
            take_entries(&mut connection, key, &format!("c{number}"), share)?;
        }
        take_entries(&mut connection, key, "c0", shape.entries % shape.consumers)?;
        for number in 1..shape.groups {
            let group = format!("g{number}");
            connection.call(&["XGROUP", "CREATE", key, &group, "0"])?;
            let read = ["XREADGROUP", "GROUP", &group, "c0", "COUNT", "100", "STREAMS", key, ">"];
            connection.call(&read)?;
        }
        let (process_id, cursor) = (server.process_id(), b"0-0".to_vec());
        Ok(Self { process_id, connection, key: key.to_owned(), shape, calls: 0, cursor })
    }

    /// Processor time that `work` costs the server.
    fn spent(&mut self, work: impl FnOnce(&mut Self) -> anyhow::Result<()>) -> anyhow::Result<u64> {
        let before = thread_nanoseconds(self.process_id)?;
        work(self)?;
        Ok(thread_nanoseconds(self.process_id)?.saturating_sub(before))
    }

    fn next_consumer(&mut self) -> String {
        self.calls += 1;
        format!("c{}", self.calls % self.shape.consumers)
    }

    fn add(&mut self, count: u64) -> anyhow::Result<u64> {
        let page = usize::try_from(PAGE).expect("a page is small");
        let mut batch = EntryBatch::new(&self.key, page, count);
        self.spent(|stage| {
            for _ in 0..count / PAGE {
                stage.connection.send(batch.fresh())?;
                for _ in 0..PAGE {
                    stage.connection.entry_id()?;
                }
            }
            Ok(())
        })
    }

    fn read_and_acknowledge(&mut self, count: u64) -> anyhow::Result<u64> {
        let spent = self.spent(|stage| {
            let (mut ids, mut ack) = (Vec::new(), Vec::new());
            for _ in 0..count / PAGE {
                let consumer = stage.next_consumer();
                stage.connection.send(&read_request(&stage.key, &consumer, PAGE, ">"))?;
                ids.clear();
                let read = stage.connection.stream_entries(&mut ids)?;
                ensure!(read as u64 == PAGE, "read {read} entries instead of {PAGE}");
                ack.clear();
                append_header(&mut ack, 3 + read);
                for word in ["XACK", &stage.key, "g"] {
                    append_argument(&mut ack, word.as_bytes());
                }
                ack.extend_from_slice(&ids);
                stage.connection.send(&ack)?;
                let acknowledged = stage.connection.integer()?;
                ensure!(acknowledged == read as i64, "acknowledged {acknowledged} of {read}");
            }
            Ok(())
        })?;
        expect_pending(&mut self.connection, &self.key, self.shape.entries)?;
        Ok(spent)
    }

    fn claim(&mut self, count: u64) -> anyhow::Result<u64> {
        self.spent(|stage| {
            let page = PAGE.to_string();
            let mut ids = Vec::new();
            let mut claimed = 0;
            while claimed < count {
                let consumer = stage.next_consumer();
                let words: [&[u8]; 8] = [
                    b"XAUTOCLAIM",
                    stage.key.as_bytes(),
                    b"g",
                    consumer.as_bytes(),
                    b"0",
                    &stage.cursor,
                    b"COUNT",
                    page.as_bytes(),
                ];
                stage.connection.send(&encode(&words))?;
                ids.clear();
                let now = stage.connection.claimed(&mut stage.cursor, &mut ids)? as u64;
                ensure!((1..=PAGE).contains(&now), "claimed {now} entries instead of {PAGE}");
                claimed += now;
            }
            Ok(())
        })
    }
}
