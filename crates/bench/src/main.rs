//! `millstream-bench`: compares two servers and prints a table.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use millstream_bench::compare::{CompareArguments, compare};
use millstream_bench::goals::{GoalsArguments, goals};
use millstream_bench::instructions::{InstructionsArguments, instructions};
use millstream_bench::training::{TrainingArguments, train};
use millstream_bench::workloads;

#[derive(Parser)]
#[command(about = "Side-by-side measurement of stream servers")]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Run workloads against two servers in turns.
    Compare(Box<CompareArguments>),
    /// Measure what is promised beside a peer, and say which promises hold.
    Goals(Box<GoalsArguments>),
    /// Count what commands cost in instructions, and compare with what was noted.
    Instructions(Box<InstructionsArguments>),
    /// Run all workloads on an instrumented server, for a build with a profile.
    Train(TrainingArguments),
    /// List the workloads.
    List,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().action {
        Action::Compare(arguments) => compare(&arguments).map(|text| println!("{text}")),
        Action::Goals(arguments) => goals(&arguments).map(|text| println!("{text}")),
        Action::Instructions(arguments) => instructions(&arguments).map(|text| println!("{text}")),
        Action::Train(arguments) => train(&arguments).map(|visits| println!("{visits} visits")),
        Action::List => {
            for workload in workloads::all() {
                println!("{:<24} {}", workload.name, workload.summary);
            }
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("millstream-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
