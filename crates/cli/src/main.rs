//! The `millstream` program.
//!
//! Exit codes: 0 when all went well, 1 when something failed, 2 when the command line or the
//! configuration is wrong.

// `println!` and `eprintln!` panic where nothing can be written any more.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod admin;
mod backup;
mod bench;
mod byte_bar;
mod client_command;
mod completions;
mod config;
mod config_file;
mod consumer;
mod demo;
mod dlq;
mod doctor;
mod fault_report;
mod group;
mod health;
mod interrupts;
mod logging;
mod man;
mod minus_signs;
mod name;
mod notify;
mod or_refused;
mod otlp;
mod output;
mod pace;
mod pending;
mod policy_rule;
mod produce;
mod run_backup;
mod run_check;
mod run_dashboard;
mod run_demo;
mod run_restore;
mod schedule;
mod serve;
#[cfg(test)]
mod serve_inputs;
mod serve_keys;
mod serve_options;
mod serve_values;
mod server;
mod server_error;
mod server_url;
mod stream;
mod tally;
mod toml_fault;
mod top;
mod transfer;
mod usage_error;
mod work;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use millstream_shown::{byte_size, duration, entry_id, moment, setting};

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
    Serve(Box<serve::ServeCommand>),
    /// Prints the settings that `serve` would run with.
    Config(Box<config::ConfigCommand>),
    /// Reads everything in a data directory that no server has open, and says what is damaged.
    #[command(after_help = run_check::EXAMPLES)]
    Check(run_check::CheckOptions),
    /// Copies a running server's store, or a data directory that no server has open.
    #[command(after_help = run_backup::EXAMPLES)]
    Backup(run_backup::BackupOptions),
    /// Makes a data directory from a backup.
    #[command(after_help = run_restore::EXAMPLES)]
    Restore(run_restore::RestoreOptions),
    /// Plays order processing with a consumer group on a server of its own, and checks the outcome.
    Demo(run_demo::RunDemoOptions),
    /// Asks a server whether it works: exit code 0 if it does.
    #[command(after_help = health::EXAMPLES)]
    Health(health::HealthOptions),
    /// Lists streams, shows, follows, trims and deletes one, and what it keeps by itself.
    Stream(stream::StreamOptions),
    /// Lists, makes, moves and removes the groups of a stream, and what they do by themselves.
    Group(group::GroupOptions),
    /// Lists and removes the consumers of a group.
    Consumer(consumer::ConsumerOptions),
    /// Lists what a group has not acknowledged, hands it on, acknowledges it or gives it back.
    Pending(pending::PendingOptions),
    /// Prints what a shell needs to complete the commands and options of this program.
    #[command(after_help = completions::EXAMPLES)]
    Completions(completions::CompletionsOptions),
    /// Prints the manual of this program, as man reads it.
    #[command(after_help = man::EXAMPLES)]
    Man(man::ManOptions),
    /// Copies streams with their groups and pending lists from another server to this one.
    #[command(after_help = transfer::IMPORT_EXAMPLES)]
    Import(transfer::ImportOptions),
    /// Copies streams with their groups and pending lists from this server to another one.
    #[command(after_help = transfer::EXPORT_EXAMPLES)]
    Export(transfer::ExportOptions),
    /// Shows groups as they work: rates, lag, what is pending, dead letters, down to one entry.
    #[command(after_help = top::EXAMPLES)]
    Top(top::TopOptions),
    /// Finds what will hurt, on the server and in streams, groups and consumers, and says what to
    /// do. Changes nothing.
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(doctor::DoctorOptions),
    /// Adds entries: one from the command line, or those of a file or of standard input.
    #[command(after_help = produce::EXAMPLES)]
    Produce(Box<produce::ProduceOptions>),
    /// Runs a command for each entry of a group: a worker for any language.
    #[command(after_help = work::EXAMPLES)]
    Work(Box<work::WorkOptions>),
    /// Serves the dashboard of any server, until it is told to stop.
    #[command(after_help = run_dashboard::EXAMPLES)]
    Dashboard(Box<run_dashboard::DashboardCommand>),
    /// Measures a server under loads of a stream with a group, and checks that nothing is lost.
    Bench(bench::BenchOptions),
    /// Lists and shows dead letters, what failed too often, gives them back or deletes them.
    Dlq(dlq::DlqOptions),
    /// Has entries in a stream later; lists those, takes them back, or has them come at once.
    Schedule(schedule::ScheduleOptions),
}

impl CommandLine {
    /// Ends the program where the arguments are wrong, or ask for help.
    fn of(arguments: Vec<OsString>) -> Self {
        let matches = Self::command().try_get_matches_from(&arguments);
        let matches = matches.or_else(|error| match minus_signs::is_below_zero(&error) {
            true => minus_signs::let_in(Self::command()).try_get_matches_from(&arguments),
            false => Err(error),
        });
        let parsed = Self::from_arg_matches(&matches.unwrap_or_else(|error| error.exit()));
        parsed.unwrap_or_else(|error| error.format(&mut Self::command()).exit())
    }
}

fn main() -> ExitCode {
    let arguments = serve_options::join_bind_addresses(std::env::args_os());
    // It is no command of the program's definitions: it is for nobody to type.
    let is_guard = arguments.get(1).is_some_and(|it| it == work::guard::COMMAND);
    let outcome = if is_guard { work::guard::run_guard(&arguments[1..]) } else { run(arguments) };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::ends_quietly(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::print_failure(&error);
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

fn run(arguments: Vec<OsString>) -> anyhow::Result<()> {
    match CommandLine::of(arguments).command {
        Command::Serve(options) => serve::run_serve(*options),
        Command::Config(options) => config::run_config(*options),
        Command::Check(options) => run_check::run_check(&options),
        Command::Backup(options) => run_backup::run_backup(&options),
        Command::Restore(options) => run_restore::run_restore(&options),
        Command::Demo(options) => run_demo::run_demo(&options),
        Command::Health(options) => health::run_health(&options),
        Command::Stream(options) => stream::run_stream(options),
        Command::Group(options) => group::run_group(options),
        Command::Consumer(options) => consumer::run_consumer(options),
        Command::Pending(options) => pending::run_pending(options),
        Command::Completions(options) => completions::print_completions(&options),
        Command::Man(options) => man::run_man(&options),
        Command::Import(options) => transfer::run_import(&options),
        Command::Export(options) => transfer::run_export(&options),
        Command::Top(options) => top::run_top(options),
        Command::Doctor(options) => doctor::run_doctor(options),
        Command::Produce(options) => produce::run_produce(*options),
        Command::Work(options) => work::run_work(*options),
        Command::Dashboard(command) => run_dashboard::run_dashboard(*command),
        Command::Bench(options) => bench::run_bench(options),
        Command::Dlq(options) => dlq::run_dlq(options),
        Command::Schedule(options) => schedule::run_schedule(options),
    }
}

fn is_usage(error: &anyhow::Error) -> bool {
    let of_server = error.downcast_ref::<server_error::ServerError>();
    error.is::<serve_options::ConfigError>()
        || error.is::<usage_error::UsageError>()
        || of_server.is_some_and(server_error::ServerError::is_usage)
}
