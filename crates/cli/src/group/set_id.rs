//! `millstream group set-id`: a group goes back, or skips.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::ops::Bound;

use millstream::{EntryId, GroupStart};
use serde::Serialize;

use super::create::parse_start;
use super::info::find_group;
use crate::output::{JsonBytes, entries, print_json, print_line};
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream group set-id orders billing 0 --dry-run
  millstream group set-id orders billing 1764129600000-0
  millstream group set-id orders audit '$'";

#[derive(Debug, clap::Args)]
pub(crate) struct SetIdOptions {
    /// Key of the stream
    stream: OsString,
    /// Name of the group
    group: OsString,
    /// What it is given next: 0 (all that the stream has), $ (what is added from now on), or what
    /// comes after this id
    #[arg(value_name = "0|$|ID", value_parser = parse_start)]
    id: GroupStart,
    /// Only say how many entries would be delivered again or be skipped. Those are read to be
    /// counted
    #[arg(long)]
    dry_run: bool,
}

/// What is counted is so only in a dry run.
#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    group: JsonBytes,
    from_id: String,
    to_id: String,
    delivered_again: Option<u64>,
    skipped: Option<u64>,
    is_dry_run: bool,
}

pub(super) async fn set_id(server: &ServerOptions, options: &SetIdOptions) -> anyhow::Result<()> {
    let (key, group) = (server.name(&options.stream)?, server.name(&options.group)?);
    let is_json = server.json;
    let server = server.connect().await?;
    let cannot = server.cannot(format!("move group {group} of stream {key}"));
    let from = find_group(&server, &key, &group).await?.last_delivered;
    let stream = server.stream(&key);
    let to = match options.id {
        GroupStart::First => EntryId::ZERO,
        GroupStart::After(id) => id,
        GroupStart::New => match stream.info().await.map_err(&cannot)? {
            Some(info) => info.last_generated,
            None => return Err(server.no_stream(&key)),
        },
    };
    let (mut again, mut skipped) = (None, None);
    let moves = if options.dry_run { "would move" } else { "was moved" };
    let mut text = format!("group {group} of stream {key} {moves} from {from} to {to}");
    if options.dry_run {
        let between = (Bound::Excluded(from.min(to)), Bound::Included(from.max(to)));
        let count = match from == to {
            true => 0,
            false => stream.count(between).await.map_err(&cannot)?,
        };
        match to.cmp(&from) {
            Ordering::Less => text += &format!(": {} would be delivered again", entries(count)),
            Ordering::Greater => text += &format!(": {} would be skipped", entries(count)),
            Ordering::Equal => text += ": nothing would change",
        }
        again = Some(if to < from { count } else { 0 });
        skipped = Some(if to > from { count } else { 0 });
    } else {
        // To where `$` was when it was looked at, which is what is told.
        server.groups(&key).set_id(&group, GroupStart::After(to)).await.map_err(&cannot)?;
    }
    if is_json {
        print_json(&Document {
            stream: key.json(),
            group: group.json(),
            from_id: from.to_string(),
            to_id: to.to_string(),
            delivered_again: again,
            skipped,
            is_dry_run: options.dry_run,
        })?;
    } else {
        print_line(&text)?;
    }
    Ok(())
}
