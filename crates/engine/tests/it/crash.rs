//! A crash after every single disk operation: what comes back is a state between two record groups,
//! with everything that was durable.

use std::collections::BTreeMap;

use bytes::Bytes;
use millstream_engine::{AddRequest, CheckpointStep, GroupPosition, NewId, Now, ReadFrom};
use millstream_log::memory_storage::{Crash, MemoryStorage, Operation as DiskOperation};
use millstream_model::EntryId;

use crate::dump::dump;
use crate::operation::Roller;
use crate::parked::Sink;
use crate::pending::read_by;
use crate::store::{Store, at, id, run};

/// A run on a disk that keeps images, and what was true when.
struct Run {
    seed: u64,
    store: Store,
    roller: Roller,
    now: Now,
    /// Dump at each end of a record where it is known.
    dumps: BTreeMap<u64, String>,
    /// From so many images on, the log was durable up to there.
    durable: Vec<(usize, u64)>,
    published: usize,
}

impl Run {
    fn new(seed: u64) -> Self {
        let disk = MemoryStorage::new();
        disk.keep_images();
        let store = Store::open(disk, at(0));
        let roller = Roller::new(seed);
        let dumps = BTreeMap::from([(0, String::new())]);
        let mut run =
            Self { seed, store, roller, now: at(0), dumps, durable: Vec::new(), published: 0 };
        run.write();
        run
    }

    /// Notes the state at the end of the log.
    fn note(&mut self, position: u64) {
        let last = self.dumps.last_key_value().map_or(0, |(&position, _)| position);
        if position > last {
            self.dumps.insert(position, dump(self.store.engine()));
        }
    }

    fn write(&mut self) {
        let position = self.store.write().get();
        self.note(position);
    }

    /// One record group of one to three operations.
    fn group(&mut self) {
        let operations: Vec<_> = (0..1 + self.roller.dice.roll(3))
            .map(|_| self.roller.operation(self.now.wall_ms))
            .collect();
        let before = self.store.engine().lock(self.now).statistics();
        let ((), position) = run(self.store.engine(), self.now, |txn| {
            for operation in &operations {
                // A refused one leaves the others of its group alone, as in EXEC.
                let _ = operation.run(txn);
            }
        });
        let after = self.store.engine().lock(self.now).statistics();
        if after.waiters < before.waiters {
            // Each reader that was served logged a record of its own.
            self.write();
        } else if after.unwritten_bytes != before.unwritten_bytes {
            self.note(position.get());
        }
    }

    /// Parks a read that claims, where there is something to wait for.
    fn park(&mut self) {
        let mut request = read_by("w", ReadFrom::New);
        request.streams[0].key = Bytes::from_static(b"a");
        request.group.as_mut().expect("for a group").claim_min_idle_ms = Some(15);
        run(self.store.engine(), self.now, |txn| {
            if matches!(txn.read(&mut request), Ok(None)) {
                let deadline_ms = Some(txn.now().monotonic_ms + 100);
                txn.park(request, deadline_ms, Box::new(Sink::default()));
            }
        });
        self.write();
    }

    fn step(&mut self) {
        self.now = at(self.now.monotonic_ms + self.roller.dice.roll(8));
        self.group();
        match self.roller.dice.roll(11) {
            0 | 1 => self.write(),
            2 | 3 => {
                self.write();
                let durable = self.store.sync();
                self.durable.push((self.store.disk.image_count(), durable.get()));
            }
            4 => {
                self.store.opened.preparer.step().expect("prepares");
            }
            5 => self.park(),
            8..=10 => {
                self.write();
                let wanted = self.roller.dice.once_in(6);
                let step = self.store.checkpoint_step(wanted);
                if matches!(step, CheckpointStep::WaitsForLog(_)) {
                    let durable = self.store.engine().durable();
                    self.durable.push((self.store.disk.image_count(), durable.get()));
                }
                self.published += usize::from(matches!(step, CheckpointStep::Published(_)));
            }
            6 => {
                self.write();
                let _ = self.store.engine().run_due(self.now, 1);
                self.write();
            }
            _ => {}
        }
    }

    fn durable_at(&self, image: usize) -> u64 {
        let known = self.durable.iter().rev().find(|(images, _)| *images <= image + 1);
        known.map_or(0, |(_, position)| *position)
    }

    /// Opens what a crash left; returns whether it could be compared.
    fn verify(&self, image: usize, disk: MemoryStorage, crash: Crash) -> bool {
        let what = format!("seed {} image {image} {crash:?}", self.seed);
        let mut store = Store::open(disk, self.now);
        let position = store.engine().written().get();
        assert!(position >= self.durable_at(image), "{what}: durable records are gone");
        let recovered = dump(store.engine());
        if let Some(expected) = self.dumps.get(&position) {
            assert_eq!(recovered, *expected, "{what} at {position}");
        }
        // It goes on from there.
        let request =
            AddRequest { id: NewId::Auto, no_create: false, trim: None, production: None };
        run(store.engine(), self.now, |txn| txn.add(15, b"new", &request, &[b"f", b"v"]).is_ok());
        store.sync();
        let expected = dump(store.engine());
        let again = store.crashed(Crash::LoseAll, self.now);
        assert_eq!(dump(again.engine()), expected, "{what}: the second start");
        self.dumps.contains_key(&position)
    }
}

#[test]
fn after_a_crash_at_any_disk_operation_whole_groups_are_there() {
    let (mut compared, mut all, mut syncs, mut published) = (0, 0, 0, 0);
    for seed in 0..10 {
        let mut run = Run::new(seed);
        for _ in 0..120 {
            run.step();
        }
        published += run.published;
        let images = run.store.disk.take_images();
        for (index, image) in images.iter().enumerate() {
            syncs += usize::from(image.operation == DiskOperation::Sync);
            for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Random(index as u64)] {
                all += 1;
                compared += usize::from(run.verify(index, image.crash(crash), crash));
            }
        }
    }
    assert!(syncs > 100, "{syncs} syncs");
    assert!(published > 20, "{published} checkpoints");
    assert!(compared * 10 > all * 9, "{compared} of {all} states compared");
}

#[test]
fn a_group_of_operations_is_whole_or_absent() {
    let disk = MemoryStorage::new();
    let mut store = Store::open(disk, at(0));
    let add = |ms| AddRequest {
        id: NewId::Exactly(id(ms, 0)),
        no_create: false,
        trim: None,
        production: None,
    };
    run(store.engine(), at(0), |txn| {
        txn.create_group(0, b"jobs", b"g", GroupPosition::End, true, None)
    })
    .0
    .expect("creates");
    store.sync();
    let before = dump(store.engine());
    // Larger than a sector, so that it can tear.
    run(store.engine(), at(1), |txn| {
        for ms in 1..=80 {
            txn.add(0, b"jobs", &add(ms), &[b"field", b"value"]).expect("adds");
            txn.add(0, b"copy", &add(ms), &[b"field", b"value"]).expect("adds");
        }
        txn.claim(0, b"jobs", b"g", b"c", &force(), &[id(3, 0)]).expect("claims");
        txn.rename(0, b"copy", b"kept", true).expect("renames");
    });
    let after = dump(store.engine());
    store.write();
    let (mut whole, mut absent) = (0, 0);
    for seed in 0..200 {
        let found = dump(store.crashed(Crash::Random(seed), at(2)).engine());
        whole += usize::from(found == after);
        absent += usize::from(found == before);
    }
    assert_eq!(whole + absent, 200, "never half a group");
    assert!(absent > 0, "the group was torn at least once");
    assert_eq!(dump(store.crashed(Crash::KeepAll, at(2)).engine()), after);
    assert_eq!(dump(store.crashed(Crash::LoseAll, at(2)).engine()), before);
}

fn force() -> millstream_engine::ClaimOptions {
    millstream_engine::ClaimOptions { force: true, ..Default::default() }
}

#[test]
fn times_never_go_back_over_a_restart() {
    let mut store = Store::new();
    let request =
        AddRequest { id: NewId::Exactly(id(1, 0)), no_create: false, trim: None, production: None };
    run(store.engine(), at(50_000), |txn| {
        txn.add(0, b"s", &request, &[b"f", b"v"]).expect("adds");
        txn.create_group(0, b"s", b"g", GroupPosition::After(EntryId::MIN), false, None)
            .expect("creates");
        txn.create_consumer(0, b"s", b"g", b"c").expect("creates");
    });
    run(store.engine(), at(60_000), |txn| {
        txn.claim(0, b"s", b"g", b"c", &force(), &[id(1, 0)]).expect("claims");
    });
    store.sync();
    // The wall clock has been set back meanwhile.
    let store = Store::open(store.disk.clone(), at(10));
    let mut transaction = store.engine().lock(at(30));
    let steady_ms = transaction.steady_ms();
    let stream = transaction.stream(0, b"s").expect("a stream").expect("it is there");
    let group = stream.group(stream.find_group(b"g").expect("it is there"));
    let oldest = group.pending().oldest_first().next().expect("one is pending");
    assert_eq!(steady_ms - oldest.delivered_at_ms, 20, "idle since the restart");
}
