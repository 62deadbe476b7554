//! The `millstream` program.
//!
//! Exit codes: 0 when all went well, 1 when something failed, 2 when the command line or the
//! configuration is wrong.

mod backup;
mod byte_bar;
mod byte_size;
mod client_command;
mod config_file;
mod consumer;
mod demo;
mod dlq;
mod duration;
mod entry_id;
mod group;
mod logging;
mod moment;
mod name;
mod output;
mod pace;
mod pending;
mod policy_rule;
mod run_backup;
mod run_check;
mod run_demo;
mod run_restore;
mod schedule;
mod serve;
mod serve_options;
mod server;
mod server_error;
mod setting;
mod stream;
mod tally;
mod usage_error;

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
    Serve(Box<serve_options::ServeOptions>),
    /// Reads everything in a data directory that no server has open, and says what is damaged.
    Check(run_check::CheckOptions),
    /// Copies a running server's store, or a data directory that no server has open.
    Backup(run_backup::BackupOptions),
    /// Makes a data directory from a backup.
    Restore(run_restore::RestoreOptions),
    /// Plays order processing with a consumer group on a server of its own, and checks the outcome.
    Demo(run_demo::RunDemoOptions),
    /// Lists streams, shows, follows, trims and deletes one, and what it keeps by itself.
    Stream(stream::StreamOptions),
    /// Lists, makes, moves and removes the groups of a stream, and what they do by themselves.
    Group(group::GroupOptions),
    /// Lists and removes the consumers of a group.
    Consumer(consumer::ConsumerOptions),
    /// Lists what a group has not acknowledged, hands it on, acknowledges it or gives it back.
    Pending(pending::PendingOptions),
    /// Lists and shows dead letters, what failed too often, gives them back or deletes them.
    Dlq(dlq::DlqOptions),
    /// Has entries in a stream later; lists those, takes them back, or has them come at once.
    Schedule(schedule::ScheduleOptions),
}

fn main() -> ExitCode {
    let arguments = serve_options::join_bind_addresses(std::env::args_os());
    let outcome = match CommandLine::parse_from(arguments).command {
        Command::Serve(options) => serve::serve(*options),
        Command::Check(options) => run_check::run_check(&options),
        Command::Backup(options) => run_backup::run_backup(&options),
        Command::Restore(options) => run_restore::run_restore(&options),
        Command::Demo(options) => run_demo::run_demo(&options),
        Command::Stream(options) => stream::run_stream(options),
        Command::Group(options) => group::run_group(options),
        Command::Consumer(options) => consumer::run_consumer(options),
        Command::Pending(options) => pending::run_pending(options),
        Command::Dlq(options) => dlq::run_dlq(options),
        Command::Schedule(options) => schedule::run_schedule(options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::ends_quietly(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_failure(&error);
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

fn is_usage(error: &anyhow::Error) -> bool {
    let of_server = error.downcast_ref::<server_error::ServerError>();
    error.is::<serve_options::ConfigError>()
        || error.is::<usage_error::UsageError>()
        || of_server.is_some_and(server_error::ServerError::is_usage)
}
