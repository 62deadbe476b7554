//! `millstream completions`: what a shell needs to complete this program's commands.

use clap::CommandFactory as _;
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
    let mut program = crate::CommandLine::command();
    clap_complete::generate(options.shell, &mut program, "millstream", &mut text);
    print_text(&String::from_utf8(text)?)?;
    Ok(())
}
