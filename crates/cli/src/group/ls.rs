//! `millstream group ls`: the groups of a stream.

use std::ffi::OsString;

use millstream_shown::GroupRow;

use super::group_row::{COLUMNS, cells};
use crate::output::{List, notice};
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Example:
  millstream group ls orders";

#[derive(Debug, clap::Args)]
pub(crate) struct LsOptions {
    /// Key of the stream
    stream: OsString,
}

pub(super) async fn ls(server: &ServerOptions, options: &LsOptions) -> anyhow::Result<()> {
    let key = server.name(&options.stream)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let groups = match server.groups(&key).groups().await {
        Err(error) if error.is_no_stream() => return Err(server.no_stream(&key)),
        other => other.map_err(server.cannot(format!("list the groups of stream {key}")))?,
    };
    let mut list = List::new(is_json, "groups", COLUMNS);
    for group in &groups {
        list.row(&GroupRow::from(group), || cells(group))?;
    }
    if list.end(&[])? == 0 && !is_json {
        notice(&format!("the stream {key} has no groups"));
    }
    Ok(())
}
