//! `cargo xtask sim`: runs seeds.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use millstream_sim::{Config, Counters, run, shrink};

const USAGE: &str =
    "usage: sim [--seed N] [--seeds COUNT] [--steps M] [--crashes N] [--trace] [--shrink]";

struct Arguments {
    seed: u64,
    seeds: u64,
    /// Run on until there were so many.
    crashes: Option<u64>,
    shrinks: bool,
    config: Config,
}

fn arguments() -> Result<Arguments> {
    let mut parsed =
        Arguments { seed: 1, seeds: 1, crashes: None, shrinks: false, config: Config::default() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<u64> {
            let text = arguments.next().with_context(|| format!("{argument} needs a number"))?;
            text.parse().with_context(|| format!("{argument} {text}"))
        };
        match argument.as_str() {
            "--seed" => parsed.seed = number()?,
            "--seeds" => parsed.seeds = number()?,
            "--steps" => parsed.config.steps = number()?,
            "--crashes" => parsed.crashes = Some(number()?),
            "--trace" => parsed.config.prints = true,
            "--shrink" => parsed.shrinks = true,
            _ => bail!("{USAGE}"),
        }
    }
    Ok(parsed)
}

fn main() -> Result<()> {
    let arguments = arguments()?;
    let config = &arguments.config;
    let started = Instant::now();
    let mut total = Counters::default();
    let (mut seed, mut done) = (arguments.seed, 0);
    let is_done = |done: u64, crashes: u64| match arguments.crashes {
        Some(wanted) => crashes >= wanted,
        None => done >= arguments.seeds,
    };
    while !is_done(done, total.crashes) {
        let report = run(seed, config);
        if report.failure.is_some() {
            println!("{report}");
            if arguments.shrinks
                && let Some((config, report)) = shrink(seed, config)
            {
                let left = config.steps - config.skipped.len() as u64;
                println!("\nthe same with {left} steps:\n{report}");
            }
            bail!("seed {seed} failed; repeat it with: cargo xtask sim --seed {seed}");
        }
        if seed.is_multiple_of(10) && run(seed, config) != report {
            bail!("seed {seed} was not the same twice");
        }
        total.add(&report.counters);
        seed += 1;
        done += 1;
        if done.is_multiple_of(500) {
            println!("{done} seeds, {} crashes, {:?}", total.crashes, started.elapsed());
        }
    }
    let seeds = format!("seeds {} to {}", arguments.seed, seed - 1);
    println!("sim: {seeds} in {:.1} s: {total:?}", started.elapsed().as_secs_f64());
    Ok(())
}
