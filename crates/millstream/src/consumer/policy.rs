//! Seeing to it that a consumer's groups are there, with a policy where the server has policies.

use std::collections::HashMap;
use std::time::Duration;

use redis::cmd;

use super::builder::Settings;
use super::housekeeping::done_until;
use super::method::Method;
use super::worker::Worker;
use crate::reply::{Facts, NotUnderstood};
use crate::{ConsumerGroupManager, EntryId, Error, GroupPolicy, GroupStart, Millstream};

/// What a consumer begins with.
pub(super) struct PreparedGroups {
    /// For how long a message is ours without a word from us.
    pub(super) lease: Duration,
    /// Up to where everything is done, by stream.
    pub(super) done_until: HashMap<String, EntryId>,
    /// How often the server hands a message out, by stream; `None`: for ever. Only where it has
    /// policies.
    pub(super) tries: HashMap<String, Option<u32>>,
    /// Of every group the server takes by itself what is not settled in time.
    pub(super) has_times: bool,
}

/// More than that no policy says.
const MAX_DELIVERIES_MAX: u32 = 1_000_000_000;

/// Makes groups that are missing and gives a policy to those that have none.
pub(super) async fn prepare_groups(
    millstream: &Millstream,
    settings: &Settings,
    method: Method,
) -> Result<PreparedGroups, Error> {
    let has_policies = method == Method::Policy;
    millstream.need(has_policies || settings.order_by.is_none(), "order by a field (ORDERBY)")?;
    let has_limit = settings.max_in_flight.is_some();
    millstream.need(has_policies || !has_limit, "limit of entries in work (MAXINFLIGHT)")?;
    millstream.need(has_policies || !settings.is_paused, "paused groups (PAUSED)")?;
    let mut lease = settings.claim_min_idle;
    let (mut cursors, mut tries) = (HashMap::new(), HashMap::new());
    let mut has_times = true;
    for stream in &settings.streams {
        let manager = ConsumerGroupManager::new(millstream, stream.as_str());
        see_to_group(&manager, settings).await?;
        if has_policies && !settings.is_no_ack {
            let policy = manage(millstream, &manager, settings).await?;
            lease = lease.min(policy.visibility.unwrap_or(lease));
            has_times &= policy.visibility.is_some();
            tries.insert(stream.clone(), policy.max_deliveries);
        }
        if method == Method::Leased && millstream.abilities().has_policies {
            has_no_policy(&manager, &settings.group, stream).await?;
        }
        let cursor = done_until(millstream, stream, &settings.group).await?;
        cursors.insert(stream.clone(), cursor.unwrap_or(EntryId::ZERO));
    }
    Ok(PreparedGroups { lease, done_until: cursors, tries, has_times })
}

/// Sees to it that the group is there: makes it, where others do not. Who may not make any can work
/// for one that is there.
async fn see_to_group(manager: &ConsumerGroupManager, settings: &Settings) -> Result<(), Error> {
    let group = &settings.group;
    let missing = match settings.must_exist {
        true => Error::NoGroup(format!("there is no group {group} of {}", manager.stream_text()?)),
        false => match manager.create(group, settings.start).await {
            Err(error) if error.is_forbidden_command() => error,
            made => return made.map(drop),
        },
    };
    match manager.groups().await {
        Ok(groups) if groups.iter().any(|info| info.name == *group) => Ok(()),
        Err(error) if !error.is_no_stream() && !error.is_forbidden_command() => Err(error),
        _ => Err(missing),
    }
}

impl Worker {
    /// Makes groups that are gone, where the server lost its data: so that nothing is passed over
    /// that may not have been handled.
    pub(super) async fn make_groups(&self) -> Result<(), Error> {
        for (stream, origin) in self.origins.iter().enumerate() {
            let start = self.start_again(stream).await?;
            let manager = ConsumerGroupManager::new(&self.millstream, origin.stream.as_str());
            let is_new = manager.create(&origin.group, start).await?;
            if self.method == Method::Policy && !self.settings.is_no_ack {
                // Its policy went with it. It was not paused when it was read from.
                let settings = Settings { is_paused: false, ..self.settings.clone() };
                manage(&self.millstream, &manager, &settings).await?;
            }
            if is_new {
                tracing::warn!(
                    stream = origin.stream,
                    group = origin.group,
                    "the group was gone; made again to go on after {}",
                    start.to_word()
                );
            }
        }
        Ok(())
    }

    /// Where a group goes on that is gone: where it was done, unless the stream begins anew, by ids
    /// that do not follow those that it had. Then all of it is new.
    async fn start_again(&self, stream: usize) -> Result<GroupStart, Error> {
        let done_until = self.done_until.lock()[stream];
        let info = cmd("XINFO").arg(&["STREAM", &*self.origins[stream].stream]).to_owned();
        let last = match self.millstream.run(&info).await {
            Ok(facts) => Facts::parse(facts).and_then(|facts| facts.id("last-generated-id")),
            Err(Error::Refused { code, .. }) if code == "ERR" => Ok(EntryId::ZERO),
            Err(error) => return Err(error),
        };
        let last = last.map_err(NotUnderstood::of("XINFO STREAM"))?;
        if last < done_until {
            return Ok(GroupStart::First);
        }
        Ok(GroupStart::After(done_until))
    }
}

/// Sees to it that the group has a policy; returns the one that counts.
pub(super) async fn manage(
    millstream: &Millstream,
    manager: &ConsumerGroupManager,
    settings: &Settings,
) -> Result<GroupPolicy, Error> {
    let stream = manager.stream_text()?;
    let found = manager.policy(&settings.group).await?;
    if found == GroupPolicy::default() {
        let policy = policy_of(settings, settings.dead_letters_of(millstream, stream));
        manager.set_policy(&settings.group, &policy).await?;
        return Ok(policy);
    }
    // What was asked for must not silently be otherwise.
    let differs = |item: &str| {
        let group = &settings.group;
        let text =
            format!("the group {group} of {stream} has a policy already, with another {item}");
        Err(Error::Configuration(text))
    };
    if settings.order_by.is_some() && settings.order_by != found.order_by {
        return differs("ORDERBY");
    }
    if settings.max_in_flight.is_some() && settings.max_in_flight != found.max_in_flight {
        return differs("MAXINFLIGHT");
    }
    Ok(found)
}

fn policy_of(settings: &Settings, letters: String) -> GroupPolicy {
    GroupPolicy {
        visibility: Some(settings.claim_min_idle),
        max_deliveries: Some(settings.max_retries.min(MAX_DELIVERIES_MAX)),
        dead_letters: Some(letters),
        backoff: Some(settings.backoff).filter(|backoff| !backoff.base.is_zero()),
        max_in_flight: settings.max_in_flight,
        order_by: settings.order_by.clone(),
        consumer_ttl: settings.consumer_ttl,
        consumer_deletion: None,
        is_paused: settings.is_paused,
    }
}

/// What the server hands out again itself has no order that leases could keep.
async fn has_no_policy(
    manager: &ConsumerGroupManager,
    group: &str,
    stream: &str,
) -> Result<(), Error> {
    if manager.policy(group).await? == GroupPolicy::default() {
        return Ok(());
    }
    Err(Error::Configuration(format!(
        "the group {group} of {stream} has a policy, by which the server hands messages out again \
         itself: their order cannot be kept by leases"
    )))
}
