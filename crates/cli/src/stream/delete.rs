//! `millstream stream delete`: a stream goes with all that it has.

use std::ffi::OsString;

use millstream::{DelayedMessages, Error};
use serde::Serialize;

use crate::name::Name;
use crate::output::{JsonBytes, entries, plural, print_json, print_line};
use crate::server::{Server, ServerOptions};
use crate::usage_error::usage;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream stream delete old-orders
  millstream stream delete old-orders --yes";

#[derive(Debug, clap::Args)]
pub(crate) struct DeleteOptions {
    /// Key of the stream
    stream: OsString,
    /// Do it. Without this the command says what would be lost, and ends with exit code 2
    #[arg(long, short = 'y')]
    yes: bool,
}

#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    length: u64,
    groups: u64,
    pending: u64,
    /// Delayed entries.
    scheduled: u64,
    is_deleted: bool,
}

pub(super) async fn delete(server: &ServerOptions, options: &DeleteOptions) -> anyhow::Result<()> {
    let key = server.name(&options.stream)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let cannot = server.cannot(format!("delete stream {key}"));
    let stream = server.stream(&key);
    // A key of another type is refused here.
    let Some(info) = stream.info().await.map_err(&cannot)? else {
        return Err(server.no_stream(&key));
    };
    let groups = server.groups(&key).groups().await.map_err(&cannot)?;
    let pending = groups.iter().map(|group| group.pending).sum();
    let scheduled = match info.scheduled {
        Some(count) => count,
        None => scheduled_beside(&server, &key).await.map_err(&cannot)?,
    };
    if options.yes && info.scheduled.is_none() && scheduled > 0 {
        // First, so that no worker appends one of them to a stream that is gone.
        DelayedMessages::new(&server.millstream, &key).cancel_all().await.map_err(&cannot)?;
    }
    let is_deleted = options.yes && stream.delete().await.map_err(&cannot)?;
    if options.yes && !is_deleted {
        // Somebody else was faster.
        return Err(server.no_stream(&key));
    }
    let (length, group_count) = (info.length, groups.len() as u64);
    if is_json {
        let (stream, groups) = (key.json(), group_count);
        print_json(&Document { stream, length, groups, pending, scheduled, is_deleted })?;
    } else {
        let deleted = if options.yes { "was deleted" } else { "would be deleted" };
        let delayed = match scheduled {
            0 => String::new(),
            count => format!(", {count} delayed"),
        };
        let (entries, groups) = (entries(length), plural(group_count, "group"));
        print_line(&format!(
            "stream {key} {deleted}, with {entries}, {groups}, {pending} pending{delayed}"
        ))?;
    }
    if !options.yes {
        return Err(usage("nothing was deleted; --yes does it"));
    }
    Ok(())
}

/// The delayed entries that a server without a schedule has beside the stream.
async fn scheduled_beside(server: &Server, key: &Name) -> Result<u64, Error> {
    if server.millstream.abilities().has_schedule {
        return Ok(0);
    }
    let delayed = DelayedMessages::new(&server.millstream, key);
    match delayed.list(1).await {
        Ok(some) if !some.is_empty() => delayed.count().await,
        Err(error) if error.is_temporary() => Err(error),
        // What lies under the keys of the list is somebody else's, or this user may not see it.
        Ok(_) | Err(_) => Ok(0),
    }
}
