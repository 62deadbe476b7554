//! `cargo xtask <command>`: everything about this repository that is automated.
//!
//! | command | does |
//! | --- | --- |
//! | `peers [DIR]` | fetches the real servers to compare with, into `.peers` or `$MILLSTREAM_PEERS`
//! |
//! | `bench [--against PEER] [--profiled] [--quick] [--only NAME]` | measures beside a real server
//! what is promised, and writes `docs/benchmarks.md` |
//! | `instructions [--accept]` | whether a command costs more instructions than was noted |
//! | `deny [--advisories]` | licences, duplicates and sources of all dependencies |
//! | `release` | the program, built with a profile of its own work |
//! | `sbom` | lists what the program is made of, for those who run it |
//! | `test` | formatting, lints, build, all tests, client programs, tidiness; says how many passed
//! |
//! | `tidy` | what no compiler checks: sizes, banned words, dependency arrows |
//! | `long [--seeds N] [--seconds S]` | the random comparison with Redis, for longer |
//! | `long crashes [--rounds N]` | kill -9 under load, over and over, and what is there afterwards
//! |
//! | `long import [--entries N]` | a stream of a million entries to Millstream and back |
//! | `long redis-suite` | Redis' own tests of streams, fetched, against ours |
//! | `long client-suites [CLIENT]` | the tests that redis-py and redis-rs ship, against ours |
//! | `long sim [--crashes N]` | the simulator, until there were so many crashes |
//! | `sim [--seed N] [--seeds COUNT] [--steps M] [--trace] [--shrink]` | simulates the store |

mod bench;
mod checkout;
mod deny;
mod failures;
mod instructions;
mod long;
mod peers;
mod release;
mod sbom;
mod sim;
mod test;
mod tidy;

use std::env;
use std::process::ExitCode;

use anyhow::{Result, bail};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<()> {
    match *arguments {
        ["peers"] => peers::fetch(&checkout::peers_dir()),
        ["peers", dir] => peers::fetch(dir.as_ref()),
        ["bench", ref rest @ ..] => bench::run(rest),
        ["deny", ref rest @ ..] => deny::run(rest),
        ["release"] => release::run(),
        ["sbom"] => sbom::run(),
        ["test"] => test::run(),
        ["instructions", ref rest @ ..] => instructions::run(rest),
        ["tidy"] => tidy::run(),
        ["long", ref rest @ ..] => long::run(rest),
        ["sim", ref rest @ ..] => sim::run(rest),
        _ => bail!(
            "usage: cargo xtask peers [DIR] | bench [--against PEER] [--profiled] [--quick] \
             [--only NAME] | instructions [--accept] | deny [--advisories] | release | sbom | \
             test | tidy | long [--seeds N] [--seconds S] | \
             long crashes [--rounds N] | long redis-suite | long client-suites [CLIENT] | \
             long import [--entries N] | \
             long sim [--crashes N] | \
             sim [--seed N] [--seeds COUNT] [--steps M] [--trace] [--shrink]"
        ),
    }
}
