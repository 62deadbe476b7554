//! What the calls of a consumer group cost, with so many entries pending and with a policy.
//!
//! `cargo build --release -p millstream-engine --example policy_cost`, then
//! `valgrind --tool=callgrind --toggle-collect='*measured_*' target/release/examples/policy_cost
//! POLICY PENDING`, and of what it wrote `callgrind_annotate --inclusive=yes`: each `measured_`
//! line divided by the number of calls printed. `tests/policy_cost.py` does all of that.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use millstream_engine::{
    AddRequest, Commit, Engine, GroupPosition, GroupReader, LogPosition, NewId, Now, Options,
    OsStorage, ReadFrom, ReadRequest, ReadSink, StreamPosition, Transaction, WaitResult,
};
use millstream_model::{Backoff, EntryId, GroupPolicy};

/// Rounds of each kind.
const ROUNDS: u64 = 300;
/// Values of the field that entries are ordered by.
const VALUES: u64 = 1000;
const HOUR_MS: u64 = 3_600_000;

/// Functions that a profiler can tell apart, and how often each was called.
macro_rules! measured {
    ($($name:ident)*) => {
        $(#[inline(never)]
        fn $name<R>(work: impl FnOnce() -> R) -> R {
            // Functions that differ by nothing would become one.
            Call::$name.count();
            black_box(work())
        })*

        #[expect(non_camel_case_types, reason = "the same names as the functions")]
        #[derive(Clone, Copy)]
        enum Call { $($name,)* }

        const NAMES: &[&str] = &[$(stringify!($name),)*];
    };
}

measured! {
    measured_add measured_read_1 measured_read_10 measured_read_100 measured_ack_1 measured_ack_100
    measured_ack_first measured_read_nothing measured_park measured_autoclaim_10
    measured_read_claim_10 measured_add_to_parked measured_read_expired_1
    measured_read_expired_10
}

static CALLS: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

impl Call {
    fn count(self) {
        CALLS[self as usize].fetch_add(1, Ordering::Relaxed);
    }
}

struct Nobody;

impl ReadSink for Nobody {
    fn is_closed(&self) -> bool {
        false
    }

    fn complete(&mut self, result: WaitResult, depends_on: LogPosition) {
        black_box((result, depends_on));
    }
}

struct Bench {
    engine: Engine,
    commit: Commit,
    ms: u64,
    /// Entries added with a value.
    added: u64,
    is_burst: bool,
}

fn policy(name: &str) -> Option<GroupPolicy> {
    let mut policy = GroupPolicy::default();
    policy.visibility_ms = HOUR_MS;
    let backoff = Backoff { base_ms: 1000, factor_thousandths: 2000, max_ms: HOUR_MS };
    match name {
        "none" => policy.visibility_ms = 0,
        "visibility" => {}
        "max-deliveries" => policy.deliveries_max = 5,
        "last-delivery" => policy.deliveries_max = 1,
        "backoff" => policy.backoff = Some(backoff),
        "in-flight" => policy.in_flight_max = 2_000_000,
        "in-flight-full" => policy.in_flight_max = 2_000_000,
        // All delivered in one millisecond.
        "burst" => {}
        "order-by" => policy.order_by = Some((*b"v").into()),
        _ => return None,
    }
    Some(policy)
}

fn read_request(consumer: &'static str, count: u64, claim: Option<u64>) -> ReadRequest {
    let group = GroupReader {
        group: Bytes::from_static(b"g"),
        consumer: Bytes::from_static(consumer.as_bytes()),
        noack: false,
        claim_min_idle_ms: claim,
    };
    let stream = StreamPosition { key: Bytes::from_static(b"s"), from: ReadFrom::New };
    ReadRequest {
        db: 0,
        group: Some(group),
        streams: vec![stream],
        count: Some(count as usize),
        count_total: None,
        bytes_max: None,
    }
}

impl Bench {
    fn run<T>(&self, work: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
        let now = Now { wall_ms: 1_700_000_000_000 + self.ms, monotonic_ms: 1 + self.ms };
        let mut transaction = self.engine.lock(now);
        transaction.begin();
        let result = work(&mut transaction);
        transaction.finish();
        result
    }

    fn write(&mut self) {
        self.commit.write_step().expect("the disk takes it");
    }

    fn add(&mut self, value: &[u8]) {
        let request =
            AddRequest { id: NewId::Auto, no_create: false, trim: None, production: None };
        let fields = [&b"v"[..], value, b"payload", b"0123456789012345678901234567890123456789"];
        self.run(|txn| txn.add(0, b"s", &request, &fields)).expect("adds");
    }

    fn set_up(&mut self, policy: GroupPolicy, pending: u64) {
        let start = GroupPosition::After(EntryId::MIN);
        self.run(|txn| txn.create_group(0, b"s", b"g", start, true, None)).expect("creates");
        set_policy(self, policy);
        let request =
            AddRequest { id: NewId::Auto, no_create: false, trim: None, production: None };
        for from in (0..pending).step_by(1000) {
            self.run(|txn| {
                for n in from..from + 1000 {
                    let value = format!("early-{n}");
                    let fields =
                        [&b"v"[..], value.as_bytes(), b"payload", b"0123456789012345678901234567"];
                    txn.add(0, b"s", &request, &fields).expect("adds");
                }
            });
            let consumer = ["a", "b", "c", "d"][(from / 1000 % 4) as usize];
            self.run(|txn| txn.read(&mut read_request(consumer, 1000, None))).expect("reads");
            self.ms += u64::from(!self.is_burst);
            self.write();
        }
    }

    fn add_many(&mut self, count: u64) -> Vec<EntryId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let value = format!("value-{}", self.added % VALUES);
            self.added += 1;
            measured_add(|| self.add(value.as_bytes()));
            let stream =
                self.run(|txn| txn.stream(0, b"s").expect("a stream").map(|s| s.last_id()));
            ids.push(stream.expect("it is there"));
        }
        self.write();
        ids
    }

    fn ack(&self, ids: &[EntryId]) {
        let done = self.run(|txn| txn.acknowledge(0, b"s", b"g", ids)).expect("a stream");
        assert_eq!(done, ids.len());
    }

    fn rounds(&mut self, pending: u64) {
        for _ in 0..ROUNDS {
            self.ms += 1;
            let ids = self.add_many(1);
            let mut request = read_request("a", 1, None);
            let read = measured_read_1(|| self.run(|txn| txn.read(&mut request)));
            assert!(read.expect("reads").is_some());
            measured_ack_1(|| self.ack(&ids));
            let mut request = read_request("a", 1, None);
            let read = measured_read_nothing(|| self.run(|txn| txn.read(&mut request)));
            assert!(read.expect("reads").is_none());
            let ids = self.add_many(10);
            let mut request = read_request("a", 10, None);
            let read = measured_read_10(|| self.run(|txn| txn.read(&mut request)));
            assert!(read.expect("reads").is_some());
            self.ack(&ids);
            let ids = self.add_many(100);
            let mut request = read_request("a", 100, None);
            let read = measured_read_100(|| self.run(|txn| txn.read(&mut request)));
            assert!(read.expect("reads").is_some());
            measured_ack_100(|| self.ack(&ids));
            self.write();
        }
        self.parked();
        self.claims(pending);
    }

    fn parked(&mut self) {
        for _ in 0..ROUNDS {
            self.ms += 1;
            let ticket = measured_park(|| {
                self.run(|txn| {
                    let mut request = read_request("a", 1, None);
                    assert!(txn.read(&mut request).expect("reads").is_none());
                    txn.park(request, None, Box::new(Nobody))
                })
            });
            measured_add_to_parked(|| self.add(b"parked"));
            let is_waiting = self.run(|txn| txn.unpark(ticket));
            assert!(!is_waiting, "it got the entry");
            let last = self.run(|txn| txn.stream(0, b"s").expect("a stream").map(|s| s.last_id()));
            self.ack(&[last.expect("it is there")]);
        }
    }

    fn claims(&mut self, pending: u64) {
        if pending == 0 {
            self.add_many(1000);
            self.run(|txn| txn.read(&mut read_request("a", 1000, None))).expect("reads");
        }
        self.ms += 1;
        let mut from = EntryId::MIN;
        for _ in 0..ROUNDS {
            let claimed = measured_autoclaim_10(|| {
                self.run(|txn| txn.autoclaim(0, b"s", b"g", b"b", 0, from, 10, false))
            });
            from = claimed.expect("claims").cursor;
            self.write();
        }
        for _ in 0..ROUNDS {
            self.ms += 1;
            let mut request = read_request("b", 10, Some(1));
            let read = measured_read_claim_10(|| self.run(|txn| txn.read(&mut request)));
            black_box(read.expect("reads"));
            self.write();
        }
        self.ms += 2 * HOUR_MS;
        for _ in 0..ROUNDS {
            for (count, is_one) in [(1, true), (10, false)] {
                self.ms += 1;
                let mut request = read_request("b", count, None);
                let read = || self.run(|txn| txn.read(&mut request));
                black_box(match is_one {
                    true => measured_read_expired_1(read),
                    false => measured_read_expired_10(read),
                })
                .expect("reads");
            }
            self.write();
        }
        let first = |txn: &mut Transaction<'_>| {
            let stream = txn.stream(0, b"s").expect("a stream").expect("it is there");
            let group = stream.group(stream.find_group(b"g").expect("it is there"));
            group.pending().first_id()
        };
        for _ in 0..ROUNDS {
            let Some(id) = self.run(first) else { break };
            measured_ack_first(|| self.ack(&[id]));
        }
    }
}

fn set_policy(bench: &Bench, policy: GroupPolicy) {
    if policy.is_managed() {
        bench.run(|txn| txn.set_group_policy(0, b"s", b"g", policy)).expect("a group");
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: policy_cost POLICY PENDING";
    let name = arguments.next().ok_or(usage)?;
    let policy = policy(&name).ok_or(usage)?;
    let pending = arguments.next().ok_or(usage)?.parse()?;
    let directory = tempfile::tempdir()?;
    let storage = Arc::new(OsStorage::open(directory.path())?);
    let now = Now { wall_ms: 1_700_000_000_000, monotonic_ms: 1 };
    let opened = Engine::open(storage, Options::default(), now, &mut |_| ())?;
    let (engine, commit) = (opened.engine, opened.commit);
    let mut bench = Bench { engine, commit, ms: 0, added: 0, is_burst: name == "burst" };
    bench.set_up(policy, pending);
    bench.rounds(pending);
    for (name, calls) in NAMES.iter().zip(&CALLS) {
        println!("{name} {}", calls.load(Ordering::Relaxed));
    }
    Ok(())
}
