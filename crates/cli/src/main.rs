//! The `millstream` program.
//!
//! Exit codes: 0 when all went well, 1 when something failed, 2 when the command line or the
//! configuration is wrong.

mod config_file;
mod demo;
mod logging;
mod run_demo;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Gives memory back to the system, and is faster on the write path than the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A durable stream server with consumer groups that speaks the Redis protocol.
#[derive(Debug, Parser)]
#[command(name = "millstream", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the server until it is told to stop (SIGTERM, SIGINT, or SHUTDOWN by a client).
    Serve(Box<serve::ServeOptions>),
    /// Plays order processing with a consumer group on a server of its own, and checks the outcome.
    Demo(run_demo::RunDemoOptions),
}

fn main() -> ExitCode {
    let arguments = serve::join_bind_addresses(std::env::args_os());
    let outcome = match CommandLine::parse_from(arguments).command {
        Command::Serve(options) => serve::serve(*options),
        Command::Demo(options) => run_demo::run_demo(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("millstream: {error:#}");
            ExitCode::from(if error.is::<serve::ConfigError>() { 2 } else { 1 })
        }
    }
}
