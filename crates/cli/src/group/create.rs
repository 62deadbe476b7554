//! `millstream group create`: a new group.

use std::ffi::OsString;

use anyhow::bail;
use millstream::GroupStart;
use serde::Serialize;

use crate::output::{JsonBytes, print_json, print_line};
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream group create orders billing
  millstream group create orders audit --start '$' --mkstream";

#[derive(Debug, clap::Args)]
pub(crate) struct CreateOptions {
    /// Key of the stream
    stream: OsString,
    /// Name of the group
    group: OsString,
    /// What it is given first: 0 (all that the stream has), $ (what is added from now on), or what
    /// comes after this id
    #[arg(long, value_name = "0|$|ID", default_value = "0", value_parser = parse_start)]
    start: GroupStart,
    /// Make the stream, empty, if it is not there
    #[arg(long)]
    mkstream: bool,
    /// Fail with exit code 1 if the group is there already
    #[arg(long)]
    fail_if_exists: bool,
}

#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    group: JsonBytes,
    is_new: bool,
}

/// `0`, `$`, or an id.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse_start(text: &str) -> Result<GroupStart, String> {
    match text {
        "0" | "0-0" => Ok(GroupStart::First),
        "$" => Ok(GroupStart::New),
        id => crate::entry_id::parse_id(id)
            .map(GroupStart::After)
            .map_err(|error| format!("{error}; or 0 or $")),
    }
}

pub(super) async fn create(server: &ServerOptions, options: &CreateOptions) -> anyhow::Result<()> {
    let (key, group) = (server.name(&options.stream)?, server.name(&options.group)?);
    let is_json = server.json;
    let server = server.connect().await?;
    let made = server.groups(&key).create_with(&group, options.start, options.mkstream).await;
    let is_new = match made {
        Err(error) if error.is_no_stream() => {
            bail!("there is no stream {key} at {}\n  next: --mkstream makes it", server.address)
        }
        other => other.map_err(server.cannot(format!("create group {group} of stream {key}")))?,
    };
    if !is_new && options.fail_if_exists {
        bail!(
            "the stream {key} at {} has a group {group} already\n  next: `millstream group set-id` \
             moves it, `millstream group destroy` removes it",
            server.address
        );
    }
    if is_json {
        print_json(&Document { stream: key.json(), group: group.json(), is_new })?;
    } else if is_new {
        print_line(&format!("group {group} of stream {key} was made"))?;
    } else {
        print_line(&format!(
            "group {group} of stream {key} was there already, and stays as it is"
        ))?;
    }
    Ok(())
}
