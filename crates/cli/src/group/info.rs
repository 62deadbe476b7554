//! `millstream group info`: one group.

use std::ffi::OsString;

use millstream::{GroupInfo, GroupStatistics};
use millstream_shown::{ConsumerRow, GroupRow, policy_facts};
use serde::Serialize;

use crate::consumer;
use crate::duration::milliseconds;
use crate::name::Name;
use crate::output::{
    JsonBytes, Table, or_dash, print_facts, print_json, print_line, short, short_or_dash,
};
use crate::server::{Server, ServerOptions};

pub(super) const EXAMPLES: &str = "\
Example:
  millstream group info orders billing";

#[derive(Debug, clap::Args)]
pub(crate) struct InfoOptions {
    /// Key of the stream
    stream: OsString,
    /// Name of the group
    group: OsString,
}

/// The age is that of the oldest pending entry, by its id.
#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    #[serde(flatten)]
    group: GroupRow,
    first_pending_id: Option<String>,
    last_pending_id: Option<String>,
    oldest_pending_age_ms: Option<u64>,
    consumer_list: Vec<ConsumerRow>,
}

/// What is known of a group that must be there.
///
/// # Errors
/// There is none, or no stream.
pub(crate) async fn find_group(
    server: &Server,
    key: &Name,
    group: &Name,
) -> anyhow::Result<GroupInfo> {
    let groups = match server.groups(key).groups().await {
        Err(error) if error.is_no_stream() => return Err(server.no_stream(key)),
        other => other.map_err(server.cannot(format!("look at stream {key}")))?,
    };
    let found = groups.into_iter().find(|it| it.name_bytes == group.as_ref());
    found.ok_or_else(|| server.no_group(key, group))
}

pub(super) async fn info(server: &ServerOptions, options: &InfoOptions) -> anyhow::Result<()> {
    let (key, group) = (server.name(&options.stream)?, server.name(&options.group)?);
    let is_json = server.json;
    let server = server.connect().await?;
    let cannot = server.cannot(format!("look at group {group} of stream {key}"));
    let found = match server.monitor(&key).statistics(&group).await {
        Err(error) if error.is_no_stream() => return Err(server.no_stream(&key)),
        other => other.map_err(&cannot)?,
    };
    let found = found.ok_or_else(|| server.no_group(&key, &group))?;
    if is_json {
        print_json(&Document {
            stream: key.json(),
            group: GroupRow::from(&found.group),
            first_pending_id: found.pending.first.map(|id| id.to_string()),
            last_pending_id: found.pending.last.map(|id| id.to_string()),
            oldest_pending_age_ms: found.oldest_age.map(milliseconds),
            consumer_list: found.consumers.iter().map(ConsumerRow::from).collect(),
        })?;
        return Ok(());
    }
    print_facts(&facts(&key, &group, &found))?;
    if !found.consumers.is_empty() {
        print_line("")?;
        let mut table = Table::new(consumer::COLUMNS);
        found.consumers.iter().for_each(|it| table.row(consumer::cells(it)));
        table.print()?;
    }
    Ok(())
}

fn facts(key: &Name, group: &Name, found: &GroupStatistics) -> Vec<(&'static str, String)> {
    let info = &found.group;
    let pending = match (found.pending.first, found.oldest_age) {
        (Some(first), Some(age)) => {
            format!("{}, the first {first}, {} ago", info.pending, short(age))
        }
        _ => info.pending.to_string(),
    };
    let mut facts = vec![
        ("stream", key.to_string()),
        ("group", group.to_string()),
        ("last delivered", info.last_delivered.to_string()),
        ("not delivered (lag)", or_dash(info.lag)),
        ("pending", pending),
        ("consumers", info.consumers.to_string()),
    ];
    let Some(managed) = &info.managed else { return facts };
    facts.extend([
        ("in flight", managed.in_flight.to_string()),
        ("held", info.held.to_string()),
        ("delayed", managed.delayed.to_string()),
        ("oldest in flight since", short_or_dash(managed.oldest_pending)),
        ("oldest not delivered", short_or_dash(managed.oldest_undelivered)),
        ("blocked by", or_dash(managed.blocked_by.as_ref())),
        ("delivered", managed.delivered.to_string()),
        ("acknowledged", managed.acked.to_string()),
        ("given back", managed.nacked.to_string()),
        ("delivered again", managed.redelivered.to_string()),
        ("dead letters", managed.dead_lettered.to_string()),
        ("dead letters refused", managed.dead_letter_failed.to_string()),
        ("vanished", managed.vanished.to_string()),
        ("dropped", managed.dropped.to_string()),
    ]);
    let policy = policy_facts(&managed.policy);
    facts.extend(policy.into_iter().filter(|(_, value)| value != "-").map(|(name, value)| {
        let name = match name {
            "dead letters" => "dead letters go to",
            name => name,
        };
        (name, value)
    }));
    facts
}
