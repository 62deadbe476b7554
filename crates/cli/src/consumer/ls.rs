//! `millstream consumer ls`: the consumers of a group.

use std::ffi::OsString;

use millstream::ConsumerInfo;
use millstream_shown::ConsumerRow;

use super::consumer_row::{COLUMNS, cells};
use crate::name::Name;
use crate::output::{List, notice};
use crate::server::{Server, ServerOptions};

pub(super) const EXAMPLES: &str = "\
Example:
  millstream consumer ls orders billing

IDLE is the time since a consumer was last heard of, INACTIVE that since it last got an entry.";

#[derive(Debug, clap::Args)]
pub(crate) struct LsOptions {
    /// Key of the stream
    stream: OsString,
    /// Name of the group
    group: OsString,
}

/// # Errors
/// There is no such stream or group.
pub(super) async fn consumers(
    server: &Server,
    key: &Name,
    group: &Name,
) -> anyhow::Result<Vec<ConsumerInfo>> {
    match server.groups(key).consumers(group).await {
        Err(error) if error.is_no_stream() => Err(server.no_stream(key)),
        Err(millstream::Error::NoGroup(_)) => Err(server.no_group(key, group)),
        other => other
            .map_err(server.cannot(format!("list the consumers of group {group} of stream {key}"))),
    }
}

pub(super) async fn ls(server: &ServerOptions, options: &LsOptions) -> anyhow::Result<()> {
    let (key, group) = (server.name(&options.stream)?, server.name(&options.group)?);
    let is_json = server.json;
    let server = server.connect().await?;
    let mut list = List::new(is_json, "consumers", COLUMNS);
    for consumer in consumers(&server, &key, &group).await? {
        list.row(&ConsumerRow::from(&consumer), || cells(&consumer))?;
    }
    if list.end(&[])? == 0 && !is_json {
        notice(&format!("the group {group} of stream {key} has no consumers"));
    }
    Ok(())
}
