//! `millstream group pause` and `resume`: a group hands out nothing for a while.

use std::ffi::OsString;

use millstream::Error;
use serde::Serialize;

use super::info::find_group;
use super::policy::no_policies;
use crate::output::{JsonBytes, print_json, print_line};
use crate::server::ServerOptions;

#[derive(Debug, clap::Args)]
pub(crate) struct PauseOptions {
    /// Key of the stream
    stream: OsString,
    /// Name of the group
    group: OsString,
}

#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    group: JsonBytes,
    is_paused: bool,
}

pub(super) async fn set_paused(
    server: &ServerOptions,
    options: &PauseOptions,
    is_paused: bool,
) -> anyhow::Result<()> {
    let (key, group) = (server.name(&options.stream)?, server.name(&options.group)?);
    let is_json = server.json;
    let server = server.connect().await?;
    find_group(&server, &key, &group).await?;
    let groups = server.groups(&key);
    let done = match is_paused {
        true => groups.pause(&group).await,
        false => groups.resume(&group).await,
    };
    let verb = if is_paused { "pause" } else { "resume" };
    done.map_err(|error| match error {
        Error::Unsupported { .. } if !error.is_untold() => {
            no_policies(&server, "stop its workers instead; entries stay until somebody reads them")
        }
        error => server.cannot(format!("{verb} group {group} of stream {key}"))(error),
    })?;
    if is_json {
        print_json(&Document { stream: key.json(), group: group.json(), is_paused })?;
    } else {
        let now = if is_paused { "is paused: nothing is handed out" } else { "goes on" };
        print_line(&format!("group {group} of stream {key} {now}"))?;
    }
    Ok(())
}
