//! `millstream config`: the settings of a server, before it runs.

mod print;

use clap::Subcommand;

/// What to do with settings.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigCommand {
    #[command(subcommand)]
    verb: ConfigVerb,
}

#[derive(Debug, Subcommand)]
enum ConfigVerb {
    /// Prints what `serve` would run with, given the same flags, variables and file: a TOML file
    /// for --config, with what each setting means. Those that were not given are behind a # with
    /// their default.
    #[command(after_help = print::EXAMPLES)]
    Print(Box<print::PrintOptions>),
}

pub(crate) fn run_config(command: ConfigCommand) -> anyhow::Result<()> {
    let ConfigVerb::Print(options) = command.verb;
    print::print(*options)
}
