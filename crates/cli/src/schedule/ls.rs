//! `millstream schedule ls`: the delayed entries of a stream.

use std::ffi::OsString;

use millstream_shown::DelayedRow;

use super::delayed_row::{COLUMNS, cells};
use super::find_schedule;
use crate::output::{List, notice};
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream schedule ls reminders
  millstream schedule ls reminders --limit 0 --json

IN is the time until an entry is due, by the clock of the server. What stays due waits: on
Millstream for its stream to take it (see `millstream stream info`), on Redis and Valkey for a
worker of the toolkit.";

/// Entries that are kept here at the same time: each may be large.
pub(super) const LISTED_AT_ONCE: usize = 100;

#[derive(Debug, clap::Args)]
pub(crate) struct LsOptions {
    /// Key of the stream
    stream: OsString,
    /// Most entries to list, those that are due first; 0: no limit
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: u64,
}

pub(super) async fn ls(server: &ServerOptions, options: &LsOptions) -> anyhow::Result<()> {
    let key = server.name(&options.stream)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let delayed = find_schedule(&server, &key).await?;
    let cannot = server.cannot(format!("list the delayed entries of stream {key}"));
    let now = server.millstream.time().await.map_err(&cannot)?;
    let mut list = List::new(is_json, "scheduled", COLUMNS);
    let mut left = if options.limit == 0 { u64::MAX } else { options.limit };
    let mut after: Option<String> = None;
    let is_limited = loop {
        // One more than there is room for says whether there are more.
        let wanted = left.saturating_add(1).min(LISTED_AT_ONCE as u64) as usize;
        let entries = delayed.list_after(after.as_deref(), wanted).await.map_err(&cannot)?;
        for entry in entries.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            list.row(&DelayedRow::new(entry, now)?, || cells(entry, now))?;
        }
        let count = entries.len() as u64;
        if count > left || entries.len() < wanted {
            break count > left;
        }
        left -= count;
        after = entries.into_iter().last().map(|entry| entry.token);
    };
    let count = list.end(&[("is_limited", is_limited.into())])?;
    match (is_json, is_limited) {
        (false, true) => notice(&format!("there are more than {count} entries: see --limit")),
        (false, false) if count == 0 => {
            notice(&format!("there are no delayed entries of stream {key}"));
        }
        _ => {}
    }
    Ok(())
}
