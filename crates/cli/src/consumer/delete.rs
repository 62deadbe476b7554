//! `millstream consumer delete`: a consumer goes, and others get what it had.

use std::ffi::OsString;

use anyhow::bail;
use millstream::ConsumerInfo;
use serde::Serialize;

use super::ls::consumers;
use crate::name::Name;
use crate::output::{JsonBytes, entries, print_json, print_line};
use crate::server::{Server, ServerOptions};
use crate::usage_error::usage;

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream consumer delete orders billing worker-7
  millstream consumer delete orders billing worker-7 --heir worker-8
  millstream consumer delete orders billing worker-7 --discard

Who inherits finds the entries in its history, as at its next start, or loses them to whoever
claims what is idle. In a group of Millstream that has a policy, which does not say that they are
dropped, nobody inherits: they stay without an owner, and anybody gets them at once. Stop the
consumer first: one that goes on reading is made again.";

#[derive(Debug, clap::Args)]
pub(crate) struct DeleteOptions {
    /// Key of the stream
    stream: OsString,
    /// Name of the group
    group: OsString,
    /// Name of the consumer
    consumer: OsString,
    /// Who is handed what it has pending, where that is needed [default: the other consumer that
    /// was heard of last]
    #[arg(long, value_name = "CONSUMER", conflicts_with = "discard")]
    heir: Option<OsString>,
    /// Run the plain command, XGROUP DELCONSUMER: what it has pending is lost, but in a group of
    /// Millstream whose policy keeps it
    #[arg(long)]
    discard: bool,
}

#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    group: JsonBytes,
    consumer: JsonBytes,
    /// Entries that it had.
    pending: u64,
    /// What became of them.
    outcome: Outcome,
    heir: Option<JsonBytes>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    /// There were none.
    Nothing,
    /// They are the heir's.
    HandedOn,
    /// They are anybody's.
    Released,
    Discarded,
}

pub(super) async fn delete(server: &ServerOptions, options: &DeleteOptions) -> anyhow::Result<()> {
    let (key, group) = (server.name(&options.stream)?, server.name(&options.group)?);
    let consumer = server.name(&options.consumer)?;
    let heir = options.heir.as_deref().map(|heir| server.name(heir)).transpose()?;
    if heir.as_ref() == Some(&consumer) {
        return Err(usage(format!("consumer {consumer} cannot inherit from itself")));
    }
    let is_json = server.json;
    let server = server.connect().await?;
    let cannot = server.cannot(format!("delete consumer {consumer} of group {group}"));
    let all = consumers(&server, &key, &group).await?;
    let Some(found) = all.iter().find(|it| it.name_bytes == consumer.as_ref()) else {
        bail!(
            "the group {group} of stream {key} at {} has no consumer {consumer}\n  next: \
             `millstream consumer ls` shows those that there are",
            server.address
        );
    };
    let groups = server.groups(&key);
    let is_released = releases(&server, &key, &group).await?;
    let (outcome, heir, pending) = if is_released || options.discard {
        let pending = groups.drop_consumer(&group, &consumer).await.map_err(&cannot)?;
        let outcome = if is_released { Outcome::Released } else { Outcome::Discarded };
        (outcome, None, pending)
    } else {
        let heir = match heir.or_else(|| heard_of_last(&all, &consumer)) {
            Some(heir) => heir,
            None if found.pending == 0 => spare_name(&consumer),
            None => bail!(
                "consumer {consumer} has {} pending, and the group {group} has no other \
                 consumer\n  next: name one with --heir, which is made if it is not there, or give \
                 them up with --discard",
                entries(found.pending)
            ),
        };
        let handed = groups.delete_consumer(&group, &consumer, &heir).await.map_err(&cannot)?;
        (Outcome::HandedOn, (handed > 0).then_some(heir), handed)
    };
    let outcome = if pending == 0 { Outcome::Nothing } else { outcome };
    if is_json {
        print_json(&Document {
            stream: key.json(),
            group: group.json(),
            consumer: consumer.json(),
            pending,
            outcome,
            heir: heir.as_ref().map(Name::json),
        })?;
        return Ok(());
    }
    let what = entries(pending);
    let became = match (outcome, heir) {
        (Outcome::HandedOn, Some(heir)) => format!("{what} went to {heir}"),
        (Outcome::Released, _) => format!("anybody can have {what} now"),
        (Outcome::Discarded, _) => format!("{what} went with it"),
        _ => "it had nothing pending".to_owned(),
    };
    print_line(&format!("consumer {consumer} of group {group} was deleted: {became}"))?;
    Ok(())
}

/// Whether the server keeps what a deleted consumer had, for anybody.
async fn releases(server: &Server, key: &Name, group: &Name) -> anyhow::Result<bool> {
    if !server.millstream.abilities().has_policies {
        return Ok(false);
    }
    let policy = server.groups(key).policy(group).await;
    let policy = policy.map_err(server.cannot(format!("read the policy of group {group}")))?;
    Ok(policy.releases_entries())
}

/// The other consumer that was heard of last.
fn heard_of_last(all: &[ConsumerInfo], but: &Name) -> Option<Name> {
    let others = all.iter().filter(|it| it.name_bytes != but.as_ref());
    others.min_by_key(|it| it.idle).map(|it| Name::from(it.name_bytes.clone()))
}

/// Should it take something at this very moment.
fn spare_name(consumer: &Name) -> Name {
    let mut name = consumer.as_ref().to_vec();
    name.extend_from_slice(b":heir");
    Name::from(bytes::Bytes::from(name))
}
