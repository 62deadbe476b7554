//! `millstream stream info`: one stream and its groups.

use std::ffi::OsString;

use millstream_shown::{GroupRow, RetentionRow, retention_facts};
use serde::Serialize;

use crate::byte_size;
use crate::duration::milliseconds;
use crate::group;
use crate::output::{
    JsonBytes, Table, age_of, or_dash, print_facts, print_json, print_line, short,
};
use crate::server::ServerOptions;

pub(super) const EXAMPLES: &str = "\
Example:
  millstream stream info orders";

#[derive(Debug, clap::Args)]
pub(crate) struct InfoOptions {
    /// Key of the stream
    stream: OsString,
}

/// All that is known of a stream. Ages are those of the oldest and the newest entry.
#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    length: u64,
    first_id: Option<String>,
    last_id: Option<String>,
    age_ms: Option<u64>,
    last_age_ms: Option<u64>,
    last_generated_id: String,
    max_deleted_id: Option<String>,
    entries_added: Option<u64>,
    memory_bytes: Option<u64>,
    disk_bytes: Option<u64>,
    payload_bytes: Option<u64>,
    scheduled: Option<u64>,
    retention: Option<RetentionRow>,
    groups: usize,
    group_list: Vec<GroupRow>,
}

pub(super) async fn info(server: &ServerOptions, options: &InfoOptions) -> anyhow::Result<()> {
    let key = server.name(&options.stream)?;
    let is_json = server.json;
    let server = server.connect().await?;
    let cannot = server.cannot(format!("look at stream {key}"));
    let stream = server.stream(&key);
    let Some(info) = stream.info().await.map_err(&cannot)? else {
        return Err(server.no_stream(&key));
    };
    let memory_bytes = stream.memory_bytes().await.map_err(&cannot)?;
    let disk_bytes = stream.disk_bytes().await.map_err(&cannot)?;
    let groups = server.groups(&key).groups().await.map_err(&cannot)?;
    let (age, last_age) = (info.first.map(age_of), info.last.map(age_of));
    if is_json {
        print_json(&Document {
            stream: key.json(),
            length: info.length,
            first_id: info.first.map(|id| id.to_string()),
            last_id: info.last.map(|id| id.to_string()),
            age_ms: age.map(milliseconds),
            last_age_ms: last_age.map(milliseconds),
            last_generated_id: info.last_generated.to_string(),
            max_deleted_id: info.max_deleted.map(|id| id.to_string()),
            entries_added: info.entries_added,
            memory_bytes,
            disk_bytes,
            payload_bytes: info.payload_bytes,
            scheduled: info.scheduled,
            retention: info.retention.as_ref().map(RetentionRow::from),
            groups: groups.len(),
            group_list: groups.iter().map(GroupRow::from).collect(),
        })?;
        return Ok(());
    }
    let with_age = |id, age: Option<_>| match age {
        Some(age) => format!("{}, {} ago", or_dash(id), short(age)),
        None => or_dash(id),
    };
    let mut facts = vec![
        ("stream", key.to_string()),
        ("length", info.length.to_string()),
        ("first entry", with_age(info.first, age)),
        ("last entry", with_age(info.last, last_age)),
        ("last generated id", info.last_generated.to_string()),
        ("highest deleted id", or_dash(info.max_deleted)),
        ("entries ever added", or_dash(info.entries_added)),
        ("memory", byte_size::show(memory_bytes)),
    ];
    if disk_bytes.is_some() {
        facts.push(("disk", byte_size::show(disk_bytes)));
    }
    if let Some(scheduled) = info.scheduled {
        facts.push(("delayed entries", scheduled.to_string()));
    }
    if let Some(bytes) = info.payload_bytes {
        facts.push(("names and values", byte_size::show(Some(bytes))));
    }
    if let Some(kept) = &info.retention {
        facts.extend(retention_facts(kept));
    }
    facts.push(("groups", groups.len().to_string()));
    print_facts(&facts)?;
    if !groups.is_empty() {
        print_line("")?;
        let mut table = Table::new(group::COLUMNS);
        groups.iter().for_each(|group| table.row(group::cells(group)));
        table.print()?;
    }
    Ok(())
}
