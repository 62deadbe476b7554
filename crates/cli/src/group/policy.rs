//! `millstream group policy`: what a group does by itself.

use std::ffi::OsString;
use std::time::Duration;

use clap::ValueEnum;
use millstream::{BackoffItem, ConsumerDeletion, Error, PolicyItem};
use millstream_shown::{PolicyRow, policy_facts};
use serde::Serialize;

use super::info::find_group;
use crate::output::{JsonBytes, print_facts, print_json};
use crate::server::{Server, ServerOptions};
use crate::setting::{Setting, parse_backoff_or_none, parse_count_or_none, parse_duration_or_none};

pub(super) const EXAMPLES: &str = "\
Examples:
  millstream group policy orders billing
  millstream group policy orders billing --visibility 30s --max-deliveries 5
  millstream group policy orders billing --backoff '1s 2 60s' --jitter 20
  millstream group policy orders billing --max-in-flight none

What each item means is in docs/delivery.md.";

#[derive(Debug, clap::Args)]
pub(crate) struct PolicyOptions {
    /// Key of the stream
    stream: OsString,
    /// Name of the group
    group: OsString,
    #[command(flatten)]
    items: Items,
}

/// Items that are not given stay as they are; a group is managed as soon as one is set.
#[derive(Debug, clap::Args)]
struct Items {
    /// Make an entry available to others that was not settled so long after its delivery, such as
    /// 30s; none: never
    #[arg(long, value_name = "TIME", value_parser = parse_duration_or_none)]
    visibility: Option<Setting<Duration>>,
    /// Make an entry a dead letter that was delivered so often; none: never
    #[arg(long, value_name = "COUNT", value_parser = parse_count_or_none)]
    max_deliveries: Option<Setting<u64>>,
    /// Send dead letters to this stream; none: to <stream>:dlq where --max-deliveries is set
    #[arg(long, value_name = "STREAM")]
    dead_letters: Option<OsString>,
    /// Let what failed wait: the first time, a factor from 1 to 1000 for each time more, and the
    /// longest time, such as '1s 2 60s'; none: no wait
    #[arg(long, value_name = "BASE FACTOR MAX", value_parser = parse_backoff_or_none)]
    backoff: Option<Setting<BackoffItem>>,
    /// Shorten the backoff by up to so many percent, by another amount for each entry
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    jitter: Option<u8>,
    /// Let so many entries have an owner at most; none: no limit
    #[arg(long, value_name = "COUNT", value_parser = parse_count_or_none)]
    max_in_flight: Option<Setting<u64>>,
    /// Hand out entries with one value of this field one after the other; none: all at once
    #[arg(long, value_name = "FIELD")]
    order_by: Option<OsString>,
    /// Delete a consumer that was not seen for so long and has nothing pending, such as 1h; none:
    /// never
    #[arg(long, value_name = "TIME", value_parser = parse_duration_or_none)]
    consumer_ttl: Option<Setting<Duration>>,
    /// What becomes of what a deleted consumer has pending: others get it, or it is lost
    #[arg(long, value_name = "HOW")]
    consumer_deletion: Option<DeletionWord>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DeletionWord {
    Release,
    Drop,
    None,
}

#[derive(Serialize)]
struct Document {
    stream: JsonBytes,
    group: JsonBytes,
    policy: PolicyRow,
}

impl Items {
    fn given(&self, server: &ServerOptions) -> anyhow::Result<Vec<PolicyItem>> {
        let name = |argument: &Option<OsString>| match argument {
            None => Ok(None),
            Some(none) if none.eq_ignore_ascii_case("none") => Ok(Some(None)),
            Some(name) => server.name(name).map(|name| Some(Some(name.as_ref().to_vec()))),
        };
        let max_deliveries = self.max_deliveries.map(|max| {
            // More than any server takes, which says so.
            let max = max.0.map(|max| u32::try_from(max).unwrap_or(u32::MAX));
            PolicyItem::MaxDeliveries(max)
        });
        let deletion = self.consumer_deletion.map(|word| match word {
            DeletionWord::Release => Some(ConsumerDeletion::Release),
            DeletionWord::Drop => Some(ConsumerDeletion::Drop),
            DeletionWord::None => None,
        });
        let items = [
            self.visibility.map(|time| PolicyItem::Visibility(time.0)),
            max_deliveries,
            name(&self.dead_letters)?.map(PolicyItem::DeadLetters),
            self.backoff.map(|backoff| PolicyItem::Backoff(backoff.0)),
            self.jitter.map(PolicyItem::JitterPercent),
            self.max_in_flight.map(|max| PolicyItem::MaxInFlight(max.0)),
            name(&self.order_by)?.map(PolicyItem::OrderBy),
            self.consumer_ttl.map(|time| PolicyItem::ConsumerTtl(time.0)),
            deletion.map(PolicyItem::ConsumerDeletion),
        ];
        Ok(items.into_iter().flatten().collect())
    }
}

/// What is said where there are no policies, with what to do instead.
pub(super) fn no_policies(server: &Server, next: &str) -> anyhow::Error {
    let (called, address) = (server.is_called(), &server.address);
    anyhow::anyhow!("{called} at {address} has no group policies\n  next: {next}")
}

pub(super) async fn policy(server: &ServerOptions, options: &PolicyOptions) -> anyhow::Result<()> {
    let (key, group) = (server.name(&options.stream)?, server.name(&options.group)?);
    let items = options.items.given(server)?;
    let is_json = server.json;
    let server = server.connect().await?;
    find_group(&server, &key, &group).await?;
    let groups = server.groups(&key);
    let verb = if items.is_empty() { "look at" } else { "change" };
    let failed = |error: Error| match error {
        Error::Unsupported { .. } if !error.is_untold() => no_policies(
            &server,
            "workers of the toolkit try again and bury by themselves there; see docs/delivery.md",
        ),
        error => {
            server.cannot(format!("{verb} the policy of group {group} of stream {key}"))(error)
        }
    };
    if !items.is_empty() {
        groups.change_policy(&group, &items).await.map_err(failed)?;
    }
    let policy = groups.policy(&group).await.map_err(failed)?;
    if is_json {
        let (stream, group) = (key.json(), group.json());
        print_json(&Document { stream, group, policy: PolicyRow::from(&policy) })?;
    } else {
        print_facts(&policy_facts(&policy))?;
    }
    Ok(())
}
