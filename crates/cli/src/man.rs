//! `millstream man`: manual pages, from the definitions that also make `--help`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::output::{print_line, print_text};

pub(crate) const EXAMPLES: &str = "\
Examples:
  millstream man | man -l -
  millstream man --dir ~/.local/share/man/man1";

#[derive(Debug, clap::Args)]
pub(crate) struct ManOptions {
    /// Write a page for the program and one for each of its commands into this directory, which is
    /// made where it is missing
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
}

pub(crate) fn run_man(options: &ManOptions) -> anyhow::Result<()> {
    let program = crate::CommandLine::command();
    let Some(directory) = &options.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(program).render(&mut page)?;
        print_text(&String::from_utf8(page)?)?;
        return Ok(());
    };
    let shown = directory.display();
    std::fs::create_dir_all(directory).with_context(|| format!("make the directory {shown}"))?;
    clap_mangen::generate_to(program, directory)
        .with_context(|| format!("write manual pages into {shown}"))?;
    print_line(&format!("the manual is in {shown}"))?;
    Ok(())
}
