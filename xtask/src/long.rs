//! `cargo xtask long`: what finds more the longer it runs. The random comparison with Redis, with
//! more seeds than a test run has time for (a failure names its seed; `MILLSTREAM_DIFF_SEED`
//! repeats it); `long crashes`: kill -9 under load, over and over; `long memory`: a stream of some
//! GB; `long redis-suite`: Redis' own tests of streams, which are fetched; `long client-suites`:
//! those of redis-py and redis-rs; `long cluster`: the toolkit on a Cluster in trouble;
//! `long fuzz`: each fuzz target, by the stable compiler; `long soak`: everything at once for an
//! hour, and nothing grows; `long abuse`: hostile clients beside a good one, whose waits are
//! judged; `long import`: a million entries to Millstream and back; and `long sim`: the simulator,
//! until the store has crashed so often.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{checkout, peers, sim};

/// Runs until the seeds or the seconds are used up.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    match *arguments {
        ["crashes"] => return crashes("400"),
        ["crashes", "--rounds", rounds] => return crashes(rounds),
        ["memory"] => return memory("3072"),
        ["memory", "--mb", mb] => return memory(mb),
        ["redis-suite"] => return redis_suite(),
        ["client-suites", ref clients @ ..] => return client_suites(clients),
        ["cluster"] => return cluster("50000"),
        ["cluster", "--messages", messages] => return cluster(messages),
        ["fuzz"] => return fuzz("60"),
        ["fuzz", "--seconds", seconds] => return fuzz(seconds),
        ["abuse"] => return abuse("20"),
        ["abuse", "--seconds", seconds] => return abuse(seconds),
        ["soak"] => return soak("60"),
        ["soak", "--minutes", minutes] => return soak(minutes),
        ["import"] => return import("1000000"),
        ["import", "--entries", entries] => return import(entries),
        ["sim"] => return sim::run(&["--crashes", "100000"]),
        ["sim", ref rest @ ..] => return sim::run(rest),
        _ => {}
    }
    let (mut seeds, mut seconds) = (100_000_u64, 600_u64);
    for pair in arguments.chunks(2) {
        match pair {
            ["--seeds", n] => seeds = n.parse().context("--seeds N")?,
            ["--seconds", n] => seconds = n.parse().context("--seconds S")?,
            _ => bail!(
                "usage: cargo xtask long [--seeds N] [--seconds S] | long crashes [--rounds N] | \
                 long memory [--mb N] | long redis-suite | long client-suites [CLIENT] | \
                 long cluster [--messages N] | \
                 long fuzz [--seconds S] | long abuse [--seconds S] | \
                 long soak [--minutes N] | long import [--entries N] | \
                 long sim [--crashes N]"
            ),
        }
    }
    let peers = checkout::peers_dir();
    peers::fetch(&peers)?;
    let mut test = checkout::cargo();
    test.args(["test", "--release", "--package", "millstream-conformance"])
        .args(["--test", "differential", "--", "--nocapture", "millstream_does"])
        .env("MILLSTREAM_PEERS", peers)
        .env("MILLSTREAM_DIFF_SEQUENCES", seeds.to_string())
        .env("MILLSTREAM_DIFF_SECONDS", seconds.to_string());
    checkout::run(&mut test)
}

/// Kills the server so often, half of the times in each sync mode that survives it.
fn crashes(rounds: &str) -> Result<()> {
    let rounds: u64 = rounds.parse().context("--rounds N")?;
    let mut test = checkout::cargo();
    test.args(["test", "--package", "millstream-cli", "--test", "crashes", "--", "--nocapture"])
        .env("MILLSTREAM_CRASH_ROUNDS", rounds.to_string());
    checkout::run(&mut test)
}

/// Each fuzz target for so many seconds. Needs `cargo fuzz` (`cargo install cargo-fuzz`).
fn fuzz(seconds: &str) -> Result<()> {
    let seconds: u64 = seconds.parse().context("--seconds S")?;
    let root = checkout::root().join("fuzz");
    let files = std::fs::read_dir(root.join("fuzz_targets")).context("list the fuzz targets")?;
    let mut targets = Vec::new();
    for file in files {
        targets.push(file?.path().file_stem().context("a target has a name")?.to_owned());
    }
    targets.sort();
    for target in targets {
        // What is found new is not mixed with what is kept.
        let found = Path::new("target/found").join(&target);
        std::fs::create_dir_all(root.join(&found)).context("make a folder for new inputs")?;
        let mut fuzz = checkout::cargo();
        // There is no unsafe code of ours for a sanitizer to look into; without one the stable
        // compiler will do, and more inputs are tried.
        fuzz.current_dir(&root)
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["fuzz", "run", "--sanitizer", "none"])
            .arg(&target)
            .arg(found)
            .arg(Path::new("corpus").join(&target))
            // A checkpoint whose checksums are right may say that a group once had 134 million
            // consumers, and a start then makes room for them.
            .args(["--", "-max_len=8192", "-rss_limit_mb=8000", "-timeout=20"])
            .arg(format!("-max_total_time={seconds}"));
        checkout::run(&mut fuzz)?;
    }
    Ok(())
}

/// Hostile clients of each kind for so long, one kind after the other.
fn abuse(seconds: &str) -> Result<()> {
    let seconds: u64 = seconds.parse().context("--seconds S")?;
    let mut test = checkout::cargo();
    test.args(["test", "--release", "--package", "millstream-cli", "--test", "abuse"])
        .args(["--", "--nocapture", "--test-threads", "1"])
        .env("MILLSTREAM_ABUSE_SECONDS", seconds.to_string())
        .env("MILLSTREAM_ABUSE_P99_MS", "50")
        // Nothing is skipped for want of open files.
        .env("MILLSTREAM_REQUIRE_PEERS", "1");
    checkout::run(&mut test)
}

/// Producers, dying workers, trimming and checkpoints at half of what the machine can do.
fn soak(minutes: &str) -> Result<()> {
    let minutes: u64 = minutes.parse().context("--minutes N")?;
    let mut test = checkout::cargo();
    test.args(["test", "--release", "--package", "millstream-cli", "--test", "soak"])
        .args(["--", "--nocapture"])
        .env("MILLSTREAM_SOAK_SECONDS", (minutes * 60).to_string());
    checkout::run(&mut test)
}

/// So many messages while a Cluster is killed, hangs, fails over and moves its slots.
fn cluster(messages: &str) -> Result<()> {
    let messages: u64 = messages.parse().context("--messages N")?;
    let peers = checkout::peers_dir();
    peers::fetch(&peers)?;
    let mut test = checkout::cargo();
    test.args(["test", "--package", "millstream", "--test", "it", "--", "--nocapture"])
        .args(["--test-threads", "1", "cluster_chaos"])
        .env("MILLSTREAM_PEERS", peers)
        .env("MILLSTREAM_CHAOS_MESSAGES", messages.to_string());
    checkout::run(&mut test)
}

/// Copies a stream of so many entries from Redis to Millstream and back, a tenth of them pending.
fn import(entries: &str) -> Result<()> {
    let entries: u64 = entries.parse().context("--entries N")?;
    let peers = checkout::peers_dir();
    peers::fetch(&peers)?;
    let mut test = checkout::cargo();
    test.args(["test", "--release", "--package", "millstream-cli", "--test", "client_commands"])
        .args(["--", "--nocapture", "--test-threads", "1", "millstream_and_back"])
        .env("MILLSTREAM_PEERS", peers)
        .env("MILLSTREAM_IMPORT_ENTRIES", entries.to_string());
    checkout::run(&mut test)
}

/// Fills a stream with so many MiB, far more than the server may keep in memory.
fn memory(mb: &str) -> Result<()> {
    let mb: u64 = mb.parse().context("--mb N")?;
    let mut test = checkout::cargo();
    test.args(["test", "--release", "--package", "millstream-cli", "--test", "storage"])
        .args(["--", "--nocapture", "larger_than_memory"])
        .env("MILLSTREAM_FILL_MB", mb.to_string());
    checkout::run(&mut test)
}

/// Runs Redis' own tests of streams against ours as an external server.
fn redis_suite() -> Result<()> {
    let mut suite = Command::new("python3");
    suite.arg("tests/redis_suite.py").current_dir(checkout::root());
    checkout::run(&mut suite)
}

/// Runs the tests that clients ship, against servers of ours.
fn client_suites(clients: &[&str]) -> Result<()> {
    checkout::run(checkout::cargo().args(["build", "--package", "millstream-cli"]))?;
    let mut suites = Command::new("python3");
    suites.arg("tests/clients/suites/main.py").args(clients).current_dir(checkout::root());
    checkout::run(suites.env("MILLSTREAM_BIN", checkout::target_dir().join("debug/millstream")))
}
