//! `millstream top`: groups as they work, on a terminal.
//!
//! 1. The server is asked in looks, each of which is bounded: [`survey`] picks what is due.
//! 2. What is seen is kept in [`screen`], which keys change and which knows no terminal.
//! 3. [`draw`] shows that; [`live`] brings keys, looks and the terminal together.
//!
//! No colour says anything that words do not, and no character but those of names is beyond ASCII.

mod ask;
mod columns;
mod draw;
mod entry_level;
mod kept;
mod keys;
mod level;
mod line;
mod listing;
mod live;
mod look;
mod once;
mod pending_level;
mod screen;
mod short_number;
mod source;
mod survey;
mod terminal;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::time::Duration;

use crate::client_command::{self, OnInterrupt};
use crate::duration::parse_duration;
use crate::server::ServerOptions;

pub(crate) const EXAMPLES: &str = "\
Examples:
  millstream top
  millstream top orders 'invoices:*' --interval 500ms
  millstream top --sort pending
  millstream top --once
  millstream top --json | jq '.groups[] | select(.lag > 1000)'

Keys: arrows or j and k move, Enter goes into a group, a consumer, a pending entry, Esc back; < and
> choose the column to sort by, r turns the order round, / filters by name, p pauses, ? shows all
keys, q ends.";

#[derive(Debug, clap::Args)]
pub(crate) struct TopOptions {
    #[command(flatten)]
    server: ServerOptions,
    /// Streams to watch: keys, or patterns as KEYS understands them, such as 'orders:*'. Without
    /// any: all
    streams: Vec<OsString>,
    /// Time between two looks at the server, such as 500ms or 5s; 100ms at least
    #[arg(
        long,
        short = 'i',
        value_name = "TIME",
        default_value = "2s",
        value_parser = parse_interval
    )]
    interval: Duration,
    /// What to sort by at first
    #[arg(long, value_name = "COLUMN", default_value = "lag")]
    sort: columns::GroupColumn,
    /// Print one table, with the rates of one interval, and end: for what is no terminal
    #[arg(long)]
    once: bool,
}

/// # Errors
/// What is wrong with it.
fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    let is_enough = interval >= Duration::from_millis(100);
    if is_enough { Ok(interval) } else { Err(format!("{text:?} is too short: 100ms at least")) }
}

pub(crate) fn run_top(options: TopOptions) -> anyhow::Result<()> {
    let TopOptions { server, streams, interval, sort, once } = options;
    // Before anything is asked of a server.
    if !once && !server.json {
        terminal::check()?;
    }
    let on_interrupt = if once { OnInterrupt::Fail } else { OnInterrupt::End };
    client_command::run(on_interrupt, async {
        let names = streams.iter().map(|it| server.name(it)).collect::<Result<Vec<_>, _>>()?;
        let reached = server.connect().await?;
        match (once, server.json) {
            (true, is_json) => once::print_one(reached, names, interval, sort, is_json).await,
            (false, true) => once::print_all(reached, names, interval, sort).await,
            (false, false) => live::live(reached, names, interval, sort).await,
        }
    })
}
