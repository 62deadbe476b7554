//! `millstream pending ls`: what is pending in a group.

use std::ffi::OsString;
use std::ops::Bound;

use millstream_shown::PendingRow;

use super::filter::FilterOptions;
use super::pending_row::{cells, columns};
use crate::group::find_group;
use crate::output::{List, notice};
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream pending ls orders billing
  millstream pending ls orders billing --idle 5m --deliveries 3
  millstream pending ls orders billing --consumer worker-7 --limit 0 --json

IDLE is the time since the last delivery. What was given back on Millstream or Redis 8.8 has no
consumer and no such time: anybody gets it. Where the group has a policy (Millstream), ERROR is
the beginning of what was said when it failed last; --json has all of it.";

/// Entries that are kept here at the same time.
const LISTED_AT_ONCE: u64 = 1000;

#[derive(Debug, clap::Args)]
pub(crate) struct LsOptions {
    /// Key of the stream
    stream: OsString,
    /// Name of the group
    group: OsString,
    #[command(flatten)]
    filter: FilterOptions,
    /// Most entries to list, those of the lowest ids; 0: no limit
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    limit: u64,
}

pub(super) async fn ls(server: &ServerOptions, options: &LsOptions) -> anyhow::Result<()> {
    let (key, group) = (server.name(&options.stream)?, server.name(&options.group)?);
    let filter = options.filter.filter(server)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let cannot = server.cannot(format!("list what is pending in group {group} of stream {key}"));
    let has_errors = find_group(&server, &key, &group).await?.managed.is_some();
    let pending = server.pending(&key, &group).with_errors();
    let mut list = List::new(is_json, "pending", columns(has_errors));
    let mut left = if options.limit == 0 { u64::MAX } else { options.limit };
    let mut from = Bound::Unbounded;
    let is_limited = loop {
        // One more than there is room for says whether there are more.
        let wanted = left.saturating_add(1).min(LISTED_AT_ONCE) as usize;
        let found = pending.list((from, Bound::Unbounded), &filter, wanted).await;
        let found = found.map_err(&cannot)?;
        for entry in found.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
            list.row(&PendingRow::from(entry), || cells(entry, has_errors))?;
        }
        let count = found.len() as u64;
        if count > left || found.len() < wanted {
            break count > left;
        }
        left -= count;
        from = found.last().map_or(from, |last| Bound::Excluded(last.id));
    };
    let count = list.end(&[("is_limited", is_limited.into())])?;
    match (is_json, is_limited) {
        (false, true) => notice(&format!("there are more than {count} entries: see --limit")),
        (false, false) if count == 0 && options.filter.is_given() => {
            notice(&format!("nothing of that kind is pending in group {group} of stream {key}"));
        }
        (false, false) if count == 0 => {
            notice(&format!("nothing is pending in group {group} of stream {key}"));
        }
        _ => {}
    }
    Ok(())
}
