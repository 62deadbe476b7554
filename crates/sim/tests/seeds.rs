//! The seeds of every change. More with `MILLSTREAM_SIM_SEEDS`; a failure names its seed, and
//! `cargo xtask sim --seed N` repeats it.

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use millstream_sim::{Config, Counters, Report, run, shrink};

const SEEDS: u64 = 300;

fn seed_count() -> u64 {
    match env::var("MILLSTREAM_SIM_SEEDS") {
        Ok(text) => text.parse().expect("MILLSTREAM_SIM_SEEDS is a number"),
        Err(_) => SEEDS,
    }
}

/// Runs seeds until there are no more or one fails.
fn run_seeds(next: &AtomicU64, count: u64) -> Result<Counters, Box<Report>> {
    let config = Config::default();
    let mut total = Counters::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed > count {
            return Ok(total);
        }
        let report = run(seed, &config);
        if report.failure.is_some() {
            next.store(count + 1, Ordering::Relaxed);
            return Err(Box::new(report));
        }
        if seed.is_multiple_of(10) {
            assert_eq!(run(seed, &config), report, "seed {seed} twice");
        }
        total.add(&report.counters);
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_every_reply_is_right() {
    let count = seed_count();
    let next = AtomicU64::new(1);
    let total = thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| run_seeds(&next, count))).collect();
        let mut total = Counters::default();
        for worker in workers {
            match worker.join().expect("a run catches panics of the program") {
                Ok(counters) => total.add(&counters),
                Err(report) => panic!("{report}\ncargo xtask sim --seed {} --shrink", report.seed),
            }
        }
        total
    });
    println!("{count} seeds: {total:?}");
    // What a run is for must have happened.
    if count >= SEEDS {
        assert!(total.crashes > 10 * count && total.served > count, "{total:?}");
        assert!(total.checkpoints > 5 * count && total.checkpoint_failures > 0, "{total:?}");
        assert!(total.poisons > count / 2 && total.full_disks > count, "{total:?}");
        assert!(total.flips_refused > count && total.flips_harmless > 0, "{total:?}");
        assert!(total.held > count && total.ordered > count / 4, "{total:?}");
        assert!(total.retained > count / 2 && total.full_streams > count / 4, "{total:?}");
        assert!(total.fired > count && total.finished > count / 2, "{total:?}");
    }
}

#[test]
fn a_step_that_is_left_out_leaves_the_others_alone() {
    let whole = Config { steps: 300, ..Config::default() };
    let none = Config { skipped: (0..300).collect(), ..whole.clone() };
    let report = run(1, &none);
    assert_eq!((report.failure, report.counters.steps), (None, 0));
    let report = run(1, &whole);
    assert_eq!((report.failure, report.counters.steps), (None, 300));
    assert!(shrink(1, &whole).is_none(), "there is no failure to shrink");
}
