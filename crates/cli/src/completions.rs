//! `millstream completions`: what a shell needs to complete this program's commands.

use clap::{Command, CommandFactory as _};
use clap_complete::Shell;

use crate::output::print_text;

pub(crate) const EXAMPLES: &str = "\
Examples:
  source <(millstream completions bash)
  millstream completions bash > ~/.local/share/bash-completion/completions/millstream
  millstream completions zsh > ~/.zfunc/_millstream
  millstream completions fish > ~/.config/fish/completions/millstream.fish";

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsOptions {
    /// The shell
    shell: Shell,
}

pub(crate) fn print_completions(options: &CompletionsOptions) -> anyhow::Result<()> {
    let mut text = Vec::new();
    // Names are borrowed from it as long as the program runs.
    let program: &'static Command = Box::leak(Box::new(crate::CommandLine::command()));
    clap_complete::generate(options.shell, &mut shown(program), "millstream", &mut text);
    print_text(&String::from_utf8(text)?)?;
    Ok(())
}

/// The same without hidden flags, which would be offered, and cannot be taken out of a command.
fn shown(command: &'static Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let shown = Command::new(command.get_name())
        .version(command.get_version())
        .visible_aliases(command.get_visible_aliases())
        .args(arguments.cloned())
        .subcommands(command.get_subcommands().map(shown));
    match command.get_about() {
        Some(about) => shown.about(about.clone()),
        None => shown,
    }
}
