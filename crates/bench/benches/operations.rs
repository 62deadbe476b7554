//! What single steps of the server cost, without sockets: parsing a request, each command of a
//! consumer group under the engine's lock, encoding a reply.
//!
//! `cargo bench -p millstream-bench --bench operations` prints times of steps, entries a second,
//! and the change since the run before; a word behind `--` picks. Times differ from machine to
//! machine and from hour to hour: for regressions `cargo xtask instructions` is the judge, this is
//! for looking closer.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use millstream_command::table::resolve;
use millstream_command::{Answer, Reply, encode, run};
use millstream_engine::{Commit, Engine, Now, Options};
use millstream_log::{MemoryStorage, Storage};
use millstream_resp::{Protocol, RequestBatch, RequestLimits, RequestParser, encode_command};

/// Entries that one measured step works on, all in all.
const ENTRIES: usize = 1000;
/// Entries of one command.
const SIZES: [usize; 3] = [1, 10, 100];
const ADD: [&str; 9] =
    ["XADD", "s", "*", "field001", "value001", "field002", "value002", "field003", "value003"];
const NOW: Now = Now { wall_ms: 1_700_000_000_000, monotonic_ms: 1 };

/// An engine on a disk in memory, with a group that begins at the first entry.
struct Store {
    engine: Engine,
    commit: Commit,
}

impl Store {
    fn new() -> Self {
        let storage: Arc<dyn Storage> = Arc::new(MemoryStorage::new());
        let opened = Engine::open(storage, Options::default(), NOW, &mut |_| ()).expect("opens");
        let store = Self { engine: opened.engine, commit: opened.commit };
        store.run(&["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"]);
        store
    }

    fn with_entries() -> Self {
        let mut store = Self::new();
        store.add_all();
        store
    }

    fn with_pending() -> Self {
        let store = Self::with_entries();
        store.read(ENTRIES);
        store
    }

    fn run(&self, words: &[&str]) -> Reply {
        let args: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let command = resolve(&args).expect("a command");
        let mut transaction = self.engine.lock(NOW);
        transaction.begin();
        let answer = run(command, &args, 0, false, &mut transaction);
        transaction.finish();
        let Answer::Reply(reply) = answer else { panic!("{words:?} is not done") };
        reply
    }

    /// With the log given to the disk, as after each batch of a server.
    fn add_all(&mut self) {
        for _ in 0..ENTRIES {
            black_box(self.run(&ADD));
        }
        self.commit.write_step().expect("the disk takes it");
    }

    fn read(&self, count: usize) {
        let count = count.to_string();
        let words = ["XREADGROUP", "GROUP", "g", "c", "COUNT", &count, "STREAMS", "s", ">"];
        black_box(self.run(&words));
    }
}

/// IDs of all entries, in the order of the stream: they were added in one millisecond.
fn ids() -> Vec<String> {
    (0..ENTRIES).map(|seq| format!("{}-{seq}", NOW.wall_ms)).collect()
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    for size in SIZES {
        let mut bytes = Vec::new();
        (0..size).for_each(|_| encode_command(ADD, &mut bytes));
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("XADD", size), |bencher| {
            let (mut parser, mut batch) = (RequestParser::new(), RequestBatch::new());
            let limits = RequestLimits::default();
            bencher.iter(|| {
                let parsed = parser.parse(black_box(&bytes), &limits, size, &mut batch);
                assert_eq!(parsed.expect("requests").consumed, bytes.len());
            });
        });
    }
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(ENTRIES as u64));
    group.bench_function("XADD", |bencher| {
        bencher.iter_batched_ref(Store::new, Store::add_all, BatchSize::PerIteration);
    });
}

fn deliver(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deliver");
    group.throughput(Throughput::Elements(ENTRIES as u64));
    for size in SIZES {
        group.bench_function(BenchmarkId::new("XREADGROUP", size), |bencher| {
            let read_all = |store: &mut Store| {
                (0..ENTRIES / size).for_each(|_| store.read(size));
            };
            bencher.iter_batched_ref(Store::with_entries, read_all, BatchSize::PerIteration);
        });
    }
}

fn acknowledge(criterion: &mut Criterion) {
    let ids = ids();
    let mut group = criterion.benchmark_group("acknowledge");
    group.throughput(Throughput::Elements(ENTRIES as u64));
    for size in SIZES {
        let commands: Vec<Vec<&str>> = ids
            .chunks(size)
            .map(|some| ["XACK", "s", "g"].into_iter().chain(some.iter().map(|id| &**id)).collect())
            .collect();
        group.bench_function(BenchmarkId::new("XACK", size), |bencher| {
            let acknowledge_all = |store: &mut Store| {
                for words in &commands {
                    let reply = store.run(words);
                    assert!(matches!(reply, Reply::Int(count) if count == size as i64));
                }
            };
            bencher.iter_batched_ref(Store::with_pending, acknowledge_all, BatchSize::PerIteration);
        });
    }
}

fn claim(criterion: &mut Criterion) {
    let ids = ids();
    let mut group = criterion.benchmark_group("claim");
    group.throughput(Throughput::Elements(ENTRIES as u64));
    for size in SIZES {
        let count = size.to_string();
        group.bench_function(BenchmarkId::new("XAUTOCLAIM", size), |bencher| {
            let claim_all = |store: &mut Store| {
                for start in ids.iter().step_by(size) {
                    let words = ["XAUTOCLAIM", "s", "g", "other", "0", start, "COUNT", &count];
                    black_box(store.run(&words));
                }
            };
            bencher.iter_batched_ref(Store::with_pending, claim_all, BatchSize::PerIteration);
        });
    }
}

fn encode_entries(criterion: &mut Criterion) {
    let store = Store::with_entries();
    let mut group = criterion.benchmark_group("encode");
    for size in SIZES {
        let count = size.to_string();
        let reply = store.run(&["XRANGE", "s", "-", "+", "COUNT", &count]);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("XRANGE", size), |bencher| {
            let mut bytes = Vec::new();
            bencher.iter(|| {
                bytes.clear();
                encode(black_box(&reply), Protocol::Resp2, &mut bytes);
                black_box(&bytes);
            });
        });
    }
}

criterion_group!(operations, parse, append, deliver, acknowledge, claim, encode_entries);
criterion_main!(operations);
