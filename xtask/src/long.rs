//! `cargo xtask long`: the random comparison with Redis, with more seeds than a test run has time
//! for. A failure names its seed; `MILLSTREAM_DIFF_SEED` repeats it.

use anyhow::{Context, Result, bail};

use crate::{checkout, peers};

/// Runs until the seeds or the seconds are used up.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let (mut seeds, mut seconds) = (100_000_u64, 600_u64);
    for pair in arguments.chunks(2) {
        match pair {
            ["--seeds", n] => seeds = n.parse().context("--seeds N")?,
            ["--seconds", n] => seconds = n.parse().context("--seconds S")?,
            _ => bail!("usage: cargo xtask long [--seeds N] [--seconds S]"),
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
