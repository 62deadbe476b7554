//! `millstream group destroy`: a group goes with all that is pending in it.

use std::ffi::OsString;

use serde::Serialize;

use super::info::find_group;
use crate::output::{JsonBytes, or_dash, plural, print_json, print_line};
use crate::server::ServerOptions;
use crate::usage_error::usage;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream group destroy orders billing
  millstream group destroy orders billing --yes";

#[derive(Debug, clap::Args)]
pub(crate) struct DestroyOptions {
    /// Key of the stream
    stream: OsString,
    /// Name of the group
    group: OsString,
    /// Do it. Without this the command says what would be lost, and ends with exit code 2
    #[arg(long, short = 'y')]
    yes: bool,
}

#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    group: JsonBytes,
    consumers: u64,
    pending: u64,
    lag: Option<u64>,
    is_destroyed: bool,
}

pub(super) async fn destroy(
    server: &ServerOptions,
    options: &DestroyOptions,
) -> anyhow::Result<()> {
    let (key, group) = (server.name(&options.stream)?, server.name(&options.group)?);
    let is_json = server.json;
    let server = server.connect().await?;
    let cannot = server.cannot(format!("destroy group {group} of stream {key}"));
    let info = find_group(&server, &key, &group).await?;
    let is_destroyed = options.yes && server.groups(&key).destroy(&group).await.map_err(&cannot)?;
    if options.yes && !is_destroyed {
        // Somebody else was faster.
        return Err(server.no_group(&key, &group));
    }
    let (consumers, pending, lag) = (info.consumers, info.pending, info.lag);
    if is_json {
        let (stream, group) = (key.json(), group.json());
        print_json(&Document { stream, group, consumers, pending, lag, is_destroyed })?;
    } else {
        let destroyed = if options.yes { "was destroyed" } else { "would be destroyed" };
        let consumers = plural(consumers, "consumer");
        print_line(&format!(
            "group {group} of stream {key} {destroyed}, with {consumers}, {pending} pending; not \
             delivered yet: {}",
            or_dash(lag)
        ))?;
    }
    if !options.yes {
        return Err(usage("nothing was destroyed; --yes does it"));
    }
    Ok(())
}
